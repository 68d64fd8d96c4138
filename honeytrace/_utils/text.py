"""Text for one line of a terminal or a message."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

_LISTED = 10


def closest(word: str, known: Iterable[str], cutoff: float = 0.6) -> str | None:
    """Return the known word that looks most like `word`, or None if none does.

    `cutoff` is how alike two words have to be, from 0 (not at all) to 1 (the same).
    """
    from difflib import get_close_matches  # only needed once somebody has made a slip

    return next(iter(get_close_matches(word, list(known), n=1, cutoff=cutoff)), None)


def did_you_mean(word: str, known: Iterable[str], otherwise: str) -> str:
    """Return "did you mean …?" with the closest known word, or `otherwise` if none is close."""
    found = closest(word, known)
    return f"did you mean {found!r}?" if found else otherwise


def mask(text: str, key: str | None) -> str:
    """Replace an API key in a message. Servers sometimes repeat the header they refuse."""
    bare = (key or "").removeprefix("Bearer ")
    return text.replace(bare, "[REDACTED:api_key]") if bare else text


def listed(words: Sequence[str]) -> str:
    """The first of them in a row, and how many more there are."""
    more = f" and {len(words) - _LISTED} more" if len(words) > _LISTED else ""
    return f"{', '.join(words[:_LISTED])}{more}"


CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""What moves the cursor, turns the writing direction or cannot be printed at all."""

_MOST = 200


def plain(text: str, most: int = _MOST) -> str:
    """Text of anybody's for one line of a terminal: cut, and control characters spelled out."""
    cut = text if len(text) <= most else f"{text[:most]}…"
    return CONTROL.sub(lambda found: ascii(found[0])[1:-1], cut)


def span(milliseconds: float) -> str:
    """A duration with the unit that suits it: `820 µs`, `12.3 ms`, `4.05 s`."""
    # The bounds are where rounding would reach the next unit.
    if abs(milliseconds) < 0.9995:
        return f"{milliseconds * 1000:.0f} µs"
    if abs(milliseconds) < 999.95:
        return f"{milliseconds:.1f} ms"
    return f"{milliseconds / 1000:.2f} s"
