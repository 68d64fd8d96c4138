"""Let one thread at a time update a session, in all processes that share a home."""

from __future__ import annotations

import os
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from honeytrace._delivery.spool.owned_file import make_private
from honeytrace._utils.files import open_file
from honeytrace._utils.origin import ignoring

try:
    import fcntl
except ImportError:  # pragma: no cover - Windows
    fcntl = None  # type: ignore[assignment]

_TURNS = 64  # sessions that can be updated at once


class Turns:
    """Takes turns at updates of the same session.

    An update reads the session and writes it again, so of two at once one would be lost. Processes
    take turns by locking files in a directory. Without one, or if it cannot be used, only the
    threads of this process do.
    """

    def __init__(self, directory: Path | None = None) -> None:
        self._directory = directory
        self._threads = tuple(threading.Lock() for _ in range(_TURNS))

    @contextmanager
    def take(self, session_id: str) -> Iterator[None]:
        number = zlib.crc32(session_id.encode()) % _TURNS
        with self._threads[number]:
            fd = self._lock_file(number)
            try:
                yield
            finally:
                if fd is not None:
                    # Closing would not be enough while a child that was forked has the file, too.
                    fcntl.flock(fd, fcntl.LOCK_UN)
                    os.close(fd)

    def _lock_file(self, number: int) -> int | None:
        if self._directory is None or fcntl is None:
            return None
        with ignoring(OSError):
            make_private(self._directory)
            fd = open_file(self._directory / f"{number:02}.lock", os.O_RDWR | os.O_CREAT)
            fcntl.flock(fd, fcntl.LOCK_EX)  # for as long as two requests take, at most
            return fd
        return None
