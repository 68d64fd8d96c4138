"""Secrets that stand beside their name: in an element of XML, in a pair as `("name", "value")`."""

from __future__ import annotations

import re
from collections.abc import Iterator

from honeytrace._redaction.assigned_values import is_known, is_prose, value
from honeytrace._redaction.credentials import TOKEN
from honeytrace._redaction.marker import NOTHING, Span
from honeytrace._redaction.secret_names import rule

_CLOSE = re.compile(rb"</([A-Za-z][\w.:-]{1,63})")
_CDATA = "<![CDATA["
_FAR = 8192  # characters of an element

# Each begins with a character, for which `re` can look fast.
_PAIR = rb"""\s?[bu]?(\\{0,7}["'])([A-Za-z][\w.-]{1,63})\1,\s{0,2}(?=[bu]?\\{0,7}["'])"""
_PARENTHESIS = re.compile(rb"\(" + _PAIR)
_BRACKET = re.compile(rb"\[" + _PAIR)
_CLOSED = re.compile(r"""\\{0,7}["']\s?[)\]]""")


def elements(text: str, data: bytes) -> Iterator[Span]:
    """`<password>…</password>`."""
    return _elements(text, data) if b"<" in data else NOTHING


def _elements(text: str, data: bytes) -> Iterator[Span]:
    if not any(map(_named, set(_CLOSE.findall(data)))):
        return
    for match in _CLOSE.finditer(data):
        found = _named(match[1])
        if found:
            name = match[1].decode()
            start, end = _content(text, name, match.start())
            yield start, start, ""
            given = text[start:end].strip()
            if given and not is_known(given, name, found) and not is_prose(given, 0):
                yield start, end, found


def _named(name: bytes) -> str | None:
    return rule(name.decode())


def _content(text: str, name: str, end: int) -> tuple[int, int]:
    """Where the text of an element that closes at `end` stands, if it holds nothing but text."""
    first = max(0, end - _FAR)
    if text.endswith("]]>", first, end):
        start = text.rfind(_CDATA, first, end)
        return (start + len(_CDATA), end - 3) if start >= 0 else (end, end)
    start = text.rfind(">", first, end) + 1
    opened = text.rfind("<", first, max(start - 1, 0)) + 1
    return (start, end) if start and text.startswith(name, opened) else (end, end)


def parentheses(text: str, data: bytes) -> Iterator[Span]:
    """`("Authorization", "…")`."""
    return _pairs(_PARENTHESIS.finditer(data), text) if b"(" in data else NOTHING


def brackets(text: str, data: bytes) -> Iterator[Span]:
    """`["Authorization", "…"]`."""
    return _pairs(_BRACKET.finditer(data), text) if b"[" in data else NOTHING


def _pairs(matches: Iterator[re.Match[bytes]], text: str) -> Iterator[Span]:
    for match in matches:
        found = rule(match[2].decode())
        if found:
            yield match.end(), match.end(), ""
            span = _second(text, match.end(), match[2].decode(), found)
            if span:
                yield span


def _second(text: str, at: int, name: str, found: str) -> Span | None:
    """The second of two; of a list of two words nobody knows whether it is a pair."""
    span = value(text, at, name, found)
    if span is None or not _CLOSED.match(text, span[1]):
        return None
    if name.lower().endswith(("authorization", "cookie")):
        return span
    return span if TOKEN.match(text, *span[:2]) and not is_prose(text, span[0]) else None
