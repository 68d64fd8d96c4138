"""The sessions of this process that are yet to be delivered, each in exactly one state.

    put → new │ encode → encoded │ write → ready, later or on disk only │ take → settle, put_back
                                 │ pass_on → ready, not on disk yet

The lock of the delivery guards everything in memory and is held for microseconds. The disk has its
own lock. The thread that holds it writes all that any thread has encoded so far, so that one write
serves many sessions. A thread that finds it taken, even in a signal handler, leaves its session in
the queue.

A signal handler may raise at any call on the main thread. So values that belong together are
changed without a call in between, and the next thread continues a longer operation that was
interrupted.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import islice, zip_longest
from typing import Any

from honeytrace._delivery.retry import Answer, Verdict
from honeytrace._delivery.send_queue import Item, SendQueue
from honeytrace._delivery.spool.directory import REJECTED, Spool
from honeytrace._delivery.spool.segment import RecordRef
from honeytrace._delivery.stats import Bell, Counts
from honeytrace._session.record import CallRecord
from honeytrace._utils import clock
from honeytrace._utils.guard import ErrorGuard

RUN_SESSIONS = 64  # encoded in a row before they are written
RUN_BYTES = 512 * 1024  # likewise: at most so many bytes
RUN_SECONDS = 0.01  # likewise: at most this long, to have them on disk soon
WRITE_SESSIONS = 2_000  # sessions in one write; with many threads, each call of the system is slow
MAX_NEW_SESSIONS = 4_000  # with more sessions than this waiting, callers encode as well
MIN_NEW_SESSIONS = 64  # however long they take to encode, so many may wait
GUESSED_SECONDS = 0.00025  # to encode a session, until it is measured
BACKLOG_SECONDS = 0.25  # with more work than this waiting, callers encode as well: an exit has 2 s
RECORD_BYTES = 1_300  # memory of a session before it is encoded, without its values
POLL_SECONDS = 0.002  # how often to check whether other threads have finished encoding
WAIT_SECONDS = 0.05  # how often a thread that waits for a write checks it by itself
CLOSE_SECONDS = 0.5  # how long a shutdown waits for the disk

Encode = Callable[[CallRecord], bytes]
Store = Callable[[Sequence[bytes]], bool]
"""Stores bodies permanently, all or none; returns False if it stored none."""


class _Run(deque[CallRecord]):
    """The session that a thread encodes now. `over` is True once the thread is done with it."""

    over = False


@dataclass(slots=True, eq=False)
class _Write:
    """One write. If a signal handler raises in it, the next thread finishes it."""

    items: list[Item]
    refs: list[RecordRef] = field(default_factory=list)
    stored: bool = False
    hot: bool = True  # whether the bodies stay in memory


class DeliveryQueue:
    """Holds the sessions. Without a spool they wait in memory; `store`, if given, keeps them."""

    def __init__(
        self, encode: Encode, guard: ErrorGuard, spool: Spool | None, store: Store | None = None
    ) -> None:
        self.lock = threading.RLock()
        self.new: deque[CallRecord] = deque()
        self.counts = Counts()
        # Bytes of new sessions. This needs no lock: threads are only switched at calls and jumps.
        self.weight = 0.0
        # The average seconds for one session. They decide how many sessions may wait.
        self._encode_seconds, self._write_seconds = GUESSED_SECONDS, 0.0
        self._limit_new()
        self._encode = encode
        self._guard = guard
        self._spool = spool
        self._store = store
        self._disk = threading.RLock()
        self._writing = False
        self._bells: dict[int, Bell] = {}  # of the threads that wait for a write, by their id
        self._runs: dict[int, _Run] = {}  # by the id of the run
        self._encoded: deque[Item] = deque()
        self._loose: dict[int, Item] = {}  # in memory only, by serial number
        self._write: _Write | None = None
        self._ready = SendQueue()
        self._reading = False
        self._older = False
        self.look_for_older()

    @property
    def waiting(self) -> int:
        """Return the number of sessions that are yet to be encoded."""
        return len(self.new) + sum(map(len, self._runs.values()))

    def await_runs(self, seconds: float) -> None:
        """Wait until the sessions that other threads are encoding now are written."""
        with self.lock:
            end, runs = clock.now() + seconds, list(self._runs.values())
        pause = Bell()
        while any(runs) and clock.now() < end:
            pause.wait(POLL_SECONDS)
        self.write()

    @property
    def unwritten(self) -> bool:
        """Return whether there are sessions that no thread has tried to write yet."""
        return bool(self.new or self._encoded)

    @property
    def encoded(self) -> int:
        """Return the number of sessions that are encoded and yet to be written."""
        return len(self._encoded)

    @property
    def loose(self) -> int:
        """Return the number of sessions that are in memory only."""
        return self.waiting + len(self._loose)

    @property
    def cramped(self) -> bool:
        """Return whether memory is full and no disk would take another session."""
        if self._store or not self._ready.full:
            return False
        return not (self._spool and self._spool.may_write)

    @property
    def entered(self) -> bool:
        """Return whether this thread is inside the queue already.

        A signal handler or a `__del__` has then interrupted it. Waiting for a lock here could
        deadlock: the thread that has it may wait for one that the interrupted code holds.
        """
        return _is_owned(self.lock) or _is_owned(self._disk)

    def encode(self, most: int = RUN_SESSIONS) -> bool:
        """Encode some new sessions, oldest first; return whether there were any."""
        return self._encode_run(_Run(), most) > 0

    def encode_now(self, record: CallRecord) -> None:
        """Encode a session that is not in the queue yet."""
        self._encode_run(_Run((record,)), 1)

    def _encode_run(self, run: _Run, most: int) -> int:
        """Encode the run, and more sessions up to `most`; return the number of sessions.

        The run holds one session at a time, which goes back if a signal handler raises.
        """
        size, count, began = 0, 0, clock.now()
        end = began + RUN_SECONDS
        try:
            with self.lock:  # other threads iterate over them
                self._runs[id(run)] = run
            while count < most and size < RUN_BYTES and clock.now() < end:
                if not run:
                    with self.lock:
                        _move(self.new, run)
                if not run:
                    break
                size += self._encode_first(run, run[0])
                count += 1
        finally:
            run.over = True
            self._end_runs()
        if count:
            self._encode_seconds += ((clock.now() - began) / count - self._encode_seconds) / 16
            self._limit_new()
        return count

    def _limit_new(self) -> None:
        """Let only as many sessions wait as can be encoded and written in a moment."""
        fitting = int(BACKLOG_SECONDS / max(self._encode_seconds + self._write_seconds, 1e-6))
        self.most_new = min(max(fitting, MIN_NEW_SESSIONS), MAX_NEW_SESSIONS)

    def _end_runs(self) -> None:
        """Forget the runs that are over; a session left in one goes back into the queue.

        A signal handler may have kept the thread of an earlier run from doing this.
        """
        with self.lock:
            for key, run in list(self._runs.items()):
                if run.over:
                    _move(run, self.new, back=True)
                    self._runs.pop(key, None)

    def _encode_first(self, run: deque[CallRecord], record: CallRecord) -> int:
        body = self._guard.call(self._encode, record)
        item, weight = Item(0, body or b""), RECORD_BYTES + record.size
        counts, loose = self.counts, self._loose
        with self.lock:
            if not run or run[0] is not record:  # given up meanwhile
                return 0
            serial = item.serial = counts.taken + 1
            # Signal handlers run at calls, and there is no call until the end of the block.
            counts.taken = serial
            counts.loose += 1
            loose[serial] = item
            self.weight -= weight
            if body is not None:
                self._encoded += (item,)
            del run[0]
        if body is None:
            self.give_up([item])
        return len(item.body)

    def write(self) -> None:
        """Pass the sessions that are encoded by now to the disk and to the senders.

        One thread at a time writes, for all. The others wait until their sessions are written, and
        not for the lock: among many threads, one might never get it.
        """
        last = 0 if self.entered else self.counts.taken
        while self._has_encoded(last):
            self._write_or_wait(last)

    def _has_encoded(self, last: int) -> bool:
        """Return whether a session up to this serial number is yet to be written."""
        with self.lock:
            return bool(self._encoded) and self._encoded[0].serial <= last

    def _write_or_wait(self, last: int) -> None:
        """Write some sessions, or wait until another thread has written some."""
        bell = Bell()
        self._bells[id(bell)] = bell  # first, so that no thread finishes unnoticed
        try:
            if self._writing:
                bell.wait(WAIT_SECONDS)
                return
            with self._disk:
                self._writing = True
                try:
                    if self._has_encoded(last):
                        self._write_some()
                finally:
                    self._writing = False
        finally:
            self._bells.pop(id(bell), None)
        for each in list(self._bells.values()):
            each.ring()

    def pass_on(self) -> None:
        """Pass the sessions that are encoded to the senders without writing them to disk."""
        encoded, loose, ready = self._encoded, self._loose, self._ready
        with self._disk, self.lock:
            while encoded and self._write is None and self._store is None:
                item = encoded[0]
                serial, size = item.serial, len(item.body)
                # Signal handlers run at calls, and there is no call until the next session.
                if serial in loose:
                    ready.items += (item,)
                    ready.count += 1
                    ready.bytes += size
                del encoded[0]
        self.write()  # what could not be passed on

    def _write_some(self) -> None:
        write = self._write
        if write is None:
            items = list(islice(self._encoded, WRITE_SESSIONS))
            hot = not (self._ready.cold or self._ready.full)
            write = self._write = _Write(items, hot=hot)
        if not (write.stored or write.refs):
            self._guard.call(self._perform, write)
        gone: list[RecordRef] = []
        with self.lock:
            for item, ref in zip_longest(write.items, write.refs):
                self._book_written(item, ref, write, gone)
            if write.stored:
                self.counts.passed_all([item.serial for item in write.items])
            self._write = None
        if self._spool and (gone or write.refs):
            self._after_write(self._spool, write, gone)

    def _perform(self, write: _Write) -> None:
        began, bodies = clock.now(), [item.body for item in write.items]
        if self._store and self._store(bodies):
            write.stored = True
        elif self._spool:
            records = [(item.serial, item.body) for item in write.items]
            self._append(self._spool, records, write.refs, write.hot)
        seconds = (clock.now() - began) / len(bodies)
        self._write_seconds += (seconds - self._write_seconds) / 16

    def _append(
        self,
        spool: Spool,
        records: Sequence[tuple[int, bytes]],
        refs: list[RecordRef],
        read: bool,
    ) -> None:
        failed = spool.trouble
        if not spool.append_many(records, refs, read=read):
            words = "sessions are kept in memory only, the spool cannot be written (%s)"
            self._guard.warn("spool", words, spool.trouble)
        elif failed:
            self._guard.settled("spool", "sessions are kept on disk again")

    def _book_written(
        self, item: Item, ref: RecordRef | None, write: _Write, gone: list[RecordRef]
    ) -> None:
        """Count a session as written, unless that was done before an interruption."""
        encoded, loose, ready, counts = self._encoded, self._loose, self._ready, self.counts
        serial, size = item.serial, len(item.body)
        # Signal handlers run at calls, and there is no call from here on.
        if not encoded or encoded[0] is not item:
            if ref is not None and item.place is None:  # given up meanwhile
                gone += (ref,)
            return
        if serial not in loose:  # delivered or given up meanwhile
            if ref is not None:
                gone += (ref,)
        elif write.stored:
            counts.loose -= 1
            counts.delivered += 1
            del loose[serial]
        else:
            if ref is not None and item.place is None:
                item.place = ref
                counts.loose -= 1
                counts.spooled += 1
                del loose[serial]
            if write.hot or ref is None:
                ready.items += (item,)
                ready.count += 1
                ready.bytes += size
            else:
                ready.cold += 1
        del encoded[0]

    def _after_write(self, spool: Spool, write: _Write, gone: Sequence[RecordRef]) -> None:
        if gone:
            spool.acknowledge_many(gone)
        if not write.hot:
            self._count_cold()
        if write.refs and write.refs[0].first:
            self._trim(spool)

    @property
    def unsafe(self) -> bool:
        """Return whether there are sessions in memory that could be on disk."""
        return self._spool is not None and len(self._loose) > len(self._encoded)

    @property
    def may_secure(self) -> bool:
        """Return whether `secure` may write something now."""
        return self._spool is not None and self.unsafe and self._spool.may_write

    def secure(self) -> None:
        """Write the sessions that are in memory only, as far as the disk takes them."""
        spool = self._spool
        if spool is None or _is_owned(self._disk):
            return
        with self._disk:
            with self.lock:
                encoded = set(map(id, self._encoded))
                items = [
                    item for item in self._loose.values() if item.body and id(item) not in encoded
                ]
            for at in range(0, len(items), WRITE_SESSIONS):
                if not self._secure(spool, items[at : at + WRITE_SESSIONS]):
                    break

    def _secure(self, spool: Spool, items: Sequence[Item]) -> bool:
        refs: list[RecordRef] = []
        self._append(spool, [(item.serial, item.body) for item in items], refs, True)
        gone: list[RecordRef] = []
        counts, loose = self.counts, self._loose
        with self.lock:
            for item, ref in zip(items, refs, strict=False):
                serial = item.serial
                if serial not in loose:
                    gone.append(ref)
                    continue
                # Signal handlers run at calls, and there is no call from here on.
                item.place = ref
                counts.loose -= 1
                counts.spooled += 1
                del loose[serial]
        spool.acknowledge_many(gone)
        return bool(refs)

    def _count_cold(self) -> None:
        cold = self._spool.unread if self._spool else 0
        with self.lock:
            self._ready.cold = cold

    def _trim(self, spool: Spool) -> None:
        """Keep the spool within its bounds, and count the sessions dropped for that."""
        older = own = 0
        for segment in self._guard.call(spool.trim) or ():
            if not segment.own:
                older += segment.kept
                continue
            own += segment.kept
            with self.lock:
                self.counts.drop_spooled(segment.last, segment.kept)
            self._count_cold()
        if own + older:
            words = "the spool is full, the oldest sessions were dropped: %d"
            self._guard.warn("trimmed", words, own + older)

    @property
    def may_read_on(self) -> bool:
        """Return whether it is time to read sessions from the disk."""
        ready = self._ready
        older = self._older and not ready.waiting and (self._at_once or self.counts.taken > 0)
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
        """Count a session as dropped because it was damaged on disk."""
        if item.place and all(self._acknowledge([item.place])):
            with self.lock:
                if item.place.segment.own:
                    self.counts.drop_spooled(item.serial)
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

    def give_up(self, items: Iterable[Item]) -> int:
        """Drop the given sessions that are in memory only; return their number."""
        counts, loose, lost = self.counts, self._loose, list[int]()
        with self.lock:
            for item in items:
                serial = item.serial
                if serial in loose:
                    # Signal handlers run at calls, and there is no call until the append.
                    counts.loose -= 1
                    counts.dropped += 1
                    del loose[serial]
                    lost.append(serial)
            counts.passed_all(lost)
        return len(lost)

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


def _move(source: deque[CallRecord], target: deque[CallRecord], *, back: bool = False) -> None:
    """Move the first session by one call, so that no signal handler can lose it."""
    if source:
        (target.extendleft if back else target.extend)(map(deque.popleft, (source,)))


def _is_owned(lock: Any) -> bool:
    """Return whether this thread holds the lock, as `threading.Condition` finds out."""
    return bool(lock._is_owned())
