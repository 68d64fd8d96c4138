"""The messages of assertions about captured sessions."""

from __future__ import annotations

from unittest.mock import ANY

import pytest

from honeytrace import trace_session
from honeytrace.testing import FakeClock, capture_sessions


@pytest.fixture
def sessions():
    with capture_sessions(clock=FakeClock()) as caught:
        yield caught


def step(name, **given):
    with trace_session(name, **given):
        pass


def told(sessions, *name, **fields):
    """The message of the failing assertion: its first paragraph, and the lines of the tree."""
    with pytest.raises(AssertionError) as caught:
        sessions.one(*name, **fields)
    words, _, tree = str(caught.value).partition("\n\n")
    assert tree == sessions.tree()
    return words


def test_without_sessions_it_says_so(sessions):
    """Then there is no tree and no nearest session."""
    assert told(sessions, "a") == "no session was captured"


def test_a_misspelt_name_is_shown_with_the_nearest(sessions):
    """The nearest name, and where that session differs besides."""
    step("retrieve", inputs={"question": "q"})
    step("answer", inputs={"question": "x"})
    assert told(sessions, "retreive", inputs={"question": "x"}) == (
        "no session has name 'retreive'; "
        "the nearest is 'retrieve', whose inputs.question is 'q', not 'x'"
    )
    assert told(sessions, "retreive") == (
        "no session has name 'retreive'; the nearest is 'retrieve'"
    )


def test_a_name_that_is_like_none_is_named_alone(sessions):
    """A session with a very different name is not called the nearest."""
    step("retrieve")
    assert told(sessions, "zzz") == "no session has name 'zzz'"


def test_of_the_same_name_the_nearest_differs_least(sessions):
    """Of sessions with the name, the one with the fewest differences is shown."""
    step("call", inputs={"k": 1, "q": "a"})
    step("call", inputs={"k": 2, "q": "b"})
    assert told(sessions, "call", inputs={"k": 2, "q": "c"}) == (
        "no session matches; the nearest is 'call', whose inputs.q is 'b', not 'c'"
    )


def test_without_a_name_the_fields_decide(sessions):
    """The session that differs in the fewest fields is the nearest."""
    step("a", metadata={"x": 1})
    step("b", metadata={"x": 1, "y": [1, {"z": 2}]})
    assert told(sessions, metadata={"x": 1, "y": [1, {"z": 3}]}) == (
        "no session matches; the nearest is 'b', whose metadata.y[1].z is 2, not 3"
    )


def test_of_texts_that_differ_the_nearest_is_most_alike(sessions):
    """A slip in a text finds the session that has the text without it."""
    step("a", inputs={"q": "who wrote Emma?"})
    step("a", inputs={"q": "what does yield do?"})
    step("a", inputs={"q": "why?"})
    assert told(sessions, inputs={"q": "what does yeild do?"}) == (
        "no session matches; the nearest is 'a', "
        "whose inputs.q is 'what does yield do?', not 'what does yeild do?'"
    )


def test_many_differences_are_cut(sessions):
    """Three are shown, the others counted."""
    step("a", inputs={"a": 1, "b": 1})
    assert told(sessions, inputs=dict.fromkeys("abcde", 2)) == (
        "no session matches; the nearest is 'a', whose inputs.a is 1, not 2; inputs.b is 1, not 2; "
        "inputs.c is absent, not 2 and 2 more differ"
    )


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        ({"error": "E: x"}, "error is None, not 'E: x'"),
        ({"inputs": "q"}, "inputs is {'list': [1, 2]}, not 'q'"),
        ({"inputs": {"list": [1]}}, "inputs.list is [1, 2], not [1]"),
        ({"inputs": {"list": (1, 3)}}, "inputs.list[1] is 2, not 3"),
        ({"inputs": {"list": {"a": 1}}}, "inputs.list is [1, 2], not {'a': 1}"),
    ],
)
def test_differences_are_named_by_their_paths(sessions, wanted, words):
    """Down to the value that differs, where the shapes are the same."""
    step("a", inputs={"list": [1, 2]})
    assert told(sessions, **wanted) == f"no session matches; the nearest is 'a', whose {words}"


def test_long_texts_are_shown_where_they_part(sessions):
    """A long prompt is cut to what differs."""
    step("a", inputs={"prompt": "x" * 500 + "1" + "y" * 500, "same": "x" * 90})
    words = told(sessions, inputs={"prompt": "x" * 500 + "2"})
    assert f"is …'{'x' * 20}1yyy" in words
    assert words.endswith(f"…, not …'{'x' * 20}2'")
    assert told(sessions, inputs={"same": "x" * 91}).endswith(f"not …'{'x' * 21}'")


def test_values_that_compare_themselves_fit(sessions):
    """`ANY`, `approx`, and tuples instead of lists match a value."""
    step("a", inputs={"list": [1, 2], "cost": 0.3, "any": {"deep": 1}})
    assert sessions.one(
        inputs={"list": (1, 2), "cost": pytest.approx(0.1 + 0.2), "any": ANY}, start_time=ANY
    )


def test_several_are_listed_with_their_places(sessions):
    """The places in the list, and the inputs that tell them apart."""
    step("other")
    step("a", inputs={"k": 1})
    step("a", inputs={"k": 2})
    assert told(sessions, "a").splitlines() == [
        "2 sessions match, not one:",
        "  [1] a  0 µs  inputs {'k': 1}",
        "  [2] a  0 µs  inputs {'k': 2}",
    ]


def test_long_lists_and_trees_are_cut(sessions):
    """Of a hundred sessions, only the beginning and the end are shown."""
    for k in range(100):
        step("a", inputs={"k": k})
    with pytest.raises(AssertionError) as caught:
        sessions.one("a")
    lines = str(caught.value).splitlines()
    assert (len(lines), lines[11], lines[12]) == (74, "  … and 90 more", "")
    assert lines[13:] == [*["a  0 µs"] * 30, "… 40 more …", *["a  0 µs"] * 30]


def test_wrong_fields_are_named(sessions):
    """A wrong name of a field raises `TypeError`, and does not count as a missing session."""
    with pytest.raises(
        TypeError, match=r"no field 'input'; did you mean 'inputs'\? It has name, pro"
    ):
        sessions.one(input={})
    with pytest.raises(TypeError, match="did you mean 'name'"):
        sessions.one(naem="a")
    with pytest.raises(TypeError, match="a session has no field 'zzz'; it has name, project, "):
        sessions.all("a", zzz=1)


def test_errors_are_shown_in_the_tree(sessions):
    """The sentence counts and names those that failed; the tree says how."""
    step("good")
    for name in "abcd":
        with pytest.raises(ValueError, match="boom"), trace_session(name):
            raise ValueError("boom")
    with pytest.raises(AssertionError) as caught:
        sessions.assert_no_errors()
    lines = str(caught.value).splitlines()
    assert lines[0] == "4 of 5 sessions ended in an error: 'a', 'b', 'c' and 1 more"
    assert lines[3] == "a  0 µs  ✗ ValueError: boom"
