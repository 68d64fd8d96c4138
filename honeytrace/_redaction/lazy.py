"""Compile expressions when they are first used: a program that records nothing need not wait."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, cast

_METHODS = ("findall", "finditer", "fullmatch", "match", "search", "split", "sub")


class _Compiled:
    """Has the methods of a pattern as attributes."""


class _Lazy(_Compiled):
    """Stands for a pattern until one of its methods is used; from then on it is as quick as one."""

    def __init__(self, text: str, flags: int) -> None:
        self._pattern = (text, flags)

    def __getattr__(self, name: str) -> Any:
        pattern = re.compile(*self._pattern)
        self.__dict__.update({method: getattr(pattern, method) for method in _METHODS})
        self.__class__ = _Compiled  # type: ignore[assignment]
        return getattr(pattern, name)


def expression(text: str, flags: int = 0) -> re.Pattern[str]:
    """Return a pattern that is compiled when it is first used."""
    return cast("re.Pattern[str]", _Lazy(text, flags))


def verbose(text: str) -> re.Pattern[str]:
    """Return a pattern for ASCII that is written with spaces and comments."""
    return expression(text, re.ASCII | re.VERBOSE)


def beginning(start: str, pattern: re.Pattern[str], text: str) -> Iterator[re.Match[str]]:
    """Yield the matches of a pattern, each of which begins with `start`, without overlaps.

    To find a text takes less time than to search for an expression, except for one character.
    """
    if len(start) == 1:
        yield from pattern.finditer(text)
        return
    at = text.find(start)
    while at >= 0:
        match = pattern.match(text, at)
        if match:
            yield match
        at = text.find(start, match.end() if match else at + 1)
