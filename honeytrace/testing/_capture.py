"""Capture sessions instead of sending them."""

from __future__ import annotations

import itertools
import sys
import threading
from dataclasses import replace
from types import TracebackType
from typing import Any

from honeytrace._config.live import live
from honeytrace._config.pipeline import Clock, Pipeline, finish, finish_update
from honeytrace._delivery.senders import THREADS
from honeytrace._session.record import CallRecord, format_id
from honeytrace._session.session import Session
from honeytrace._session.update import Update
from honeytrace.testing._sessions import CapturedSessions

__tracebackhide__ = True  # pytest shows the line of the test, not ours


class _Counting:
    """A source of consecutive ids: 00000000-0000-4000-8000-000000000001 and so on."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)

    def pop(self) -> str:
        return format_id(next(self._numbers).to_bytes(16, "big"))


def capture_sessions(
    *, counting_ids: bool = False, clock: Clock | None = None, strict: bool = False
) -> CaptureContext:
    """Capture the sessions that start inside, in tasks and threads too, and send none of them.

        with capture_sessions() as sessions:
            answer("what does yield do?")
        sessions.one(name="answer", inputs={"question": "what does yield do?"})

    A session looks as it would be sent, with secrets redacted. It is listed when it ends; a session
    that ends after the block is not listed. An outer capture also lists the sessions of the
    captures inside it. Captures in different tasks or threads are independent. A session of a
    thread that inherits no capture goes to the capture that was opened last. `async with` works
    as well.

    Args:
        counting_ids: use the ids 00000000-0000-4000-8000-000000000001 and so on, not random ones.
        clock: the clock for the times of the sessions, such as `FakeClock()`.
        strict: raise errors in the traced call that would otherwise only be counted in
            `stats().errors`, such as one in `process_inputs`.

    All three also apply to captures inside this one, where the ids continue.
    """
    if clock is not None and (isinstance(clock, type) or not isinstance(clock, Clock)):
        raise TypeError(
            f"clock has to have time_ns() and perf_counter_ns(), as FakeClock() has; got {clock!r}"
        )
    return CaptureContext(Capture(counting_ids, clock, strict))


class Capture:
    """An `Override` of the live pipeline. Unset settings are taken from the outer capture.

    Attributes:
        sessions: the captured sessions.
        ids: the source of ids; None for random ones.
        clock: the clock for times; None for the system's clock.
        strict: whether internal errors are raised.
        outer: the capture that this one was opened in.
        open: whether it is open now.
        thread: the identifier of the thread that opened it; 0 before that.
        in_loop: whether an event loop was running where it was opened.
    """

    def __init__(self, counting_ids: bool, clock: Clock | None, strict: bool) -> None:
        self.sessions = CapturedSessions()
        self.ids = _Counting() if counting_ids else None
        self.clock = clock
        self.strict = strict
        self.outer: Capture | None = None
        self.open = False
        self.thread = 0
        self.in_loop = False

    def begin(self) -> None:
        self.outer = outer = _outer()
        if outer is not None:
            self.ids = outer.ids or self.ids
            self.clock = self.clock or outer.clock
            self.strict = self.strict or outer.strict
        self.thread = threading.get_ident()
        self.in_loop = _in_loop()
        self.open = True
        live.push(self)
        live.override.set(self)

    def end(self) -> None:
        """End the capture.

        This works in any context, in the garbage collector, after an interrupted `begin`, and
        twice.
        """
        if live.override.get() is self:
            live.override.set(_nearest(self.outer))
        if self.open:
            self.open = False
            live.pop(self)

    def pipeline(self, base: Pipeline) -> Pipeline:
        """Return the pipeline of a session that starts while this capture was opened last.

        It leads to the capture of the session's context, with the settings of `base`.
        """
        capture = _here() or self
        ids, clock = capture.ids or base.ids, capture.clock or base.clock
        processors = (*live.processors, capture.take)
        made = Pipeline(
            base.config, base.delivery, ids, processors, clock=clock, updates=capture.update
        )
        made.special = base.special
        return made

    def take(self, record: CallRecord) -> None:
        """Add an ended session to this capture and the ones around it, if they are open."""
        capture = _nearest(self)
        session = finish(record) if capture else None
        while capture is not None and session is not None:
            capture.sessions._sessions.append(session)
            capture = _nearest(capture.outer)

    def update(self, update: Update) -> None:
        """Merge an update into the captured session, here and in the captures around this one."""
        fields: dict[str, Any] = finish_update(update)
        session_id = str(update.id)
        capture = _nearest(self)
        while capture is not None:
            captured = capture.sessions._sessions
            captured[:] = [
                _merged(each, fields) if each.session_id == session_id else each
                for each in captured
            ]
            capture = _nearest(capture.outer)

    def is_strict(self) -> bool:
        """Return whether internal errors are raised here; not in threads that deliver."""
        sending = threading.current_thread().name.startswith(THREADS)
        return (_here() or self).strict and not sending


def _merged(session: Session, fields: dict[str, Any]) -> Session:
    merged: dict[str, Any] = {name: {**getattr(session, name), **fields[name]} for name in fields}
    return replace(session, **merged)


class CaptureContext:
    """The context manager of a capture. If it is lost while open, the collector closes it."""

    def __init__(self, capture: Capture) -> None:
        self._capture = capture

    def __enter__(self) -> CapturedSessions:
        if self._capture.thread:
            raise RuntimeError("a capture is entered once; call capture_sessions() for another")
        self._capture.begin()
        return self._capture.sessions

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._capture.end()

    async def __aenter__(self) -> CapturedSessions:
        return self.__enter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._capture.end()

    def __del__(self) -> None:
        self._capture.end()


def open_captures() -> list[Capture]:
    """Return the captures that are open, in the order in which they were opened."""
    return [each for each in live.overrides if isinstance(each, Capture)]


def _here() -> Capture | None:
    """Return the open capture of this context."""
    here = live.override.get()
    return _nearest(here) if isinstance(here, Capture) else None


def _nearest(capture: Capture | None) -> Capture | None:
    """Return the capture if it is open, or else the nearest open one around it."""
    while capture is not None and not capture.open:
        capture = capture.outer
    return capture


def _outer() -> Capture | None:
    """Return the capture that encloses one opened now.

    The context may not know it, because test frameworks run a fixture and its test in different
    contexts. So a capture that this thread or the main thread opened counts, too, unless a task
    opened it: then it is a sibling.
    """
    threads = (threading.get_ident(), threading.main_thread().ident)
    known = reversed(open_captures())
    return _here() or next(
        (each for each in known if each.thread in threads and not each.in_loop), None
    )


def _in_loop() -> bool:
    """Return whether an event loop runs this, asyncio's or trio's: they all set these hooks."""
    return sys.get_asyncgen_hooks().firstiter is not None
