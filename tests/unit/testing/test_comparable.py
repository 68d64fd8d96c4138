"""Sessions as data that is the same in each run."""

from __future__ import annotations

import pytest

from honeytrace import enrich_session, trace_session
from honeytrace.testing import capture_sessions

FIRST = "00000000-0000-4000-8000-000000000001"
SECOND = "00000000-0000-4000-8000-000000000002"


def step(name, **given):
    """One session of this name."""
    with trace_session(name, **given):
        pass


def test_the_plain_form_is_the_same_in_each_run():
    """It nests children in start order, and leaves out what differs between runs or is empty."""

    @trace_session(name="stream", metadata={"team": "search"})
    def stream():
        step("below", inputs={"q": 1})
        enrich_session(metrics={"hits": 2})
        yield "a"
        raise ValueError(f"bad {object()}")

    def run():
        with capture_sessions() as sessions, pytest.raises(ValueError, match="bad"):
            list(stream())
        return sessions.plain()

    assert run() == run()
    assert run() == [
        {
            "name": "stream",
            "status": "error",
            "outputs": {"result": "a"},
            "error": "ValueError: bad <object object at 0x…>",
            "metrics": {"hits": 2, "chunks": 1},
            "metadata": {"team": "search"},
            "children": [{"name": "below", "status": "ok", "inputs": {"q": 1}}],
        }
    ]


def test_the_plain_form_has_each_session_once():
    """A session that is named as a child twice, or in a circle, is listed where it comes first."""
    with capture_sessions(counting_ids=True) as sessions, trace_session("a") as outer:
        step("b")
        outer.add_child(SECOND)
        outer.add_child(FIRST)
        outer.add_child("unknown")
    child = {"name": "b", "status": "ok"}
    assert sessions.plain() == [{"name": "a", "status": "ok", "children": [child]}]


@pytest.fixture
def sessions():
    """One below another; the outer knows two documents."""
    with capture_sessions() as caught, trace_session("outer", metadata={"run": 7}) as outer:
        outer.outputs = {"hits": [{"id": 1, "text": "a"}, {"id": 2, "text": "b"}], "a.b": 3}
        step("inner", inputs={"q": 1}, metrics={"ms": 4})
    return caught


def test_only(sessions):
    """Some fields, in every session; its name and its children are always there."""
    inner = {"name": "inner", "inputs": {"q": 1}}
    assert sessions.plain(only=("inputs",)) == [{"name": "outer", "children": [inner]}]
    assert sessions.plain(only=["name"])[0]["children"] == [{"name": "inner"}]


def test_ignored(sessions):
    """Fields, and values below them in objects and in the items of lists."""
    [outer] = sessions.plain(ignore={"outputs.hits.id", "outputs.a.b", "metadata", "status"})
    assert outer["outputs"] == {"hits": [{"text": "a"}, {"text": "b"}]}
    assert outer["children"] == [{"name": "inner", "inputs": {"q": 1}, "metrics": {"ms": 4}}]
    assert {*outer} == {"name", "outputs", "children"}


def test_emptied(sessions):
    """A field of which nothing is left is left out; both arguments go together."""
    [outer] = sessions.plain(only=("metadata", "metrics"), ignore=("metadata.run", "metrics.ms"))
    assert outer == {"name": "outer", "children": [{"name": "inner"}]}


@pytest.mark.parametrize(
    ("chosen", "words"),
    [
        ({"only": "inputs"}, r"only cannot be 'inputs'; give a tuple such as \('inputs', "),
        ({"ignore": "metadata"}, r"ignore cannot be 'metadata'; give a tuple such as \('met"),
        ({"only": ("inptus",)}, "only: there is no field 'inptus'; it takes name, status, error,"),
        ({"only": ("inputs.q",)}, "only: there is no field 'inputs.q'"),
        ({"ignore": ("usage.tokens",)}, "ignore: there is no field 'usage'"),
    ],
)
def test_slips(sessions, chosen, words):
    """A wrong choice is refused; the error lists the possible ones."""
    with pytest.raises(TypeError, match=words):
        sessions.plain(**chosen)
