"""Two sessions side by side."""

from __future__ import annotations

import uuid

import pytest
from pages import classed, text

from honeytrace.local._rows import row_of
from honeytrace.local.page._compare import differences
from honeytrace.local.page._html import join

NOW = 1_700_000_000_000


class Trees:
    """Stores small trees, one after the other."""

    def __init__(self, store):
        self.store = store
        self.now = NOW

    def add(self, name, *children, parent=None, **fields):
        self.now += 1
        session_id = str(uuid.uuid4())
        ours = {"parent_id": parent} if parent else {}
        fields = {
            "duration": 10.0,
            "start_time": self.now,
            "metadata": {"honeytrace": ours},
            **fields,
        }
        self.store.add({"session_id": session_id, "project": "p", "session_name": name, **fields})
        for child, about in children:
            self.add(child, parent=session_id, **about)
        return session_id


@pytest.fixture
def trees(store):
    return Trees(store)


def states(browser, one, other):
    steps = browser.data(f"/d/{one}/{other}")["steps"]
    return [(each["path"], each["number"], each["state"]) for each in steps]


def test_steps_are_aligned_by_their_names(browser, trees):
    """Steps at the same place are compared; a step of one side alone keeps its place."""
    same, new = {"outputs": {"a": 1}}, {"outputs": {"a": 2}}
    one = trees.add("root", ("search", same), ("chat", same), ("chat", same), outputs={"x": 1})
    other = trees.add("renamed", ("plan", {}), ("search", same), ("chat", new), outputs={"x": 1})
    assert states(browser, one, other) == [
        ("", 1, "same"),
        ("/plan", 1, "only right"),
        ("/search", 1, "same"),
        ("/chat", 1, "changed"),
        ("/chat", 2, "only left"),
    ]
    assert "This side has no such step" in browser.page(f"/d/{one}/{other}?step=%2Fplan%231")


def test_errors_are_changes(browser, trees):
    """A step that fails on one side alone has changed; its error is its output."""
    one, other = trees.add("root"), trees.add("root", error="E: boom")
    assert states(browser, one, other) == [("", 1, "changed")]
    page = browser.tree(f"/d/{one}/{other}")
    assert "E: boom" in text(classed(page, "both")[0]).replace("E : boom", "E: boom")


def test_numbers(browser, trees):
    """Duration, tokens and cost of both, and the change."""
    metrics = {"prompt_tokens": 100, "completion_tokens": 10, "cost": 0.5}
    one = trees.add("root", metrics=metrics, duration=100.0)
    more = {"prompt_tokens": 50, "completion_tokens": 5, "cost": 0.5}
    other = trees.add("root", metrics=more, duration=150.0)
    (row,) = (
        row
        for row in browser.tree(f"/d/{one}/{other}").iter("tr")
        if row.find("td") is not None and "root" in text(row)
    )
    assert text(row) == "root 100.0 ms → 150.0 ms +50.0 ms (+50%) 110 → 55 −55 (−50%) $0.5000"


def test_sums(browser, trees):
    """The last row has what the whole trees cost, even if a model was called on one side alone."""
    metrics = {"prompt_tokens": 100, "completion_tokens": 10, "cost": 0.5}
    one = trees.add("root", ("chat", {"metrics": metrics}), ("chat", {}))
    other = trees.add("root", ("chat", {"metrics": metrics}), ("chat", {"metrics": metrics}))
    *_, last, sums = browser.tree(f"/d/{one}/{other}").iter("tr")
    assert text(last).endswith("– → 110 – → $0.5000")
    assert text(sums) == "All steps 110 → 220 +110 (+100%) $0.5000 → $1.00 +$0.5000 (+100%)"


def test_a_change_from_nothing_has_no_share(browser, trees):
    """Nothing is divided by zero."""
    one, other = trees.add("root", duration=0.0), trees.add("root", duration=5.0)
    assert "+5.0 ms" in browser.page(f"/d/{one}/{other}")


ANSWERS = [
    ({"result": "one two"}, "one two"),
    ({"role": "assistant", "content": "Hi."}, "Hi."),
    ({"a": 1, "b": 2}, '{\n  "a": 1,\n  "b": 2\n}'),
    ({"result": [1]}, "[\n  1\n]"),
    ({}, "{}"),
]


@pytest.mark.parametrize(("outputs", "shown"), ANSWERS)
def test_outputs_are_compared_as_text(browser, trees, outputs, shown):
    """An answer is its text; anything else is JSON."""
    session_id = trees.add("root", outputs=outputs)
    assert browser.data(f"/d/{session_id}/{session_id}")["outputs"] == [shown, shown]


def test_differences():
    """Words that only one side has are marked."""
    left, right = differences("the old answer", "the new answer!")
    assert join(left) == "the <del>old</del> answer"
    assert join(right) == "the <ins>new</ins> answer<ins>!</ins>"


def test_differences_of_long_texts():
    """Long texts are compared by lines, and very long ones are shown as they are."""
    lines = [f"line {at} of a text" for at in range(900)]
    changed = [*lines[:5], "another", *lines[6:]]
    left, right = differences("\n".join(lines), "\n".join(changed))
    assert "<del>line 5 of a text\n</del>" in join(left)
    assert "<ins>another\n</ins>" in join(right)
    assert differences("a\n" * 5000, "b") == ("a\n" * 5000, "b")


def test_the_run_before(browser, trees):
    """The last one with this name and these inputs, else the last one with this name."""
    first = trees.add("root", inputs={"q": "x", "more": 1})
    same = trees.add("root", inputs={"q": "x", "more": 2})
    trees.add("root", inputs={"q": "y"})
    trees.add("rooted", inputs={"q": "x", "more": 2})
    last = trees.add("root", inputs={"q": "x", "more": 2})
    assert browser.get(f"/s/{last}/previous").headers["Location"] == f"/d/{same}/{last}"
    assert browser.get(f"/s/{same}/previous").headers["Location"] == f"/d/{first}/{same}"
    assert "no earlier session" in browser.page(f"/s/{first}/previous", status=404)
    assert browser.get(f"/s/{uuid.uuid4()}/previous").status_code == 404


def test_other_inputs_are_a_reason_for_other_outputs(browser, trees):
    """The page says so, and shows what each side was asked."""
    one, two = (trees.add("root", inputs={"q": f"what is {word} for?"}) for word in ("a", "b"))
    again = trees.add("root", inputs={"q": "what is b for?"})
    page = browser.page(f"/d/{one}/{two}")
    assert "had different inputs" in page
    assert "what is a for?" in page
    assert "what is b for?" in page
    assert "had different inputs" not in browser.page(f"/d/{two}/{again}")


def test_ticking_two(browser, trees):
    """Two ticked rows lead to their comparison, the older one on the left; others to a sentence."""
    one, other = trees.add("a"), trees.add("b")
    answer = browser.get(f"/compare?pick={other}&pick={one}")
    assert (answer.status_code, answer.headers["Location"]) == (303, f"/d/{one}/{other}")
    assert "tick two sessions in the list, not 1" in browser.page(
        f"/compare?pick={one}", status=400
    )


def test_what_is_not_there(browser, trees):
    """A session that is not stored cannot be compared."""
    one = trees.add("a")
    assert "There is no session" in browser.page(f"/d/{one}/{uuid.uuid4()}", status=404)


def test_missing_children(browser, trees):
    """Children that are listed but not stored are not compared."""
    one = trees.add("a", children_ids=[str(uuid.uuid4())])
    assert len(states(browser, one, one)) == 1


def test_large_trees(browser, store):
    """Of many hundred pairs only the first outputs are read; all are listed."""
    roots = []
    for _ in range(2):
        root = str(uuid.uuid4())
        about = {"project": "p", "session_name": "c", "start_time": NOW}
        children = [
            {
                **about,
                "session_id": str(uuid.uuid4()),
                "metadata": {"honeytrace": {"parent_id": root}},
            }
            for _ in range(250)
        ]
        store.put_many(map(row_of, [{**about, "session_id": root, "session_name": "r"}, *children]))
        roots.append(root)
    assert len(states(browser, *roots)) == 251


def test_inputs_that_differ_are_shown(store, browser):
    """What went in is compared word by word, if it differs."""
    ids = [str(uuid.uuid4()) for _ in range(3)]
    for session_id, question in zip(ids, ("Hello Ada", "Hello Bob", "Hello Ada"), strict=True):
        fields = {"session_id": session_id, "project": "p", "session_name": "ask"}
        store.add({**fields, "inputs": {"question": question}, "outputs": {"result": "x"}})
    page = browser.tree(f"/d/{ids[0]}/{ids[1]}")
    assert [text(each) for each in page.iter("h2")] == ["Input of ask", "Output of ask"]
    assert [text(each) for each in page.iter("del")] == ["Ada"]
    assert [text(each) for each in page.iter("ins")] == ["Bob"]
    page = browser.tree(f"/d/{ids[0]}/{ids[2]}")
    assert [text(each) for each in page.iter("h2")] == ["Output of ask"]
