"""Put sessions back into the spool: rejected ones, and those kept for a wrong address."""

from __future__ import annotations

import os
from pathlib import Path

from honeytrace._config.settings import Config
from honeytrace._delivery.spool.directory import REJECTED, Spool
from honeytrace._utils.files import open_file, read_file
from honeytrace._utils.json import dumps, loads
from honeytrace.cli._output import Stop

_TAKEN = "rejected.taken.jsonl"
"""The file that is being put back. If a run is killed, the next one continues with it."""
_OLD = "rejected.old.jsonl"


def put_back(config: Config) -> int:
    """Put the sessions that the server of these settings rejected back into its spool.

    Returns how many. Damaged lines stay in the file of rejected sessions. Raises `Stop` if the disk
    fails; then nothing is lost, but some sessions may be sent twice, with the same id.
    """
    assert config.spool_dir  # noqa: S101 - the caller has checked it
    assert config.server_url  # noqa: S101 - the caller has checked it
    spool = Spool(config.spool_dir, config.server_url, config.project)
    try:
        return sum(_from(spool, name) for name in (_TAKEN, _OLD, REJECTED))
    finally:
        spool.release()


def take_over(config: Config, url: str) -> None:
    """Move the sessions kept for an unusable address to the spool of the present server.

    Raises `Stop` if the disk fails; then nothing is lost.
    """
    assert config.spool_dir  # noqa: S101 - the caller has checked it
    assert config.server_url  # noqa: S101 - the caller has checked it
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
    """Rename a file and return its lines. Sessions rejected meanwhile go into a new file."""
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
    """Return the body of the request that a line holds; None if the line is damaged."""
    try:
        request = loads(line)["request"]
        kind = "update" if "update" in request else "session"
        return dumps({kind: request[kind]})
    except (ValueError, TypeError, KeyError):
        return None


def _keep(directory: Path, lines: list[bytes]) -> None:
    if lines:
        fd = open_file(directory / REJECTED, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        with open(fd, "ab") as file:
            file.write(b"\n".join(lines) + b"\n")
