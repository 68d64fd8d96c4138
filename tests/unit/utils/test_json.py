"""JSON as it travels: what the standard library makes of it, however a program has patched that."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from honeytrace._utils.json import dumps, loads, parse, spell

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers(), inner),
    max_leaves=20,
)


@given(values)
def test_encoded_as_the_standard_library_does(value):
    """With our separators, and without an infinite number."""
    try:
        want = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except ValueError:
        want = None
    if want is None:
        with pytest.raises(ValueError, match="Out of range"):
            spell(value)
    else:
        assert spell(value) == spell(value, is_tree=True) == want


@given(values, st.sampled_from(["", " ", "\n\t "]), st.booleans())
def test_decoded_as_the_standard_library_does(value, space, cut):
    """Values and errors, with space around them or a part missing."""
    text = space + json.dumps(value) + space
    text = text[:-1] if cut else text
    try:
        want = json.loads(text)
    except ValueError as error:
        with pytest.raises(ValueError, match=re.escape(str(error).partition(":")[0])):
            parse(text)
    else:
        assert repr(parse(text)) == repr(want)


@pytest.mark.parametrize("text", ["1 2", "{} x", "[],"])
def test_more_than_one_value(text):
    """It is refused."""
    with pytest.raises(ValueError, match="Extra data"):
        loads(text)


def test_a_value_that_holds_itself():
    """It is refused with a sentence."""
    circle = []
    circle.append(circle)
    with pytest.raises(ValueError, match=r"Circular.*; convert it first"):
        dumps(circle)
    with pytest.raises(ValueError, match="convert it first"):
        dumps(circle, is_tree=True)


def _raising(*_, **__):
    raise AssertionError("a patched function was called")


@pytest.mark.parametrize("name", ["encode", "iterencode", "default"])
def test_a_patched_encoder(name, monkeypatch):
    """It does not change what is sent, nor what is refused."""
    monkeypatch.setattr(json.JSONEncoder, name, _raising)
    monkeypatch.setattr(json, "dumps", _raising)
    assert dumps({"a": [1.5, None, "é"]}) == '{"a":[1.5,null,"é"]}'.encode()
    with pytest.raises(ValueError, match="Object of type object is not JSON serializable"):
        dumps(object())


@pytest.mark.parametrize("name", ["decode", "raw_decode"])
def test_a_patched_decoder(name, monkeypatch):
    """It does not change what is read."""
    monkeypatch.setattr(json.JSONDecoder, name, _raising)
    monkeypatch.setattr(json, "loads", _raising)
    assert loads(b'\xef\xbb\xbf{"a":[1.5,null]}') == parse('{"a":[1.5,null]}') == {"a": [1.5, None]}
