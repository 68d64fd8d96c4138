"""Token usage and the model, found in outputs by their shape."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from honeytrace._capture.providers.usage import usage


def counts(prompt, completion, total):
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": total}


# As the providers document their answers, without what matters to nobody here.
ANSWERS = {
    "openai chat": (
        {
            "object": "chat.completion",
            "model": "gpt-4o-2024-08-06",
            "usage": {
                **counts(19, 10, 29),
                "prompt_tokens_details": {"cached_tokens": 16, "audio_tokens": 0},
            },
        },
        {**counts(19, 10, 29), "cached_tokens": 16},
    ),
    "openai responses, written to the cache": (
        {
            "model": "gpt-4o",
            "usage": {
                "input_tokens": 9,
                "output_tokens": 2,
                "total_tokens": 11,
                "input_tokens_details": {"cached_tokens": 3, "cache_write_tokens": 4},
            },
        },
        {**counts(9, 2, 11), "cached_tokens": 3, "cache_write_tokens": 4},
    ),
    "openai chat, written to the cache": (
        {
            "model": "gpt-4o",
            "usage": {**counts(9, 2, 11), "prompt_tokens_details": {"cache_write_tokens": 4}},
        },
        {**counts(9, 2, 11), "cache_write_tokens": 4},
    ),
    "openai legacy": (
        {"object": "text_completion", "model": "davinci-002", "usage": counts(5, 7, 12)},
        counts(5, 7, 12),
    ),
    "openai embeddings": (
        {
            "object": "list",
            "model": "text-embedding-3-small",
            "usage": {"prompt_tokens": 8, "total_tokens": 8},
        },
        {"prompt_tokens": 8, "total_tokens": 8},
    ),
    "openai responses": (
        {
            "object": "response",
            "model": "gpt-4o",
            "usage": {
                "input_tokens": 36,
                "input_tokens_details": {"cached_tokens": 30},
                "output_tokens": 87,
                "total_tokens": 123,
            },
        },
        {**counts(36, 87, 123), "cached_tokens": 30},
    ),
    "anthropic": (
        {
            "type": "message",
            "model": "claude-sonnet",
            "usage": {
                "input_tokens": 10,
                "cache_creation_input_tokens": 300,
                "cache_read_input_tokens": 4000,
                "output_tokens": 7,
            },
        },
        {**counts(4310, 7, 4317), "cached_tokens": 4000, "cache_write_tokens": 300},
    ),
    "anthropic without a cache": (
        {
            "model": "claude",
            "usage": {
                "input_tokens": 10,
                "cache_creation_input_tokens": None,
                "cache_read_input_tokens": None,
                "output_tokens": 7,
            },
        },
        counts(10, 7, 17),
    ),
    "groq": (
        {
            "model": "llama",
            "usage": {"queue_time": 0.09, **counts(38, 4, 42), "total_time": 0.03},
            "x_groq": {"id": "req_1"},
        },
        counts(38, 4, 42),
    ),
    "mistral": (
        {"object": "chat.completion", "model": "mistral-small", "usage": counts(16, 34, 50)},
        counts(16, 34, 50),
    ),
    "together": (
        {"model": "m", "usage": {**counts(1, 2, 3), "cached_tokens": 0}},
        {**counts(1, 2, 3), "cached_tokens": 0},
    ),
    "reasoning": (
        {
            "model": "o3",
            "usage": {**counts(1, 9, 10), "completion_tokens_details": {"reasoning_tokens": 8}},
        },
        {**counts(1, 9, 10), "reasoning_tokens": 8},
    ),
    "ollama": ({"model": "llama3.2", "usage": counts(26, 9, 35)}, counts(26, 9, 35)),
    "no total": (
        {"model": "m", "usage": {"prompt_tokens": 1, "completion_tokens": 0}},
        counts(1, 0, 1),
    ),
    "total of null": ({"model": "m", "usage": counts(1, 2, None)}, counts(1, 2, 3)),
}


@pytest.mark.parametrize("name", ANSWERS)
@pytest.mark.parametrize("wrap", [lambda answer: answer, lambda answer: {"result": answer}])
def test_usage_of_each_provider(name, wrap):
    """The tokens have OpenAI's names whoever counted them, as outputs or as the result in them."""
    answer, metrics = ANSWERS[name]
    assert usage(wrap(answer))[:2] == (metrics, {"model": answer["model"]})


@pytest.mark.parametrize(
    "counted",
    [
        None,
        "see the manual",
        [counts(1, 2, 3)],
        {},
        {"cpu": 3, "total_tokens": 3},
        {"prompt_tokens": 3},
        {"input_tokens": 3},
        {"completion_tokens": 3, "total_tokens": 3},
        counts("1", 2, 3),
        counts(1, True, 2),
        counts(1, 2, 3.0),
        counts(1, -2, 3),
        counts(None, 2, 3),
        {"input_tokens": 1, "output_tokens": 2, "cache_read_input_tokens": "4"},
    ],
)
def test_other_usage(counted):
    """A value called `usage` that does not hold token counts gives no metrics and no model."""
    assert usage({"usage": counted, "model": "gpt-4o"}) == ({}, {}, {})


@pytest.mark.parametrize("model", [None, "", 4, {"name": "gpt-4o"}])
def test_other_model(model):
    """A model that is not a name is left out."""
    assert usage({"usage": counts(1, 2, 3), "model": model}) == (counts(1, 2, 3), {}, {})


def test_no_deeper():
    """An answer further down, or among others, is data of the user's."""
    answer = {"model": "m", "usage": counts(1, 2, 3)}
    assert usage({"result": {"result": answer}, "answer": answer, "all": [answer]}) == ({}, {}, {})


def test_outputs_first():
    """The outputs themselves go before what is in them."""
    answer = {"model": "outer", "usage": counts(1, 2, 3)}
    inner = {"model": "inner", "usage": counts(4, 5, 9)}
    assert usage({**answer, "result": inner})[1] == {"model": "outer"}


NAMES = ["usage", "model", "result", "total_tokens", *counts(0, 0, 0)]
NAMES += ["input_tokens", "output_tokens", "cache_read_input_tokens"]


def objects(values):
    return st.dictionaries(st.sampled_from(NAMES), values, max_size=6)


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 9) | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | objects(inner),
)


@given(objects(PLAIN | objects(PLAIN)))
def test_any_outputs(outputs):
    """Whatever is in the outputs, the metrics are counts and the outputs are left alone."""
    before = json.dumps(outputs)
    metrics, _, _ = usage(outputs)
    assert all(type(count) is int and count >= 0 for count in metrics.values())
    assert "total_tokens" in metrics or not metrics
    assert json.dumps(outputs) == before
