"""What a secret looks like: by the name that it stands under, and in the middle of a text.

Every expression here is linear: a run of characters is entered at its start alone, what may fail
after a long way is bounded. `suspects` tells at the price of a few scans in C that a text holds
nothing, which is nearly always so.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache, partial

from honeytrace._redaction.assignments import assignments
from honeytrace._redaction.command_lines import commands, logins, options
from honeytrace._redaction.credentials import blocks, schemes, urls
from honeytrace._redaction.marker import Finder, Span, mark
from honeytrace._redaction.pairs import brackets, elements, parentheses
from honeytrace._redaction.provider_keys import keys

_MOST = 10_000  # steps of a finder in one text, so that none takes the worker for long
_SHORTEST = 8  # characters of a key that is looked for by itself

FINDERS: tuple[Finder, ...] = (
    *(blocks, urls, keys, schemes),
    *(assignments, options, commands, logins),
    *(elements, brackets, parentheses),
)


def _aligned(text: str) -> bytes:
    """A byte for each character; only those of ASCII are of interest."""
    return text.encode("latin-1", "replace")


def _limited(spans: Iterator[Span], length: int) -> Iterator[Span]:
    """What is found; after very many steps, all that is left of the text."""
    left = _MOST
    for start, end, found in spans:
        if start < end:
            yield start, end, found
        elif left:
            left -= 1
        else:
            yield start, length, "rest"
            return


def suspects(text: str, known: Iterable[Finder] = FINDERS) -> list[Finder]:
    """The finders that find something in a text, or may in one of several that were joined."""
    data = _aligned(text)
    return [
        finder
        for finder in known
        if (first := next(spans := finder(text, data), None))
        and (first[0] < first[1] or next(_limited(spans, len(text)), None))
    ]


@lru_cache(64)
def finders(key: str | None) -> tuple[Finder, ...]:
    """All of them, and one for a key of one's own; a short one may be anything."""
    bare = (key or "").removeprefix("Bearer ")
    return (partial(_exactly, bare), *FINDERS) if len(bare) >= _SHORTEST else FINDERS


def _exactly(key: str, text: str, _: bytes) -> Iterator[Span]:
    at = text.find(key)
    while at >= 0:
        yield at, at + len(key), "api_key"
        at = text.find(key, at + len(key))


def without(text: str, finders: Iterable[Finder] = FINDERS) -> str:
    """The text with marks in the places of what is found; the same object if that is nothing."""
    clean = text
    for finder in finders:
        data = _aligned(clean)
        if next(finder(clean, data), None):
            clean = _spliced(clean, _limited(finder(clean, data), len(clean)))
    return text if clean == text else clean


def _spliced(text: str, spans: Iterator[Span]) -> str:
    parts: list[str] = []
    done = 0
    for start, end, found in spans:
        if start >= done:
            parts += text[done:start], mark(found)
            done = end
    return "".join((*parts, text[done:])) if parts else text
