"""Show the inputs and outputs of a session as lines of text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from honeytrace._session.session import Session
from honeytrace._utils.json import dumps
from honeytrace._utils.text import printable, shorten
from honeytrace.cli._errors import error_lines
from honeytrace.cli._notes import details
from honeytrace.cli._terminal import wrap
from honeytrace.local._format import plural
from honeytrace.local._messages import Call, Image, answered, is_conversation, messages

_LINES = 3  # shown of the inputs, the outputs and the error, without `--full`
_WIDTH = 100  # columns of a line that does not go to a terminal, without `--full`
_LEAST_WIDTH = 20  # columns of a line on a terminal that is too narrow for the tree
_ALL_CHARACTERS = 1 << 40
_NO_HEAD = "   "  # instead of "in ", "out", "fb " or "err"
_MARGIN = len(_NO_HEAD) + 2


def content(session: Session, full: bool = False, width: int | None = None) -> Iterator[str]:
    """Yield the lines to print below a session: inputs, outputs, and feedback ("fb").

    full: True to cut nothing, and to add the other fields of the session.
    width: columns to cut lines to, unless `full`; None if they do not go to a terminal.
    """
    room = _room(full, width)
    yield from _section("in ", session.inputs, room)
    yield from _section("out", session.outputs, room)
    yield from _section("fb ", session.feedback, room)
    if full:
        for field, value in details(session).items():
            for name, each in value.items():
                yield from _laid_out(
                    _NO_HEAD, list(_headed(f"{field}.{name}: ", _text(each, full))), None
                )


def error_block(
    session: Session,
    full: bool,
    width: int | None,
    outer: Sequence[Session] = (),
    message: bool = True,
) -> Iterator[str]:
    """Yield the lines about the error of a session: the message, and where it was raised.

    message: False if the message stands elsewhere.
    outer: see `error_lines`.
    """
    room, head = _room(full, width), "err"
    if message:
        yield from _laid_out(head, (session.error or "").strip().splitlines(), room)
        head = _NO_HEAD
    yield from _laid_out(head, list(error_lines(session, full, outer)), room)


def indented(text: str, full: bool, width: int | None) -> Iterator[str]:
    """Yield a text of one line as the rows that it takes below a session."""
    yield from _laid_out(_NO_HEAD, [text], _room(full, width))


def _room(full: bool, width: int | None) -> int | None:
    """Return the columns for a text below a session; None if it is not cut."""
    if full:
        return None
    return _WIDTH if width is None else max(width - _MARGIN, _LEAST_WIDTH)


def _section(head: str, value: Mapping[str, Any], width: int | None) -> Iterator[str]:
    if value:
        talks = any(map(is_conversation, value.values()))
        yield from _laid_out(head, list(_told(value, width is None)), width, last=talks)


def _laid_out(
    head: str, lines: Sequence[str], width: int | None, last: bool = False
) -> Iterator[str]:
    """Yield the first lines, or the `last` ones, and how many more there are; all without a width.

    Long lines take the rows that the others leave.
    """
    more = 0 if width is None else max(len(lines) - _LINES, 0)
    shown = lines[more:] if last else lines[: len(lines) - more]
    if more and last:
        yield f"{head}  … {plural(more, 'earlier line')}"
        head = _NO_HEAD
    spare = _LINES - len(shown)
    for line in shown:
        rows = _rows(line, width, 1 + spare)
        spare -= len(rows) - 1
        for row in rows:
            yield f"{head}  {row}"
            head = _NO_HEAD
    if more and not last:
        yield f"{_NO_HEAD}  … {plural(more, 'more line')}"


def _rows(line: str, width: int | None, most: int) -> list[str]:
    if width is None:
        return [printable(line, _ALL_CHARACTERS)]
    return wrap(printable(line, 2 * width * most), width, most)


def _told(value: Mapping[str, Any], full: bool) -> Iterator[str]:
    """Yield the lines of inputs or outputs, argument by argument; conversations come last.

    What was said last matters most, so it must not be cut off by what follows it.
    """
    if answer := answered(value):
        yield from _conversation([answer], full=True)
    elif set(value) == {"result"}:
        yield from _text(value["result"], full)
    else:
        for name, each in sorted(value.items(), key=lambda item: is_conversation(item[1])):
            lines = _text(each, full)
            yield from lines if is_conversation(each) else _headed(f"{name}: ", lines)


def _conversation(items: list[Any], full: bool) -> Iterator[str]:
    """Yield the messages of a conversation, each tool call with its result."""
    for message in messages(items):
        head = f"{message.role}: "
        for part in message.parts:
            if isinstance(part, Call):
                yield f"→ {part}"
                if part.has_result:
                    yield from _said("← ", part.result, full)
            else:
                value = part.address if isinstance(part, Image) else part
                if isinstance(value, dict) and len(value) == 1:  # what stands beside the content
                    [(name, value)] = value.items()
                    head += f"{name}: "
                yield from _said(head, value, full)
                head = ""


def _said(head: str, value: Any, full: bool) -> Iterator[str]:
    """Yield the lines of one part of a message, or only the first of them."""
    lines = list(_headed(head, _text(value, full)))
    if full or len(lines) == 1:
        yield from lines
    else:
        yield f"{shorten(lines[0], _WIDTH - 2)} …"


def _headed(head: str, lines: Iterator[str]) -> Iterator[str]:
    yield head + next(lines, "")
    yield from lines


def _text(value: Any, full: bool) -> Iterator[str]:
    only = next(iter(value.values())) if isinstance(value, dict) and len(value) == 1 else value
    if is_conversation(only):
        yield from _conversation(only, full)
    elif isinstance(value, list) and value and all(map(_has_text, value)):
        for document in value:
            yield from _text(document["text"], full)
    elif isinstance(value, str):
        yield from value.splitlines()
    else:
        yield dumps(value).decode()


def _has_text(value: Any) -> bool:
    return isinstance(value, dict) and isinstance(value.get("text"), str)
