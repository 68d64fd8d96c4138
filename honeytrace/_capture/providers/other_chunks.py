"""Merge the chunks of LangChain, Gemini, Bedrock, Ollama and LlamaIndex, each into one answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from honeytrace._capture.providers.bedrock import METRICS, BedrockText
from honeytrace._capture.providers.cohere import CohereMessage, CohereText
from honeytrace._capture.providers.deltas import Budget, IndexedEntries, Run, Text, done, grow
from honeytrace._utils.json import Json


class LangChainMessage:
    """Merges AIMessageChunks into one message. `add` returns False for anything else."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._head: Json = {}
        self._grown: Json = {}
        self._calls: Json = {}

    def add(self, item: Json) -> bool:
        if item.get("type") == "ChatGenerationChunk" and type(item.get("message")) is dict:
            item = item["message"]
        if item.get("type") != "AIMessageChunk" or self._head.get("id", item.get("id")) != item.get(
            "id"
        ):
            return False
        for key, value in item.items():
            if key == "content" and value:
                grow(self._grown, {"content": value}, self._budget)
            elif key == "tool_call_chunks":
                calls = [_call(each) for each in _dicts(value)]
                grow(self._calls, {"tool_calls": calls} if calls else {}, self._budget)
            elif key == "response_metadata" and type(value) is dict:
                self._budget.put(self._head, key, {**self._head.get(key, {}), **value})
            elif key not in _LANGCHAIN_PARTS and (value or key not in self._head):
                self._budget.put(self._head, key, value)
        return True

    def result(self) -> Json:
        calls = done(self._calls).get("tool_calls", [])
        named = [
            {"name": each.get("name"), "args": each.get("arguments"), "id": each.get("id")}
            for each in calls
        ]
        content = done(self._grown).get("content", "")
        return {**self._head, "content": content, "tool_calls": named}


_LANGCHAIN_PARTS = ("content", "tool_call_chunks", "tool_calls", "invalid_tool_calls")


def _call(chunk: Json) -> Json:
    """Return a part of a tool call under the names of OpenAI's deltas."""
    found = {
        "index": chunk.get("index"),
        "id": chunk.get("id"),
        "name": chunk.get("name"),
        "arguments": chunk.get("args"),
    }
    return {name: value for name, value in found.items() if value is not None}


class GeminiAnswer:
    """Merges the chunks of one answer of Gemini. `add` returns False for anything else."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._head: Json = {}
        self._parts: list[Json] = []
        self._candidate: Json = {}

    def add(self, item: Json) -> bool:
        candidates = _dicts(item.get("candidates"))
        # The first chunks may have nothing but the candidates.
        known = any(name in item for name in _GEMINI) or any(map(_has_parts, candidates))
        if not known or (not candidates and not self._head):
            return False
        for key, value in item.items():
            if key != "candidates" and (value is not None or key not in self._head):
                self._budget.put(self._head, key, value)
        for candidate in candidates[:1]:
            content = candidate.get("content")
            rest = {key: value for key, value in candidate.items() if value is not None}
            self._candidate |= {**rest, "content": content or self._candidate.get("content")}
            for part in _dicts(content.get("parts")) if type(content) is dict else ():
                self._part({key: value for key, value in part.items() if value is not None})
        return True

    def _part(self, part: Json) -> None:
        last = self._parts[-1] if self._parts else {}
        if "text" in part and "text" in last and part.get("thought") == done(last).get("thought"):
            grow(last, {"text": part["text"]}, self._budget)
        elif "text" in part:
            node: Json = {key: value for key, value in part.items() if key != "text"}
            grow(node, {"text": part["text"]}, self._budget)
            self._parts.append(node)
        else:
            self._parts.append(part)

    def result(self) -> Json:
        content = self._candidate.get("content")
        parts = [done(part) for part in self._parts]
        whole = {**(content if type(content) is dict else {}), "parts": parts}
        return {**self._head, "candidates": [{**self._candidate, "content": whole}]}


def _has_parts(candidate: Json) -> bool:
    content = candidate.get("content")
    return type(content) is dict and type(content.get("parts")) is list


_GEMINI = ("usage_metadata", "usageMetadata", "model_version", "modelVersion")


class ConverseAnswer:
    """Merges the events of Bedrock's `converse_stream` into the answer that `converse` returns.

    `add` returns False for anything else.
    """

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._message: Json | None = None
        self._blocks = IndexedEntries()
        self._head: Json = {}

    def add(self, item: Json) -> bool:
        count = len(item) - (METRICS in item)  # Nova's last event has them, too
        kind, value = next(iter(item.items()), ("", None))
        if count != 1 or type(value) is not dict or kind not in _CONVERSE:
            return False
        if (kind == "messageStart") is not (self._message is None):  # not begun, or the next answer
            return False
        if kind == "messageStart":
            self._message = value
        elif kind in ("contentBlockStart", "contentBlockDelta"):
            piece = value.get("start", value.get("delta"))
            block = self._blocks.at(self._blocks.key(value.get("contentBlockIndex")), self._budget)
            grow(block, piece if type(piece) is dict else {}, self._budget)
        elif kind != "contentBlockStop":
            facts = {**value, METRICS: item[METRICS]} if METRICS in item else value
            for key, fact in facts.items():
                self._budget.put(self._head, key, fact)
        return True

    def result(self) -> Json:
        message = {
            **(self._message or {}),
            "content": [_block(each) for each in done(self._blocks)],
        }
        return {"output": {"message": message}, "stopReason": None, **self._head}


_CONVERSE = (
    *("messageStart", "contentBlockStart", "contentBlockDelta", "contentBlockStop"),
    *("messageStop", "metadata"),
)


def _block(block: Json) -> Json:
    """Return a block of content as `converse` spells it."""
    reasoning = block.get("reasoningContent")
    if type(reasoning) is dict and "text" in reasoning:
        return {"reasoningContent": {"reasoningText": reasoning}}
    return block


class OllamaAnswer:
    """Merges the chunks of one answer of Ollama. `add` returns False for anything else."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._head: Json = {}
        self._grown: Json = {}

    def add(self, item: Json) -> bool:
        message, text = item.get("message"), item.get("response")
        if type(item.get("done")) is not bool or not (type(message) is dict or type(text) is str):
            return False
        if self._head.get("done") is True:  # the next answer
            return False
        for key, value in item.items():
            if key in ("message", "response"):
                piece = _without_none(value) if type(value) is dict else value
                grow(self._grown, {key: piece} if piece else {}, self._budget)
            else:
                self._budget.put(self._head, key, value)
        return True

    def result(self) -> Json:
        return {**self._head, **done(self._grown)}


class HuggingFaceText:
    """Merges the tokens of Hugging Face's text generation. `add` returns False for others."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._text = Text(budget)
        self._last: Json = {}

    def add(self, item: Json) -> bool:
        token = item.get("token")
        if type(token) is not dict or type(token.get("text")) is not str or self._last:
            return False
        if token.get("special") is not True:
            self._text.add(token["text"])
        if type(item.get("details")) is dict:  # the last one
            self._last = self._budget.swap(self._last, {"details": item["details"]})
        return True

    def result(self) -> Json:
        return {"generated_text": self._text.joined(), **self._last}


class GrowingAnswer:
    """Keeps the last of LlamaIndex's chunks, each of which holds the answer so far."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._last: Json = {}

    def add(self, item: Json) -> bool:
        holds = type(item.get("message")) is dict or type(item.get("text")) is str
        if not ("delta" in item and "raw" in item and holds):
            return False
        self._last = self._budget.swap(self._last, item)
        return True

    def result(self) -> Json:
        return {key: value for key, value in self._last.items() if key != "delta"}


OTHER_RUNS: tuple[Callable[[Budget], Run], ...] = (
    *(LangChainMessage, GeminiAnswer, ConverseAnswer, OllamaAnswer, GrowingAnswer),
    *(CohereMessage, CohereText, BedrockText, HuggingFaceText),
)
"""The shapes of chunks that are tried in this order, before those of OpenAI and Anthropic."""


def _without_none(value: Json) -> Json:
    return {key: item for key, item in value.items() if item is not None}


def _dicts(value: Any) -> list[Json]:
    return [each for each in value if type(each) is dict] if type(value) is list else []
