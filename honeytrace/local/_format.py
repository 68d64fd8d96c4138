"""Write numbers, durations and times for people."""

from __future__ import annotations

import datetime

from honeytrace._utils.text import span

_MINUTE = 60_000.0  # milliseconds
_HOUR = 60 * _MINUTE


def duration(milliseconds: float | None) -> str:
    """Return a duration such as `820 µs`, `12.3 ms`, `4.05 s`, `3 min 20 s`; "" if unknown."""
    if milliseconds is None:
        return ""
    if abs(milliseconds) < 2 * _MINUTE:
        return span(milliseconds)
    if abs(milliseconds) < 2 * _HOUR:
        return f"{milliseconds // _MINUTE:.0f} min {milliseconds % _MINUTE / 1000:.0f} s"
    return f"{milliseconds // _HOUR:,.0f} h {milliseconds % _HOUR / _MINUTE:.0f} min"


def tick(milliseconds: float) -> str:
    """Return a round duration without needless digits, such as `0`, `500 ms`, `1.5 s`."""
    if not milliseconds:
        return "0"
    number, _, unit = duration(milliseconds).partition(" ")
    return f"{number.rstrip('0').rstrip('.') if '.' in number else number} {unit}"


def count(number: float | None) -> str:
    """Return a count such as `1,204`; "" if unknown."""
    return "" if number is None else f"{number:,.0f}"


def tokens(given: float | None, made: float | None) -> str:
    """Return the tokens of prompt and completion, such as `1,204 → 85`; "" if unknown."""
    if given is None and made is None:
        return ""
    return " → ".join("?" if each is None else count(each) for each in (given, made))


def cost(dollars: float | None) -> str:
    """Return an amount such as `$0.0042`."""
    if dollars is None:
        return ""
    if dollars == 0 or abs(dollars) >= 1:
        return f"${dollars:,.2f}"
    return f"${dollars:.4f}" if abs(dollars) >= 0.001 else f"${dollars:.6f}"


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
