"""A session that has ended, as it shows itself."""

from __future__ import annotations

from honeytrace import Session


def session(**given):
    return Session(project="p", session_name="answer", source="test", session_id="1", **given)


def test_its_repr():
    """Name, id and what went in and came out; what is empty is left out."""
    full = session(inputs={"question": "q"}, outputs={"result": [1]}, metrics={"hits": 3})
    assert repr(full) == ("<Session 'answer' 1 inputs={'question': 'q'} outputs={'result': [1]}>")
    assert (
        repr(session(error="ValueError: boom")) == "<Session 'answer' 1 error='ValueError: boom'>"
    )


def test_its_repr_is_one_short_line():
    """Whatever is in it."""
    text = repr(
        session(inputs={"text": "line\n" * 10_000}, outputs=dict.fromkeys("abcdefgh", [9] * 99))
    )
    assert len(text) < 400
    assert "\n" not in text
