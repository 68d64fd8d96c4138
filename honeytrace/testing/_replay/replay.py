"""Call the function of a recorded session again."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass
from typing import Any, cast

from honeytrace._client import get_session
from honeytrace._config.live import live
from honeytrace._config.pipeline import finish
from honeytrace._session.active import ActiveSession
from honeytrace._session.session import Session, about
from honeytrace._session.tree import label
from honeytrace._session.wire import is_uuid
from honeytrace._tracing import templates, wrappers
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
"""The fields that are compared. Durations and metrics, such as token counts, differ anyway."""


@dataclass(frozen=True, slots=True)
class Replay:
    """A recorded session and the same call made again.

    Attributes:
        old: the session that was replayed.
        new: the session of the new call.
    """

    old: Session
    new: Session

    @property
    def same(self) -> bool:
        """Return whether outputs and error are unchanged, as far as both were recorded.

        `uncompared` lists what was not. Other fields, such as durations and metrics, are not
        compared here; `honeytrace.testing.diff(old, new)` compares them.
        """
        return not self.diff()

    @property
    def uncompared(self) -> list[str]:
        """The paths in outputs and error that cannot be compared.

        In one of the two sessions or in both, the value there was cut, redacted or only described.
        """
        calls = [(call, field) for field in _FIELDS for call in (self.old, self.new)]
        lost = [each for call in calls for each in losses(*call)]
        return list(dict.fromkeys(each.path for each in lost))

    def diff(self) -> str:
        """Return what has changed in outputs and error, one line per difference."""
        changes = (of_field(name, self.old, self.new) for name in _FIELDS)
        return "\n".join(line for lines in changes for line in lines)

    def __str__(self) -> str:
        lines = [f"old: {label(self.old)}", f"new: {label(self.new)}", self.diff() or "the same"]
        return "\n".join([*lines, *self._doubt()])

    def __repr__(self) -> str:
        """Return one line, because it is shown in failing assertions."""
        first, *more = self.diff().splitlines() or ["the same"]
        rest = f" and {len(more)} more" if more else ""
        return f"<Replay {self.old.session_name!r}: {'; '.join([first + rest, *self._doubt()])}>"

    def _doubt(self) -> list[str]:
        paths = self.uncompared
        return [f"not compared: {listed(paths)}"] if paths else []


def replay(session: Session | ActiveSession | str, function: Callable[..., Any]) -> Replay:
    """Call `function` with the inputs of a session, and return both sessions.

    `session` may be an id, which `honeytrace.get_session` looks up; in the store on this machine
    the beginning of an id is enough. A coroutine function runs in a new event loop, and a
    generator is read to its end. An exception of `function` is recorded in `new.error`. The
    function need not be traced. Nothing that it records is sent.

    Recorded data is converted to the types that `function` is annotated with (dataclasses,
    pydantic models, enums, dates, tuples and so on) where this is unambiguous. A parameter without
    an annotation gets the recorded lists, dicts and strings; for a date that is its text.

        replayed = replay("6a1f2ad5-…", answer)
        assert replayed.same, replayed.diff()

    Raises:
        ValueError: inputs were cut or redacted, cannot be converted, or do not fit the parameters.
            The message names them, and nothing is called.
        LookupError: there is no session with this id.
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
    """Refuse what cannot be replayed, before anything is called."""
    if not callable(function) or isinstance(function, type):
        raise TypeError(f"replay takes a function, not {function!r}")
    if is_method(function):
        raise TypeError(
            f"{function.__qualname__} is a method; give it bound, as replay(session, object.method)"
        )
    if wrappers.kind(function) in (templates.COROUTINE, templates.ASYNC_GENERATOR) and _in_loop():
        raise RuntimeError(
            "replay starts an event loop, and one is already running here; write "
            "await asyncio.to_thread(replay, session, function)"
        )

    live.start()
    if live.off:
        raise RuntimeError(
            "replay records a call, but tracing is off; call configure(enabled=True)"
        )


def _session(given: Session | ActiveSession | str) -> Session:
    if isinstance(given, str):
        return _stored(given)
    if isinstance(given, ActiveSession):
        return _ended(given)
    if not isinstance(given, Session):
        raise TypeError(f"replay takes a session or the id of a stored one, not {given!r}")
    return given


def _ended(active: ActiveSession) -> Session:
    record = active._record
    if record is None:
        raise ValueError(
            "replay takes a session, and this is the null session: tracing was off, or no session "
            "was running"
        )
    if not record.ended:
        raise ValueError(f"{active!r} has not ended yet; call replay() after its end")
    return finish(record)


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
    if kind is templates.COROUTINE:
        asyncio.run(result)
    elif kind is templates.GENERATOR:
        deque(result, maxlen=0)
    elif kind is templates.ASYNC_GENERATOR:
        asyncio.run(_exhaust(result))


async def _exhaust(items: AsyncIterator[Any]) -> None:
    async for _ in items:
        pass


def _own(outer: Session, sessions: Iterable[Session]) -> Session:
    """Return the session that the function itself recorded if it is traced below a decorator.

    That one has the function's own options. Otherwise return ours, which is around it.
    """
    function = about(outer).get("function")
    for session in sessions:
        if session.session_id in outer.children_ids and about(session).get("function") == function:
            return session
    return outer
