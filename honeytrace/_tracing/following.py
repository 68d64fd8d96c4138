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
from honeytrace._capture.providers.events import EventReader
from honeytrace._capture.providers.exchange import Exchange
from honeytrace._capture.stdlib_types import by_class, mro, namespace, qualname
from honeytrace._capture.streams import StreamBuffer
from honeytrace._config.exit import end_if_alive
from honeytrace._config.live import live
from honeytrace._session.record import ABSENT, Streamed
from honeytrace._tracing.recorder import Call, end_unguarded
from honeytrace._utils.guard import try_call

_guard = live.guard.call
_EVENTS = "text/event-stream"
_MAX_BODY_BYTES = 32 * 2**20  # of a longer body, only the beginning is kept

SYNC = ("close", "iter_bytes")
ASYNC = ("aclose", "aiter_bytes")
_WATCHED = (*SYNC, *ASYNC)


class Watch:
    """Watches one HTTP response until it is closed, read to its end or dropped.

    The response and its watch refer to each other. That keeps nothing alive longer, because a
    response is a cycle anyway. It lets `close` find the response when the garbage collector closes
    a stream. There is no `__del__`, in which Python would drop what a signal handler raises.

    Attributes:
        call: the record of the call.
        exchange: what is known of the call.
        outer: by name, the methods of the watch that was there before this one.
        reading: True while the SDK itself reads, and may close the response before it is done.
    """

    __slots__ = (
        "__weakref__",
        "_buffer",
        "_bytes",
        "_chunks",
        "_methods",
        "_response",
        "_streams",
        "call",
        "exchange",
        "outer",
        "reading",
    )

    def __init__(
        self, call: Call, exchange: Exchange, response: Any, methods: tuple[str, ...]
    ) -> None:
        """`methods` are the names of those methods of the response that are watched."""
        self.call = call
        self.exchange = exchange
        self.reading = False
        self._streams = exchange.media_type == _EVENTS
        self._buffer: StreamBuffer | None = None
        self._chunks: list[bytes] = []
        self._bytes = 0
        self._methods = methods
        self._response = response
        exchange.followed = id(self)
        own = vars(response)
        self.outer: dict[str, Any] = {name: own[name] for name in methods if name in own}
        for name in methods:
            setattr(response, name, getattr(self, name))
        live.suspended[id(self)] = partial(end_if_alive, weakref.ref(self), Watch._end)

    def close(self) -> None:
        try:
            self._method("close")()
        finally:
            _guard(self._closed)

    async def aclose(self) -> None:
        try:
            await self._method("aclose")()
        finally:
            _guard(self._closed)

    def iter_bytes(self, *args: Any, **kwargs: Any) -> Any:
        chunks = self._method("iter_bytes")(*args, **kwargs)
        return chunks if self._buffer else Steps(chunks, self, self._take_bytes)

    def aiter_bytes(self, *args: Any, **kwargs: Any) -> Any:
        chunks = self._method("aiter_bytes")(*args, **kwargs)
        return chunks if self._buffer else AsyncSteps(chunks, self, self._take_bytes)

    def _method(self, name: str) -> Any:
        """Return the original method of the response, or that of the watch around this one."""
        response = self._response
        return self.outer.get(name) or partial(getattr(type(response), name), response)

    def stopped(self, error: BaseException) -> None:
        """End the session, since reading has ended with this exception."""
        self.reading = False
        if isinstance(error, (StopIteration, StopAsyncIteration, GeneratorExit)):
            self._end()
        elif is_cancellation(error):
            self._end(status="cancelled")
        else:
            self._end(error)

    def __reduce__(self) -> Any:
        """Pickle a response with its own methods instead of the watch."""
        response = self._response
        own = {name: partial(getattr(type(response), name), response) for name in self._methods}
        return SimpleNamespace, (), own

    def __deepcopy__(self, memo: dict[int, Any]) -> Watch:
        """Copy a response with a watch that has nothing to end."""
        made = Watch.__new__(Watch)
        for name in ("call", "exchange", "reading", "_buffer", "_bytes", "_methods", "_streams"):
            setattr(made, name, getattr(self, name))
        made._chunks, made.outer, made._response = [], {}, deepcopy(self._response, memo)
        return made

    def _closed(self) -> None:
        if not self.reading:
            self._end()

    def decode(self, stream: Any) -> None:
        """Take the events of an SDK's stream as they are decoded."""
        decoder = getattr(stream, "_decoder", None)
        if decoder is not None:
            self._buffer = _new_buffer(self.call)
            stream._decoder = Decoder(decoder, self._buffer)

    def _take_bytes(self, chunk: bytes) -> None:
        if not self._chunks and self._streams:
            self._buffer = _new_buffer(self.call)
            self._buffer.reader.arrived()  # type: ignore[union-attr] # it has just got one
        self._bytes += len(chunk)
        if self._bytes <= _MAX_BODY_BYTES:
            self._chunks.append(chunk)

    def _end(self, error: BaseException | None = None, status: str = "ok") -> None:
        self.__class__ = Watch
        live.suspended.pop(id(self), None)
        own = vars(self._response)
        for name in self._methods:
            if own.get(name) == getattr(self, name):  # not if another watch came later
                del own[name]
                own.update({name: self.outer[name]} if name in self.outer else {})
        if self.call.ended or self.exchange.followed != id(self):
            return
        body = b"".join(self._chunks)
        buffer = self._buffer
        if buffer is None and not self._streams:
            whole = whole_answer(self.call, body, self.exchange) if body else ABSENT
            end_unguarded(self.call, whole, error)
            return
        read = buffer is not None
        buffer = buffer or _new_buffer(self.call)
        if body:
            buffer.event(body)
        self.call.streamed = Streamed(False, buffer, None, None, {}, status)
        end_unguarded(self.call, buffer if read else ABSENT, error)


class OpenWatch(Watch):
    """A `Watch` whose response is still being read. If it is dropped, the session ends with it."""

    __slots__ = ()

    def __del__(self) -> None:
        _guard(self._end)


def watch_of(methods: dict[str, Any]) -> Watch | None:
    """Return the watch to which one of these attributes of a response belongs."""
    for name in _WATCHED:
        found = getattr(methods.get(name), "__self__", None)
        if isinstance(found, Watch):
            return found
    return None


def follow_returned(call: Call, returned: Any) -> bool:
    """Follow a stream of an SDK that a traced function returned; return whether it is one.

    The stream stays the same object. Its session ends when it has been read or closed.
    """
    if not _is_stream(type(returned)):
        return False
    response = returned.response
    exchange = Exchange("", "")
    exchange.received = response.headers
    asynchronous = hasattr(type(returned), "__anext__")
    watch = OpenWatch(call, exchange, response, ASYNC if asynchronous else SYNC)
    watch.decode(returned)  # first: an SDK may copy the stream for its iterator
    steps = AsyncSteps if asynchronous else Steps
    returned._iterator = steps(returned._iterator, watch)
    return True


@by_class
def _is_stream(kind: type) -> bool:
    """Return whether this is the class of the streams of OpenAI's or Anthropic's SDK."""
    return any(
        qualname(each) in ("Stream", "AsyncStream") and "__stream__" in namespace(each)
        for each in mro(kind)
    )


def body_returned(call: Call, returned: Any) -> Encoded | StreamBuffer | None:
    """Return the body of an SDK's raw response that has been read; None for anything else."""
    if not _is_raw(type(returned)):
        return None
    response = returned.http_response
    body = try_call(getattr, response, "content")[0]
    exchange = Exchange("", "")
    exchange.received = response.headers
    return whole_answer(call, body, exchange) if type(body) is bytes else None


@by_class
def _is_raw(kind: type) -> bool:
    return any(qualname(each) in _RAW for each in mro(kind))


_RAW = ("LegacyAPIResponse", "APIResponse", "AsyncAPIResponse")


def whole_answer(call: Call, body: bytes, exchange: Exchange) -> Encoded | StreamBuffer:
    """Return an answer that has been read at once; a stream as the buffer of its events."""
    if exchange.media_type != _EVENTS:
        return Encoded(body, partial(getattr, exchange, "media_type"))
    buffer = _new_buffer(call)
    buffer.event(body)
    call.streamed = Streamed(False, buffer, None, None, {})
    return buffer


def _new_buffer(call: Call) -> StreamBuffer:
    reader = EventReader(call.ticks, call.defaults.clock.perf_counter_ns)
    return StreamBuffer(wanted=True, raw=False, reader=reader)


class _Steps:
    """Passes on what an iterator yields, and tells the watch about it.

    Anything else goes to the iterator itself.
    """

    __slots__ = ("__weakref__", "_inner", "_note", "_stream", "_watch")

    def __init__(
        self,
        inner: Any,
        watch: Watch,
        note: Callable[[Any], None] | None = None,
        stream: Any = None,
    ) -> None:
        """`note` is called with each item; `stream` is the SDK's stream whose iterator it is."""
        self._inner = inner
        self._watch = watch
        self._note = note
        self._stream = stream

    def _begin(self) -> None:
        # Now, since the constructor of a subclass may replace the decoder.
        stream, self._stream = self._stream, None
        _guard(self._watch.decode, stream)

    def _stopped(self, error: Any) -> None:
        inner = self._inner
        # Not if another thread or task is just reading, so that this one was refused.
        if not (getattr(inner, "gi_running", False) or getattr(inner, "ag_running", False)):
            self._watch.stopped(error)

    def __reduce_ex__(self, protocol: Any) -> Any:
        return self._inner.__reduce_ex__(protocol)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


class Steps(_Steps):
    """The steps of a synchronous iterator."""

    __slots__ = ()

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        __tracebackhide__ = __honeytrace__ = True  # noqa: F841 - both mark the frame
        watch = self._watch
        watch.reading = True
        if self._stream is not None:
            self._begin()
        item: Any = ABSENT
        try:
            item = next(self._inner)
        finally:  # costs less than `on_error`, as there may be thousands of items
            if item is ABSENT:
                _guard(self._stopped, sys.exc_info()[1])
        watch.reading = False
        if self._note is not None:
            _guard(self._note, item)
        return item


class AsyncSteps(_Steps):
    """The steps of an asynchronous iterator."""

    __slots__ = ()

    def __aiter__(self) -> AsyncIterator[Any]:
        return self

    async def __anext__(self) -> Any:
        __tracebackhide__ = __honeytrace__ = True  # noqa: F841 - both mark the frame
        watch = self._watch
        watch.reading = True
        if self._stream is not None:
            self._begin()
        item: Any = ABSENT
        try:
            item = await self._inner.__anext__()
        finally:  # costs less than `on_error`, as there may be thousands of items
            if item is ABSENT:
                _guard(self._stopped, sys.exc_info()[1])
        watch.reading = False
        if self._note is not None:
            _guard(self._note, item)
        return item


class Decoder:
    """Passes on the events that an SDK's decoder yields, and keeps them for the session."""

    __slots__ = ("_buffer", "_inner")

    def __init__(self, inner: Any, buffer: StreamBuffer) -> None:
        self._inner = inner
        self._buffer = buffer

    def iter_bytes(self, chunks: Any) -> Iterator[Any]:
        __tracebackhide__ = __honeytrace__ = True  # noqa: F841 - both mark the frame
        take = self._buffer.decoded
        for event in self._inner.iter_bytes(chunks):
            _guard(take, event)
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

    def __init__(self, inner: Any, buffer: StreamBuffer) -> None:
        self._inner = inner
        self._take = buffer.decoded

    def __aiter__(self) -> AsyncIterator[Any]:
        return self

    async def __anext__(self) -> Any:
        __tracebackhide__ = __honeytrace__ = True  # noqa: F841 - both mark the frame
        event = await self._inner.__anext__()
        _guard(self._take, event)
        return event

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)
