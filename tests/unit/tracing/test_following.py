"""Methods of SDKs that `trace_session` is given: what they return is followed and stays itself."""

from __future__ import annotations

import asyncio
import types

import anthropic
import openai
import pytest
from finalizers import finalizers
from model_server import ModelServer

import honeytrace
from honeytrace import trace_session
from honeytrace._tracing import following
from honeytrace.testing import capture_sessions

ASKED = [{"role": "user", "content": "good morning"}]
CHAT = {"model": "gpt-4o", "messages": ASKED}


@pytest.fixture(scope="module")
def server():
    with ModelServer() as server:
        yield server


@pytest.fixture
def client(server):
    http_client = openai.DefaultHttpxClient(verify=False)
    with openai.OpenAI(base_url=server.openai_url, api_key="k", http_client=http_client) as client:
        yield client


def test_arguments_that_were_not_given(client):
    """An argument that the SDK marks as not given is not an input, passed or not."""
    create = trace_session(client.chat.completions.create)
    with capture_sessions() as sessions:
        create(**CHAT, top_p=openai.NOT_GIVEN)
    inputs = sessions.one().inputs
    assert {name for name, value in inputs.items() if value is not None} == {"model", "messages"}
    assert sessions.one().metrics["completion_tokens"] == 2


@pytest.mark.parametrize("instrumented", [False, True])
def test_stream(client, instrumented):
    """A returned stream is the SDK's own, and the session lasts until it has been read."""
    if instrumented:
        honeytrace.instrument("openai")
    try:
        with capture_sessions() as sessions:
            create = trace_session(client.chat.completions.create, name="mine")
            stream = create(**CHAT, stream=True, stream_options={"include_usage": True})
            with trace_session("meanwhile"):
                pass
            assert "mine" not in [each.session_name for each in sessions]
            assert type(stream) is openai.Stream
            assert len(list(stream)) > 3
    finally:
        honeytrace.uninstrument("openai")
    session = sessions.one("mine")
    assert session.outputs["choices"][0]["message"]["content"] == "GOOD MORNING"
    assert session.metrics["completion_tokens"] == 2
    assert session.metadata["honeytrace"]["stream"]["completed"] is True
    assert sessions.one("meanwhile").metadata["honeytrace"].get("parent_id") is None
    model_calls = sessions.all("openai.chat.completions")
    assert [each.outputs["content"] for each in model_calls] == ["GOOD MORNING"] * instrumented


@pytest.mark.parametrize("instrumented", [False, True])
def test_stream_of_anthropic(server, instrumented):
    """Its SDK copies the stream for its iterator."""
    if instrumented:
        honeytrace.instrument("anthropic")
    client = anthropic.Anthropic(base_url=server.url, api_key="k")
    try:
        with client, capture_sessions() as sessions:
            create = trace_session(client.messages.create, name="mine")
            stream = create(model="claude", max_tokens=9, messages=ASKED, stream=True)
            assert type(stream) is anthropic.Stream
            list(stream)
    finally:
        honeytrace.uninstrument("anthropic")
    assert sessions.one("mine").outputs["content"] == [{"type": "text", "text": "GOOD MORNING"}]
    model_calls = sessions.all("anthropic.messages")
    assert [each.outputs["content"] for each in model_calls] == ["GOOD MORNING"] * instrumented


def test_a_stream_that_has_ended_runs_no_finalizer(client):
    """An exception of a signal handler in a finalizer would be lost."""
    create = trace_session(client.chat.completions.create)
    with capture_sessions() as sessions, finalizers() as ran:
        list(create(**CHAT, stream=True))
        create(**CHAT, stream=True).close()
    assert (len(sessions), ran) == (2, [])


def test_stream_closed_early(client):
    with capture_sessions() as sessions:
        stream = trace_session(client.chat.completions.create)(**CHAT, stream=True)
        next(stream)
        assert list(sessions) == []
        stream.close()
    assert sessions.one().metadata["honeytrace"]["stream"] == {"completed": False}


@pytest.mark.parametrize("how", ["method", "function"])
def test_asynchronous(server, how):
    async def ask(**options):
        async with openai.AsyncOpenAI(base_url=server.openai_url, api_key="k") as client:
            create = client.chat.completions.create
            if how == "method":
                create = trace_session(create)
            else:
                plain = create

                @trace_session
                async def create(**options):
                    return await plain(**options)

            stream = await create(**options)
            assert type(stream) is openai.AsyncStream
            return [chunk async for chunk in stream]

    with capture_sessions() as sessions:
        assert len(asyncio.run(ask(**CHAT, stream=True))) > 3
    session = sessions.one()
    assert session.outputs["choices"][0]["message"]["content"] == "GOOD MORNING"
    assert session.metrics["ttft_ms"] > 0


def test_raw_response(client):
    with capture_sessions() as sessions:
        trace_session(client.chat.completions.with_raw_response.create)(**CHAT)
    assert sessions.one().outputs["choices"][0]["message"]["content"] == "GOOD MORNING"


@pytest.mark.parametrize(
    ("items", "index"),
    [
        (["", "a"], 1),
        ([None, "a"], 1),
        ([{"choices": [{"delta": {"role": "assistant", "content": ""}}]}, {"choices": []}], 0),
        ([{"choices": [{"delta": {}}]}, {"choices": [{"delta": {"tool_calls": [{}]}}]}], 1),
        ([{"choices": [None]}, {"choices": [{"delta": {"reasoning_content": "Hm"}}]}], 1),
        ([{"type": "message_start"}, {"type": "ping"}, {"type": "content_block_delta"}], 0),
        (
            [
                {"type": "message_start", "message": {}},
                {"type": "content_block_start", "content_block": {"type": "text", "text": ""}},
                {"type": "content_block_delta", "delta": {"type": "text_delta", "text": "a"}},
            ],
            2,
        ),
        ([{"type": "content_block_start", "content_block": {"type": "tool_use"}}, "x"], 0),
        ([{"type": "response.created"}, {"type": "response.output_text.delta", "delta": "a"}], 1),
        ([{"content": ""}, {"content": "a"}], 1),
        ([{"odd": 1}, {"odd": 2}], 0),
    ],
)
def test_first_token(items, index):
    """The time to the first token ends with the first item that carries one."""

    class Clock:
        now = 0

        def time_ns(self):
            return 0

        def perf_counter_ns(self):
            return self.now

    clock = Clock()

    @trace_session
    def stream():
        for item in items:
            clock.now += 10**6
            yield item

    with capture_sessions(clock=clock) as sessions:
        list(stream())
    assert sessions.one().metrics["ttft_ms"] == index + 1


class Response:
    """An HTTP response of some SDK, with a body that has not been read."""

    headers = types.MappingProxyType({"content-type": "application/json"})

    def __init__(self, chunks=()):
        self.chunks = chunks

    def iter_bytes(self):
        yield from self.chunks

    def close(self):
        pass


class Decoder:
    """Takes each chunk of bytes for an event."""

    def iter_bytes(self, chunks):
        for chunk in chunks:
            yield type("Event", (), {"data": chunk and chunk.decode()})()

    async def aiter_bytes(self, chunks):
        for event in self.iter_bytes(chunks):
            yield event

    def other(self):
        return "other"


class Stream:
    """A stream of an SDK of another layout."""

    def __init__(self, response, decoder=None):
        self.response = response
        if decoder:
            self._decoder = decoder
        self._iterator = self.__stream__()

    def __next__(self):
        return next(self._iterator)

    def __iter__(self):
        yield from self._iterator

    def __stream__(self):
        if hasattr(self, "_decoder"):
            yield from self._decoder.iter_bytes(self.response.iter_bytes())
        else:
            yield from self.response.iter_bytes()


def read_all(stream):
    with capture_sessions() as sessions:
        traced = trace_session(lambda: stream)()
        assert traced is stream
        items = list(traced)
    return items, sessions.one()


def test_without_a_decoder():
    """Without a decoder of events, the bytes that are read are the answer."""
    items, session = read_all(Stream(Response([b'{"a": ', b"1}"])))
    assert items == [b'{"a": ', b"1}"]
    assert session.outputs == {"a": 1}


def test_long_body(monkeypatch):
    """Of a very long body, only the beginning is kept."""
    monkeypatch.setattr(following, "_MAX_BODY_BYTES", 4)
    _, session = read_all(Stream(Response([b"12", b"34", b"56"])))
    assert session.outputs == {"result": 1234}


def test_events_without_data():
    chunks = [b"", b'{"choices": [{"delta": {"content": "a"}}]}']
    items, session = read_all(Stream(Response(chunks), Decoder()))
    assert len(items) == 2
    assert session.outputs["choices"][0]["message"] == {"content": "a"}


def test_many_events():
    """Events are merged while they arrive, so that a long stream takes no more than its answer."""
    event = b'{"choices": [{"delta": {"content": "a"}}], "padding": "%s"}' % (b"x" * 400_000)
    items, session = read_all(Stream(Response([event] * 5), Decoder()))
    assert len(items) == 5
    assert session.outputs["choices"][0]["message"] == {"content": "aaaaa"}


def test_other_attributes():
    """Whatever else an SDK asks of its iterator and decoder goes to these themselves."""
    stream = Stream(Response([b"1"]), Decoder())
    with capture_sessions():
        trace_session(lambda: stream)()
        assert stream._decoder.other() == "other"
        assert stream._iterator.gi_frame is not None
        assert stream._decoder.aiter_bytes([b"1"]).ag_running is False
        stream._iterator.close()
