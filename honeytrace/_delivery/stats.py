"""The counts: what became of every session, and what those who flush wait for.

Plain data without a lock: `queue` calls it under its own.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field

from honeytrace._utils.origin import let_through


@dataclass(frozen=True, slots=True)
class Stats:
    """What became of the sessions: accepted = delivered + queued + spooled + rejected + dropped.

    That holds at every moment. `queued` are in memory, `spooled` are safe on disk and yet to be
    delivered. `resent` counts sessions of earlier processes that this one delivered; they are in
    none of the others. `errors` counts faults of honeytrace's own by place; `last_error` is the
    latest trouble, be it a fault or the words of the server.
    """

    accepted: int = 0
    delivered: int = 0
    queued: int = 0
    spooled: int = 0
    rejected: int = 0
    dropped: int = 0
    resent: int = 0
    errors: dict[str, int] = field(default_factory=dict)
    last_error: str | None = None


class Bell:
    """Wakes one thread, also if it rings before that thread waits.

    A lock, not an event, since its release cannot be interrupted half-way: a signal handler or a
    `__del__` that ends a session may come at any moment.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lock.acquire()

    def ring(self) -> None:
        try:
            if self._lock.locked():
                self._lock.release()
        except RuntimeError as error:  # pragma: no cover - another thread was faster
            let_through(error)

    def wait(self, seconds: float | None) -> bool:
        """Wait until it rings, at most so long; return whether it did."""
        return self._lock.acquire(timeout=-1 if seconds is None else max(seconds, 0))


@dataclass(slots=True, eq=False)
class FlushTarget:
    """What a flush waits for.

    Attributes:
        serial: the serial number of the last session that it waits for.
        left: how many of the sessions up to that one are not settled.
        bell: rings when none is left, or when something happened that it should look at.
    """

    serial: int
    left: int
    bell: Bell = field(default_factory=Bell)


class Counts:
    """Every session that was taken is in exactly one of the counts."""

    def __init__(self) -> None:
        self.taken = 0
        self.loose = 0  # in memory only
        self.spooled = 0
        self.delivered = 0
        self.rejected = 0
        self.dropped = 0
        self.resent = 0
        self.older_rejected = 0  # of earlier processes, and therefore in no count of ours
        self._marks: list[FlushTarget] = []

    def take(self) -> int:
        """Counts a session in; returns its serial number."""
        self.taken += 1
        self.loose += 1
        return self.taken

    def spool(self) -> None:
        """A session that was in memory only is on disk now."""
        self.loose -= 1
        self.spooled += 1

    def deliver(self, serial: int, *, spooled: bool) -> None:
        self.delivered += 1
        self._out(spooled)
        self.passed(serial)

    def reject(self, serial: int, *, spooled: bool) -> None:
        self.rejected += 1
        self._out(spooled)
        self.passed(serial)

    def drop(self, serial: int, *, spooled: bool, number: int = 1) -> None:
        """Counts sessions as lost, of which `serial` is the last, or not below it."""
        self.dropped += number
        self._out(spooled, number)
        self.passed(serial, number)

    def _out(self, spooled: bool, number: int = 1) -> None:
        if spooled:
            self.spooled -= number
        else:
            self.loose -= number

    def mark(self, waiting: int) -> FlushTarget:
        """Return what a flush has to wait for, with so many sessions yet to be taken."""
        mark = FlushTarget(self.taken + waiting, waiting + self.loose + self.spooled)
        self._marks.append(mark)
        return mark

    def unmark(self, mark: FlushTarget) -> None:
        self._marks.remove(mark)

    def wake(self, *, anyway: bool = False) -> None:
        """Wake each flush that has what it waits for, or all of them, to look for themselves."""
        for mark in self._marks:
            if anyway or mark.left <= 0:
                mark.bell.ring()

    @property
    def settled(self) -> int:
        """How many sessions are done with; it grows as long as there is progress."""
        return self.delivered + self.rejected + self.dropped

    def passed(self, serial: int, number: int = 1) -> None:
        """Bring each flush nearer by as many of these sessions as it certainly waits for."""
        for mark in self._marks:
            mark.left -= max(number - max(serial - mark.serial, 0), 0)
            self.bound(mark)

    def passed_all(self, serials: Sequence[int]) -> None:
        """Bring each flush nearer by these sessions, which have been counted out already."""
        for mark in self._marks:
            mark.left -= sum(serial <= mark.serial for serial in serials)
            self.bound(mark)

    def bound(self, mark: FlushTarget) -> None:
        """A flush cannot wait for more sessions than there are."""
        untaken = max(mark.serial - self.taken, 0)
        mark.left = min(mark.left, untaken + self.loose + self.spooled)

    def stats(self, waiting: int, refused: int, last: str | None) -> Stats:
        """The counts, with `waiting` sessions yet to be taken and `refused` never taken."""
        return Stats(
            accepted=self.taken + waiting + refused,
            delivered=self.delivered,
            queued=waiting + self.loose,
            spooled=self.spooled,
            rejected=self.rejected,
            dropped=self.dropped + refused,
            resent=self.resent,
            last_error=last,
        )
