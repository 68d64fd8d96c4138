"""Take the secrets out of a text: choose the finders, run them, and put in the markers.

Most texts hold no secret. `suspects` finds that out for all texts of a session at once: it asks
each finder in `finders.py` whether it finds anything.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from operator import itemgetter

from honeytrace._redaction.finders import FINDERS, Finder
from honeytrace._redaction.known_texts import KnownTexts
from honeytrace._redaction.marker import MARK, Span, mark
from honeytrace._redaction.outline import Outline
from honeytrace._redaction.randomness import is_uuid

MIN_KEY_CHARACTERS = 8
"""Characters of a configured API key that is looked for by itself; less may be anything."""


# A marker may change how the text around it reads, such as the number of fields in a row. So
# the secrets of one pass are replaced before the next pass. The limit is for texts that are made to
# keep us busy; the second pass seldom finds something.
MAX_PASSES = 3
_MAX_PLACES = 1000
_MAX_CHARACTERS = 2**18  # of a text that is searched again
_EDGES = " \t\r\n()[]{}<>.,;:*!\"'`"  # what may be left of a secret beside a marker

_known = KnownTexts()


def suspects(texts: Iterable[str]) -> list[Finder]:
    """Return the finders that may find something in one of the texts."""
    # An id is new in every session, and no secret without a name.
    new = [text for text in _known.others(texts) if not is_uuid(text)]
    if not new:
        return []
    outline = Outline("\n".join(("", *new)))
    found = [finder for finder in FINDERS if finder.suspects(outline)]
    if not found:
        _known.add(new)
    return found


def bare_key(key: str | None) -> str | None:
    """Return the configured API key as it is looked for; None if it is too short."""
    bare = (key or "").removeprefix("Bearer ")
    return bare if len(bare) >= MIN_KEY_CHARACTERS else None


def without_secrets(
    text: str,
    finders: Iterable[Finder] = FINDERS,
    key: str | None = None,
    passes: int = MAX_PASSES,
) -> str:
    """Return the text with markers instead of its secrets; the same object if it has none.

    Args:
        text: any text.
        finders: those that may find something.
        key: the configured API key, by `bare_key`.
        passes: how often to look for secrets in what was left of the text.
    """
    found = find_secrets(text, finders, key)
    if not found:
        return text
    marked = _marked(text, found)
    if passes == 1 or len(found) > _MAX_PLACES or len(text) > _MAX_CHARACTERS:
        return marked
    return without_secrets(marked, FINDERS, key, passes - 1)


def _marked(text: str, found: list[Span]) -> str:
    parts: list[str] = []
    done = 0
    for start, end, rule in found:
        parts += text[done:start], mark(rule)
        done = end
    return "".join((*parts, text[done:]))


def find_secrets(
    text: str, finders: Iterable[Finder] = FINDERS, key: str | None = None
) -> list[Span]:
    """Return the secrets of a text in order, without overlaps; see `without_secrets`."""
    found = _found(text, finders)
    if key:
        found += _exactly(key, text)
    if found and "[REDACTED:" in text:
        found = _around_marks(found, text)
    return _merged(found)


def _found(text: str, finders: Iterable[Finder]) -> list[Span]:
    """Return the spans of all finders that may find something in a text."""
    found: list[Span] = []
    if text not in _known:
        outline = Outline(text)
        for finder in finders:
            if finder.applies(outline):
                found += [span for span in finder.find(text) if span[0] < span[1]]
        if not found:
            _known.add((text,))
    return found


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
    end = 0
    longest = sorted(found, key=itemgetter(1), reverse=True)
    for span in sorted(longest, key=itemgetter(0)):  # of one start, the longest first
        if merged and span[0] < end:
            first, _, rule = merged.pop()
            span = (first, max(end, span[1]), rule)
        merged.append(span)
        end = span[1]
    return merged
