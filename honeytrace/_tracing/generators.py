"""The session of a generator: it starts with the first step and records what is yielded."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from functools import partial
from typing import Any, cast

from honeytrace._capture.deferred import keep, read
from honeytrace._capture.exceptions import is_cancellation
from honeytrace._capture.providers.events import has_token
from honeytrace._capture.streams import StreamBuffer
from honeytrace._config.live import live
from honeytrace._session import context
from honeytrace._session.record import CallRecord, Streamed, TraceSpec
from honeytrace._session.scope import Scope
from honeytrace._tracing.filters import wants_outputs
from honeytrace._tracing.recorder import Call, begin, end
from honeytrace._tracing.sampling import UNSAMPLED, is_dropped
from honeytrace._utils import pytest_compat
from honeytrace._utils.json import Json

_guard = live.guard.call


class Stream:
    """The state of a traced generator, which its stand-in uses at each step.

    Only the frame of the stand-in refers to it. It has no `__del__`: Python drops what a signal
    handler raises in one.

    Attributes:
        call: the record of the call.
        items: the yielded items.
        in_tests: whether the generator was decorated under pytest and may be a fixture.
        first: milliseconds from the start to the first token; to the first item until one comes.
        resumed: the time of the step after the first item, in nanoseconds.
        get: returns the current record.
        put: makes a record current.
        put_safely: makes a record current, unless this thread is collecting garbage.
        keep: appends a short string to the items.
        take: takes any other item.
        fold: merges the items that wait.
    """

    __slots__ = (
        "__weakref__",
        "call",
        "first",
        "fold",
        "get",
        "in_tests",
        "items",
        "keep",
        "put",
        "put_safely",
        "resumed",
        "take",
    )

    def __init__(self, call: Call, items: StreamBuffer, in_tests: bool) -> None:
        self.call = call
        self.items = items
        self.in_tests = in_tests
        self.first: float | None = None
        self.resumed = 0
        self.get = context.get
        self.put = context.put
        self.put_safely = context.put_safely
        self.keep = items.items.append
        self.take = partial(_guard, items.take)
        self.fold = partial(_guard, items.fold)

    def started(self, item: object) -> bool:
        """Note the time of an item. Returns True as long as none has carried a token."""
        elapsed = (self.call.defaults.clock.perf_counter_ns() - self.call.ticks) / 1e6
        if _guard(has_token, item) is False:
            self.first = elapsed if self.first is None else self.first
            return True
        self.first = elapsed
        return False

    def resumes(self) -> bool:
        """Note the time of the step after the first item. Returns False."""
        self.resumed = self.call.defaults.clock.perf_counter_ns()
        return False

    def end(self) -> None:
        """End the session of a stream that still waits at a `yield` when the program ends."""
        _close(self, GeneratorExit())

    @property
    def split(self) -> Json:
        """Return the milliseconds that a fixture took before its item and after it."""
        if not (self.items.alone and self.resumed):
            return {}
        after = (self.call.defaults.clock.perf_counter_ns() - self.resumed) / 1e6
        return {"setup_ms": self.first, "teardown_ms": max(after, 0.0)}


class OpenStream(Stream):
    """A `Stream` that has not ended.

    If the stand-in is dropped without being closed, as async generators are after their event loop
    has been closed, the session ends with it.
    """

    __slots__ = ()

    def __del__(self) -> None:
        if not self.call.ended:
            close_stream(self, GeneratorExit())


class Untraced:
    """Stands in for the `Stream` of a generator that is not recorded."""

    call: Scope | None = None

    def __reduce__(self) -> str:
        return "UNTRACED"

    def get(self) -> None: ...

    def put(self, record: CallRecord | None) -> None: ...

    put_safely = put

    def keep(self, item: object) -> None: ...

    take = keep

    def fold(self) -> None: ...

    def started(self, item: object) -> bool:  # noqa: ARG002 - it is called as that of a stream
        return False

    def resumes(self) -> bool:
        return False


class Unsampled(Untraced):
    """Stands in for the `Stream` of a root that is not sampled: nothing inside is recorded."""

    call = UNSAMPLED

    def __reduce__(self) -> str:
        return "UNSAMPLED_STREAM"

    # Called for each step, as the methods of `Stream` are.
    get = staticmethod(context.get)  # type: ignore[assignment]
    put = staticmethod(context.put)  # type: ignore[assignment]
    put_safely = staticmethod(context.put_safely)


UNTRACED = Untraced()
UNSAMPLED_STREAM = Unsampled()


def _open(
    spec: TraceSpec, args: tuple[Any, ...], kwargs: dict[str, Any] | None, in_tests: bool
) -> Stream | None:
    if live.rare:
        outer = context.get()
        if outer is not None and outer.silent:
            return None
        if is_dropped(spec, outer):
            return cast("Stream", UNSAMPLED_STREAM)
    call = begin(spec, args, kwargs)
    if call is None:
        return None
    if isinstance(call, Scope):
        return cast("Stream", UNSAMPLED_STREAM)
    wanted = wants_outputs(spec, call.defaults)
    stream = OpenStream(call, StreamBuffer(wanted=wanted, raw=spec.reduce is not None), in_tests)
    live.suspended[id(stream)] = weakref.ref(stream)
    return stream


open_stream: Callable[..., Stream | None] = partial(_guard, _open)
"""Starts the session of a generator; returns None if it is not traced.

    open_stream(spec, args, kwargs, in_tests) -> Stream | None
"""


def _close(stream: Stream, error: BaseException, thrown: bool = False) -> None:
    call = stream.call
    # First, because the names of this module may be gone when the interpreter ends.
    if call is None or call.ended:
        return
    live.suspended.pop(id(stream), None)
    items, spec = stream.items, call.spec
    items.alone = (
        stream.in_tests and items.count == 1 and pytest_compat.is_fixture(spec.function or "")
    )
    completed = issubclass(type(error), (StopIteration, StopAsyncIteration))
    returned = getattr(error, "value", None) if completed else None
    if returned is not None:
        returned = read(keep(returned, "returned")[0], "returned")
    left = is_cancellation(error)
    call.streamed = Streamed(
        completed,
        items,
        stream.first,
        returned,
        stream.split,
        # A consumer that stops while the generator waits for more cancels it.
        "cancelled" if left and not thrown else "ok",
    )
    end(call, items, None if completed or left else error)
    stream.__class__ = Stream


close_stream: Callable[..., None] = partial(_guard, _close)
"""Ends the session of a generator.

    close_stream(stream, error, thrown)

`error` is the exception that ended it. `StopIteration` and `StopAsyncIteration` mean that it was
exhausted, and a cancellation means that its consumer stopped early. `thrown` says that the
exception was thrown in at the `yield`.
"""
