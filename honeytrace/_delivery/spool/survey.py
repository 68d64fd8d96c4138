"""Look at a spool from outside, without changing anything."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from honeytrace._delivery.spool.directory import REJECTED, ROUTE
from honeytrace._delivery.spool.files import digest, oldest_first, size_of
from honeytrace._delivery.spool.segment import ACKS, DAMAGED, SUFFIX, NewerFormatError, Segment
from honeytrace._utils.files import read_file
from honeytrace._utils.json import loads


@dataclass(frozen=True, slots=True)
class SpoolStatus:
    """The state of one spool directory.

    Attributes:
        directory: the path of the directory.
        server_url: the server that its sessions are for.
        project: the project that its sessions are for.
        waiting: the number of sessions that no running program is going to send.
        held: the number of sessions of programs that are running.
        size: the bytes of all its files.
        rejected: the number of sessions that the server refused.
        damaged: the number of segments that could not be read.
        newer: the number of segments of a later version of honeytrace.
    """

    directory: Path
    server_url: str
    project: str
    waiting: int = 0
    held: int = 0
    size: int = 0
    rejected: int = 0
    damaged: int = 0
    newer: int = 0


def spool_statuses(root: Path) -> Iterator[SpoolStatus]:
    """Yield the state of each spool below a directory, without changing anything."""
    for directory in sorted(root.iterdir()) if root.is_dir() else ():
        route = _read_route(directory / ROUTE)
        if isinstance(route, dict) and "server_url" in route and "project" in route:
            yield _status(directory, str(route["server_url"]), str(route["project"]))


def spool_status(root: Path, server_url: str, project: str) -> SpoolStatus:
    """Return the state of the spool of one server and project, without changing anything."""
    return _status(root / digest(server_url, project), server_url, project)


def _status(directory: Path, server_url: str, project: str) -> SpoolStatus:
    waiting = held = newer = 0
    for path in oldest_first(directory, SUFFIX):
        kept, free = _look(path)
        waiting += max(kept, 0) if free else 0
        held += 0 if free else kept
        newer += kept < 0
    files = oldest_first(directory, SUFFIX, ACKS, DAMAGED)
    rejected = _lines(directory / REJECTED)
    damaged = sum(path.suffix == DAMAGED for path in files)
    size = sum(map(size_of, files))
    return SpoolStatus(
        directory, server_url, project, waiting, held, size, rejected, damaged, newer
    )


def _read_route(path: Path) -> object:
    with suppress(OSError, ValueError):
        return loads(read_file(path))
    return None


def _lines(path: Path) -> int:
    with suppress(OSError):
        return read_file(path).count(b"\n")
    return 0


def _look(path: Path) -> tuple[int, bool]:
    """Return the number of sessions in a segment (-1: newer format), and if it is unlocked."""
    for locked in (True, False):
        with suppress(OSError):
            try:
                segment = Segment(path, new=False, locked=locked)
            except NewerFormatError:
                return -1, True
            segment.close()
            return segment.kept, locked
    return 0, True
