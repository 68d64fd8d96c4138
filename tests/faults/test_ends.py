"""Ends of processes, and collections in the middle of work: nothing hangs or is lost."""

from __future__ import annotations

import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest
from lines import silent
from programs import KEY, PATH, later, numbers, ran

pytestmark = pytest.mark.skipif(os.name == "nt", reason="forks and signals are POSIX's")


INTERRUPTED = """
import time, honeytrace
with honeytrace.trace_session("x"):
    pass
time.sleep({seconds})
raise KeyboardInterrupt
"""
LATE_IMPORT = """
import os
for n in range(10, 15):
    if os.fork() == 0:
        import honeytrace
        with honeytrace.trace_session("x", inputs={"n": n}):
            pass
        os._exit(0)
    os.wait()
"""


@pytest.mark.parametrize("local", [True, False])
@pytest.mark.parametrize("seconds", [0, 0.3])
def test_an_interrupt_ends_the_program_with_its_status(local, seconds, server):
    """As it would without honeytrace, whatever is imported at exit."""
    settings = {} if local else {"HH_API_URL": server.url, "HH_API_KEY": KEY}
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED.format(seconds=seconds)],
        env={**os.environ, "PYTHONPATH": PATH, **settings},
        stderr=subprocess.DEVNULL,
        check=False,
    )
    assert done.returncode == -signal.SIGINT


@pytest.mark.parametrize("method", ["fork", "forkserver", "spawn"])
def test_a_pool_that_is_terminated_at_once(method, server):
    """Its processes end by a signal; what their tasks traced, nested calls too, is on disk."""
    program = """
    import multiprocessing

    @trace_session
    def outer(n):
        call(100 + n)

    if __name__ == "__main__":
        with multiprocessing.get_context(sys.argv[1]).Pool(2) as pool:
            pool.map(outer, range(20))
    """
    ran(program, server.url, method)
    later(server.url)
    expected = [-1, *range(20), *range(100, 120)]
    assert sorted({*numbers(server)}) == expected


def test_children_that_end_at_once(server):
    """By `os._exit`, whether honeytrace was imported before the fork or in the child."""
    program = """
    import subprocess
    for n in range(5):
        if os.fork() == 0:
            call(n)
            os._exit(0)
        os.wait()
    subprocess.run([sys.executable, "-c", sys.argv[1]], check=True)
    """
    ran(program, server.url, LATE_IMPORT)
    later(server.url)
    assert sorted({*numbers(server)}) == [-1, *range(5), *range(10, 15)]


def test_children_that_end_at_once_have_stored_their_sessions():
    """The store on this machine has them when the call returns."""
    program = """
    for n in range(5):
        if os.fork() == 0:
            call(n)
            os._exit(0)
        os.wait()
    """
    ran(program, None)
    assert stored() == 5


def stored() -> int:
    path = Path(os.environ["HONEYTRACE_HOME"]) / "sessions.db"
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute("SELECT count(*) FROM sessions").fetchone()[0]


def test_a_durable_session_is_in_the_store_when_its_call_returns():
    """A kill costs nothing."""
    program = """
    for n in range(10):
        call(n)
    os.kill(os.getpid(), signal.SIGKILL)
    """
    ran(program, None, code=-signal.SIGKILL, HONEYTRACE_DURABLE="true")
    assert stored() == 10


def test_the_store_imports_no_client():
    """At exit, on a slow machine, there is no time for it."""
    program = """
    call(0)
    assert flush(20)
    say([name for name in ("httpcore", "h11") if name in sys.modules])
    """
    assert ran(program, None).words == [[]]


def test_a_store_that_is_held_at_exit():
    """Its sessions go to the spool within the exit timeout, and a later process stores them."""
    home = Path(os.environ["HONEYTRACE_HOME"])
    ran("call(0)\n", None)
    connection = sqlite3.connect(home / "sessions.db", isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    program = "for n in range(5):\n    call(n)\nsay(time.monotonic())\n"
    done = ran(program, None, HONEYTRACE_EXIT_TIMEOUT="2")
    took = time.monotonic() - done.words[0]
    connection.close()
    assert (done.stats["spooled"], took < 4) == (5, True)
    ran("call(5)\nuntil(lambda: stats().resent == 5)\nflush(20)\n", None)
    assert stored() == 7


COLLECTED = """
class Tracing:
    def __init__(self):
        self.itself = self
    def __del__(self, call=call, made=made):
        made.append(None)
        call(0)

def litter():
    for _ in range(3):
        Tracing()
"""


@pytest.mark.parametrize("durable", ["true", "false"])
@pytest.mark.parametrize("local", [True, False])
def test_collections_at_every_step(durable, local, server):
    """Objects that trace when they are collected, in each thread and in the middle of each step:
    start, append, send, flush, fork, configure, shutdown."""
    program = (
        "made = []\n"
        + COLLECTED
        + """
gc.set_threshold(1)
for n in range(25):
    litter()
    made.append(None)
    call(n)
    litter()
    flush(20)
    litter()
    if n % 5 == 0:
        if (child := os.fork()) == 0:
            os._exit(0)
        os.waitpid(child, 0)
    honeytrace.configure(source=f"s{n}")
    litter()
    shutdown(20)
gc.set_threshold(0)
gc.collect()
shutdown(20)
say([len(made), stats().delivered])
"""
    )
    made, delivered = ran(program, None if local else server.url, HONEYTRACE_DURABLE=durable).words[
        0
    ]
    assert made == delivered


SMALL_STACK = """
import threading
threading.stack_size(32 * 1024)
"""


@pytest.mark.parametrize("local", [True, False])
def test_a_program_with_small_stacks(local, server):
    """Our threads have enough all the same, and the program's setting stays."""
    program = "call(0)\nassert flush(20)\nsay(threading.stack_size())\n"
    assert ran(program, None if local else server.url, before=SMALL_STACK).words == [32 * 1024]


PATCHED_STACKS = """
import threading
def patched(size=None, real=threading.stack_size):
    return {}
threading.stack_size = patched
"""


def test_a_program_whose_stacks_eventlet_patched(server):
    """Its function answers with None. Nothing is lost, and nothing is logged."""
    program = "call(0)\nassert flush(20)\n"
    before = PATCHED_STACKS.format("real() if size is None else None")
    assert ran(program, server.url, before=before).lines == []
    assert numbers(server) == [0]


def test_a_program_in_which_threads_fail_to_start(segments):
    """Not even the first session is lost, whatever is raised."""
    program = """
    import logging
    logging.getLogger("honeytrace").addHandler(logging.NullHandler())
    call(0)
    """
    end = ran(program, "http://127.0.0.1:9", before=PATCHED_STACKS.format("1 / 0"))
    assert (end.stats["accepted"], end.stats["spooled"]) == (1, 1)


LEFT = """
import atexit, json, threading
def tell():
    ours = [each.name for each in threading.enumerate() if each.name.startswith("honeytrace-")]
    print(json.dumps(ours), flush=True)
atexit.register(tell)
"""


@pytest.mark.parametrize("answer", ["good", "bad", "none"])
def test_an_exit_leaves_no_threads(answer, server, line):
    """They end in order; only one that waits for an answer is left to the interpreter."""
    if answer == "bad":
        server.script = lambda request: (503, {}, b"")
    if answer == "none":
        line.listen(silent)
    url, seconds = (line.url, "1") if answer == "none" else (server.url, "20")
    end = ran("call(0)", url, before=LEFT, HONEYTRACE_EXIT_TIMEOUT=seconds)
    assert end.words[-1] == [] or (answer, len(end.words[-1])) == ("none", 1)


@pytest.mark.parametrize("used", [True, False])
def test_an_exit_without_descriptors(used, server):
    """It is orderly, and nothing is said twice, also if nothing was sent before."""
    program = """
    if int(sys.argv[1]):
        call(0)
        assert flush(20)
    import resource
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
    try:
        while True:
            os.dup(2)
    except OSError:
        pass
    call(1)
    """
    end = ran(program, server.url, str(int(used)), HONEYTRACE_EXIT_TIMEOUT="2")
    later(server.url)
    assert sorted({*numbers(server)} - {-1}) == ([0, 1] if used else [])
    assert end.stats["dropped"] == (not used)  # no file could be opened for it


def test_an_import_in_the_child_knows_nothing_of_it():
    """A program that was started, not forked, ends in order and does not wait for the disk."""
    program = """
    from honeytrace._delivery.processes import ends_abruptly
    import subprocess
    source = "from honeytrace._delivery.processes import ends_abruptly as e; print(e())"
    said = subprocess.check_output([sys.executable, "-c", source], text=True)
    say([ends_abruptly(), said.strip()])
    """
    assert ran(program, None).words == [[False, "False"]]


AT_EXIT = """
import atexit, logging, sys
def late():
    call(1)
if sys.argv[1] == "registered before the import":
    atexit.register(late)
from honeytrace import trace_session
@trace_session
def call(n):
    return n
if sys.argv[1] == "registered after the import":
    atexit.register(late)
if sys.argv[1] == "flushing a log":
    handler = logging.NullHandler()
    handler.flush = late
    logging.getLogger().addHandler(handler)
"""


@pytest.mark.parametrize(
    "when", ["registered before the import", "registered after the import", "flushing a log"]
)
def test_the_first_session_may_begin_at_exit(when):
    """It is stored, also if its function is called after our own."""
    late_call(when)
    assert stored() == 1


def test_the_first_session_at_exit_waits_on_disk():
    """After our own function, nothing is sent any more, but the session is in the spool."""
    late_call("registered before the import", HH_API_URL="http://127.0.0.1:9", HH_API_KEY=KEY)
    (segment,) = Path(os.environ["HONEYTRACE_HOME"], "spool").rglob("*.spool")
    assert re.search(rb'"inputs": ?{"n": ?1}', segment.read_bytes())


def late_call(when: str, **environment: str) -> None:
    """Run a program whose only session begins at exit."""
    subprocess.run(
        [sys.executable, "-c", AT_EXIT, when],
        env={**os.environ, "PYTHONPATH": PATH, **environment},
        check=True,
        timeout=60,
    )
