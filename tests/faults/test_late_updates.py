"""Updates race with their sessions through an outage and a kill; none is lost, none does damage.

HONEYTRACE_TEST_UPDATES=10000 pytest tests/faults/test_late_updates.py
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
import threading

import pytest

UPDATES = int(os.environ.get("HONEYTRACE_TEST_UPDATES", "300"))
SESSIONS = UPDATES // 10

PROGRAM = """
    import random, sys, threading, uuid
    import honeytrace

    sessions = int(sys.argv[1])
    ids = [str(uuid.UUID(int=number, version=4)) for number in range(1, sessions + 1)]

    def make_sessions():
        for session_id in ids:
            with honeytrace.trace_session("late", session_id=session_id, metadata={"own": 1}):
                pass

    thread = threading.Thread(target=make_sessions)
    thread.start()
    updates = [(session_id, f"update {n}") for session_id in ids for n in range(10)]
    random.Random(7).shuffle(updates)
    for number, (session_id, name) in enumerate(updates):
        if number == sessions * 5 // 2:
            thread.join()  # so that the kill leaves no update without its session
        honeytrace.update_session(session_id, metadata={name: True})
        print(session_id, name, flush=True)
    sys.stdin.read()  # until it is killed
"""


class Api:
    """The two operations; a second start replaces the whole session, as a server may do."""

    def __init__(self):
        self.sessions = {}
        self.fails = False
        self.is_busy = threading.Event()  # set in the middle of the updates
        self._posts = 0
        self._lock = threading.Lock()

    def answer(self, request):
        if self.fails:
            return 503, {}, b""
        with self._lock:
            if request.method == "GET":
                found = self.sessions.get(request.path.removeprefix("/session/"))
                return (200, {}, json.dumps(found).encode()) if found else (404, {}, b"{}")
            self._posts += 1
            if self._posts == SESSIONS + UPDATES // 3:
                self.is_busy.set()
            session = request.json["session"]
            event = {**session, "project_id": session["project"], "event_type": "session"}
            self.sessions[session["session_id"]] = {**event, "event_name": session["session_name"]}
            return 200, {}, json.dumps({"session_id": session["session_id"]}).encode()


@pytest.mark.parametrize("killed_after", [UPDATES // 3, UPDATES - 1])
def test_updates_that_race_with_their_sessions(killed_after, server, tmp_path):
    api = Api()
    server.script = api.answer
    environment = {**os.environ, "HH_API_KEY": "k", "HH_API_URL": server.url}
    environment |= {"HONEYTRACE_DURABLE": "1", "HONEYTRACE_HOME": str(tmp_path / "killed")}
    program = [sys.executable, "-c", textwrap.dedent(PROGRAM), str(SESSIONS)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(program, env=environment, **pipes) as running:
        taken = []
        for number, line in enumerate(running.stdout):
            taken.append(line.split(maxsplit=1))
            api.fails = UPDATES // 6 <= number < UPDATES // 2
            if number == killed_after:
                if number == UPDATES - 1:
                    assert api.is_busy.wait(300)
                running.kill()
                break
    api.fails = False
    resend = [sys.executable, "-m", "honeytrace", "resend"]
    subprocess.run(resend, env=environment, check=False, capture_output=True)
    assert len(taken) == killed_after + 1
    assert len(api.sessions) == SESSIONS
    assert all(session["metadata"]["own"] == 1 for session in api.sessions.values())
    for session_id, name in taken:
        assert api.sessions[session_id]["metadata"][name.strip()] is True
