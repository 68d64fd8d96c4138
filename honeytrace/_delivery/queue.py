"""The sessions that were taken and are yet to be delivered: on disk, in memory, and counted.

    open → keep → spool and backlog │ take → settle or put back │ read_on: from the spool to memory

The lock guards what is in memory. What touches the disk is outside of it, so that a slow disk holds
up nobody who only counts.
"""

from __future__ import annotations

import heapq
import threading
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from honeytrace._delivery.retry import Answer, Verdict
from honeytrace._delivery.spool.directory import Spool
from honeytrace._delivery.spool.segment import RecordRef
from honeytrace._delivery.stats import Counts
from honeytrace._utils.guard import ErrorGuard

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
    place: RecordRef | None = None
    attempts: int = 0
    kept: bool = False  # it got to where the senders find it


class SendQueue:
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


_PATIENCE = 0.5  # seconds


class DeliveryQueue:
    """Without a spool, sessions wait in memory."""

    def __init__(self, guard: ErrorGuard, spool: Spool | None) -> None:
        self.lock = threading.RLock()
        self.room = threading.Condition(self.lock)  # there is more of it in the backlog
        self.progress = threading.Condition(self.lock)  # in the ledger
        self.send_queue = SendQueue()
        self.counts = Counts()
        self.spool = spool
        self._guard = guard
        self._writing = threading.RLock()  # around each write, or reading on, and its booking
        self._loose: dict[int, Item] = {}  # taken, and in memory only
        self._reading = False
        self.look_for_older()

    @property
    def unsafe(self) -> bool:
        """Whether there are sessions in memory that could be on disk."""
        return self.spool is not None and bool(self._loose)

    @property
    def encoding(self) -> bool:
        """Whether there are sessions that were opened and are yet to be encoded."""
        return not all(item.body for item in list(self._loose.values()))

    @property
    def cramped(self) -> bool:
        """Whether a further session would be in memory only, and there are enough of those."""
        return self.send_queue.full and not (self.spool and self.spool.may_write)

    @property
    def entered(self) -> bool:
        """Whether this thread is in the middle of something here."""
        return any(map(_is_owned, (self.lock, self._writing)))

    def open(self) -> Item:
        """Counts a session in that is yet to be encoded."""
        item = Item(self.counts.take())
        self._loose[item.serial] = item
        return item

    def keep(self, item: Item, body: bytes) -> None:
        """Writes an encoded session down and puts it where the senders find it."""
        item.body = body  # from here on `secure` may write it down, too
        with self._writing:
            hot = bool(item.place) or not (self.send_queue.cold or self.send_queue.full)
            if item.serial in self._loose:
                self._guard.call(self._write, item, hot)
            elif not item.place:  # given up by a shutdown
                return
            if hot or item.place is None:
                with self.lock:
                    self.send_queue.add(item)
            else:
                self._count_cold()
            item.kept = True

    def take_back(self, item: Item) -> bool:
        """Undoes the opening of a session that did not get to its place, since something came in
        between; whether it has to be opened anew."""
        with self.lock:
            if item.kept:
                return False
            if item.place:
                self.send_queue.add(item)
                return False
            known = self._loose.pop(item.serial, None)
            if known:
                self.counts.take_back(item.serial)
            return known is not None

    def _count_cold(self) -> None:
        cold = self.spool.unread if self.spool else 0
        with self.lock:
            self.send_queue.cold = cold

    def give_up(self, items: Iterable[Item]) -> int:
        """Counts sessions as dropped that are in memory only; how many those were."""
        known = [item for item in items if self._loose.pop(item.serial, None)]
        for item in known:
            self.counts.drop(item.serial, spooled=False)
        return len(known)

    def _write(self, item: Item, read: bool) -> bool:
        """Writes a session to the disk; False if there is none that takes it."""
        if self.spool is None:
            return False
        failed = self.spool.trouble
        place = self.spool.append(item.serial, item.body, read=read)
        if place is None:
            words = "sessions are kept in memory only, the spool cannot be written (%s)"
            self._guard.warn("spool", words, self.spool.trouble)
            return False
        with self.lock:
            known = self._loose.pop(item.serial, None)
            if known:
                item.place = place
                self.counts.spool()
        if not known:  # delivered or given up meanwhile
            self.spool.acknowledge(place)
        if failed:
            self._guard.settled("spool", "sessions are kept on disk again")
        if place.first:
            self._trim(self.spool)
        return True

    def secure(self) -> None:
        """Writes down what is in memory only, as far as the disk takes it."""
        with self._writing:
            self._secure()

    def _secure(self) -> None:
        with self.lock:
            unsafe = [item for item in self._loose.values() if item.body]
        for item in unsafe:
            if not self._write(item, True):
                break

    def _trim(self, spool: Spool) -> None:
        """Keeps the spool within its bounds, and counts what had to go."""
        older = own = 0
        for segment in self._guard.call(spool.trim) or ():
            if not segment.own:
                older += segment.kept
                continue
            own += segment.kept
            with self.lock:
                self.counts.drop(segment.last, spooled=True, number=segment.kept)
            self._count_cold()
        if own + older:
            words = "the spool is full, the oldest sessions were dropped: %d"
            self._guard.warn("trimmed", words, own + older)

    @property
    def may_read_on(self) -> bool:
        """Whether there are sessions on disk that should be in memory by now."""
        wanted = (self.send_queue.cold and self.send_queue.low) or (
            self._older and not self.send_queue.waiting
        )
        return bool(wanted) and not self._reading

    def begin_reading(self) -> None:
        """To be called by the one thread that then calls `read_on`."""
        self._reading = True

    def read_on(self) -> None:
        """Brings sessions from the disk to memory: our own, else those of ended processes."""
        assert self.spool  # noqa: S101 - without a spool there is nothing to read on
        try:
            (self._read_own if self.send_queue.cold else self._read_older)(self.spool)
        finally:
            self._reading = False

    def _read_own(self, spool: Spool) -> None:
        with self._writing:
            found, lost = self._guard.call(spool.more) or ([], [])
            with self.lock:
                for each in found:
                    self.send_queue.add(Item(each.serial, each.body, each.place))
                for loss in lost:
                    self.counts.drop(loss.serial, spooled=True, number=loss.number)
            self._count_cold()
        if lost:
            self._tell_damage(sum(loss.number for loss in lost))

    def _read_older(self, spool: Spool) -> None:
        found = self._guard.call(spool.older) or []
        if spool.newer:
            words = "files of a newer version of honeytrace are left to it on disk: %d"
            self._guard.warn("newer", words, len(spool.newer))
        with self.lock:
            self._older = bool(found)
            self.send_queue.add_older(Item(0, each.body, each.place) for each in found)

    def _tell_damage(self, lost: int) -> None:
        self._guard.warn("damaged", "sessions on disk were damaged and are lost: %d", lost)

    def look_for_older(self) -> None:
        """Looks anew for what ended processes left."""
        self._older = self.spool is not None
        if self.spool:
            self.spool.look()

    @property
    def older(self) -> bool:
        """Whether there are, or may be, sessions of ended processes to be delivered."""
        return self._older or (self.spool is not None and self.spool.adopted > 0)

    def body(self, item: Item) -> bytes | None:
        """The body of an item that was taken; None if the disk does not give it back."""
        if not item.body and item.place and self.spool:
            item.body = self.spool.load(item.place) or b""
        return item.body or None

    def lose(self, item: Item) -> None:
        """Counts a session as dropped that was damaged on disk."""
        if self._acknowledge(item.place):
            with self.lock:
                if item.place and item.place.segment.own:
                    self.counts.drop(item.serial, spooled=True)
            self._tell_damage(1)

    def settle(self, item: Item, answer: Answer) -> None:
        """Books a session that the server took or rejected."""
        rejected = answer.verdict is Verdict.REJECTED
        if rejected and self.spool:
            self.spool.reject(item.body, answer.words)
        place = item.place
        if not self._acknowledge(place):
            return
        with self.lock:
            self._book(item, rejected)
        if item.place is not place:  # it was written down meanwhile
            self._acknowledge(item.place)

    def _acknowledge(self, place: RecordRef | None) -> bool:
        return place is None or self.spool is None or self.spool.acknowledge(place)

    def _book(self, item: Item, rejected: bool) -> None:
        if item.place is None:
            if self._loose.pop(item.serial, None) is None:  # given up by a shutdown
                return
        elif not item.place.segment.own:
            self.counts.resent += not rejected
            self.counts.older_rejected += rejected
            return
        act = self.counts.reject if rejected else self.counts.deliver
        act(item.serial, spooled=item.place is not None)

    def put_back(self, item: Item, until: float) -> None:
        """Has an item sent again later; nothing happens if it was given up or dropped."""
        if item.place is None and item.serial not in self._loose:
            return
        if item.place is None or not item.place.segment.gone:
            self.send_queue.postpone(item, until)

    def close(self) -> int:
        """Ends a life: what cannot be put on disk is given up; returns how many that were."""
        # Not for ever, since this may be called by a signal handler, above a thread of execution
        # that holds what the writer is waiting for.
        alone = self._writing.acquire(timeout=_PATIENCE)
        try:
            if self.spool:
                self._guard.call(self._secure)
            with self.lock:
                lost = self.give_up(list(self._loose.values()))
                self.send_queue.forget()
                self._reading = False
        finally:
            if alone:  # pragma: no branch - see above
                self._writing.release()
        if self.spool:
            self._guard.call(self.spool.rest)
        return lost


def _is_owned(lock: Any) -> bool:
    """Whether this thread holds the lock: what `threading.Condition` asks it, too."""
    return bool(lock._is_owned())
