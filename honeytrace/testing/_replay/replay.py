"""A stored session called again."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass
from typing import Any, cast

from honeytrace._client import get_session
from honeytrace._config.live import live
from honeytrace._config.pipeline import finished
from honeytrace._session.active import ActiveSession
from honeytrace._session.session import Session, about
from honeytrace._session.tree import label
from honeytrace._session.wire import is_uuid
from honeytrace._tracing import wrappers
from honeytrace._tracing.decorate import is_traced
from honeytrace._tracing.signature import is_method
from honeytrace._tracing.trace_session import trace_session
from honeytrace._utils.errors import SessionNotFoundError
from honeytrace._utils.guard import try_call
from honeytrace._utils.paths import store_path
from honeytrace._utils.text import listed
from honeytrace.testing._capture import capture_sessions
from honeytrace.testing._diff import of_field
from honeytrace.testing._replay.arguments import rebind
from honeytrace.testing._replay.losses import losses

__tracebackhide__ = True  # pytest shows the line of the test, not ours

_FIELDS = ("outputs", "error")
"""What two calls are compared by. Durations and metrics, such as token counts, differ anyway."""


@dataclass(frozen=True, slots=True)
class Replay:
    """A session and the same call made again: `old.outputs` and `new.outputs`, `old.duration` and
    `new.duration` (milliseconds), `old.error` and `new.error`."""

    old: Session
    new: Session

    @property
    def same(self) -> bool:
        """Whether outputs and error are what they were, as far as both were recorded.

        `uncompared` says where they were not. Durations, metrics and all else do not count; `diff`
        of `old` and `new` compares them.
        """
        return not self.diff()

    @property
    def uncompared(self) -> list[str]:
        """The paths in outputs and error where something was cut, redacted or only named, in one of
        the two or in both: there nobody knows whether it is the same."""
        calls = [(call, field) for field in _FIELDS for call in (self.old, self.new)]
        lost = [each for call in calls for each in losses(*call) if not each.is_hashed]
        return list(dict.fromkeys(each.path for each in lost))

    def diff(self) -> str:
        """What has changed in outputs and error, a line for each place, as `testing.diff`."""
        changes = (of_field(name, self.old, self.new) for name in _FIELDS)
        return "\n".join(line for lines in changes for line in lines)

    def __str__(self) -> str:
        lines = [f"old: {label(self.old)}", f"new: {label(self.new)}", self.diff() or "the same"]
        return "\n".join([*lines, *self._doubt()])

    def __repr__(self) -> str:
        """One line: it stands in failing assertions."""
        first, *more = self.diff().splitlines() or ["the same"]
        rest = f" and {len(more)} more" if more else ""
        return f"<Replay {self.old.session_name!r}: {'; '.join([first + rest, *self._doubt()])}>"

    def _doubt(self) -> list[str]:
        paths = self.uncompared
        return [f"not compared: {listed(paths)}"] if paths else []


def replay(session: Session | ActiveSession | str, function: Callable[..., Any]) -> Replay:
    """Calls `function` with the inputs of a session, and returns both sessions.

    `session` may be an id, which is looked up by `honeytrace.get_session`; of the store on this
    machine its beginning will do. A coroutine function runs in an event loop of its own; a
    generator is taken to its end. What `function` raises is in `new.error`. It need not be traced;
    its session and those below it are not sent.

    By its annotations it gets dataclasses, models of pydantic, enums, dates, tuples and such again,
    where what was recorded leaves no doubt. Without them nobody can tell what was no plain data,
    and it gets lists, dicts and texts: for a date the text of it.

        replayed = replay("6a1f2ad5-…", answer)
        assert replayed.same, replayed.diff()

    Raises `ValueError` if inputs were cut, redacted, cannot be made again, or do not fit the
    parameters; it names them, and nothing is called then. An id of which there is no session is a
    `LookupError`.
    """
    _check(function)
    old = _session(session)
    args, kwargs = rebind(old, function)
    traced = is_traced(function)
    with capture_sessions() as sessions:
        try_call(_run, function if traced else trace_session(function), args, kwargs)
    called = sessions.roots[-1]  # tasks that were left behind end later, but below it
    return Replay(old, called if traced else _own(called, sessions))


def _check(function: Callable[..., Any]) -> None:
    """Refuses what cannot be called, before anything is."""
    if not callable(function) or isinstance(function, type):
        raise TypeError(f"replay takes a function, not {function!r}")
    if is_method(function):
        raise TypeError(
            f"{function.__qualname__} is a method; give it bound, as replay(session, object.method)"
        )
    if wrappers.kind(function) in (wrappers.COROUTINE, wrappers.ASYNC_GENERATOR) and _in_loop():
        raise RuntimeError(
            "replay needs an event loop of its own, and one is running here; write "
            "await asyncio.to_thread(replay, session, function)"
        )

    live.start()
    if live.off:
        raise RuntimeError("replay records a call, and tracing is off; configure(enabled=True)")


def _session(given: Session | ActiveSession | str) -> Session:
    if isinstance(given, str):
        return _stored(given)
    if isinstance(given, ActiveSession):
        return _ended(given)
    if not isinstance(given, Session):
        raise TypeError(f"replay takes a session, or the id of one that is stored, not {given!r}")
    return given


def _ended(active: ActiveSession) -> Session:
    record = active._record
    if record is None:
        raise ValueError(
            "replay takes a session, and this is the null session: tracing is off, or there was "
            "none to take"
        )
    if not record.ended:
        raise ValueError(f"{active!r} has no outputs yet; call replay() when it has ended")
    return finished(record)


def _stored(session_id: str) -> Session:
    found, fault = try_call(_found, session_id)
    if fault is not None:
        raise fault  # without the frames of the client and the store
    return cast("Session", found)


def _found(session_id: str) -> Session:
    config = live.start().config
    if not is_uuid(session_id) and config.local:
        from honeytrace.local import Store  # SQLite, which few tests need

        live.flush(config.timeout)
        session_id = Store(store_path(config.home)).whole(session_id)
    try:
        return get_session(session_id)
    except SessionNotFoundError as error:
        where = config.server_url or config.home
        error.args = (f"there is no session {session_id!r} at {where}; check the id",)
        raise


def _in_loop() -> bool:
    return try_call(asyncio.get_running_loop)[1] is None


def _run(function: Callable[..., Any], args: list[Any], kwargs: dict[str, Any]) -> None:
    kind = wrappers.kind(function)
    result = function(*args, **kwargs)
    if kind is wrappers.COROUTINE:
        asyncio.run(result)
    elif kind is wrappers.GENERATOR:
        deque(result, maxlen=0)
    elif kind is wrappers.ASYNC_GENERATOR:
        asyncio.run(_exhaust(result))


async def _exhaust(items: AsyncIterator[Any]) -> None:
    async for _ in items:
        pass


def _own(outer: Session, sessions: Iterable[Session]) -> Session:
    """The session that the function made if it is traced after all, below another decorator, and
    knows its own options; else ours around it."""
    function = about(outer).get("function")
    for session in sessions:
        if session.session_id in outer.children_ids and about(session).get("function") == function:
            return session
    return outer
