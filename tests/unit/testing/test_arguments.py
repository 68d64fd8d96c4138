"""From the inputs of a stored session back to the arguments of a call."""

from __future__ import annotations

import dataclasses
import decimal
import json
import types
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import honeytrace
from honeytrace import Session, trace_session
from honeytrace.testing import capture_sessions
from honeytrace.testing._replay.arguments import rebind


def session(function: Any, *args: Any, **kwargs: Any) -> Session:
    """The session of this call."""
    with capture_sessions() as sessions:
        trace_session(function)(*args, **kwargs)
    return sessions[-1]


def with_inputs(**inputs: Any) -> Session:
    return Session(project="p", session_name="s", source="t", session_id="i", inputs=inputs)


def plain(a, b=2): ...
def only(a, b=2, /): ...
def keyword(a, *, b=2): ...
def star(a, *args): ...
def stars(**kwargs): ...
def both(a, /, b=2, *args, c=3, **kwargs): ...
def nothing(): ...


@pytest.mark.parametrize(
    ("function", "args", "kwargs"),
    [
        (plain, [1], {}),
        (plain, [], {"b": 1, "a": 2}),
        (only, [1], {}),
        (only, [1, None], {}),
        (keyword, [1], {"b": 3}),
        (star, [1], {}),
        (star, [1, 2, [3]], {}),
        (stars, [], {"a-b": 1, "self": 2}),
        (stars, [], {"kwargs": 1}),
        (stars, [], {"kwargs": {"kwargs": 1}}),
        (both, [1], {}),
        (both, [1, 5, 6, 7], {"c": 8, "d": 9}),
        (both, [1], {"a": 2, "b": 3, "d": 4}),
        (both, [1, 2, 3], {"args": 2, "kwargs": {}}),
        (nothing, [], {}),
    ],
)
def test_back(function, args, kwargs):
    """Called with what comes back, the function gets the same inputs once more."""
    first = session(function, *args, **kwargs)
    again = rebind(first, function)
    assert session(function, *again[0], **again[1]).inputs == first.inputs


NAMES = st.sampled_from(["a", "b", "c", "d", "args", "x y"])
VALUES = st.integers() | st.lists(st.integers(), max_size=2)


@given(st.lists(VALUES, min_size=1, max_size=5), st.dictionaries(NAMES, VALUES))
def test_any(args, kwargs):
    """So it is for any arguments of a function with every kind of parameter."""
    if len(args) > 1:
        kwargs.pop("b", None)  # given twice
    first = session(both, *args, **kwargs)
    again = rebind(first, both)
    assert session(both, *again[0], **again[1]).inputs == first.inputs


def test_new_default():
    """A parameter that was added with a default keeps it."""
    assert rebind(with_inputs(b=1), lambda a=0, /, b=0, c=0: None) == ([0], {"b": 1})


def test_detached():
    """The function may change what it gets; the session stays as it is."""
    stored = with_inputs(a={"b": [1]})
    rebind(stored, plain)[1]["a"]["b"].append(2)
    assert stored.inputs == {"a": {"b": [1]}}


@pytest.mark.parametrize(
    ("inputs", "function", "words"),
    [
        ({"b": 1}, plain, "it needs 'a', which the session does not have"),
        ({"a": 1, "q": 2, "r": 2}, plain, "it has no parameter 'q', 'r', which the call had; give"),
        ({"q": 1}, plain, "it has no parameter 'q', which the call had, and it needs 'a', which"),
        ({"a": 1, "args": 2}, star, "it has no parameter 'args'"),
        ({}, only, "needs 'a'"),
        ({}, keyword, "needs 'a'"),
    ],
)
def test_unfit(inputs, function, words):
    """Inputs that no longer fit the parameters are refused by name."""
    with pytest.raises(ValueError, match=words):
        rebind(with_inputs(**inputs), function)


class Odd: ...


def test_redacted():
    """Values and keys that were redacted are refused, with their paths."""
    found = session(plain, {"password": "x1y2z3!!", "list": ["sk-" + "a1B2" * 12]})
    assert "[REDACTED:" in json.dumps(found.inputs)
    with pytest.raises(ValueError, match=r"again .*: inputs\.a\.password was redacted, inputs\.a"):
        rebind(found, plain)
    with pytest.raises(ValueError, match=r"inputs\.a has a key that was redacted"):
        rebind(with_inputs(a={"[REDACTED:x]": 1}), plain)


@pytest.mark.parametrize(
    "value",
    [
        Odd(),
        Odd,
        plain,
        len,
        "".join,
        Odd().__init__,
        types.SimpleNamespace,
        json,
        b"some bytes",
        memoryview(b"some bytes"),
        2**4000,
        decimal.Decimal("1" * 5_000),
        iter([]),
        test_redacted,
        (lambda: 0),
    ],
)
def test_not_plain(value):
    """Values of which only a name was kept are refused, with path and name."""
    found = session(plain, [value])
    with pytest.raises(ValueError, match=r"inputs\.a\[0\] is not plain data but <"):
        rebind(found, plain)


@pytest.mark.parametrize("text", ["<b>", "<a href='x.y'>x</a>", "<div>\n</div>", "a < b.c >", ""])
def test_markup(text):
    """Text in angle brackets is text."""
    assert rebind(with_inputs(a=text), plain) == ([], {"a": text})


def test_cut():
    """Inputs that were cut are refused, with their paths; outputs may have been."""
    honeytrace.configure(limits={"string": 4})
    try:
        found = session(lambda a, inputs_: "outputs", {"b": ["12345"]}, "1")
    finally:
        honeytrace.configure(limits=None)
    assert found.metadata["honeytrace"]["truncated"] == ["inputs.a.b[0]", "outputs"]
    with pytest.raises(ValueError, match=r"recorded: inputs\.a\.b\[0\] was cut; give dataclasses"):
        rebind(found, lambda a, inputs_: None)
    own = {"truncated": ["outputs", "inputs_.x"]}
    spared = dataclasses.replace(found, metadata={"honeytrace": own})
    assert rebind(spared, lambda a, inputs_: None)[1]["inputs_"] == "1"


def test_many():
    """Of many paths the first ten are named."""
    found = with_inputs(a=["<bytes: 1>"] * 12)
    with pytest.raises(ValueError, match=r"inputs\.a\[9\] is .* and 2 more; give"):
        rebind(found, plain)


def test_left_stream():
    """A stream that was left before its end is refused: nobody knows where."""

    @trace_session
    def items():
        yield 1
        yield 2

    with capture_sessions() as sessions:
        steps = items()
        next(steps)
        steps.close()
    with pytest.raises(ValueError, match="its stream was not read to the end"):
        rebind(sessions[0], items)


def test_foreign():
    """Metadata that others wrote under our key do no harm."""
    found = dataclasses.replace(with_inputs(a=1), metadata={"honeytrace": "theirs"})
    assert rebind(found, plain) == ([], {"a": 1})
