"""Changes of the clock and of the standard library do not affect the delivery."""

from __future__ import annotations

import os

import pytest
from programs import ran

FROZEN = "from freezegun import freeze_time; freeze_time({!r}).start()"
STEPPING = """
import time
real, looks = time.time_ns, iter(range(10**9))
time.time_ns = lambda: real() - 3_600_000_000_000 * next(looks)  # an hour back at each look
time.time = lambda: time.time_ns() / 1e9
"""
RAISING = """
import json, random, time, uuid
def raising(*_, **__):
    raise RuntimeError("patched")
"""
CONSTANT = """
import random, time, uuid
random.seed(0)
random.random = lambda: 0.0
time.sleep = lambda seconds: None
same = uuid.uuid4()
uuid.uuid4 = lambda: same
"""
PATCHES = {
    "json": RAISING + "json.dumps = json.loads = raising",
    "uuid": RAISING + "uuid.uuid4 = uuid.uuid1 = raising",
    "random": RAISING + "random.random = random.uniform = raising",
    "sleep": RAISING + "time.sleep = raising",
    "default": "import json; json.JSONEncoder.default = lambda self, value: 'patched'",
    "constants": CONSTANT,
}
EARLY = {
    "raising": "\n".join(list(PATCHES.values())[:4]),
    "constants": CONSTANT,
}


def arrived(done, server):
    """Return whether all sessions arrived whole, under different ids, and nothing else did."""
    came = {session["session_id"]: session["outputs"]["scores"] for session in server.sessions}
    whole = done.report["flushed"] and list(came.values()) == [{"7": 0.5}] * len(done.ids)
    return whole and {*came} == {*done.ids}


@pytest.mark.parametrize("patch", PATCHES.values(), ids=PATCHES)
def test_a_patched_library(patch, run, server):
    """Sessions arrive with distinct ids, also when some have to be sent again."""
    server.script = [(503, {}, b'{"message": "later"}')] * 2
    done = run(server.url, 5, flush=20, before_calls=patch)
    assert arrived(done, server)
    assert done.stats["errors"] == {}


@pytest.mark.parametrize("patch", EARLY.values(), ids=EARLY)
def test_a_library_that_was_patched_before(patch, run, server):
    """The same if honeytrace never saw the real functions."""
    server.script = [(503, {}, b"")] * 2
    done = run(server.url, 5, flush=20, before_import=patch)
    assert arrived(done, server)
    assert done.stats["errors"] == {}


@pytest.mark.parametrize("date", ["2001-01-01", "2030-01-01"])
def test_frozen_time(date, run, server):
    """Failed sessions are sent again and a flush ends, though no time passes."""
    server.script = [(503, {}, b"")] * 2
    done = run(server.url, 5, flush=20, before_calls=FROZEN.format(date))
    assert arrived(done, server)
    assert all(s["start_time"] == server.sessions[0]["start_time"] for s in server.sessions)


def test_frozen_time_and_a_silent_server(run, server, kept):
    """Timeouts are those of the real clock: of a request, of a flush and at exit."""
    server.script = lambda request: server.hang
    frozen = {"before_calls": FROZEN.format("2001-01-01"), "HH_API_TIMEOUT": 0.3}
    done = run(server.url, 5, trouble=True, flush=0.1, **frozen)
    assert not done.report["flushed"]
    assert done.exiting < 5
    kept(done)


def test_a_clock_that_steps_back(run, server):
    """No session ends before it starts, and all arrive."""
    server.script = [(503, {"Retry-After": "0"}, b"")] * 2
    done = run(server.url, 5, flush=20, before_calls=STEPPING)
    assert arrived(done, server)
    assert all(s["end_time"] >= s["start_time"] and s["duration"] >= 0 for s in server.sessions)


def test_a_clock_that_steps_back_in_an_outage(run, line, kept):
    """Sessions kept under a wrong clock do not count as old."""
    done = run(line.url, 5, trouble=True, before_calls=STEPPING)
    kept(done, line)


NO_SSL = """
import sys
class Without:
    def find_spec(self, name, path=None, target=None):
        if name == "ssl":
            raise ModuleNotFoundError("No module named 'ssl'")
sys.meta_path.insert(0, Without())
sys.modules.pop("ssl", None)
"""


def test_a_python_without_ssl(server):
    """httpcore cannot be imported. One sentence says so, and the sessions wait on disk."""
    done = ran("call(0)\n", server.url, before=NO_SSL, HONEYTRACE_EXIT_TIMEOUT="1")
    assert (done.stats["spooled"], done.stats["errors"]) == (1, {})
    assert (
        "httpcore, which sends sessions, cannot be imported: No module named 'ssl'"
        in (done.stats["last_error"])
    )


@pytest.mark.skipif(os.name == "nt", reason="no proxy is asked for there")
def test_a_proxy_that_cannot_be_used(server):
    """The warning says what to correct, and does not blame the server or the key."""
    done = ran("call(0)\n", server.url, ALL_PROXY="foo://proxy", NO_PROXY="", no_proxy="")
    assert "none can be sent (a proxy cannot be reached by foo://; use http://" in done.lines[0]
    assert "api_key" not in done.lines[0]


DELETED = """
import os, tempfile
directory = tempfile.mkdtemp()
os.chdir(directory)
os.rmdir(directory)
"""


@pytest.mark.skipif(os.name == "nt", reason="a directory in use cannot be deleted there")
def test_a_relative_home_in_a_deleted_directory(server):
    """It cannot be meant, so it is ignored with a sentence, and sessions are recorded."""
    home = {"HOME": os.environ["HONEYTRACE_HOME"], "HONEYTRACE_HOME": "here"}
    done = ran("call(0)\nassert flush(20)\n", server.url, before=DELETED, **home)
    why = "it cannot be 'here': the current directory has been deleted; give an absolute path"
    assert done.lines == [f"honeytrace: HONEYTRACE_HOME is not used: {why}"]
    assert done.stats["delivered"] == 1
