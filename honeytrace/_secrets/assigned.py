"""Secrets that a text assigns to a name, in whatever notation."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from honeytrace._secrets.marks import Span
from honeytrace._secrets.names import rule
from honeytrace._secrets.values import value

_MOST = 10_000  # secret names in one text; what comes after them goes as a whole
_PART = 2**16  # characters that are gone through in one call, which no other thread can interrupt
_OVER = 256  # more than any name takes

Given = tuple[int, int, str, str]
"""Where a value may begin, where its name does (-1 for a label), the name and its rule."""

# Backwards, and with one separator: what stands in front of a colon is found at the speed of C.
_FLAT = bytes(ord(":") if byte == ord("=") else byte for byte in range(256))
_GIVEN = re.compile(
    rb""":[ \t"'`\\\]]{0,16}([\w.%-]{1,128}(?:(?:(?<=[yY][eE][kK])|(?<=[eE][dD][oO][cC]))[ ][A-Za-z]{2,24})?\\?)"""
)
_LABELLED = re.compile(
    rb""":[ \t"'`\\]{0,16}eula[vV][\s"',\\-]{1,24}([\w.-]{2,64})[\s"'\\]{0,16}:[\s"'\\]{0,16}"""
    rb"(?:ema[nN]|ye[kK])(?!\w)"
)
_VALUES = {b"eulav", b"eulaV"}
_ESCAPED = re.compile(r".*(?:\\[bfnrt]?|%[0-9A-Fa-f]{2})|.*%")
_ENCODED = re.compile(rb"%3[ADad]")  # a separator within a URL within another
_SIGNATURE = re.compile(r"(?:[\w-]{0,40}-)?sig(?:nature)?", re.ASCII | re.IGNORECASE)
_STATEMENT = re.compile(r"(?:^|[\s(])(?:if|elif|while|for|in|and|or|not|return|case|lambda)\s+\Z")
_QUOTES = ('"', "'", "`")


@lru_cache(4096)
def _named(backwards: bytes) -> tuple[str, str | None]:
    """A name as it is, and its rule; the `sig` of a URL is one that holds only there."""
    name = _ESCAPED.sub("", backwards[::-1].decode(), 1)
    return name, rule(name) or ("signature" if _SIGNATURE.fullmatch(name) else None)


def assignments(text: str, data: bytes) -> Iterator[Span]:
    """`password=…`, `"token": "…"`, `X-Api-Key: …`, `?sig=…`, `"name": "token", "value": "…"`."""
    if not (b":" in data or b"=" in data or b"%3" in data):
        return
    if b"%" in data:
        data = _ENCODED.sub(b"  :", data)
    left, done = _MOST, 0
    for at, start, name, found in _given(data.translate(_FLAT)[::-1]):
        if at < done:
            continue
        if not left:
            yield at, len(text), "rest"
            return
        left -= 1
        if start < 0 or _is_assigned(text, start, at, found):
            span = value(text, at, name, found)
            if span:
                yield span
                done = span[1]


def _given(backwards: bytes) -> Iterator[Given]:
    """All that has a secret name, a part of the text after the other."""
    for end in range(len(backwards), 0, -_PART):
        begin = max(0, end - _PART)
        names = set(_GIVEN.findall(backwards, begin, end + _OVER))
        given: list[Given] = []
        if any(_named(name)[1] for name in names):
            given += _matches(_GIVEN, backwards, begin, end)
        if not _VALUES.isdisjoint(names):
            given += _matches(_LABELLED, backwards, begin, end)
        yield from sorted(given)


def _matches(pattern: re.Pattern[bytes], backwards: bytes, begin: int, end: int) -> Iterator[Given]:
    length = len(backwards)
    for match in pattern.finditer(backwards, begin, end + _OVER):
        name, found = _named(match[1])
        if found and match.start() < end:
            start = -1 if pattern is _LABELLED else length - match.start(1) - len(name)
            yield length - match.start(), start, name, found


def _is_assigned(text: str, start: int, at: int, found: str) -> bool:
    """Whether a name that begins at `start` is given a value at `at`: code has other colons, too."""
    before = text[start - 1 : start]
    if found == "signature":
        return before != "" and before in "?&"
    if before == ":" and text.startswith("REDACTED", start - 9):
        return False
    if text[at - 1] == "=":  # a comparison has two of them
        return text[at : at + 1] != "=" or text[at + 1 : at + 9].lstrip().startswith(_QUOTES)
    return text[at : at + 1] != ":" and not _STATEMENT.search(text, max(0, start - 24), start)
