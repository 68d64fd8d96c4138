"""Sessions put back into the spool: what a server refused, or what was kept for a wrong address."""

from __future__ import annotations

import os
from pathlib import Path

from honeytrace._config.settings import Config
from honeytrace._delivery.spool.directory import REJECTED, Spool
from honeytrace._utils.files import open_file, read_file
from honeytrace._utils.json import dumps, loads
from honeytrace.cli._output import Stop

_TAKEN = "rejected.taken.jsonl"
"""What is being put back: a run that was killed leaves it, and the next one goes on with it."""
_OLD = "rejected.old.jsonl"


def put_back(config: Config) -> int:
    """Put what the server of these settings refused back into its spool; return how many.

    A session whose line cannot be read stays where it is. Raises `Stop` if the disk refuses; then
    nothing is lost, and what was put back already is sent once more, with the same id.
    """
    assert config.spool_dir  # noqa: S101 - this is for those who have one
    assert config.server_url  # noqa: S101 - see above
    spool = Spool(config.spool_dir, config.server_url, config.project)
    try:
        return sum(_from(spool, name) for name in (_TAKEN, _OLD, REJECTED))
    finally:
        spool.release()


def take_over(config: Config, url: str) -> None:
    """Move what was kept for an address that cannot be used to the server of these settings.

    Raises `Stop` if the disk refuses; then nothing is lost.
    """
    assert config.spool_dir  # noqa: S101 - this is for those who have one
    assert config.server_url  # noqa: S101 - see above
    source = Spool(config.spool_dir, url, config.project)
    target = Spool(config.spool_dir, config.server_url, config.project)
    try:
        while found := source.older():
            if not target.append_many([(0, each.body) for each in found], [], read=False):
                raise Stop(f"the spool cannot be written ({target.trouble}); nothing was sent")
            source.acknowledge_many([each.place for each in found])
    finally:
        source.release()
        target.release()


def _from(spool: Spool, name: str) -> int:
    lines = _take(spool.directory, name)
    if not lines:
        return 0
    bodies = [_body(line) for line in lines]
    good = [body for body in bodies if body]
    if not spool.append_many([(0, body) for body in good], [], read=False):
        raise Stop(f"the spool cannot be written ({spool.trouble}); nothing was sent")
    _keep(spool.directory, [line for line, body in zip(lines, bodies, strict=True) if not body])
    (spool.directory / _TAKEN).unlink()
    return len(good)


def _take(directory: Path, name: str) -> list[bytes]:
    """Return the lines of a file, which has another name from then on: new ones come into a new
    file meanwhile."""
    try:
        if name != _TAKEN:
            os.replace(directory / name, directory / _TAKEN)
        return read_file(directory / _TAKEN).splitlines()
    except FileNotFoundError:
        return []
    except OSError as error:
        words = error.strerror or error
        raise Stop(f"{str(directory / name)!r} cannot be read ({words})") from None


def _body(line: bytes) -> bytes | None:
    """Return the request in a line, as it was sent; None if the line is damaged."""
    try:
        return dumps({"session": loads(line)["request"]["session"]})
    except (ValueError, TypeError, KeyError):
        return None


def _keep(directory: Path, lines: list[bytes]) -> None:
    if lines:
        fd = open_file(directory / REJECTED, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        with open(fd, "ab") as file:
            file.write(b"\n".join(lines) + b"\n")
