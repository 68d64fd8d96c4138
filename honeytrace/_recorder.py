"""Which session is current, how one starts and how one ends.

The current session is a ContextVar that is only ever set, never reset by a token: a block may be
left in another context than it was entered in. A session that has ended is skipped.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from functools import partial
from types import TracebackType
from typing import Any, TypeVar

from honeytrace._arguments import Binder
from honeytrace._config import Pipeline, live
from honeytrace._failure import failure
from honeytrace._session import NOTHING, ActiveSession, Json, Record, Template
from honeytrace._snapshot import Snapshot, flat, plain

_R = TypeVar("_R")
_MISSING = object()
_guard = live.faults.guard

_current: ContextVar[Record | None] = ContextVar("honeytrace_session", default=None)


class Call(Record):
    """A record as a context manager around the call that it records."""

    __slots__ = ("result",)

    defaults: Pipeline
    result: object

    def __enter__(self) -> Call:
        return self

    def returned(self, result: _R) -> _R:
        """Notes what the call returned, and returns it."""
        self.result = result
        return result

    def __exit__(
        self,
        kind: type[BaseException] | None = None,
        error: BaseException | None = None,
        trace: TracebackType | None = None,
    ) -> None:
        _guard(_end, self, error)


class _Untraced:
    """In the place of a `Call` where there is none: tracing is off, or could not start."""

    def __enter__(self) -> _Untraced:
        return self

    def returned(self, result: _R) -> _R:
        return result

    def __exit__(self, *_: object) -> None:
        pass


UNTRACED = _Untraced()


def _begin(
    template: Template,
    bind: Binder | None = None,
    args: tuple[Any, ...] = (),
    kwargs: dict[str, Any] | None = None,
) -> Call | None:
    """The start itself; `begin` is this under the guard."""
    pipeline = live.pipeline or live.start()
    if live.off:
        return None
    parent = _current.get()
    if parent is not None and parent.ended:
        parent = _running(parent)
    inputs = {} if bind is None else bind(args, kwargs or {})
    size, cuts = flat(inputs), None
    if size < 0:
        taken = Snapshot()
        taken.fill(inputs, "inputs")
        size, cuts = taken.size, taken.cuts or None
    try:
        identity = template.session_id or live.ids.pop()
    except IndexError:
        identity = live.new_id()
    call = Call(template, pipeline, parent, identity, inputs)
    call.size, call.cuts = size, cuts
    call.result = _MISSING
    _current.set(call)
    call.started = time.time_ns()
    call.ticks = time.perf_counter_ns()
    return call


begin = partial(_guard, _begin)
"""Starts a session inside the running one and makes it current; None if it cannot, or is off.

    begin(template, bind, args, kwargs) -> Call | None
"""


def _end(call: Call, error: BaseException | None) -> None:
    call.duration = max(time.perf_counter_ns() - call.ticks, 0) / 1e6
    result, call.result = call.result, None
    call.ended = True
    if _current.get() is call:
        _current.set(call.parent)
    if result is not _MISSING:
        call.outputs = {"result": result} if plain(result) else _outputs(call, result)
    if call.given is not None:
        _freeze(call, call.given)
    if error is not None:
        call.failure = failure(error)
    if call.parent is not None:
        call.parent = _running(call.parent)
    call.defaults.accept(call)


def _outputs(call: Call, result: object) -> Json:
    """A mapping with string keys as it is, a record as an object, all else as `result`."""
    taken = Snapshot()
    copy = taken.take(result, "outputs")
    _account(call, taken)
    return copy if type(copy) is dict else {"result": copy}


def _freeze(call: Call, given: dict[str, Json]) -> None:
    """Copies what the user set: the objects are theirs and may go on changing."""
    for name, value in given.items():
        taken = Snapshot()
        given[name] = taken.take(value, name)
        _account(call, taken)


def _account(call: Call, taken: Snapshot) -> None:
    call.size += taken.size
    if taken.cuts:
        call.cuts = [*(call.cuts or ()), *taken.cuts]


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
