"""The sessions of this machine: one SQLite file that several processes share."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple
from weakref import WeakMethod

from honeytrace._session import wire
from honeytrace._utils.errors import StoreError
from honeytrace._utils.json import Json, dumps, loads

_VERSION = 1
_BUSY = 5.0  # seconds
_PAUSE = 0.01

_TABLE = """
CREATE TABLE IF NOT EXISTS sessions (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    start REAL NOT NULL,
    child INTEGER NOT NULL,
    body TEXT NOT NULL
)
"""
_INDEX = "CREATE INDEX IF NOT EXISTS newest ON sessions (start, child)"

_INSERT = (
    "INSERT INTO sessions (id, start, child, body) VALUES (?, ?, ?, ?) ON CONFLICT (id) DO NOTHING"
)
_UPDATE = "UPDATE sessions SET start = ?, child = ?, body = ? WHERE id = ?"
_GET = "SELECT body FROM sessions WHERE id = ?"
_FIND = "SELECT id FROM sessions WHERE id >= ? AND id < ? ORDER BY id LIMIT ?"
_RECENT = "SELECT body FROM sessions WHERE child <= ? ORDER BY start DESC, number DESC LIMIT ?"


class Row(NamedTuple):
    """One session as the table holds it.

    Attributes:
        id: the session's id, in lower case.
        start: when it started, in milliseconds since 1970.
        child: whether it started inside another session.
        body: the session object as JSON.
    """

    id: str
    start: float
    child: bool
    body: str


_WRAPPER = b'{"session":'


def row(body: bytes, fields: Json | None = None) -> Row:
    """Make the row for the body of a `startSession` request that `wire.encode` wrote.

    The row keeps the JSON of that body; nothing is encoded again. With `fields`, the session
    object of the same request, it is not parsed either. Raises `ValueError` if it is not a
    request of ours.
    """
    if not (body.startswith(_WRAPPER) and body.endswith(b"}")):
        raise ValueError("the body is not one that honeytrace encoded")
    session = body[len(_WRAPPER) : -1].decode()
    return _row(wire.received(body) if fields is None else fields, session)


def _row(fields: Json, body: str) -> Row:
    return Row(fields["session_id"], _start(fields), _is_child(fields), body)


class Store:
    """Session objects as a request carries them, by their id, in lower case.

    The file is opened at the first use, and again after `close`, in a forked child and when it
    was deleted. Any thread and any number of processes may use it at once; `busy` is how many
    seconds one waits for another. What cannot be opened, read or written raises `StoreError`.
    """

    _connection: sqlite3.Connection | None = None

    def __init__(self, path: Path, *, busy: float = _BUSY) -> None:
        self.path = _absolute(Path(path))
        self._busy = busy
        self._lock = threading.RLock()
        self._pid = os.getpid()
        self._file = (0, 0)
        self._watching = self._paused = False

    def __del__(self) -> None:
        self._drop()

    def close(self) -> None:
        with self._lock:
            self._drop()

    def is_there(self) -> bool:
        """Whether there is a file: to look for sessions does not make one."""
        try:
            self.path.stat()
        except FileNotFoundError:
            return False
        except OSError:  # to open it says it better
            return True
        return True

    def add(self, fields: Json) -> Json:
        """Keeps a session and returns what is stored now.

        A second one of the same `session_id` is merged into the first, key by key: later wins,
        absent keys stay. Raises `ValueError` if it cannot be JSON.
        """
        added = _row(fields, dumps(fields).decode())
        with self._open() as connection:
            if connection.execute(_INSERT, added).rowcount:
                return fields
            with connection:
                # The lock comes first: what is read here is what the update replaces.
                connection.execute("BEGIN IMMEDIATE")
                return self._merge(connection, fields)

    def put_many(self, rows: Iterable[Row], *, busy: float | None = None) -> None:
        """Store many sessions in one transaction: all of them, or none if it raises.

        A session whose id is stored already is merged as `add` does it. `busy` replaces the
        seconds that the store waits for another process, for this call. Raises `StoreError`.
        """
        with self._open(busy) as connection, connection:
            connection.execute("BEGIN IMMEDIATE")
            for each in rows:
                if not connection.execute(_INSERT, each).rowcount:
                    self._merge(connection, loads(each.body))

    def get(self, session_id: str) -> Json | None:
        with self._open() as connection:
            row = connection.execute(_GET, (session_id.lower(),)).fetchone()
            return row and self._read(row)

    def find(self, prefix: str, limit: int = 10) -> list[str]:
        """The first ids that begin with `prefix`, in either case; at most `limit` of them."""
        prefix = prefix.lower()
        if prefix.strip("0123456789abcdef-"):
            return []
        with self._open() as connection:
            # "g" comes after everything that an id is made of.
            return [row[0] for row in connection.execute(_FIND, (prefix, f"{prefix}g", limit))]

    def whole(self, prefix: str) -> str:
        """The one id that begins with `prefix`. Raises `LookupError` with a sentence."""
        found = self.find(prefix) if prefix and self.is_there() else []
        if not found:
            raise LookupError(
                f"there is no session {prefix!r} in {self.path}; `honeytrace ls` lists them"
            )
        if len(found) > 1:
            raise LookupError(
                f"{prefix!r} begins several ids ({', '.join(found)}); give more of it"
            )
        return found[0]

    def recent(self, limit: int = 20, *, children: bool = False) -> list[Json]:
        """The sessions that started last, newest first; without `children`, the roots alone."""
        with self._open() as connection:
            return [self._read(row) for row in connection.execute(_RECENT, (children, limit))]

    def count(self) -> int:
        with self._open() as connection:
            found: int = connection.execute("SELECT count(*) FROM sessions").fetchone()[0]
            return found

    def _merge(self, connection: sqlite3.Connection, fields: Json) -> Json:
        """Merge a session into the stored one of its id, inside a transaction."""
        found = connection.execute(_GET, (fields["session_id"],)).fetchone()
        merged: Json = {**self._read(found), **fields}
        changed = _row(merged, dumps(merged).decode())
        connection.execute(_UPDATE, (*changed[1:], changed.id))
        return merged

    def _read(self, row: tuple[str]) -> Json:
        try:
            found: Json = loads(row[0])
        except ValueError as error:
            raise self._unusable(error, self._busy) from error
        return found

    @contextmanager
    def _open(self, busy: float | None = None) -> Iterator[sqlite3.Connection]:
        """Give this thread the connection; a failure closes it and raises `StoreError`.

        `busy` is how many seconds to wait for another thread, and then for another process.
        """
        if self._pid != os.getpid():
            self._renew()
        seconds = self._busy if busy is None else busy
        lock = self._lock
        if not lock.acquire(timeout=seconds):
            raise self._unusable(TimeoutError("another thread uses it"), seconds)
        try:
            if self._connection is None or self._is_gone():
                self._connect(seconds)
            assert self._connection is not None  # noqa: S101 - for the type checker
            self._connection.execute(f"PRAGMA busy_timeout = {round(seconds * 1000)}")
            yield self._connection
        except StoreError:
            self._drop()
            raise
        except (sqlite3.Error, OSError) as error:
            self._drop()
            raise self._unusable(error, seconds) from error
        finally:
            lock.release()

    def _connect(self, busy: float) -> None:
        if not self.path.is_absolute():
            raise StoreError(f"{str(self.path)!r} has no home directory; set HONEYTRACE_HOME")
        self._drop()
        self._watch_forks()
        _create(self.path)
        self._connection = sqlite3.connect(
            self.path, timeout=0, isolation_level=None, check_same_thread=False
        )
        self._file = _identity(self.path)
        _use_wal(self._connection, busy)
        self._prepare(self._connection)

    def _prepare(self, connection: sqlite3.Connection) -> None:
        """Makes the table unless it is there."""
        found = _version(connection)
        if found > _VERSION:
            raise StoreError(
                f"the session store {str(self.path)!r} is of version {found}, and this honeytrace "
                f"knows {_VERSION}; upgrade honeytrace, move the file away, or set HONEYTRACE_HOME "
                "to another directory"
            )
        if found < _VERSION:
            with connection:
                connection.execute("BEGIN IMMEDIATE")
                connection.execute(_TABLE)
                connection.execute(_INDEX)
                connection.execute(f"PRAGMA user_version = {_VERSION}")

    def _is_gone(self) -> bool:
        """Whether the path leads to another file than the open one, or to none."""
        try:
            return _identity(self.path) != self._file
        except FileNotFoundError:
            return True

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _unusable(self, error: Exception, busy: float) -> StoreError:
        advice = "move it away, or set HONEYTRACE_HOME to a directory that can be written"
        if isinstance(error, TimeoutError):
            advice = f"another thread held it for over {busy:g} s; try again"
        elif "locked" in str(error):
            advice = f"another process held it for over {busy:g} s; end that one, or try again"
        return StoreError(
            f"the session store {str(self.path)!r} cannot be used ({error}); {advice}"
        )

    # SQLite keeps in the process which locks it holds, and the kernel does not hand locks on. A
    # child that inherits an open connection takes its next one for locked, though it is not, and
    # loses what it writes. So nothing is open while the process forks.

    def _watch_forks(self) -> None:
        if self._watching or not hasattr(os, "register_at_fork"):
            return
        self._watching = True
        os.register_at_fork(
            before=partial(_call, WeakMethod(self._pause)),
            after_in_parent=partial(_call, WeakMethod(self._resume)),
            after_in_child=partial(_call, WeakMethod(self._renew)),
        )

    def _pause(self) -> None:
        self._lock.acquire()
        self._paused = True
        self._drop()

    def _resume(self) -> None:
        if self._paused:  # not if this was set up while another thread was forking
            self._paused = False
            self._lock.release()

    def _renew(self) -> None:
        """In the child. Only a fork that Python was not told of leaves a connection to inherit."""
        # SQLite forgets the locks of a file with the last connection to it. The parent keeps its
        # own, and as long as it does, this close does not write.
        self._drop()
        self._lock = threading.RLock()
        self._pid = os.getpid()


def _call(method: WeakMethod[Callable[[], None]]) -> None:
    bound = method()
    if bound is not None:
        bound()


def _absolute(path: Path) -> Path:
    try:
        return path.expanduser().absolute()
    except RuntimeError:  # no home directory is known: said when the store is first used
        return path


def _create(path: Path) -> None:
    """Makes the file and the directories above it, for this user alone, unless they exist."""
    missing = [parent for parent in path.parents if not parent.exists()]
    for parent in reversed(missing):
        parent.mkdir(mode=0o700, exist_ok=True)
    try:
        # An existing file must not be opened here: to close it again would take away the locks
        # that other connections of this process hold on it.
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    except FileExistsError:
        return


def _identity(path: Path) -> tuple[int, int]:
    found = os.stat(path)
    return found.st_dev, found.st_ino


def _use_wal(connection: sqlite3.Connection, busy: float) -> None:
    """Several processes may get here first; SQLite refuses all but one, and does not wait."""
    left = busy
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            break
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or left <= 0:
                raise
        time.sleep(_PAUSE)
        left -= _PAUSE
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute(f"PRAGMA busy_timeout = {round(busy * 1000)}")


def _version(connection: sqlite3.Connection) -> int:
    found: int = connection.execute("PRAGMA user_version").fetchone()[0]
    return found


def _start(fields: Json) -> float:
    start: Any = fields.get("start_time")
    return time.time() * 1000 if start is None else float(start)


def _is_child(fields: Json) -> bool:
    return wire.parent(fields) is not None
