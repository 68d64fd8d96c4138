"""Capture sessions where they would be sent."""

from __future__ import annotations

import itertools
import sys
import threading
from types import TracebackType

from honeytrace._config.live import live
from honeytrace._config.pipeline import Clock, Pipeline, finish
from honeytrace._delivery.senders import THREADS
from honeytrace._session.record import CallRecord, format_id
from honeytrace.testing._sessions import CapturedSessions

__tracebackhide__ = True  # pytest shows the line of the test, not ours


class _Counting:
    """A source of ids that count: 00000000-0000-4000-8000-000000000001 and so on."""

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
    return CaptureContext(Capture(counting_ids, clock, strict))


class Capture:
    """An `Override` of the live pipeline. A setting that it does not have is the outer one's.

    Attributes:
        sessions: those that were captured.
        ids: where ids come from; None for random ones.
        clock: tells the times; None for the system's clock.
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
        """End it in any context, also by the collector; after half a beginning, and twice."""
        if live.override.get() is self:
            live.override.set(_nearest(self.outer))
        if self.open:
            self.open = False
            live.pop(self)

    def pipeline(self, base: Pipeline) -> Pipeline:
        """Return where a session starts while this capture is the last that was opened: in the
        capture of its context, with the settings of `base`."""
        capture = _here() or self
        ids, clock = capture.ids or base.ids, capture.clock or base.clock
        processors = (*live.processors, capture.take)
        return Pipeline(base.config, base.delivery, ids, processors, clock=clock)

    def take(self, record: CallRecord) -> None:
        """Add an ended session to this and the captures around it, as far as they are open."""
        capture = _nearest(self)
        session = finish(record) if capture else None
        while capture is not None and session is not None:
            capture.sessions._sessions.append(session)
            capture = _nearest(capture.outer)

    def is_strict(self) -> bool:
        """Return whether internal errors are raised here. Not where earlier sessions are sent."""
        sending = threading.current_thread().name.startswith(THREADS)
        return (_here() or self).strict and not sending


class CaptureContext:
    """What `with` opens and closes. If it is lost while open, the collector closes it."""

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
    """Return the capture, or the nearest around it that is open."""
    while capture is not None and not capture.open:
        capture = capture.outer
    return capture


def _outer() -> Capture | None:
    """Return the capture that one which is opened now stands in.

    A context may not know of it: test frameworks run a fixture in one and the test in another. So
    what this thread or the main thread opened counts, too, unless a task did: that is a sibling.
    """
    threads = (threading.get_ident(), threading.main_thread().ident)
    known = reversed(open_captures())
    return _here() or next(
        (each for each in known if each.thread in threads and not each.in_loop), None
    )


def _in_loop() -> bool:
    """Return whether an event loop runs this, asyncio's or trio's: they all set these hooks."""
    return sys.get_asyncgen_hooks().firstiter is not None
