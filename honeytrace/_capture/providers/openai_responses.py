"""Merge the events of OpenAI's Responses API."""

from __future__ import annotations

from typing import Any

from honeytrace._capture.providers.deltas import Budget, IndexedEntries, done, grow, is_index


class Response:
    """Merges the events of one response. `add` returns False for anything else."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._head: dict[str, Any] = {"object": "response", "output": []}
        self._items = IndexedEntries()
        self._whole: dict[int, Any] = {}

    def add(self, event: dict[str, Any]) -> bool:
        kind = event.get("type")
        if kind == "error":
            return self._set({"error": {key: event[key] for key in event if key != "type"}})
        if type(kind) is not str or not kind.startswith("response."):
            return False
        if type(event.get("response")) is dict:
            return self._set(event["response"])
        if kind in _ITEMS or kind in _DELTAS or is_index(event.get("output_index")):
            self._item(kind, event)
        return True

    def _set(self, values: dict[str, Any]) -> bool:
        name = values.get("id")
        if name is not None and name != self._head.get("id", name):
            return False  # the next response
        for key, value in values.items():
            self._budget.put(self._head, key, value)
        return True

    def _item(self, kind: str, event: dict[str, Any]) -> None:
        key = self._key(kind, event)
        node, item, delta = self._items.at(key, self._budget), event.get("item"), event.get("delta")
        if kind == _DONE and type(item) is dict:
            node.setdefault("id", item.get("id"))
            self._whole[key] = self._budget.swap(self._whole.get(key), item)
        elif kind == _ADDED and type(item) is dict:
            grow(node, item, self._budget)
        elif kind in _DELTAS and type(delta) is str:
            of, parts, part, grown = _DELTAS[kind]
            node.setdefault("type", of)
            if parts:
                at = event.get("summary_index" if parts == "summary" else "content_index", 0)
                node = _part(node, parts, at if is_index(at) else 0, self._budget)
                node.setdefault("type", part)
            grow(node, {grown: delta}, self._budget)

    def _key(self, kind: str, event: dict[str, Any]) -> int:
        """Return the key of the item that an event belongs to.

        Some servers send all items with the same index, or without one; their ids tell them apart.
        Others make up an id for each event, so an unknown id alone begins nothing.
        """
        index, item = event.get("output_index"), event.get("item")
        known = self._items.with_id(item.get("id") if type(item) is dict else event.get("item_id"))
        if known is not None:
            return known
        key = self._items.key(index)
        taken = key in self._whole or (kind == _ADDED and key in self._items)
        return self._items.begin(index) if kind in _ITEMS and taken else key

    def result(self) -> dict[str, Any]:
        # The last event has the whole response; a stream that ends early has no output yet.
        if self._head["output"]:
            return dict(self._head)
        items = {index: self._whole.get(index) or done(self._items[index]) for index in self._items}
        return {**self._head, "output": [items[index] for index in sorted(items)]}


def _part(item: dict[str, Any], parts: str, index: int, budget: Budget) -> dict[str, Any]:
    """Return a part of an output item by its index."""
    if type(item.get(parts)) is not IndexedEntries:
        item[parts] = IndexedEntries()
    part: dict[str, Any] = item[parts].at(index, budget)
    return part


_ADDED, _DONE = "response.output_item.added", "response.output_item.done"
_ITEMS = (_ADDED, _DONE)

# For each event: type of the item, list of its parts, type of the part, and the text that grows.
_DELTAS = {
    "response.output_text.delta": ("message", "content", "output_text", "text"),
    "response.refusal.delta": ("message", "content", "refusal", "refusal"),
    "response.reasoning_text.delta": ("reasoning", "content", "reasoning_text", "text"),
    "response.reasoning_summary_text.delta": ("reasoning", "summary", "summary_text", "text"),
    "response.function_call_arguments.delta": ("function_call", "", "", "arguments"),
    "response.custom_tool_call_input.delta": ("custom_tool_call", "", "", "input"),
    "response.mcp_call_arguments.delta": ("mcp_call", "", "", "arguments"),
    "response.code_interpreter_call_code.delta": ("code_interpreter_call", "", "", "code"),
}
