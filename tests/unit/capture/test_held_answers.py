"""Answers of models inside what a function returns: in tuples, dicts, records and lists."""

from __future__ import annotations

import asyncio
import dataclasses
from typing import Any, NamedTuple

import pydantic
import pytest

from honeytrace import trace_session
from honeytrace.testing import capture_sessions

USAGE = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
CHAT = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "model": "gpt-4o",
    "choices": [{"message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop"}],
    "usage": USAGE,
}
AI_MESSAGE = {
    "type": "ai",
    "content": "Hi",
    "response_metadata": {"model_name": "gpt-4o", "finish_reason": "stop"},
    "usage_metadata": {"input_tokens": 10, "output_tokens": 5, "total_tokens": 15},
}
QUESTION = {"type": "human", "content": "Hi?", "response_metadata": {}}
REPLY = {"content": "Hi", "meta": {"model": "gpt-4o", "finish_reason": "stop", "usage": USAGE}}


@dataclasses.dataclass
class Result:
    answer: Any
    seconds: float = 1.5


class Model(pydantic.BaseModel):
    answer: Any
    seconds: float = 1.5


class Pair(NamedTuple):
    answer: Any
    seconds: float = 1.5


def recorded(value):
    with capture_sessions() as sessions:
        assert trace_session(lambda: value)() is value
    return sessions.one()


HOLDERS = {
    "last of a tuple": lambda answer: (1, "b", None, 2.5, answer),
    "list": lambda answer: [answer],
    "dict": lambda answer: {"response": answer},
    "wide dict": lambda answer: {**{f"key {n}": n for n in range(20)}, "response": answer},
    "dict in a dict": lambda answer: {"ok": True, "data": {"response": answer}},
    "dict in a list": lambda answer: [{"question": "Hi?", "response": answer}],
    "dataclass": Result,
    "model": lambda answer: Model(answer=answer),
    "named tuple": Pair,
    "dataclass in a tuple": lambda answer: (Result(answer), 3),
    "records in one another": lambda answer: Model(answer=[Result({"raw": answer})]),
}


@pytest.mark.parametrize("hold", HOLDERS.values(), ids=HOLDERS)
@pytest.mark.parametrize("answer", [CHAT, AI_MESSAGE, {"replies": [REPLY]}])
def test_held(hold, answer):
    """However the function holds the answer, its tokens, model and finish reason are found."""
    session = recorded(hold(answer))
    assert session.metrics == USAGE
    assert session.metadata["total_tokens"] == 15
    assert (session.config["model"], session.metadata["finish_reason"]) == ("gpt-4o", "stop")


@pytest.mark.parametrize("hold", HOLDERS.values(), ids=HOLDERS)
def test_held_without_usage(hold):
    """A server that counts no tokens still says which model answered."""
    session = recorded(hold({**CHAT, "usage": None}))
    assert (session.config, session.metrics) == ({"model": "gpt-4o"}, {})
    assert session.metadata["finish_reason"] == "stop"


def test_awaited():
    async def ask():
        return {"data": {"response": CHAT}}

    with capture_sessions() as sessions:
        asyncio.run(trace_session(ask)())
    assert sessions.one().metrics == USAGE


def test_state_of_a_graph():
    """The one message of the model counts in LangGraph's list of messages."""
    assert recorded({"messages": [QUESTION, AI_MESSAGE]}).metrics == USAGE


def test_outputs_of_a_pipeline():
    assert recorded({"llm": {"replies": [REPLY]}, "retriever": {"documents": []}}).metrics == USAGE


COUNTED = {"prompt_tokens": 8, "total_tokens": 8}
WITHOUT_MESSAGE: dict[str, tuple[dict[str, Any], dict[str, Any], dict[str, Any]]] = {
    "embeddings": (
        {"model": "e", "data": [{"embedding": [0.6, 0.8]}], "usage": COUNTED},
        COUNTED,
        {"model": "e"},
    ),
    "ollama's embeddings": (
        {"model": "e", "embeddings": [[0.6, 0.8]], "prompt_eval_count": 8},
        {**COUNTED, "completion_tokens": 0},
        {"model": "e"},
    ),
    "images": (
        {"data": [{"b64_json": "aGk="}], "usage": {"input_tokens": 10, "output_tokens": 5}},
        USAGE,
        {},
    ),
    "transcription": (
        {"text": "Hi", "usage": {"type": "tokens", "input_tokens": 10, "output_tokens": 5}},
        USAGE,
        {},
    ),
    "seconds of audio": (
        {"text": "Hi", "usage": {"type": "duration", "seconds": 3}},
        {"audio_seconds": 3.0},
        {},
    ),
    "moderation": (
        {"model": "m", "results": [{"flagged": False, "categories": {"hate": False}}]},
        {},
        {"model": "m"},
    ),
    "recognized pages": (
        {"model": "ocr", "pages": [{"markdown": "Hi"}], "usage_info": {"pages_processed": 1}},
        {},
        {"model": "ocr"},
    ),
    "dspy": ({"answer": "Hi", "_lm_usage": {"gpt-4o": USAGE}}, USAGE, {"model": "gpt-4o"}),
}


@pytest.mark.parametrize("hold", [lambda answer: answer, *HOLDERS.values()])
@pytest.mark.parametrize("name", WITHOUT_MESSAGE)
def test_without_message(name, hold):
    """So are those of models that do not chat."""
    body, metrics, config = WITHOUT_MESSAGE[name]
    session = recorded(hold(body))
    assert (session.metrics, session.config) == (metrics, config)


def test_nearest():
    """The answer nearest to the top counts; those of earlier turns stand further down."""
    earlier = {**CHAT, "id": "chatcmpl-0", "usage": {**USAGE, "completion_tokens": 7}}
    history = [earlier, {**earlier, "id": "chatcmpl-1"}]
    assert recorded({"response": CHAT, "history": history}).metrics == USAGE


def test_the_same_twice():
    """An answer held under two names is one."""
    assert recorded({"raw": CHAT, "last": dict(CHAT)}).metrics == USAGE


def gemini(count, **more):
    usage = {"promptTokenCount": 10, "candidatesTokenCount": count, "totalTokenCount": 10 + count}
    content = {"role": "model", "parts": [{"text": "Hi"}]}
    return {"candidates": [{"content": content, **more}], "responseId": "g", "usageMetadata": usage}


def test_chunks_that_count_on():
    """Each chunk of Gemini counts the tokens so far."""
    session = recorded({"chunks": [gemini(1), gemini(3), gemini(5, finishReason="STOP")]})
    assert (session.metrics, session.metadata["finish_reason"]) == (USAGE, "STOP")


BEGUN = {"type": "message", "role": "assistant", "content": [], "model": "claude", "usage": USAGE}


@pytest.mark.parametrize(
    "value",
    [
        [gemini(count) for count in range(100)],
        [{"type": "message_start", "message": BEGUN}, {"type": "message_stop"}],
        [{"event": {"type": "message_start", "message": BEGUN}}] * 4,
        {"draft": CHAT, "final": {**CHAT, "id": "chatcmpl-2"}},
        [{"answer": CHAT}, {"answer": {**CHAT, "id": None}}],
        {"messages": [AI_MESSAGE, QUESTION, AI_MESSAGE]},
        {"month": {"usage": USAGE}},
        {"team": {"usage": USAGE, "model": "gpt-4o"}},
        {"a": {"b": {"c": {"d": {"e": {"f": {"g": CHAT}}}}}}},
    ],
)
def test_none_of_the_function(value):
    """Of several answers at the same depth none is the function's; nor are counts alone."""
    session = recorded(value)
    assert (session.metrics, session.config) == ({}, {})
