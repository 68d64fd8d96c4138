"""Which session is current, how one starts and how one ends.

The current session is a ContextVar that is only ever set, never reset by a token: a block may be
left in another context than it was entered in. A session that has ended is skipped.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from functools import partial
from typing import Any

from honeytrace._capture import arguments, result
from honeytrace._config import Pipeline, live
from honeytrace._failure import failure
from honeytrace._session import ABSENT, NOTHING, ActiveSession, Json, Record, Template
from honeytrace._snapshot import Snapshot

_guard = live.faults.guard

_current: ContextVar[Record | None] = ContextVar("honeytrace_session", default=None)


class Call(Record):
    """A record of the live pipeline."""

    __slots__ = ()

    defaults: Pipeline


def _set_guarded(record: Record | None) -> None:
    """Sets the current session, unless this thread is in the middle of doing so.

    Before Python 3.12 the garbage collector can run in the middle of `ContextVar.set`, and a
    `__del__` that it calls may set the variable too; that breaks the interpreter. The session of
    such a `__del__` is recorded, but nothing becomes its child.
    """
    global _setter
    thread = threading.get_ident()
    if _setter == thread:
        return
    _setter = thread
    try:
        _current.set(record)
    finally:
        _setter = 0


_setter = 0  # the thread that sets, and 0 for none; two at once only lose the guard
make_current: Callable[[Record | None], object] = (
    _set_guarded if sys.version_info < (3, 12) else _current.set
)


def _begin(
    template: Template, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
) -> Call | None:
    """The start itself; `begin` is this under the guard."""
    pipeline = live.pipeline or live.start()
    if live.off:
        return None
    parent = _current.get()
    if parent is not None and parent.ended:
        parent = _running(parent)
    if template.method and args:
        args = (None, *args[1:])  # the bound object is not to be kept
    captured, size, cuts = arguments(args, kwargs or {}, template.bind, template.at_once)
    try:
        identity = template.session_id or live.ids.pop()
    except IndexError:
        identity = live.new_id()
    call = Call(template, pipeline, parent, identity, captured)
    call.size, call.cuts = size, cuts
    call.started = time.time_ns()
    call.ticks = time.perf_counter_ns()
    return call


begin = partial(_guard, _begin)
"""Starts a session inside the running one; None if it cannot, or tracing is off.

    begin(template, args, kwargs) -> Call | None

It is not current yet: to make it so is for those who will surely end it, interrupted or not.
"""


def _end(call: Call | None, returned: object, error: BaseException | None = None) -> None:
    """The end itself; `end` is this under the guard."""
    if call is None or call.ended:
        return
    call.duration = max(time.perf_counter_ns() - call.ticks, 0) / 1e6
    call.ended = True
    try:
        if error is not None:
            call.failure = failure(error)
        if returned is not ABSENT:
            call.result, size, cuts = result(returned)
            call.size += size
            if cuts:
                call.cuts = [*(call.cuts or ()), *cuts]
        if call.given is not None:
            _freeze(call, call.given)
    finally:  # a fault above costs a field, not the session
        if _current.get() is call:
            make_current(call.parent)
        if call.parent is not None:
            call.parent = _running(call.parent)
        call.defaults.accept(call)


end = partial(_guard, _end)
"""Ends a session and hands it over to delivery; does nothing for None, nor for the second time.

    end(call, result)
    end(call, ABSENT, error)
"""


def _freeze(call: Call, given: dict[str, Json]) -> None:
    """Copies what the user set: the objects are theirs and may go on changing."""
    for name, value in given.items():
        taken = Snapshot()
        given[name] = taken.take(value, name)
        call.size += taken.size
        call.cuts = [*(call.cuts or ()), *taken.cuts] or None


def _running(record: Record | None) -> Record | None:
    """The record, or the nearest around it that has not ended."""
    while record is not None and record.ended:
        record = record.parent
    return record


def innermost(among: Callable[[Record], bool]) -> Record | None:
    """The innermost record of this context that fits."""
    record = _current.get()
    while record is not None and not among(record):
        record = record.parent
    return record


def current_session() -> ActiveSession:
    """The running session of this context.

    Outside of any, or when tracing is off, the null session: it takes everything, keeps nothing
    and is false in a condition.
    """
    record = _running(_current.get())
    return NOTHING if record is None else ActiveSession(record)


def enrich_session(
    *,
    inputs: Mapping[str, Any] | None = None,
    outputs: Mapping[str, Any] | None = None,
    config: Mapping[str, Any] | None = None,
    user_properties: Mapping[str, Any] | None = None,
    metrics: Mapping[str, Any] | None = None,
    feedback: Mapping[str, Any] | None = None,
    metadata: Mapping[str, Any] | None = None,
) -> bool:
    """Merges into the running session, key by key; later wins. No I/O.

    Returns whether there was a session to take it.

        honeytrace.enrich_session(feedback={"rating": 5}, metrics={"hits": 3})
    """
    given = {
        "inputs": inputs,
        "outputs": outputs,
        "config": config,
        "user_properties": user_properties,
        "metrics": metrics,
        "feedback": feedback,
        "metadata": metadata,
    }
    return bool(_guard(_enrich, current_session(), given))


def _enrich(session: ActiveSession, given: Mapping[str, Mapping[str, Any] | None]) -> bool:
    for name, value in given.items():
        if session and value is not None:
            copy = Snapshot().take(value, name)
            getattr(session, name).update(copy if type(copy) is dict else {"result": copy})
    return bool(session)
