"""Streams of frameworks and other providers, and texts that grow, are one answer each."""

from __future__ import annotations

import json

import pytest

from honeytrace import trace_session
from honeytrace.testing import capture_sessions


def stream(items):
    """The session of a generator that yields these items."""

    @trace_session
    def generate():
        yield from items

    with capture_sessions() as sessions:
        list(generate())
    return sessions.one()


def chunk(content="", **more):
    about = {"type": "AIMessageChunk", "id": "run-1", "tool_call_chunks": [], "tool_calls": []}
    return {**about, "content": content, "response_metadata": {}, "usage_metadata": None, **more}


def test_langchain():
    part = {"type": "tool_call_chunk", "index": 0}
    items = [
        chunk(),
        chunk("Hel"),
        chunk("lo"),
        chunk(tool_call_chunks=[{**part, "name": "weather", "id": "c1", "args": '{"ci'}]),
        chunk(tool_call_chunks=[{**part, "name": None, "id": None, "args": 'ty": 1}'}]),
        chunk(response_metadata={"model_name": "gpt-4o"}),
        chunk(response_metadata={"finish_reason": "stop"}),
        chunk(usage_metadata={"input_tokens": 3, "output_tokens": 4, "total_tokens": 7}),
    ]
    session = stream(items)
    assert session.outputs["content"] == "Hello"
    assert session.outputs["tool_calls"] == [{"name": "weather", "args": '{"city": 1}', "id": "c1"}]
    assert (session.config["model"], session.metadata["finish_reason"]) == ("gpt-4o", "stop")
    assert session.metrics["total_tokens"] == 7
    assert session.metrics["ttft_ms"] > 0


def converse(*blocks, usage=None):
    """The events of Bedrock's `converse_stream`."""
    yield {"messageStart": {"role": "assistant"}}
    for index, deltas in enumerate(blocks):
        for kind, value in deltas:
            yield {f"contentBlock{kind}": {"contentBlockIndex": index, kind.lower(): value}}
        yield {"contentBlockStop": {"contentBlockIndex": index}}
    yield {"messageStop": {"stopReason": "tool_use"}}
    if usage:
        yield {"metadata": {"usage": usage, "metrics": {"latencyMs": 9}}}


def test_bedrock():
    """The events make the answer that `converse` returns."""
    thought = [("Delta", {"reasoningContent": {"text": text}}) for text in ("H", "m")]
    said = [("Delta", {"text": text}) for text in ("Hel", "lo")]
    called = [("Start", {"toolUse": {"toolUseId": "t1", "name": "weather"}})]
    called += [("Delta", {"toolUse": {"input": text}}) for text in ('{"city": ', '"Rome"}')]
    usage = {"inputTokens": 3, "outputTokens": 4, "totalTokens": 7}
    session = stream(converse(thought, said, called, usage=usage))
    assert session.outputs["output"]["message"] == {
        "role": "assistant",
        "content": [
            {"reasoningContent": {"reasoningText": {"text": "Hm"}}},
            {"text": "Hello"},
            {"toolUse": {"toolUseId": "t1", "name": "weather", "input": '{"city": "Rome"}'}},
        ],
    }
    assert session.outputs["metrics"] == {"latencyMs": 9}
    assert session.metrics["total_tokens"] == 7
    assert session.metadata["finish_reason"] == "tool_use"


def test_bedrock_twice_and_cut_off():
    """Each start begins another answer, and one without an end is an answer, too."""
    items = [*converse([("Delta", {"text": "a"})]), *list(converse([("Delta", {"text": "b"})]))[:2]]
    first, second = stream(items).outputs["result"]
    assert first["stopReason"] == "tool_use"
    assert second["stopReason"] is None
    assert second["output"]["message"]["content"] == [{"text": "b"}]


@pytest.mark.parametrize(
    "items",
    [
        [{"metadata": {"a": 1}}],
        [{"messageStart": "now"}],
        [{}],
        [{"contentBlockDelta": {"delta": {"text": "a"}}}],
    ],
    ids=["metadata", "text", "empty", "no start"],
)
def test_not_bedrock(items):
    assert stream(items).outputs["result"] == items


def test_bedrock_with_a_block_without_content():
    """A block that is no object is an empty one."""
    outputs = stream(converse([("Delta", None)])).outputs
    assert outputs["output"]["message"]["content"] == [{}]


def test_langchain_twice():
    """Another id is another message."""
    items = [chunk("a"), chunk("b"), chunk("c", id="run-2")]
    assert [each["content"] for each in stream(items).outputs["result"]] == ["ab", "c"]


@pytest.mark.parametrize(
    "wrap",
    [
        lambda item: {"type": "ChatGenerationChunk", "text": item["content"], "message": item},
        lambda item: (item, {"langgraph_node": "model"}),
    ],
    ids=["generation", "langgraph"],
)
def test_langchain_wrapped(wrap):
    """Generations, and the pairs of LangGraph's `stream_mode="messages"`, are messages, too."""
    session = stream(map(wrap, [chunk("a"), chunk("b", response_metadata={"model_name": "m"})]))
    assert session.outputs["content"] == "ab"
    assert session.config["model"] == "m"


def test_langchain_parts():
    """A content of parts stays one."""
    parts = [[{"type": "text", "text": "a"}], [{"type": "text", "text": "b"}]]
    assert stream(map(chunk, parts)).outputs["content"] == [*parts[0], *parts[1]]


def gemini(*parts, **more):
    candidate = {"content": {"role": "model", "parts": list(parts)}, "finish_reason": None}
    return {"candidates": [candidate], "model_version": "gemini-2", "usage_metadata": None, **more}


def test_gemini():
    usage = {"prompt_token_count": 3, "candidates_token_count": 4, "total_token_count": 7}
    call = {"function_call": {"name": "weather", "args": {}}, "text": None}
    end = {"candidates": [{"content": None, "finish_reason": "STOP"}], "usage_metadata": usage}
    items = [
        gemini({"text": "Hm", "thought": True}),
        gemini({"text": "Hel", "thought": None}),
        gemini({"text": "lo"}, call),
        {"model_version": "gemini-2", **end},
        {"model_version": "gemini-2", "candidates": None},
    ]
    session = stream(items)
    (candidate,) = session.outputs["candidates"]
    assert candidate["content"]["parts"] == [
        {"thought": True, "text": "Hm"},
        {"text": "Hello"},
        {"function_call": {"name": "weather", "args": {}}},
    ]
    assert candidate["content"]["role"] == "model"
    assert (session.config["model"], session.metadata["finish_reason"]) == ("gemini-2", "STOP")
    assert session.metrics["total_tokens"] == 7


def test_gemini_counted_last():
    """The first chunks of the REST interface may have nothing but the text."""
    first = {"candidates": [{"content": {"parts": [{"text": "Hi "}]}}]}
    last = {
        "candidates": [{"content": {"parts": [{"text": "Ann"}]}, "finishReason": "STOP"}],
        "usageMetadata": {"promptTokenCount": 3, "candidatesTokenCount": 4},
    }
    session = stream([first, last])
    assert session.outputs["candidates"][0]["content"]["parts"] == [{"text": "Hi Ann"}]
    assert (session.metrics["prompt_tokens"], session.metadata["finish_reason"]) == (3, "STOP")


def generated(text, special=False, details=None):
    token = {"id": 1, "text": text, "special": special}
    return {"index": 0, "token": token, "generated_text": None, "details": details}


def test_hugging_face():
    """The tokens of text generation are one text; a special token is not part of it."""
    details = {"finish_reason": "eos_token", "generated_tokens": 3}
    items = [generated("Hi "), generated("Ann"), generated("</s>", True, details)]
    session = stream(items)
    assert session.outputs == {"generated_text": "Hi Ann", "details": details}
    assert session.metadata["finish_reason"] == "eos_token"
    assert len(stream([*items, generated("b")]).outputs["result"]) == 2
    assert stream([{"token": {"text": 5}}]).outputs == {"result": [{"token": {"text": 5}}]}


def test_hugging_face_chat():
    """The last chunk with the counts does not say what it is."""
    choice = {"index": 0, "delta": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop"}
    about = {"id": "", "model": "q", "created": 1}
    usage = {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}
    session = stream([{**about, "choices": [choice]}, {**about, "choices": [], "usage": usage}])
    assert session.outputs["choices"][0]["message"]["content"] == "Hi"
    assert session.metrics["completion_tokens"] == 4


def test_gemini_without_content():
    items = [{"modelVersion": "m", "candidates": [{"finishReason": "SAFETY"}]}]
    assert stream(items).metadata["finish_reason"] == "SAFETY"
    assert stream([{"modelVersion": "m"}]).outputs == {"result": [{"modelVersion": "m"}]}


@pytest.mark.parametrize("name", ["chat", "generate"])
def test_ollama(name):
    def piece(text, **more):
        said = {"message": {"role": "assistant", "content": text, "thinking": None}}
        return {
            "model": "llama3",
            "done": False,
            **(said if name == "chat" else {"response": text}),
        } | more

    last = piece("", done=True, done_reason="stop", prompt_eval_count=3, eval_count=4)
    session = stream([piece("Hel"), piece("lo"), last])
    said = session.outputs["message"]["content"] if name == "chat" else session.outputs["response"]
    assert said == "Hello"
    assert (session.config["model"], session.metadata["finish_reason"]) == ("llama3", "stop")
    assert session.metrics["total_tokens"] == 7
    twice = stream([piece("a"), last, piece("b"), last]).outputs["result"]
    assert len(twice) == 2


def cohere(kind, message=None, **more):
    return {"type": kind, **({"delta": {"message": message}} if message else {}), **more}


TOKENS = {"tokens": {"input_tokens": 5, "output_tokens": 2}}
PARTS = [
    cohere("message-start", {"role": "assistant", "content": [], "tool_plan": ""}, id="m"),
    cohere("content-start", {"content": {"type": "text", "text": "", "thinking": None}}, index=0),
    cohere("content-delta", {"content": {"text": "Good "}}, index=0),
    cohere("content-delta", {"content": {"text": "day"}}, index=0),
    cohere("content-end", index=0),
]
CALL = {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": ""}}
CALLED = [
    cohere("tool-plan-delta", {"tool_plan": "I look."}),
    cohere("tool-call-start", {"tool_calls": CALL}, index=0),
    cohere("tool-call-delta", {"tool_calls": {"function": {"arguments": '{"city": 1}'}}}, index=0),
    cohere("tool-call-end", index=0),
]
END = {"type": "message-end", "delta": {"finish_reason": "COMPLETE", "usage": TOKENS}}


def test_cohere():
    """Text, plan and tool calls are put together, and the tokens counted."""
    session = stream([*PARTS, *CALLED, END])
    message = session.outputs["message"]
    assert message["role"] == "assistant"
    assert message["content"] == [{"type": "text", "text": "Good day"}]
    assert message["tool_plan"] == "I look."
    assert message["tool_calls"][0]["function"] == {"name": "weather", "arguments": '{"city": 1}'}
    assert session.metadata["finish_reason"] == "COMPLETE"
    assert session.metrics["total_tokens"] == 7
    assert session.metrics["chunks"] == 10


def test_cohere_twice_and_other_events():
    """Each message is one item; an event of another kind ends it."""
    other = {"type": "other"}
    first, second, third = stream([*PARTS, END, *PARTS[:3], other]).outputs["result"]
    assert first["message"]["content"][0]["text"] == "Good day"
    assert second["message"]["content"][0]["text"] == "Good "
    assert third == other


def test_cohere_version_1():
    """The last event repeats the whole answer; without it, the text so far is kept."""
    text = [{"event_type": "text-generation", "text": part} for part in ("Good ", "day")]
    begun = [{"event_type": "stream-start", "generation_id": "g"}, *text]
    whole = {"text": "Good day", "finish_reason": "COMPLETE", "meta": TOKENS}
    end = {"event_type": "stream-end", "response": whole}
    session = stream([*begun, {"event_type": "citation-generation"}, end])
    assert session.outputs == whole
    assert session.metrics["prompt_tokens"] == 5
    assert stream(begun).outputs == {"text": "Good day"}
    assert stream(text).outputs == {"result": text}


def test_llama_index():
    """Each chunk holds the whole so far, and the last one is the answer."""
    raw = {"model": "gpt-4o", "choices": [{"message": {"content": "x"}, "finish_reason": "stop"}]}
    texts = ["He", "Hell", "Hello"]
    items = [{"text": each, "delta": each[-2:], "raw": raw} for each in texts]
    session = stream(items)
    assert session.outputs == {"text": "Hello", "raw": raw}
    assert session.config["model"] == "gpt-4o"


def test_texts_that_grow():
    """Texts that begin with one another are one answer, at the size of that answer."""
    words = [f"word{number} " for number in range(400)]
    texts = ["".join(words[: number + 1]) for number in range(400)]
    session = stream(texts)
    assert session.outputs == {"result": texts[-1]}
    assert session.metrics["chunks"] == 400
    assert "truncated" not in session.metadata["honeytrace"]
    assert len(json.dumps(session.outputs)) < 5000


@pytest.mark.parametrize(
    ("texts", "result"),
    [
        (["a", "ab"], "aab"),
        (["a", "ab", "abc", "abcd"], "abcd"),
        (["a", "ab", "abc", "x"], "aababcx"),
        (["a", "a", "a"], "aaa"),
        (["", "a", "b"], "ab"),
        (["a"], "a"),
        ([], []),
        (["a", "ab", "abc", 1], ["a", "ab", "abc", 1]),
        ([1, "a", "ab", "abc"], [1, "a", "ab", "abc"]),
        (["x" * 2000, "x" * 3000, "x" * 4000], "x" * 4000),
        (["x" * 2000, "x" * 3000, "y"], "x" * 5000 + "y"),
    ],
)
def test_other_texts(texts, result):
    """Texts that only begin alike are joined as before."""
    assert stream(texts).outputs == {"result": result}
