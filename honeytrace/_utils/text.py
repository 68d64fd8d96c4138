"""Helpers for text in messages and on one line of a terminal."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

_LISTED = 10
_LEAD_CHARACTERS = 20  # shown before the first difference of two texts


def closest(word: str, known: Iterable[str], cutoff: float = 0.6) -> str | None:
    """Return the known word that is most similar to `word`; None if none is similar enough.

    `cutoff` is the similarity that is needed, from 0 (any word) to 1 (only the same word).
    """
    from difflib import get_close_matches  # only needed after a mistake

    return next(iter(get_close_matches(word, list(known), n=1, cutoff=cutoff)), None)


def did_you_mean(word: str, known: Iterable[str], otherwise: str) -> str:
    """Return "did you mean …?" with the closest known word, or `otherwise` if none is close."""
    found = closest(word, known)
    return f"did you mean {found!r}?" if found else otherwise


def mask(text: str, key: str | None) -> str:
    """Replace an API key in a message: some servers repeat the header that they refuse."""
    bare = (key or "").removeprefix("Bearer ")
    return text.replace(bare, "[REDACTED:api_key]") if bare else text


def listed(words: Sequence[str]) -> str:
    """Join the first few words with commas, and add how many more there are."""
    more = f" and {len(words) - _LISTED} more" if len(words) > _LISTED else ""
    return f"{', '.join(words[:_LISTED])}{more}"


def shorten(text: str, characters: int = 200) -> str:
    """Cut a long text for display and end it with an ellipsis."""
    return text if len(text) <= characters else f"{text[:characters]}…"


def first_line(text: str, characters: int = 200) -> str:
    """Return the first line that is not blank, cut to so many characters."""
    return shorten(text.strip().partition("\n")[0].rstrip(), characters)


def start_near_difference(one: str, other: str, characters: int) -> int:
    """Return the index from which to show two texts: if one is longer, shortly before they differ.

    characters: how many of a text are shown.
    """
    shorter, longer = sorted((len(one), len(other)))
    if longer <= characters:
        return 0
    pairs = enumerate(zip(one, other, strict=False))
    first = next((at for at, (a, b) in pairs if a != b), shorter)
    return max(first - _LEAD_CHARACTERS, 0)


CONTROL = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff"
    "\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]"
)
"""Characters that move the cursor, change the writing direction, or cannot be seen or printed."""


def printable(text: str, characters: int = 200) -> str:
    """Make a foreign text safe for one line of a terminal: cut it, escape control characters."""
    return CONTROL.sub(lambda found: ascii(found[0])[1:-1], shorten(text, characters))


def span(milliseconds: float) -> str:
    """Return a duration in a readable unit: `820 µs`, `12.3 ms`, `4.05 s`."""
    # From these bounds on, rounding would reach the next unit.
    if abs(milliseconds) < 0.9995:
        return f"{milliseconds * 1000:.0f} µs"
    if abs(milliseconds) < 999.95:
        return f"{milliseconds:.1f} ms"
    return f"{milliseconds / 1000:.2f} s"
