"""Follow an answer that the program reads bit by bit, and end its session with it.

The SDK's own objects are returned. We watch the HTTP response below them (its `close` and the bytes
read from it) and, inside an SDK's stream, the iterator and the decoder of events. No body is read
that the program does not read.
"""

from __future__ import annotations

import sys
import weakref
from collections.abc import AsyncIterator, Callable, Iterator
from copy import deepcopy
from functools import partial
from types import SimpleNamespace
from typing import Any

from honeytrace._capture.deferred import Encoded
from honeytrace._capture.exceptions import is_cancellation
from honeytrace._capture.providers.exchange import Exchange
from honeytrace._capture.streams import SETTLED_EVENTS, EventBuffer
from honeytrace._config.live import live
from honeytrace._session.record import ABSENT, Streamed
from honeytrace._tracing.recorder import Call, end_unguarded

_guard = live.guard.call
_EVENTS = "text/event-stream"
_MAX_BODY_BYTES = 32 * 2**20  # of a longer body, only the beginning is kept

SYNC = ("close", "iter_bytes")
ASYNC = ("aclose", "aiter_bytes")


class Watch:
    """Watches one HTTP response until it is closed, read to its end or dropped.

    The response and its watch refer to each other. That keeps nothing alive longer, because a
    response is a cycle anyway. It lets `close` find the response when the garbage collector closes
    a stream. There is no `__del__`, in which Python would drop what a signal handler raises.

    Attributes:
        call: the record of the call.
        exchange: what is known of the call.
        reader: what the program reads from, a generator or `AsyncSteps`; None before it does.
    """

    __slots__ = (
        *("__weakref__", "_arrived", "_buffer", "_bytes", "_chunks", "_originals", "_replaced"),
        *("_response", "call", "exchange", "reader"),
    )

    def __init__(
        self, call: Call, exchange: Exchange, response: Any, names: tuple[str, str]
    ) -> None:
        """`names` are the two methods of the response that are watched: `SYNC` or `ASYNC`."""
        self.call = call
        self.exchange = exchange
        self.reader: Any = None
        self._arrived = 0  # when the first bytes came, in nanoseconds
        self._buffer: EventBuffer | None = None
        self._chunks: list[bytes] = []
        self._bytes = 0
        self._response = response
        self._replaced: tuple[tuple[str, Any, Any], ...] = ()
        ours: tuple[Any, Any]
        if names is SYNC:
            self._originals: tuple[Any, ...] = response.close, response.iter_bytes
            ours = response.close, response.iter_bytes = self.close, self.iter_bytes
        else:
            self._originals = response.aclose, response.aiter_bytes
            ours = response.aclose, response.aiter_bytes = self.aclose, self.aiter_bytes
        self._replaced = (
            (names[0], ours[0], self._originals[0]),
            (names[1], ours[1], self._originals[1]),
        )
        exchange.followed = id(self)
        live.suspended[id(self)] = weakref.ref(self)
        self.__class__ = OpenWatch  # last, since a signal handler may raise before

    @property
    def outer(self) -> Watch | None:
        """Return the watch that was there before this one."""
        return _owner(self._originals[0])

    def close(self) -> None:
        try:
            self._originals[0]()
        finally:
            self._closed()

    async def aclose(self) -> None:
        try:
            await self._originals[0]()
        finally:
            self._closed()

    def iter_bytes(self, *args: Any, **kwargs: Any) -> Any:
        chunks = self._originals[1](*args, **kwargs)
        return chunks if self._buffer else steps(chunks, self, note=self._take_bytes)

    def aiter_bytes(self, *args: Any, **kwargs: Any) -> Any:
        chunks = self._originals[1](*args, **kwargs)
        return chunks if self._buffer else AsyncSteps(chunks, self, note=self._take_bytes)

    def __enter__(self) -> None:
        """Begin to read; there is nothing to set up."""

    def __exit__(self, kind: object, error: BaseException | None, _: object) -> None:
        _guard(self.stopped, error)

    def stopped(self, error: BaseException | None) -> None:
        """End the session, since reading has ended, perhaps with this exception."""
        if error is None or isinstance(error, (StopAsyncIteration, GeneratorExit)):
            self.end()
        elif is_cancellation(error):
            self.end(status="cancelled")
        else:
            self.end(error)

    def __reduce__(self) -> Any:
        """Pickle a response with its own methods instead of the watch."""
        response = self._response
        names = [name for name, _, _ in self._replaced]
        return SimpleNamespace, (), dict(zip(names, _methods_of(response, names), strict=True))

    def __deepcopy__(self, memo: dict[int, Any]) -> Watch:
        """Copy a response with a watch that has nothing to end."""
        made = Watch.__new__(Watch)
        for name in ("call", "exchange", "_arrived", "_buffer", "_bytes"):
            setattr(made, name, getattr(self, name))
        made._chunks, made._replaced, made.reader = [], (), None
        made._response = response = deepcopy(self._response, memo)
        made._originals = _methods_of(response, [name for name, _, _ in self._replaced])
        return made

    def _closed(self) -> None:
        # While the SDK itself reads, it may close the response before it is done.
        if self.reader is None or not self.reader.gi_running:
            _guard(self.end)

    def decode(self, stream: Any) -> None:
        """Take the events of an SDK's stream as they are decoded."""
        decoder = getattr(stream, "_decoder", None)
        if decoder is not None:
            self._buffer = _new_buffer(self.call)
            stream._decoder = Decoder(decoder, self._buffer)

    def _take_bytes(self, chunk: bytes) -> None:
        if not self._chunks:
            self._arrived = self.call.defaults.clock.perf_counter_ns()
        self._bytes += len(chunk)
        if self._bytes <= _MAX_BODY_BYTES:
            self._chunks.append(chunk)

    def end(self, error: BaseException | None = None, status: str = "ok") -> None:
        """End the session, perhaps since reading raised an exception."""
        self.__class__ = Watch
        live.suspended.pop(id(self), None)
        self._let_go()
        if self.call.ended or self.exchange.followed != id(self):
            return
        read = self._buffer is not None or self._chunks
        body = b"".join(self._chunks)
        answer = self._buffer or whole_answer(self.call, body, self.exchange, self._arrived)
        if isinstance(answer, EventBuffer):
            self.call.streamed = Streamed(False, answer, None, None, {}, status)
        end_unguarded(self.call, answer if read else ABSENT, error)

    def _let_go(self) -> None:
        """Give the response its own methods back, unless another watch came later."""
        response = self._response
        own = vars(response)
        for name, ours, original in self._replaced:
            if own.get(name) is ours:
                if getattr(original, "__self__", None) is response:
                    del own[name]
                else:
                    own[name] = original
        self._replaced = ()  # these two refer to this object
        self.reader = None


class OpenWatch(Watch):
    """A `Watch` whose response is still being read. If it is dropped, the session ends with it."""

    __slots__ = ()

    def __del__(self) -> None:
        _guard(self.end)


def _methods_of(response: Any, names: list[str]) -> tuple[Any, ...]:
    """Return methods of a response as its class has them."""
    return tuple(partial(getattr(type(response), name), response) for name in names)


def watch_of(response: Any) -> Watch | None:
    """Return the watch of a response that came last; None if there is none."""
    own = vars(response)
    for name in (SYNC[0], ASYNC[0]):
        found = _owner(own.get(name))
        if found is not None:
            return found
    return None


def _owner(method: Any) -> Watch | None:
    owner = getattr(method, "__self__", None)
    return owner if isinstance(owner, Watch) else None


def whole_answer(
    call: Call, body: bytes, exchange: Exchange, arrived: int | None = None
) -> Encoded | EventBuffer:
    """Return an answer that has been read; a stream as the buffer of its events.

    `arrived` is the time in nanoseconds when it began to come, if that is known.
    """
    if body.startswith(b"{") or exchange.media_type != _EVENTS:  # a header takes long to find
        return Encoded(body, exchange)
    buffer = _new_buffer(call)
    buffer.arrivals.append(arrived)
    buffer.items.append(body)
    call.streamed = Streamed(False, buffer, None, None, {})
    return buffer


def _new_buffer(call: Call) -> EventBuffer:
    return EventBuffer(call.ticks, call.defaults.clock.perf_counter_ns)


def steps(
    inner: Iterator[Any],
    watch: Watch,
    *,
    note: Callable[[Any], None] | None = None,
    stream: Any = None,
) -> Iterator[Any]:
    """Return a generator that passes on what an iterator yields, and tells the watch about it.

    `note` is called with each item; `stream` is the SDK's stream whose iterator it is.
    """
    watch.reader = found = _noted(inner, watch, note) if note else _passed_on(inner, watch, stream)
    return found


def _noted(inner: Iterator[Any], watch: Watch, note: Callable[[Any], None]) -> Iterator[Any]:
    __tracebackhide__ = __honeytrace__ = True  # noqa: F841 - both mark the frame
    with watch:
        for item in inner:
            _guard(note, item)
            yield item


def _passed_on(inner: Iterator[Any], watch: Watch, stream: Any) -> Iterator[Any]:
    __tracebackhide__ = __honeytrace__ = True  # noqa: F841 - both mark the frame
    with watch:
        if stream is not None:  # only now, since a subclass may replace the decoder
            _guard(watch.decode, stream)
        yield from inner


class AsyncSteps:
    """Passes on what an asynchronous iterator yields, and tells the watch about it.

    Anything else goes to the iterator itself. This is not an async generator, because the event
    loop would close it at the same time as the one inside.

    Attributes:
        gi_running: True while the SDK reads, as it is of a running generator.
    """

    __slots__ = ("__weakref__", "_inner", "_note", "_stream", "_watch", "gi_running")

    def __init__(
        self,
        inner: Any,
        watch: Watch,
        *,
        note: Callable[[Any], None] | None = None,
        stream: Any = None,
    ) -> None:
        """The arguments are those of `steps`."""
        self._inner = inner
        self._watch = watch
        self._note = note
        self._stream = stream
        self.gi_running = False
        watch.reader = self

    def __aiter__(self) -> AsyncIterator[Any]:
        return self

    async def __anext__(self) -> Any:
        __tracebackhide__ = __honeytrace__ = True  # noqa: F841 - both mark the frame
        self.gi_running = True
        if self._stream is not None:
            stream, self._stream = self._stream, None
            _guard(self._watch.decode, stream)
        item: Any = ABSENT
        try:
            item = await self._inner.__anext__()
        finally:  # costs less than `on_error`, as there may be thousands of items
            if item is ABSENT:
                _guard(self._stopped, sys.exc_info()[1])
        self.gi_running = False
        if self._note is not None:
            _guard(self._note, item)
        return item

    def _stopped(self, error: Any) -> None:
        # Not if another task is just reading, so that this one was refused.
        if not getattr(self._inner, "ag_running", False):
            self.gi_running = False
            self._watch.stopped(error)

    def __reduce_ex__(self, protocol: Any) -> Any:
        return self._inner.__reduce_ex__(protocol)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


class Decoder:
    """Passes on the events that an SDK's decoder yields, and keeps them for the session."""

    __slots__ = ("_buffer", "_inner")

    def __init__(self, inner: Any, buffer: EventBuffer) -> None:
        self._inner = inner
        self._buffer = buffer

    def iter_bytes(self, chunks: Any) -> Iterator[Any]:
        __tracebackhide__ = __honeytrace__ = True  # noqa: F841 - both mark the frame
        buffer = self._buffer
        keep, note, now = buffer.items.append, buffer.arrivals.append, buffer.now
        for count, event in enumerate(self._inner.iter_bytes(chunks), 1):
            note(now())  # costs less than `take`
            keep(event.data or "")
            if not count % SETTLED_EVENTS:
                _guard(buffer.settle)
            yield event

    def aiter_bytes(self, chunks: Any) -> AsyncIterator[Any]:
        return _AsyncEvents(self._inner.aiter_bytes(chunks), self._buffer)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


class _AsyncEvents:
    """The events of an asynchronous decoder.

    This is not an async generator, because the event loop would close it at the same time as the
    one inside.
    """

    __slots__ = ("_inner", "_take")

    def __init__(self, inner: Any, buffer: EventBuffer) -> None:
        self._inner = inner
        self._take = buffer.take

    def __aiter__(self) -> AsyncIterator[Any]:
        return self

    async def __anext__(self) -> Any:
        __tracebackhide__ = __honeytrace__ = True  # noqa: F841 - both mark the frame
        event = await self._inner.__anext__()
        _guard(self._take, event.data or "")
        return event

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)
