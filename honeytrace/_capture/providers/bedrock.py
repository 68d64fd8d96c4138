"""Merge the chunks of Amazon Bedrock's `invoke_model_with_response_stream`, by family of models.

The answer has the form in which `invoke_model` returns it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from honeytrace._capture.providers.deltas import Budget, Text
from honeytrace._utils.json import Json

METRICS = "amazon-bedrock-invocationMetrics"
"""The key under which Bedrock adds the counts of tokens to the last chunk of any model."""


class _Family(NamedTuple):
    """The models of one provider.

    Attributes:
        read: returns the text and the other facts in a chunk; None for chunks of other models.
        whole: returns the answer as a call without streaming does.
    """

    read: Callable[[Json], tuple[str, Json] | None]
    whole: Callable[[str, Json], Json]


def _titan(item: Json) -> tuple[str, Json] | None:
    text = item.get("outputText")
    return (text, item) if type(text) is str and "completionReason" in item else None


def _titan_whole(text: str, facts: Json) -> Json:
    result = {
        "outputText": text,
        "tokenCount": facts.pop("totalOutputTextTokenCount", None),
        "completionReason": facts.pop("completionReason", None),
    }
    return {**facts, "results": [result]}


def _llama(item: Json) -> tuple[str, Json] | None:
    text = item.get("generation")
    return (text, item) if type(text) is str and "stop_reason" in item else None


def _llama_whole(text: str, facts: Json) -> Json:
    return {**facts, "generation": text}


def _mistral(item: Json) -> tuple[str, Json] | None:
    entries = item.get("outputs")
    first: Any = entries[0] if type(entries) is list and len(entries) == 1 else None
    text = first.get("text") if type(first) is dict and "stop_reason" in first else None
    more = {name: item[name] for name in item if name != "outputs"}
    return (text, {**more, "stop_reason": first["stop_reason"]}) if type(text) is str else None


def _mistral_whole(text: str, facts: Json) -> Json:
    output = {"text": text, "stop_reason": facts.pop("stop_reason", None)}
    return {**facts, "outputs": [output]}


def _cohere(item: Json) -> tuple[str, Json] | None:
    text = item.get("text", "")
    known = type(item.get("is_finished")) is bool and "event_type" not in item
    return (text, item) if known and type(text) is str else None


def _cohere_whole(text: str, facts: Json) -> Json:
    facts.pop("is_finished", None)
    output = {"text": text, "finish_reason": facts.pop("finish_reason", None)}
    return {**facts, "generations": [output]}


def _chat(item: Json) -> tuple[str, Json] | None:
    """Read a chunk of Mistral's chat or of DeepSeek, which are unlike OpenAI's."""
    entries = item.get("choices")
    first: Any = entries[0] if type(entries) is list and len(entries) == 1 else None
    if type(first) is not dict or "stop_reason" not in first or "object" in item:
        return None
    message = first.get("message", {"content": first.get("text")})
    text = message.get("content") if type(message) is dict else None
    more = {name: item[name] for name in item if name != "choices"}
    calls = {"tool_calls": message.get("tool_calls")} if type(message) is dict else {}
    return text if type(text) is str else "", {**more, **calls, "stop_reason": first["stop_reason"]}


def _chat_whole(text: str, facts: Json) -> Json:
    message = {"role": "assistant", "content": text, "tool_calls": facts.pop("tool_calls", None)}
    choice = {"message": message, "stop_reason": facts.pop("stop_reason", None)}
    return {**facts, "choices": [choice]}


_FAMILIES = (
    _Family(_titan, _titan_whole),
    _Family(_llama, _llama_whole),
    _Family(_mistral, _mistral_whole),
    _Family(_cohere, _cohere_whole),
    _Family(_chat, _chat_whole),
)
_TEXTS = ("outputText", "generation", "text")


class BedrockText:
    """Merges the chunks of one answer. `add` returns False for anything else."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._text = Text(budget)
        self._family: _Family | None = None
        self._facts: Json = {}

    def add(self, item: Json) -> bool:
        families = _FAMILIES if self._family is None else (self._family,)
        found = ((each, read) for each in families if (read := each.read(item)))
        self._family, read = next(found, (self._family, None))
        if read is None or METRICS in self._facts:  # the next answer
            return False
        text, facts = read
        self._text.add(text)
        for name, value in facts.items():
            if value is not None and name not in _TEXTS:
                self._budget.put(self._facts, name, value)
        return True

    def result(self) -> Json:
        family: Any = self._family
        whole: Json = family.whole(self._text.joined(), dict(self._facts))
        return whole
