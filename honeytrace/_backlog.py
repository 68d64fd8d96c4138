"""What is to be sent next, as far as it is in memory. The rest is on disk, and `cold` counts it.

Plain data without a lock: `_outbox` has the one that guards it.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from honeytrace._segment import Place

_MOST = 1_000
_BYTES = 16 * 2**20
_FEW = 64  # fewer sessions than this, and it is time to read on


@dataclass(slots=True, eq=False)
class Item:
    """One session on its way. `serial` counts the sessions taken in, from 1.

    Without a `place` on disk it is in memory only. With one, its body may be left to the disk.
    """

    serial: int
    body: bytes = b""
    place: Place | None = None
    attempts: int = 0
    kept: bool = False  # it got to where the senders find it


class Backlog:
    """Items that are ready, in order; items put off, at their time; those of earlier processes."""

    def __init__(self) -> None:
        self.cold = 0  # sessions of this process that are on disk only
        self._ready: deque[Item] = deque()
        self._older: deque[Item] = deque()
        self._later: list[tuple[float, int, Item]] = []
        self._puts = 0
        self._count = self._bytes = 0  # of the bodies in memory

    @property
    def full(self) -> bool:
        """Whether no further body should be held in memory."""
        return self._count >= _MOST or self._bytes >= _BYTES

    @property
    def roomy(self) -> bool:
        """Whether it has emptied by half: to go on at every free place would be a thread switch
        for each session."""
        return self._count <= _MOST // 2 and self._bytes <= _BYTES // 2

    @property
    def low(self) -> bool:
        """Whether the senders will soon be out of work."""
        return len(self._ready) + len(self._older) < _FEW

    @property
    def waiting(self) -> int:
        return len(self._ready) + len(self._older) + self.cold

    def add(self, item: Item) -> None:
        self._ready.append(item)
        self._weigh(item, 1)

    def add_older(self, items: Iterable[Item]) -> None:
        """Adds sessions of earlier processes, which go when ours are gone."""
        for item in items:
            self._older.append(item)
            self._weigh(item, 1)

    def take(self, now: float) -> Item | None:
        """The next item that may be sent: one whose time has come, else the first in order."""
        if self._later and self._later[0][0] <= now:
            item = heapq.heappop(self._later)[2]
        elif self._ready:
            item = self._ready.popleft()
        elif self._older and not self.cold:
            item = self._older.popleft()
        else:
            return None
        self._weigh(item, -1)
        return item

    @property
    def due(self) -> float | None:
        """When the next item that was put off may be sent."""
        return self._later[0][0] if self._later else None

    def postpone(self, item: Item, until: float) -> None:
        """Puts an item back that was taken. What is on disk needs no memory until then."""
        if item.place:
            item.body = b""
        self._puts += 1
        heapq.heappush(self._later, (until, self._puts, item))
        self._weigh(item, 1)

    def forget(self) -> None:
        """Lets go of the items that are in memory only."""
        self._ready = deque(item for item in self._ready if item.place)
        self._later = [entry for entry in self._later if entry[2].place]
        heapq.heapify(self._later)
        self._count = self._bytes = 0
        for item in (*self._ready, *self._older, *(entry[2] for entry in self._later)):
            self._weigh(item, 1)

    def _weigh(self, item: Item, sign: int) -> None:
        if item.body:
            self._count += sign
            self._bytes += sign * len(item.body)
