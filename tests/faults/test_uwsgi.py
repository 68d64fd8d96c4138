"""uWSGI loads the program, then forks its workers in C, so Python's hooks do not run."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import suppress

import pytest
from programs import KEY, PATH, numbers, ran

pytestmark = pytest.mark.skipif(os.name == "nt", reason="uWSGI forks")

MASTER = """
import ctypes, os, sys, types
master, uwsgi = os.getpid(), types.ModuleType("uwsgi")
uwsgi.masterpid = lambda: master
uwsgi.worker_id = lambda: int(os.getpid() != master)
sys.modules["uwsgi"] = uwsgi
fork = ctypes.PyDLL(None).fork  # it keeps the interpreter's lock, as uWSGI does
"""
WORKERS = """
import honeytrace
tracer = honeytrace.Tracer(source="other")

@tracer.trace_session
def other(n):
    call(n + 50)

call(0)
other(1)
if int(sys.argv[1]):
    flush(20)
threads = [each.name for each in threading.enumerate() if each.name.startswith("honeytrace-")]
for worker in (10, 20):
    if fork() == 0:
        if worker == 20:
            assert honeytrace.shutdown(20)
        for n in range(worker, worker + 3):
            call(n)
            other(n)
        say(flush(20))
        os._exit(0)
for _ in range(2):
    os.wait()
if fork() == 0:
    raise SystemExit  # a worker that never traces
os.wait()
say(threads)
"""


@pytest.mark.parametrize("flushes", [0, 1])
@pytest.mark.parametrize("local", [False, True])
def test_workers_that_are_forked_in_c(flushes, local, server):
    """Until then no thread of ours runs, which could be in the way; each worker has its own."""
    end = ran(WORKERS, None if local else server.url, str(flushes), before=MASTER)
    assert [each for each in end.words if isinstance(each, (list, bool))] == [True, True, []]
    if not local:
        calls = [*range(10, 13), *range(20, 23)]
        below = [n + 50 for n in (1, *calls)]  # the calls inside `other`
        assert numbers(server) == sorted([0, 1, *calls, *calls, *below])
        assert len({session["session_id"] for session in server.sessions}) == 21


APPLICATION = """
import os, honeytrace

@honeytrace.trace_session
def call(n):
    return n

call(0)

def application(environ, start):
    call(int(environ["QUERY_STRING"]))
    start("200 OK", [])
    return [str(os.getpid()).encode()]
"""


@pytest.mark.skipif("HONEYTRACE_TEST_UWSGI" not in os.environ, reason="starts a real server")
@pytest.mark.parametrize("options", [[], ["--lazy-apps"], ["--py-call-osafterfork"]])
def test_a_real_server(options, server, tmp_path):
    """HONEYTRACE_TEST_UWSGI=1: two workers answer, everything arrives, and the end is orderly."""
    uwsgi = shutil.which("uwsgi")
    assert uwsgi
    (tmp_path / "app.py").write_text(APPLICATION)
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    place = ["--http-socket", address, "-H", sys.prefix, "--wsgi-file", "app.py"]
    how = ["--master", "--processes", "2", "--enable-threads", "--die-on-term", *options]
    settings = {"HH_API_URL": server.url, "HH_API_KEY": KEY, "HONEYTRACE_EXIT_TIMEOUT": "20"}
    process = subprocess.Popen(
        [uwsgi, *place, *how], cwd=tmp_path, env={**os.environ, "PYTHONPATH": PATH, **settings}
    )
    try:
        for number in range(1, 21):
            answer(f"http://{address}/?{number}", process)
    finally:
        process.terminate()
        assert process.wait(30) == 0
    assert {*range(1, 21)} <= {*numbers(server)}


def answer(url: str, process: subprocess.Popen[bytes]) -> None:
    """Ask until the server is up."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        with suppress(ConnectionRefusedError, urllib.error.URLError):
            urllib.request.urlopen(url, timeout=30).read()
            return
    raise AssertionError("the server does not answer")
