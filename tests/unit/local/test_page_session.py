"""The page of a session: its tree, its timeline, and one step in full."""

from __future__ import annotations

import uuid

import pytest
from agent_sessions import Maker, trees
from pages import classed, text

from honeytrace.local._rows import row_of
from honeytrace.local._trees import Tree
from honeytrace.local.page import _timeline

NOW = 1_700_000_000_000


def add(store, name="a", parent=None, begin=0.0, took=10.0, **fields):
    """Add a session, as a step of another if `parent` is its fields."""
    session_id = fields.pop("session_id", None) or str(uuid.uuid4())
    ours = {"root_id": parent["root"] if parent else session_id, "status": "ok"}
    if parent:
        ours["parent_id"] = parent["session_id"]
    if "error" in fields:
        ours["status"] = "error"
    fields["metadata"] = {
        "honeytrace": {**ours, **fields.pop("ours", {})},
        **fields.get("metadata", {}),
    }
    fields = {
        "session_id": session_id,
        "project": "p",
        "session_name": name,
        "start_time": NOW + begin,
        "duration": took,
        **fields,
    }
    store.add(fields)
    return {**fields, "root": ours["root_id"]}


def tree_rows(page):
    """Name and classes of each row of the tree, from top to bottom."""
    rows = [row for row in classed(page, "row") if "head" not in row.get("class")]
    return [
        (text(classed(row, "what")[0]), set(row.get("class").split()) - {"row"}) for row in rows
    ]


def panel(page):
    return next(each for each in page.iter("section") if each.get("id") == "step")


@pytest.fixture
def failed(store):
    """A tree whose tool fails once, among others of the same kind."""
    store.put_many(row_of(each) for tree in trees(10, NOW) for each in tree)
    made = Maker(3).tree(NOW, fails="tool")
    store.put_many(map(row_of, made))
    return made


def test_a_tree(browser, failed):
    """Every step stands in it, in the order of its start, below the step that it started in."""
    page = browser.tree(f"/s/{failed[0]['session_id']}")
    names = [name.split()[0] for name, _ in tree_rows(page)]
    assert names == [each["session_name"].split()[0] for each in failed]
    steps = browser.data(f"/s/{failed[0]['session_id']}")["steps"]
    assert [each["depth"] for each in steps] == [0, 1, 2, 2, 2, 1, 1, 1, 1]


def test_the_three_questions(browser, failed):
    """Above the tree, the page says what failed, what was slow and what it cost."""
    page = browser.tree(f"/s/{failed[0]['session_id']}")
    answers = text(classed(page, "answers")[0])
    assert "Failed find_order : TimeoutError: the order service did not answer" in answers
    assert "Slowest find_order" in answers
    cost = sum(each["metrics"].get("cost", 0) for each in failed)
    assert f"Cost ${cost:.4f}" in answers


def test_errors_are_seen_in_the_tree(browser, failed):
    """The row of a step that failed says so, and that it took longer than usual."""
    rows = dict(tree_rows(browser.tree(f"/s/{failed[0]['session_id']}")))
    (name,) = (name for name, classes in rows.items() if "failed" in classes)
    assert name.startswith("find_order tool error")
    assert name.endswith("× usual")


def test_a_step_is_shown_in_its_surroundings(browser, failed):
    """The page of a step has the whole tree, with this step chosen and shown in full."""
    chat = failed[-1]
    page = browser.tree(f"/s/{chat['session_id']}")
    rows = tree_rows(page)
    assert len(rows) == len(failed)
    assert [name for name, classes in rows if "chosen" in classes] == ["chat model claude-sonnet-4"]
    assert text(panel(page).find("h2")) == "chat"


def test_upper_case_ids(browser, failed):
    """An id is found however it is written."""
    assert browser.tree(f"/s/{failed[0]['session_id'].upper()}") is not None


def test_hits_are_marked(browser, failed):
    """Steps that match are marked, with a count at each branch, and words in the text."""
    page = browser.tree(f"/s/{failed[0]['session_id']}?q=parcels")
    marked = [name for name, classes in tree_rows(page) if "hit" in classes]
    assert {name.split()[0] for name in marked} >= {"search", "rerank"}
    assert f"{len(marked)} matches" in text(page)
    assert classed(page, "hits")
    chat = next(each for each in failed if each["session_name"] == "chat")
    found = list(browser.tree(f"/s/{chat['session_id']}?q=shop").iter("mark"))
    assert {text(each).lower() for each in found} == {"shop"}


def test_the_words_of_a_new_session_are_found(store, browser, failed):
    """A session that came in after the last search is indexed before its matches are marked."""
    assert not store.search("zebra")
    session_id = str(uuid.uuid4())
    store.add({"session_id": session_id, "inputs": {"q": "a zebra"}})
    (step,) = browser.data(f"/s/{session_id}?q=zebra")["steps"]
    assert step["matches"]


def test_a_query_that_is_none_is_no_hindrance(browser, failed):
    """An address with a damaged query shows the session all the same."""
    assert len(tree_rows(browser.tree(f"/s/{failed[0]['session_id']}?q=nmae:x"))) == len(failed)


def test_its_neighbours_in_the_list(store, browser):
    """Newer and older lead along the list that the session was found in."""
    ids = [add(store, name, begin=at)["session_id"] for at, name in enumerate("abab")]
    links = {
        each.get("rel"): each.get("href")
        for each in browser.tree(f"/s/{ids[1]}?q=name:b").iter("a")
    }
    assert (links["prev"], links.get("next")) == (f"/s/{ids[3]}?q=name%3Ab", None)
    assert links["up"] == "/?q=name%3Ab"
    links = {each.get("rel"): each.get("href") for each in browser.tree(f"/s/{ids[1]}").iter("a")}
    assert (links["prev"], links["next"]) == (f"/s/{ids[2]}", f"/s/{ids[0]}")


def test_children_that_only_one_side_names(store, browser):
    """A tree is what parents list and what children name; what is not stored is said."""
    named, gone = str(uuid.uuid4()), str(uuid.uuid4())
    root = add(store, "root", children_ids=[named.upper(), gone, "not an id"])
    add(store, "names", root, begin=5)
    store.add({"session_id": named, "project": "p", "session_name": "listed", "start_time": NOW})
    rows = [name for name, _ in tree_rows(browser.tree(f"/s/{root['session_id']}"))]
    assert rows[:3] == ["root", "listed", "names"]
    assert set(rows[3:]) == {f"{gone} (not stored)", "not an id (not stored)"}
    assert any(
        not each.get("stored", True) for each in browser.data(f"/s/{root['session_id']}")["steps"]
    )


def test_cycles_end(store, browser):
    """Sessions that are inside of each other are shown once."""
    one, two = str(uuid.uuid4()), str(uuid.uuid4())
    add(store, "one", session_id=one, children_ids=[two], ours={"parent_id": two, "root_id": two})
    add(store, "two", session_id=two, children_ids=[one, two], ours={"parent_id": one})
    for each in (one, two):
        assert sorted(name for name, _ in tree_rows(browser.tree(f"/s/{each}"))) == ["one", "two"]


def test_a_parent_that_is_not_stored(store, browser):
    """A step whose parent never came is the top of its tree."""
    orphan = add(store, "orphan", {"session_id": str(uuid.uuid4()), "root": str(uuid.uuid4())})
    assert [name for name, _ in tree_rows(browser.tree(f"/s/{orphan['session_id']}"))] == ["orphan"]


def test_ten_thousand_children(store, browser):
    """A page is bounded: it shows the first of them, and says how many more there are."""
    root = add(store, "root")
    ours = {"root_id": root["session_id"], "parent_id": root["session_id"]}
    children = [
        {
            "session_id": str(uuid.uuid4()),
            "project": "p",
            "session_name": f"c{at}",
            "start_time": NOW + at,
            "metadata": {"honeytrace": ours},
        }
        for at in range(10_000)
    ]
    store.put_many(map(row_of, children))
    page = browser.tree(f"/s/{root['session_id']}")
    assert len(tree_rows(page)) == 1000
    assert "9,001 more steps" in text(page)
    last = browser.tree(f"/s/{children[-1]['session_id']}")
    assert [name for name, _ in tree_rows(last)] == ["c9999"]
    assert "Sessions / root" in text(classed(last, "crumbs")[0])


def test_a_deep_tree(store, browser):
    """A chain of 500 steps is shown, folded; browsers flatten elements in over 512 others."""
    parent = top = add(store, "0")
    for at in range(500):
        parent = add(store, str(at), parent, took=1)
    page = browser.tree(f"/s/{top['session_id']}")
    assert len(tree_rows(page)) == 501
    assert len(classed(page, "d14")) > 400
    assert depth(page) < 350


def test_folding(store, browser):
    """A large tree shows what matters unfolded; two links show all or little of it."""
    root = add(store, "root")
    inner = [add(store, f"b{at}", root, begin=at) for at in range(30)]
    for at, each in enumerate(inner):
        for _ in range(2):
            add(store, "leaf", each, begin=at, **({"error": "E: x"} if at == 7 else {}))

    def unfolded(address):
        (tree,) = classed(browser.tree(address), "tree")
        return [each.get("open") is not None for each in tree.iter("details")]

    path = f"/s/{root['session_id']}"
    assert (
        sum(unfolded(path)) == 3
    )  # the root, the one that failed, and the one on the critical path
    assert sum(unfolded(f"{path}?fold=all")) == 31
    assert sum(unfolded(f"{path}?fold=top")) == 1


class At:
    """A step that ran from one moment to another."""

    def __init__(self, step_id, begin, end, *children):
        from honeytrace.local._trees import Step

        summary = type("Summary", (), {"start": NOW + begin, "duration": end - begin})
        self.step = Step(step_id, 1, summary, 0, [each.step for each in children])
        self.steps = [self.step, *(inner for each in children for inner in each.steps)]


def test_self_time_and_the_critical_path(store, browser):
    """Time in which no child ran is a step's own; what nobody waited for is not critical."""
    top = At("top", 0, 100, At("a", 10, 40), At("b", 30, 50), At("c", 60, 100, At("d", 90, 95)))
    made = _timeline.timeline(Tree(top.steps, 0))
    own = {name: round(timing.self_time) for name, timing in made.timings.items()}
    assert own == {"top": 20, "a": 30, "b": 20, "c": 35, "d": 5}
    critical = {name for name, timing in made.timings.items() if timing.critical}
    assert critical == {"top", "b", "c", "d"}
    assert made.total == 100


def test_clocks_that_step_back(store, browser):
    """A child that began before its parent, outlives it or took a negative time is drawn."""
    root = add(store, "root", took=10)
    add(store, "early", root, begin=-1e9)
    add(store, "late", root, begin=5, took=1e12)
    add(store, "negative", root, took=-5)
    page = browser.tree(f"/s/{root['session_id']}")
    for rect in page.iter("rect"):
        assert 0 <= float(rect.get("x")[:-1]) <= 100
        assert 0 < float(rect.get("width")[:-1]) <= 100


@pytest.mark.parametrize("total", [1e-6, 0.3, 1, 6.1, 7, 99, 455, 12_345, 1e12])
def test_the_axis_has_round_numbers(total):
    """Two to six marks, whatever the length; the last one leaves room for what is beside it."""
    marks = list(_timeline.ticks(total))
    assert 2 <= len(marks) <= 6
    assert marks[0] == 0
    assert marks[-1] <= total * 0.75


def test_times_beyond_measure(store, browser):
    """The longest time that JSON can hold neither breaks the axis nor fills the page."""
    root = add(store, "root", begin=1e308, took=1e308)
    add(store, "one", root, begin=-1e308, took=1e308)
    add(store, "two", root, begin=1.5e308, took=1e308)
    path = f"/s/{root['session_id']}"
    page = browser.page(path)
    assert "inf" not in page
    assert "nan" not in page
    assert text(classed(browser.tree(path), "took")[1]) == "2.78e+301 h"


def depth(element):
    """How many elements are nested in each other at most, without recursion."""
    level, found = [element], 0
    while level:
        level, found = [child for each in level for child in each], found + 1
    return found


def test_a_session_without_times(store, browser):
    """A session of another client may have neither start nor duration."""
    session_id = str(uuid.uuid4())
    store.add({"session_id": session_id, "project": "p"})
    assert tree_rows(browser.tree(f"/s/{session_id}")) == [("unknown", {"critical", "chosen"})]


def test_a_session_that_goes_meanwhile(store, browser, monkeypatch):
    """A session that is deleted between two reads is told as that."""
    root = add(store, "root")
    monkeypatch.setattr(store, "get", lambda _: None)
    assert "deleted a moment ago" in browser.page(f"/s/{root['session_id']}")


def test_a_time_that_no_calendar_has(store, browser):
    """A start far beyond the year 9999 is shown as a question mark."""
    root = add(store, "root", begin=9e15, took=1.0)
    assert "?" in text(classed(browser.tree(f"/s/{root['session_id']}"), "facts")[0])


def test_where_a_run_failed(store, browser):
    """The innermost step that failed is marked; those around it only repeat its error."""
    root = add(store, "root", error="E: x")
    inner = add(store, "inner", root, error="E: x")
    add(store, "fine", root)
    page = browser.tree(f"/s/{root['session_id']}")
    assert [text(row).split(" 1")[0] for row in classed(page, "row") if classed(row, "here")] == [
        "inner error here"
    ]
    alone = add(store, "alone", error="E: x")
    assert not classed(browser.tree(f"/s/{alone['session_id']}"), "here")
    assert inner["session_id"] != root["session_id"]


def test_names_break_at_dots(store, browser):
    """A long name goes on in the next line after a dot, on all pages."""
    root = add(store, "openai.chat.completions")
    for path in ("/", f"/s/{root['session_id']}"):
        links = [each for each in browser.tree(path).iter("a") if len(each.findall("wbr")) == 2]
        assert ["".join(each.itertext()) for each in links] == ["openai.chat.completions"]


def test_streams_that_were_not_read(store, browser):
    """The row of a stream that nobody read to its end says so."""
    root = add(store, "root")
    for name, chunks in (("early", 3), ("unread", 0)):
        inner = add(store, name, root)
        stream = {"honeytrace": {**inner["metadata"]["honeytrace"], "stream": {"completed": False}}}
        store.update(inner["session_id"], {"metadata": stream, "metrics": {"chunks": chunks}})
    page = browser.tree(f"/s/{root['session_id']}")
    rows = [text(row) for row in classed(page, "row")]
    assert [row.split(" 10")[0] for row in rows if "early" in row or "unread" in row] == [
        "early stopped early",
        "unread not read",
    ]
