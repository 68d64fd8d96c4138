"""The encoded sessions that are yet to be delivered, in memory: what waits, and what is out.

Plain data without a lock: `_delivery` calls it under its own.
"""

from __future__ import annotations

import heapq
from collections import deque
from dataclasses import dataclass

_MOST = 1_000
_BYTES = 16 * 2**20


@dataclass(slots=True)
class Item:
    """One session on its way. `serial` counts the sessions taken in, from 1."""

    serial: int
    body: bytes = b""
    attempts: int = 0


class Backlog:
    """Every item that was opened and not yet settled; ready ones in order, others at their time."""

    def __init__(self) -> None:
        self._open: dict[int, Item] = {}
        self._ready: deque[Item] = deque()
        self._later: list[tuple[float, int, Item]] = []
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._open)

    @property
    def full(self) -> bool:
        """Whether sessions should rather stay in the queue, unencoded."""
        return len(self._open) >= _MOST or self._bytes >= _BYTES

    @property
    def roomy(self) -> bool:
        """Whether it has emptied by half: to go on at every free place would be a thread switch
        for each session."""
        return len(self._open) <= _MOST // 2 and self._bytes <= _BYTES // 2

    @property
    def waiting(self) -> int:
        return len(self._ready)

    @property
    def oldest(self) -> int | None:
        """The serial of the oldest item that is not settled."""
        return next(iter(self._open), None)

    def open(self, serial: int) -> Item:
        item = self._open[serial] = Item(serial)
        return item

    def append(self, item: Item, body: bytes) -> None:
        """Makes an opened item ready; nothing happens if it was given up meanwhile."""
        if item.serial in self._open:
            item.body = body
            self._bytes += len(body)
            self._ready.append(item)

    def take(self, now: float) -> Item | None:
        """The next item that may be sent: one whose time has come, else the first in order."""
        if self._later and self._later[0][0] <= now:
            return heapq.heappop(self._later)[2]
        return self._ready.popleft() if self._ready else None

    @property
    def due(self) -> float | None:
        """When the next postponed item may be sent."""
        return self._later[0][0] if self._later else None

    def postpone(self, item: Item, until: float) -> None:
        """Puts an item back that was taken; nothing happens if it was given up meanwhile."""
        if item.serial in self._open:
            heapq.heappush(self._later, (until, item.serial, item))

    def settle(self, item: Item) -> bool:
        """Takes the item out for good; False if it was out already."""
        known = self._open.pop(item.serial, None)
        if known is not None:
            self._bytes -= len(item.body)
        return known is not None

    def clear(self) -> int:
        """Gives everything up; returns how many items that were."""
        given_up = len(self._open)
        self._open.clear()
        self._ready.clear()
        self._later.clear()
        self._bytes = 0
        return given_up
