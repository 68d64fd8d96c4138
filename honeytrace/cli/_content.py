"""Show the inputs and outputs of a session as lines of text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from honeytrace._session.session import Session
from honeytrace._utils.json import dumps
from honeytrace._utils.text import printable

_LINES = 3  # shown of the inputs, and of the outputs, without `--full`
_CHARACTERS = 100  # shown of a line, without `--full`
_ALL_CHARACTERS = 1 << 40


def content(session: Session, full: bool = False) -> Iterator[str]:
    """Yield the lines to print below a session: its inputs, its outputs, and its error in full."""
    yield from _section("in ", session.inputs, full)
    yield from _section("out", session.outputs, full)
    if full and session.error and "\n" in session.error.strip():
        yield from _laid_out("err", session.error.strip().splitlines(), full)


def _section(head: str, value: Mapping[str, Any], full: bool) -> Iterator[str]:
    if value:
        yield from _laid_out(head, list(_told(value)), full)


def _laid_out(head: str, lines: list[str], full: bool) -> Iterator[str]:
    shown = lines if full else lines[:_LINES]
    for number, line in enumerate(shown):
        cut = printable(line, _ALL_CHARACTERS if full else _CHARACTERS)
        yield f"{head if number == 0 else '   '}  {cut}"
    if len(lines) > len(shown):
        yield f"     … {len(lines) - len(shown)} more lines"


def _told(value: Mapping[str, Any]) -> Iterator[str]:
    """Yield the lines of inputs or outputs, argument by argument and message by message."""
    if set(value) == {"result"}:
        yield from _text(value["result"])
    elif "role" in value and "content" in value:
        yield from _message(value)
    else:
        for name, each in value.items():
            yield from _named(name, each)


def _named(name: str, value: Any) -> Iterator[str]:
    messages = value if isinstance(value, list) else []
    if messages and all(isinstance(each, dict) and "role" in each for each in messages):
        for each in messages:
            yield from _message(each)
    else:
        yield from _headed(f"{name}: ", _text(value))


def _message(message: Mapping[str, Any]) -> Iterator[str]:
    """Yield the text of a message in a conversation, then its tool calls."""
    said = message.get("content")
    calls = message.get("tool_calls")
    calls = calls if isinstance(calls, list) else []
    if said or not calls:
        yield from _headed(f"{message['role']}: ", _text(said))
    for call in calls:
        function = call.get("function", call) if isinstance(call, dict) else {}
        function = function if isinstance(function, dict) else {}
        yield f"→ {function.get('name', 'tool')}({function.get('arguments', '')})"


def _headed(head: str, lines: Iterator[str]) -> Iterator[str]:
    yield head + next(lines, "")
    yield from lines


def _text(value: Any) -> Iterator[str]:
    if isinstance(value, list) and all(isinstance(part, dict) and "text" in part for part in value):
        for part in value:  # the parts of a message
            yield from _text(part["text"])
    elif isinstance(value, str):
        yield from value.splitlines()
    else:
        yield dumps(value).decode()
