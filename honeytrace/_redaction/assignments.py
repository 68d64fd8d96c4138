"""Secrets that a text gives to a name, in whatever notation."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from honeytrace._redaction.assigned_values import value
from honeytrace._redaction.marker import Span
from honeytrace._redaction.secret_names import HINTS, rule

_PART = 2**16  # characters that are gone through at once: meanwhile no other thread can run
_OVER = 256  # more than any name takes
_MANY = 256  # names so different that it is not worth while to remember them

_Given = tuple[int, int, str, str]  # where a value may begin, and its name does; its name and rule

# Everything is done backwards, and with one separator: then `re` finds the colons, and what stands
# in front of them, at the speed of C.
_FLAT = bytes(ord(":") if byte == ord("=") else byte for byte in range(256))
_ENCODED = re.compile(rb"%3[ADad]")  # a separator in a URL within another
_BESIDE = rb"""[ \t"'`\\\]]{0,16}"""
_GIVEN = re.compile(rb":" + _BESIDE + rb"([A-Za-z0-9_.%-]{1,128}\\?)")
_HINTS = f"{HINTS}|sig|value|5432".split("|")
_HINT = re.compile("|".join(hint[::-1] for hint in _HINTS).encode(), re.IGNORECASE)

# What is written otherwise, and the names by which it may be there.
_LABELLED = re.compile(  # "name": "token", "value":
    rb":" + _BESIDE + rb"""eula[vV][\s"',\\-]{1,24}([\w.-]{2,64})[\s"'\\]{0,16}:[\s"'\\]{0,16}"""
    rb"(?:ema[nN]|ye[kK])(?!\w)"
)
_SPACED = re.compile(  # api key:
    rb":"
    + _BESIDE
    + rb"((?:[sS]?[yY][eE][kK]|[eE][dD][oO][cC])[ ][A-Za-z]{2,24}(?:\\|(?![\w.%-])))"
)
_PGPASS = re.compile(rb":(?=[^:\s]{1,64}:[^:\s]{1,64}:2345:)")  # host:5432:database:user:
_PORT = ("5432", "password")
_OTHERS = (
    ({b"eulav", b"eulaV"}, _LABELLED),
    ({b"yek", b"yeK", b"YEK", b"syek", b"syeK", b"SYEK", b"edoc", b"edoC", b"EDOC"}, _SPACED),
    ({b"2345"}, _PGPASS),
)
_TRIGGERS = frozenset().union(*(triggers for triggers, _ in _OTHERS))
_dull: set[bytes] = set()  # names that are known to be neither secret nor triggers
_DULL = 4096

_ESCAPED = re.compile(r".*(?:\\[bfnrt]?|%[0-9A-Fa-f]{2})|.*%")
_PATH = re.compile(r".*[:\d]:\Z")  # of a type, of something at Amazon
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
    backwards = data.translate(_FLAT)[::-1]
    done = 0
    for end in range(len(text), 0, -_PART):
        begin = max(0, end - _PART)
        names = set(_GIVEN.findall(backwards, begin, end + _OVER))
        if _dull.issuperset(names):
            continue
        if len(names) > _MANY:
            names = set(filter(_HINT.search, names))
            yield from [(len(text) - end, len(text) - end, "")] * len(names)
        for at, start, name, found in sorted(_given(backwards, begin, end, names)):
            if at < done or (start > 9 and text.startswith("[REDACTED:", start - 10)):
                continue
            yield at, at, ""
            span = value(text, at, name, found) if _is_given(text, start, at, found) else None
            if span:
                yield span
                done = span[1]


def _given(backwards: bytes, begin: int, end: int, names: set[bytes]) -> Iterator[_Given]:
    names -= _dull
    secret = {name for name in names if _named(name)[1]}
    if len(_dull) > _DULL:
        _dull.clear()
    _dull.update(names - secret - _TRIGGERS)
    length = len(backwards)
    if secret:
        for match in _GIVEN.finditer(backwards, begin, end + _OVER):
            if match[1] in secret and match.start() < end:
                name, found = _named(match[1])
                yield length - match.start(), length - match.start(1) - len(name), name, found or ""
    for triggers, pattern in _OTHERS:
        if not triggers.isdisjoint(names):
            for match in pattern.finditer(backwards, begin, end + _OVER):
                name, found = _PORT if pattern is _PGPASS else _named(match[1])
                if found and match.start() < end:
                    yield length - match.start(), -1, name, found


def _is_given(text: str, start: int, at: int, found: str) -> bool:
    """Whether a name that begins at `start` is given a value at `at`: code has other colons."""
    if start < 0:
        return True
    before = text[start - 1 : start]
    if found == "signature":
        return before != "" and before in "?&"
    if before == ":" and _PATH.match(text, max(0, start - 9), start):
        return False
    if text[at - 1] == "=":  # a comparison has two of them
        return text[at : at + 1] != "=" or text[at + 1 : at + 9].lstrip().startswith(_QUOTES)
    return text[at : at + 1] != ":" and not _STATEMENT.search(text, max(0, start - 24), start)
