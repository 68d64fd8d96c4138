"""The last moments of a program: other threads still trace, and the interpreter kills them."""

from __future__ import annotations

import os

import pytest
from lines import leads, silent
from programs import numbers, ran

pytestmark = pytest.mark.skipif(os.name == "nt", reason="the programs send signals")

LOOPS = """
numbers, returned = iter(range(10**9)), []
def trace_on():
    while True:
        n = next(numbers)
        call(n)
        returned.append(n)
def compute():
    while True:
        pass
for target in (trace_on, trace_on, trace_on, trace_on, compute):
    threading.Thread(target=target, daemon=True).start()
until(lambda: len(returned) > 50)
"""
SAID = """
import atexit
@atexit.register
def last():
    say([max(returned), stats().dropped])
"""


def test_loops_in_other_threads_lose_nothing():
    """What has returned is in the store, although the loops leave the exit little time."""
    last, dropped = ran(LOOPS, None, before=SAID, HONEYTRACE_EXIT_TIMEOUT="4").words[-1]
    stored = """
    from honeytrace.local import Store
    from honeytrace._utils.paths import store_path
    from pathlib import Path
    say(Store(store_path(Path(os.environ["HONEYTRACE_HOME"]))).count())
    """
    (count,) = ran(stored, None).words
    assert dropped == 0
    assert count > last - 4  # each thread may have been cut off in a call before that one


@pytest.mark.parametrize("lock", ["_disk", "lock"])
def test_a_killed_thread_keeps_no_exit_waiting(lock):
    """The interpreter kills daemon threads anywhere, and then runs finalizers that trace."""
    before = f"""
    import atexit, threading
    wanted, held = threading.Event(), threading.Event()
    def hold():
        from honeytrace._config.live import live
        wanted.wait()
        live.base.delivery._queue.{lock}.acquire()
        held.set()
        threading.Event().wait()
    threading.Thread(target=hold, daemon=True).start()
    @atexit.register
    def last():
        wanted.set()
        held.wait()
    """
    program = """
    class Traces:
        def __init__(self):
            self.itself = self
        def __del__(self, call=call, flush=honeytrace.flush, say=say):
            call(-1)
            say(["traced", flush(5)])
    gc.disable()
    Traces()
    """
    (said,) = ran(program + LOOPS, None, before=before).words
    assert said == ["traced", False]


UNABLE = """
import threading
def refuse(*_, **__):
    raise RuntimeError("can't create new thread at interpreter shutdown")
for name in ("_start_new_thread", "_start_joinable_thread"):
    if hasattr(threading, name):
        setattr(threading, name, refuse)
"""
AT_EXIT = """
@atexit.register
def late():
    for n in range(20):
        call(n)
"""


def test_a_first_session_at_exit_is_sent(server, segments):
    """Python 3.12 and later start no thread then, so the thread that exits sends it."""
    ran(AT_EXIT, server.url, before=UNABLE)
    assert (numbers(server), segments()) == ([*range(20)], [])


def test_a_first_session_at_exit_is_sent_without_a_spool(server):
    """It is nowhere but in memory."""
    ran(AT_EXIT, server.url, before=UNABLE, HONEYTRACE_SPOOL_DIR="off")
    assert numbers(server) == [*range(20)]


def test_a_first_session_at_exit_holds_nothing_up(line):
    """The exit timeout ends its request, too."""
    line.listen(silent)
    settings = {"HONEYTRACE_EXIT_TIMEOUT": "0.5", "HH_API_TIMEOUT": "300"}
    assert ran(AT_EXIT, line.url, before=UNABLE, **settings).stats["spooled"] == 20


def test_a_first_session_at_exit_looks_up_no_name():
    """That could take longer than the exit timeout, so the session waits on disk."""
    settings = {"HONEYTRACE_EXIT_TIMEOUT": "5", "HH_API_TIMEOUT": "300"}
    done = ran(AT_EXIT, "http://name.invalid", before=UNABLE, **settings)
    assert (done.stats["spooled"], len(done.lines)) == (20, 1)


def test_a_first_session_at_exit_leaves_older_ones_on_disk(server, line, segments):
    """Those of earlier processes wait for one that has more time."""
    line.listen(silent)
    ran("call(100)", line.url, HONEYTRACE_EXIT_TIMEOUT="0")
    assert len(segments()) == 1
    line.listen(leads(server.port))
    ran(AT_EXIT, line.url, before=UNABLE)
    assert (numbers(server), len(segments())) == ([*range(20)], 1)
