"""The marker that replaces a secret, and the type of a secret's position."""

from __future__ import annotations

from honeytrace._redaction.lazy import expression

Span = tuple[int, int, str]
"""Where a secret is in a text: start, end, and the rule that found it."""

MAX_STEPS = 10_000
"""Places of one text that a finder looks at closely; after so many it replaces the rest."""

MARK = expression(r"\[REDACTED:[a-z_]{1,16}\]")


def mark(rule: str) -> str:
    """Return the marker that replaces a secret."""
    return f"[REDACTED:{rule}]"
