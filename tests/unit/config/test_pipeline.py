"""The configuration at work: what a session is cleaned by, and what its end waits for."""

from __future__ import annotations

import functools
import threading

import pytest

import honeytrace
from honeytrace import trace_session
from honeytrace._config.live import live
from honeytrace._config.pipeline import Pipeline, finish


@trace_session
def work() -> None:
    pass


@trace_session
def outer() -> None:
    work()
    work()


@pytest.fixture
def settings(sent):
    """Sets them for one test."""
    yield honeytrace.configure
    honeytrace.configure(durable=None, background=None, redact=None)


def test_a_session_keeps_the_configuration_it_began_in(sent, server, serve):
    """Changed in the middle of a call, the next call is the first to notice."""
    other = serve()
    with trace_session("x"):
        honeytrace.configure(server_url=other.url, project="another")
    assert honeytrace.flush(10)
    assert ([s["project"] for s in server.sessions], other.sessions) == (["p"], [])


def test_without_background_the_root_waits(settings, server):
    """When the call of an outermost session returns, all of its sessions have arrived."""
    settings(background=False)
    outer()
    assert len(server.requests) == 3


def test_without_background_a_dead_server_costs_a_second(settings, server):
    """The session is then on disk."""
    server.script = server.hang
    settings(background=False)
    before = honeytrace.stats()
    work()
    assert honeytrace.stats().spooled - before.spooled == 1
    server.closing.set()


def test_a_durable_setting_writes_before_the_call_returns(settings, server):
    """For a server, into the spool."""
    server.script = server.hang
    settings(durable=True)
    before = honeytrace.stats()
    work()
    assert honeytrace.stats().spooled - before.spooled == 1
    server.closing.set()


def test_a_durable_setting_stores_before_the_call_returns(program):
    """For this machine, into the store."""
    done = program(
        """
        import os
        import honeytrace

        with honeytrace.trace_session("x"):
            pass
        print(honeytrace.stats().delivered, flush=True)
        os._exit(0)
        """,
        HONEYTRACE_DURABLE="1",
    )
    assert done.stdout == "1\n"


# ---- Redaction


def test_it_can_be_switched_off(settings, sent):
    """With redaction off, values stay as they are."""
    settings(redact=False)
    trace_session(name="x")(lambda password: 1)("hunter2")
    settings(redact=None)
    trace_session(name="y")(lambda password: 1)("hunter2")
    assert [s["inputs"]["password"] for s in sent()] == ["hunter2", "[REDACTED:password]"]


def test_a_rule_of_the_users_own(settings, sent):
    """It is asked for each value by its path; what it calls is not traced."""
    paths = []

    @trace_session
    def rule(path, value):
        paths.append(path)
        return "[an address]" if path.endswith(".email") else value

    settings(redact=rule)
    trace_session(name="x")(lambda user: user)({"email": "a@b.test", "password": "x"})
    (session,) = sent()
    assert session["inputs"]["user"] == {"email": "[an address]", "password": "[REDACTED:password]"}
    assert {"inputs", "inputs.user", "inputs.user.email", "outputs.email"} <= set(paths)


def test_a_rule_that_fails_is_counted(settings, sent):
    """The values that the rule raises for are replaced; project and source stay."""

    def rule(path, value):
        raise KeyError(value)

    before = honeytrace.stats().errors.get("redact", 0)
    settings(redact=rule)
    trace_session(name="x")(lambda text: text)("hello")
    (session,) = sent()
    assert (session["project"], session["source"]) == ("p", "test")
    assert session["session_name"] == "[REDACTED:error]"
    assert honeytrace.stats().errors["redact"] > before


# ---- Processors and exporters


@pytest.fixture
def exporters(sent):
    """Sets what gets each finished session of the sessions that start in this test."""

    def use(*functions):
        live.exporters = functions
        live.refresh_processors()

    yield use
    use()


def test_an_exporter_gets_each_finished_session(exporters, sent):
    """Once, without its secrets, on another thread, before it arrives."""
    got = []
    exporters(lambda session: got.append((threading.get_ident(), session)))
    trace_session(name="x")(lambda password: 1)("hunter2")
    outer()
    arrived = {session["session_id"]: session for session in sent()}
    assert {session.session_id for _, session in got} == arrived.keys()
    assert len(got) == len(arrived) == 4
    assert got[0][1].inputs == {"password": "[REDACTED:password]"}
    assert threading.get_ident() not in {thread for thread, _ in got}


def raising(error):
    def exporter(session):
        raise error

    return exporter


class Broken:
    def __call__(self, session):
        raise KeyError("x")


@pytest.mark.parametrize(
    "broken",
    [
        raising(KeyError("x")),
        raising(SystemExit(3)),
        functools.partial(raising(KeyError("x"))),
        Broken(),
    ],
    ids=["function", "exit", "partial", "object"],
)
def test_an_exporter_that_fails_harms_nobody(exporters, sent, broken):
    """It is counted; the other exporters and the delivery get the session."""
    got = []
    before = honeytrace.stats().errors.get("exporter", 0)
    exporters(broken, got.append)
    work()
    (session,) = sent()
    assert [each.session_id for each in got] == [session["session_id"]]
    assert honeytrace.stats().errors["exporter"] == before + 1


def test_an_exporter_is_not_traced(exporters, sent):
    """Otherwise each exported session would start another one."""
    got = []
    exporters(trace_session(lambda session: got.append(session.session_name)))
    trace_session(name="x")(lambda: 1)()
    assert len(sent()) == 1
    assert got == ["x"]


def test_an_exporter_cannot_change_what_is_sent(exporters, sent):
    """The body is made before the exporters are called."""
    exporters(lambda session: session.inputs.clear())
    trace_session(name="x")(lambda a: 1)(5)
    assert sent()[0]["inputs"] == {"a": 5}


def test_a_record_that_a_processor_keeps_is_not_emptied(sent):
    """The plugin reads records when the test has ended, after they were sent."""
    kept = []
    live.processors, before = (kept.append,), live.processors
    base = live.start()
    pipeline = Pipeline(base.config, base.delivery, base.ids, [kept.append, base.accept])
    live.base = live.pipeline = pipeline
    try:
        trace_session(name="x")(lambda a: 1)(5)
        assert sent()[0]["inputs"] == {"a": 5}
    finally:
        live.processors = before
        live.refresh_processors()
    assert finish(kept[0]).inputs == {"a": 5}


def test_what_is_captured_is_not_exported(exporters, sent):
    """A capture takes the sessions that would be sent."""
    got = []
    exporters(got.append)
    with honeytrace.testing.capture_sessions() as sessions:
        work()
    assert (len(sessions), got, sent()) == (1, [], [])


def test_processors_get_each_session_where_it_ends(sent):
    """One that fails does not keep a session from the next one."""
    got = []

    def broken(record):
        raise KeyError

    base = live.start()
    pipeline = Pipeline(base.config, base.delivery, base.ids, [broken, got.append])
    pipeline.accept("record")
    assert got == ["record"]
    Pipeline(base.config, base.delivery, base.ids, []).accept("nobody takes it")
