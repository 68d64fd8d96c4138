"""Print the output of the commands."""

from __future__ import annotations

import datetime
import json
import re
import shutil
import sys

from honeytrace._session import wire
from honeytrace._session.session import Session
from honeytrace._utils.json import Json, dumps
from honeytrace._utils.text import CONTROL

_ASCII = str.maketrans(
    {
        "├": "|",
        "│": "|",
        "└": "`",
        "─": "-",
        "✗": "x",
        "×": "x",  # noqa: RUF001 - times
        "µ": "u",
        "…": "...",
        "→": "->",
        "━": "=",
        "·": ".",
    }
)


class Stop(Exception):  # noqa: N818 - it ends the command, with a sentence
    """Ends a command that cannot do what was asked; the message says what to do instead."""


def fail(sentence: str) -> int:
    print(f"honeytrace: {sentence}", file=sys.stderr)
    return 2


def print_json(
    session: Session, totals: Json | None, encoder: json.JSONEncoder | None = None
) -> None:
    """Print a session as JSON, with the sums over everything inside it if they are known."""
    whole = {**wire.payload(session), **session.extra, "totals": totals}
    print_text(json_line(whole) if encoder is None else _harmless(dumps(whole, encoder)), {})


def json_line(value: Json) -> str:
    """Return JSON in which no character can control a terminal."""
    return _harmless(dumps(value))


def _harmless(encoded: bytes) -> str:
    # The only line breaks are those of the layout: in strings they are escaped already.
    return "\n".join(CONTROL.sub(_escaped, line) for line in encoded.decode().split("\n"))


def print_text(text: str, instead: dict[int, str] = _ASCII) -> None:
    """Print a text. If the output takes only ASCII, replace or escape the other characters.

    `instead` maps characters to their replacements; those that it does not have are escaped.
    """
    try:
        print(text)
    except UnicodeEncodeError:
        print(re.sub(r"[^\x00-\x7f]", _escaped, text.translate(instead)))


def rewrite(line: str) -> None:
    """Show progress on one line of a terminal, which the next call overwrites."""
    if sys.stderr.isatty():
        width = shutil.get_terminal_size().columns - 1
        print(f"\r{line[:width]:{width}}\r", end="", file=sys.stderr, flush=True)


def _escaped(found: re.Match[str]) -> str:
    """Escape a character in the JSON way, so that JSON remains valid."""
    return json.dumps(found[0])[1:-1]


def started(milliseconds: float | None) -> str:
    """Return milliseconds since 1970 as local date and time, always 19 characters long."""
    if milliseconds is None:
        return f"{'-':19}"
    try:
        start = datetime.datetime.fromtimestamp(milliseconds / 1000).astimezone()
    except (OverflowError, OSError, ValueError):  # outside the range of the calendar
        return f"{'?':19}"
    return start.isoformat(" ")[:19]  # `strftime` shortens years before 1000
