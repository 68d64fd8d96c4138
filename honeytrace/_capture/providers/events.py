"""Read the events of a model's streamed answer, which a server sends as text."""

from __future__ import annotations

import re
from typing import Any

from honeytrace._capture.providers.cohere import OPENING_EVENTS
from honeytrace._capture.providers.media_events import LAST_MEDIA_EVENTS
from honeytrace._capture.snapshot import Snapshot
from honeytrace._capture.stdlib_types import named, state
from honeytrace._utils.json import Json, parse

_FIELD = re.compile(r"^data:? ?(.*)$", re.MULTILINE)
_LAST = frozenset(
    (
        *("message_stop", "response.completed", "response.incomplete", "response.failed", "[DONE]"),
        *LAST_MEDIA_EVENTS,
    )
)
_TOKENS = (
    *("content", "text", "reasoning", "reasoning_content", "thinking", "tool_calls", "refusal"),
    *("outputText", "generation"),
)
_DELTAS = ("partial_json", "arguments")


class EventReader:
    """Decodes the events of one stream, and notes when the first token and the end come.

    Attributes:
        count: number of events with data, except one that only marks the end.
        complete: whether an event has said that the answer is complete.
    """

    __slots__ = (
        *("_errors", "_first_event", "_first_token", "_read", "_started"),
        *("complete", "count"),
    )

    def __init__(self, started: int) -> None:
        """`started` is the start of the call in nanoseconds."""
        self._started = started
        self._first_event: int | None = None
        self._first_token: int | None = None
        self._read = 0
        self._errors = 0
        self.count = 0
        self.complete = False

    @property
    def ttft_ms(self) -> float | None:
        """Return the milliseconds to the first token; if no event has one, to the first event.

        Return None for a stream that failed at once.
        """
        first = self._first_event if self._first_token is None else self._first_token
        failed = 0 < self._read == self._errors
        return None if first is None or failed else (first - self._started) / 1e6

    def read(self, data: str | bytes, arrived: int | None) -> list[Json]:
        """Return the objects in one event, or in the bytes of a whole body.

        `arrived` is the time of the event in nanoseconds, on the clock of the start; None if it is
        not known.
        """
        if self._first_event is None and data:
            self._first_event = arrived
        if type(data) is bytes:
            text = data.decode("utf-8", "replace").replace("\r\n", "\n")
            events = map(_data, text.split("\n\n"))
            return [item for each in events for item in self._event(each, arrived)]
        return self._event(str(data), arrived)

    def _event(self, data: str, arrived: int | None) -> list[Json]:
        self._read += 1
        if data.startswith("[DONE]"):
            self.complete = True
            return []
        try:
            item = Snapshot().take(parse(data), "outputs")
        except ValueError:
            return []
        if type(item) is not dict:
            return []
        if item.get("type") == "ping":
            return []
        self._errors += is_error(item)
        if self._first_token is None and has_token(item):
            self._first_token = arrived
        self.count += 1
        self.complete = self.complete or _is_last(item)
        return [item]


def _data(event: str) -> str:
    return "\n".join(_FIELD.findall(event))


def _is_last(item: Json) -> bool:
    """Return whether the answer is complete with this event."""
    kind, choices = item.get("type"), item.get("choices")
    if type(kind) is str and kind in _LAST:
        return True
    # Some servers send no `[DONE]`. The usage may still follow.
    return type(choices) is list and any(
        type(each) is dict and each.get("finish_reason") for each in choices
    )


def is_error(parts: Json) -> bool:
    """Return whether a server says with this event that the answer has failed."""
    return parts.get("type") == "error" or (len(parts) == 1 and "error" in parts)


def has_token(item: Any) -> bool:
    """Return whether a chunk carries text, reasoning or a part of a tool call.

    A chunk of unknown shape does; one that only opens or closes a known stream does not.
    """
    if item is None or type(item) is str:
        return bool(item)
    parts = parts_of(item)
    if is_error(parts) or (len(parts) == 1 and not parts.keys().isdisjoint(_BEGINNINGS)):
        return False
    kind, choices = parts.get("type"), parts.get("choices")
    of_cohere = parts.get("event_type", kind)
    if type(of_cohere) is str and of_cohere in OPENING_EVENTS:
        return False
    if type(kind) is str and kind.startswith(_EVENTS):
        opened = parts_of(parts.get("content_block", parts.get("item")))
        delta = parts.get("delta")
        return opened.get("type") in _CALLS or (
            bool(delta) if type(delta) is str else _has_text(parts_of(delta))
        )
    if type(choices) is list:
        choices = map(parts_of, choices)
        return any(_has_text(parts_of(each.get("delta", each))) for each in choices)
    return _has_text(parts) or not any(name in parts for name in _TOKENS)


_EVENTS = ("response.", "message_", "content_block_", "ping")
_BEGINNINGS = ("messageStart",)  # of Bedrock's streams
_CALLS = ("tool_use", "server_tool_use", "function_call", "custom_tool_call")


def _has_text(parts: Json) -> bool:
    return any(parts.get(name) for name in (*_TOKENS, *_DELTAS))


def parts_of(value: object) -> Json:
    """Return the items of a dict, or the attributes of an object, without running its code."""
    if type(value) is dict:
        return named(value)
    own = state(value, type(value))
    extra = own.get("__pydantic_extra__")
    return {**own, **named(extra)} if type(extra) is dict else own
