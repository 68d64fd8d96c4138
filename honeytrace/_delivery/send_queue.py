"""The sessions that are ready to be sent, in memory, in the order in which they are sent."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from honeytrace._delivery.spool.segment import RecordRef

MAX_SESSIONS = 4_000  # at most so many bodies in memory
MAX_BYTES = 16 * 2**20  # total size of these bodies
LOW_SESSIONS = 64  # with fewer sessions it is time to read on from the disk


@dataclass(slots=True, eq=False)
class Item:
    """One encoded session on its way.

    Attributes:
        serial: its number among the sessions of this process, from 1; 0 if another process made it.
        body: the encoded session; empty while it is only on disk.
        place: its position on disk; None if it is in memory only.
        attempts: the number of failed attempts to send it.
    """

    serial: int
    body: bytes = b""
    place: RecordRef | None = None
    attempts: int = 0


class SendQueue:
    """Items to send: first those put back whose time has come, then new ones, then older ones.

    Of two taken in a row, at least one was not put back, if there is one. So thousands of updates
    that wait for their session leave time to send the session.

    Attributes:
        cold: the number of sessions of this process that are on disk only.
        items: the items that are ready, in order.
        count: the number of bodies in memory.
        bytes: the size of the bodies in memory.
    """

    def __init__(self) -> None:
        self.cold = self.count = self.bytes = 0
        self.items: deque[Item] = deque()
        self._older: deque[Item] = deque()
        self._later: list[tuple[float, int, Item]] = []
        self._again = False  # True if the last item that was taken had been put back
        self._puts = 0

    @property
    def full(self) -> bool:
        """Return whether no further body should be held in memory."""
        return self.count >= MAX_SESSIONS or self.bytes >= MAX_BYTES

    @property
    def low(self) -> bool:
        """Return whether the senders will soon be out of work."""
        return len(self.items) + len(self._older) < LOW_SESSIONS

    @property
    def waiting(self) -> int:
        """Return the number of sessions that could be sent now, in memory or on disk."""
        return len(self.items) + len(self._older) + self.cold

    def add(self, item: Item) -> None:
        self.items.append(item)
        self._weigh(item, 1)

    def add_older(self, items: Iterable[Item]) -> None:
        """Add sessions of earlier processes, which are sent after those of this process."""
        for item in items:
            self._older.append(item)
            self._weigh(item, 1)

    def take(self, now: float) -> Item | None:
        """Take the next item that may be sent."""
        is_due = bool(self._later) and self._later[0][0] <= now
        others = bool(self.items or (self._older and not self.cold))
        self._again = is_due and not (self._again and others)
        if self._again:
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
        """Return when the next item that was put back may be sent."""
        return self._later[0][0] if self._later else None

    def postpone(self, item: Item, until: float) -> None:
        """Put back an item that was taken. If it is on disk, its memory is freed until then."""
        if item.place:
            item.body = b""
        self._puts += 1
        heapq.heappush(self._later, (until, self._puts, item))
        self._weigh(item, 1)

    def forget(self) -> None:
        """Forget the items that are in memory only."""
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
