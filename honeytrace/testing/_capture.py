"""Capture sessions where they would be sent."""

from __future__ import annotations

import itertools
import sys
import threading
from contextlib import suppress
from contextvars import ContextVar
from types import TracebackType

from honeytrace._config.live import live
from honeytrace._config.pipeline import Clock, Pipeline, finished
from honeytrace._delivery.senders import THREADS
from honeytrace._session.record import CallRecord, format_id
from honeytrace.testing._sessions import CapturedSessions

__tracebackhide__ = True  # pytest shows the line of the test, not ours


class _Counting:
    """Ids that count: 00000000-0000-4000-8000-000000000001 and on."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)

    def pop(self) -> str:
        return format_id(next(self._numbers).to_bytes(16, "big"))


def capture_sessions(
    *, counting_ids: bool = False, clock: Clock | None = None, strict: bool = False
) -> CaptureContext:
    """Catches the sessions that start inside, in tasks and threads too, and sends none of them.

        with capture_sessions() as sessions:
            answer("what does yield do?")
        sessions.one(name="answer", inputs={"question": "what does yield do?"})

    They are as they would be sent, without their secrets, and listed when they end; what ends
    after the block is listed nowhere. Of captures in one another the outer lists what the inner
    does, too; captures of different tasks or threads have each their own. What a thread starts that
    knows of no capture goes to the one that was opened last. `async with` does the same.

    Args:
        counting_ids: ids are 00000000-0000-4000-8000-000000000001 and so on, not random.
        clock: tells the times of the sessions; `FakeClock()`, say.
        strict: what would be counted in `stats().errors`, such as a `process_inputs` that raises,
            is raised in the traced call.

    All three hold for captures inside this one, too. Ids go on counting there.
    """
    if clock is not None and (isinstance(clock, type) or not isinstance(clock, Clock)):
        raise TypeError(
            f"clock has to have time_ns() and perf_counter_ns(), as FakeClock() has; got {clock!r}"
        )
    return CaptureContext(_Capture(counting_ids, clock, strict))


class _Capture:
    """What a capture catches into, and how; a setting that it has not is that of the outer one."""

    def __init__(self, counting_ids: bool, clock: Clock | None, strict: bool) -> None:
        self.sessions = CapturedSessions()
        self.ids = _Counting() if counting_ids else None
        self.clock = clock
        self.strict = strict
        self.outer: _Capture | None = None
        self.open = False
        self.thread = 0
        self.looped = False

    def begin(self) -> None:
        self.outer = outer = _outer()
        if outer is not None:
            self.ids = outer.ids or self.ids
            self.clock = self.clock or outer.clock
            self.strict = self.strict or outer.strict
        self.thread = threading.get_ident()
        self.looped = _in_loop()
        self.open = True
        open_now.append(self)
        live.push(self.detour)
        _here.set(self)

    def end(self) -> None:
        """In any context, by the collector too; a second time, or after half a beginning."""
        if _here.get() is self:
            _here.set(_nearest(self.outer))
        if self.open:
            self.open = False
            live.pop(self.detour)
            with suppress(ValueError):
                open_now.remove(self)

    def detour(self, base: Pipeline) -> Pipeline:
        """Where a session begins while this is the last that was opened: in the capture of its
        context, by the settings of `base`."""
        capture = _nearest(_here.get()) or self
        ids, clock = capture.ids or base.ids, capture.clock or base.clock
        return Pipeline(base.config, base.delivery, ids, capture.take, clock)

    def take(self, record: CallRecord) -> None:
        """An ended session, for this and the captures around it, as far as they are open."""
        capture = _nearest(self)
        session = finished(record) if capture else None
        while capture is not None and session is not None:
            capture.sessions._sessions.append(session)
            capture = _nearest(capture.outer)


class CaptureContext:
    """What `with` opens and closes. If it is lost while open, the collector closes it."""

    def __init__(self, capture: _Capture) -> None:
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


_here: ContextVar[_Capture | None] = ContextVar("honeytrace_capture", default=None)
open_now: list[_Capture] = []
"""The captures that are open, in the order of their beginnings."""


def _nearest(capture: _Capture | None) -> _Capture | None:
    """The capture, or the nearest around it that is open."""
    while capture is not None and not capture.open:
        capture = capture.outer
    return capture


def _outer() -> _Capture | None:
    """The capture that one which opens now stands in.

    A context may not know of it: test frameworks run a fixture in one and the test in another. So
    what this thread or the main thread opened counts, too, unless a task did: that is a sibling.
    """
    threads = (threading.get_ident(), threading.main_thread().ident)
    unknown = (each for each in reversed(open_now) if each.thread in threads and not each.looped)
    return _nearest(_here.get()) or next(unknown, None)


def _in_loop() -> bool:
    """Whether an event loop runs this, be it asyncio's or trio's: they all set these hooks."""
    return sys.get_asyncgen_hooks().firstiter is not None


def _strict() -> bool:
    """Whether faults are to be raised here. Not where sessions of before are being sent."""
    capture = _nearest(_here.get()) or next(reversed(open_now), None)
    sending = threading.current_thread().name.startswith(THREADS)
    return capture is not None and capture.strict and not sending


live.guard.strict = _strict  # asked only when there is a fault; without a capture it says no
