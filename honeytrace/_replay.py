"""A stored session called again."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass
from typing import Any

from honeytrace import _variants
from honeytrace._arguments import is_method
from honeytrace._captures import capture_sessions
from honeytrace._config import get_session, live
from honeytrace._diff import of_field
from honeytrace._faults import attempt
from honeytrace._rebind import about, rebind
from honeytrace._session import Session
from honeytrace._tracing import is_traced, trace_session
from honeytrace._tree import label

__tracebackhide__ = True  # pytest shows the line of the test, not ours


@dataclass(frozen=True, slots=True)
class Replay:
    """A session and the same call made again: `old.outputs` and `new.outputs`, `old.duration` and
    `new.duration` (milliseconds), `old.error` and `new.error`."""

    old: Session
    new: Session

    @property
    def same(self) -> bool:
        """Whether outputs and error are what they were."""
        return not self.diff()

    def diff(self) -> str:
        """What has changed in outputs and error, a line for each place, as `testing.diff`."""
        changes = (of_field(name, self.old, self.new) for name in ("outputs", "error"))
        return "\n".join(line for lines in changes for line in lines)

    def __str__(self) -> str:
        lines = [f"old: {label(self.old)}", f"new: {label(self.new)}", self.diff() or "the same"]
        return "\n".join(lines)

    def __repr__(self) -> str:
        """One line: it stands in failing assertions."""
        first, *more = self.diff().splitlines() or ["the same"]
        rest = f" and {len(more)} more" if more else ""
        return f"<Replay {self.old.session_name!r}: {first}{rest}>"


def replay(session: Session | str, function: Callable[..., Any]) -> Replay:
    """Calls `function` with the inputs of a session, and returns both sessions.

    `session` may be an id, which is looked up by `honeytrace.get_session`. A coroutine function
    runs in an event loop of its own; a generator is taken to its end. What `function` raises is in
    `new.error`. It need not be traced; its session and those below it are not sent.

    By its annotations it gets dataclasses, models of pydantic, enums, dates, tuples and such again,
    where what was recorded leaves no doubt; without them it gets the data, lists and dicts.

        replayed = replay("6a1f2ad5-…", answer)
        assert replayed.same, replayed.diff()

    Raises `ValueError` if inputs were cut, redacted, cannot be made again, or do not fit the
    parameters; it names them, and nothing is called then.
    """
    _check(function)
    old = get_session(session) if isinstance(session, str) else session
    args, kwargs = rebind(old, function)
    traced = is_traced(function)
    with capture_sessions() as sessions:
        attempt(_run, function if traced else trace_session(function), args, kwargs)
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
    if _variants.kind(function) in (_variants.COROUTINE, _variants.ASYNC_GENERATOR) and _in_loop():
        raise RuntimeError(
            "replay needs an event loop of its own, and one is running here; write "
            "await asyncio.to_thread(replay, session, function)"
        )

    live.start()
    if live.off:
        raise RuntimeError("replay records a call, and tracing is off; configure(enabled=True)")


def _in_loop() -> bool:
    return attempt(asyncio.get_running_loop)[1] is None


def _run(function: Callable[..., Any], args: list[Any], kwargs: dict[str, Any]) -> None:
    kind = _variants.kind(function)
    result = function(*args, **kwargs)
    if kind is _variants.COROUTINE:
        asyncio.run(result)
    elif kind is _variants.GENERATOR:
        deque(result, maxlen=0)
    elif kind is _variants.ASYNC_GENERATOR:
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
