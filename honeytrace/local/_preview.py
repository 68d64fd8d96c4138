"""Show on one line what went into a session and what came out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from honeytrace._utils.json import Json
from honeytrace._utils.text import first_line
from honeytrace.local._format import plural
from honeytrace.local._messages import Call, answered, is_conversation, is_message, messages

_CHARACTERS = 120  # of the input, and of the output
_VALUE_CHARACTERS = 40  # of one of several values
_MAX_VALUES = 8
_SENTENCE_SPACES = 2  # a text with so many is more telling than the values beside it
_MAX_DEPTH = 6
_TEXTS = ("content", "text")


def preview(fields: Json) -> str:
    """Return the input and the output of a session, such as `How? → By this.`.

    A conversation is shown by what the user said last, an answer by its text or the tools that it
    calls. A text of several words is shown alone, and short values with their names.
    """
    given, answer = _told(fields.get("inputs")), _told(fields.get("outputs"))
    return f"{given} → {answer}" if answer else given


def _told(value: Any) -> str:
    found = answered(value) if isinstance(value, dict) else None
    text = _message([found]) if found else _text(value)
    return f"{first_line(text, _CHARACTERS)}{_more(value, text)}"


def _more(value: Any, text: str) -> str:
    """Tell how much of a list, or of a text of several lines, is not shown."""
    while isinstance(value, dict) and len(value) == 1:
        (value,) = value.values()
    if isinstance(value, list) and len(value) > 1 and not is_conversation(value):
        return f" … {len(value) - 1} more"
    lines = sum(map(bool, map(str.strip, text.splitlines()))) - 1
    return f" … {plural(lines, 'more line')}" if lines > 0 else ""


def _text(value: Any, depth: int = 0) -> str:
    """Return the most telling text in a value; "" if it is empty, or too deep."""
    if isinstance(value, str):
        return value
    if isinstance(value, (dict, list)):
        if depth >= _MAX_DEPTH or not value:
            return ""
        return _object(value, depth) if isinstance(value, dict) else _items(value, depth)
    if value is None or isinstance(value, bool):
        return "" if value is None else str(value).lower()
    return str(value)


def _items(items: list[Any], depth: int) -> str:
    return _message(items) if is_conversation(items) else _first(items, depth)


def _object(value: Json, depth: int) -> str:
    if is_message(value):
        return _message([value])
    if talk := next(filter(is_conversation, value.values()), None):
        return _message(talk)
    if text := _first((value.get(name) for name in _TEXTS), depth):
        return text
    if request := _request(value):
        return request
    pairs = list(islice(_pairs(value, depth), _MAX_VALUES))
    if len(pairs) == 1 or (pairs and " " in pairs[0][1]):
        return pairs[0][1]
    if sentence := next((text for _, text in pairs if text.count(" ") >= _SENTENCE_SPACES), ""):
        return sentence
    return ", ".join(f"{name}={first_line(text, _VALUE_CHARACTERS)}" for name, text in pairs)


def _request(value: Json) -> str:
    """Return method and path of an HTTP request, such as `POST /ask`; "" if it is not one."""
    method, path = value.get("method"), value.get("path", value.get("url"))
    return f"{method} {path}" if isinstance(method, str) and isinstance(path, str) else ""


def _pairs(value: Json, depth: int) -> Iterator[tuple[str, str]]:
    """Yield names and texts of the values that have one."""
    for name, each in value.items():
        if text := _text(each, depth + 1):
            yield name, text


def _first(values: Iterable[Any], depth: int) -> str:
    return next(filter(None, (_text(value, depth + 1) for value in values)), "")


def _message(items: list[Json]) -> str:
    """Return what the user said last; without a user, what was said last."""
    asked = next((item for item in reversed(items) if item.get("role") == "user"), None)
    said = messages(items if asked is None else [asked])
    parts = said[-1].parts if said else []
    if text := _first((part for part in parts if isinstance(part, (str, dict))), 0):
        return text
    return ", ".join(str(part) for part in parts if isinstance(part, Call))
