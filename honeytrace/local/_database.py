"""Keep a connection to one SQLite file that threads and processes share."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from weakref import WeakMethod

from honeytrace._utils.errors import StoreError
from honeytrace._utils.files import open_file
from honeytrace._utils.json import Json, loads
from honeytrace._utils.origin import let_through

if TYPE_CHECKING:
    import sqlite3

BUSY_SECONDS = 5.0
_WAL_RETRY_SECONDS = 0.01
_COMPANIONS = ("", "-wal", "-shm", "-journal")

_Result = TypeVar("_Result")


class Database:
    """The connection to one SQLite file, for any thread and any number of processes.

    It is opened at the first use. It is opened again after `close`, in a forked child, and when
    the file has been deleted or replaced. Every failure raises `StoreError` and closes it.

    Attributes:
        path: the file.
        read_only: True if the file cannot be written. Known once it is open.
    """

    _connection: sqlite3.Connection | None = None
    _ready = False  # whether the tables of the connection are there

    def __init__(
        self,
        path: Path,
        prepare: Callable[[sqlite3.Connection, bool], None],
        busy: float = BUSY_SECONDS,
    ) -> None:
        """Set up without opening the file.

        prepare: called as `prepare(connection, read_only)` to create missing tables.
        busy: seconds to wait for another thread or process.
        """
        self.path = _absolute(Path(path))
        self.read_only = False
        self._prepare = prepare
        self._busy = busy
        self._lock = threading.RLock()
        self._pid = os.getpid()
        self._file: tuple[int, int] | None = None
        self._copy: str | None = None
        self._watching = False
        self._paused: list[bool] = []  # [True] while the lock is held for a fork

    def __del__(self) -> None:
        self._drop()

    def close(self) -> None:
        with self._lock:
            self._drop()

    def exists(self) -> bool:
        try:
            return _identity(self.path) is not None
        except OSError as error:
            raise self.unusable(error) from error

    # These call a function and are not context managers. An exception from outside can come between
    # `__enter__` and the body of a `with`: the lock would be held as long as somebody keeps that
    # exception, or forever if another thread drops it.

    def read(self, work: Callable[..., _Result], *arguments: object) -> _Result:
        """Return `work(connection, *arguments)`, run by one thread at a time.

        Without a file there are no rows; no file is created.
        """
        return self._use(work, arguments, self._busy)

    def write(
        self, work: Callable[..., _Result], *arguments: object, busy: float | None = None
    ) -> _Result:
        """Do the same in a transaction, which an exception rolls back.

        `busy` is how many seconds to wait for another thread, and again for another process.
        """
        seconds = self._busy if busy is None else busy
        return self._use(partial(_in_transaction, work), arguments, seconds, write=True)

    def _use(
        self,
        work: Callable[..., _Result],
        arguments: tuple[object, ...],
        busy: float,
        write: bool = False,
    ) -> _Result:
        if self._pid != os.getpid():
            self._renew()
        lock, taken = self._lock, list[bool]()
        try:
            # Nothing can come between taking the lock and noting it: all of this runs in C.
            taken.extend(map(lock.acquire, [True], [busy]))
            if taken == [False]:
                raise self.unusable(TimeoutError("another thread uses it"), busy)
            return self._run(work, arguments, busy, write)
        finally:
            if taken == [True]:
                lock.release()

    def _run(
        self, work: Callable[..., _Result], arguments: tuple[object, ...], busy: float, write: bool
    ) -> _Result:
        sqlite = sqlite_module()
        try:
            return work(self._connected(busy, write), *arguments)
        except StoreError:
            self._drop()
            raise
        except (sqlite.Error, OSError) as error:
            self._drop()
            let_through(error, work)
            raise self.unusable(error, busy) from error

    def _connected(self, busy: float, write: bool) -> sqlite3.Connection:
        stale = self._file is None or self.read_only if write else False
        connection = self._connection
        if connection is None or stale or not self._ready or self._file != _identity(self.path):
            self._drop()
            self._watch_forks()
            connection = self._connection = self._connect(busy, write)
            _wait_for_others(connection, busy)
            self._prepare(connection, self._file is None or self.read_only)
            self._ready = True
        if write and self.read_only:
            raise self.unusable(PermissionError("it can be read, but not written"), busy)
        _wait_for_others(connection, busy)
        return connection

    def _connect(self, busy: float, write: bool) -> sqlite3.Connection:
        if not self.path.is_absolute():
            raise StoreError(
                f"the session store {str(self.path)!r} has no directory, since no home directory "
                "is known; set HONEYTRACE_HOME"
            )
        if write:
            _create(self.path)
        _refuse_links(self.path)
        self._file = _identity(self.path)
        self.read_only = False
        if self._file is None:
            return _open("file::memory:")
        self.read_only = not _can_write(self.path)
        if self.read_only:
            return self._open_read_only()
        connection = _open(f"{self.path.as_uri()}?mode=rw")
        try:
            _use_wal(connection, busy)
        except sqlite_module().Error:  # the file is not a store
            connection.close()
            raise
        return connection

    def _open_read_only(self) -> sqlite3.Connection:
        """Open a file that cannot be written; its directory may be read-only as well."""
        connection = _open(f"{self.path.as_uri()}?mode=ro")
        try:
            connection.execute("PRAGMA user_version")
            return connection
        except sqlite_module().OperationalError:  # SQLite needs to write the index of its log
            connection.close()
        wal = Path(f"{self.path}-wal")
        if not (wal.exists() and wal.stat().st_size):
            return _open(f"{self.path.as_uri()}?mode=ro&immutable=1")
        # The latest rows are only in the log, which SQLite cannot read without an index.
        self._copy = tempfile.mkdtemp(prefix="honeytrace-")
        copy = Path(self._copy) / self.path.name
        shutil.copyfile(self.path, copy)
        shutil.copyfile(wal, f"{copy}-wal")
        return _open(f"{copy.as_uri()}?mode=rw")

    def _drop(self) -> None:
        self._ready = False
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        if self._copy is not None:
            shutil.rmtree(self._copy, ignore_errors=True)
            self._copy = None

    def decoded(self, body: str) -> Json:
        """Return a stored object. Raises `StoreError` if it is damaged."""
        try:
            found: Json = loads(body)
        except ValueError as error:
            raise self.unusable(error) from error
        return found

    def unusable(self, error: Exception, busy: float = BUSY_SECONDS) -> StoreError:
        """Return an exception that names the file, the problem, and what to do."""
        advice = "move it away, or set HONEYTRACE_HOME to a directory that can be written"
        if isinstance(error, TimeoutError):
            advice = f"another thread held it for over {busy:g} s; try again"
        elif "locked" in str(error):
            advice = f"another process held it for over {busy:g} s; end that one, or try again"
        return StoreError(
            f"the session store {str(self.path)!r} cannot be used ({error}); {advice}"
        )

    # SQLite remembers in memory which locks the process holds, but a forked child does not inherit
    # locks from the kernel. A child that inherits an open connection believes that it holds locks
    # that it does not have, and loses what it writes. So close the connection before a fork.

    def _watch_forks(self) -> None:
        if self._watching or not hasattr(os, "register_at_fork"):
            return
        self._watching = True
        os.register_at_fork(
            before=partial(_call, WeakMethod(self.pause)),
            after_in_parent=partial(_call, WeakMethod(self.resume)),
            after_in_child=partial(_call, WeakMethod(self._renew)),
        )

    def pause(self) -> None:
        """Wait for the thread that uses it, and let none use it until `resume`, for a fork."""
        self._paused.extend(map(self._lock.acquire, [True]))  # in one step, as in `_use`
        self._drop()

    def resume(self) -> None:
        paused, self._paused = self._paused, []
        for _ in paused:  # none if the hooks were registered while another thread was forking
            self._lock.release()

    def _renew(self) -> None:
        """Start again in a child. A connection is left only after a fork that bypassed Python."""
        # SQLite forgets the locks of a file when its last connection closes. As long as the parent
        # has its connection open, closing this one does not write to the file.
        self._drop()
        self._lock = threading.RLock()
        self._paused = []
        self._pid = os.getpid()


def _in_transaction(
    work: Callable[..., _Result], connection: sqlite3.Connection, *arguments: object
) -> _Result:
    with connection:
        # Lock before reading, so that nobody changes a row between our read and our write.
        connection.execute("BEGIN IMMEDIATE")
        return work(connection, *arguments)


def _call(method: WeakMethod[Callable[[], None]]) -> None:
    bound = method()
    if bound is not None:
        bound()


def sqlite_module() -> Any:
    """Import SQLite when it is first needed. Raises `StoreError` if this Python lacks it."""
    try:
        import sqlite3
    except ImportError as error:
        raise StoreError(
            f"the session store needs SQLite, which this Python was built without ({error}); set "
            "HH_API_KEY to send sessions to HoneyHive, or use a Python that has it"
        ) from error
    return sqlite3


def _open(uri: str) -> sqlite3.Connection:
    connection: sqlite3.Connection = sqlite_module().connect(
        uri, timeout=0, isolation_level=None, check_same_thread=False, uri=True
    )
    return connection


def _wait_for_others(connection: sqlite3.Connection, busy: float) -> None:
    connection.execute(f"PRAGMA busy_timeout = {round(busy * 1000)}")


def _absolute(path: Path) -> Path:
    try:
        return path.expanduser().absolute()
    except RuntimeError:  # there is no home directory; `_connect` raises for it
        return path


def _create(path: Path) -> None:
    """Create the file and its directories, readable by this user only, unless they exist."""
    missing = [parent for parent in path.parents if not parent.exists()]
    for parent in reversed(missing):
        parent.mkdir(mode=0o700, exist_ok=True)
    # Do not open an existing file here: closing it would release the locks that other connections
    # of this process hold on it.
    with suppress(FileExistsError):
        os.close(open_file(path, os.O_CREAT | os.O_EXCL | os.O_RDWR))


def _refuse_links(path: Path) -> None:
    """Refuse a link or a pipe in place of one of our files.

    Writing through a link would change other files, and opening a pipe could block forever.
    """
    for companion in _COMPANIONS:
        each = f"{path}{companion}"
        with suppress(FileNotFoundError):
            if not stat.S_ISREG(os.lstat(each).st_mode):
                raise OSError(f"{each!r} is not a regular file")


def _can_write(path: Path) -> bool:
    """Return True if SQLite can write the file and the two files that it keeps beside it."""
    beside = [Path(f"{path}-wal"), Path(f"{path}-shm")]
    made = _is_writable(path.parent) or all(each.exists() for each in beside)
    return made and all(_is_writable(each) for each in (path, *beside) if each.exists())


def _is_writable(path: Path) -> bool:
    return os.access(path, os.W_OK, effective_ids=os.access in os.supports_effective_ids)


def _identity(path: Path) -> tuple[int, int] | None:
    """Return the device and inode of the file at a path; None if there is no file."""
    try:
        found = os.stat(path)
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


def _use_wal(connection: sqlite3.Connection, busy: float) -> None:
    """Switch to WAL, and retry: if several processes do so at once, SQLite fails all but one."""
    left = busy
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            break
        except sqlite_module().OperationalError as error:
            if "locked" not in str(error) or left <= 0:
                raise
        time.sleep(_WAL_RETRY_SECONDS)
        left -= _WAL_RETRY_SECONDS
    connection.execute("PRAGMA synchronous = NORMAL")
