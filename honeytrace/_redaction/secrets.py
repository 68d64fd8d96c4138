"""Take the secrets out of a text: choose the finders, run them, and put in the markers.

To add a rule, write a function from a text to spans and add it to `FINDERS`, with the characters
and the expression without which it finds nothing. Every finder looks at the text as it was given,
so they do not depend on each other; spans that overlap become one.

Most texts hold no secret. `suspects` tells that for all texts of a session at once: it looks for
single characters first, which costs next to nothing, and then for expressions that begin with one
of these characters, which `re` finds at the speed of C.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from honeytrace._redaction import command_lines, credentials, structures
from honeytrace._redaction.known_texts import KnownTexts
from honeytrace._redaction.marker import MARK, MAX_STEPS, Span, mark
from honeytrace._redaction.named_values import comparisons, named_values, names_a_secret
from honeytrace._redaction.provider_keys import provider_keys
from honeytrace._redaction.values import WIDE_COLON

MIN_KEY_CHARACTERS = 8
"""Characters of a configured API key that is looked for by itself; less may be anything."""


class Finder(NamedTuple):
    """One way to find secrets.

    Attributes:
        find: yields the spans of a text in order, and an empty one where it looks closely.
        characters: `find` finds nothing in a text without one of these.
        may_find: returns something true for every text, alone or among others that are joined by
            newlines, in which `find` finds something.
    """

    find: Callable[[str], Iterator[Span]]
    characters: str
    may_find: Callable[[str], object]


def _finder(find: Callable[[str], Iterator[Span]], characters: str, *hints: str) -> Finder:
    """Return a finder that finds nothing without a word or a match of one of the expressions."""
    words = [hint for hint in hints if hint.isalpha()]
    searches = [re.compile(hint).search for hint in hints if not hint.isalpha()]
    if len(hints) == 1 and searches:
        return Finder(find, characters, searches[0])

    def may_find(text: str) -> bool:
        for search in searches:
            if search(text):
                return True
        return any(map(text.__contains__, words))

    return Finder(find, characters, may_find)


def _itself(find: Callable[[str], Iterator[Span]], characters: str) -> Finder:
    """Return a finder that is quick enough to be asked itself whether it finds something."""
    return Finder(find, characters, lambda text: next(find(text), None) is not None)


# A marker may change how the text around it reads, such as the number of fields in a row. So
# the secrets of one pass are replaced before the next pass. The limit is for texts that are made to
# keep us busy; the second pass seldom finds something.
_MAX_PASSES = 3
_MAX_PLACES = 1000
_REST = "rest"  # the rule for the rest of a text with too many places
_EDGES = " \t\r\n()[]{}<>.,;:*!\"'`"  # what may be left of a secret beside a marker

FINDERS = (
    _itself(provider_keys, ""),
    Finder(named_values, ":=%<" + WIDE_COLON, names_a_secret),
    _finder(credentials.private_keys, "-", "BEGIN"),
    _itself(credentials.urls, ":"),
    _finder(
        credentials.webhooks,
        "/",
        r"/(?=services|workflows|triggers|hooks/|api/w|webhook|open-apis|v1/sp)",
    ),
    _itself(credentials.schemes, "bB"),
    _itself(credentials.pgpass, ":"),
    _finder(comparisons, "=", r"=(?= ?[A-Za-z_$])(?<=[!=]=)"),
    _itself(structures.elements, "<"),
    _itself(structures.attributes, "<"),
    _itself(structures.pairs, "([,"),
    _itself(structures.setters, "("),
    _finder(structures.tables, "|", r"\|"),
    _itself(structures.comma_values, ",;\t"),
    _itself(command_lines.options, "-"),
    _finder(command_lines.commands, "-/", *command_lines.ANY_FLAG),
    _itself(command_lines.statements, " \t"),
    _itself(command_lines.sql, "'"),
    _finder(command_lines.logins, "l", "login"),
)


_known = KnownTexts()
_CHARACTERS = frozenset("".join(finder.characters for finder in FINDERS))


def suspects(texts: Iterable[str]) -> list[Finder]:
    """Return the finders that may find something in one of the texts."""
    new = _known.others(texts)
    if not new:
        return []
    text = "\n".join(("", *new))
    present = {character for character in _CHARACTERS if character in text}
    found = [
        finder
        for finder in FINDERS
        if (not finder.characters or not present.isdisjoint(finder.characters))
        and finder.may_find(text)
    ]
    if not found:
        _known.add(new)
    return found


def bare_key(key: str | None) -> str | None:
    """Return the configured API key as it is looked for; None if it is too short."""
    bare = (key or "").removeprefix("Bearer ")
    return bare if len(bare) >= MIN_KEY_CHARACTERS else None


def without_secrets(
    text: str, finders: Iterable[Finder] | None = None, key: str | None = None
) -> str:
    """Return the text with markers instead of its secrets; the same object if it has none.

    Args:
        text: any text.
        finders: those that may find something; None to ask all of them for that.
        key: the configured API key, by `bare_key`.
    """
    for _ in range(_MAX_PASSES):
        found = find_secrets(text, finders, key)
        if not found:
            break
        text = _marked(text, found)
        if len(found) > _MAX_PLACES or found[-1][2] == _REST:
            break
        finders = None
    return text


def _marked(text: str, found: list[Span]) -> str:
    parts: list[str] = []
    done = 0
    for start, end, rule in found:
        parts += text[done:start], mark(rule)
        done = end
    return "".join((*parts, text[done:]))


def find_secrets(
    text: str, finders: Iterable[Finder] | None = None, key: str | None = None
) -> list[Span]:
    """Return the secrets of a text in order, without overlaps; see `without_secrets`."""
    found = _found(text, suspects((text,)) if finders is None else finders)
    if key:
        found += _exactly(key, text)
    if found and "[REDACTED:" in text:
        found = _around_marks(found, text)
    return _merged(found)


def _found(text: str, finders: Iterable[Finder]) -> list[Span]:
    """Return the spans of all finders that may find something in a text."""
    found: list[Span] = []
    if text not in _known:
        for finder in finders:
            if not finder.characters or any(map(text.__contains__, finder.characters)):
                found += _bounded(finder.find(text), len(text))
        if not found:
            _known.add((text,))
    return found


def _bounded(spans: Iterator[Span], length: int) -> Iterator[Span]:
    """Yield the spans of a finder, without the empty ones, which only say that it looks closely."""
    for step, (start, end, rule) in enumerate(spans):
        if step >= MAX_STEPS:
            yield start, length, _REST
            return
        if start < end:
            yield start, end, rule


def _around_marks(found: list[Span], text: str) -> list[Span]:
    """Return the spans, extended to whole markers, without those that hold nothing but markers."""
    marks = [match.span() for match in MARK.finditer(text)]
    ends = [end for _, end in marks]
    spans = []
    for start, end, rule in found:
        touched = marks[bisect_right(ends, start) : bisect_left(marks, (end, 0))]
        if touched:
            start, end = min(start, touched[0][0]), max(end, touched[-1][1])
            if not MARK.sub("", text[start:end]).strip(_EDGES):
                continue
        spans.append((start, end, rule))
    return spans


def _exactly(key: str, text: str) -> Iterator[Span]:
    at = text.find(key)
    while at >= 0:
        yield at, at + len(key), "api_key"
        at = text.find(key, at + len(key))


def _merged(found: Iterable[Span]) -> list[Span]:
    """Return spans in order; spans that overlap become one, with the rule of the first."""
    merged: list[Span] = []
    for start, end, rule in sorted(found, key=lambda span: (span[0], -span[1])):
        if merged and start < merged[-1][1]:
            first, last, kept = merged[-1]
            merged[-1] = (first, max(last, end), kept)
        else:
            merged.append((start, end, rule))
    return merged
