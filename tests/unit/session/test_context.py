"""The current session, also while garbage is collected."""

from __future__ import annotations

import contextvars
import gc
import sys
import threading

import pytest

import honeytrace
from honeytrace._session import context
from honeytrace._session.scope import QUIET
from honeytrace._tracing.trace_session import trace_session

before_3_12 = pytest.mark.skipif(
    sys.version_info >= (3, 12), reason="the collector runs between instructions only"
)


def collect(finalizer):
    """Run a function in a `__del__` that the collector calls."""

    class Cycle:
        def __del__(self):
            finalizer()

    cycle = Cycle()
    cycle.itself = cycle
    del cycle
    gc.collect()


@before_3_12
def test_the_thread_that_collects_makes_nothing_current():
    """Another thread does, at the same moment."""
    seen = []

    def look():
        context.put_safely(QUIET)
        seen.append((bool(context.collecting), context.get()))

    def finalize():
        look()
        thread = threading.Thread(target=look)
        thread.start()
        thread.join()

    collect(finalize)
    assert (seen, context.collecting) == ([(True, None), (True, QUIET)], [])
    contextvars.copy_context().run(look)
    assert seen[2:] == [(False, QUIET)]


@before_3_12
def test_a_session_in_a_collection_is_not_current(sent):
    """It is recorded, and so is what it calls."""

    @trace_session(name="inner")
    def inner():
        return bool(honeytrace.current_session())

    @trace_session(name="outer")
    def outer():
        return inner()

    collect(outer)
    outer()
    assert [s["outputs"]["result"] for s in sent()] == [False, False, True, True]


def test_signals_during_collections_reach_the_program(program):
    """The exception of a signal handler is not lost, whatever is decorated."""
    done = program(
        """
        import gc
        import signal
        import honeytrace

        class LateError(Exception):
            pass

        def late(number, frame):
            raise LateError

        honeytrace.trace_session(len)
        heap = [[number] for number in range(100_000)]
        signal.signal(signal.SIGALRM, late)
        arrived = 0
        for trial in range(50):
            try:
                signal.setitimer(signal.ITIMER_REAL, 0.0005 + trial * 1e-5)
                for _ in range(5):
                    gc.collect()
                sum(range(1_000_000))
            except LateError:
                arrived += 1
        print(arrived)
        """
    )
    assert (done.stdout, done.stderr) == ("50\n", "")


def test_a_stream_that_is_collected_ends(sent):
    """In a cycle, so that the collector closes it, and with a session begun on the way."""

    @trace_session
    def farewell():
        return honeytrace.current_session().session_name

    @trace_session
    def stream():
        try:
            yield 1
        finally:
            farewell()

    class Holder:
        pass

    holder = Holder()
    holder.itself, holder.stream = holder, stream()
    next(holder.stream)
    del holder
    gc.collect()
    by_name = {s["session_name"].rpartition(".")[2]: s for s in sent()}
    assert by_name.keys() == {"farewell", "stream"}
    assert not honeytrace.current_session()


def test_quietly_gives_back_and_lets_out():
    """The result and the exception of the function are its own, and the context is as before."""
    assert context.without_tracing(len, "abc") == 3
    with pytest.raises(ZeroDivisionError):
        context.without_tracing(divmod, 1, 0)
    assert context.get() is None
