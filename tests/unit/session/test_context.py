"""Which session is current, also while garbage is collected."""

from __future__ import annotations

import gc
import sys
import threading

import pytest

import honeytrace
from honeytrace._session import context
from honeytrace._session.record import QUIET
from honeytrace._tracing.trace_session import trace_session


def test_collecting_is_known_only_before_3_12():
    """From then on the collector runs between instructions, and nothing has to be known."""
    assert (context._watch in gc.callbacks) == (sys.version_info < (3, 12))


def test_the_thread_that_collects_makes_nothing_current():
    """Another thread does."""
    context._watch("start", {})
    try:
        context.put_safely(QUIET)
        assert context.get() is None
        seen = []
        thread = threading.Thread(
            target=lambda: (context.put_safely(QUIET), seen.append(context.get()))
        )
        thread.start()
        thread.join()
    finally:
        context._watch("stop", {})
    assert (seen, context.collecting) == ([QUIET], [])


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
