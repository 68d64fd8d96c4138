"""Follow an answer of Amazon Bedrock that a traced function returned before it was read.

`converse_stream` returns an `EventStream`, and `invoke_model` a `StreamingBody`, each inside a
dict. The program gets these objects as they are; we replace methods of the single object.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from typing import Any, NamedTuple

from honeytrace._capture.deferred import Encoded
from honeytrace._capture.providers.bedrock import METRICS
from honeytrace._capture.stdlib_types import by_class, mro, namespace, qualname
from honeytrace._config.live import live
from honeytrace._session.record import ABSENT
from honeytrace._tracing.item_streams import Following
from honeytrace._tracing.recorder import Call, end_unguarded, on_error
from honeytrace._utils.guard import try_call
from honeytrace._utils.json import Json, parse

_guard = live.guard.call
_MAX_BODY_BYTES = 4 * 2**20  # of a longer body, such as a file in S3, only the size is recorded


def follow_botocore(call: Call, returned: Any) -> bool:
    """Follow a stream of botocore, alone or in an answer; return whether there is one.

    The session ends when the stream has been read, closed or dropped.
    """
    answer: Json = returned if type(returned) is dict else {}
    stream = answer.get("stream", answer.get("body")) if answer else returned
    kind = type(stream)
    if _is_event_stream(kind):
        _follow_events(call, stream)
    elif _is_body(kind):
        Body(call, stream, str(answer.get("contentType", "")), _counts(answer))
    else:
        return False
    return True


def _counts(answer: Json) -> Json | None:
    """Return the tokens that Bedrock tells in headers, under the key that it has in streams."""
    about = answer.get("ResponseMetadata")
    headers = about.get("HTTPHeaders") if type(about) is dict else None
    found = {
        name: headers.get(f"x-amzn-bedrock-{header}-token-count")
        for name, header in _COUNTS.items()
        if type(headers) is dict
    }
    counts = {name: int(n) for name, n in found.items() if type(n) is str and n.isdecimal()}
    return {METRICS: counts} if counts else None


_COUNTS = {"inputTokenCount": "input", "outputTokenCount": "output"}


@by_class
def _is_event_stream(kind: type) -> bool:
    return any(
        qualname(each) == "EventStream" and {"_parse_event", "__iter__"} <= namespace(each).keys()
        for each in mro(kind)[:1]  # aiobotocore's class, whose methods are coroutines, inherits it
    )


@by_class
def _is_body(kind: type) -> bool:
    return any(
        qualname(each) == "StreamingBody" and "_verify_content_length" in namespace(each)
        for each in mro(kind)[:1]
    )


def _follow_events(call: Call, stream: Any) -> None:
    following = Following(call)
    parse_event, close = stream._parse_event, stream.close

    def parsed(event: object) -> Any:
        with on_error(following.stopped):
            found = parse_event(event)
        if found:
            _guard(_take, following, found)
        return found

    def closed() -> None:
        try:
            close()
        finally:
            _guard(following.end)

    stream._event_generator = _Events(stream._event_generator, following)
    stream._parse_event, stream.close = parsed, closed


def _take(following: Following, event: Json) -> None:
    """Take an event; those of `invoke_model_with_response_stream` contain JSON of the model."""
    chunk = event.get("chunk")
    body = chunk.get("bytes") if type(chunk) is dict else None
    decoded = try_call(parse, body.decode())[0] if type(body) is bytes else None
    following.take(event if decoded is None else decoded)


class _Events:
    """Passes on the undecoded events of an EventStream, and notices their end."""

    __slots__ = ("_following", "_inner")

    def __init__(self, inner: Iterator[Any], following: Following) -> None:
        self._inner = inner
        self._following = following

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        with on_error(self._following.stopped):
            return next(self._inner)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


class _Told(NamedTuple):
    media_type: str


class Body:
    """Collects the bytes that the program reads from a StreamingBody."""

    __slots__ = (
        *("__weakref__", "_bytes", "_call", "_chunks", "_counts", "_media_type", "_methods"),
        "_total",
    )

    def __init__(self, call: Call, stream: Any, media_type: str, counts: Json | None) -> None:
        self._call = call
        self._media_type = media_type
        self._counts = counts
        self._chunks: list[bytes] = []
        self._bytes = 0
        self._total = str(stream._content_length)
        self._methods = {name: getattr(stream, name) for name in _READING}
        for name in _READING:
            setattr(stream, name, getattr(self, name))
        live.suspended[id(self)] = weakref.ref(self)
        self.__class__ = OpenBody  # last, since a signal handler may raise before

    def read(self, amt: int | None = None) -> bytes:
        chunk: bytes = self._read("read", amt)
        _guard(self._take, chunk, amt is None or amt < 0 or (not chunk and amt > 0))
        return chunk

    def readinto(self, buffer: Any) -> int:
        count: int = self._read("readinto", buffer)
        _guard(self._take, bytes(memoryview(buffer)[:count]), not count)
        return count

    def readlines(self) -> list[bytes]:
        lines: list[bytes] = self._read("readlines")
        _guard(self._take, b"".join(lines), True)
        return lines

    def close(self) -> None:
        try:
            self._methods["close"]()
        finally:
            _guard(self.end)

    def _read(self, name: str, *arguments: object) -> Any:
        with on_error(self.end):
            return self._methods[name](*arguments)

    def _take(self, chunk: bytes, last: bool) -> None:
        self._bytes += len(chunk)
        if self._bytes <= _MAX_BODY_BYTES:
            self._chunks.append(chunk)
        if last or str(self._bytes) == self._total:
            self.end()

    def end(self, error: BaseException | None = None) -> None:
        self.__class__ = Body
        live.suspended.pop(id(self), None)
        if self._call.ended:
            return
        returned: object = ABSENT
        if self._bytes > _MAX_BODY_BYTES:
            returned = {"media_type": self._media_type, "bytes": self._bytes}
        elif self._bytes:
            returned = Encoded(b"".join(self._chunks), _Told(self._media_type), self._counts)
        end_unguarded(self._call, returned, error)


_READING = ("read", "readinto", "readlines", "close")


class OpenBody(Body):
    """A `Body` that has not been read to its end. If it is dropped, the session ends with it."""

    __slots__ = ()

    def __del__(self) -> None:
        _guard(self.end)
