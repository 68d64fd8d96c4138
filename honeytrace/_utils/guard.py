"""The one guard for faults of ours, and the warnings: once each, then at most once a minute."""

from __future__ import annotations

import logging
import signal
import sys
import threading
from collections import Counter
from collections.abc import Callable
from typing import TypeVar

from honeytrace._utils import clock

_R = TypeVar("_R")
_EVERY = 60.0

_log = logging.getLogger("honeytrace")


class ReraisedError(BaseException):
    """Carries a fault of the user's functions past whatever else would swallow it."""

    def __init__(self, fault: BaseException) -> None:
        super().__init__(f"{type(fault).__qualname__}: {fault}")
        self.fault = fault


class ErrorGuard:
    """Counts our own faults by place, and keeps the log short."""

    def __init__(self, clock: Callable[[], float] = clock.now) -> None:
        self._clock = clock
        self._finalizing = sys.is_finalizing  # there are no names of this module at the very end
        self.strict: Callable[[], bool] = bool  # whether to raise faults here: for tests
        self.clear()

    def clear(self) -> None:
        """Forgets everything, as a forked child does."""
        self.by_place: Counter[str] = Counter()
        self.last: str | None = None
        self._said: dict[str, tuple[float, int]] = {}
        self._over: set[str] = set()  # of what was said, that of which was said that it is over
        self._lock = threading.RLock()

    def call(self, function: Callable[..., _R], *arguments: object) -> _R | None:
        """Calls `function`. A fault in it is noted and None is returned: the traced call goes on.

        This and `attempt` are the only places where a broad `except` swallows; the wrappers of
        traced functions have one each, which raises again.
        """
        try:
            return function(*arguments)
        except RecursionError:  # counted only: to say more, or to lock, takes frames of its own
            place = function.__name__.strip("_")
            self.by_place[place] = self.by_place.get(place, 0) + 1
            return None
        except Exception as error:
            if self._finalizing():  # pragma: no cover - coverage has ended before
                return None
            if self.strict() or is_from_signal(error):
                raise
            self.note(function.__name__.strip("_"), error)
            return None
        except ReraisedError as strict:  # last, see `_finalizing`
            fault = strict.fault
        raise fault

    def note(self, place: str, error: BaseException) -> None:
        with self._lock:
            self.by_place[place] += 1
        self.last = f"{place}: {type(error).__name__}: {error}"
        self.warn(place, "a fault of its own in %s; the traced call goes on", place, cause=error)

    def user_function_failed(self, label: str, where: str, fault: BaseException) -> None:
        """Notes that a function of the user's raised. Its words are not logged: they may hold what
        is to be redacted."""
        if self.strict():
            raise ReraisedError(fault)
        kind = type(fault).__qualname__
        with self._lock:
            self.by_place[label] += 1
        self.last = f"the {label} function of {where} raised {kind}"
        self.warn(
            label, "the %s function of %s raised %s; the traced call goes on", label, where, kind
        )

    def warn(
        self, about: str, words: str, *arguments: object, cause: BaseException | None = None
    ) -> None:
        """Logs a warning; the same thing again within a minute is only counted."""
        now = self._clock()
        with self._lock:
            then, unsaid = self._said.get(about, (now - _EVERY, 0))
            if now - then < _EVERY:
                self._said[about] = (then, unsaid + 1)
                return
            self._said[about] = (now, 0)
            self._over.discard(about)
        if unsaid:
            words, arguments = f"{words} (and %d times more)", (*arguments, unsaid)
        _say(words, arguments, cause)

    def settled(self, about: str, words: str, *arguments: object) -> None:
        """Says that what was warned about is over; if it comes and goes, not each time."""
        with self._lock:
            known = about in self._said and about not in self._over
            self._over.add(about)
        if known:
            _say(words, arguments)


def _say(words: str, arguments: tuple[object, ...], cause: BaseException | None = None) -> None:
    """Logs a warning, and is content if it cannot: a handler of the user's may raise."""
    try_call(_write, words, arguments, cause)


def _write(words: str, arguments: tuple[object, ...], cause: BaseException | None) -> None:
    # Where logging is not configured, nothing but the message is shown.
    _log.warning(f"honeytrace: {words}", *arguments, exc_info=cause)


def try_call(
    function: Callable[..., _R], *arguments: object
) -> tuple[_R | None, BaseException | None]:
    """What `function` returns, and what it raised: for code of the user's that may raise.

    Also what is no `Exception`: a `__str__` that raises SystemExit must not end the program. It
    comes without its traceback: in a variable that would keep alive, by its frames, all that the
    callers hold.
    """
    try:
        return function(*arguments), None
    except BaseException as error:
        # Not `isinstance`, which asks the class of a foreign error for `__class__`.
        if issubclass(type(error), (KeyboardInterrupt, ReraisedError)) or is_from_signal(error):
            raise
        return None, error.with_traceback(None)


def is_from_signal(error: BaseException) -> bool:
    """Whether a signal handler raised this, on top of whatever the main thread was running.

    It is meant for the program, such as the time limit of a task, and no fault of ours.
    """
    if threading.current_thread() is not threading.main_thread():
        return False
    handlers = [signal.getsignal(number) for number in signal.valid_signals()]
    codes = {getattr(handler, "__code__", None) for handler in handlers} - {None}
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code not in codes:
        trace = trace.tb_next
    return trace is not None
