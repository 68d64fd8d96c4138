"""The list of sessions."""

from __future__ import annotations

import sqlite3
import threading
import time
import uuid

import pytest
from agent_sessions import trees
from pages import classed, text
from test_schema import old_store

from honeytrace.local import Store, _search
from honeytrace.local._rows import row_of
from honeytrace.local.page import _listing

HOSTILE = '"><script>alert(1)</script>\x1b[31m\u202e'


def add(store, name="a", **fields):
    session_id = str(uuid.uuid4())
    store.add({"session_id": session_id, "project": "p", "session_name": name, **fields})
    return session_id


@pytest.fixture
def agent(store):
    """A day of a support agent: 40 trees."""
    made = list(trees(40, time.time() * 1000))
    store.put_many(row_of(each) for tree in made for each in tree)
    return made


def rows(page):
    return [row for row in page.iter("tr") if row.find("td") is not None]


def cell(row, name):
    return text(next(each for each in row.iter("td") if each.get("class") == name))


def test_a_row_tells_what_it_is_about(store, browser):
    """Time, name, first lines of input and output, steps, duration, tokens, cost, model, user."""
    root = add(
        store,
        "answer",
        inputs={"question": "How?\nmore"},
        outputs={"result": "So."},
        duration=1234.5,
        start_time=time.time() * 1000,
        user_properties={"user": "u-1"},
    )
    metrics = {"prompt_tokens": 1200, "completion_tokens": 85, "cost": 0.0042}
    ours = {"honeytrace": {"parent_id": root, "root_id": root}}
    add(store, "chat", metrics=metrics, metadata=ours, config={"model": "gpt-4o"}, start_time=1)
    (row,) = rows(browser.tree("/"))
    assert "answer How? … 1 more line → So." in cell(row, "what")
    assert (cell(row, "steps"), cell(row, "took")) == ("2", "1.23 s")
    assert (cell(row, "tokens"), cell(row, "cost")) == ("1,200 → 85", "$0.0042")
    assert (cell(row, "model"), cell(row, "user")) == ("gpt-4o", "u-1")


def test_tokens_are_not_counted_twice(store, browser):
    """A parent that repeats the tokens of its children adds none, at any depth."""
    tokens = {"prompt_tokens": 10, "completion_tokens": 5, "cost": 1.0}
    root = parent = add(store, "root", metrics=tokens, start_time=time.time() * 1000)
    for name, metrics in (("between", {}), ("chat", tokens)):
        ours = {"honeytrace": {"parent_id": parent, "root_id": root}}
        parent = add(store, name, metrics=metrics, metadata=ours, start_time=1)
    totals = browser.data("/")["sessions"][0]["totals"]
    assert (totals["steps"], totals["tokens_in"], totals["cost"]) == (3, 10, 1.0)


def test_the_list_never_reads_bodies(store, browser, agent):
    """A store whose bodies are gone lists the same sessions."""
    before = browser.page("/")
    store._database.write(sqlite3.Connection.execute, "UPDATE sessions SET body = '{'")
    assert browser.page("/") == before


def test_pages_follow_each_other(browser, agent):
    """Older leads through all of them, each once, and Newest leads back."""
    seen, path = [], "/?q=name:chat"
    while path:
        page = browser.tree(path)
        seen += [row.find(".//a").get("href") for row in rows(page)]
        links = {link.get("rel"): link.get("href") for link in page.iter("a")}
        path = links.get("next")
    assert len(seen) == len(set(seen)) == sum(len(tree) > 0 for tree in agent) * 2
    assert links["first"] == "/?q=name%3Achat"


@pytest.mark.parametrize("query", ["user:rare", "common user:rare"])
def test_a_search_ends_somewhere(store, browser, monkeypatch, query):
    """Conditions without an index look through a part of a large store, and go on if asked. So do
    texts that are too common to sort all that have them."""
    monkeypatch.setattr(_listing, "_REACH", 10)
    monkeypatch.setattr(_search, "_WALKED", 10)
    monkeypatch.setattr(_search, "MANY", 30)
    for at in range(35):
        user = {"user": "rare"} if at in (1, 20) else {}
        add(store, f"s{at}", start_time=1000 + at, user_properties=user, inputs={"q": "common"})
    names, path = [], f"/?q={query}"
    for _ in range(9):
        page = browser.tree(path)
        names += [text(row.find(".//a")) for row in rows(page)]
        further = [each for each in page.iter("a") if each.text == "Search further back"]
        if not further:
            break
        path = further[0].get("href")
    assert names == ["s20", "s1"]
    for complete in ("/", "/?q=rare"):
        assert "Search further back" not in browser.page(complete)


def test_a_query_and_its_chips(browser, agent):
    """Each word is a chip; its link has all the others."""
    page = browser.tree('/?q=name:chat model:"gpt-4o" error')
    chips = next(iter(classed(page, "chips")))
    links = {text(each.find("span")): each.find("a").get("href") for each in chips}
    assert links == {
        "name:chat": "/?q=model%3A%22gpt-4o%22%20error",
        'model:"gpt-4o"': "/?q=name%3Achat%20error",
        "error": "/?q=name%3Achat%20model%3A%22gpt-4o%22",
    }


@pytest.mark.parametrize("word", ["a ", "name:x ", "x y "])
def test_a_query_of_thousands_of_words(browser, agent, word):
    """The page stays small: `browser.page` fails if it does not."""
    assert "class=" in browser.page(f"/?q={word * 1500}")


def test_steps_without_their_root(store, browser):
    """Steps whose outermost session is elsewhere do not look like an empty store."""
    root = str(uuid.uuid4())
    add(store, "step", metadata={"honeytrace": {"parent_id": root, "root_id": root}})
    page = browser.tree("/")
    link = next(each for each in page.iter("a") if each.text == "List the steps")
    assert "No sessions yet" not in text(page)
    assert len(rows(browser.tree(link.get("href")))) == 0  # it has no duration
    add(store, "timed", duration=1.0, metadata={"honeytrace": {"parent_id": root}})
    (row,) = rows(browser.tree(link.get("href")))
    assert cell(row, "what") == "timed a step"


def test_models_that_answer_come_first(store, browser):
    """The model that wrote the answer is named before that of the embeddings."""
    root = add(store, "ask", start_time=1000)
    ours = {"honeytrace": {"parent_id": root, "root_id": root}}
    asked = {"prompt_tokens": 10}
    answered = {**asked, "completion_tokens": 5}
    for at, (model, metrics) in enumerate((("embedder", asked), ("writer", answered))):
        fields = {"start_time": 1001 + at, "config": {"model": model}}
        add(store, model, metrics=metrics, metadata=ours, **fields)
    assert text(classed(browser.tree("/"), "model")[1]) == "writer, embedder"


def test_models_inside_sessions_are_counted(browser, agent):
    """The list of roots counts in how many of them each model was used, at whatever depth."""
    words = [text(each) for each in classed(browser.tree("/"), "facets")[0].iter("a")]
    for model in ("gpt-4o", "claude-sonnet-4"):
        used = [
            tree
            for tree in agent
            if any(each.get("config", {}).get("model") == model for each in tree)
        ]
        assert f"{model} {len(used)}" in words


def test_counts_are_links(browser, agent):
    """The counts of failures and models are links that list these sessions."""
    page = browser.tree("/?q=name:chat")
    links = {text(each): each.get("href") for each in classed(page, "facets")[0].iter("a")}
    failed = next(words for words in links if words.startswith("failed"))
    assert len(rows(browser.tree(links[failed]))) == int(failed.split()[1])
    model = next(words for words in links if words.startswith("gpt-4o "))
    assert len(browser.data(links[model])["sessions"]) == int(model.split()[1])


def test_a_session_is_found_by_what_its_row_shows(browser, agent):
    """Cost, tokens and models of a row are those of its whole tree; conditions look at the same."""
    shown = {each["id"]: each["totals"] for each in browser.data("/")["sessions"]}

    def found(query):
        sessions = browser.data(f"/?q={query}")["sessions"]
        return {each["id"] for each in sessions if not each["parent"]}

    def tokens(totals):
        return (totals["tokens_in"] or 0) + (totals["tokens_out"] or 0)

    costs = sorted(totals["cost"] for totals in shown.values() if totals["cost"])
    some = costs[len(costs) // 2]
    assert found(f"cost:>={some}") == {
        i for i, each in shown.items() if (each["cost"] or 0) >= some
    }
    assert found(f"cost:={some}") == {i for i, each in shown.items() if each["cost"] == some}
    assert found("tokens:>4000") == {i for i, each in shown.items() if tokens(each) > 4000}
    assert found("model:mini") == {
        i for i, each in shown.items() if "gpt-4o-mini" in each["models"]
    }


def test_counts_of_sessions_agree_with_what_their_links_find(browser, agent):
    """A list of sessions also tells how many of their steps failed, since `error` finds these."""
    facets = classed(browser.tree("/"), "facets")[0]
    links = {text(each): each.get("href") for each in facets.iter("a")}
    failed = sum("error" in each for tree in agent for each in tree[:1])
    inside = sum("error" in each for tree in agent for each in tree[1:])
    link = links[f"failed {failed} + {inside} steps"]
    found = text(classed(browser.tree(link), "facets")[0].find("span"))
    assert found == f"{failed} sessions and {inside} steps"
    model = next(words for words in links if words.startswith("gpt-4o "))
    found = text(classed(browser.tree(links[model]), "facets")[0].find("span"))
    assert found.startswith(f"{model.split()[1]} sessions and ")


def test_only_a_step_failed(store, browser):
    """The list of sessions leads to it, though none of the sessions failed."""
    root = add(store, "root")
    ours = {"honeytrace": {"parent_id": root, "root_id": root}}
    add(store, "lookup", metadata=ours, error="KeyError: 'x'")
    facets = classed(browser.tree("/"), "facets")[0]
    assert [text(each) for each in facets.iter("a")] == ["failed 1 step"]
    assert text(classed(browser.tree("/?q=error"), "facets")[0]) == "1 step"


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("nmae:x", "did you mean 'name:'?"),
        ('"open', "quote that does not end"),
        ("slower:x", "not a time"),
    ],
)
def test_a_query_that_is_none(browser, agent, query, words):
    """The page names the word that it cannot understand, and shows what there is."""
    page = browser.page(f"/?q={query}", status=400)
    assert words in page.replace("&#x27;", "'")
    assert "slower:2s" in page


def test_one_session_cannot_be_compared(store, browser):
    """The button that compares two is there as soon as there are two."""
    add(store)
    assert "Compare the two" not in browser.page("/")
    add(store)
    assert "Compare the two" in browser.page("/")


def test_nothing_matches(browser, agent):
    """A query without matches is not an error."""
    assert "No session matches" in browser.page("/?q=nowhere")


def test_an_empty_store(browser):
    """The first page says what to do next, and makes no store."""
    assert "@trace_session" in browser.page("/")
    assert not browser.http._transport.app.store.path.exists()


@pytest.mark.parametrize(
    "after", ["x", "1", "1,x", "nan,1", "1e999,1", "--1,2", "1,999999999999999999"]
)
def test_a_place_that_is_none(browser, agent, after):
    """A damaged address shows a page all the same."""
    assert rows(browser.tree(f"/?after={after}")) or "No session" in browser.page(
        f"/?after={after}"
    )


def test_everything_in_a_row_is_text(store, browser):
    """Names, users, models, previews and errors with markup are shown as they are written."""
    for error in (None, HOSTILE):
        add(
            store,
            HOSTILE,
            inputs={"a": HOSTILE},
            error=error,
            user_properties={"user": HOSTILE},
            config={"model": HOSTILE},
            project=HOSTILE,
        )
    page = browser.page("/")
    assert "<script>alert" not in page
    assert "\x1b" not in page
    assert "\u202e" not in page
    assert "\\x1b[31m\\u202e" in page


@pytest.mark.parametrize("start", [253402300799000, 9e15, -9e15, 0, 1.5])
def test_any_time(store, browser, start):
    """Times that no calendar has are not an error."""
    add(store, "a", start_time=start)
    assert len(rows(browser.tree("/"))) == 1


def test_steps_are_told_from_sessions(browser, agent):
    """A search that finds steps says of each that it is one, and of what kind it is."""
    assert "model" in cell(rows(browser.tree("/?q=kind:model"))[0], "what").split()
    assert "a step of support agent" in cell(rows(browser.tree("/?q=name:rerank"))[0], "what")
    assert "a step failed" in browser.page("/")


def test_an_old_store_is_listed_at_once(tmp_path, browser):
    """A store of the first version without any summary lists its sessions."""
    store = browser.http._transport.app.store
    old_store(store.path, 120)
    assert len(rows(browser.tree("/"))) == 50
    assert len(store.search(limit=1000)) == 120


def test_a_large_old_store_is_prepared_in_the_background(browser):
    """Nobody waits for many thousand sessions; the page says how many are left."""
    store = browser.http._transport.app.store
    old_store(store.path, 1500)
    assert "are still being prepared" in browser.page("/")
    store._upkeep.catching_up.join(60)
    assert len(browser.data("/?q=name:s1499")["sessions"]) == 1
    assert "being prepared" not in browser.page("/")


def test_an_old_store_is_prepared_once(browser):
    """As long as one thread prepares a store, no other one is started."""
    store = browser.http._transport.app.store
    old_store(store.path, 1500)
    store._upkeep.catching_up = threading.current_thread()
    assert "are still being prepared" in browser.page("/")
    assert store._upkeep.catching_up is threading.current_thread()


def test_a_store_that_cannot_be_used(tmp_path, browser):
    """A damaged file is told as a sentence, not as a failure of the server."""
    store = browser.http._transport.app.store
    store.path.write_bytes(b"x" * 5000)
    assert "cannot be used" in browser.page("/", status=500)


def test_a_store_that_is_deleted(store, browser, agent):
    """A store that goes while its page is open is an empty one."""
    browser.page("/")
    for each in store.path.parent.glob("sessions.db*"):
        each.unlink()
    assert "No sessions yet" in browser.page("/")


def test_a_second_store_of_the_same_file(store, browser, agent):
    """Sessions that another process adds are there at the next look."""
    other = Store(store.path)
    other.add({"session_id": str(uuid.uuid4()), "project": "p", "session_name": "from elsewhere"})
    other.close()
    assert "from elsewhere" in browser.page("/?q=name:elsewhere")


def test_what_a_page_of_the_list_cost(store, browser):
    """Tokens and cost of the listed sessions are added up; a single session needs no sum."""
    for at in range(2):
        assert not classed(browser.tree("/"), "sums")
        fields = {"session_id": str(uuid.uuid4()), "project": "p", "session_name": "a"}
        metrics = {"prompt_tokens": 1000, "completion_tokens": 24} if at else {"cost": 0.25}
        store.add({**fields, "metrics": metrics})
    (sums,) = classed(browser.tree("/"), "sums")
    assert text(sums) == "These 2 sessions: 1,024 tokens, $0.2500"
