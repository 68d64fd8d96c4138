"""Encoded sessions, until they are on disk or passed to the senders.

    encoded │ write → ready, or on disk only │ pass_on → ready, not on disk yet

The disk has a lock of its own. The thread that holds it writes all that any thread has encoded so
far, so that one write serves many sessions. A thread that finds it taken, even in a signal handler,
leaves its session in the queue.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest

from honeytrace._delivery.encode_queue import Encode, EncodeQueue, smoothed
from honeytrace._delivery.send_queue import Item, SendQueue
from honeytrace._delivery.spool.directory import Spool
from honeytrace._delivery.spool.segment import RecordRef
from honeytrace._delivery.stats import Bell
from honeytrace._utils import clock
from honeytrace._utils.guard import ErrorGuard
from honeytrace._utils.locks import is_owned

WRITE_SESSIONS = 2_000  # sessions in one write; with many threads, each call of the system is slow
POLL_SECONDS = 0.002  # how often to check whether other threads have finished encoding
WAIT_SECONDS = 0.05  # how often a thread that waits for a write checks it by itself

Store = Callable[[Sequence[bytes]], bool]
"""Stores bodies permanently, all or none; returns False if it stored none."""


@dataclass(slots=True, eq=False)
class _Write:
    """One write. If a signal handler raises in it, the next thread finishes it."""

    items: list[Item]
    refs: list[RecordRef] = field(default_factory=list)
    stored: bool = False
    hot: bool = True  # whether the bodies stay in memory


class WriteQueue(EncodeQueue):
    """Writes sessions to the spool, or gives them to `store`. Without both they stay in memory."""

    def __init__(
        self, encode: Encode, guard: ErrorGuard, spool: Spool | None, store: Store | None
    ) -> None:
        super().__init__(encode, guard)
        self._spool = spool
        self._store = store
        self._ready = SendQueue()
        self._writing = False
        self._bells: dict[int, Bell] = {}  # of the threads that wait for a write, by their id
        self._write: _Write | None = None

    @property
    def unwritten(self) -> bool:
        """Return whether there are sessions that no thread has tried to write yet."""
        return bool(self.new or self._encoded)

    @property
    def cramped(self) -> bool:
        """Return whether memory is full and no disk would take another session."""
        if self._store or not self._ready.full:
            return False
        return not (self._spool and self._spool.may_write)

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
            with self.lock:  # other threads add to them
                # Not `islice`: a collection may run when it is made, and a `__del__` adds to them.
                count = min(len(self._encoded), WRITE_SESSIONS)
                items = [self._encoded[number] for number in range(count)]
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
        began, bodies = clock.cpu(), [item.body for item in write.items]
        if self._store and self._store(bodies):
            write.stored = True
        elif self._spool:
            records = [(item.serial, item.body) for item in write.items]
            self._append(self._spool, records, write.refs, write.hot)
        self._write_seconds = smoothed(self._write_seconds, (clock.cpu() - began) / len(bodies))

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

    def await_runs(self, seconds: float) -> bool:
        """Wait until the sessions that other threads are encoding now are written, if in time."""
        with self.lock:
            end, runs = clock.now() + seconds, list(self._runs.values())
        pause = Bell()
        while any(runs) and clock.now() < end:
            pause.wait(POLL_SECONDS)
        self.write()
        return not any(runs)

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
        if spool is None or is_owned(self._disk):
            return
        with self._disk:
            with self.lock:
                encoded = set(map(id, list(self._encoded)))  # see `_write_some`
                items = [
                    item
                    for item in list(self._loose.values())
                    if item.body and id(item) not in encoded
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
