"""Choose the roots of one sample rate, so that dropping a root costs next to nothing."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from itertools import repeat
from math import log, log1p
from os import urandom  # a program's tests may patch it in `os`

_NUMBERS = 2**32  # how many numbers the first four bytes of an id can be


@functools.lru_cache(maxsize=1024)
def threshold(rate: float) -> bytes | None:
    """Return the bytes below which the ids of sampled roots are; None if all roots are sampled."""
    return None if rate >= 1 else int(rate * _NUMBERS).to_bytes(4, "big")


class Sampler:
    """Draws how many roots to drop until the next one that is sampled.

    That one gets an id below the threshold. So its id says the same as the sampler, in every
    process, and the dropped roots need no id.

    Attributes:
        samples_all: True if no root is dropped.
        dropped: yields True for each root to drop before the next one that is sampled.
    """

    def __init__(self, limit: bytes | None) -> None:
        """`limit` is the threshold; None if no root is dropped."""
        self.samples_all = limit is None
        self._limit = int.from_bytes(limit or b"", "big")
        self.dropped: Iterator[bool] = iter(()) if limit is None else self._draw()

    def sampled_id(self) -> bytes:
        """Return a random id for a root that is sampled, and draw how many to drop after it."""
        self.dropped = self._draw()
        number = int.from_bytes(urandom(8), "big") % self._limit
        return number.to_bytes(4, "big") + urandom(12)

    def _draw(self) -> Iterator[bool]:
        """Draw the number of roots to drop, which is distributed geometrically."""
        if self._limit == 0:
            return repeat(True)
        uniform = (int.from_bytes(urandom(8), "big") + 1) / 2**64
        return repeat(True, int(log(uniform) / log1p(-self._limit / _NUMBERS)))


ALL_SAMPLED = Sampler(None)
"""A sampler that drops nothing."""
