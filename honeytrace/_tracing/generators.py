"""The session of a generator: it begins with the first step and takes what is yielded."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from honeytrace._capture.deferred import keep, read
from honeytrace._capture.streams import StreamBuffer
from honeytrace._config.live import live
from honeytrace._session import context
from honeytrace._session.record import CallRecord, Streamed, TraceSpec
from honeytrace._tracing.filters import wants_outputs
from honeytrace._tracing.recorder import Call, begin, end
from honeytrace._utils import pytest_compat
from honeytrace._utils.json import Json

_guard = live.guard.call


class Stream:
    """What the stand-in of a generator works with, step by step."""

    __slots__ = (
        "call",
        "first",
        "fold",
        "get",
        "items",
        "keep",
        "put",
        "put_safely",
        "resumed",
        "take",
    )

    def __init__(self, call: Call, items: StreamBuffer) -> None:
        self.call = call
        self.items = items
        self.first: float | None = None
        self.resumed = 0
        self.get = context.get
        self.put = context.put
        self.put_safely = context.put_safely
        self.keep = items.items.append
        self.take = partial(_guard, items.take)
        self.fold = partial(_guard, items.fold)

    def started(self) -> bool:
        """Notes the time of the first item; False, for it is not to be noted again."""
        self.first = (self.call.defaults.clock.perf_counter_ns() - self.call.ticks) / 1e6
        return False

    def resumes(self) -> bool:
        """Notes the time of the step after the first item; False, as `started`."""
        self.resumed = self.call.defaults.clock.perf_counter_ns()
        return False

    @property
    def split(self) -> Json:
        """Of a fixture, the milliseconds before the item and after it."""
        if not (self.items.alone and self.resumed):
            return {}
        after = (self.call.defaults.clock.perf_counter_ns() - self.resumed) / 1e6
        return {"setup_ms": self.first, "teardown_ms": max(after, 0.0)}


class Untraced:
    """In the place of a stream that is not recorded."""

    call = None

    def get(self) -> None: ...

    def put(self, record: CallRecord | None) -> None: ...

    put_safely = put

    def keep(self, item: object) -> None: ...

    take = keep

    def fold(self) -> None: ...

    def started(self) -> bool:
        return False

    resumes = started


UNTRACED = Untraced()


def _open(spec: TraceSpec, args: tuple[Any, ...], kwargs: dict[str, Any] | None) -> Stream | None:
    call = begin(spec, args, kwargs)
    if call is None:
        return None
    wanted = wants_outputs(spec, call.defaults)
    stream = Stream(call, StreamBuffer(wanted=wanted, raw=spec.reduce is not None))
    live.suspended[id(stream)] = partial(_close, stream, GeneratorExit())
    return stream


open_stream: Callable[..., Stream | None] = partial(_guard, _open)
"""Starts the session of a generator; None if it is not to be traced.

    open_stream(spec, args, kwargs) -> Stream | None
"""


def _close(stream: Stream, error: BaseException) -> None:
    call = stream.call
    # First, since at the end of the interpreter there is no name of this module any more.
    if call is None or call.ended:
        return
    live.suspended.pop(id(stream), None)
    items, spec = stream.items, call.spec
    items.alone = items.count == 1 and pytest_compat.is_fixture(spec.function or "")
    completed = issubclass(type(error), (StopIteration, StopAsyncIteration))
    returned = getattr(error, "value", None) if completed else None
    if returned is not None:
        returned = read(keep(returned, "returned")[0], "returned")
    call.streamed = Streamed(completed, items, stream.first, returned, stream.split)
    end(call, items, None if completed else error)


close_stream: Callable[..., None] = partial(_guard, _close)
"""Ends the session of a generator, by what ended it.

    close_stream(stream, error)

`StopIteration` and `StopAsyncIteration` are its own end.
"""
