"""The commands `import`, `push` and `prune`: fill the store, send from it, delete from it."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path

from honeytrace._client import Client
from honeytrace._config.settings import Config
from honeytrace._session import wire
from honeytrace._session.session import SENT
from honeytrace._utils.errors import SDKError, TransportError
from honeytrace._utils.json import Json, dumps, loads
from honeytrace._utils.text import printable
from honeytrace.cli._output import Stop, print_text, rewrite
from honeytrace.cli._reading import open_store
from honeytrace.local._query import seconds
from honeytrace.local._schema import Row
from honeytrace.local._store import row

_BATCH = 500  # sessions per transaction


def import_sessions(options: argparse.Namespace, config: Config) -> int:
    """Add the sessions in files of JSON lines; report each line that is not a session."""
    store, count, refused = open_store(config), 0, 0
    for name in options.files:
        lines = ((at, line) for at, line in enumerate(_lines(name), 1) if line.strip())
        while batch := list(islice(lines, _BATCH)):
            rows = [found for number, line in batch if (found := _row(name, number, line))]
            store.put_many(rows)
            count += len(rows)
            refused += len(batch) - len(rows)
            rewrite(f"Imported {count} sessions")
    rewrite("")
    print_text(f"Imported {_count(count)} into {store.path}.")
    return int(refused > 0)


def _lines(name: str) -> Iterator[bytes]:
    """Yield the lines of a file; `-` is the standard input."""
    try:
        if name == "-":
            yield from sys.stdin.buffer
        else:
            with open(name, "rb") as file:
                yield from file
    except OSError as error:
        raise Stop(f"{name!r} cannot be read ({error.strerror or error})") from None


def _row(name: str, number: int, line: bytes) -> Row | None:
    try:
        fields = wire.received(dumps({"session": _session(_parsed(line))}))
    except ValueError as error:
        words = printable(f"{name}, line {number}: {error}")
        print(f"honeytrace: {words}; the line was left out", file=sys.stderr)
        return None
    return row(dumps({"session": fields}), fields)


def _parsed(line: bytes) -> object:
    try:
        return loads(line)
    except ValueError as error:
        raise ValueError(f"it is not JSON ({error})") from None


def _session(found: object) -> object:
    """Return the session in a line of `export`, in a request, or in a line of `rejected.jsonl`."""
    for name in ("request", "session"):
        if isinstance(found, dict) and name in found:
            found = found[name]
    return found


def push_sessions(options: argparse.Namespace, config: Config) -> int:
    """Send the sessions in the store to the server, in the order in which they were added."""
    if config.server_url is None:
        raise Stop("there is no server to push to; set HH_API_KEY, or HH_API_URL")
    store, sent, refused = open_store(config), 0, 0
    note = _Pushed(config)
    last = 0 if options.again else note.read()
    left = store.count_above(last)
    with Client.configured(config) as client:
        while found := store.above(last, _BATCH):
            for number, fields in found:
                rewrite(f"Pushing {left} sessions: {sent} delivered")
                if _sent(client, fields):
                    sent += 1
                else:
                    refused += 1
                last = number
                note.write(last)
    rewrite("")
    words = f", {refused} refused" if refused else ""
    print_text(f"Pushed {_count(sent)} to {config.server_url}{words}.")
    return int(refused > 0)


def _sent(client: Client, fields: Json) -> bool:
    """Send one session; return True if the server accepted it.

    Raises `Stop` on an error that the next session would meet as well.
    """
    known = {name: value for name, value in fields.items() if name in SENT}
    known = {"project": "default", "session_name": "unknown", "source": "dev", **known}
    try:
        client.start_session(known)
    except TransportError as error:
        raise Stop(f"{error}; run it again to go on from there") from None
    except SDKError as error:
        if error.status_code in (400, 409, 413, 422):
            print(f"honeytrace: {printable(str(error))}", file=sys.stderr)
            return False
        raise Stop(f"{printable(str(error))}; run it again to go on from there") from None
    return True


class _Pushed:
    """Records how far the store has been pushed to a server, so that the next push continues."""

    def __init__(self, config: Config) -> None:
        self._path = config.home / "pushed.json"
        self._server = str(config.server_url)

    def read(self) -> int:
        found = self._all().get(self._server)
        return found if isinstance(found, int) else 0

    def write(self, number: int) -> None:
        draft = Path(f"{self._path}.{os.getpid()}")
        with suppress(OSError):  # without the record, the next push repeats some, with the same ids
            draft.write_bytes(dumps({**self._all(), self._server: number}))
            draft.replace(self._path)

    def _all(self) -> Json:
        with suppress(OSError, ValueError):
            found = loads(self._path.read_bytes())
            return found if isinstance(found, dict) else {}
        return {}


def prune_sessions(options: argparse.Namespace, config: Config) -> None:
    """Delete the sessions that are older than the given time."""
    try:
        age = seconds(options.older_than, "--older-than")
    except ValueError as error:
        raise Stop(str(error)) from None
    store, deleted = open_store(config), 0
    for number in store.prune(age):
        deleted += number
        rewrite(f"Deleted {deleted} sessions")
    rewrite("")
    print_text(f"Deleted {_count(deleted)} that started over {options.older_than} ago.")


def _count(number: int) -> str:
    return "1 session" if number == 1 else f"{number} sessions"
