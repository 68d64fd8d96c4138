"""Tell how long sessions of the same name usually take."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import sqlite3

_MAX_NAMES = 40
_RECENT = 200
MIN_RECENT = 5  # fewer do not show what is usual
_SLOW = 1.5  # times the median, and above the 95th percentile

_DURATIONS = """
SELECT duration FROM summaries WHERE name = ? AND status = 'ok' AND duration IS NOT NULL
ORDER BY start DESC LIMIT ?
"""


class Usual(NamedTuple):
    """The durations of the latest successful sessions of one name, in milliseconds.

    Attributes:
        number: how many there are.
        p50: the median.
        p95: the duration that 95% of them do not exceed.
    """

    number: int
    p50: float
    p95: float

    def times_slower(self, duration: float | None) -> float | None:
        """Return how many times the median this duration is, if it is slower than usual."""
        if duration is None or self.number < MIN_RECENT:
            return None
        slow = duration > self.p95 and duration > _SLOW * self.p50 > 0
        return duration / self.p50 if slow else None


def by_name(connection: sqlite3.Connection, names: Iterable[str]) -> dict[str, Usual]:
    """Return what is usual for each of the names, but only for the first 40."""
    found = {}
    for name in list(dict.fromkeys(names))[:_MAX_NAMES]:
        rows = connection.execute(_DURATIONS, (name, _RECENT))
        durations = sorted(duration for (duration,) in rows)
        if durations:
            found[name] = Usual(len(durations), quantile(durations, 0.5), quantile(durations, 0.95))
    return found


def quantile(ordered: list[float], share: float) -> float:
    """Return the value below which this share of the ordered values lies."""
    return ordered[min(int(share * len(ordered)), len(ordered) - 1)]
