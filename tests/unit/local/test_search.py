"""The query language, over a real store."""

from __future__ import annotations

import sqlite3
import time
import uuid

import pytest

from honeytrace.local import Store, _search
from honeytrace.local._rows import row_of

NOW = time.time() * 1000


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path / "sessions.db")
    yield store
    store.close()


def add(store, name, parent=None, **fields):
    """Store a session; return its id."""
    session_id = str(uuid.uuid4())
    metadata = dict(fields.pop("metadata", {}))
    if parent:
        metadata["honeytrace"] = {"parent_id": parent, "root_id": parent}
    fields = {"project": "p", "source": "dev", "start_time": NOW, **fields}
    store.add({"session_id": session_id, "session_name": name, "metadata": metadata, **fields})
    return session_id


@pytest.fixture
def stored(store):
    """Five sessions that differ in what can be asked for; one of them is below another."""
    root = add(
        store,
        "Pipeline.answer",
        inputs={"question": "What is a *decorator*?"},
        outputs={"content": "A function.\nNot more."},
        duration=2500.0,
        user_properties={"user_id": "ada", "conversation_id": "c-7"},
        metadata={"team": "search", "a": {"b": True}, "c.d": 5},
    )
    add(
        store,
        "complete",
        root,
        config={"model": "gpt-4o"},
        metrics={"cost": 0.02, "prompt_tokens": 3},
        inputs={
            "messages": [{"role": "user", "content": "old"}, {"role": "user", "content": "new"}]
        },
    )
    about = {"start_time": NOW - 1, "metadata": {"a b": "c d"}, "source": "production"}
    add(store, "broken", error="ValueError: boom\nmore", **about)
    add(store, "old", start_time=NOW - 3_600_000 * 30, project="50%_done", duration=1 << 70)
    add(store, "-> arrow", start_time=NOW - 2, inputs={"url": "https://a.example/x?y=z"})
    return store


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("", ["Pipeline.answer", "broken", "-> arrow", "old"]),
        ("name:ANSWER", ["Pipeline.answer"]),
        ("project:50%_", ["old"]),
        ("project:5%d", []),
        ("source:production", ["broken"]),
        ("user:ada", ["Pipeline.answer"]),
        ("conversation:c-7", ["Pipeline.answer"]),
        ("error", ["broken"]),
        ("error:boom", ["broken"]),
        ("error:more", []),
        ("slower:2s", ["Pipeline.answer", "old"]),
        ("slower:3000ms", ["old"]),
        ("slower:>3000ms", ["old"]),
        ("cost:>0.01", ["complete", "Pipeline.answer"]),
        ("cost:0.02", ["complete", "Pipeline.answer"]),
        ("cost:=$.02", ["complete", "Pipeline.answer"]),
        ("cost:<0.02", []),
        ("cost:<=0.02", ["complete", "Pipeline.answer"]),
        ("tokens:>=3", ["complete", "Pipeline.answer"]),
        ("tokens:>1,000", []),
        ("model:=gpt-4o", ["complete", "Pipeline.answer"]),
        ("model:=gpt", []),
        ("model:gpt", ["complete", "Pipeline.answer"]),
        ("kind:session since:1d", ["complete", "Pipeline.answer", "broken", "-> arrow"]),
        ("since:2000-01-01 name:old", ["old"]),
        ("meta.team=search", ["Pipeline.answer"]),
        ('meta.team="sea rch"', []),
        ("meta.a.b=true", ["Pipeline.answer"]),
        ("meta.c.d=5", ["Pipeline.answer"]),
        ("decorat", ["Pipeline.answer"]),
        ("FUNCTION not", ["Pipeline.answer"]),
        ('"function not"', ["Pipeline.answer"]),
        ('"not function"', []),
        ("new slower:1d", []),
        ("new", ["complete"]),
        ("->", ["-> arrow"]),
        ('"https://a.example"', ["-> arrow"]),
        ("https://a.example", ["-> arrow"]),
        ('"name=new"', []),
        ("ValueError: boom", ["broken"]),
        ('meta."a b"="c d"', ["broken"]),
        ("boom", ["broken"]),
        ("boom\0more", ["broken"]),
        ("boom\udcff", ["broken"]),
        ("name:\0", []),
        ("name:\ud800", []),
        ('""', ["Pipeline.answer", "broken", "-> arrow", "old"]),
    ],
)
def test_a_query_finds(stored, query, names):
    """Each condition and each text finds its sessions, newest first; several must all hold."""
    assert [found.summary.name for found in stored.search(query)] == names


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("nam:x", "'nam:x' is not a condition; did you mean 'name:'?"),
        ("xyzzy:1", "'xyzzy:1' is not a condition; the conditions are name, project"),
        ("name:", "'name:' has no value; write it right after the colon"),
        ('name:""', "has no value"),
        ("slower:2", "'slower:2' is not a time; use slower:500ms, 2s"),
        ("slower:>x", "'slower:>x' is not a time"),
        ("meta.team:search", "'meta.team:search' is not a condition; use meta.KEY=VALUE"),
        ("meta:team=search", "'meta:team=search' is not a condition; use meta.KEY=VALUE"),
        ("duration:>2s", "'duration:>2s' is not a condition; use slower:2s"),
        ("status:failed", "'status:failed' is not a condition; use error or error:timeout"),
        ("boom cost>0.01", "'cost>0.01' is not a condition; write a colon after 'cost', such as c"),
        ("name=answer", "write a colon after 'name', such as name:x"),
        ("since:noon", "'since:noon' is not a time; use 1h, 30d, today, 2026-01-31"),
        ("tokens:many", "'tokens:many' needs a number, such as tokens:>1000"),
        ("cost:cheap", "'cost:cheap' needs an amount in dollars, such as cost:>0.01"),
        ('"open', "has a quote that does not end; add the closing one"),
    ],
)
def test_a_query_that_is_none_is_refused(store, query, sentence):
    """The sentence names the word that cannot be understood, and what to write instead."""
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the sentence is what counts
        store.search(query)
    assert sentence in str(caught.value)


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("cost:>0.0092", ["root"]),
        ("cost:>=0.0093", ["root"]),
        ("cost:=0.0093", ["root"]),
        ("cost:>0.0093", []),
        ("cost:<0.01", ["middle", "leaf", "leaf", "leaf", "root"]),
        ("cost:<=0.0031", ["leaf", "leaf", "leaf"]),
        ("cost:>=0.009 name:middle", ["middle"]),
        ("tokens:33", ["root"]),
        ("tokens:>33", []),
        ("tokens:11", ["leaf", "leaf", "leaf", "root"]),
        ("tokens:<1", []),
        ("model:gpt", ["leaf", "leaf", "leaf", "root"]),
    ],
)
def test_a_root_is_found_by_what_its_tree_has_spent(store, query, names):
    """What steps repeat of the steps inside them does not count; steps are found by their own."""
    root = add(store, "root")
    middle = add(store, "middle", root, metrics={"cost": 0.009}, start_time=NOW + 9)
    for at in range(3):
        ours = {"honeytrace": {"parent_id": middle, "root_id": root}}
        spent = {"cost": 0.0031, "prompt_tokens": 10, "completion_tokens": 1}
        model = {"config": {"model": "gpt-4o"}, "start_time": NOW + at + 1}
        store.add(
            {"session_id": str(uuid.uuid4()), "session_name": "leaf", "metadata": ours}
            | {"metrics": spent}
            | model
        )
    add(store, "other", config={"model": "m"}, start_time=NOW - 1)
    assert [found.summary.name for found in store.search(query)] == names


def test_pages_follow_each_other(store):
    """Each page begins after the last one of the page before, also among equal start times."""
    ids = {add(store, "same") for _ in range(7)}
    pages, last = [], None
    while page := store.search(limit=3, after=last):
        pages += [found.summary.id for found in page]
        last = page[-1].position
    assert len(pages) == 7
    assert set(pages) == ids


def test_a_changed_session_is_found_by_its_new_words_alone(store):
    """The index of words follows a session that is merged."""
    session_id = add(store, "a", inputs={"text": "before"})
    assert store.search("before")
    store.add({"session_id": session_id, "inputs": {"text": "after"}})
    assert not store.search("before")
    assert [found.summary.id for found in store.search("after")] == [session_id]


def test_summaries_tell_input_and_output(stored):
    """The preview is the first line of what went in and of what came out."""
    previews = {found.summary.name: found.summary.preview for found in stored.search(children=True)}
    assert previews["Pipeline.answer"] == "What is a *decorator*? → A function. … 1 more line"
    assert previews["complete"] == "new"
    assert previews["broken"] == ""


@pytest.mark.parametrize(
    ("inputs", "told"),
    [
        ({"flag": True}, "true"),
        ({"nothing": None, "number": 3}, "3"),
        ({"a": {"b": {"c": {"d": {"e": {"f": {"g": "too deep"}}}}}}}, ""),
        ({"messages": [{"role": "system", "content": "be kind"}]}, "be kind"),
        ({"content": [{"type": "text", "text": "parts"}]}, "parts"),
        ({"method": "POST", "path": "/ask", "query": {"k": "1"}}, "POST /ask"),
        ({"method": "newton", "steps": 12}, "method=newton, steps=12"),
        ({"result": [0, 1, 2]}, "0 … 2 more"),
        ({"result": [["a", "b"], "c"]}, "a … 1 more"),
        ({"ids": [1, 2], "k": 3}, "ids=1, k=3"),
        ({"text": "first\n\nsecond\nthird"}, "first … 2 more lines"),
        ({"reply": {"role": "user", "content": "Hi.\nYou."}}, "Hi. … 1 more line"),
        ({"order": 48213, "state": "sent", "left": None}, "order=48213, state=sent"),
        ({"question": "Where is it?", "limit": 3}, "Where is it?"),
        ({"reply": {"role": "user", "content": "Hi."}}, "Hi."),
        (
            {"k": 3, "docs": [{"id": 1, "text": "Order: " + "x" * 50}]},
            "k=3, docs=Order: " + "x" * 33 + "…",
        ),
        (
            {"ticket": 60, "customer": "c-6", "question": "When will it arrive?"},
            "When will it arrive?",
        ),
        (
            {
                "model": "m",
                "messages": [{"role": "user", "content": "a"}, {"role": "tool", "content": "b"}],
            },
            "a",
        ),
    ],
)
def test_the_preview_of_a_value(store, inputs, told):
    """Whatever the value, the preview is what tells most of it in one line, not too deep."""
    add(store, "a", inputs=inputs)
    assert store.search()[0].summary.preview == told


def test_without_an_index_the_newest_are_looked_through(open_home, unwritable):
    """A store whose words cannot be indexed still finds a text."""
    store = Store(open_home / "sessions.db")
    add(store, "one", outputs={"content": "A function."})
    add(store, "two", inputs={"url": "https://a.example"})
    store.close()
    with unwritable(open_home):
        assert not store.searches_all()
        assert [found.summary.name for found in store.search("FUNCTION")] == ["one"]
        assert [found.summary.name for found in store.search('"https://a"')] == ["two"]
        store.close()


def test_children_are_those_that_name_their_parent(stored):
    """A session's children are found by the parent that they name, in start order."""
    root = stored.search("name:answer")[0].summary.id
    later = add(stored, "later", root, start_time=NOW + 1)
    first = stored.search("name:complete")[0].summary.id
    assert stored.children(root.upper()) == [first, later]


def test_a_damaged_body_is_left_out(stored):
    """A body that is not JSON does not keep a search from the others."""
    with sqlite3.connect(stored.path) as connection:
        connection.execute("UPDATE sessions SET body = '{' WHERE start = ?", (NOW - 1,))
    connection.close()
    assert [found.summary.name for found in stored.search("function")] == ["Pipeline.answer"]
    assert stored.search("meta.team=search")


def test_an_equals_sign_asks_for_the_whole_value(store):
    """`name:a` finds every name with an "a" in it, and `name:=a` the one that is "a"."""
    for name in ("a", "ab", "="):
        add(store, name)
    assert len(store.search("name:a")) == 2
    assert [each.summary.name for each in store.search("name:=a")] == ["a"]
    assert [each.summary.name for each in store.search("name:=")] == ["="]


@pytest.mark.parametrize("walked", [2, 10, 1000])
def test_common_and_rare_words_are_found_alike(store, monkeypatch, walked):
    """However much of the list is walked along, the same sessions are found, in the same order."""
    monkeypatch.setattr(_search, "_WALKED", walked)
    for at in range(40):
        words = ["common", *(["rare"] if at in (1, 20) else [])]
        add(store, f"s{at:02}", start_time=NOW + at // 3, inputs={"words": words})
    for word, expected in (("common", 40), ("rare", 2), ("absent", 0)):
        found, last = [], None
        while page := store.search(word, limit=3, after=last):
            found += [each.summary.name for each in page]
            last = page[-1].position
        assert found == sorted(found, reverse=True)
        assert len(found) == expected
    middle = store.search("name:=s20")[0].position
    newer, older, _ = store.around("common", middle, middle, [])
    assert (newer.summary.name, older.summary.name) == ("s21", "s19")


@pytest.mark.parametrize("query", ["", "error", "common", "cost:>5", "common user:nobody"])
def test_to_look_for_new_ones_takes_no_longer_in_a_large_store(store, query):
    """An open list asks every half second; SQLite must not look through all of the store."""

    def instructions(above):
        counted = []
        store.read(lambda database: database.set_progress_handler(lambda: counted.append(1), 10))
        store.search(query, 1000, above=above)
        store.read(lambda database: database.set_progress_handler(None, 0))
        return len(counted)

    used = []
    for _ in range(2):
        rows = [{"session_id": str(uuid.uuid4()), "inputs": {"a": "common"}} for _ in range(600)]
        store.put_many(map(row_of, rows))
        store.search("common")  # so that the index of words is complete
        used.append(instructions(store.last_number() - 3))
    assert used[1] <= used[0] + 20


@pytest.mark.parametrize("near", [1, 4, 1000])
def test_what_is_around_a_session(store, monkeypatch, near):
    """However far away they are, the neighbours and the matches of a tree are found."""
    monkeypatch.setattr(_search, "_NEAR", near)
    for at in range(30):
        words = ["common", *(["rare"] if at in (3, 27) else [])]
        kind = {"config": {"model": "m"}} if at % 2 else {}
        add(store, f"s{at:02}", start_time=NOW + at, inputs={"words": words}, **kind)
    listed = store.search("common", limit=30)  # now their words are in the index
    middle = listed[14].position
    numbers = [each.number for each in listed]

    def around(query, numbers=numbers):
        newer, older, hits = store.around(query, middle, middle, numbers)
        names = [each.summary.name if each else None for each in (newer, older)]
        return [*names, len(hits)]

    assert listed[14].summary.name == "s15"
    assert around("common") == ["s16", "s14", 30]
    assert around("rare") == ["s27", "s03", 2]
    assert around("rare model:m") == ["s27", "s03", 2]
    assert around("common model:m") == ["s17", "s13", 15]
    assert around("common", numbers[13:16]) == ["s16", "s14", 3]
    assert around("absent") == [None, None, 0]
    assert around("model:m") == ["s17", "s13", 15]
    assert around("") == ["s16", "s14", 0]


CALL = {"function": {"name": "find", "arguments": '{"order": "48213", "limit": 3}'}}


@pytest.mark.parametrize(
    ("outputs", "preview"),
    [
        ({"role": "assistant", "tool_calls": [CALL]}, 'find(order="48213", limit=3)'),
        ({"choices": [{"message": {"role": "assistant", "content": "Hi."}}], "id": 1}, "Hi."),
        ({"result": [{"type": "function_call", "name": "a"}] * 2}, "a()"),
        (
            {
                "role": "assistant",
                "content": [{"type": "tool_use", "name": "find", "input": {"order": 7}}],
            },
            "find(order=7)",
        ),
        (
            {"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": "{"}}]},
            'f("{")',
        ),
        ({"role": "assistant", "content": "Hi.", "tool_calls": [{"function": {}}]}, "Hi."),
        ({"role": "assistant", "tool_calls": [{"function": {}}]}, "tool()"),
        ({"role": "assistant", "tool_calls": ["x"]}, "x"),
        ({"role": "assistant", "tool_calls": "x"}, ""),
    ],
)
def test_a_preview_names_the_tools_that_are_called(store, outputs, preview):
    """An answer is shown by its text, or by its tool calls with their arguments."""
    add(store, "chat", outputs=outputs)
    assert store.search(limit=1)[0].summary.preview == (f" → {preview}" if preview else "")
