"""The commands `import`, `push` and `prune`: fill the store, send from it, delete from it."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice

from honeytrace._client import Client
from honeytrace._config.settings import Config
from honeytrace._session import wire
from honeytrace._session.session import SENT
from honeytrace._utils.errors import SDKError, StoreError, TransportError
from honeytrace._utils.json import Json, dumps, loads
from honeytrace._utils.text import printable
from honeytrace.cli._output import Stop, print_text, rewrite
from honeytrace.cli._reading import open_store
from honeytrace.local import Store
from honeytrace.local._query import seconds
from honeytrace.local._schema import Row
from honeytrace.local._store import row

_BATCH = 500  # sessions per transaction
_REFUSED = (400, 409, 413, 422)  # statuses that tell of one session, not of all of them
_MISCONFIGURED = (401, 403, 404, 405)


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
        where = "stdin" if name == "-" else name
        words = printable(f"{where}, line {number}: {error}")
        print(f"honeytrace: {words}; the line was left out", file=sys.stderr)
        return None
    return row(dumps({"session": fields}), fields)


def _parsed(line: bytes) -> object:
    try:
        return loads(line)
    except ValueError as error:
        raise ValueError(f"it is not JSON ({error})") from None


def _session(found: object) -> Json:
    """Return the session in a line of `export`, in a request, or in a line of `rejected.jsonl`."""
    for name in ("request", "session"):
        if isinstance(found, dict) and name in found:
            found = found[name]
    if not isinstance(found, dict):
        raise ValueError("it is not a JSON object")
    if not {"session_id", "session_name"} & found.keys():
        raise ValueError("it is not a session: it has neither a session_id nor a session_name")
    return found


def push_sessions(options: argparse.Namespace, config: Config) -> int:
    """Send the sessions in the store to the server, in the order in which they were added."""
    if config.server_url is None:
        raise Stop("there is no server to push to; set HH_API_KEY, or HH_API_URL")
    push = _Push(open_store(config), config.server_url)
    try:
        with Client.configured(config) as client:
            push.run(client, again=options.again)
    except KeyboardInterrupt:
        rewrite("")
        words = f"interrupted after {_count(push.sent)}"
        print(f"honeytrace: {words}; run it again to go on from there", file=sys.stderr)
        return 130
    rewrite("")
    words = f", {push.refused} refused" if push.refused else ""
    print_text(f"Pushed {_count(push.sent)} to {config.server_url}{words}.")
    return int(push.refused > 0)


class _Push:
    """Sends the sessions of a store. How far it came is kept in the store, for the next push.

    Attributes:
        sent: number of sessions that the server accepted.
        refused: number of sessions that the server refused for what is in them.
    """

    def __init__(self, store: Store, server: str) -> None:
        self._store = store
        self._server = server
        self.sent = self.refused = 0

    def run(self, client: Client, again: bool) -> None:
        last = 0 if again else self._store.pushed(self._server)
        left = self._store.count_above(last)
        while found := self._store.above(last, _BATCH):
            for last, fields in found:
                rewrite(f"Pushing {left} sessions: {self.sent} delivered")
                self._send(client, fields)
                with suppress(StoreError):  # the next push repeats some, with the same ids
                    self._store.note_pushed(self._server, last)

    def _send(self, client: Client, fields: Json) -> None:
        """Send one session. Raises `Stop` on an error that the next one would meet as well."""
        known = {name: value for name, value in fields.items() if name in SENT}
        known = {"project": "default", "session_name": "unknown", "source": "dev", **known}
        try:
            client.start_session(known)
        except TransportError as error:
            raise Stop(f"{error}; run it again to go on from there") from None
        except SDKError as error:
            words = printable(str(error))
            if error.status_code in _MISCONFIGURED:
                raise Stop(f"{words}; check HH_API_KEY and HH_API_URL, then run it again") from None
            if error.status_code not in _REFUSED:
                raise Stop(f"{words}; run it again to go on from there") from None
            title = printable(f"session {known['session_name']!r} ({known['session_id']})")
            print(f"honeytrace: {title} was left out: {words}", file=sys.stderr)
            self.refused += 1
        else:
            self.sent += 1


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
