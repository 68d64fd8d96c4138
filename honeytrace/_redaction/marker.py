"""The marker that replaces a secret, and the type of a secret's position."""

from __future__ import annotations

from functools import cache

from honeytrace._redaction.lazy import expression

Span = tuple[int, int, str]
"""A secret in a text: its start, its end, and the rule that found it."""

MARK = expression(r"\[REDACTED:[a-z_]{1,16}\]")


@cache
def mark(rule: str) -> str:
    """Return the marker that replaces a secret."""
    return f"[REDACTED:{rule}]"
