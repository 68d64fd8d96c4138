"""Write numbers, durations and times for people."""

from __future__ import annotations

import datetime

from honeytrace._utils.text import span

_MINUTE = 60_000.0  # milliseconds
_HOUR = 60 * _MINUTE
_DIGITS = ((1, 2), (1e-3, 4), (1e-6, 6), (1e-8, 8))
"""The least number of dollars, and the digits after the point from there on."""
_MAX_WRITTEN_OUT = 1e15  # larger numbers are written with an exponent, such as 1.5e+20


def duration(milliseconds: float | None) -> str:
    """Return a duration such as `820 µs`, `12.3 ms`, `4.05 s`, `3 min 20 s`; "" if unknown."""
    if milliseconds is None:
        return ""
    long, sign = abs(milliseconds), "-" if milliseconds < 0 else ""
    if long < 2 * _MINUTE:
        return span(milliseconds)
    if long < 2 * _HOUR:
        minutes, seconds = divmod(round(long / 1000), 60)
        return f"{sign}{minutes} min {seconds} s"
    if long > _MAX_WRITTEN_OUT:
        return f"{milliseconds / _HOUR:.3g} h"
    hours, minutes = divmod(round(long / _MINUTE), 60)
    return f"{sign}{hours:,} h {minutes} min"


def tick(milliseconds: float) -> str:
    """Return a round duration without needless digits, such as `0`, `500 ms`, `1.5 s`."""
    if not milliseconds:
        return "0"
    number, _, unit = duration(milliseconds).partition(" ")
    return f"{number.rstrip('0').rstrip('.') if '.' in number else number} {unit}"


def count(number: float | None) -> str:
    """Return a count such as `1,204`; "" if unknown."""
    if number is None:
        return ""
    return f"{number:,.0f}" if abs(number) <= _MAX_WRITTEN_OUT else f"{number:.3g}"


def tokens(given: float | None, made: float | None) -> str:
    """Return the tokens of prompt and completion, such as `1,204 → 85`; "" if unknown.

    An embedding has no completion: its tokens are one number.
    """
    if made is None:
        return count(given)
    return f"{'?' if given is None else count(given)} → {count(made)}"


def cost(dollars: float | None) -> str:
    """Return an amount such as `$0.0042`; it is never written as zero if it is not."""
    if dollars is None:
        return ""
    for least, digits in _DIGITS:
        if dollars == 0 or least <= abs(dollars) <= _MAX_WRITTEN_OUT:
            return f"${dollars:,.{digits}f}"
    return f"${dollars:.2g}"


def plural(number: float, noun: str, nouns: str = "") -> str:
    """Return `1 step` or `12 steps`; `nouns` is a plural that does not just end with an s."""
    return f"{count(number)} {noun if number == 1 else nouns or noun + 's'}"


def moment(milliseconds: float | None) -> datetime.datetime | None:
    """Return milliseconds since 1970 in local time; None if no calendar has that day."""
    if milliseconds is None:
        return None
    try:
        return datetime.datetime.fromtimestamp(milliseconds / 1000).astimezone()
    except (OverflowError, OSError, ValueError):
        return None
