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
    """Join the first words with commas, and say how many more there are."""
    more = f" and {len(words) - _LISTED} more" if len(words) > _LISTED else ""
    return f"{', '.join(words[:_LISTED])}{more}"


def shorten(text: str, characters: int = 200) -> str:
    """Cut a long text for display; an ellipsis stands for the rest."""
    return text if len(text) <= characters else f"{text[:characters]}…"


def first_line(text: str, characters: int = 200) -> str:
    """Return the first line that is not blank, shortened."""
    return shorten(text.strip().partition("\n")[0].rstrip(), characters)


def first_difference(one: str, other: str) -> int | None:
    """Return the position of the first character that differs; None if the texts are equal."""
    if one == other:
        return None
    pairs = zip(one, other, strict=False)
    return next((at for at, (a, b) in enumerate(pairs) if a != b), min(len(one), len(other)))


CONTROL = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff"
    "\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]"
)
"""Characters that move the cursor, turn the writing direction, or cannot be seen or printed."""


def printable(text: str, characters: int = 200) -> str:
    """Shorten anybody's text for one line of a terminal, with control characters spelled out."""
    return CONTROL.sub(lambda found: ascii(found[0])[1:-1], shorten(text, characters))


def span(milliseconds: float) -> str:
    """Return a duration in the unit that suits it: `820 µs`, `12.3 ms`, `4.05 s`."""
    # The bounds are where rounding would reach the next unit.
    if abs(milliseconds) < 0.9995:
        return f"{milliseconds * 1000:.0f} µs"
    if abs(milliseconds) < 999.95:
        return f"{milliseconds:.1f} ms"
    return f"{milliseconds / 1000:.2f} s"
