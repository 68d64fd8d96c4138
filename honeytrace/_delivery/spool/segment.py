"""One file of the spool: append records, read them in order and acknowledge them, under a lock.

A segment begins with a line that names the format. A record consists of a magic number, the length
of the body, a checksum, a serial number and the body, all written by one call. An acknowledgement
is the offset and the checksum of a record, in a second file beside the first. This module handles
bytes and knows nothing of sessions.
"""

from __future__ import annotations

import errno
import os
import re
import struct
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from honeytrace._utils.files import open_file
from honeytrace._utils.origin import ignoring

try:
    import fcntl
except ImportError:  # pragma: no cover - Windows, where `Spool` is not used
    fcntl = None  # type: ignore[assignment]

LOCKS = fcntl is not None
"""True if this system has the locks that processes need to share a directory."""

SUFFIX, ACKS, DAMAGED, _DRAFT = ".spool", ".acks", ".damaged", ".new"

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


class _File:
    """A file that stays open, and is checked to be the same one before each use.

    A program may close every descriptor that it finds, and the number may then belong to another
    file: our file is opened again. Or it may delete the directory: the file is written again before
    anything is added.

    Attributes:
        path: the path of the file.
        size: the offset of the next write, in bytes.
        written_again: the number of times that the file was deleted and written again.
    """

    def __init__(self, path: Path, *, new: bool, locked: bool) -> None:
        self.path = path
        self.written_again = 0
        self._locked = locked
        self._fd = self._opened(new)
        self.size = os.fstat(self._fd).st_size
        self._identity = _identity(self._fd)

    def _opened(self, new: bool) -> int:
        # A new file gets its name once it is locked: others look for files that are not locked.
        path = self.path.with_suffix(_DRAFT) if new and self._locked else self.path
        fd = open_file(path, os.O_RDWR | (os.O_CREAT | os.O_EXCL if new else 0))
        try:
            if self._locked:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if path is not self.path:
                _rename(path, self.path)
        except OSError:
            _discard(fd, path if new else None)
            raise
        return fd

    def found(self) -> os.stat_result:
        """Make sure that the descriptor is ours. Raises `OSError` if the file is lost."""
        with ignoring(OSError):
            found = os.fstat(self._fd)
            if (found.st_dev, found.st_ino) == self._identity:
                return found
        self._fd = -1  # the number may belong to another file: do not close it
        fd = self._opened(new=False)
        if _identity(fd) != self._identity:
            os.close(fd)
            raise FileNotFoundError(errno.ENOENT, "another file has taken its place", self.path)
        self._fd = fd
        return os.fstat(fd)

    def secure(self) -> None:
        """Make sure that the descriptor is ours and that the file has a name. Raises `OSError`."""
        if not self.found().st_nlink:
            self._write_again()

    def _write_again(self) -> None:
        make_private(self.path.parent)
        fd = self._opened(new=True)
        try:
            for at in range(0, self.size, _CHUNK):
                _write(fd, os.pread(self._fd, min(_CHUNK, self.size - at), at), at)
        except OSError:
            _discard(fd, self.path)
            raise
        os.close(self._fd)
        self._fd, self._identity = fd, _identity(fd)
        self.written_again += 1

    def append(self, data: bytes) -> int:
        """Write all or nothing at the end and return the offset. Raises `OSError`."""
        at = self.size
        self.write(data)
        self.size = at + len(data)
        return at

    def write(self, data: bytes) -> None:
        """Write all or nothing at the end. The caller has to add its length to `size`.

        Until then the next write goes to the same offset. Raises `OSError`.
        """
        self.secure()
        try:
            _write(self._fd, data, self.size)
        except OSError:
            os.ftruncate(self._fd, self.size)
            raise

    def read(self, count: int, at: int) -> bytes:
        self.found()
        return os.pread(self._fd, count, at)

    def leave(self, name: Path | None) -> None:
        """Rename the file, or delete it if `name` is None. Raises `OSError` if it is not ours."""
        self.found()
        there = self.path.lstat()
        if (there.st_dev, there.st_ino) != self._identity:
            raise FileNotFoundError(errno.ENOENT, "another file has taken its place", self.path)
        if name:
            self.path.replace(name)
        else:
            self.path.unlink()

    def close(self) -> None:
        """Close the descriptor if it is still ours."""
        with ignoring(OSError):
            if _identity(self._fd) == self._identity:
                os.close(self._fd)


def _rename(path: Path, name: Path) -> None:
    if os.path.lexists(name):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(name))
    path.rename(name)


def _discard(fd: int, path: Path | None) -> None:
    if path:
        path.unlink(missing_ok=True)
    os.close(fd)


def _write(fd: int, data: bytes, at: int) -> None:
    if os.pwrite(fd, data, at) != len(data):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _identity(fd: int) -> tuple[int, int]:
    found = os.fstat(fd)
    return found.st_dev, found.st_ino


def make_private(directory: Path) -> None:
    """Create a directory that only this user may read. Raises `OSError` if it is someone else's."""
    if not directory.is_dir():
        directory.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with ignoring(FileExistsError):
            directory.mkdir(mode=0o700)
    owner = directory.stat().st_uid
    if owner != os.geteuid() and os.geteuid() != 0:
        raise PermissionError(errno.EPERM, "it belongs to another user", str(directory))


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
        self._file = _File(path, new=new, locked=locked)
        self._acks: _File | None = None
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
        acks = self._acks = _File(self.path.with_suffix(ACKS), new=False, locked=False)
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
            self._acks = _File(path, new=not path.exists(), locked=False)
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
        """Yield the records from an offset on. After damage, go on at the next record mark."""
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
