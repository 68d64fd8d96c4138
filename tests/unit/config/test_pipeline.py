"""The configuration at work: what a session is cleaned by, and what its end waits for."""

from __future__ import annotations

import pytest

import honeytrace
from honeytrace import trace_session


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
    """Who says so gets the values as they are."""
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
    """What it was asked for is replaced; project and source stay."""

    def rule(path, value):
        raise KeyError(value)

    before = honeytrace.stats().errors.get("redact", 0)
    settings(redact=rule)
    trace_session(name="x")(lambda text: text)("hello")
    (session,) = sent()
    assert (session["project"], session["source"]) == ("p", "test")
    assert session["session_name"] == "[REDACTED:error]"
    assert honeytrace.stats().errors["redact"] > before
