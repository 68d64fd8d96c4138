"""Where secrets stand in a text, and what stands in their place."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

Span = tuple[int, int, str]
"""Where a secret stands in a text (start, end), and the rule that found it."""

Finder = Callable[[str, bytes], Iterator[Span]]
"""Goes through a text, and the same with one byte for each character.

An empty span is a step: something has to be looked at here that may take long."""

NOTHING: Iterator[Span] = iter(())
"""What a finder gives that sees at once that there is nothing: less than a generator takes."""

MARK = re.compile(r"\[REDACTED:[a-z_]{1,16}\]")


def mark(rule: str) -> str:
    """What stands in the place of a secret."""
    return f"[REDACTED:{rule}]"
