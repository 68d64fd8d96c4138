"""Merge the events of Cohere's streams, of both versions of its chat."""

from __future__ import annotations

from typing import Any

from honeytrace._capture.providers.bedrock import METRICS
from honeytrace._capture.providers.deltas import Budget, IndexedEntries, done, grow
from honeytrace._utils.json import Json

OPENING_EVENTS = ("message-start", "content-start", "stream-start")
"""The events that begin an answer and carry no token."""


class CohereMessage:
    """Merges the events of one message of the chat's version 2. `add` returns False for others."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._head: Json = {}
        self._message: Json = {}
        self._content = IndexedEntries()
        self._calls = IndexedEntries()

    def add(self, item: Json) -> bool:
        kind = item.get("type")
        if type(kind) is not str or kind not in _EVENTS:
            return False
        if (kind == "message-start") is bool(self._head):  # not begun, or the next message
            return False
        if kind == "message-start":
            self._head = {"id": item.get("id"), "finish_reason": None}
        delta = _object(item.get("delta"))
        if kind == "message-end":
            for key, value in delta.items():
                self._budget.put(self._head, key, value)
        else:
            self._grow(_object(delta.get("message")), item.get("index"))
        return True

    def _grow(self, message: Json, index: Any) -> None:
        for key, value in message.items():
            entries = {"content": self._content, "tool_calls": self._calls}.get(key)
            if type(value) is dict and entries is not None:
                grow(
                    entries.at(entries.key(index), self._budget), _without_none(value), self._budget
                )
            elif type(value) is str:
                grow(self._message, {key: value}, self._budget)

    def result(self) -> Json:
        message = {name: value for name, value in done(self._message).items() if value}
        lists = {"content": done(self._content), "tool_calls": done(self._calls)}
        message |= {name: entries for name, entries in lists.items() if entries}
        return {**self._head, "message": message}


_EVENTS = (
    *("message-start", "message-end", "content-start", "content-delta", "content-end"),
    *("tool-plan-delta", "tool-call-start", "tool-call-delta", "tool-call-end"),
    *("citation-start", "citation-end"),
)


class CohereText:
    """Merges the events of one answer of the chat's version 1. `add` returns False for others."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._begun = False
        self._grown: Json = {}
        self._whole: Json = {}

    def add(self, item: Json) -> bool:
        kind = item.get("event_type")
        if type(kind) is not str or (kind == "stream-start") is self._begun:
            return False
        self._begun = True
        if kind == "text-generation" and type(item.get("text")) is str:
            grow(self._grown, {"text": item["text"]}, self._budget)
        elif kind == "stream-end":  # it repeats the whole answer
            for key, value in _object(item.get("response")).items():
                self._budget.put(self._whole, key, value)
            if METRICS in item:
                self._budget.put(self._whole, METRICS, item[METRICS])
        return True

    def result(self) -> Json:
        return {**done(self._grown), **self._whole}


def _object(value: Any) -> Json:
    return value if type(value) is dict else {}


def _without_none(value: Json) -> Json:
    return {
        key: _without_none(item) if type(item) is dict else item
        for key, item in value.items()
        if item is not None
    }
