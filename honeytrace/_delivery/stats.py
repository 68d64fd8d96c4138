"""Count what became of every session, and tell flushes when they are done.

Plain data without a lock: `queue` calls it under its own.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field

from honeytrace._utils.origin import let_through


@dataclass(frozen=True, slots=True)
class Stats:
    """The fate of all sessions: accepted = delivered + queued + spooled + rejected + dropped.

    This sum holds at every moment. An update of a session that has ended, such as feedback that
    comes later, travels like a session and is counted as one.

    Attributes:
        accepted: the number of sessions that were taken.
        delivered: the number of sessions that the server took.
        queued: the number of sessions in memory.
        spooled: the number of sessions that are on disk and not delivered yet.
        rejected: the number of sessions that the server refused.
        dropped: the number of sessions that were lost.
        resent: the number of sessions of earlier processes that this process delivered. No other
            count includes them.
        errors: the number of honeytrace's own errors by where they occurred.
        last_error: the latest problem: an error of honeytrace or the server's message.
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
    """Wakes one thread, even if it rings before that thread waits.

    It is a lock and not an event because releasing a lock cannot be interrupted half-way. A signal
    handler or a `__del__` that ends a session may run at any moment.
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
        """Wait until it rings or the time is over; return whether it rang."""
        return self._lock.acquire(timeout=-1 if seconds is None else max(seconds, 0))


@dataclass(slots=True, eq=False)
class FlushTarget:
    """The sessions that a flush waits for.

    Attributes:
        serial: the serial number of the last session that it waits for.
        left: how many of the sessions up to that one are not settled.
        bell: rings when none is left, or when something happened that it should look at.
    """

    serial: int
    left: int
    bell: Bell = field(default_factory=Bell)


class Counts:
    """Counts of sessions. Every session that was taken is in exactly one of them."""

    def __init__(self) -> None:
        self.taken = 0
        self.loose = 0  # in memory only
        self.spooled = 0
        self.delivered = 0
        self.rejected = 0
        self.dropped = 0
        self.resent = 0
        self.older_rejected = 0  # of earlier processes, so not in the other counts
        self._marks: list[FlushTarget] = []

    def drop_spooled(self, serial: int, number: int = 1) -> None:
        """Count sessions on disk as lost. None of them has a serial number above `serial`."""
        self.spooled -= number
        self.dropped += number
        self.passed(serial, number)

    def mark(self, waiting: int) -> FlushTarget:
        """Return the target of a flush, with `waiting` sessions yet to be taken."""
        mark = FlushTarget(self.taken + waiting, waiting + self.loose + self.spooled)
        self._marks.append(mark)
        return mark

    def unmark(self, mark: FlushTarget) -> None:
        self._marks.remove(mark)

    def wake(self, *, anyway: bool = False) -> None:
        """Wake each flush that is done; with `anyway`, wake all so that they check."""
        for mark in self._marks:
            if anyway or mark.left <= 0:
                mark.bell.ring()

    @property
    def settled(self) -> int:
        """Return how many sessions are done with. It grows as long as there is progress."""
        return self.delivered + self.rejected + self.dropped

    def passed(self, serial: int, number: int = 1) -> None:
        """Count these sessions off for each flush, as far as it certainly waits for them."""
        for mark in self._marks:
            mark.left -= max(number - max(serial - mark.serial, 0), 0)
            self.bound(mark)

    def passed_all(self, serials: Sequence[int]) -> None:
        """Count these sessions off for each flush; the other counts are up to date already."""
        for mark in self._marks:
            mark.left -= sum(serial <= mark.serial for serial in serials)
            self.bound(mark)

    def bound(self, mark: FlushTarget) -> None:
        """Limit a flush to as many sessions as there are."""
        untaken = max(mark.serial - self.taken, 0)
        mark.left = min(mark.left, untaken + self.loose + self.spooled)

    def stats(self, waiting: int, refused: int, last: str | None) -> Stats:
        """Return the counts, with `waiting` sessions yet to be taken and `refused` never taken."""
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
