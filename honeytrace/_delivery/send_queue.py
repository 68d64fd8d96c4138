"""What is ready to be sent, in memory: in order, at its time, and what ended processes left."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from honeytrace._delivery.spool.segment import RecordRef

MAX_SESSIONS = 4_000  # sessions whose bodies are held in memory
MAX_BYTES = 16 * 2**20  # bytes of these bodies
LOW_SESSIONS = 64  # sessions; with fewer of them it is time to read on from the disk


@dataclass(slots=True, eq=False)
class Item:
    """One encoded session on its way.

    Attributes:
        serial: counts the sessions taken in by this process, from 1; 0 for those of others.
        body: what is sent; empty while it is left to the disk.
        place: where it is on disk; None if it is in memory only.
        attempts: how often it was sent in vain.
    """

    serial: int
    body: bytes = b""
    place: RecordRef | None = None
    attempts: int = 0


class SendQueue:
    """Items that are ready, in order; items that were put back, at their time; older ones last.

    Attributes:
        cold: sessions of this process that are on disk only.
        items: what is ready, in order.
        count, bytes: the number and the size of the bodies in memory.
    """

    def __init__(self) -> None:
        self.cold = self.count = self.bytes = 0
        self.items: deque[Item] = deque()
        self._older: deque[Item] = deque()
        self._later: list[tuple[float, int, Item]] = []
        self._puts = 0

    @property
    def full(self) -> bool:
        """Whether no further body should be held in memory."""
        return self.count >= MAX_SESSIONS or self.bytes >= MAX_BYTES

    @property
    def low(self) -> bool:
        """Whether the senders will soon be out of work."""
        return len(self.items) + len(self._older) < LOW_SESSIONS

    @property
    def waiting(self) -> int:
        """The number of sessions that could be sent now, in memory or on disk."""
        return len(self.items) + len(self._older) + self.cold

    def add(self, item: Item) -> None:
        self.items.append(item)
        self._weigh(item, 1)

    def add_older(self, items: Iterable[Item]) -> None:
        """Add sessions of earlier processes, which go when ours are gone."""
        for item in items:
            self._older.append(item)
            self._weigh(item, 1)

    def take(self, now: float) -> Item | None:
        """Take the next item that may be sent: one whose time has come, else the first in order."""
        if self._later and self._later[0][0] <= now:
            item = heapq.heappop(self._later)[2]
        elif self.items:
            item = self.items.popleft()
        elif self._older and not self.cold:
            item = self._older.popleft()
        else:
            return None
        self._weigh(item, -1)
        return item

    @property
    def due(self) -> float | None:
        """When the next item that was put back may be sent."""
        return self._later[0][0] if self._later else None

    def postpone(self, item: Item, until: float) -> None:
        """Put an item back that was taken. What is on disk needs no memory until then."""
        if item.place:
            item.body = b""
        self._puts += 1
        heapq.heappush(self._later, (until, self._puts, item))
        self._weigh(item, 1)

    def forget(self) -> None:
        """Let go of the items that are in memory only."""
        self.items = deque(item for item in self.items if item.place)
        self._later = [entry for entry in self._later if entry[2].place]
        heapq.heapify(self._later)
        self.count = self.bytes = 0
        for item in (*self.items, *self._older, *(entry[2] for entry in self._later)):
            self._weigh(item, 1)

    def _weigh(self, item: Item, sign: int) -> None:
        if item.body:
            self.count += sign
            self.bytes += sign * len(item.body)
