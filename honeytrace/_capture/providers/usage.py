"""Find token usage and the model in the outputs of a call, by their shape.

It knows answers of OpenAI (chat, legacy and Responses API, embeddings), of Anthropic, and of the
many servers with the API of one of the two.
"""

from __future__ import annotations

from typing import Any


def usage(outputs: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the values for `metrics` and for `config`; both are empty if no usage is found.

    The answer may be the outputs themselves or their `result`.
    """
    for answer in (outputs, outputs.get("result")):
        if type(answer) is dict:
            metrics = _tokens(answer.get("usage"))
            if metrics:
                model = answer.get("model")
                named = type(model) is str and model != ""
                return metrics, {"model": model} if named else {}
    return {}, {}


def _tokens(counts: Any) -> dict[str, int]:
    """Return the counts under OpenAI's names; nothing if one of them is not a count."""
    if type(counts) is not dict:
        return {}
    found = [counts.get(name) for name in _names(counts)]
    prompt, completion, total, *cached = found
    # Embeddings have no completion. A lone prompt count may be the usage of something else.
    if prompt is None or (completion is None and total is None):
        return {}
    if any(count is not None and (type(count) is not int or count < 0) for count in found):
        return {}
    prompt += sum(count or 0 for count in cached)
    metrics = {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": total}
    if total is None:
        metrics["total_tokens"] = prompt + completion
    return {name: count for name, count in metrics.items() if count is not None}


def _names(counts: dict[str, Any]) -> tuple[str, ...]:
    """Return the names of the prompt, completion and total counts, and of uncounted cached ones."""
    if "prompt_tokens" in counts:
        return "prompt_tokens", "completion_tokens", "total_tokens"
    # Anthropic: "Total input tokens in a request is the summation of `input_tokens`,
    # `cache_creation_input_tokens`, and `cache_read_input_tokens`." OpenAI's includes the cached.
    cached = ("cache_creation_input_tokens", "cache_read_input_tokens")
    return "input_tokens", "output_tokens", "total_tokens", *cached
