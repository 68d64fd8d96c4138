"""Store the sessions of this machine in one SQLite file that several processes share."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from honeytrace._utils.json import Json
from honeytrace._utils.text import first_line
from honeytrace.local import _schema, _search
from honeytrace.local._changes import GET, Changes
from honeytrace.local._database import BUSY_SECONDS, Database
from honeytrace.local._query import Query, parse
from honeytrace.local._rows import row_of
from honeytrace.local._schema import Row
from honeytrace.local._search import Position
from honeytrace.local._summary import Summary
from honeytrace.local._upkeep import Upkeep, can_write, do_nothing, used_bytes

if TYPE_CHECKING:
    import sqlite3

_MAX_CHECKED_BYTES = 200_000_000

_FIND = "SELECT id FROM sessions WHERE id >= ? AND id < ? ORDER BY id LIMIT ?"
_CHILDREN = "SELECT id FROM summaries WHERE parent = ? ORDER BY start, number"
_ABOVE = "SELECT number, body FROM sessions WHERE number > ? ORDER BY number LIMIT ?"
_COUNT_ABOVE = "SELECT count(*) FROM sessions WHERE number > ?"

_Result = TypeVar("_Result")


class Found(NamedTuple):
    """A session in a list; `number` orders sessions that started at the same time."""

    number: int
    summary: Summary

    @property
    def position(self) -> Position:
        return self.summary.start, self.number


class Store:
    """Stores session objects, as a request carries them, by their id in lower case.

    Any thread and any number of processes may use it at once. Reading does not create the file,
    and works on a read-only file. Raises `StoreError` if the file cannot be opened, read or
    written.
    """

    def __init__(
        self,
        path: Path,
        *,
        busy: float = BUSY_SECONDS,
        max_bytes: int | None = None,
        max_age: float | None = None,
    ) -> None:
        """Attach to a file, which is opened when it is first used.

        busy: seconds to wait for another process.
        max_bytes: above this size, each write deletes the sessions that were added first.
        max_age: each write deletes sessions that started more than so many seconds ago.
        """
        self._database = Database(path, _schema.prepare, busy)
        self._upkeep = Upkeep(self._database, max_bytes, max_age)
        self._changes = Changes(self._database.decoded, self._upkeep.keep_bounds)

    @property
    def path(self) -> Path:
        return self._database.path

    def close(self) -> None:
        self._database.close()

    def pause(self) -> None:
        """Let no thread use the store until `resume`."""
        self._database.pause()

    def resume(self) -> None:
        self._database.resume()

    def open(self) -> bool:
        """Open the store, or create it; return True if it can be written."""
        if not self._database.exists():
            self._database.write(do_nothing)
            return True
        return can_write(self._database)

    def add(self, fields: Json) -> Json:
        """Store a session and return the stored object.

        If there is one with the same `session_id`, they are merged key by key, and new values win.
        Raises `ValueError` if the session cannot be encoded as JSON.
        """
        return self._database.write(self._changes.add, row_of(fields)) or fields

    def put_many(self, rows: Iterable[Row | Json], *, busy: float | None = None) -> None:
        """Store many sessions in one transaction: all of them, or none if it raises.

        A session whose id is stored already is merged, as in `add`. A dict is an update: a
        `session_id` and fields, which wait if there is no such session yet. `busy` is how many
        seconds this call waits for another process; None for the store's own value. Raises
        `StoreError`.
        """
        self._database.write(self._changes.put_many, rows, busy=busy)

    def update(self, session_id: str, fields: Json) -> bool:
        """Merge fields into a stored session, key by key; return False if there is none."""
        return self._database.write(
            self._changes.update, {"session_id": session_id.lower(), **fields}
        )

    def mark(self, session_id: str, mark: str | None, note: str = "") -> bool:
        """Mark a session as "good" or "bad", with a note; None removes the mark.

        Both are kept in its `feedback`, so they go wherever the session goes. Returns False if
        there is no such session.
        """
        return self._database.write(self._changes.mark, session_id.lower(), mark, note or None)

    def delete(self, session_id: str) -> None:
        """Delete a session, if it is stored."""
        self._database.write(self._changes.delete, session_id.lower())

    def get(self, session_id: str) -> Json | None:
        found = self.read(_rows, GET, session_id.lower())
        return self._database.decoded(found[0][0]) if found else None

    def find(self, prefix: str, limit: int = 10) -> list[str]:
        """Return at most `limit` ids that begin with `prefix`, ignoring case."""
        prefix = prefix.lower()
        if prefix.strip("0123456789abcdef-"):
            return []
        # "g" sorts after every character of an id.
        return [row[0] for row in self.read(_rows, _FIND, prefix, f"{prefix}g", limit)]

    def whole(self, prefix: str) -> str:
        """Return the only id that begins with `prefix`. Raises `LookupError` if not exactly one."""
        found = self.find(prefix) if prefix else []
        if not found:
            raise LookupError(
                f"there is no session {prefix!r} in {self.path}; `honeytrace ls` lists them"
            )
        if len(found) > 1:
            raise LookupError(
                f"{prefix!r} begins several ids ({', '.join(found)}); give more of it"
            )
        return found[0]

    def children(self, session_id: str) -> list[str]:
        """Return the ids of the sessions that name this one as their parent, in start order."""
        return [row[0] for row in self.read(_rows, _CHILDREN, session_id.lower())]

    def recent(self, limit: int = 20, *, children: bool = False) -> list[Json]:
        """Return the sessions that started last, newest first; only roots unless `children`."""
        found = [self.get(each.summary.id) for each in self.search("", limit, children=children)]
        return [fields for fields in found if fields]

    def search(
        self,
        query: str = "",
        limit: int = 20,
        *,
        children: bool = False,
        after: Position | None = None,
        above: int | None = None,
        wait: bool = True,
        reach: int | None = None,
    ) -> list[Found]:
        """Return the sessions that match a query, newest first.

        children: True to include sessions below a root even if the query does not ask for them.
        after: the position of the last session of the previous page.
        above: return only sessions with a higher number; numbers grow as sessions come in.
        wait: False to search only what is prepared already; see `catch_up_soon`.
        reach: look through so many sessions at most; see `end_of_reach`.
        Raises `ValueError` for a query that cannot be understood.
        """
        parsed = parse(query, time.time() * 1000)
        if not (parsed.conditions or parsed.texts):
            reach = None  # the list is full in no time
        if wait:
            for _ in self.catch_up(parsed):
                pass
        if not (children or parsed.steps):
            parsed.add("s.parent IS NULL", steps=False)
        return self._find(parsed, limit, after, reach=reach, above=above)

    def end_of_reach(self, query: str, after: Position | None, reach: int) -> Position | None:
        """Return where a search that looks through so many sessions ends; None if at the end."""
        start = self.read(_search.end_of_reach, parse(query, 0), after, reach)
        return None if start is None else (start, 0)

    def _find(
        self,
        query: Query,
        limit: int,
        after: Position | None,
        newer: bool = False,
        reach: int | None = None,
        above: int | None = None,
    ) -> list[Found]:
        rows = self.read(_search.find, query, Summary._fields, limit, after, newer, reach, above)
        return list(filter(None, map(_found, rows)))

    def select(self, query: str, columns: Sequence[str], limit: int) -> list[Any]:
        """Return number and columns of the newest sessions, with children, that match a query."""
        return self.read(_search.find, parse(query, time.time() * 1000), columns, limit)

    def around(
        self, query: str, step: Position, root: Position, numbers: Sequence[int]
    ) -> tuple[Found | None, Found | None, set[int]]:
        """Look around a session in the list of a query.

        step, root: the positions of the session and of its root; a list has steps or just roots.
        numbers: the sessions of the tree.
        Returns the newer session beside it and the older one, each None at an end of the list, and
        the numbers of the sessions in the tree that match.
        """
        parsed = parse(query, time.time() * 1000)
        condition, position = ("true", step) if parsed.steps else ("s.parent IS NULL", root)
        newer, older, hits = self.read(
            _search.around, parsed, condition, Summary._fields, position, numbers
        )
        return _found(newer), _found(older), hits if query else set()

    def read(self, function: Callable[..., _Result], *arguments: object) -> _Result:
        """Call `function(connection, *arguments)` with a connection to read from."""
        return self._database.read(function, *arguments)

    def last_number(self) -> int:
        """Return the number of the session that was added last; 0 if there is none."""
        return self.read(_schema.last_number)

    def above(self, number: int, limit: int) -> list[tuple[int, Json]]:
        """Return the sessions after this number, in the order in which they were added."""
        found = self.read(_rows, _ABOVE, number, limit)
        return [(each, self._database.decoded(body)) for each, body in found]

    def count_above(self, number: int) -> int:
        return int(self.read(_rows, _COUNT_ABOVE, number)[0][0])

    def pushed(self, server: str) -> int:
        """Return the number of the last session that was pushed to a server; 0 for none."""
        return self.read(_schema.state, f"pushed to {server}")

    def note_pushed(self, server: str, number: int) -> None:
        self._database.write(_schema.set_state, f"pushed to {server}", number)

    def searches_all(self) -> bool:
        """Return True if a text search covers all sessions, not only the newest ones."""
        return self.read(_schema.has_words)

    def catch_up(self, query: Query | None = None) -> Iterator[int]:
        """Add the summaries and index entries that a query needs and the store does not have yet.

        Works in steps and yields after each how many sessions are left, at most. Without a query
        it adds all of them. Does nothing if the store cannot be written.
        """
        return self._upkeep.catch_up(query is None or bool(query.texts))

    def catch_up_soon(self, query: str) -> int:
        """Catch up at once if little is left to do, else in a thread in the background.

        Returns how many sessions are left, at most.
        """
        return self._upkeep.catch_up_soon(bool(parse(query, 0).texts))

    def prune(self, older_than: float) -> Iterator[int]:
        """Delete the sessions that started more than so many seconds ago, and free disk space.

        Works in steps and yields after each how many it deleted.
        """
        return self._upkeep.prune(older_than)

    def size(self) -> int:
        """Return how many bytes of the file are in use."""
        return self.read(used_bytes)

    def damage(self) -> str | None:
        """Return what is damaged in the file, or None.

        A file of over 200 MB is not checked: that would take seconds.
        """
        if self.size() > _MAX_CHECKED_BYTES:
            return None
        found = str(self.read(_rows, "PRAGMA quick_check(1)")[0][0])
        return None if found == "ok" else first_line(found.replace("\n", " "))

    def waiting_updates(self) -> int:
        """Return how many updates wait for a session that is not stored yet."""
        return self.read(_schema.count_updates)

    def count(self) -> int:
        return int(self.read(_rows, "SELECT count(*) FROM sessions")[0][0])


def _found(row: Sequence[Any] | None) -> Found | None:
    return Found(row[0], Summary(*row[1:])) if row else None


def _rows(connection: sqlite3.Connection, query: str, *values: object) -> list[Any]:
    return connection.execute(query, values).fetchall()
