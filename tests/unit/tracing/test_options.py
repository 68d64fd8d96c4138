"""The options of `trace_session` are checked at decoration."""

from __future__ import annotations

import uuid

import pytest

import honeytrace
from honeytrace import trace_session
from honeytrace.testing import capture_sessions


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"name": ""}, ValueError, "name=…"),
        ({"name": "  "}, ValueError, "name=…"),
        ({"project": ""}, ValueError, "project=…"),
        ({"project": 3}, TypeError, "project=…"),
        ({"source": b"x"}, TypeError, "source=…"),
        ({"session_id": "abc"}, ValueError, "session_id=….*give a UUID"),
        ({"session_id": b""}, ValueError, "session_id=…"),
        ({"parent": "abc"}, ValueError, "parent=….*give the id of a session"),
        ({"inputs": "q"}, TypeError, "give a mapping"),
        ({"metrics": [1]}, TypeError, "metrics=…"),
        ({"config_args": "model"}, TypeError, r"\('model',\)"),
        ({"config_args": (1,)}, TypeError, "config_args=…"),
        ({"config_args": 5}, TypeError, "config_args=…"),
        ({"metdata": {}}, TypeError, "no argument 'metdata'; did you mean 'metadata'"),
        ({"step": "tol"}, ValueError, "step=….*'tol'; give one of 'agent', 'chain'"),
        ({"step": ["tool"]}, TypeError, "step=…"),
        ({"qqq": {}}, TypeError, "it takes name, project"),
        ({"outputs": {}}, TypeError, "no argument 'outputs'"),
        ({"kind": "tool"}, TypeError, "no argument 'kind'; use step=…"),
        ({"run_name": "answer"}, TypeError, "no argument 'run_name'; use name=…"),
        ({"keep": len}, TypeError, r"configure\(keep=…\) sets it for the whole program"),
        ({"ignore": "x"}, TypeError, "ignore=…"),
        ({"only": 5}, TypeError, "only=…"),
        ({"methods": "run"}, TypeError, "a tuple of method names"),
        ({"process_inputs": 5}, TypeError, "a plain function of one argument"),
        ({"process_outputs": "f"}, TypeError, "process_outputs=…"),
        ({"reduce": []}, TypeError, "reduce=…"),
        ({"capture_inputs": 0}, TypeError, "True or False"),
        ({"capture_outputs": "no"}, TypeError, "capture_outputs=…"),
        ({"ignore_exceptions": "KeyError"}, TypeError, r"such as \(KeyError,\)"),
        ({"ignore_exceptions": (int,)}, TypeError, "ignore_exceptions=…"),
    ],
)
def test_a_wrong_argument_is_named_at_once(arguments, error, words):
    """A wrong argument raises where it is written, not at the first call."""
    with pytest.raises(error, match=words):
        trace_session(**arguments)


def test_the_id_of_a_session_that_is_not_recorded_is_absent():
    """A program that carries ids runs the same while tracing is off."""
    honeytrace.configure(enabled=False)
    try:
        with trace_session("off") as off:
            pass
    finally:
        honeytrace.configure(enabled=None)
    with (
        capture_sessions() as sessions,
        trace_session("first", parent=off.session_id, session_id=off.session_id),
    ):
        pass
    assert sessions.one("first").session_id
    assert "parent_id" not in sessions.one("first").metadata["honeytrace"]


def test_arguments_that_are_none_are_absent(sent):
    """None is the same as leaving an argument out."""
    with trace_session("x", project=None, metrics=None, session_id=None):
        pass
    assert (sent()[0]["project"], sent()[0]["metrics"]) == ("p", {})


def test_step(sent):
    """The kind of a step is recorded beside the kind of function, if it is given."""
    trace_session(len, step="tool")("ab")
    with trace_session("plain"):
        pass
    tool, plain = (each["metadata"]["honeytrace"] for each in sent())
    assert (tool["step"], tool["kind"]) == ("tool", "function")
    assert "step" not in plain


def test_a_decorated_function_takes_no_fixed_id():
    """One id for every call would make all calls one session."""
    with pytest.raises(TypeError, match="session_id is for `with"):
        trace_session(session_id=uuid.uuid4())(len)


@pytest.mark.parametrize("label", ["config_args", "ignore", "only"])
def test_names_have_to_be_parameters(label):
    """A name that is not a parameter raises at decoration."""
    with pytest.raises(ValueError, match=f"{label} names 'modle'.*no such parameter; it has model"):

        @trace_session(**{label: ("modle",)})
        def answer(model):
            return model


def test_a_coroutine_function_is_no_processor():
    """Nothing would await it."""

    async def process(value):
        return value

    with pytest.raises(TypeError, match="a plain function"):
        trace_session(process_outputs=process)


def test_options_may_go_with_what_is_decorated(sent):
    """`trace_session(function, name=…)` is for functions without a `def` of your own."""
    assert trace_session(len, name="measure")("abc") == 3
    assert sent()[0]["session_name"] == "measure"


def test_two_names_are_one_too_many():
    """Two names for one session are refused."""
    with pytest.raises(TypeError, match="has two names"):
        trace_session("a", name="b")
