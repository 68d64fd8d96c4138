"""Show the error of a session as lines of text."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from honeytrace._session.session import Session, about

_LIBRARY = re.compile(
    r"[\\/](site|dist)-packages[\\/]|[\\/]lib(64)?[\\/]python\d[\d.]*[\\/]"
    r"|[\\/]python\d+[\\/]lib[\\/]|^<frozen ",
    re.IGNORECASE,
)
"""Finds frames in installed packages and in Python's own modules."""

_PACKAGES = re.compile(r"^.*[\\/](site|dist)-packages[\\/]", re.IGNORECASE)

_LISTS = ("traceback", "notes", "exceptions")
_RELATED = (("context", "while handling"), ("cause", "caused by"))


def error_lines(session: Session, full: bool, outer: Sequence[Session] = ()) -> Iterator[str]:
    """Yield where the error of a session was raised, its notes and its causes.

    Unless `full`, the only frame of a traceback is the last one in the user's code.

    outer: the sessions around this one that failed with the same error. The traceback of an SDK's
        function begins inside the SDK, so that often only theirs has the user's code.
    """
    waiting: list[tuple[str, Any]] = [("", about(session).get("exception"))]
    last = ""
    while waiting:
        head, details = waiting.pop()
        if not isinstance(details, dict):
            continue
        words = f"{head} {details.get('type')}: {details.get('message')}" if head else ""
        if words and (full or words != last):  # libraries wrap an error in one like it
            yield words
        last = words
        frames, notes, members = (_list(details.get(name)) for name in _LISTS)
        if full:
            yield from map(str, frames)
        else:
            yield from _own(frames) if head else _innermost(frames, outer)
        yield from map(str, notes)
        waiting += [(f"exception {at}:", each) for at, each in enumerate(members, 1)][::-1]
        waiting += [(words, details[name]) for name, words in _RELATED if name in details]


def _innermost(frames: Sequence[Any], outer: Sequence[Session]) -> list[str]:
    """Return the last frame in the user's code, or else the last of all."""
    found = _own(frames)
    for session in outer:
        details = about(session).get("exception")
        if not found and isinstance(details, dict):
            found = _own(_list(details.get("traceback")))
    # In a library, only the path inside its packages: else the line would end before the function.
    return found or [_PACKAGES.sub("", str(frame)) for frame in frames[-1:]]


def _own(frames: Sequence[Any]) -> list[str]:
    """Return the last frame that is not in a library, if there is one."""
    return [frame for frame in map(str, frames) if not _LIBRARY.search(frame)][-1:]


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []
