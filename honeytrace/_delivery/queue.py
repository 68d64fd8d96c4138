"""The sessions of this process that are yet to be delivered, each in exactly one state.

    new → encoded (`encode_queue`) → ready, later or on disk only (`write_queue`) │ take → settle,
    put_back

The lock of the delivery guards everything in memory and is held for microseconds.

A signal handler may raise at any call on the main thread. So values that belong together are
changed without a call in between, and the next thread continues a longer operation that was
interrupted.
"""

from __future__ import annotations

from collections.abc import Sequence

from honeytrace._delivery.encode_queue import Encode
from honeytrace._delivery.retry import Answer, Verdict
from honeytrace._delivery.send_queue import Item
from honeytrace._delivery.spool.directory import REJECTED, Spool
from honeytrace._delivery.spool.segment import RecordRef
from honeytrace._delivery.write_queue import Store, WriteQueue
from honeytrace._utils.guard import ErrorGuard

CLOSE_SECONDS = 0.5  # how long a shutdown waits for the disk


class DeliveryQueue(WriteQueue):
    """Holds the sessions. Without a spool they wait in memory; `store`, if given, keeps them."""

    def __init__(
        self, encode: Encode, guard: ErrorGuard, spool: Spool | None, store: Store | None = None
    ) -> None:
        super().__init__(encode, guard, spool, store)
        self._reading = False
        self._older = False
        self.look_for_older()

    @property
    def may_read_on(self) -> bool:
        """Return whether it is time to read sessions from the disk."""
        ready = self._ready
        ours = ready.waiting or self._encoded  # they come first
        older = self._older and not ours and (self._at_once or self.counts.taken > 0)
        wanted = (ready.cold and ready.low) or older
        return bool(wanted) and not self._reading

    def begin_reading(self) -> None:
        """Claim the reading for this thread, which then has to call `read_on`."""
        self._reading = True

    def read_on(self) -> None:
        """Read sessions of this process from the disk, or else those of ended processes."""
        assert self._spool  # noqa: S101 - without a spool there is nothing to read on
        try:
            (self._read_own if self._ready.cold else self._read_older)(self._spool)
        finally:
            self._reading = False

    def _read_own(self, spool: Spool) -> None:
        with self._disk:
            found, lost = self._guard.call(spool.more) or ([], [])
            with self.lock:
                for each in found:
                    self._ready.add(Item(each.serial, each.body, each.place))
                for loss in lost:
                    self.counts.drop_spooled(loss.serial, loss.number)
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
            self._ready.add_older(Item(0, each.body, each.place) for each in found)

    def _tell_damage(self, lost: int) -> None:
        self._guard.warn("damaged", "sessions on disk were damaged and are lost: %d", lost)

    def look_for_older(self, *, at_once: bool = False) -> None:
        """Look again for sessions of ended processes, `at_once` or after the first one of ours."""
        self._at_once = at_once
        self._older = self._spool is not None
        if self._spool:
            self._spool.look()

    @property
    def older(self) -> bool:
        """Return whether there may be sessions of ended processes to deliver."""
        return self._older or (self._spool is not None and self._spool.adopted > 0)

    @property
    def own(self) -> int:
        """Return the number of sessions of this process that are yet to be delivered."""
        return self.loose + self.counts.spooled

    @property
    def sendable(self) -> int:
        """Return the number of sessions that could be sent now, in memory or on disk."""
        return self._ready.waiting

    @property
    def due(self) -> float | None:
        """Return when the next session that was put back may be sent."""
        return self._ready.due

    def take(self, now: float) -> Item | None:
        """Take the next session to send; it has to be settled or put back."""
        return self._ready.take(now)

    def body(self, item: Item) -> bytes | None:
        """Return the body of an item that was taken; None if the disk has lost it."""
        if not item.body and item.place and self._spool:
            item.body = self._spool.load(item.place) or b""
        return item.body or None

    def put_back(self, item: Item, until: float) -> None:
        """Have an item sent again later, unless it was given up or dropped."""
        if item.place is None and item.serial not in self._loose:
            return
        if item.place is None or not item.place.segment.gone:
            self._ready.postpone(item, until)

    def lose(self, item: Item) -> None:
        """Count a session as dropped because it was damaged on disk. It cannot be put back."""
        if item.place and all(self._acknowledge([item.place])):
            with self.lock:
                if item.place.segment.own:
                    self.counts.drop_spooled(item.serial)
            item.place = None
            self._tell_damage(1)

    def settle(self, answers: Sequence[tuple[Item, Answer]]) -> None:
        """Count sessions that the server took or rejected."""
        for item, answer in answers:
            if answer.verdict is Verdict.REJECTED and self._spool:
                self._set_aside(self._spool, item.body, answer.words)
        places = [item.place for item, _ in answers]
        there = iter(self._acknowledge([place for place in places if place]))
        late = []
        with self.lock:
            for (item, answer), place in zip(answers, places, strict=True):
                if place is None or next(there):
                    self._book_settled(item, answer.verdict is Verdict.REJECTED)
                    if item.place is not None and item.place is not place:
                        late.append(item.place)  # it was written down meanwhile
        self._acknowledge(late)

    def _set_aside(self, spool: Spool, body: bytes, reason: str) -> None:
        if not spool.reject(body, reason):
            words = "a session that the server refused could not be set aside in %s"
            self._guard.warn("aside", words, spool.directory / REJECTED)

    def _acknowledge(self, places: Sequence[RecordRef]) -> list[bool]:
        return self._spool.acknowledge_many(places) if self._spool and places else []

    def _book_settled(self, item: Item, rejected: bool) -> None:
        counts, loose, serial, place = self.counts, self._loose, item.serial, item.place
        if place is not None and not place.segment.own:
            counts.resent += not rejected
            counts.older_rejected += rejected
            return
        if place is None:
            if serial not in loose:  # given up by a shutdown
                return
            counts.loose -= 1
            del loose[serial]
        else:
            counts.spooled -= 1
        counts.rejected += rejected
        counts.delivered += not rejected
        counts.passed(serial)

    def give_up_all(self) -> int:
        """Drop all sessions that are in memory only; return their number."""
        counts, unread = self.counts, list[int]()
        with self.lock:
            for run in (self.new, *self._runs.values()):
                while run:
                    counts.taken += 1
                    counts.dropped += 1
                    del run[0]
                    unread.append(counts.taken)
            counts.passed_all(unread)
            self.weight = 0.0
            lost = self.give_up(list(self._loose.values()))
            self._encoded.clear()
            self._write = None
            self._ready.forget()
            self._reading = False
        return lost + len(unread)

    def close(self, *, give_up: bool = True) -> int:
        """Stop; return the number of sessions given up because they were not on disk."""
        # The wait is limited: this may run in a signal handler that interrupted a thread which
        # holds what the writer is waiting for.
        if self._disk.acquire(timeout=CLOSE_SECONDS):
            self._disk.release()
            self.write()
            self._guard.call(self.secure)
        lost = self.give_up_all() if give_up else 0
        if self._spool:
            self._guard.call(self._spool.rest)
        return lost
