"""Follow the items of a stream that is an object of its own, and end a session with it."""

from __future__ import annotations

import weakref

from honeytrace._capture.exceptions import is_cancellation
from honeytrace._capture.providers.events import has_token
from honeytrace._capture.streams import EventBuffer, StreamBuffer
from honeytrace._config.live import live
from honeytrace._session.record import ABSENT, Streamed
from honeytrace._tracing.filters import wants_outputs
from honeytrace._tracing.recorder import Call, end_unguarded

_guard = live.guard.call


class Following:
    """Collects the chunks of one stream, and ends its session with it.

    Chunks that are bytes are events as a server sends them; they may be split anywhere.

    It has no `__del__`: Python drops what a signal handler raises in one.
    """

    __slots__ = ("__weakref__", "_first", "_items", "_rest", "call")

    def __init__(self, call: Call) -> None:
        self.call = call
        self._first: float | None = None
        self._rest = b""  # the beginning of the next event
        wanted = wants_outputs(call.spec, call.defaults)
        self._items: StreamBuffer = StreamBuffer(wanted=wanted, raw=False)
        live.suspended[id(self)] = weakref.ref(self)
        self.__class__ = OpenFollowing  # last, since a signal handler may raise before

    def take(self, chunk: object) -> None:
        if type(chunk) is bytes:
            self._take_bytes(chunk)
            return
        if self._first is None and has_token(chunk):
            now = self.call.defaults.clock.perf_counter_ns()
            self._first = (now - self.call.ticks) / 1e6
        self._items.take(chunk)

    def _take_bytes(self, chunk: bytes) -> None:
        if not isinstance(self._items, EventBuffer):
            now = self.call.defaults.clock.perf_counter_ns
            self._items = EventBuffer(self.call.ticks, now, wanted=self._items.wanted)
        *events, self._rest = (self._rest + chunk.replace(b"\r\n", b"\n")).split(b"\n\n")
        for event in events:
            self._items.take(event)

    def stopped(self, error: BaseException) -> None:
        completed = isinstance(error, (StopIteration, StopAsyncIteration))
        left = is_cancellation(error)
        self.end(None if completed or left else error, completed, "cancelled" if left else "ok")

    def end(
        self, error: BaseException | None = None, completed: bool = False, status: str = "ok"
    ) -> None:
        self.__class__ = Following
        live.suspended.pop(id(self), None)
        if not self.call.ended:
            items = self._items
            self.call.streamed = Streamed(completed, items, self._first, None, {}, status)
            came = items.count or isinstance(items, EventBuffer)
            end_unguarded(self.call, items if came else ABSENT, error)


class OpenFollowing(Following):
    """A `Following` whose stream has not ended. If it is dropped, the session ends with it."""

    __slots__ = ()

    def __del__(self) -> None:
        _guard(self.end)
