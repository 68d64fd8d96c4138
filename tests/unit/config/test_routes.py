"""A change of the settings: the sessions before it and after it."""

from __future__ import annotations

import threading

import pytest

import honeytrace
from honeytrace import trace_session


@trace_session
def work(n: int = 0) -> int:
    return n


def test_what_was_accepted_before_goes_to_the_old_server(sent, server, serve):
    """A change of server takes effect for later sessions; both are waited for and counted."""
    other, before = serve(), honeytrace.stats()
    gate = threading.Event()
    server.script = lambda request: (gate.wait(30), server.ok(request))[1]
    work(1)
    honeytrace.configure(server_url=other.url)
    work(2)
    other.wait(1)
    gate.set()
    assert honeytrace.flush(10)
    assert [s["inputs"]["n"] for s in server.sessions] == [1]
    assert [s["inputs"]["n"] for s in other.sessions] == [2]
    assert honeytrace.stats().delivered - before.delivered == 2


def test_many_configurations_leave_no_threads(sent, serve):
    """The threads of a configuration end once it has nothing left to send."""
    servers = [serve() for _ in range(3)]
    for each in servers:
        honeytrace.configure(server_url=each.url)
        work()
        assert honeytrace.flush(10)
    honeytrace.configure(server_url=servers[0].url + "/v1")
    names = [t.name for t in threading.enumerate() if t.name.startswith("honeytrace-worker")]
    assert len(names) <= 1
    assert honeytrace.stats().queued == 0


def test_a_new_key_takes_what_the_old_one_could_not(sent, server):
    """Sessions that wait because the key is refused go out with the next one."""
    good = "Bearer better"
    server.script = lambda request: (
        server.ok if request.headers["Authorization"] == good else (401, {}, b"who?")
    )
    work()
    assert not honeytrace.flush()
    honeytrace.configure(api_key="better")
    assert honeytrace.flush(10)
    assert [r.headers["Authorization"] for r in server.requests] == ["Bearer key", good]


def test_without_a_spool_nothing_is_written(sent, server, tmp_path):
    """With `spool_dir="off"` sessions wait in memory."""
    honeytrace.configure(spool_dir="off")
    try:
        work()
        assert honeytrace.flush(10)
    finally:
        honeytrace.configure(spool_dir=None)
    assert (len(server.requests), (tmp_path / "home" / "spool").exists()) == (1, False)


def test_another_project_has_a_spool_of_its_own(sent, server, tmp_path):
    """So what waits for one is never sent to another."""
    work()
    honeytrace.flush(10)
    honeytrace.configure(project="another")
    work()
    honeytrace.flush(10)
    assert len(list((tmp_path / "home" / "spool").iterdir())) == 2


def test_with_a_wrong_address_sessions_are_kept_and_never_go_elsewhere(sent, server, monkeypatch):
    """Not even to the next server of this process, which may be another one."""
    monkeypatch.setenv("HH_API_URL", "hh.internal:8080")
    honeytrace.configure(server_url=None)
    before = honeytrace.stats()
    work(1)
    assert not honeytrace.flush()
    stats = honeytrace.stats()
    assert (stats.spooled - before.spooled, stats.delivered - before.delivered) == (1, 0)
    assert stats.last_error.startswith("'hh.internal:8080' is not the address of a server: give ")
    honeytrace.configure(server_url=server.url)
    work(2)
    server.wait(1)
    assert [s["inputs"]["n"] for s in server.sessions] == [2]


@pytest.mark.parametrize("wait", [honeytrace.flush, honeytrace.shutdown])
@pytest.mark.parametrize("timeout", ["5", True])
def test_a_timeout_is_a_number(wait, timeout):
    with pytest.raises(TypeError, match="give a number of seconds, or None"):
        wait(timeout)
