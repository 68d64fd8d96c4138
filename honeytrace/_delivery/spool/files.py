"""The files of a spool: their names, ages and sizes."""

from __future__ import annotations

import hashlib
import os
import re
import stat
from pathlib import Path

from honeytrace._delivery.spool.segment import ACKS
from honeytrace._utils.files import open_file
from honeytrace._utils.origin import ignoring

_NAME = re.compile(r"\d+-[0-9a-f]{8}\.(spool|acks|damaged)")


def digest(server_url: str, project: str) -> str:
    text = f"{server_url}\0{project}"  # a path of the system may hold bytes that are not UTF-8
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def oldest_first(directory: Path, *suffixes: str) -> list[Path]:
    """Return the files of the spool with these suffixes; one that vanishes comes first."""
    if not directory.is_dir():
        return []
    with os.scandir(directory) as entries:
        names = [each.name for each in entries if each.is_file(follow_symlinks=False)]
    found = [directory / name for name in names if _NAME.fullmatch(name)]
    return sorted((path for path in found if path.suffix in suffixes), key=changed_at)


def is_file(path: Path) -> bool:
    """Return whether this is a regular file, and not a link or something else."""
    with ignoring(OSError):
        return stat.S_ISREG(path.lstat().st_mode)
    return False


def changed_at(path: Path) -> float:
    with ignoring(OSError):
        return path.lstat().st_mtime
    return 0.0


def size_of(path: Path) -> int:
    with ignoring(OSError):
        return path.lstat().st_size
    return 0


def weight_of(path: Path) -> int:
    """Return the size of a segment and its acknowledgements, in bytes."""
    size = size_of(path)
    return size and size + size_of(path.with_suffix(ACKS))


def append_to(path: Path, data: bytes) -> None:
    """Add to a file that only this user may read. Raises `OSError`."""
    fd = open_file(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    try:
        os.write(fd, data)
    finally:
        os.close(fd)
