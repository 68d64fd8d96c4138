"""Add, change and delete the sessions of a store, each within a transaction."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from honeytrace._session import wire
from honeytrace._utils.json import Json, dumps, loads
from honeytrace.local import _schema
from honeytrace.local._rows import row_of
from honeytrace.local._schema import Row

if TYPE_CHECKING:
    import sqlite3

_FILLED = 50  # sessions without a summary (from schema 1) that each write summarizes

GET = "SELECT body FROM sessions WHERE id = ?"
_NUMBER = "SELECT number FROM sessions WHERE id = ?"


class Changes:
    """Changes the sessions of one store.

    `decode` reads a stored session, and `keep_bounds` deletes what is too old or too much.
    """

    def __init__(
        self,
        decode: Callable[[str], Json],
        keep_bounds: Callable[[sqlite3.Connection], None],
    ) -> None:
        self._decode = decode
        self._keep_bounds = keep_bounds

    def add(self, connection: sqlite3.Connection, added: Row) -> Json | None:
        """Add one session, and return the result if it was merged into a stored one."""
        stored = self._add(connection, added)
        if _schema.updates_wait(connection):
            self._apply_waiting(connection, added)
        self._keep_bounds(connection)
        return stored

    def put_many(self, connection: sqlite3.Connection, rows: Iterable[Row | Json]) -> None:
        """Add sessions, and apply updates, which are dicts, or let them wait for their sessions."""
        waiting = _schema.updates_wait(connection)
        for each in rows:
            if isinstance(each, dict):
                waiting = not self._change(connection, each) or waiting
                continue
            self._add(connection, each)
            if waiting:
                self._apply_waiting(connection, each)
        self._keep_bounds(connection)
        _schema.fill(connection, _FILLED)

    def _add(self, connection: sqlite3.Connection, row: Row) -> Json | None:
        """Add a session and return None, or merge it into the stored one and return the result."""
        if _schema.add(connection, row):
            return None
        found = connection.execute(GET, (row.summary.id,)).fetchone()
        merged = wire.merge(self._decode(found[0]), loads(row.body))
        _schema.change(connection, row_of(merged))
        return merged

    def _apply_waiting(self, connection: sqlite3.Connection, added: Row) -> None:
        """Apply the updates that waited for this session."""
        for fields in _schema.take_updates(connection, added.summary.id):
            self._change(connection, loads(fields))

    def _change(self, connection: sqlite3.Connection, update: Json) -> bool:
        """Apply an update, or let it wait for its session; return False if it waits."""
        if self.update(connection, update):
            return True
        now = time.time() * 1000
        _schema.let_wait(connection, update["session_id"], dumps(update), now)
        return False

    def update(self, connection: sqlite3.Connection, update: Json) -> bool:
        """Merge an update into its session; return False if there is none."""
        stored = self._stored(connection, update["session_id"])
        if stored is None:
            return False
        _schema.change(connection, row_of(wire.merge(stored, update)))
        return True

    def mark(
        self, connection: sqlite3.Connection, session_id: str, mark: str | None, note: str | None
    ) -> bool:
        """Put a mark and a note into the feedback of a session; return False if there is none."""
        fields = self._stored(connection, session_id)
        if fields is None:
            return False
        feedback = {**fields.get("feedback", {}), "mark": mark, "note": note}
        fields["feedback"] = {k: v for k, v in feedback.items() if v is not None}
        _schema.change(connection, row_of(fields))
        return True

    def _stored(self, connection: sqlite3.Connection, session_id: str) -> Json | None:
        found = connection.execute(GET, (session_id,)).fetchone()
        return self._decode(found[0]) if found else None

    def delete(self, connection: sqlite3.Connection, session_id: str) -> None:
        """Delete a session, if it is stored."""
        numbers = connection.execute(_NUMBER, (session_id,)).fetchall()
        _schema.delete(connection, [number for (number,) in numbers])
