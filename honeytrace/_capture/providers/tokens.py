"""Read token counts, which each provider calls by other names."""

from __future__ import annotations

from typing import Any, NamedTuple

from honeytrace._utils.json import Json


class _Names(NamedTuple):
    """The names of one provider's counts. A dot leads into an object.

    Attributes:
        prompt: the tokens sent.
        completion: the tokens of the answer.
        total: both together.
        cached: prompt tokens that were read from a cache, and are part of `prompt`.
        written: prompt tokens that were written to a cache, and are part of `prompt`.
        reasoning: tokens of the reasoning, which are part of `completion`.
        cached_apart, written_apart, reasoning_apart: the names of these counts where the provider
            does not include them in `prompt` or `completion`.
    """

    prompt: str
    completion: str
    total: str = "total_tokens"
    cached: tuple[str, ...] = ()
    written: tuple[str, ...] = ()
    reasoning: tuple[str, ...] = ()
    cached_apart: str = ""
    written_apart: str = ""
    reasoning_apart: str = ""


_STYLES = (
    _Names(  # OpenAI's chat and those who follow it; DeepSeek, Together, CrewAI
        *("prompt_tokens", "completion_tokens"),
        cached=(
            *("prompt_tokens_details.cached_tokens", "prompt_cache_hit_tokens"),
            *("cached_tokens", "cached_prompt_tokens", "cache_read_input_tokens"),
            "cached_prompt_text_tokens",  # xAI
        ),
        written=(
            "prompt_tokens_details.cache_write_tokens",
            *("prompt_tokens_details.cache_creation_tokens", "cache_creation_input_tokens"),
        ),
        reasoning=("completion_tokens_details.reasoning_tokens", "reasoning_tokens"),
    ),
    # OpenAI's responses, LangChain, pydantic-ai, and Anthropic: "Total input tokens in a request
    # is the summation of `input_tokens`, `cache_creation_input_tokens`, and
    # `cache_read_input_tokens`."
    _Names(
        *("input_tokens", "output_tokens"),
        cached=(
            *("input_tokens_details.cached_tokens", "input_token_details.cache_read"),
            "cache_read_tokens",
        ),
        written=(
            *("input_tokens_details.cache_write_tokens", "input_token_details.cache_creation"),
            "cache_write_tokens",
        ),
        reasoning=(
            *("output_tokens_details.reasoning_tokens", "output_token_details.reasoning"),
            *("output_tokens_details.thinking_tokens", "details.reasoning_tokens"),
        ),
        cached_apart="cache_read_input_tokens",
        written_apart="cache_creation_input_tokens",
    ),
    _Names(  # Gemini
        *("prompt_token_count", "candidates_token_count", "total_token_count"),
        cached=("cached_content_token_count",),
        reasoning_apart="thoughts_token_count",
    ),
    _Names(
        *("promptTokenCount", "candidatesTokenCount", "totalTokenCount"),
        cached=("cachedContentTokenCount",),
        reasoning_apart="thoughtsTokenCount",
    ),
    _Names(  # Bedrock
        *("inputTokens", "outputTokens", "totalTokens"),
        cached_apart="cacheReadInputTokens",
        written_apart="cacheWriteInputTokens",
    ),
    _Names(  # Bedrock, beside the answer of any model
        *("inputTokenCount", "outputTokenCount"),
        cached_apart="cacheReadInputTokenCount",
        written_apart="cacheWriteInputTokenCount",
    ),
    _Names("prompt_eval_count", "eval_count"),  # Ollama
    _Names("prompt_token_count", "generation_token_count"),  # Llama on Bedrock
    _Names("input_token_count", "generated_token_count"),  # watsonx
    _Names("input_token_count", "output_token_count"),  # Replicate
    _Names(  # Gemini's interactions
        *("total_input_tokens", "total_output_tokens"),
        cached=("total_cached_tokens",),
        reasoning_apart="total_thought_tokens",
    ),
    _Names("tokens_evaluated", "tokens_predicted"),  # llama.cpp
)


def tokens(counts: object) -> dict[str, int]:
    """Return the counts under our names; nothing if one of them is not a count.

    The names are `prompt_tokens` with those from a cache, `completion_tokens` with the reasoning,
    `total_tokens`, and of these `cached_tokens`, `cache_write_tokens` and `reasoning_tokens`.
    """
    if type(counts) is not dict:
        return {}
    for names in _STYLES:
        known = names.completion in counts or names.total in counts
        if counts.get(names.prompt) is not None and known:
            return _read(counts, names)
    return {}


def _read(counts: Json, names: _Names) -> dict[str, int]:
    plain = [counts.get(name) for name in (names.prompt, names.completion, names.total)]
    apart = [
        counts.get(name)
        for name in (names.cached_apart, names.written_apart, names.reasoning_apart)
    ]
    if not all(map(_may_count, [*plain, *apart])):
        return {}
    prompt, completion, total = plain
    # Embeddings have no completion. A lone prompt count may be the usage of something else.
    if prompt is None or (completion is None and total is None):
        return {}
    cached, written, reasoning = apart
    prompt += (cached or 0) + (written or 0)
    if reasoning is not None:
        completion = (completion or 0) + reasoning
    found = {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion if total is None else total,
        "cached_tokens": cached if cached is not None else _first(counts, names.cached),
        "cache_write_tokens": written if written is not None else _first(counts, names.written),
        "reasoning_tokens": reasoning if reasoning is not None else _first(counts, names.reasoning),
    }
    return {name: count for name, count in found.items() if count is not None}


def _first(counts: Json, paths: tuple[str, ...]) -> int | None:
    """Return the first count that is there."""
    for path in paths:
        value: Any = counts
        for name in path.split("."):
            value = value.get(name) if type(value) is dict else None
        if value is not None and _may_count(value):
            return int(value)
    return None


def _may_count(value: object) -> bool:
    return value is None or (type(value) is int and value >= 0)
