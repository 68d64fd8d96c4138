"""Find secrets that are split over several texts, such as the unmerged chunks of a stream."""

from __future__ import annotations

import marshal
from collections.abc import Callable, Iterator
from typing import Any

from honeytrace._redaction.marker import Span, mark

PIECE_KEYS = ("text", "token", "content", "delta", "data", "chunk")
"""Keys of objects in a list whose texts are pieces of one text."""

MAX_DEPTH = 8
"""Objects within each other in the items of a stream."""

NAME_RULES = frozenset(
    (
        *("password", "secret", "token", "key", "code", "cookie"),
        *("authorization", "credentials", "connection"),
    )
)
"""Rules of values whose name says what they are: a name in another text says nothing."""

Place = tuple[Any, Any]
"""A container and the key or index of a text in it."""


def groups(items: list[Any], stream: bool = False) -> list[list[Place]]:
    """Return the places of texts that may be pieces of one text, a list for each such text.

    Args:
        items: a list of texts, or of objects.
        stream: whether the items are those of a stream: then texts at the same place belong
            together, however deep they are; else only those under `PIECE_KEYS`.
    """
    if len(items) < 2:
        return []
    if type(items[0]) is str:
        return [[(items, index) for index, item in enumerate(items) if type(item) is str]]
    if type(items[0]) is not dict:
        return []
    found: dict[Any, list[Place]] = {}
    if stream:
        for item in items:
            for path, place in _texts(item, (), 0):
                found.setdefault(path, []).append(place)
    elif "role" not in items[0]:  # messages of a chat are whole
        for key in PIECE_KEYS:
            if type(items[0].get(key)) is str:
                found[key] = [
                    (i, key) for i in items if type(i) is dict and type(i.get(key)) is str
                ]
    return [places for places in found.values() if len(places) > 1]


def _texts(value: Any, path: tuple[Any, ...], depth: int) -> Iterator[tuple[Any, Place]]:
    if depth > MAX_DEPTH:
        return
    pairs = (
        value.items() if type(value) is dict else enumerate(value) if type(value) is list else ()
    )
    for key, item in pairs:
        if type(item) is str:
            yield (*path, key), (value, key)
        else:
            yield from _texts(item, (*path, key), depth + 1)


def joined(items: list[Any], stream: bool = False) -> list[str]:
    """Return the texts that the pieces may form."""
    return ["".join([holder[key] for holder, key in places]) for places in groups(items, stream)]


def without_split_secrets(
    items: list[Any], find: Callable[[str], list[Span]], stream: bool = False
) -> list[Any]:
    """Return the list without secrets that are split over its items; the same if there is none."""
    for index, text in enumerate(joined(items, stream)):
        found = find(text)
        if found:
            pieces = [holder[key] for holder, key in groups(items, stream)[index]]
            mended = _mended(pieces, found)
            if mended != pieces:
                items = marshal.loads(marshal.dumps(items))  # noqa: S302 - our own bytes
                for (holder, key), piece in zip(groups(items, stream)[index], mended, strict=True):
                    holder[key] = piece
    return items


def _mended(pieces: list[str], found: list[Span]) -> list[str]:
    """Return the pieces with a marker where a split secret begins, and without its rest."""
    mended = []
    at = 0
    for piece in pieces:
        end = at + len(piece)
        parts = []
        done = at
        for first, last, rule in found:
            whole = rule in NAME_RULES and at <= first and last <= end
            if first < end and last > at and not whole:
                parts += [piece[done - at : max(first, at) - at], mark(rule) if first >= at else ""]
                done = min(last, end)
        mended.append("".join((*parts, piece[done - at :])))
        at = end
    return mended
