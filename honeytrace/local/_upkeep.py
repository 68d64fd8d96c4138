"""Keep a store in order: prepare what searches need, and delete what is too old or too much."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING

from honeytrace._session.context import as_own_work
from honeytrace._utils.errors import StoreError
from honeytrace.local import _schema
from honeytrace.local._database import Database

if TYPE_CHECKING:
    import sqlite3
    from pathlib import Path

_BATCH = 500  # sessions that one transaction summarizes, indexes or deletes
_SOON = 1000  # sessions that are summarized or indexed while somebody waits
_CLOCK_IS_SET = 946_684_800_000.0  # 2000 in milliseconds: an earlier time means an unset clock

_TOO_OLD = "SELECT number FROM summaries WHERE start >= ? AND start < ? ORDER BY start LIMIT ?"
_FIRST = "SELECT number FROM sessions ORDER BY number LIMIT ?"

_Count = Callable[["sqlite3.Connection"], int]
_Step = Callable[["sqlite3.Connection", int], int]


class Upkeep:
    """The upkeep of one store, in short transactions, so that nobody has to wait for it.

    Attributes:
        catching_up: the thread that prepares searches in the background; None before the first.
    """

    catching_up: threading.Thread | None = None

    def __init__(
        self, database: Database, max_bytes: int | None = None, max_age: float | None = None
    ) -> None:
        self._database = database
        self._max_bytes = max_bytes
        self._max_age = max_age

    def catch_up(self, texts: bool) -> Iterator[int]:
        """Add what `Store.catch_up` says; the index of words only for `texts`."""
        if not self._database.exists() or not can_write(self._database):
            return
        yield from self._repeat(_schema.to_fill, _schema.fill)
        if texts:
            yield from self._repeat(_schema.to_index, _schema.index_words)

    def catch_up_soon(self, texts: bool) -> int:
        if not self._database.exists() or not can_write(self._database):
            return 0
        left = self._database.read(_schema.to_fill)
        if texts:
            left = max(left, self._database.read(_schema.to_index))
        if left <= _SOON:
            for _ in self.catch_up(texts):
                pass
            return 0
        if self.catching_up is None or not self.catching_up.is_alive():
            self.catching_up = threading.Thread(
                target=as_own_work,
                args=(_catch_up, self._database.path, texts),
                name="honeytrace store",
                daemon=True,
            )
            self.catching_up.start()
        return left

    def _repeat(self, left: _Count, step: _Step) -> Iterator[int]:
        """Repeat a step in short transactions; if nothing is left to do, take no write lock."""
        while self._database.read(left):
            yield self._database.write(step, _BATCH)

    def keep_bounds(self, connection: sqlite3.Connection) -> None:
        """Delete some of the too old sessions, and the first ones while the store is too large.

        Updates that wait for a session which has not come go first: anybody may send them to a
        public feedback form.
        """
        if self._max_age is not None:
            _schema.delete_updates(connection, _ago(self._max_age))
            _delete_old(connection, _CLOCK_IS_SET, _ago(self._max_age))
        while self._max_bytes is not None and used_bytes(connection) > self._max_bytes:
            if _schema.delete_first_updates(connection, _BATCH):
                continue
            first = connection.execute(_FIRST, (_BATCH,)).fetchall()
            # Keep the last session, however large it is.
            if not _schema.delete(connection, [number for (number,) in first[: len(first) // 2]]):
                return

    def prune(self, older_than: float) -> Iterator[int]:
        """Delete as `Store.prune` says."""
        if not self._database.exists():
            return
        limit, deleted = _ago(older_than), 1
        for _ in self._repeat(_schema.to_fill, _schema.fill):
            pass
        self._database.write(_schema.delete_updates, limit)
        while deleted:
            deleted = self._database.write(_delete_old, -sys.float_info.max, limit)
            yield deleted
        self._database.read(_free_space)


def can_write(database: Database) -> bool:
    """Open the file, and return whether it can be written."""
    database.read(do_nothing)
    return not database.read_only


def do_nothing(connection: sqlite3.Connection) -> None:
    """Do nothing: the file only has to be opened."""


def used_bytes(connection: sqlite3.Connection) -> int:
    """Return how many bytes of the file are in use."""
    pages, free, size = (
        connection.execute(f"PRAGMA {name}").fetchone()[0]
        for name in ("page_count", "freelist_count", "page_size")
    )
    return int((pages - free) * size)


def _catch_up(path: Path, texts: bool) -> None:
    """Catch up with a connection of our own, so that nobody waits for it."""
    database = Database(path, _schema.prepare)
    with suppress(StoreError):  # the next search meets the same error, and reports it
        for _ in Upkeep(database).catch_up(texts):
            pass
    database.close()


def _ago(seconds: float) -> float:
    return (time.time() - seconds) * 1000


def _delete_old(connection: sqlite3.Connection, first: float, limit: float) -> int:
    """Delete some of the sessions that started in between, in milliseconds since 1970."""
    old = connection.execute(_TOO_OLD, (first, limit, _BATCH)).fetchall()
    return _schema.delete(connection, [number for (number,) in old])


def _free_space(connection: sqlite3.Connection) -> None:
    connection.execute("VACUUM")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
