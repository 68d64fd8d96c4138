"""Recognize the object of a model's answer by its attributes."""

from __future__ import annotations

from typing import Any

from honeytrace._capture.stdlib_types import named, state

_COUNTS = ("usage", "usage_metadata", "usageMetadata", "additional_kwargs")
_ANSWER_ATTRIBUTES = {*_COUNTS, "type", "choices", "delta", "meta", "raw", "prompt_eval_count"}


def is_answer(own: dict[str, Any]) -> bool:
    """Return whether these are the attributes of an answer or a chunk of a known shape.

    The test is narrow, because parsers and form fields have `usage` or `choices` too.
    """
    if _ANSWER_ATTRIBUTES.isdisjoint(own):
        return False
    about, choices = own.get("type"), own.get("choices")
    return (
        (type(about) is str and about.startswith(("content_block_", "message_st", "message_del")))
        or (type(choices) is list and bool(choices) and _has(choices[0], "message", "delta"))
        or _has(own.get("delta"), "content", "tool_calls", "text", "role", "partial_json")
        or any("token" in name.lower() for key in _COUNTS for name in _parts(own.get(key)))
        or _is_counted_elsewhere(own)
    )


def _is_counted_elsewhere(own: dict[str, Any]) -> bool:
    """Return whether it is an answer of Ollama, Cohere or LlamaIndex, by where the tokens are."""
    return (
        ("eval_count" in own and "prompt_eval_count" in own)
        or ("text" in own and _has(own.get("meta"), "billed_units"))
        or (_has(own.get("raw"), "choices", "usage", "usage_metadata") and _is_said(own))
    )


def _is_said(own: dict[str, Any]) -> bool:
    return "text" in own or _has(own.get("message"), "content", "blocks")


def _has(value: object, *names: str) -> bool:
    parts = _parts(value)
    return any(name in parts for name in names)


def _parts(value: object) -> dict[str, Any]:
    """Return the items of a dict or the attributes of an object."""
    return named(value) if type(value) is dict else state(value, type(value))
