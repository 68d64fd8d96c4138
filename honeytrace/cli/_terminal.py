"""Fit lines to the terminal, and color them."""

from __future__ import annotations

import os
import shutil
import sys
import unicodedata
from itertools import accumulate

PIPE_COLUMNS = 200
"""The width of a list that does not go to a terminal."""


def terminal_columns() -> int | None:
    """Return the width of the terminal that the output goes to; None if it goes elsewhere."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def columns(text: str) -> int:
    """Return how many columns a text takes: a Chinese character takes two, an accent none."""
    return len(text) if text.isascii() else sum(map(_columns_of, text))


def _columns_of(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def pad(text: str, width: int, right: bool = False) -> str:
    """Fill a text up to a width, with spaces after it or, if it stands at the right, before it."""
    spaces = " " * (width - columns(text))
    return f"{spaces}{text}" if right else f"{text}{spaces}"


def fit(line: str, width: int) -> str:
    """Cut a line that is wider than so many columns, and end it with an ellipsis."""
    return line if _head(line, width) == line else f"{_head(line, width - 1)}…"


def wrap(line: str, width: int, most: int) -> list[str]:
    """Break a line between words into at most so many rows; the last one may be cut."""
    rows: list[str] = []
    while len(rows) < most - 1 and (head := _head(line, width)) != line:
        at = head.rfind(" ") + 1
        head = head[:at] if at > width // 2 else head
        rows.append(head.rstrip())
        line = line[len(head) :].lstrip()
    return [*rows, fit(line, width)]


def _head(line: str, width: int) -> str:
    """Return as much of a line as fits into so many columns."""
    line = line[: 2 * width + 1]  # accents take none, but nobody writes more of them than letters
    if line.isascii():
        return line[:width]
    ends = accumulate(map(_columns_of, line))
    return line[: sum(end <= width for end in ends)]


def with_color(line: str) -> str:
    """Make what follows the sign of an error red, on a terminal that can show it."""
    if not _has_color() or "✗" not in line:
        return line
    head, _, error = line.partition("✗")
    return f"{head}\x1b[31m✗{error}\x1b[0m"


def _has_color() -> bool:
    # https://no-color.org: any value switches it off, except an empty one.
    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    return sys.stdout.isatty() and not plain
