"""Two sessions, or two outputs, compared."""

from __future__ import annotations

import contextlib
import copy
import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from honeytrace import Session, trace_session
from honeytrace.testing import capture_sessions, diff

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.floats(0, 1) | st.text(max_size=80),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=10,
)


@pytest.mark.parametrize(
    ("old", "new", "lines"),
    [
        ({"text": "a"}, {"text": "b"}, ["outputs.text: 'a' -> 'b'"]),
        ({"a": 1}, {"b": None}, ["outputs.a: 1 -> absent", "outputs.b: absent -> None"]),
        ({"r": [1, [2]]}, {"r": [1, [3], 4]}, ["outputs.r[1][0]: 2 -> 3", "outputs.r[2]: absent"]),
        ({"r": [1, 2]}, {"r": [1]}, ["outputs.r[1]: 2 -> absent"]),
        ({"a": {"b": 1}}, {"a": [1]}, ["outputs.a: {'b': 1} -> [1]"]),
        ({"a": 1}, {"a": True}, ["outputs.a: 1 -> True"]),
        (
            {"a": "same" * 50 + "a"},
            {"a": "same" * 50 + "b"},
            ["outputs.a, from character 180: 'same"],
        ),
        ({"a": "a" * 61}, {"a": "a" * 62}, [f"outputs.a, from character 41: '{'a' * 20}' -> 'aaa"]),
        ({"a": "b" * 99}, {"a": "a" * 99}, [f"outputs.a: '{'b' * 60}'… -> '{'a' * 60}'…"]),
        ({"a": {}}, {"a": list(range(99))}, ["outputs.a: {} -> [0, 1, 2"]),
    ],
)
def test_lines(old, new, lines):
    """Each place that differs has a line: its path and both values, cut where they are long."""
    found = diff(old, new).splitlines()
    assert len(found) == len(lines)
    assert all(map(str.startswith, found, lines)), found


@given(JSON)
def test_equal(value):
    """Equal values have no line."""
    assert diff({"a": value}, {"a": copy.deepcopy(value)}) == ""


@given(JSON, JSON)
def test_different(old, new):
    """There is a line exactly where Python, which takes True for 1, says that they differ too."""
    if old != new:
        assert diff({"a": old}, {"a": new})


def test_large():
    """A difference far beyond the limits of a field is found."""
    old = {"rows": [["x" * 100] * 10] * 5_000}
    new = {"rows": [["x" * 100] * 10] * 4_999 + [["y"]]}
    assert "outputs.rows[4999][0]" in diff(old, new)


def test_recorded():
    """Values are compared as they would be recorded: a tuple is a list, NaN is NaN."""
    assert diff({"result": ["a", "NaN"]}, {"result": ("a", float("nan"))}) == ""


def test_refused():
    """Anything but two dicts or two sessions is refused."""
    session = Session(project="p", session_name="s", source="t")
    with pytest.raises(TypeError, match=r"takes two sessions, or two dicts .*, not int and int"):
        diff(1, 2)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="not Session and dict"):
        diff(session, {})


@trace_session
def ask(question):
    with trace_session("below"):
        yield question
    if question == "fail":
        raise ValueError(question)


def recorded(question: str) -> Session:
    quiet, outer = contextlib.suppress(ValueError), trace_session("outer")
    with capture_sessions() as sessions, quiet, outer:
        list(ask(question))
    return sessions.one("ask")


@pytest.mark.parametrize("question", ["a", "fail"])
def test_volatile(question):
    """Two sessions of the same call differ in nothing: ids, times and durations are left out."""
    first, second = recorded(question), recorded(question)
    assert first.children_ids != second.children_ids
    about = second.metadata["honeytrace"]
    elsewhere = {"exception": {**about.get("exception", {}), "traceback": ["a.py:9 in f"]}}
    moved = about | {"version": "9"} | (elsewhere if second.error else {})
    metrics = second.metrics | {"ttft_ms": -1}
    second = dataclasses.replace(second, metrics=metrics, metadata={"honeytrace": moved})
    assert diff(first, second) == ""


def test_sessions():
    """All other fields of two sessions are compared."""
    old = recorded("a")
    new = dataclasses.replace(recorded("b"), source="prod", config={"model": "m"})
    assert diff(old, new).splitlines() == [
        "source: 'dev' -> 'prod'",
        "config.model: absent -> 'm'",
        "inputs.question: 'a' -> 'b'",
        "outputs.result: 'a' -> 'b'",
    ]
