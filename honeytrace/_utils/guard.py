"""Keep our own errors out of the program, and log warnings without flooding the log."""

from __future__ import annotations

import logging
import sys
import threading
from collections import Counter
from collections.abc import Callable
from typing import TypeVar

from honeytrace._utils import clock
from honeytrace._utils.origin import from_outside

_R = TypeVar("_R")
_REPEAT_SECONDS = 60.0  # after a warning, further ones are only counted for so long

_log = logging.getLogger("honeytrace")


class ReraisedError(BaseException):
    """Carries an exception of a user's function through every `except Exception` of ours."""

    def __init__(self, fault: BaseException) -> None:
        super().__init__(f"{type(fault).__qualname__}: {fault}")
        self.fault = fault


class ErrorGuard:
    """Keeps our own errors out of the program: counts them, and logs each once a minute.

    Attributes:
        by_place: number of errors by the name of the function that failed.
        last: the last error, in one line; None if there was none.
    """

    def __init__(
        self, clock: Callable[[], float] = clock.now, strict: Callable[[], bool] = bool
    ) -> None:
        """While `strict()` is True, errors are raised instead, which is for tests."""
        self._clock = clock
        self._strict = strict
        self._finalizing = sys.is_finalizing  # at exit the names of this module are gone
        self.clear()

    def clear(self) -> None:
        """Forget all counts and warnings: a forked child starts without those of its parent."""
        self.by_place: Counter[str] = Counter()
        self.last: str | None = None
        self._logged: dict[str, tuple[float, int]] = {}  # topic: time logged, and count since
        self._recovered: set[str] = set()  # topics whose recovery has already been logged
        self._lock = threading.RLock()

    def call(self, function: Callable[..., _R], *arguments: object) -> _R | None:
        """Call `function`. If it fails, record the error and return None: the traced call goes on.

        Only this method and `try_call` swallow exceptions with a broad `except`. Neither swallows
        exceptions that signal handlers and other threads raise here. (The wrappers of traced
        functions have a broad `except` as well, but re-raise.)
        """
        try:
            return function(*arguments)
        except RecursionError:  # only count it: a lock or a log line would need more frames
            place = _name(function)
            self.by_place[place] = self.by_place.get(place, 0) + 1
            return None
        except Exception as error:
            if self._finalizing():  # pragma: no cover - coverage has ended before
                return None
            raised = error if self._strict() else from_outside(error, function)
            if raised is error:
                del raised  # a variable of this frame: both would live until the next collection
                raise
            if raised is None:
                self.note(_name(function), error)
                return None
        except ReraisedError as reraised:  # must be last: at exit this name is gone
            raised = reraised.fault
        try:
            raise raised  # outside of the `except`, which would change its `__context__`
        finally:
            del raised

    def note(self, place: str, error: BaseException) -> None:
        """Count and log an error of our own."""
        with self._lock:
            self.by_place[place] += 1
        self.last = f"{place}: {try_call(_describe, error)[0]}"
        self.warn(place, "internal error in %s; the traced call goes on", place, cause=error)

    def user_function_failed(self, label: str, where: str, fault: BaseException) -> None:
        """Count and log that a user's function raised.

        The message of the exception is not logged: it may contain secrets.
        """
        if self._strict():
            raise ReraisedError(fault)
        kind = try_call(getattr, type(fault), "__qualname__")[0]
        with self._lock:
            self.by_place[label] += 1
        self.last = f"the {label} function of {where} raised {kind}"
        self.warn(
            label, "the %s function of %s raised %s; the traced call goes on", label, where, kind
        )

    def warn(
        self, about: str, words: str, *arguments: object, cause: BaseException | None = None
    ) -> None:
        """Log a warning; further ones on the same topic within a minute are only counted."""
        if self._finalizing():  # pragma: no cover - likewise; a killed thread may hold the locks
            return
        now = self._clock()
        with self._lock:
            then, unlogged = self._logged.get(about, (now - _REPEAT_SECONDS, 0))
            if now - then < _REPEAT_SECONDS:
                self._logged[about] = (then, unlogged + 1)
                return
            self._logged[about] = (now, 0)
            self._recovered.discard(about)
        if unlogged:
            words, arguments = f"{words} (and %d times more)", (*arguments, unlogged)
        log_safely(words, *arguments, cause=cause)

    def settled(self, about: str, words: str, *arguments: object) -> None:
        """Log that a problem is over, once for each warning about it."""
        with self._lock:
            known = about in self._logged and about not in self._recovered
            self._recovered.add(about)
        if known:
            log_safely(words, *arguments)


def _name(function: Callable[..., object]) -> str:
    # A partial and a callable object have no name of their own.
    return str(getattr(function, "__name__", type(function).__name__)).strip("_")


def _describe(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"


def log_safely(words: str, *arguments: object, cause: BaseException | None = None) -> None:
    """Log a warning; ignore what the user's log handlers, or a closed stderr, raise."""
    try_call(_log_warning, words, arguments, cause)


def _log_warning(words: str, arguments: tuple[object, ...], cause: BaseException | None) -> None:
    # Without a logging configuration, Python shows only the message, so it names honeytrace.
    _log.warning(f"honeytrace: {words}", *arguments, exc_info=cause)


def try_call(
    function: Callable[..., _R], *arguments: object
) -> tuple[_R | None, BaseException | None]:
    """Call a user's function; return its result, and the exception if it raised one.

    Exceptions that are not an `Exception` are caught as well: a `__str__` that raises SystemExit
    must not end the program. Exceptions of signal handlers and other threads are not swallowed.

    The exception is returned without its traceback, whose frames would keep objects of the callers
    alive.
    """
    try:
        return function(*arguments), None
    except BaseException as error:
        # Not `isinstance`: it would read `__class__` of a foreign exception and run its code.
        if issubclass(type(error), ReraisedError):
            raise
        raised = from_outside(error, function)
        if raised is error:
            del raised  # see `ErrorGuard.call`
            raise
        if raised is None:
            return None, error.with_traceback(None)
    try:
        raise raised  # outside of the `except`: that would change its `__context__`
    finally:
        del raised
