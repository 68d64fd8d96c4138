"""Let one thread at a time update a session, in all processes that share a home."""

from __future__ import annotations

import math
import os
import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from honeytrace._delivery.spool.owned_file import make_private
from honeytrace._utils import clock
from honeytrace._utils.files import open_file
from honeytrace._utils.origin import ignoring

try:
    import fcntl
except ImportError:  # pragma: no cover - Windows
    fcntl = None  # type: ignore[assignment]

_TURNS = 64  # sessions that can be updated at once
_LOOK_SECONDS = 0.02  # how often to look for the first update; each look is a system call
_MAX_NOTED_BYTES = 64 * 1024  # in one file; beyond it, the ids that were noted first are forgotten


class Turns:
    """Takes turns at updates of the same session, and remembers which sessions were updated.

    An update reads the session and writes it again, so of two at once one would be lost. Processes
    take turns by locking files in a directory. Without one, or if it cannot be used, only the
    threads of this process do. The files hold the ids of the sessions that were updated, since a
    session that is sent once more must not undo its updates.
    """

    def __init__(self, directory: Path | None = None) -> None:
        self._directory = directory
        self._folder = str(directory)
        self._threads = tuple(threading.Lock() for _ in range(_TURNS))
        self._noted = b""  # ids that no file could take
        self._in_use = False
        self._looked = -math.inf  # when it was last found not to be in use

    @contextmanager
    def take(self, session_id: str) -> Iterator[Callable[[], object]]:
        """Wait for the turn of this session; yield a function that notes it as updated."""
        number = _number(session_id)
        with self._threads[number]:
            fd = self._lock_file(number)
            try:
                yield partial(self._note, fd, session_id)
            finally:
                if fd is not None:
                    # Closing would not be enough while a child that was forked has the file, too.
                    fcntl.flock(fd, fcntl.LOCK_UN)
                    os.close(fd)

    def are_in_use(self) -> bool:
        """Return whether any session was updated; in most programs none ever is."""
        if self._directory is None:
            return bool(self._noted)
        if not self._in_use and (now := clock.now()) >= self._looked + _LOOK_SECONDS:
            self._looked = now
            self._in_use = os.access(self._folder, os.R_OK)
        return self._in_use

    def is_updated(self, session_id: str) -> bool:
        """Return whether the session was updated, as far as this machine knows."""
        if self._directory is None:
            return _key(session_id) in self._noted
        path = self._path(_number(session_id))
        if path.exists():  # often there is no file, and an exception costs more
            with ignoring(OSError):
                return _key(session_id) in path.read_bytes()
        return False

    def _note(self, fd: int | None, session_id: str) -> None:
        key = _key(session_id)
        if fd is None:
            self._noted = _with(self._noted, key)
            return
        with ignoring(OSError):
            noted = os.pread(fd, 2 * _MAX_NOTED_BYTES, 0)
            kept = _with(noted, key)
            if kept == noted + key:
                os.pwrite(fd, key, len(noted))
            elif kept != noted:
                os.ftruncate(fd, os.pwrite(fd, kept, 0))

    def _lock_file(self, number: int) -> int | None:
        if self._directory is None or fcntl is None:
            return None
        with ignoring(OSError):
            make_private(self._directory)
            self._in_use = True
            fd = open_file(self._path(number), os.O_RDWR | os.O_CREAT)
            fcntl.flock(fd, fcntl.LOCK_EX)  # for as long as two requests take, at most
            return fd
        return None

    def _path(self, number: int) -> Path:
        return Path(f"{self._folder}/{number:02}.lock")


def _number(session_id: str) -> int:
    return zlib.crc32(session_id.lower().encode()) % _TURNS


def _key(session_id: str) -> bytes:
    """Return 16 bytes for an id; its case does not count."""
    return bytes.fromhex(session_id.replace("-", ""))


def _with(noted: bytes, key: bytes) -> bytes:
    """Return the noted ids with one more, without the older half if they are too many."""
    if key in noted:
        return noted
    return (noted if len(noted) < _MAX_NOTED_BYTES else noted[_MAX_NOTED_BYTES // 2 :]) + key
