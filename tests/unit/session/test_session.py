"""A session that has ended: its repr, its title, and the lists of its fields."""

from __future__ import annotations

import dataclasses
import inspect

import pytest

import honeytrace
from honeytrace import ActiveSession, Session, pytest_plugin
from honeytrace._session import session as module
from honeytrace._session.wire import payload


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
    """However long the values are."""
    text = repr(
        session(inputs={"text": "line\n" * 10_000}, outputs=dict.fromkeys("abcdefgh", [9] * 99))
    )
    assert len(text) < 400
    assert "\n" not in text


def test_title():
    """Messages name a session by its name and its id."""
    assert module.title_of(session()) == "session 'answer' (1)"


NAMES = [field.name for field in dataclasses.fields(Session)]


def test_every_field_is_searched_for_secrets_unless_exempt():
    """A new field is looked through until somebody exempts it by name."""
    exempt = {"session_id", "duration", "start_time", "end_time"}
    assert set(NAMES) - set(module.SEARCHED) == exempt


def test_every_field_is_sent_unless_exempt():
    """`extra` is what a server added, and does not go back to one."""
    full = session(error="e", duration=1.0, start_time=1, end_time=2, extra={"a": 1})
    assert set(NAMES) - set(payload(full)) == {"extra"}


def test_objects_are_what_users_can_set():
    """The lists that have to be written by hand, for type checkers, are complete."""
    attributes = {
        name for name in vars(ActiveSession) if isinstance(getattr(ActiveSession(None), name), dict)
    }
    assert attributes == set(module.OBJECTS)


@pytest.mark.parametrize(
    ("function", "objects"),
    [
        (honeytrace.enrich_session, module.OBJECTS),
        (honeytrace.update_session, module.OBJECTS),
        (honeytrace.tag, module.ENTERED),
    ],
)
def test_functions_take_every_object(function, objects):
    """A new object is also an argument of the functions that list their arguments."""
    others = {"conversation", "session_id"}
    assert set(inspect.signature(function).parameters) - others == set(objects)


@pytest.mark.parametrize("name", module.ENTERED)
def test_every_object_is_documented(name):
    """The docstring of `trace_session` and the help on the pytest marker name a new object."""
    assert name in honeytrace.trace_session.__doc__
    assert name in pytest_plugin._MARK
