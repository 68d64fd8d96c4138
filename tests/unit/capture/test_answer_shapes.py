"""Answers of many providers and frameworks: what they say is found by their shape."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pydantic
import pytest

from honeytrace import trace_session
from honeytrace._capture.providers.answers import read_answer
from honeytrace._capture.providers.embeddings import describe_vector, without_vectors
from honeytrace.testing import capture_sessions

CALL = {"type": "function", "function": {"name": "weather", "arguments": '{"city": "Paris"}'}}
WITH_ID = {"id": "call_1", **CALL}
COUNTS = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}

# The answer as plain data, and what it says: model, reason, content, and more of the message.
ANSWERS: dict[str, tuple[dict[str, Any], tuple[Any, ...], dict[str, Any]]] = {
    "openai chat": (
        {
            "object": "chat.completion",
            "model": "gpt-4o",
            "choices": [
                {"message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop"}
            ],
            "usage": COUNTS,
        },
        ("gpt-4o", "stop", "Hi"),
        {},
    ),
    "openai tools": (
        {
            "model": "gpt-4o",
            "choices": [
                {
                    "message": {"role": "assistant", "content": None, "tool_calls": [WITH_ID]},
                    "finish_reason": "tool_calls",
                }
            ],
            "usage": COUNTS,
        },
        ("gpt-4o", "tool_calls", None),
        {"tool_calls": [WITH_ID]},
    ),
    "openai function call": (
        {
            "model": "gpt-3.5",
            "choices": [{"message": {"function_call": CALL["function"], "refusal": "No"}}],
            "usage": COUNTS,
        },
        ("gpt-3.5", None, None),
        {"tool_calls": [CALL], "refusal": "No"},
    ),
    "deepseek": (
        {
            "model": "deepseek-r1",
            "choices": [{"message": {"content": "Hi", "reasoning_content": "Hm"}}],
            "usage": {**COUNTS, "prompt_cache_hit_tokens": 3},
        },
        ("deepseek-r1", None, "Hi"),
        {"reasoning": "Hm", "cached_tokens": 3},
    ),
    "openrouter": (
        {
            "model": "m",
            "choices": [{"message": {"content": "Hi", "reasoning": "Hm"}}],
            "usage": {**COUNTS, "cost": 0.5},
        },
        ("m", None, "Hi"),
        {"reasoning": "Hm", "cost": 0.5},
    ),
    "groq stream": (
        {"model": "m", "choices": [{"text": "Hi"}], "x_groq": {"usage": COUNTS}},
        ("m", None, "Hi"),
        {},
    ),
    "openai response": (
        {
            "object": "response",
            "status": "completed",
            "model": "gpt-4o",
            "output": [
                {"type": "reasoning", "summary": [{"type": "summary_text", "text": "Hm"}]},
                {
                    "type": "message",
                    "role": "assistant",
                    "content": [
                        {"type": "output_text", "text": "Hi"},
                        {"type": "refusal", "refusal": "No"},
                    ],
                },
                {
                    "type": "function_call",
                    "call_id": "call_1",
                    "name": "weather",
                    "arguments": '{"city": "Paris"}',
                },
            ],
            "usage": {
                "input_tokens": 10,
                "input_tokens_details": {"cached_tokens": 4},
                "output_tokens": 5,
                "output_tokens_details": {"reasoning_tokens": 2},
                "total_tokens": 15,
            },
        },
        ("gpt-4o", "completed", "Hi"),
        {
            "tool_calls": [WITH_ID],
            "reasoning": "Hm",
            "refusal": "No",
            "cached_tokens": 4,
            "reasoning_tokens": 2,
        },
    ),
    "openai response cut off": (
        {
            "object": "response",
            "status": "incomplete",
            "incomplete_details": {"reason": "max_output_tokens"},
            "model": "gpt-4o",
            "output": [],
            "usage": {"input_tokens": 10, "output_tokens": 5},
        },
        ("gpt-4o", "max_output_tokens", None),
        {},
    ),
    "anthropic": (
        {
            "type": "message",
            "role": "assistant",
            "model": "claude-4",
            "content": [
                {"type": "thinking", "thinking": "Hm", "signature": "s"},
                {"type": "redacted_thinking", "data": "x"},
                {"type": "text", "text": "H"},
                {"type": "text", "text": "i"},
                {"type": "tool_use", "id": "call_1", "name": "weather", "input": {"city": "Paris"}},
            ],
            "stop_reason": "tool_use",
            "usage": {
                "input_tokens": 3,
                "cache_read_input_tokens": 6,
                "cache_creation_input_tokens": 1,
                "output_tokens": 5,
            },
        },
        ("claude-4", "tool_use", "Hi"),
        {
            "tool_calls": [WITH_ID],
            "reasoning": "Hm",
            "cached_tokens": 6,
            "cache_write_tokens": 1,
        },
    ),
    "anthropic before messages": (
        {
            "completion": "Hi",
            "model": "claude-2",
            "stop_reason": "stop_sequence",
            "usage": {"input_tokens": 10, "output_tokens": 5},
        },
        ("claude-2", "stop_sequence", "Hi"),
        {},
    ),
    "langchain": (
        {
            "content": "Hi",
            "type": "ai",
            "response_metadata": {"model_name": "gpt-4o", "finish_reason": "stop"},
            "tool_calls": [{"name": "weather", "args": {"city": "Paris"}, "id": "call_1"}],
            "usage_metadata": {
                "input_tokens": 10,
                "output_tokens": 5,
                "total_tokens": 15,
                "input_token_details": {"cache_read": 4, "cache_creation": 1},
                "output_token_details": {"reasoning": 2},
            },
        },
        ("gpt-4o", "stop", "Hi"),
        {
            "tool_calls": [WITH_ID],
            "cached_tokens": 4,
            "cache_write_tokens": 1,
            "reasoning_tokens": 2,
        },
    ),
    "langchain without usage_metadata": (
        {
            "content": "Hi",
            "response_metadata": {"model": "m", "stop_reason": "end", "token_usage": COUNTS},
        },
        ("m", "end", "Hi"),
        {},
    ),
    "langchain result": (
        {
            "generations": [[{"text": "Hi", "generation_info": {}}]],
            "llm_output": {"token_usage": COUNTS, "model_name": "davinci"},
        },
        ("davinci", None, "Hi"),
        {},
    ),
    "langchain chat result": (
        {
            "generations": [
                {"message": {"content": "Hi", "response_metadata": {"model_name": "gpt-4o"}}}
            ],
            "llm_output": {"token_usage": COUNTS},
        },
        ("gpt-4o", None, "Hi"),
        {},
    ),
    "gemini": (
        {
            "model_version": "gemini-2",
            "candidates": [
                {
                    "content": {
                        "role": "model",
                        "parts": [
                            {"text": "Hm", "thought": True},
                            {"text": "Hi"},
                            {"function_call": {"name": "weather", "args": {"city": "Paris"}}},
                        ],
                    },
                    "finish_reason": "STOP",
                }
            ],
            "usage_metadata": {
                "prompt_token_count": 10,
                "candidates_token_count": 3,
                "thoughts_token_count": 2,
                "total_token_count": 15,
                "cached_content_token_count": 4,
            },
        },
        ("gemini-2", "STOP", "Hi"),
        {"tool_calls": [CALL], "reasoning": "Hm", "cached_tokens": 4, "reasoning_tokens": 2},
    ),
    "gemini by HTTP": (
        {
            "modelVersion": "gemini-2",
            "candidates": [{"content": {"parts": [{"text": "Hi"}]}, "finishReason": "STOP"}],
            "usageMetadata": {
                "promptTokenCount": 10,
                "candidatesTokenCount": 5,
                "totalTokenCount": 15,
            },
        },
        ("gemini-2", "STOP", "Hi"),
        {},
    ),
    "bedrock converse": (
        {
            "output": {
                "message": {
                    "role": "assistant",
                    "content": [
                        {"reasoningContent": {"reasoningText": {"text": "Hm"}}},
                        {"text": "Hi"},
                        {
                            "toolUse": {
                                "toolUseId": "call_1",
                                "name": "weather",
                                "input": {"city": "Paris"},
                            }
                        },
                    ],
                }
            },
            "stopReason": "tool_use",
            "usage": {
                "inputTokens": 3,
                "outputTokens": 5,
                "totalTokens": 15,
                "cacheReadInputTokens": 7,
            },
            "ResponseMetadata": {"RequestId": "req_1"},
        },
        (None, "tool_use", "Hi"),
        {"tool_calls": [WITH_ID], "reasoning": "Hm", "cached_tokens": 7},
    ),
    "bedrock titan": (
        {
            "inputTextTokenCount": 10,
            "results": [{"outputText": "Hi", "tokenCount": 5, "completionReason": "FINISH"}],
        },
        (None, "FINISH", "Hi"),
        {},
    ),
    "bedrock llama": (
        {
            "generation": "Hi",
            "prompt_token_count": 10,
            "generation_token_count": 5,
            "stop_reason": "stop",
        },
        (None, "stop", "Hi"),
        {},
    ),
    "watsonx": (
        {
            "model_id": "granite",
            "results": [
                {
                    "generated_text": "Hi",
                    "input_token_count": 10,
                    "generated_token_count": 5,
                    "stop_reason": "eos",
                }
            ],
        },
        ("granite", "eos", "Hi"),
        {},
    ),
    "llama.cpp": (
        {"model": "m", "content": "Hi", "tokens_evaluated": 10, "tokens_predicted": 5},
        ("m", None, "Hi"),
        {},
    ),
    "ollama chat": (
        {
            "model": "llama3",
            "message": {
                "role": "assistant",
                "content": "Hi",
                "thinking": "Hm",
                "tool_calls": [{"function": {"name": "weather", "arguments": {"city": "Paris"}}}],
            },
            "done": True,
            "done_reason": "stop",
            "prompt_eval_count": 10,
            "eval_count": 5,
        },
        ("llama3", "stop", "Hi"),
        {"tool_calls": [CALL], "reasoning": "Hm"},
    ),
    "ollama generate": (
        {
            "model": "llama3",
            "response": "Hi",
            "done": True,
            "prompt_eval_count": 10,
            "eval_count": 5,
        },
        ("llama3", None, "Hi"),
        {},
    ),
    "cohere": (
        {
            "finish_reason": "COMPLETE",
            "message": {"role": "assistant", "content": [{"type": "text", "text": "Hi"}]},
            "usage": {
                "billed_units": {"input_tokens": 1.0, "output_tokens": 1.0},
                "tokens": {"input_tokens": 10.0, "output_tokens": 5.0},
                "cached_tokens": 4.0,
            },
        },
        (None, "COMPLETE", "Hi"),
        {"cached_tokens": 4},
    ),
    "cohere before version 2": (
        {
            "text": "Hi",
            "finish_reason": "COMPLETE",
            "meta": {"billed_units": {"input_tokens": 10, "output_tokens": 5}},
        },
        (None, "COMPLETE", "Hi"),
        {},
    ),
    "llama index": (
        {
            "message": {"role": "assistant", "blocks": [{"block_type": "text", "text": "Hi"}]},
            "raw": {
                "model": "gpt-4o",
                "choices": [{"message": {"content": "Hi"}, "finish_reason": "stop"}],
                "usage": COUNTS,
            },
            "additional_kwargs": {},
        },
        ("gpt-4o", "stop", "Hi"),
        {},
    ),
    "llama index completion": (
        {"text": "Hi", "raw": None, "additional_kwargs": COUNTS},
        (None, None, "Hi"),
        {},
    ),
    "haystack": (
        {
            "replies": [
                {
                    "_role": "assistant",
                    "_content": [{"text": "Hi"}],
                    "_meta": {"model": "gpt-4o", "finish_reason": "stop", "usage": COUNTS},
                }
            ]
        },
        ("gpt-4o", "stop", "Hi"),
        {},
    ),
    "haystack message": (
        {
            "_role": "assistant",
            "_content": [{"text": "Hi"}],
            "_meta": {"model": "gpt-4o", "finish_reason": "stop", "usage": COUNTS},
        },
        ("gpt-4o", "stop", "Hi"),
        {},
    ),
    "haystack texts": (
        {"replies": ["Hi"], "meta": [{"model": "gpt-4o", "usage": COUNTS}]},
        ("gpt-4o", None, "Hi"),
        {},
    ),
    "pydantic-ai": (
        {
            "parts": [
                {"part_kind": "thinking", "content": "Hm"},
                {"part_kind": "text", "content": "Hi"},
                {
                    "part_kind": "tool-call",
                    "tool_name": "weather",
                    "args": '{"city": "Paris"}',
                    "tool_call_id": "call_1",
                },
            ],
            "model_name": "gpt-4o",
            "finish_reason": "stop",
            "usage": {"input_tokens": 10, "cache_read_tokens": 4, "output_tokens": 5},
        },
        ("gpt-4o", "stop", "Hi"),
        {"tool_calls": [WITH_ID], "reasoning": "Hm", "cached_tokens": 4},
    ),
    "openai-agents": (
        {
            "output": [
                {
                    "type": "message",
                    "role": "assistant",
                    "content": [{"type": "output_text", "text": "Hi"}],
                }
            ],
            "usage": {"requests": 1, "input_tokens": 10, "output_tokens": 5, "total_tokens": 15},
            "response_id": None,
        },
        (None, None, "Hi"),
        {},
    ),
    "smolagents": (
        {
            "role": "assistant",
            "content": [{"type": "text", "text": "Hi"}],
            "token_usage": {"input_tokens": 10, "output_tokens": 5},
        },
        (None, None, "Hi"),
        {},
    ),
    "hugging face": (
        {
            "generated_text": "Hi",
            "details": {"finish_reason": "length", "generated_tokens": 5},
        },
        (None, "length", "Hi"),
        {"prompt_tokens": None, "total_tokens": None},
    ),
}


# Answers whose text and counts have fixed places, which `layouts.py` lists.
HELD: dict[str, tuple[dict[str, Any], tuple[Any, ...], dict[str, Any]]] = {
    "dashscope": (
        {
            "output": {
                "text": None,
                "choices": [{"finish_reason": "stop", "message": {"content": "Hi"}}],
            },
            "usage": {"input_tokens": 10, "output_tokens": 5, "total_tokens": 15},
        },
        (None, "stop", "Hi"),
        {},
    ),
    "dashscope text": (
        {
            "output": {"text": "Hi", "finish_reason": "stop", "choices": None},
            "usage": {"input_tokens": 10, "output_tokens": 5, "total_tokens": 15},
        },
        (None, "stop", "Hi"),
        {},
    ),
    "cloudflare": (
        {
            "response": "Hi",
            "usage": COUNTS,
            "tool_calls": [{"name": "weather", "arguments": {"city": "Paris"}}],
        },
        (None, None, "Hi"),
        {"tool_calls": [CALL]},
    ),
    "replicate": (
        {
            "model": "meta/llama",
            "status": "succeeded",
            "output": ["H", "i"],
            "urls": {},
            "metrics": {"predict_time": 1.5, "input_token_count": 10, "output_token_count": 5},
        },
        ("meta/llama", "succeeded", "Hi"),
        {},
    ),
    "vertex predict": (
        {
            "predictions": [{"content": "Hi"}],
            "metadata": {
                "tokenMetadata": {
                    "inputTokenCount": {"totalTokens": 10},
                    "outputTokenCount": {"totalTokens": 5},
                }
            },
        },
        (None, None, "Hi"),
        {},
    ),
    "xai": (
        {
            "model": "grok",
            "outputs": [
                {
                    "finish_reason": "REASON_STOP",
                    "message": {
                        "role": "ROLE_ASSISTANT",
                        "content": "Hi",
                        "reasoning_content": "Hm",
                        "tool_calls": [WITH_ID],
                    },
                }
            ],
            "usage": {**COUNTS, "reasoning_tokens": 2, "cached_prompt_text_tokens": 3},
        },
        ("grok", "REASON_STOP", "Hi"),
        {"reasoning": "Hm", "tool_calls": [WITH_ID], "reasoning_tokens": 2, "cached_tokens": 3},
    ),
    "vllm": (
        {"outputs": [{"text": "Hi", "finish_reason": "stop"}], "usage": COUNTS},
        (None, "stop", "Hi"),
        {},
    ),
    "mistral agents": (
        {
            "outputs": [
                {"type": "message.output", "role": "assistant", "content": "Hi"},
                {
                    "type": "function.call",
                    "tool_call_id": "call_1",
                    "name": "weather",
                    "arguments": '{"city": "Paris"}',
                },
            ],
            "usage": COUNTS,
        },
        (None, None, "Hi"),
        {"tool_calls": [WITH_ID]},
    ),
    "gemini interaction": (
        {
            "model": "gemini-3",
            "status": "completed",
            "steps": [
                {"type": "thought", "summary": [{"type": "text", "text": "Hm"}]},
                {"type": "model_output", "content": [{"type": "text", "text": "Hi"}]},
            ],
            "usage": {
                "total_input_tokens": 10,
                "total_output_tokens": 4,
                "total_thought_tokens": 1,
                "total_cached_tokens": 2,
                "total_tokens": 15,
            },
        },
        ("gemini-3", "completed", "Hi"),
        {"reasoning": "Hm", "reasoning_tokens": 1, "cached_tokens": 2},
    ),
    "watsonx chat": (
        {"model_id": "granite", "choices": [{"message": {"content": "Hi"}}], "usage": COUNTS},
        ("granite", None, "Hi"),
        {},
    ),
    "custom tool": (
        {
            "model": "gpt-5",
            "choices": [
                {"message": {"tool_calls": [{"custom": {"name": "weather", "input": "Paris"}}]}}
            ],
            "usage": COUNTS,
        },
        ("gpt-5", None, None),
        {
            "tool_calls": [
                {"type": "function", "function": {"name": "weather", "arguments": "Paris"}}
            ]
        },
    ),
    "spoken answer": (
        {
            "model": "gpt-audio",
            "choices": [{"message": {"content": None, "audio": {"transcript": "Hi"}}}],
            "usage": COUNTS,
        },
        ("gpt-audio", None, "Hi"),
        {},
    ),
    "mistral thinking": (
        {
            "model": "magistral",
            "choices": [
                {
                    "message": {
                        "content": [
                            {"type": "thinking", "thinking": [{"type": "text", "text": "Hm"}]},
                            {"type": "text", "text": "Hi"},
                        ]
                    }
                }
            ],
            "usage": COUNTS,
        },
        ("magistral", None, "Hi"),
        {"reasoning": "Hm"},
    ),
    "google-generativeai": (
        {
            "candidates": [{"content": {"parts": [{"text": "Hi"}]}, "finish_reason": 2}],
            "usage_metadata": {"prompt_token_count": 10, "candidates_token_count": 5},
        },
        (None, "MAX_TOKENS", "Hi"),
        {},
    ),
    "cohere tools": (
        {
            "text": "Hi",
            "tool_calls": [{"name": "weather", "parameters": {"city": "Paris"}}],
            "meta": {"tokens": None, "billed_units": {"input_tokens": 10, "output_tokens": 5}},
        },
        (None, None, "Hi"),
        {"tool_calls": [CALL]},
    ),
    "langchain on bedrock": (
        {
            "content": "Hi",
            "response_metadata": {"stopReason": "end_turn", "model_name": "nova"},
            "usage_metadata": {"input_tokens": 10, "output_tokens": 5},
        },
        ("nova", "end_turn", "Hi"),
        {},
    ),
    "langchain generation": (
        {
            "text": "Hi",
            "generation_info": None,
            "message": {
                "content": "Hi",
                "response_metadata": {"model_name": "gpt-4o", "finish_reason": "stop"},
                "usage_metadata": {"input_tokens": 10, "output_tokens": 5},
            },
        },
        ("gpt-4o", "stop", "Hi"),
        {},
    ),
    "haystack message as dict": (
        {
            "role": "assistant",
            "content": [
                {"text": "Hi"},
                {
                    "tool_call": {
                        "id": "call_1",
                        "tool_name": "weather",
                        "arguments": {"city": "Paris"},
                    }
                },
            ],
            "meta": {"model": "gpt-4o", "finish_reason": "stop", "usage": COUNTS},
        },
        ("gpt-4o", "stop", "Hi"),
        {"tool_calls": [WITH_ID]},
    ),
}
ANSWERS |= HELD


@pytest.mark.parametrize("name", ANSWERS)
@pytest.mark.parametrize("wrap", [lambda answer: answer, lambda answer: {"result": answer}])
def test_answer(name, wrap):
    body, (model, reason, content), more = ANSWERS[name]
    before = json.dumps(body)
    answer = read_answer(wrap(body))
    assert (answer.model, answer.finish_reason) == (model, reason)
    message = answer.messages[0].as_object()
    assert (message["role"], message["content"]) == ("assistant", content)
    for name in ("tool_calls", "reasoning", "refusal"):
        assert message.get(name) == more.get(name)
    counted = {key: n for key, n in more.items() if key.endswith("tokens")}
    wanted = {key: n for key, n in {**COUNTS, **counted}.items() if n is not None}
    assert answer.usage == wanted
    assert answer.cost == more.get("cost")
    assert json.dumps(body) == before


NO_MESSAGE: dict[str, tuple[dict[str, Any], str | None]] = {
    "openai embeddings": (
        {"object": "list", "model": "e", "usage": {"prompt_tokens": 10, "total_tokens": 10}},
        "e",
    ),
    "ollama embeddings": ({"model": "e", "embeddings": [[0.1]], "prompt_eval_count": 10}, "e"),
    "haystack embeddings": (
        {
            "embedding": [0.1],
            "meta": {"model": "e", "usage": {"prompt_tokens": 10, "total_tokens": 10}},
        },
        "e",
    ),
    "voyage": (
        {"model": "e", "data": [{"embedding": [0.1]}], "usage": {"total_tokens": 10}},
        "e",
    ),
    "voyage's object": ({"embeddings": [[0.1]], "total_tokens": 10}, None),
    "jina's ranking": (
        {"model": "r", "results": [{"relevance_score": 0.5}], "usage": {"total_tokens": 10}},
        "r",
    ),
    "cohere's ranking": (
        {"results": [{"relevance_score": 0.5}], "meta": {"tokens": {"input_tokens": 10}}},
        None,
    ),
    "no rank": ({"model": "r", "results": [], "usage": {"total_tokens": 10}}, "r"),
    "dspy, one model": ({"answer": "Hi", "_lm_usage": {"openai/gpt-4o": COUNTS}}, "openai/gpt-4o"),
    "crewai": ({"raw": "Hi", "token_usage": {**COUNTS, "cached_prompt_tokens": 2}}, None),
    "counts of a role": ({"role": "assistant", "usage": COUNTS}, None),
    "dspy": ({"_store": {"answer": "Hi"}, "_lm_usage": {"gpt-4o": COUNTS, "o3": COUNTS}}, None),
    "dspy history": (
        {"messages": [], "outputs": ["Hi"], "usage": COUNTS, "cost": 0.5, "model": "gpt-4o"},
        "gpt-4o",
    ),
}


@pytest.mark.parametrize("name", NO_MESSAGE)
def test_without_message(name):
    body, model = NO_MESSAGE[name]
    answer = read_answer(body)
    assert (answer.model, answer.messages) == (model, [])
    assert answer.usage["prompt_tokens"] == (20 if name == "dspy" else 10)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"choices": []},
        {"choices": [{"delta": {}}]},
        {"choices": "a b", "model": "m"},
        {"type": "message", "content": "text"},
        {"generations": [[{"score": 1}]]},
        {"generations": []},
        {"candidates": [{"name": "Ann"}]},
        {"output": {"message": "text"}},
        {"done": True},
        {"message": {"content": "text"}, "usage": {"tokens": 5}},
        {"replies": ["Hi"], "meta": None},
        {"results": [{"score": 1}]},
        {"generated_text": "Hi"},
        {"raw": {}, "message": "text"},
        {"parts": [], "usage": {}},
        {"output": {"choices": [{"message": "Hi"}]}},
        {"outputs": [{"text": 5}]},
        {"outputs": [{"type": "a"}, 5], "usage": None},
        {"steps": {"0": {"type": "a"}}, "usage": {"total_input_tokens": 5}},
        {"output": ["a", 5], "urls": {}, "metrics": {}},
        {"meta": {"usage": COUNTS}},
        {"results": [{"relevance_score": 0.5}], "usage": {"total_tokens": None}},
        {"result": [{"choices": [{"message": {}}], "usage": COUNTS}] * 2},
        {"result": [{"a": 1}] * 20},
    ],
)
def test_other_data(body):
    """Data that only resembles an answer says nothing."""
    assert read_answer(body) is None


@pytest.mark.parametrize("beside", [[], [0.25], [{"city": "Paris"}, None]])
def test_in_a_list(beside):
    """The answer may stand in a tuple beside something else, and LangChain's under `raw`."""
    answer = {"model": "gpt-4o", "choices": [{"message": {"content": "Hi"}}], "usage": COUNTS}
    assert read_answer({"result": [*beside, answer]}).usage == COUNTS
    assert read_answer({"raw": answer, "parsed": {}}).usage == COUNTS


def test_refused_prompt():
    """Gemini says apart why it does not answer a question."""
    body = {
        "promptFeedback": {"blockReason": "SAFETY"},
        "usageMetadata": {"promptTokenCount": 10, "totalTokenCount": 10},
    }
    assert read_answer(body).finish_reason == "SAFETY"


def test_reason_of_llama_cpp():
    body = {"content": "Hi", "tokens_evaluated": 10, "tokens_predicted": 5, "stop_type": "eos"}
    assert read_answer(body).finish_reason == "eos"


def test_no_counts():
    """Hugging Face's servers may give the reason without the number of tokens."""
    answer = read_answer({"generated_text": "Hi", "details": {"finish_reason": "length"}})
    assert (answer.finish_reason, answer.usage) == ("length", {})


def test_parts_that_are_not_text():
    """An image in the answer stays, beside the text."""
    parts = [{"type": "text", "text": "See"}, {"type": "image_url", "image_url": {"url": "u"}}, 5]
    answer = read_answer({"choices": [{"message": {"content": parts}}]})
    assert answer.messages[0].content == parts
    odd = read_answer({"choices": [{"message": {"content": "a", "tool_calls": [5]}}]})
    assert odd.messages[0].tool_calls == []
    hidden = [{"type": "thinking", "signature": "c2ln"}, {"type": "text", "text": "a"}]
    assert read_answer({"choices": [{"message": {"content": hidden}}]}).messages[0].content == "a"
    strings = read_answer({"choices": [{"message": {"content": ["a", "b"]}}]})
    assert strings.messages[0].content == "ab"


def as_objects(value):
    """The same data as objects of classes, as an SDK returns it."""
    if isinstance(value, list):
        return [as_objects(each) for each in value]
    if not isinstance(value, dict) or not all(key.isidentifier() for key in value):
        return value
    made = type("Part", (), {})()
    vars(made).update({key: as_objects(each) for key, each in value.items()})
    return made


def as_dataclass(value):
    fields = [(key, Any) for key in value]
    return dataclasses.make_dataclass("Answer", fields)(*value.values())


def as_model(value):
    kind = pydantic.create_model("Answer", **dict.fromkeys(value, (Any, ...)))
    return kind(**value)


@pytest.mark.parametrize("make", [dict, as_dataclass, as_model], ids=lambda make: make.__name__)
@pytest.mark.parametrize("name", [name for name in ANSWERS if not name.startswith("haystack m")])
def test_objects(name, make):
    """A plain decorator finds the same in dicts and in the objects of an SDK."""
    body, (model, reason, _), _ = ANSWERS[name]
    if make is as_model and any(key.startswith(("_", "model_")) for key in body):
        pytest.skip("not a name that pydantic takes")
    with capture_sessions() as sessions:
        trace_session(lambda: make(body))()
    session = sessions.one()
    assert session.config.get("model") == model
    assert session.metadata.get("finish_reason") == reason
    assert session.metrics["completion_tokens"] == 5
    assert session.metadata["completion_tokens"] == 5


@pytest.mark.parametrize("beside", [{}, {"question": "Hi?", "hits": [1]}, {"meta": {"usage": {}}}])
@pytest.mark.parametrize("make", [dict, as_model], ids=lambda make: make.__name__)
def test_in_a_dict(make, beside):
    """A function may return the answer under a key of its own, as data or as the SDK's object."""
    body, (model, reason, _), _ = ANSWERS["openai chat"]
    with capture_sessions() as sessions:
        trace_session(lambda: {**beside, "response": make(body)})()
    session = sessions.one()
    assert (session.config["model"], session.metadata["finish_reason"]) == (model, reason)
    assert session.metrics["completion_tokens"] == 5


def test_several_in_a_dict():
    """Of two answers, neither is that of the function."""
    body = ANSWERS["openai chat"][0]
    assert read_answer({"draft": body, "final": body}) is None


PLAIN = [
    "openai chat",
    "anthropic",
    "openai response",
    *(
        name
        for name in ANSWERS
        if name.startswith(("gemini", "ollama", "cohere", "llama-index", "llama index"))
    ),
]


@pytest.mark.parametrize("name", PLAIN)
def test_plain_objects(name):
    """So do objects without fields that their class declares."""
    with capture_sessions() as sessions:
        trace_session(lambda: as_objects(ANSWERS[name][0]))()
    assert sessions.one().metrics["completion_tokens"] == 5


@pytest.mark.parametrize(
    ("vector", "described"),
    [
        ([0.6, 0.8], {"length": 2, "norm": 1.0}),
        ("mpkZP83MTD8=", {"length": 2, "norm": 1.0}),
        ([0.1, 0.2, "[5 more items]"], {"length": 7}),
        (["a"], ["a"]),
        ("not base64", "not base64"),
        (None, None),
    ],
)
def test_vector(vector, described):
    assert describe_vector(vector) == described


DESCRIBED = {"length": 2, "norm": 1.0}


@pytest.mark.parametrize(
    ("body", "described"),
    [
        (
            {"data": [{"embedding": [0.6, 0.8]}], "usage": {"prompt_tokens": 3, "total_tokens": 3}},
            {"data": [{"embedding": DESCRIBED}]},
        ),
        (
            {"embeddings": [[0.6, 0.8]], "model": "e", "prompt_eval_count": 3, "eval_count": None},
            {"embeddings": [DESCRIBED]},
        ),
        (
            {
                "embeddings": {"float": [[0.6, 0.8], None], "int8": None},
                "meta": {"billed_units": {"input_tokens": 3.0}},
            },
            {"embeddings": {"float": [DESCRIBED, None], "int8": None}},
        ),
    ],
    ids=["openai", "ollama", "cohere"],
)
def test_embeddings_of_a_plain_function(body, described):
    """Nobody reads their numbers: the session has the length and norm, and the tokens."""
    with capture_sessions() as sessions:
        trace_session(lambda: body, name="embed")()
    session = sessions.one()
    assert {name: session.outputs[name] for name in described} == described
    assert session.metrics["prompt_tokens"] == session.metrics["total_tokens"] == 3


def test_many_vectors():
    """Only the first ones get a norm, which takes time."""
    body = without_vectors({"data": [{"embedding": [1.0]} for _ in range(10)] + [{"embedding": 5}]})
    assert body["data"][7] == {"embedding": {"length": 1, "norm": 1.0}}
    assert body["data"][8] == {"embedding": {"length": 1}}
    assert body["data"][10] == {"embedding": 5}
    assert without_vectors([1]) == [1]
