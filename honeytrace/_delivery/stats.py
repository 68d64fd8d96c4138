"""The counts: what became of every session, and what those who flush wait for.

Plain data without a lock: `_outbox` calls it under its own.
"""

from __future__ import annotations

from dataclasses import dataclass, field


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


@dataclass(slots=True, eq=False)
class FlushTarget:
    """What a flush waits for: `left` of the sessions up to this serial number."""

    serial: int
    left: int


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
        self._retaken = 0
        self._marks: list[FlushTarget] = []

    def take(self) -> int:
        """Counts a session in; returns its serial number."""
        self.taken += 1
        self.loose += 1
        return self.taken

    def take_back(self, serial: int) -> None:
        """A session that was taken will be taken once more."""
        self.loose -= 1
        self._retaken += 1
        self._pass(serial)

    def spool(self) -> None:
        """A session that was in memory only is on disk now."""
        self.loose -= 1
        self.spooled += 1

    def deliver(self, serial: int, *, spooled: bool) -> None:
        self.delivered += 1
        self._out(spooled)
        self._pass(serial)

    def reject(self, serial: int, *, spooled: bool) -> None:
        self.rejected += 1
        self._out(spooled)
        self._pass(serial)

    def drop(self, serial: int, *, spooled: bool, number: int = 1) -> None:
        """Counts sessions as lost, of which `serial` is the last, or not below it."""
        self.dropped += number
        self._out(spooled, number)
        self._pass(serial, number)

    def _out(self, spooled: bool, number: int = 1) -> None:
        if spooled:
            self.spooled -= number
        else:
            self.loose -= number

    def mark(self, waiting: int) -> FlushTarget:
        """What a flush has to wait for, when so many sessions are waiting to be taken."""
        mark = FlushTarget(self.taken + waiting, waiting + self.loose + self.spooled)
        self._marks.append(mark)
        return mark

    def unmark(self, mark: FlushTarget) -> None:
        self._marks.remove(mark)

    @property
    def reached(self) -> bool:
        """Whether any flush has what it waits for."""
        return any(mark.left <= 0 for mark in self._marks)

    @property
    def settled(self) -> int:
        """How many sessions are done with; it grows as long as there is progress."""
        return self.delivered + self.rejected + self.dropped

    def _pass(self, serial: int, number: int = 1) -> None:
        """Brings each flush nearer by as many of these sessions as it certainly waits for."""
        for mark in self._marks:
            mark.left -= max(number - max(serial - mark.serial, 0), 0)
            untaken = max(mark.serial - self.taken, 0)
            mark.left = min(mark.left, untaken + self.loose + self.spooled)

    def stats(self, waiting: int, refused: int, last: str | None) -> Stats:
        """The counts, with `waiting` sessions yet to be taken and `refused` never taken."""
        return Stats(
            accepted=self.taken - self._retaken + waiting + refused,
            delivered=self.delivered,
            queued=waiting + self.loose,
            spooled=self.spooled,
            rejected=self.rejected,
            dropped=self.dropped + refused,
            resent=self.resent,
            last_error=last,
        )
