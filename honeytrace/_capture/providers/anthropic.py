"""Merge the events of Anthropic's messages."""

from __future__ import annotations

from typing import Any

from honeytrace._capture.providers.deltas import Budget, IndexedEntries, Text, done, grow, is_index
from honeytrace._capture.snapshot import Snapshot
from honeytrace._utils.json import parse


class Message:
    """Merges the events of one message. `add` returns False for anything else."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._head: dict[str, Any] = {"type": "message", "role": "assistant", "content": []}
        self._blocks = IndexedEntries()
        self._inputs: dict[int, Text] = {}

    def add(self, event: dict[str, Any]) -> bool:
        kind = event.get("type")
        if type(kind) is not str:
            return False
        if kind == "message_start":
            return self._start(event.get("message"))
        if kind == "content_block_start":
            return self._block(event.get("index"), event.get("content_block"))
        if kind == "content_block_delta":
            return self._delta(event.get("index"), event.get("delta"))
        if kind == "message_delta":
            return self._end(event.get("delta"), event.get("usage"))
        if kind == "error" and "error" in event:
            self._set({"error": event["error"]})
        return kind in SILENT_EVENTS

    def _start(self, message: Any) -> bool:
        if type(message) is not dict or "id" in self._head:  # the next message
            return False
        self._set({"id": None, **message, "content": []})
        return True

    def _set(self, values: dict[str, Any]) -> None:
        for key, value in values.items():
            if value is not None or key not in self._head:
                self._budget.put(self._head, key, value)

    def _block(self, index: Any, block: Any) -> bool:
        if not _may_be_index(index) or type(block) is not dict:
            return False
        known = self._blocks.with_id(block.get("id"))  # some proxies send a start twice
        key = self._blocks.begin(index) if known is None else known
        grow(self._blocks.at(key, self._budget), block, self._budget)
        return True

    def _delta(self, index: Any, delta: Any) -> bool:
        if not _may_be_index(index) or type(delta) is not dict:
            return False
        rest = dict(delta)
        kind = rest.pop("type", None)
        key = self._blocks.key(index)
        block = self._blocks.at(key, self._budget)
        if type(kind) is str and kind in _BLOCKS:
            block.setdefault(
                "type", _BLOCKS[kind]
            )  # its start is missing if only part of a stream is kept
        if kind == "input_json_delta":
            return self._input(key, rest.get("partial_json"))
        if kind == "citations_delta":
            rest = {"citations": [rest.get("citation")]}
        grow(block, rest, self._budget)
        return True

    def _input(self, key: int, piece: Any) -> bool:
        if type(piece) is not str:
            return False
        if key in self._blocks:
            self._inputs.setdefault(key, Text(self._budget)).add(piece)
        return True

    def _end(self, delta: Any, usage: Any) -> bool:
        if type(delta) is not dict:
            return False
        self._set(delta)
        if type(usage) is dict:
            counted = {key: count for key, count in usage.items() if count is not None}
            so_far = self._head.get("usage")
            self._set({"usage": {**so_far, **counted} if type(so_far) is dict else counted})
        return True

    def result(self) -> dict[str, Any]:
        blocks = {key: done(self._blocks[key]) for key in sorted(self._blocks)}
        for key, text in self._inputs.items():
            if spelled := text.joined():
                blocks[key]["input"] = _parsed(spelled)
        return {**self._head, "content": list(blocks.values())}


# Events without content of their own, also those of the accumulator in Anthropic's SDK.
SILENT_EVENTS = frozenset(
    (
        *("content_block_stop", "message_stop", "ping", "error"),
        *("text", "input_json", "citation", "thinking", "signature"),
    )
)

_BLOCKS = {
    "text_delta": "text",
    "citations_delta": "text",
    "input_json_delta": "tool_use",
    "thinking_delta": "thinking",
    "signature_delta": "thinking",
}


def _may_be_index(value: object) -> bool:
    return value is None or is_index(value)


def _parsed(spelled: str) -> Any:
    """Return the value of a JSON text; the text itself if it is incomplete."""
    try:
        value = parse(spelled)
    except ValueError:
        return spelled
    return Snapshot().take(value, "input")  # handles 1e999
