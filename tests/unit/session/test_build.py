"""How the fields of a session come together from what was captured and what the user set."""

from __future__ import annotations

import pytest

import honeytrace
from honeytrace import trace_session
from honeytrace.testing import capture_sessions


def answer(model: str, tokens: int) -> dict[str, object]:
    counts = {"prompt_tokens": tokens, "completion_tokens": 1, "total_tokens": tokens + 1}
    message = {"role": "assistant", "content": "Hi"}
    return {"model": model, "choices": [{"message": message}], "usage": counts}


def test_values_read_from_the_outputs_are_those_of_the_last_outputs():
    """Objects that were touched in between do not keep what an earlier answer said."""
    with capture_sessions() as sessions, trace_session("agent") as session:
        session.outputs = answer("first", 1)
        session.metrics["hits"] = 3
        session.metadata["team"] = "search"
        session.config["temperature"] = 0
        session.outputs = answer("second", 20)
    one = sessions.one()
    assert one.metrics == {
        "prompt_tokens": 20,
        "completion_tokens": 1,
        "total_tokens": 21,
        "hits": 3,
    }
    assert one.metadata["prompt_tokens"] == 20
    assert one.metadata["team"] == "search"
    assert one.config == {"model": "second", "temperature": 0}


def test_values_that_the_user_changed_stay():
    """The model and the counts that the user corrected are not read from the outputs again."""
    with capture_sessions() as sessions, trace_session("agent") as session:
        session.outputs = answer("first", 1)
        session.config["model"] = "mine"
        session.metrics["prompt_tokens"] = 7
        session.outputs = answer("second", 20)
    assert sessions.one().config == {"model": "mine"}
    assert sessions.one().metrics["prompt_tokens"] == 7


def test_a_replaced_object_has_nothing_else():
    """What was read before does not come back, and the user's values stay."""
    with capture_sessions() as sessions, trace_session("agent") as session:
        session.outputs = answer("first", 1)
        session.metadata["team"] = "search"
        session.metadata = {"prompt_tokens": session.metrics["prompt_tokens"]}
    assert {**sessions.one().metadata, "honeytrace": 0} == {"prompt_tokens": 1, "honeytrace": 0}


@pytest.mark.parametrize(
    "set_cost",
    [
        lambda session: session.metrics.update(cost=0.5),
        lambda session: (session.metadata.update(a=1), session.metrics.update(cost=0.5)),
        lambda session: honeytrace.enrich_session(metrics={"cost": 0.5}),
        lambda session: setattr(session, "metrics", {"cost": 0.5}),
    ],
    ids=["metrics", "after metadata", "enrich", "replaced"],
)
def test_the_screens_show_the_costs_of_the_user(set_cost):
    """HoneyHive reads the cost in `metadata`, where a computed one would be wrong."""
    honeytrace.configure(prices={"m": (1, 1)})
    try:
        with capture_sessions() as sessions, trace_session("agent") as session:
            session.outputs = answer("m", 10)
            set_cost(session)
    finally:
        honeytrace.configure(prices=None)
    assert sessions.one().metadata["cost"] == sessions.one().metrics["cost"] == 0.5


def test_the_screens_show_a_cost_without_an_answer_of_a_model():
    """The user may know the cost of a call whose outputs are of no known shape."""
    with capture_sessions() as sessions, trace_session("agent") as session:
        session.metrics["cost"] = 0.5
    assert sessions.one().metadata["cost"] == 0.5


def test_a_key_of_metadata_that_the_user_set_wins():
    """Metrics are only copied where the user has set nothing."""
    with capture_sessions() as sessions, trace_session("agent", metadata={"cost": 2}) as session:
        session.metrics["cost"] = 0.5
    assert sessions.one().metadata["cost"] == 2
