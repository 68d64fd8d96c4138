"""The marker that replaces a secret, and the type of a secret's position."""

from __future__ import annotations

from collections.abc import Iterator

from honeytrace._redaction.lazy import expression

Span = tuple[int, int, str]
"""Where a secret is in a text: start, end, and the rule that found it.

Without a rule it is a place that a finder looks at, which costs more than a moment.
"""

REST = "rest"
"""The rule of the rest of a text with too many places."""

MAX_STEPS = 10_000
"""Places of one text that a finder looks at closely; after so many it replaces the rest."""

MAX_TRIES = 80_000
"""The same for places that it only looks at. One to look at closely counts as eight of them."""

MARK = expression(r"\[REDACTED:[a-z_]{1,16}\]")


def mark(rule: str) -> str:
    """Return the marker that replaces a secret."""
    return f"[REDACTED:{rule}]"


def bounded(spans: Iterator[Span], length: int) -> Iterator[Span]:
    """Yield the spans of a finder, and the rest of a text if it has too many places to look at."""
    tries = 0
    for span in spans:
        tries += MAX_TRIES // MAX_STEPS if span[2] else 1
        if tries > MAX_TRIES:
            yield span[0], length, REST
            return
        if span[2]:
            yield span
