"""A file that stays open, and is checked to be the same one before each use."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from honeytrace._utils.files import open_file
from honeytrace._utils.origin import ignoring

try:
    import fcntl
except ImportError:  # pragma: no cover - Windows, where `Spool` is not used
    fcntl = None  # type: ignore[assignment]

LOCKS = fcntl is not None
"""True if this system has the locks that processes need to share a directory."""

_DRAFT = ".new"
_CHUNK_BYTES = 65_536  # copied at once


class OwnedFile:
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
            for at in range(0, self.size, _CHUNK_BYTES):
                _write(fd, os.pread(self._fd, min(_CHUNK_BYTES, self.size - at), at), at)
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
        """Rename the file, or delete it if `name` is None; do nothing if somebody has deleted it.

        Raises `OSError` if it is not ours.
        """
        self.found()
        if not os.path.lexists(self.path):
            return
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
