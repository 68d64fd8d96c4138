"""Open only files of our own: no links, no pipes, no standard streams."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

try:
    import fcntl
except ImportError:  # pragma: no cover - Windows
    fcntl = None  # type: ignore[assignment]

_CAREFULLY = (
    getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
)


def open_file(path: Path, flags: int) -> int:
    """Open a regular file and return its descriptor, which is above 2 and closed by `exec`.

    Only this user can read or write a new file. Raises `OSError`, also if the path is a link, a
    pipe or a device: opening one could block forever, and writing would change something else.
    """
    fd = above_stderr(os.open(path, flags | _CAREFULLY, 0o600))
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise OSError(errno.EINVAL, "it is not a regular file", str(path))
    return fd


def read_file(path: Path) -> bytes:
    """Return the content of a regular file. Raises `OSError`, also for a link or a pipe."""
    with open(open_file(path, os.O_RDONLY), "rb") as file:
        return file.read()


def above_stderr(fd: int) -> int:
    """Return the descriptor, or replace it by one above 2.

    If a program has closed its standard streams, a new file gets one of their numbers. Then text
    that the program prints would be written into the file.
    """
    if fd > 2 or fcntl is None:
        return fd
    try:
        return fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 3)
    finally:
        os.close(fd)
