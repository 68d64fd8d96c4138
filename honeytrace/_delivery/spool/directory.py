"""The directory of one server and project, where sessions are safe until they are delivered.

    append → segment of this process │ more, older: what is to be sent │ acknowledge → removed

Several processes share it. Each appends to its own segments, which it keeps locked, and takes over
segments that are no longer locked. Foreign files are never touched. This module handles bytes and
knows nothing of the content of sessions.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from honeytrace._delivery.spool.files import (
    append_to,
    changed_at,
    digest,
    is_file,
    oldest_first,
    size_of,
    weight_of,
)
from honeytrace._delivery.spool.owned_file import make_private
from honeytrace._delivery.spool.segment import (
    ACKS,
    DAMAGED,
    SUFFIX,
    NewerFormatError,
    RecordRef,
    Segment,
    Stored,
)
from honeytrace._utils import clock
from honeytrace._utils.json import dumps
from honeytrace._utils.locks import is_lost
from honeytrace._utils.origin import ignoring, let_through

ROUTE = "route.json"
REJECTED = "rejected.jsonl"

_RECORDS, _BYTES = 500, 4 * 2**20  # read at most so much at once
_CLOCK_IS_SET = 946_684_800.0  # 2000, in seconds: an earlier time means that no clock was set


@dataclass(frozen=True, slots=True)
class Bounds:
    """Limits of the size and the age of a spool.

    Attributes:
        segment: the size, in bytes, at which the next segment begins.
        total: the size, in bytes, above which the oldest segments are dropped.
        age: the seconds after which a segment is dropped.
        turn: the seconds after which the next segment begins, so that a segment holds sessions of
            about the same age.
        pause: the seconds after which a disk that refused is tried again.
        look: the seconds until it is checked again that the directory exists.
    """

    segment: int = 8 * 2**20
    total: int = 256 * 2**20
    age: float = 7 * 86_400.0
    turn: float = 3_600.0
    pause: float = 5.0
    look: float = 0.05


_BOUNDS = Bounds()


class Loss(NamedTuple):
    """A number of lost sessions. None of them has a serial number above this one."""

    serial: int
    number: int


class Spool:
    """A directory of segments. Threads may share it.

    Attributes:
        directory: the path of the directory.
        trouble: the reason why the disk refused the last write; None if it did not.
        newer: segments of a later version of honeytrace, which are left alone.
    """

    def __init__(self, root: Path, server_url: str, project: str, bounds: Bounds = _BOUNDS) -> None:
        self.directory = root / digest(server_url, project)
        self._bounds = bounds
        self._route = {"server_url": server_url, "project": project}
        self._lock = threading.RLock()
        self._own: deque[Segment] = deque()
        self._current: Segment | None = None
        self._began = self._looked = 0.0  # times by our clock, in seconds
        self._busy = False
        self._refused_until = 0.0
        self._claimed: deque[Segment] = deque()
        self._orphans: deque[Path] | None = None
        self.trouble: str | None = None
        self.newer: set[Path] = set()

    @property
    def may_write(self) -> bool:
        """Return whether to write: the disk has not refused within the last seconds."""
        return clock.now() >= self._refused_until

    def append(self, serial: int, body: bytes, *, read: bool) -> RecordRef | None:
        """Write one session and return its position; None if the disk refuses."""
        refs: list[RecordRef] = []
        return refs[0] if self.append_many([(serial, body)], refs, read=read) else None

    def append_many(
        self, records: Sequence[tuple[int, bytes]], refs: list[RecordRef], *, read: bool
    ) -> bool:
        """Add sessions by one write and extend `refs` by their positions.

        Returns False if the disk refuses, and `trouble` says why. Also returns False in a signal
        handler that interrupted this method. `read` says that the caller keeps them in memory, so
        that `more` need not return them.
        """
        with self._lock:
            if self._busy or not self.may_write:
                return False
            self._busy = True
            try:
                self._write(records, refs, read)
            except OSError as error:
                let_through(error, self._write)
                self._refused(error)
                return False
            finally:
                self._busy = False
            self.trouble = None
            return True

    def _refused(self, error: OSError) -> None:
        self.trouble = f"{self.directory}: {error.strerror or error}"
        self._refused_until = clock.now() + self._bounds.pause

    def _write(
        self, records: Sequence[tuple[int, bytes]], refs: list[RecordRef], read: bool
    ) -> None:
        try:
            self._write_once(records, refs, read)
        except OSError as error:
            let_through(error, self._write_once)
            self._current = None  # it may not be ours any more, but its records are still read
            self._secure()
            self._write_once(records, refs, read)

    def _write_once(
        self, records: Sequence[tuple[int, bytes]], refs: list[RecordRef], read: bool
    ) -> None:
        segment = self._segment()
        before = segment.written_again
        segment.append_many(records, refs, read=read)
        if segment.written_again != before:  # the rest of the directory was deleted, too
            self._prepare()
            self._secure()

    def _segment(self) -> Segment:
        """Return the segment to append to."""
        current, now = self._current, clock.now()
        if not current or self._ends(current, now):
            self._prepare()
            name = f"{os.getpid()}-{os.urandom(4).hex()}{SUFFIX}"
            current = self._current = Segment(self.directory / name, new=True)
            self._own.append(current)
            self._began = self._looked = now
            self._tidy(current)
        elif now - self._looked >= self._bounds.look:
            self._looked = now
            if not is_file(self.directory / ROUTE):
                self._prepare()
                self._secure()
        return current

    def _ends(self, current: Segment, now: float) -> bool:
        return current.size >= self._bounds.segment or now - self._began >= self._bounds.turn

    def _prepare(self) -> None:
        make_private(self.directory)
        path = self.directory / ROUTE
        if not is_file(path):
            # Written under another name first, so that nobody reads half of it.
            draft = self.directory / f"{os.getpid()}-{os.urandom(4).hex()}.route"
            append_to(draft, dumps(self._route))
            draft.replace(path)

    def _secure(self) -> None:
        """Write files again that someone has deleted."""
        for segment in (*self._own, *self._claimed):
            with ignoring(OSError):
                segment.secure()

    @property
    def unread(self) -> int:
        """Return how many sessions of this process are on disk only."""
        with self._lock:
            return sum(each.unread for each in self._own)

    def more(self) -> tuple[list[Stored], list[Loss]]:
        """Return some sessions of this process that are on disk only, in order, and the losses."""
        with self._lock:
            lost: list[Loss] = []
            for segment in [each for each in self._own if each.unread]:
                if found := _read(segment):
                    return found, lost
                lost.append(Loss(segment.last, segment.give_up_unread()))
            self._tidy(self._current)
            return [], lost

    def look(self) -> None:
        """Look again for segments that nobody has locked."""
        self._orphans = None

    def older(self) -> list[Stored]:
        """Return some sessions of ended processes, oldest first; an empty list at the end."""
        with self._lock:
            while True:
                for segment in [each for each in self._claimed if each.unread]:
                    if found := _read(segment):
                        return found
                    segment.give_up_unread()
                self._tidy(self._current)
                if not self._claim():
                    return []

    def _claim(self) -> bool:
        """Take over the oldest segment that nobody has locked; return False if there is none."""
        orphans = self._orphans
        if orphans is None:
            orphans = self._orphans = deque(self._files(SUFFIX))
        while orphans:
            if segment := self._taken_over(orphans.popleft()):
                self._claimed.append(segment)
                return True
        return False

    def _taken_over(self, path: Path) -> Segment | None:
        if any(path == each.path for each in (*self._own, *self._claimed)):
            return None
        with ignoring(OSError):  # locked, or removed just now
            try:
                return Segment(path, new=False)
            except NewerFormatError:
                self.newer.add(path)
        return None

    def _files(self, *suffixes: str) -> list[Path]:
        with ignoring(OSError):
            return oldest_first(self.directory, *suffixes)
        return []

    @property
    def adopted(self) -> int:
        """Return how many sessions taken over from ended processes are yet to be delivered."""
        with self._lock:
            return sum(each.kept for each in self._claimed)

    def load(self, place: RecordRef) -> bytes | None:
        """Return the body of a session; None if it can no longer be read."""
        with self._lock, ignoring(OSError):
            return place.segment.load(place)
        return None

    def acknowledge(self, place: RecordRef) -> bool:
        """Note that a session is done with; return False if it had been dropped."""
        return self.acknowledge_many([place]) == [True]

    def acknowledge_many(self, places: Sequence[RecordRef]) -> list[bool]:
        """Note that sessions are done with; return False for each that had been dropped.

        A segment is removed once all its sessions are done with. If the disk refuses, a session is
        at worst sent again with the same id.
        """
        with self._lock:
            there = [not place.segment.gone for place in places]
            groups: dict[Segment, list[RecordRef]] = {}
            for place, known in zip(places, there, strict=True):
                if known:
                    groups.setdefault(place.segment, []).append(place)
            for segment, some in groups.items():
                with ignoring(OSError):
                    segment.acknowledge_many(some)
            if not all(segment.kept for segment in groups):
                self._tidy(self._current)
            return there

    def reject(self, body: bytes, words: str) -> bool:
        """Keep a session that the server refused, with the reason; return False if that fails."""
        line = b'{"answer":%s,"request":%s}\n' % (dumps(words), body)
        path = self.directory / REJECTED
        with self._lock, ignoring(OSError):
            self._prepare()
            if size_of(path) and size_of(path) + len(line) > self._bounds.segment:
                path.replace(path.with_suffix(".old.jsonl"))
            append_to(path, line)
            return True
        return False

    def trim(self) -> list[Segment]:
        """Drop the oldest segments while there is too much, and all that are too old."""
        with self._lock:
            if self._current is None:
                return []
            self._sweep()
            now = changed_at(self._current.path)
            files = self._files(SUFFIX, DAMAGED)
            total = sum(map(weight_of, files))
            dropped = []
            for path in files:
                if total > self._bounds.total or self._is_too_old(path, now):
                    weight = weight_of(path)
                    dropped += self._drop(path)
                    total -= weight - weight_of(path)
            return dropped

    def _is_too_old(self, path: Path, now: float) -> bool:
        """Return whether a file is too old; False if the clock was not set when it was written."""
        changed = changed_at(path)
        return changed >= _CLOCK_IS_SET and now - changed > self._bounds.age

    def _sweep(self) -> None:
        """Delete acknowledgements without a segment, which a killed process may leave."""
        for path in self._files(ACKS):
            if not path.with_suffix(SUFFIX).exists():
                with ignoring(OSError):
                    path.unlink()

    def _drop(self, path: Path) -> list[Segment]:
        """Delete a file that no other process has locked; return its segment, if it was one."""
        if path.suffix == DAMAGED:
            with ignoring(OSError):
                path.unlink()
            return []
        known = [each for each in (*self._own, *self._claimed) if each.path == path]
        segment = known[0] if known else self._taken_over(path)
        if segment is None or segment is self._current:
            return []
        segment.damaged = False  # there is no space to set it aside
        segment.remove()
        self._own = deque(each for each in self._own if not each.gone)
        self._claimed = deque(each for each in self._claimed if not each.gone)
        return [segment]

    def _tidy(self, current: Segment | None) -> None:
        """Delete the segments in which every session is done with."""
        for segments in (self._own, self._claimed):
            for segment in [each for each in segments if each is not current and not each.kept]:
                segments.remove(segment)
                segment.remove()

    def rest(self) -> None:
        """Delete what is done with, so that other processes find only undelivered sessions."""
        with self._lock:
            self._current = None
            self._tidy(None)
            self._secure()

    def release(self) -> None:
        """Release all segments, so that other processes can take them."""
        with self._lock:
            self.rest()
            self.disown()

    def disown(self) -> None:
        """Close the segments in a forked child: they and the lock belong to the parent."""
        for segment in (*self._own, *self._claimed):
            segment.close()

    @property
    def lost(self) -> bool:
        """Return whether the interpreter has killed a thread that was inside the spool."""
        return is_lost(self._lock)

    def hold(self) -> bool:
        """Lock the spool during a fork; return False if that takes more than a second."""
        return self._lock.acquire(timeout=1)

    def let_go(self) -> None:
        self._lock.release()


def _read(segment: Segment) -> list[Stored]:
    """Return some of the next records of a segment; none if the disk refuses."""
    found: list[Stored] = []
    size = 0
    with ignoring(OSError):
        while len(found) < _RECORDS and size < _BYTES and (stored := segment.read_on()):
            found.append(stored)
            size += len(stored.body)
    return found
