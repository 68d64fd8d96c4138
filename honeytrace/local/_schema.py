"""The tables of the store (schema 2): bodies, a summary of each, and an index of their words.

Bodies are large and are read one at a time; lists and conditions need only the summaries.

A store of schema 1 has no summaries. These, and the index of words, are added later in small
transactions, so that neither writers nor readers have to wait.
"""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from honeytrace._utils.errors import StoreError
from honeytrace._utils.json import loads
from honeytrace.local import _trees
from honeytrace.local._summary import IN_SPENT, Summary, summarize, words

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable

VERSION = 2

_BODIES = """
CREATE {temporary} TABLE IF NOT EXISTS sessions (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    start REAL NOT NULL,
    child INTEGER NOT NULL,
    body TEXT NOT NULL
)
"""
_SUMMARIES = f"""
CREATE {{temporary}} TABLE IF NOT EXISTS summaries (
    number INTEGER PRIMARY KEY, {", ".join(Summary._fields)}
)
"""
_INDEXES = {
    "summaries_start": "(start)",
    "summaries_roots": "(start) WHERE parent IS NULL",
    "summaries_errors": "(start) WHERE status <> 'ok'",
    "summaries_root": "(root, start)",
    # A root is found by the index of roots; this one would lead to all of them at once.
    "summaries_children": "(parent) WHERE parent IS NOT NULL",
    "summaries_spent": (f"(root, model, tokens_in, tokens_out, cost) WHERE {IN_SPENT.format('')}"),
    "summaries_name": "(name, start)",
    "summaries_marked": "(start) WHERE marked IS NOT NULL",
}
_STATE = """
CREATE {temporary} TABLE IF NOT EXISTS state (name TEXT PRIMARY KEY, value INTEGER NOT NULL)
"""
_UPDATES = """
CREATE TABLE IF NOT EXISTS updates
(number INTEGER PRIMARY KEY, id TEXT NOT NULL, body BLOB, came REAL)
"""
_HAS_UPDATES = "SELECT 1 FROM sqlite_master WHERE name = 'updates'"
_WORDS = "CREATE VIRTUAL TABLE words USING fts5 (text, content = '')"

_ADD = """
INSERT INTO sessions (id, start, child, body) VALUES (?, ?, ?, CAST(? AS TEXT))
ON CONFLICT (id) DO NOTHING
"""
_CHANGE = "UPDATE sessions SET start = ?, child = ?, body = CAST(? AS TEXT) WHERE number = ?"
_COLUMNS = ", ".join(("number", *Summary._fields))
_VALUES = ", ".join("?" * (1 + len(Summary._fields)))
_SUMMARIZE = f"INSERT OR REPLACE INTO summaries ({_COLUMNS}) VALUES ({_VALUES})"  # noqa: S608 - names
_NEXT_UNFILLED = "SELECT number, body FROM sessions WHERE number <= ? ORDER BY number DESC LIMIT ?"
_NEXT_UNINDEXED = "SELECT number, body FROM sessions WHERE number > ? ORDER BY number LIMIT ?"


class Row(NamedTuple):
    """One session as the tables hold it.

    Attributes:
        body: the session object as JSON in UTF-8.
        summary: the columns for lists and conditions.
    """

    body: bytes
    summary: Summary


def prepare(connection: sqlite3.Connection, temporary: bool) -> None:
    """Create the tables that are missing: in the file or, if `temporary`, only in memory.

    Raises `StoreError` for a store of a later schema.
    """
    found: int = connection.execute("PRAGMA user_version").fetchone()[0]
    if found > VERSION:
        path = connection.execute("PRAGMA database_list").fetchone()[2]
        raise StoreError(
            f"the session store {path!r} is of version {found}, and this honeytrace knows "
            f"{VERSION}; upgrade honeytrace, move the file away, or set HONEYTRACE_HOME to another "
            "directory"
        )
    connection.create_function("spent", 2, partial(_trees.spent, connection))
    if temporary:
        _prepare_memory(connection)
    elif found < VERSION or _missing_columns(connection) or _missing_indexes(connection):
        with connection:
            connection.execute("BEGIN IMMEDIATE")
            _upgrade(connection, found)


def _prepare_memory(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA temp_store = MEMORY")
    tables = _tables(connection)
    if "sessions" not in tables:
        connection.execute(_BODIES.format(temporary="TEMP"))
    if "state" not in tables:
        connection.execute(_STATE.format(temporary="TEMP"))
    if "summaries" not in tables or state(connection, "unfilled") or _missing_columns(connection):
        connection.execute(_SUMMARIES.format(temporary="TEMP"))
        bodies = connection.execute("SELECT number, body FROM sessions").fetchall()
        _summarize_all(connection, bodies)


def _upgrade(connection: sqlite3.Connection, version: int) -> None:
    connection.execute(_BODIES.format(temporary=""))
    for name in ("newest", "summaries_parent"):
        connection.execute(f"DROP INDEX IF EXISTS {name}")
    connection.execute(_SUMMARIES.format(temporary=""))
    for column in _missing_columns(connection):  # in a store that an earlier schema 2 made
        connection.execute(f"ALTER TABLE summaries ADD COLUMN {column}")
    for name in _missing_indexes(connection):
        connection.execute(f"CREATE INDEX {name} ON summaries {_INDEXES[name]}")
    connection.execute(_STATE.format(temporary=""))
    if version < VERSION:
        set_state(connection, "unfilled", last_number(connection))
    connection.execute(f"PRAGMA user_version = {VERSION}")


def _missing_columns(connection: sqlite3.Connection) -> list[str]:
    known = _column_names(connection, "summaries")
    return [name for name in Summary._fields if name not in known]


def _missing_indexes(connection: sqlite3.Connection) -> list[str]:
    tables = _tables(connection)
    return [name for name in _INDEXES if name not in tables]


def _column_names(connection: sqlite3.Connection, table: str) -> set[str]:
    return {name for _, name, *_ in connection.execute(f"PRAGMA table_info({table})")}


def add(connection: sqlite3.Connection, row: Row) -> bool:
    """Add a session. If its id is stored already, change nothing and return False."""
    summary = row.summary
    added = (summary.id, summary.start, summary.parent is not None, row.body)
    cursor = connection.execute(_ADD, added)
    if not cursor.rowcount:
        return False
    connection.execute(_SUMMARIZE, (cursor.lastrowid, *summary))
    return True


def change(connection: sqlite3.Connection, row: Row) -> None:
    """Replace the stored session that has the same id."""
    summary = row.summary
    number, old = connection.execute(
        "SELECT number, body FROM sessions WHERE id = ?", (summary.id,)
    ).fetchone()
    changed = (summary.start, summary.parent is not None, row.body, number)
    connection.execute(_CHANGE, changed)
    connection.execute(_SUMMARIZE, (number, *summary))
    if _is_indexed(connection, number):
        _forget_words(connection, number, old)
        _add_words(connection, number, row.body)


def updates_wait(connection: sqlite3.Connection) -> bool:
    """Return whether any update waits for a session that is not stored yet."""
    return _has_updates(connection) and (
        connection.execute("SELECT 1 FROM updates LIMIT 1").fetchone() is not None
    )


def _has_updates(connection: sqlite3.Connection) -> bool:
    return connection.execute(_HAS_UPDATES).fetchone() is not None


def count_updates(connection: sqlite3.Connection) -> int:
    """Return how many updates wait for a session that is not stored yet."""
    if not _has_updates(connection):
        return 0
    return int(connection.execute("SELECT count(*) FROM updates").fetchone()[0])


def let_wait(connection: sqlite3.Connection, session_id: str, update: bytes, now: float) -> None:
    """Let an update wait for its session; `now` is in milliseconds since 1970."""
    connection.execute(_UPDATES)
    if "came" not in _column_names(connection, "updates"):  # made by an earlier version
        connection.execute("ALTER TABLE updates ADD COLUMN came REAL")
    connection.execute("CREATE INDEX IF NOT EXISTS updates_id ON updates (id)")
    connection.execute(
        "INSERT INTO updates (id, body, came) VALUES (?, ?, ?)", (session_id, update, now)
    )


def delete_updates(connection: sqlite3.Connection, before: float) -> None:
    """Delete the updates that have waited since before a time in milliseconds since 1970."""
    if _has_updates(connection) and "came" in _column_names(connection, "updates"):
        connection.execute("DELETE FROM updates WHERE came < ?", (before,))


def delete_first_updates(connection: sqlite3.Connection, most: int) -> bool:
    """Delete the updates that have waited longest; return False if none waits."""
    if not updates_wait(connection):
        return False
    first = "SELECT number FROM updates ORDER BY number LIMIT ?"
    connection.execute(f"DELETE FROM updates WHERE number IN ({first})", (most,))  # noqa: S608 - constants
    return True


def take_updates(connection: sqlite3.Connection, session_id: str) -> list[bytes]:
    """Return the updates that wait for a session, in the order in which they came."""
    found = connection.execute(
        "SELECT body FROM updates WHERE id = ? ORDER BY number", (session_id,)
    ).fetchall()
    connection.execute("DELETE FROM updates WHERE id = ?", (session_id,))
    return [body for (body,) in found]


def delete(connection: sqlite3.Connection, numbers: Iterable[int]) -> int:
    """Delete the sessions with these numbers; return how many were deleted."""
    deleted = 0
    for number in numbers:
        (old,) = connection.execute(
            "SELECT body FROM sessions WHERE number = ?", (number,)
        ).fetchone()
        if _is_indexed(connection, number):
            _forget_words(connection, number, old)
        connection.execute("DELETE FROM sessions WHERE number = ?", (number,))
        connection.execute("DELETE FROM summaries WHERE number = ?", (number,))
        deleted += 1
    # SQLite reuses the numbers above the highest one left. Every value of the state is a number.
    connection.execute("UPDATE state SET value = min(value, ?)", (last_number(connection),))
    return deleted


def fill(connection: sqlite3.Connection, most: int) -> int:
    """Summarize up to `most` sessions that have no summary, newest first.

    Only a store that was made with schema 1 has any. Returns how many are left, at most.
    """
    unfilled = state(connection, "unfilled")
    if not unfilled:
        return 0
    found = connection.execute(_NEXT_UNFILLED, (unfilled, most)).fetchall()
    _summarize_all(connection, found)
    left: int = found[-1][0] - 1 if len(found) == most else 0
    set_state(connection, "unfilled", left)
    return left


def _summarize_all(connection: sqlite3.Connection, bodies: Iterable[tuple[int, str]]) -> None:
    for number, body in bodies:
        with suppress(ValueError):  # a damaged body is not listed; reading it raises an error
            connection.execute(_SUMMARIZE, (number, *summarize(loads(body))))


def to_fill(connection: sqlite3.Connection) -> int:
    """Return at most how many sessions have no summary."""
    return state(connection, "unfilled")


def to_index(connection: sqlite3.Connection) -> int:
    """Return at most how many sessions are missing from the index of words."""
    if not has_words(connection):
        return last_number(connection) if _can_index(connection) else 0
    return last_number(connection) - state(connection, "indexed")


def index_words(connection: sqlite3.Connection, most: int) -> int:
    """Index the words of up to `most` sessions that are not indexed yet, oldest first.

    Returns how many are left, at most.
    """
    if not has_words(connection):
        connection.execute(_WORDS)
        set_state(connection, "indexed", 0)
    indexed = state(connection, "indexed")
    found = connection.execute(_NEXT_UNINDEXED, (indexed, most)).fetchall()
    for number, body in found:
        _add_words(connection, number, body)
    indexed = max([indexed, *(number for number, _ in found)])
    set_state(connection, "indexed", indexed)
    left: int = last_number(connection) - indexed
    return left


def has_words(connection: sqlite3.Connection) -> bool:
    """Return True if there is a usable index of words."""
    return "words" in _tables(connection) and _can_index(connection)


def expression(texts: Iterable[str]) -> str:
    """Return the full-text expression that finds all of the texts; each may be a word's start."""
    return " AND ".join(f'"{text}"*' for text in texts)


def _can_index(connection: sqlite3.Connection) -> bool:
    return any("FTS5" in name for (name,) in connection.execute("PRAGMA compile_options"))


def _is_indexed(connection: sqlite3.Connection, number: int) -> bool:
    return number <= state(connection, "indexed")


def _add_words(connection: sqlite3.Connection, number: int, body: str | bytes) -> None:
    connection.execute("INSERT INTO words (rowid, text) VALUES (?, ?)", (number, _words(body)))


def _forget_words(connection: sqlite3.Connection, number: int, body: str) -> None:
    connection.execute(
        "INSERT INTO words (words, rowid, text) VALUES ('delete', ?, ?)",
        (number, _words(body)),
    )


def _words(body: str | bytes) -> str:
    with suppress(ValueError):
        return words(loads(body))
    return ""


def _tables(connection: sqlite3.Connection) -> set[str]:
    """Return the names of all tables and indexes."""
    return {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}


def last_number(connection: sqlite3.Connection) -> int:
    found: int = connection.execute("SELECT coalesce(max(number), 0) FROM sessions").fetchone()[0]
    return found


def state(connection: sqlite3.Connection, name: str) -> int:
    """Return the number of the session up to which something was done; 0 if to none."""
    row = connection.execute("SELECT value FROM state WHERE name = ?", (name,)).fetchone()
    return int(row[0]) if row else 0


def set_state(connection: sqlite3.Connection, name: str, value: int) -> None:
    connection.execute("INSERT OR REPLACE INTO state VALUES (?, ?)", (name, value))
