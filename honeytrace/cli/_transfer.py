"""The commands `import` and `prune`: add sessions to the store, delete them from it."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from itertools import islice

from honeytrace._config.settings import Config
from honeytrace._session import wire
from honeytrace._utils.json import Json, dumps, loads
from honeytrace._utils.text import printable
from honeytrace.cli._output import Stop, print_text, rewrite
from honeytrace.cli._reading import open_store
from honeytrace.local._format import plural
from honeytrace.local._query import seconds
from honeytrace.local._rows import row
from honeytrace.local._schema import Row

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
    print_text(f"Imported {plural(count, 'session')} into {store.path}.")
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
    print_text(f"Deleted {plural(deleted, 'session')} that started over {options.older_than} ago.")
