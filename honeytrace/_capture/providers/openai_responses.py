"""The responses of OpenAI's Responses API."""

from __future__ import annotations

from typing import Any

from honeytrace._capture.providers.deltas import Budget, IndexedEntries, done, grow, is_index


class Response:
    """One response, from its events; `add` says whether an item is one of them, and takes it."""

    def __init__(self, room: Budget) -> None:
        self._room = room
        self._head: dict[str, Any] = {"object": "response", "output": []}
        self._items = IndexedEntries()
        self._whole: dict[int, Any] = {}

    def add(self, event: dict[str, Any]) -> bool:
        kind, index = event.get("type"), event.get("output_index")
        if kind == "error":
            return self._set({"error": {key: event[key] for key in event if key != "type"}})
        if type(kind) is not str or not kind.startswith("response."):
            return False
        if type(event.get("response")) is dict:
            return self._set(event["response"])
        if type(index) is int and index >= 0:
            self._item(kind, index, event)
        return True

    def _set(self, values: dict[str, Any]) -> bool:
        name = values.get("id")
        if name is not None and name != self._head.get("id", name):
            return False  # the next response
        for key, value in values.items():
            self._room.put(self._head, key, value)
        return True

    def _item(self, kind: str, index: int, event: dict[str, Any]) -> None:
        node, item, delta = self._items.at(index, self._room), event.get("item"), event.get("delta")
        if kind == "response.output_item.done" and type(item) is dict:
            self._whole[index] = self._room.swap(self._whole.get(index), item)
        elif kind == "response.output_item.added" and type(item) is dict:
            grow(node, item, self._room)
        elif kind in _DELTAS and type(delta) is str:
            of, parts, part, key = _DELTAS[kind]
            node.setdefault("type", of)
            if parts:
                at = event.get("summary_index" if parts == "summary" else "content_index", 0)
                node = _part(node, parts, at if is_index(at) else 0, self._room)
                node.setdefault("type", part)
            grow(node, {key: delta}, self._room)

    def result(self) -> dict[str, Any]:
        # The end of the stream has the whole response; one that ends early has no output yet.
        if self._head["output"]:
            return dict(self._head)
        items = {index: self._whole.get(index) or done(self._items[index]) for index in self._items}
        return {**self._head, "output": [items[index] for index in sorted(items)]}


def _part(item: dict[str, Any], parts: str, index: int, room: Budget) -> dict[str, Any]:
    """A part of an output item, by its index."""
    if type(item.get(parts)) is not IndexedEntries:
        item[parts] = IndexedEntries()
    part: dict[str, Any] = item[parts].at(index, room)
    return part


# The type of the item, the list of its parts, the type of the part, and the text that grows.
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
