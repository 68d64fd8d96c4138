"""Sessions caught where they would be sent: the list of them, and a clock for tests."""

from __future__ import annotations

import itertools
import sys
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from contextvars import ContextVar
from datetime import datetime, timedelta, timezone
from types import TracebackType
from typing import Any, overload

from honeytrace import _explain
from honeytrace._config import live
from honeytrace._expected import Place, compare
from honeytrace._pipeline import Clock, Pipeline, finished
from honeytrace._plain import Choice, plain
from honeytrace._record import Json, Record
from honeytrace._senders import THREADS
from honeytrace._session import RESERVED, Session
from honeytrace._tree import tree

__tracebackhide__ = True  # pytest shows the line of the test, not ours


class CapturedSessions(Sequence[Session]):
    """Sessions in the order of their ends. A list that can be asked, and that prints as trees."""

    __hash__ = None  # type: ignore[assignment] # as of a list

    def __init__(self) -> None:
        self._sessions: list[Session] = []
        self.place: Place | None = None  # set by the pytest plugin

    @overload
    def __getitem__(self, index: int) -> Session: ...

    @overload
    def __getitem__(self, index: slice) -> list[Session]: ...

    def __getitem__(self, index: int | slice) -> Session | list[Session]:
        return self._sessions[index]

    def __len__(self) -> int:
        return len(self._sessions)

    def __iter__(self) -> Iterator[Session]:
        return iter(self._sessions)

    def __eq__(self, other: object) -> bool:
        return self._sessions == (list(other) if isinstance(other, CapturedSessions) else other)

    def __repr__(self) -> str:
        return _explain.cut(self.tree()) or "<no sessions>"

    @property
    def roots(self) -> list[Session]:
        """Those that were started in none of the others, in the order of their ends."""
        known = {session.session_id for session in self}
        return [session for session in self if _about(session).get("parent_id") not in known]

    def all(self, name: str | None = None, **fields: Any) -> list[Session]:
        """Those of this name and with these fields, in the order of their ends.

        Of objects the keys that are given count, at any depth: `inputs={"question": "q"}` fits
        whatever the other inputs are. Raises `TypeError` for what is no field of a session.
        """
        wanted = _wanted(name, fields)
        return [session for session in self if _explain.fits(session, wanted)]

    def one(self, name: str | None = None, **fields: Any) -> Session:
        """The one that `all` would give. Raises `AssertionError` if there is none, or several."""
        found = self.all(name, **fields)
        if len(found) == 1:
            return found[0]
        if found:
            words = _explain.several_fit(self, found)
        else:
            words = _explain.none_fits(self, _wanted(name, fields))
            words += "; tracing is off (enabled=False)" if live.off and not self else ""
        raise AssertionError(_explain.with_tree(words, self.tree()))

    def tree(self) -> str:
        """All of them as text, each root with what it started; `repr` cuts what is long."""
        known = {session.session_id: session for session in self}
        return "\n".join(tree(root, known.get, "not caught") for root in self.roots)

    def assert_no_errors(self) -> None:
        """Raises `AssertionError` if one of them has an error."""
        failed = [session for session in self if session.error]
        if failed:
            words = _explain.have_errors(self, failed)
            raise AssertionError(_explain.with_tree(words, self.tree()))

    def assert_matches(
        self, name: str, *, only: Iterable[str] = (), ignore: Iterable[str] = ()
    ) -> None:
        """Raises `AssertionError` if they are not as in the file `name`.json beside the test.

        It lies in `__honeytrace__`, in a directory for each test file; `--honeytrace-update` writes
        it. What `plain` with the same arguments gives is compared.

            sessions.assert_matches("tea", only=("inputs", "outputs"), ignore=("outputs.usage",))
        """
        if self.place is None:
            raise TypeError("assert_matches() needs the fixture honeytrace_sessions of the plugin")
        compare(self.plain(only=only, ignore=ignore), self.place, name)

    def plain(self, *, only: Iterable[str] = (), ignore: Iterable[str] = ()) -> list[Json]:
        """What is the same in each run, as JSON data: the roots, each with its `children`.

        Ids, times and versions are left out, and so is what is empty.

        Args:
            only: names of fields; else all count. The name of a session is always there.
            ignore: names of fields that do not count, or paths below them; `outputs.hits.id` is
                that of each item if the hits are a list.
        """
        known = {session.session_id: session for session in self}
        return plain(self.roots, known, Choice(only, ignore))


def _wanted(name: str | None, fields: dict[str, Any]) -> dict[str, Any]:
    _explain.check(fields)
    return fields if name is None else {"session_name": name, **fields}


def _about(session: Session) -> Json:
    about: Json = session.metadata[RESERVED]
    return about


# ---- Time and ids


class FakeClock:
    """A clock that stands until it is told to go on, for `capture_sessions(clock=…)`.

    `start` is a date (UTC, if it names no time zone) or seconds since 1970.
    """

    def __init__(self, start: datetime | float = datetime(2024, 1, 1, tzinfo=timezone.utc)) -> None:
        if isinstance(start, datetime):
            start = (start if start.tzinfo else start.replace(tzinfo=timezone.utc)).timestamp()
        if not (_is_number(start) and _FIRST <= start < _END):
            raise _wrong(start)(
                f"a clock starts at a datetime, or at seconds since 1970; it cannot at {start!r}"
            )
        self._now = round(start * 1e6) * 1_000

    def __repr__(self) -> str:
        now = _EPOCH + timedelta(microseconds=self._now // 1_000)
        return f"<FakeClock {now.isoformat()}>"

    def advance(self, seconds: float) -> None:
        """Lets so much time pass."""
        if not (_is_number(seconds) and 0 <= seconds < _END - self._now / 1e9):
            raise _wrong(seconds)(f"a clock goes forward by seconds; it cannot by {seconds!r}")
        self._now += round(seconds * 1e9)

    def time_ns(self) -> int:
        return self._now

    perf_counter_ns = time_ns


_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_FIRST, _END = -62_135_596_800, 253_402_300_800  # the years that a datetime has, in seconds


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _wrong(value: object) -> type[Exception]:
    return ValueError if _is_number(value) else TypeError


class _Counting:
    """Ids that count: 00000000-0000-4000-8000-000000000001 and on."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)

    def pop(self) -> bytes:
        return next(self._numbers).to_bytes(16, "big")


# ---- Catching them


def capture_sessions(
    *, counting_ids: bool = False, clock: Clock | None = None, strict: bool = False
) -> Opening:
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
    return Opening(_Capture(counting_ids, clock, strict))


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
        live.divert(self.detour)
        _here.set(self)

    def end(self) -> None:
        """In any context, by the collector too; a second time, or after half a beginning."""
        if _here.get() is self:
            _here.set(_nearest(self.outer))
        if self.open:
            self.open = False
            live.restore(self.detour)
            with suppress(ValueError):
                open_now.remove(self)

    def detour(self, base: Pipeline) -> Pipeline:
        """Where a session begins while this is the last that was opened: in the capture of its
        context, by the settings of `base`."""
        capture = _nearest(_here.get()) or self
        ids, clock = capture.ids or base.ids, capture.clock or base.clock
        return Pipeline(base.config, base.delivery, ids, capture.take, clock)

    def take(self, record: Record) -> None:
        """An ended session, for this and the captures around it, as far as they are open."""
        capture = _nearest(self)
        session = finished(record) if capture else None
        while capture is not None and session is not None:
            capture.sessions._sessions.append(session)
            capture = _nearest(capture.outer)


class Opening:
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


live.faults.strict = _strict  # asked only when there is a fault; without a capture it says no
