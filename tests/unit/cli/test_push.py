"""The command `honeytrace push`, against a real server."""

from __future__ import annotations

import email.utils
import os
import pty
import signal
import sqlite3
import subprocess
import sys
import time
import uuid
from pathlib import Path

import pytest

from honeytrace._utils.paths import store_path
from honeytrace.cli import main
from honeytrace.local import Store


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """The directory of the store."""
    monkeypatch.setenv("HONEYTRACE_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def target(server, monkeypatch):
    """The server to push to."""
    monkeypatch.setenv("HH_API_URL", server.url)
    return server


def keep(*names):
    """Store sessions on this machine and return their ids."""
    store = Store(store_path(Path(os.environ["HONEYTRACE_HOME"])))
    ids = [str(uuid.uuid4()) for _ in names]
    for at, (name, session_id) in enumerate(zip(names, ids, strict=True)):
        store.add({"session_id": session_id, "session_name": name, "start_time": at})
    store.close()
    return ids


@pytest.fixture
def push(capsys):
    """Run the command in this process, and return its exit code, output and messages."""

    def push(*arguments):
        capsys.readouterr()
        return (main(["push", *arguments]), *capsys.readouterr())

    return push


def names(server):
    return [session["session_name"] for session in server.sessions]


def test_each_session_is_sent_once_and_what_was_refused_is_said(push, target):
    """The next push goes on where this one stopped."""
    ids = keep("a", "b", "c", "d")
    target.script = [target.ok, (400, {}, b"no such project"), (402, {}, b"pay first")]
    code, out, err = push()
    assert (code, out) == (2, "")
    assert f"session 'b' ({ids[1]}) was left out: " in err
    assert "no such project" in err
    assert err.endswith("run it again to go on from there\n")
    assert push() == (0, f"Pushed 2 sessions to {target.url}.\n", "")
    assert names(target) == ["a", "b", "c", "c", "d"]
    assert push()[1] == f"Pushed 0 sessions to {target.url}.\n"
    target.script = [(400, {}, b"")]
    assert push("--again")[1] == f"Pushed 3 sessions to {target.url}, 1 refused.\n"


@pytest.mark.parametrize("status", [429, 503])
def test_a_busy_server_is_waited_for_as_long_as_it_asks(push, target, status):
    """Then the same session is sent again."""
    keep("a", "b", "c")
    arrived = []

    def busy(request):
        arrived.append(time.monotonic())
        return status, {"Retry-After": "0.2"}, b"slow down"

    target.script = [target.ok, busy, busy, busy]
    assert push() == (0, f"Pushed 3 sessions to {target.url}.\n", "")
    assert names(target) == ["a", "b", "b", "b", "b", "c"]
    assert arrived[2] - arrived[0] >= 0.4


def test_the_time_to_wait_may_be_a_date(push, target):
    keep("a")
    end = int(time.time()) + 2
    target.script = [(503, {"Retry-After": email.utils.formatdate(end, usegmt=True)}, b"")]
    assert push() == (0, f"Pushed 1 session to {target.url}.\n", "")
    assert time.time() >= end


@pytest.mark.parametrize("answer", [(500, {}, b"oops"), (429, {"Retry-After": "0"}, b""), "reset"])
def test_a_short_fault_is_passed_over(push, target, answer):
    """Without a time to wait, or after a lost connection, it tries again soon."""
    keep("a", "b")
    answer = target.reset if answer == "reset" else answer
    target.script = [target.ok, answer, answer]
    assert push() == (0, f"Pushed 2 sessions to {target.url}.\n", "")
    assert names(target) == ["a", "b", "b", "b"]


def test_it_does_not_wait_for_hours(push, target):
    """A server that asks for more than five minutes ends it; the next push goes on from there."""
    keep("a", "b")
    target.script = [target.ok, (503, {"Retry-After": "86400"}, b"maintenance")]
    code, out, err = push()
    assert (code, out) == (2, "")
    assert "maintenance" in err
    assert err.endswith("it asks to wait 5 minutes or more; run it again to go on from there\n")
    assert push() == (0, f"Pushed 1 session to {target.url}.\n", "")
    assert names(target) == ["a", "b", "b"]


def test_it_does_not_try_forever(push, target, monkeypatch):
    """A server that goes on failing ends it, after some tries."""
    monkeypatch.setattr("honeytrace.cli._push._MAX_TRIES", 2)
    keep("a")
    target.script = lambda _: (500, {}, b"oops")
    code, out, err = push()
    assert (code, out, len(target.requests)) == (2, "", 2)
    assert err.endswith("run it again to go on from there\n")


def test_a_server_that_is_not_there_ends_it_at_once(push, monkeypatch):
    keep("a")
    monkeypatch.setenv("HH_API_URL", "http://127.0.0.1:9")
    code, out, err = push()
    assert (code, out) == (2, "")
    assert err.endswith("run it again to go on from there\n")


@pytest.mark.parametrize("status", [401, 404])
def test_what_to_check_is_said_if_no_session_would_be_taken(push, target, status):
    keep("a", "b")
    target.script = [(status, {}, b"")]
    code, out, err = push()
    assert (code, out, len(target.requests)) == (2, "", 1)
    assert "check HH_API_KEY and HH_API_URL, then run it again" in err


def test_what_comes_into_an_emptied_store_is_pushed(push, target):
    """It gets the numbers of what was pushed before."""
    keep("old 1", "old 2", "old 3")
    assert push()[1].startswith("Pushed 3 sessions ")
    assert main(["prune", "--older-than", "1w"]) == 0
    keep("new")
    assert push()[1].startswith("Pushed 1 session ")


@pytest.mark.parametrize("version", [1, 2])
def test_a_store_that_cannot_be_written_is_pushed(
    push, target, open_home, unwritable, monkeypatch, version
):
    """It is pushed again and again, since nothing can be noted."""
    monkeypatch.setenv("HONEYTRACE_HOME", str(open_home))
    keep("a")
    if version == 1:
        with sqlite3.connect(store_path(open_home)) as connection:
            connection.executescript(
                "DROP TABLE state; DROP TABLE summaries; PRAGMA user_version = 1"
            )
        connection.close()
    with unwritable(open_home):
        outs = [push()[1] for _ in range(2)]
    assert outs == [f"Pushed 1 session to {target.url}.\n"] * 2


COMMAND = [sys.executable, "-m", "honeytrace", "push"]


@pytest.mark.parametrize("last", ["hang", "wait"])
def test_ctrl_c_says_how_far_it_came(push, target, last):
    """Also while it waits for a busy server; the next push goes on from there."""
    keep("a", "b")
    busy = (429, {"Retry-After": "100"}, b"")
    target.script = [target.ok, target.hang if last == "hang" else busy]
    signal.signal(signal.SIGINT, signal.default_int_handler)
    running = subprocess.Popen(COMMAND, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    target.wait(2)
    running.send_signal(signal.SIGINT)
    words = "honeytrace: interrupted after 1 session; run it again to go on from there\n"
    assert (*running.communicate(timeout=20), running.returncode) == ("", words, 130)
    target.script = []
    assert push()[1].startswith("Pushed 1 session ")


def test_progress_on_a_terminal(target):
    """One line is rewritten: how many are sent, and how long the server asks to wait."""
    keep("a", "b", "c")
    target.script = [target.ok, (400, {}, b"too odd"), (503, {"Retry-After": "0.6"}, b"")]
    main_end, end = pty.openpty()
    environment = {**os.environ, "COLUMNS": "90"}
    subprocess.run(
        COMMAND, env=environment, stdout=subprocess.DEVNULL, stderr=end, timeout=60, check=False
    )
    os.close(end)
    shown = os.read(main_end, 65536).decode()
    os.close(main_end)
    lines = [line.strip() for line in shown.split("\r")]
    assert "Pushing 3 sessions: 0 delivered" in lines
    progress = "Pushing 3 sessions: 1 delivered, 1 refused"
    assert progress in lines
    assert f"{progress}; the server is busy, going on in 1 s" in lines
    assert lines[-1] == ""
