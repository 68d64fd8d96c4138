"""One file of the spool: append records, read them in order and acknowledge them, under a lock.

A segment begins with a line that names the format. A record consists of a magic number, the length
of the body, a checksum, a serial number and the body, all written by one call. An acknowledgement
is the offset and the checksum of a record, in a second file beside the first. This module handles
bytes and knows nothing of sessions.
"""

from __future__ import annotations

import errno
import re
import struct
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from honeytrace._delivery.spool.owned_file import OwnedFile
from honeytrace._utils.origin import ignoring

SUFFIX, ACKS, DAMAGED = ".spool", ".acks", ".damaged"

_FORMAT = b"honeytrace spool "
_HEAD = _FORMAT + b"1\n"
_NEWER = re.compile(rb"%b[1-9]\d{0,8}\n" % _FORMAT)
_MARK = b"\xf5HT\xf5"  # 0xF5 is in no UTF-8 text, so no body contains it
_RECORD = struct.Struct(">4sIIQ")
_ACK = struct.Struct(">II")
_CHUNK = 65_536


class NewerFormatError(Exception):
    """Raised for a segment of a later version of this library, which is left alone."""


class RecordRef(NamedTuple):
    """The position of a record: its segment, its offset in bytes, and its checksum."""

    segment: Segment
    at: int
    check: int

    @property
    def first(self) -> bool:
        """Return whether it is the first record of its segment."""
        return self.at == len(_HEAD)


class Stored(NamedTuple):
    """A record that was read."""

    place: RecordRef
    serial: int
    body: bytes

    @property
    def end(self) -> int:
        return self.place.at + _RECORD.size + len(self.body)


class Segment:
    """A file of records and its acknowledgements, locked by this process while it is open.

    Attributes:
        own: False if a process that has ended left it behind.
        unread: the number of records that are yet to be read.
        kept: the number of records that are yet to be acknowledged.
        last: the highest serial number that was appended.
        damaged: whether some of it could not be read.
        gone: whether the files were removed.
    """

    def __init__(self, path: Path, *, new: bool, locked: bool = True) -> None:
        self._file = OwnedFile(path, new=new, locked=locked)
        self._acks: OwnedFile | None = None
        self._done: set[tuple[int, int]] = set()
        self._at = len(_HEAD)
        self.own = new
        self.unread = self.kept = self.last = 0
        self.damaged = self.gone = False
        try:
            self._begin() if new else self._take_over()
        except (OSError, NewerFormatError):
            if new:
                with ignoring(OSError):
                    self._file.leave(None)
            self.close()
            raise

    def _begin(self) -> None:
        self._file.append(_HEAD)

    def _take_over(self) -> None:
        """Find out what an ended process left to do."""
        if not self._file.found().st_nlink:
            raise FileNotFoundError(errno.ENOENT, "it was removed", str(self.path))
        head = self._file.read(2 * len(_HEAD), 0)
        if not head.startswith(_HEAD):
            if _NEWER.match(head):
                raise NewerFormatError
            self.damaged = bool(head)
            self._at = 0
        with ignoring(OSError):  # without acknowledgements, everything is sent again
            self._read_acks()
        self.unread = self.kept = sum(1 for _ in self._records(self._at))

    def _read_acks(self) -> None:
        acks = self._acks = OwnedFile(self.path.with_suffix(ACKS), new=False, locked=False)
        noted = acks.read(acks.size, 0)
        acks.size = len(noted) - len(noted) % _ACK.size
        self._done = set(_ACK.iter_unpack(noted[: acks.size]))

    @property
    def path(self) -> Path:
        return self._file.path

    @property
    def size(self) -> int:
        return self._file.size

    @property
    def written_again(self) -> int:
        """Return how often the file was deleted and written again."""
        return self._file.written_again

    def append(self, serial: int, body: bytes, *, read: bool) -> RecordRef:
        """Add one record and return its position; see `append_many`."""
        refs: list[RecordRef] = []
        self.append_many([(serial, body)], refs, read=read)
        return refs[0]

    def append_many(
        self, records: Sequence[tuple[int, bytes]], refs: list[RecordRef], *, read: bool
    ) -> None:
        """Add records by one write, and extend `refs` by their positions.

        With `read`, they count as read. If it raises `OSError`, nothing was added. An exception
        that a signal handler raises leaves either everything added or nothing.
        """
        at, added = self._file.size, list[RecordRef]()
        parts: list[bytes] = []
        for serial, body in records:
            check = _checksum(serial, body)
            parts += (_RECORD.pack(_MARK, len(body), check, serial), body)
            added.append(RecordRef(self, at, check))
            at += _RECORD.size + len(body)
        kept, last = self.kept + len(added), max(self.last, *(serial for serial, _ in records))
        unread = self.unread if read else self.unread + len(added)
        passed = {(each.at, each.check) for each in added} if self.unread else None
        self._file.write(b"".join(parts))
        # Signal handlers run at calls, and there is no call from here on.
        self._file.size, self.kept, self.last, self.unread = at, kept, last, unread
        if read and passed is not None:
            self._done |= passed
        elif read:
            self._at = at
        refs += added

    def read_on(self) -> Stored | None:
        """Return the next record that is not acknowledged; None at the end."""
        found = next(self._records(self._at), None)
        if found is None:
            self._at = self.size
            return None
        self._at = found.end
        self.unread -= 1
        return found

    def load(self, place: RecordRef) -> bytes | None:
        """Return the body of a record that was read before; None if it has been damaged since."""
        found = self._record(place.at)
        return found.body if found and found.place.check == place.check else None

    def acknowledge(self, place: RecordRef) -> None:
        """Note that a record is done with. Raises `OSError` if that cannot be written."""
        self.acknowledge_many([place])

    def acknowledge_many(self, places: Sequence[RecordRef]) -> None:
        """Note by one write that records are done with. Raises `OSError` if that fails."""
        self.kept -= len(places)
        keys = [(place.at, place.check) for place in places]
        for key in keys:
            if key[0] >= self._at and key not in self._done:  # not read yet
                self._done.add(key)
                self.unread -= 1
        if self._acks is None:
            path = self.path.with_suffix(ACKS)
            self._acks = OwnedFile(path, new=not path.exists(), locked=False)
        self._acks.append(b"".join(_ACK.pack(*key) for key in keys))

    def give_up_unread(self) -> int:
        """Stop counting the records that should exist but were not found; return their number."""
        lost, self.unread = self.unread, 0
        self.kept -= lost
        self._at = self.size
        self.damaged = self.damaged or lost > 0
        return lost

    def secure(self) -> None:
        """Make sure that the files are there. Raises `OSError`."""
        self._file.secure()
        if self._acks:
            self._acks.secure()

    def remove(self) -> None:
        """Delete the files. A damaged one is renamed instead, in case someone wants to look.

        Files that someone else has created under these names, or has locked, stay.
        """
        self.gone = True
        with ignoring(OSError):
            self._file.leave(self.path.with_suffix(DAMAGED) if self.damaged else None)
            self.path.with_suffix(ACKS).unlink(missing_ok=True)
        self.close()

    def close(self) -> None:
        """Release it, so that another process can take it.

        A forked child has to do so, too: the lock lives as long as any copy of the descriptor.
        """
        for file in (self._file, self._acks):
            if file:
                file.close()

    def _records(self, at: int) -> Iterator[Stored]:
        """Yield the records from an offset on. After damage, continue at the next magic number."""
        while at < self.size:
            found = self._record(at)
            if found is None:
                self.damaged = True
                at = self._next_mark(at + 1)
                continue
            at = found.end
            if (found.place.at, found.place.check) not in self._done:
                yield found

    def _record(self, at: int) -> Stored | None:
        head = self._file.read(_RECORD.size, at)
        if len(head) < _RECORD.size:
            return None
        mark, length, check, serial = _RECORD.unpack(head)
        if mark != _MARK or at + _RECORD.size + length > self.size:
            return None
        body = self._file.read(length, at + _RECORD.size)
        if len(body) < length or _checksum(serial, body) != check:
            return None
        return Stored(RecordRef(self, at, check), serial, body)

    def _next_mark(self, at: int) -> int:
        while len(chunk := self._file.read(_CHUNK, at)) >= len(_MARK):
            found = chunk.find(_MARK)
            if found >= 0:
                return at + found
            at += len(chunk) - len(_MARK) + 1
        return self.size


def _checksum(serial: int, body: bytes) -> int:
    return zlib.crc32(body, zlib.crc32(b"%d" % serial))
