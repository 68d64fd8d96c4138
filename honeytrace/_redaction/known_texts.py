"""Remember texts without a secret, because most texts of a session come again in others.

A prompt, the turns of a chat and the results of nested calls come again and again. To look one up
costs less than a microsecond; to search it costs a hundred times as much.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable

MAX_KNOWN_BYTES = 2**21
"""Memory of all texts that are remembered; when they take more, all are forgotten."""

_ENTRY_BYTES = 48  # of a set, for each text, on average

_MAX_CHARACTERS = 2**14  # of one text; what is longer hardly comes again


class KnownTexts:
    """Texts in which no finder finds anything."""

    def __init__(self) -> None:
        self._texts: set[str] = set()
        self._bytes = 0

    def __contains__(self, text: str) -> bool:
        return text in self._texts

    def others(self, texts: Iterable[str]) -> set[str]:
        """Return the texts that are not known."""
        return set(texts) - self._texts

    def add(self, texts: Iterable[str]) -> None:
        """Remember texts, except very long ones."""
        kept = [text for text in texts if len(text) <= _MAX_CHARACTERS]
        taken = sum(map(sys.getsizeof, kept)) + _ENTRY_BYTES * len(kept)
        self._bytes += taken
        if self._bytes > MAX_KNOWN_BYTES:
            self._texts = set()
            self._bytes = taken
        self._texts.update(kept)
