"""LiteLLM: its functions are sessions, its streams stay themselves.

The module below has the layout of LiteLLM, which takes long to install and to import.
`tests/interop/model_matrix.py` runs the same with the real one.
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
import types

import openai
import pytest
from finalizers import finalizers
from model_server import ModelServer

import honeytrace
from honeytrace._config.live import live
from honeytrace.testing import capture_sessions

ASKED = [{"role": "user", "content": "good morning"}]
ANSWER = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "model": "gpt-4o-2026-01-01",
    "choices": [
        {"message": {"role": "assistant", "content": "GOOD MORNING"}, "finish_reason": "stop"}
    ],
    "usage": {"prompt_tokens": 2, "completion_tokens": 3, "total_tokens": 5},
}


class ModelResponse(dict):
    def __init__(self, cost=0.25):
        super().__init__(ANSWER)
        headers = {"llm_provider-x-request-id": "req_1"}
        self._hidden_params = {
            "custom_llm_provider": "groq",
            "additional_headers": headers,
            "response_cost": cost,
        }


class CustomStreamWrapper:
    custom_llm_provider = "groq"

    def __init__(self, error=None):
        deltas = [
            {"role": "assistant", "content": ""},
            {"content": "GOOD "},
            {"content": "MORNING"},
        ]
        about = {"id": "c", "object": "chat.completion.chunk", "model": "gpt-4o"}
        self.chunks = [{**about, "choices": [{"index": 0, "delta": delta}]} for delta in deltas]
        self.error = error

    def __iter__(self):
        return self

    def __next__(self):
        if not self.chunks:
            raise self.error or StopIteration
        return self.chunks.pop(0)

    def __aiter__(self):
        return self

    async def __anext__(self):
        if not self.chunks:
            raise self.error or StopAsyncIteration
        return self.chunks.pop(0)


@pytest.fixture
def litellm(monkeypatch):
    module = types.ModuleType("litellm")
    streams = types.ModuleType("litellm.litellm_core_utils.streaming_handler")
    streams.CustomStreamWrapper = CustomStreamWrapper
    module.before = []

    def completion(model, messages, timeout=None, stream=False, error=None, **kwargs):
        for each in module.before:
            each()
        if stream:
            return CustomStreamWrapper(error)
        if error:
            raise error
        return ModelResponse(kwargs.get("cost", 0.25))

    async def acompletion(model, messages, **kwargs):
        return module.completion(model, messages, **kwargs)

    async def aembedding(*args, **kwargs):
        return {
            "data": [{"embedding": [0.6, 0.8]}],
            "usage": {"prompt_tokens": 1, "total_tokens": 1},
        }

    for each in (completion, acompletion, aembedding):
        setattr(module, each.__name__, each)
    monkeypatch.setitem(sys.modules, "litellm", module)
    monkeypatch.setitem(sys.modules, "litellm.litellm_core_utils.streaming_handler", streams)
    honeytrace.instrument("litellm")
    yield module
    honeytrace.uninstrument()


def test_completion(litellm):
    with capture_sessions() as sessions:
        answer = litellm.completion("groq/llama", ASKED, temperature=0, api_key="secret")
    assert type(answer) is ModelResponse
    session = sessions.one("litellm.completion")
    assert session.inputs == {"chat_history": ASKED}
    assert session.config == {"model": "groq/llama", "temperature": 0, "provider": "groq"}
    assert session.outputs == {"role": "assistant", "content": "GOOD MORNING"}
    assert (session.metrics["cost"], session.metadata["cost"]) == (0.25, 0.25)
    assert session.metadata["request_id"] == "req_1"


class Pretender:
    """Says that it is a module, as cffi's libraries do."""

    __slots__ = ()
    __class__ = types.ModuleType


def test_function_that_was_imported_before(litellm, monkeypatch):
    """`from litellm import completion` may stand above `instrument()`."""
    honeytrace.uninstrument()
    shop, original = types.ModuleType("shop"), litellm.completion
    shop.completion = shop.ask = original
    monkeypatch.setitem(sys.modules, "shop", shop)
    monkeypatch.setitem(sys.modules, "pretender", Pretender())
    honeytrace.instrument("litellm")
    with capture_sessions() as sessions:
        shop.completion("groq/llama", ASKED)
        shop.ask("groq/llama", ASKED)
    assert [each.session_name for each in sessions] == ["litellm.completion"] * 2
    honeytrace.uninstrument()
    assert litellm.completion is shop.completion is shop.ask is original


def test_unknown_cost(litellm):
    with capture_sessions() as sessions:
        litellm.completion("groq/llama", ASKED, cost=None)
    assert "cost" not in sessions.one().metrics


def test_a_stream_that_has_ended_runs_no_finalizer(litellm):
    """An exception of a signal handler in a finalizer would be lost."""
    with capture_sessions() as sessions, finalizers() as ran:
        list(litellm.completion("groq/llama", ASKED, stream=True))
    assert (len(sessions), ran) == (1, [])


@pytest.mark.parametrize("asynchronous", [False, True])
def test_stream(litellm, asynchronous):
    async def ask():
        stream = await litellm.acompletion("groq/llama", ASKED, stream=True)
        return stream, [chunk async for chunk in stream]

    with capture_sessions() as sessions:
        if asynchronous:
            stream, chunks = asyncio.run(ask())
        else:
            stream = litellm.completion("groq/llama", ASKED, stream=True)
            chunks = list(stream)
    assert type(stream) is CustomStreamWrapper
    assert len(chunks) == 3
    session = sessions.one()
    assert session.outputs == {"role": "assistant", "content": "GOOD MORNING"}
    assert session.metadata["honeytrace"]["stream"]["completed"] is True
    assert session.metrics["chunks"] == 3
    assert session.metrics["ttft_ms"] > 0
    assert session.config["provider"] == "groq"


def test_stream_dropped(litellm):
    with capture_sessions() as sessions:
        stream = litellm.completion("groq/llama", ASKED, stream=True)
        next(stream), next(stream)
        assert list(sessions) == []
        del stream
        gc.collect()
    session = sessions.one()
    assert session.outputs["content"] == "GOOD "
    assert session.metadata["honeytrace"]["stream"] == {"completed": False}
    assert list(CustomStreamWrapper()) != []
    assert asyncio.run(anext(CustomStreamWrapper())) is not None


def test_read_again(litellm):
    """A stream that is asked again after its end is one session still."""
    with capture_sessions() as sessions:
        stream = litellm.completion("groq/llama", ASKED, stream=True)
        assert len([*stream, *stream]) == 3
    assert len(sessions) == 1


def test_end_of_the_program(litellm):
    """A stream that is still being read ends with the program."""
    with capture_sessions() as sessions:
        stream = litellm.completion("groq/llama", ASKED, stream=True)
        next(stream)
        live.end_streams()
    assert sessions.one().metadata["honeytrace"]["stream"] == {"completed": False}


def test_not_sampled(litellm):
    honeytrace.configure(sample_rate=0.0)
    try:
        with capture_sessions() as sessions:
            litellm.completion("groq/llama", ASKED)
    finally:
        honeytrace.configure(sample_rate=None)
    assert list(sessions) == []


def run(litellm, asynchronous, **options):
    """Make one call and read its answer to the end."""

    async def ask():
        answer = await litellm.acompletion("llama", ASKED, **options)
        return [chunk async for chunk in answer] if "stream" in options else answer

    if asynchronous:
        asyncio.run(ask())
    else:
        list(litellm.completion("llama", ASKED, **options))


@pytest.mark.parametrize(
    ("error", "text", "status"),
    [
        (ValueError("boom"), "ValueError: boom", "error"),
        (asyncio.CancelledError(), None, "cancelled"),
    ],
)
@pytest.mark.parametrize("asynchronous", [False, True])
def test_stream_that_fails(litellm, asynchronous, error, text, status):
    with capture_sessions() as sessions, pytest.raises(type(error)):
        run(litellm, asynchronous, stream=True, error=error)
    session = sessions.one()
    assert (session.error, session.metadata["honeytrace"]["status"]) == (text, status)


@pytest.mark.parametrize("asynchronous", [False, True])
def test_refused(litellm, asynchronous):
    with capture_sessions() as sessions, pytest.raises(ValueError, match="boom"):
        run(litellm, asynchronous, error=ValueError("boom"))
    session = sessions.one()
    assert (session.error, session.config["model"]) == ("ValueError: boom", "llama")
    assert session.config["provider"] == "litellm"


def test_embedding(litellm):
    with capture_sessions() as sessions:
        asyncio.run(litellm.aembedding(model="e", input=["a"]))
    session = sessions.one("litellm.embedding")
    assert session.outputs == {"embeddings": [{"length": 2, "norm": 1.0}], "count": 1}
    assert session.metadata["honeytrace"]["step"] == "embedding"


def test_openai_inside(litellm):
    """Calls of OpenAI's SDK by LiteLLM are part of LiteLLM's session."""
    with ModelServer() as server:

        def inside():
            with openai.OpenAI(base_url=server.openai_url, api_key="k") as client:
                client.chat.completions.create(model="gpt-4o", messages=ASKED)

        litellm.before.append(inside)
        honeytrace.instrument("openai")
        with capture_sessions() as sessions:
            asyncio.run(litellm.acompletion("openai/gpt-4o", ASKED))
    assert [each.session_name for each in sessions] == ["litellm.completion"]
    assert sessions[0].metadata["request_id"] == "req_1"


def test_switched_off(litellm):
    honeytrace.configure(enabled=False)
    try:
        assert litellm.completion("m", ASKED)["id"] == "chatcmpl-1"
        assert asyncio.run(litellm.acompletion("m", ASKED))["id"] == "chatcmpl-1"
    finally:
        honeytrace.configure(enabled=None)


START = {"id": "m", "type": "message", "role": "assistant", "content": []}
START["usage"] = {"input_tokens": 2, "output_tokens": 1}
MESSAGE_EVENTS = (
    b"event: message_start\ndata: "
    + json.dumps({"type": "message_start", "message": START}).encode()
    + b'\n\ndata: {"type": "content_block_delta", "index": 0,'
    b' "delta": {"type": "text_delta", "text": "HI"}}'
    b'\r\n\r\ndata: {"type": "message_delta", "delta": {"stop_reason": "end_turn"},'
    b' "usage": {"output_tokens": 3}}\n\ndata: {"type": "message_stop"}\n\n'
)


async def message_bytes():
    for at in range(0, len(MESSAGE_EVENTS), 50):
        yield MESSAGE_EVENTS[at : at + 50]


class AnthropicMessagesStreamingResponse:
    def __init__(self):
        self.wrapper = CustomStreamWrapper()
        self.completion_stream = message_bytes()

    def __aiter__(self):
        return self

    async def __anext__(self):
        return await self.completion_stream.__anext__()

    async def aclose(self):
        await self.completion_stream.aclose()


@pytest.fixture
def messages(monkeypatch):
    """Add the function that speaks Anthropic's protocol; its streams consist of bytes."""
    module = types.ModuleType("litellm")

    async def anthropic_messages(max_tokens, messages, model, stream=False, wrapped=True):
        if stream:
            return AnthropicMessagesStreamingResponse() if wrapped else message_bytes()
        content = [{"type": "text", "text": "HI"}]
        usage = {"input_tokens": 2, "output_tokens": 3}
        return {"type": "message", "role": "assistant", "content": content, "usage": usage}

    module.completion = lambda model: model
    module.anthropic_messages = anthropic_messages
    monkeypatch.setitem(sys.modules, "litellm", module)
    honeytrace.instrument("litellm")
    yield module.anthropic_messages
    honeytrace.uninstrument()


CLAUDE = {"max_tokens": 9, "messages": ASKED, "model": "anthropic/claude"}


def test_anthropic_messages(messages):
    """It has the session of a model call."""
    with capture_sessions() as sessions:
        asyncio.run(messages(**CLAUDE))
    session = sessions.one("litellm.anthropic_messages")
    assert session.inputs == {"chat_history": ASKED}
    assert session.config == {"model": "anthropic/claude", "max_tokens": 9, "provider": "anthropic"}
    assert session.outputs == {"role": "assistant", "content": "HI"}
    assert session.metadata["total_tokens"] == 5


def test_anthropic_messages_stream(messages):
    """A stream of bytes becomes one message, wherever the events are split."""

    async def ask():
        stream = await messages(**CLAUDE, stream=True)
        assert type(stream) is AnthropicMessagesStreamingResponse
        assert stream.completion_stream.__aiter__() is stream.completion_stream
        assert b"".join([chunk async for chunk in stream]) == MESSAGE_EVENTS
        await stream.aclose()

    with capture_sessions() as sessions:
        asyncio.run(ask())
    session = sessions.one("litellm.anthropic_messages")
    assert session.outputs == {"role": "assistant", "content": "HI"}
    assert session.metrics["completion_tokens"] == 3
    assert session.metrics["ttft_ms"] > 0
    assert session.metadata["honeytrace"]["stream"] == {"completed": True}


def test_anthropic_messages_generator(messages):
    """A generator cannot be followed: the program gets it as it is, and the session ends."""

    async def ask():
        stream = await messages(**CLAUDE, stream=True, wrapped=False)
        assert len(sessions) == 1
        return b"".join([chunk async for chunk in stream])

    with capture_sessions() as sessions:
        assert asyncio.run(ask()) == MESSAGE_EVENTS
    assert sessions.one().outputs == {}
