"""Answers of Amazon Bedrock that a traced function returns before they are read."""

from __future__ import annotations

import gc
import io
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from honeytrace import trace_session
from honeytrace.testing import capture_sessions

ASKED = {"inputTokens": 7, "outputTokens": 2, "totalTokens": 9}
EVENTS: list[dict[str, Any]] = [
    {"messageStart": {"role": "assistant"}},
    {"contentBlockDelta": {"delta": {"text": "Good "}, "contentBlockIndex": 0}},
    {"contentBlockDelta": {"delta": {"text": "day"}, "contentBlockIndex": 0}},
    {"messageStop": {"stopReason": "end_turn"}},
    {"metadata": {"usage": ASKED}},
]
MESSAGE = {"role": "assistant", "content": [{"text": "Good day"}]}
CHAT = {
    "id": "c",
    "model": "m-1",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Good day"}}],
    "usage": {"prompt_tokens": 7, "completion_tokens": 2, "total_tokens": 9},
}
BODY = json.dumps(CHAT).encode()


class Raw(io.BytesIO):
    def stream(self) -> Iterator[dict[str, Any]]:
        yield from EVENTS


class EventStream:
    """The reading half of `botocore.eventstream.EventStream`."""

    def __init__(self, raw: Any) -> None:
        self._raw_stream = raw
        self._event_generator = self._create_raw_event_generator()

    def __iter__(self) -> Iterator[Any]:
        for event in self._event_generator:
            parsed = self._parse_event(event)
            if parsed:
                yield parsed

    def _create_raw_event_generator(self) -> Iterator[Any]:
        yield from self._raw_stream.stream()

    def _parse_event(self, event: dict[str, Any]) -> Any:
        if "exception" in event:
            raise RuntimeError(event["exception"])
        return event

    def close(self) -> None:
        self._raw_stream.close()


class StreamingBody(io.IOBase):
    """The reading half of `botocore.response.StreamingBody`."""

    def __init__(self, raw: Any, length: str | None) -> None:
        self._raw_stream = raw
        self._content_length = length

    def __del__(self) -> None:
        """Do not close the body, as `io.IOBase` would."""

    def _verify_content_length(self) -> None:
        raise AssertionError("only its name is used")

    def read(self, amt: int | None = None) -> bytes:
        return bytes(self._raw_stream.read(amt))

    def readinto(self, buffer: Any) -> int:
        return int(self._raw_stream.readinto(buffer))

    def readlines(self) -> list[bytes]:  # type: ignore[override] # as botocore has it
        return list(self._raw_stream.readlines())

    def close(self) -> None:
        self._raw_stream.close()


def returned(value: Any) -> Any:
    """Return the value through a traced function."""
    return trace_session(lambda: value, name="answer")()


def events(*given: dict[str, Any]) -> EventStream:
    stream = EventStream(Raw())
    stream._raw_stream.stream = lambda: iter(given or EVENTS)
    return stream


@pytest.mark.parametrize("inside", [False, True], ids=["alone", "in an answer"])
def test_event_stream(inside: bool) -> None:
    """The stream stays the same object, and the session holds the merged answer."""
    stream = events()
    answer = {"ResponseMetadata": {}, "stream": stream} if inside else stream
    with capture_sessions() as sessions:
        assert returned(answer) is answer
        assert not sessions
        assert list(stream) == EVENTS
    (session,) = sessions
    assert session.outputs["output"]["message"] == MESSAGE
    assert session.metrics["prompt_tokens"] == 7
    assert session.metadata["honeytrace"]["stream"] == {"completed": True}


def test_events_of_a_model() -> None:
    """Events with a model's own JSON are decoded; others are recorded as they are."""
    parts = ['{"choices":[{"index":0,"delta":{"content":"Good "}}]}', "no JSON"]
    with capture_sessions() as sessions:
        list(returned(events(*({"chunk": {"bytes": part.encode()}} for part in parts), {})))
    first, second = sessions[0].outputs["result"]
    assert first["choices"][0]["message"]["content"] == "Good "
    assert list(second) == ["chunk"]


def test_event_stream_closed_early() -> None:
    """A stream that is closed before its end is not complete."""
    stream = returned(events())
    with capture_sessions() as sessions:
        stream = returned(events())
        steps = iter(stream)
        next(steps)
        next(steps)
        stream.close()
        stream.close()
    assert sessions[0].metadata["honeytrace"]["stream"] == {"completed": False}
    assert sessions[0].error is None


def test_event_stream_dropped() -> None:
    """A stream that nobody reads ends its session when it is collected."""
    with capture_sessions() as sessions:
        returned(events())
        gc.collect()
        assert len(sessions) == 1
    assert sessions[0].outputs == {}


def test_event_that_is_an_error() -> None:
    """The program gets the error, and so does the session."""
    stream = returned(events())
    with capture_sessions() as sessions:
        stream = returned(events(EVENTS[1], {"exception": "throttled"}))
        with pytest.raises(RuntimeError, match="throttled"):
            list(stream)
    assert sessions[0].error == "RuntimeError: throttled"


def test_connection_that_breaks() -> None:
    """An error of the connection is the session's error, too."""
    stream = events()

    def broken() -> Iterator[Any]:
        yield EVENTS[1]
        raise ConnectionResetError("gone")

    stream._event_generator = broken()
    with capture_sessions() as sessions, pytest.raises(ConnectionResetError):
        list(returned(stream))
    assert sessions[0].error == "ConnectionResetError: gone"


def test_iterator_of_events_keeps_its_methods() -> None:
    """What stands in for the generator of a stream offers its other methods."""
    stream = returned(events())
    stream._event_generator.close()
    assert list(iter(stream._event_generator)) == []


READERS: dict[str, Callable[[Any], Any]] = {
    "read": lambda body: body.read(),
    "json": lambda body: json.load(body),
    "parts": lambda body: b"".join(iter(lambda: body.read(100), b"")),
    "lines": lambda body: b"".join(body.readlines()),
    "buffered": lambda body: io.BufferedReader(body).read(len(BODY)),
}


@pytest.mark.parametrize("length", [str(len(BODY)), None], ids=["length", "no length"])
@pytest.mark.parametrize("read", READERS.values(), ids=READERS)
def test_body(read: Callable[[Any], Any], length: str | None) -> None:
    """However the body is read, the session holds the answer."""

    class Readable(StreamingBody):
        __qualname__ = "StreamingBody"
        _verify_content_length = StreamingBody._verify_content_length

        def readable(self) -> bool:
            return True

    body = Readable(io.BytesIO(BODY), length)
    answer = {"ResponseMetadata": {}, "contentType": "application/json", "body": body}
    with capture_sessions() as sessions:
        assert returned(answer) is answer
        assert not sessions
        assert read(body) in (BODY, CHAT)
        assert len(sessions) == 1
    assert sessions[0].outputs == CHAT
    assert sessions[0].config["model"] == "m-1"
    assert sessions[0].metrics["total_tokens"] == 9


def test_body_closed_or_dropped() -> None:
    """A body that nobody reads leaves no outputs."""
    with capture_sessions() as sessions:
        body = returned(StreamingBody(io.BytesIO(BODY), None))
        body.close()
        body.close()
        returned(StreamingBody(io.BytesIO(BODY), None))
        gc.collect()
        assert len(sessions) == 2
    assert [each.outputs for each in sessions] == [{}, {}]


def test_body_that_cannot_be_read() -> None:
    """The session has the program's error."""
    raw = io.BytesIO(BODY)
    with capture_sessions() as sessions:
        body = returned(StreamingBody(raw, None))
        raw.close()
        with pytest.raises(ValueError, match="closed"):
            body.read()
    assert str(sessions[0].error).startswith("ValueError")


def test_large_body() -> None:
    """Of a large body, which may be a file, only the size is recorded."""
    size = 5 * 2**20
    with capture_sessions() as sessions:
        body = returned(StreamingBody(io.BytesIO(b"x" * size), str(size)))
        for _ in range(5):
            body.read(2**20)
    assert sessions[0].outputs == {"media_type": "", "bytes": size}


def test_outputs_are_processed() -> None:
    """`process_outputs` gets the decoded body."""
    body = StreamingBody(io.BytesIO(BODY), str(len(BODY)))
    ask = trace_session(lambda: body, name="ask", process_outputs=lambda answer: answer["model"])
    with capture_sessions() as sessions:
        ask().read()
    assert sessions[0].outputs == {"result": "m-1"}


def test_other_answers_of_botocore() -> None:
    """An answer without a stream is recorded at once."""
    with capture_sessions() as sessions:
        returned({"ResponseMetadata": {"RequestId": "r"}, "output": {"message": MESSAGE}})
    assert sessions[0].outputs["output"]["message"] == MESSAGE


@pytest.mark.parametrize(
    ("body", "tokens"),
    [
        ({"outputs": [{"text": "Good day", "stop_reason": "stop"}]}, 9),
        (CHAT, 9),
        (["Good day"], None),
    ],
    ids=["without counts", "with counts", "not an object"],
)
def test_counts_in_headers(body: Any, tokens: int | None) -> None:
    """Bedrock tells the tokens in headers, too, which many bodies do not."""
    text = json.dumps(body).encode()
    headers = {
        f"x-amzn-bedrock-{name}-token-count": n for name, n in (("input", "7"), ("output", "2"))
    }
    answer = {"ResponseMetadata": {"HTTPHeaders": headers}}
    with capture_sessions() as sessions:
        returned({**answer, "body": StreamingBody(io.BytesIO(text), str(len(text)))})["body"].read()
    assert sessions.one().metrics.get("total_tokens") == tokens
