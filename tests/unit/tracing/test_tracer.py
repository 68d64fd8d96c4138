"""Tracers for several projects in one process."""

from __future__ import annotations

import json
import os
import pickle

import pytest

import honeytrace
from honeytrace import ConfigurationError, Tracer, trace_session
from honeytrace.testing import capture_sessions


@pytest.fixture(autouse=True)
def _reset():
    yield
    honeytrace.shutdown(5)
    honeytrace.configure(server_url=None, api_key=None, project=None)


@trace_session
def step() -> None:
    pass


def test_each_tracer_sends_to_its_own_project_and_server(serve):
    first, second = serve(), serve()
    search = Tracer(project="search", server_url=first.url, api_key="a")
    answers = Tracer(project="answers", server_url=second.url, api_key="b")

    @search.trace_session
    def retrieve() -> None:
        pass

    @answers.trace_session(name="answer")
    def answer() -> None:
        retrieve()

    with answers.trace_session("block") as block:
        answer()
    assert honeytrace.flush(10)
    (found,) = first.sessions
    assert [each["session_name"] for each in second.sessions] == ["answer", "block"]
    assert {each["project"] for each in second.sessions} == {"answers"}
    assert found["project"] == "search"
    assert found["metadata"]["honeytrace"]["root_id"] == block.session_id
    assert first.requests[0].headers["Authorization"] == "Bearer a"
    assert second.sessions[0]["children_ids"] == [found["session_id"]]


def test_settings_that_a_tracer_does_not_set_are_those_of_the_process():
    tracer = Tracer(source="batch")
    honeytrace.configure(project="of the process")
    with capture_sessions() as sessions, tracer.trace_session("block"):
        step()
    honeytrace.configure(project="changed")
    with capture_sessions() as later, tracer.trace_session("block"):
        pass
    assert (sessions.one("block").project, sessions.one("block").source) == (
        "of the process",
        "batch",
    )
    assert sessions.one("step").source == "dev"
    assert later.one("block").project == "changed"
    assert tracer.config.source == "batch"


def test_tracers_with_the_same_settings_share_a_delivery(server):
    settings = {"server_url": server.url, "api_key": "k"}
    for tracer in (Tracer(**settings), Tracer(**settings), Tracer(**settings)):
        with tracer.trace_session("block"):
            pass
    assert honeytrace.flush(10)
    assert len(server.sessions) == 3
    assert server.connections == 1


def test_a_tracer_updates_the_sessions_of_its_own_server(serve):
    """Without the tracer, the update would go to the server of the process."""
    first, second = serve(), serve()
    honeytrace.configure(server_url=first.url, api_key="a")
    tracer = Tracer(server_url=second.url, api_key="b")
    with tracer.trace_session("chat") as chat:
        assert tracer.update_session(chat.session_id, feedback={"early": 1})
    assert honeytrace.flush(10)
    stored = {**second.sessions[0], "event_type": "session"}
    second.script = lambda request: (
        200,
        {},
        json.dumps(stored if request.method == "GET" else {"session_id": "1"}).encode(),
    )
    assert tracer.update_session(chat.session_id, feedback={"rating": 5})
    assert honeytrace.flush(10)
    assert second.sessions[-1]["feedback"] == {"early": 1, "rating": 5}
    assert not first.requests


def test_a_tracer_may_be_off_or_sample():
    with capture_sessions() as sessions:
        with Tracer(enabled=False).trace_session("off"):
            step()
        with Tracer(sample_rate=0).trace_session("unsampled"):
            step()
        other, never = Tracer(project="other"), Tracer(keep=lambda session: False)
        with never.trace_session("not kept"), other.trace_session("of another"):
            step()
    assert [each.session_name for each in sessions] == ["step"]


def test_a_tree_of_two_tracers_is_kept_as_a_whole():
    outer, inner = Tracer(keep=lambda session: True, project="a"), Tracer(project="b")
    first, second = outer.trace_session("root"), inner.trace_session("inner")
    with capture_sessions() as sessions, first, second:
        step()
        step()
    assert [each.project for each in sessions] == ["default", "default", "b", "a"]


def test_a_forked_child_has_tracers_too(server):
    tracer = Tracer(server_url=server.url, api_key="k")
    with tracer.trace_session("parent"):
        pass
    child = os.fork()
    if not child:
        with tracer.trace_session("child"):
            pass
        os._exit(not honeytrace.flush(10))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert honeytrace.flush(10)
    assert sorted(each["session_name"] for each in server.sessions) == ["child", "parent"]


def test_a_block_of_a_tracer_can_be_copied():
    tracer = Tracer(project="p")
    assert repr(tracer) == "<Tracer project>"
    assert repr(Tracer()) == "<Tracer>"
    block = pickle.loads(pickle.dumps(tracer.trace_session("block")))
    with capture_sessions() as sessions, block:
        pass
    assert sessions.one("block").project == "p"


def test_settings_that_do_not_exist_are_refused():
    with pytest.raises(ConfigurationError, match="there is no setting 'projekt'"):
        Tracer(projekt="x")
