"""The answers of Amazon Bedrock's `invoke_model`, by family of models, whole and streamed."""

from __future__ import annotations

import math

import pytest

from honeytrace import trace_session
from honeytrace._capture.providers.answers import read_answer
from honeytrace.testing import capture_sessions

COUNTS = {"inputTokenCount": 7, "outputTokenCount": 2, "invocationLatency": 9}
MEASURED = {"amazon-bedrock-invocationMetrics": COUNTS}
USAGE = {"prompt_tokens": 7, "completion_tokens": 2, "total_tokens": 9}
EMPTY = {"prompt_tokens": None, "completion_tokens": None, "total_tokens": None}


def titan(text, total=None, reason=None):
    about = {"index": 0, "inputTextTokenCount": None if total else 7}
    counts = {"totalOutputTextTokenCount": total, "completionReason": reason}
    return {**about, **counts, "outputText": text}


def llama(text, reason=None):
    counts = {"prompt_token_count": None if reason else 7, "generation_token_count": 2}
    return {**counts, "generation": text, "stop_reason": reason}


def mistral(text, reason=None):
    return {"outputs": [{"text": text, "stop_reason": reason}]}


def chat(text, reason=None, **more):
    message = {"role": "assistant", "content": text, **more}
    return {"choices": [{"index": 0, "message": message, "stop_reason": reason}]}


def deepseek(text, reason=None):
    return {"choices": [{"text": text, "stop_reason": reason}]}


def command(text, reason=None):
    done = {"finish_reason": reason} if reason else {}
    return {"text": text, "is_finished": bool(reason), **done}


NOVA = [
    {"messageStart": {"role": "assistant"}},
    {"contentBlockDelta": {"delta": {"text": "Good "}, "contentBlockIndex": 0}},
    {"contentBlockDelta": {"delta": {"text": "day"}, "contentBlockIndex": 0}},
    {"messageStop": {"stopReason": "stop"}},
    {"metadata": {"usage": {}}},
]
COMMAND_R = [
    {"event_type": "stream-start", "generation_id": "g"},
    {"event_type": "text-generation", "text": "Good day", "is_finished": False},
    {
        "event_type": "stream-end",
        "response": {"text": "Good day", "generation_id": "g", "finish_reason": "stop"},
    },
]
STREAMS = {
    "titan": [titan("Good "), titan("day", 2, "stop")],
    "llama": [llama("Good "), llama("day"), llama("", "stop")],
    "mistral": [mistral("Good "), mistral("day"), mistral("", "stop")],
    "mistral chat": [chat("Good "), chat("day"), chat("", "stop")],
    "deepseek": [deepseek("Good "), deepseek("day", "stop")],
    "command": [command("Good "), command("day"), command("", "stop")],
    "command r": COMMAND_R,
    "nova": NOVA,
}


def stream(items):
    @trace_session
    def generate():
        yield from items

    with capture_sessions() as sessions:
        list(generate())
    return sessions.one()


@pytest.mark.parametrize("family", STREAMS)
def test_stream(family):
    """The chunks make one answer, with the counts of tokens that Bedrock adds to the last one."""
    *first, last = STREAMS[family]
    session = stream([*first, {**last, **MEASURED}])
    answer = read_answer(session.outputs)
    assert [each.content for each in answer.messages] == ["Good day"]
    assert session.metadata["finish_reason"] == "stop"
    assert {name: session.metrics.get(name) for name in USAGE} == USAGE


def test_tool_call_in_a_stream():
    called = [{"id": "c", "function": {"name": "weather", "arguments": "{}"}}]
    session = stream([chat("", tool_calls=called), {**chat("", "tool_calls"), **MEASURED}])
    (message,) = read_answer(session.outputs).messages
    assert message.tool_calls[0]["function"]["name"] == "weather"


def test_two_answers():
    """A chunk after the last one, or of another family, is not merged with those before."""
    items = [mistral("a"), {**mistral("b", "stop"), **MEASURED}, mistral("c"), llama("d")]
    texts = [each.messages[0].content for each in map(read_answer, stream(items).outputs["result"])]
    assert texts == ["ab", "c", "d"]


BODIES = {
    "mistral": mistral("Good day", "stop"),
    "mistral chat": chat("Good day", "stop"),
    "deepseek": deepseek("Good day", "stop"),
    "command": {"generations": [{"text": "Good day", "finish_reason": "stop"}], "prompt": "x"},
    "command r": {"text": "Good day", "generation_id": "g", "finish_reason": "stop"},
    "jurassic": {
        "completions": [{"data": {"text": "Good day"}, "finishReason": {"reason": "stop"}}]
    },
}


def record(value):
    with capture_sessions() as sessions:
        trace_session(lambda: value, name="ask")()
    return sessions.one()


@pytest.mark.parametrize("measured", [{}, MEASURED], ids=["alone", "measured"])
@pytest.mark.parametrize("family", BODIES)
def test_body(family, measured):
    """Bodies without counts have none, unless Bedrock gives them in its own place."""
    session = record({**BODIES[family], **measured})
    answer = read_answer(session.outputs)
    assert (answer.messages[0].content, answer.finish_reason) == ("Good day", "stop")
    found = {name: session.metrics.get(name) for name in USAGE}
    assert found == (USAGE if measured else EMPTY)


@pytest.mark.parametrize(
    "value",
    [
        {"outputs": [{"text": "a"}]},
        {"completions": [{"text": "a"}]},
        {"completions": [{"data": {"text": "a"}, "finishReason": "stop"}]},
        {"embedding": [0.5], "inputTextTokenCount": None},
        {"embeddings": [{"values": [0.5], "statistics": {"token_count": 1}}, {"values": [0.5]}]},
        {"choices": [{"message": {"role": "user"}, "stop_reason": None}]},
        {"amazon-bedrock-invocationMetrics": 5},
    ],
)
def test_no_counts(value):
    assert "prompt_tokens" not in record(value).metrics


def test_unknown_model():
    """The counts are found beside an answer in a form that is not known."""
    session = record({"said": "Good day", **MEASURED})
    assert session.metrics["total_tokens"] == 9


LONG = [0.6, 0.8] * 768
SHORT = {"length": 1536, "norm": round(math.sqrt(768), 6)}


@pytest.mark.parametrize(
    ("value", "found", "tokens"),
    [
        ({"embedding": LONG, "inputTextTokenCount": 5}, {"embedding": SHORT}, 5),
        (
            {"embedding": [3.0, 4.0], "embeddingsByType": {"float": LONG}, **MEASURED},
            {
                "embedding": {"length": 2, "norm": 5.0},
                "embeddingsByType": {"float": {"length": 1536}},
            },
            7,
        ),
        (
            {"embeddings": [{"values": LONG, "statistics": {"token_count": 5.0}}]},
            {"embeddings": [{"values": SHORT, "statistics": {"token_count": 5.0}}]},
            5,
        ),
        (
            {"embeddings": [{"values": [3.0, 4.0]}]},
            {"embeddings": [{"values": {"length": 2, "norm": 5.0}}]},
            None,
        ),
        (
            {"embeddings": [LONG], "response_type": "embeddings_floats"},
            {"embeddings": [SHORT]},
            None,
        ),
        ({"embedding": [math.nan] * 1001}, {"embedding": {"length": 1001}}, None),
        ({"data": [{"embedding": LONG}], "usage": {}}, {"data": [{"embedding": SHORT}]}, None),
        ({"embedding": ["a"] * 1001}, {"embedding": [*["a"] * 1000, "[1 more items]"]}, None),
        ({"values": [1] * 1001}, {"values": [*[1] * 1000, "[1 more items]"]}, None),
        ([1] * 1001, {"result": [*[1] * 1000, "[1 more items]"]}, None),
    ],
)
def test_embeddings(value, found, tokens):
    """Embeddings are recorded by length and norm, of whatever length; other lists are not."""
    session = record(value)
    assert {name: session.outputs[name] for name in found} == found
    assert session.metrics.get("prompt_tokens") == tokens
