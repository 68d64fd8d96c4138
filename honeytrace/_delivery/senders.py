"""Send one body, connecting at the first use, and start the threads that send."""

from __future__ import annotations

import _signal  # type: ignore[import-not-found] # see `_utils.origin`
import _thread
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import tee
from types import BuiltinFunctionType
from typing import Any, NamedTuple, Protocol, cast

from honeytrace._delivery.processes import will_fork_unseen
from honeytrace._delivery.retry import Answer, Verdict
from honeytrace._session.context import as_own_work
from honeytrace._utils.guard import ErrorGuard
from honeytrace._utils.locks import is_lost
from honeytrace._utils.origin import ignoring, let_through

HOLD_SECONDS = 5.0  # how long a fork waits for a thread that is connecting
MIN_STACK_BYTES = 512 * 1024  # enough stack for TLS, SQLite and redaction
STACK_BYTES = 2**20  # stack of our threads if the program chose less than the minimum

THREADS = "honeytrace-"
"""The prefix of the names of delivery threads."""

# These come from faults of the thread itself. SIGBUS does not exist on Windows.
_FAULTS = ("SIGABRT", "SIGBUS", "SIGFPE", "SIGILL", "SIGSEGV")
_BLOCKED = _signal.valid_signals() - {getattr(_signal, name, None) for name in _FAULTS}
_set_mask = getattr(_signal, "pthread_sigmask", None)  # Windows has none

_FAULT = Answer(Verdict.RETRY, "a fault of honeytrace", answered=False)


class Sending(NamedTuple):
    """A session that is being sent.

    Attributes:
        answer: waits for the answer.
        is_answered: waits up to so many seconds; returns False if `answer` would wait even longer.
    """

    answer: Callable[[], Answer]
    is_answered: Callable[[float], bool] = lambda _: True


class Sender(Protocol):
    """Delivers encoded sessions. Called from several threads at once; does not raise.

    `begin` does not wait for the answer, so that one thread can send several sessions at once.
    """

    def send(self, body: bytes) -> Answer: ...

    def begin(self, body: bytes) -> Sending: ...

    def close(self) -> None: ...


class BatchSender(Sender, Protocol):
    """Delivers many encoded sessions at once, all of them or none.

    Between `hold` and `let_go` it does not, since the program forks.
    """

    def send_many(self, bodies: Sequence[bytes]) -> Answer: ...

    def hold(self) -> None: ...

    def let_go(self) -> None: ...


class LimitedSender(Sender, Protocol):
    """Can be told to give up requests, for a thread that must not wait long."""

    def limit(self, until: float) -> bool: ...


class LazySender:
    """Sends bodies. Calls `connect` at the first use, and `shrink` if a body is too large.

    Several threads may call it at once, except for `change` and `part`.
    """

    def __init__(
        self,
        connect: Callable[[], Sender],
        guard: ErrorGuard,
        shrink: Callable[[bytes], bytes] | None = None,
    ) -> None:
        self._connect = connect
        self._guard = guard
        self._shrink = shrink
        self._sender: Sender | None = None
        self._connecting = threading.RLock()  # under gevent, the imports that it causes may fork
        self._held = False
        self._store: BatchSender | None = None  # while it is held

    def send(self, body: bytes) -> Answer:
        """Send a body and wait for the answer."""
        answer = self._guard.call(self._exchange, body) or _FAULT
        return self._send_smaller(body, answer) if answer.verdict is Verdict.TOO_LARGE else answer

    def begin(self, body: bytes) -> Sending:
        """Send a body. One thread can send several before it asks for the first answer."""
        sending = self._guard.call(self._begin, body)
        if sending is None:
            return Sending(lambda: _FAULT)
        return Sending(partial(self._finish, body, sending.answer), sending.is_answered)

    def _finish(self, body: bytes, wait: Callable[[], Answer]) -> Answer:
        answer = self._guard.call(self._read_answer, wait) or _FAULT
        return self._send_smaller(body, answer) if answer.verdict is Verdict.TOO_LARGE else answer

    def _read_answer(self, wait: Callable[[], Answer]) -> Answer:
        return wait()

    def _exchange(self, body: bytes) -> Answer:
        try:
            sender = self._sender or self.connected()
        except OSError as error:  # for example, no descriptor is left to load httpcore
            let_through(error)
            return Answer(Verdict.RETRY, f"{type(error).__name__}: {error}", answered=False)
        return sender.send(body)

    def _begin(self, body: bytes) -> Sending:
        sender = self._sender
        if sender is None:
            with ignoring(OSError):  # `_exchange` meets it again, and says so
                sender = self.connected()
        return sender.begin(body) if sender else Sending(partial(self._exchange, body))

    def connected(self) -> Sender:
        """Return the sender; connect at the first use."""
        with self._connecting:
            self._sender = self._sender or self._connect()
            return self._sender

    def send_many(self, bodies: Sequence[bytes]) -> Answer:
        """Send all bodies or none, for senders that support this."""
        return self._guard.call(self._exchange_many, bodies) or _FAULT

    def _exchange_many(self, bodies: Sequence[bytes]) -> Answer:
        return cast("BatchSender", self.connected()).send_many(bodies)

    def limit(self, until: float) -> bool:
        """Give up all requests at this moment; return False if the sender cannot promise that."""
        return bool(self._guard.call(self._limit, until))

    def _limit(self, until: float) -> bool:
        return cast("LimitedSender", self.connected()).limit(until)

    def _send_smaller(self, body: bytes, answer: Answer) -> Answer:
        """Cut a session more and more until it fits or nothing is left to cut."""
        while answer.verdict is Verdict.TOO_LARGE:
            smaller = self._guard.call(self._shrink, body) if self._shrink else None
            if not smaller or len(smaller) >= len(body):
                return replace(answer, verdict=Verdict.REJECTED)
            body = smaller
            answer = self._guard.call(self._exchange, body) or _FAULT
        return answer

    def change(self, connect: Callable[[], Sender]) -> Sender | None:
        """Use another `connect` from now on; return the old sender for the caller to close."""
        self._connect = connect
        return self.part()

    def part(self) -> Sender | None:
        """Connect again before the next body; return the old sender for the caller to close."""
        sender, self._sender = self._sender, None
        return sender

    @property
    def lost(self) -> bool:
        """Return whether the interpreter has killed a thread that was connecting."""
        return is_lost(self._connecting)

    def hold(self, *, store: bool = False) -> None:
        """Wait until no thread is connecting, and let none connect until `let_go`.

        This is for forks: a child could not finish an import that another thread of the parent had
        begun. The wait is limited, since that thread may wait for an import of the forking thread.
        With `store`, the sender is a `BatchSender`, and no thread may be in the middle of it.
        """
        self._held = self._connecting.acquire(timeout=HOLD_SECONDS)
        self._store = cast("BatchSender | None", self._sender) if store else None
        if self._store:
            self._store.hold()

    def let_go(self) -> None:
        if self._store:
            self._store.let_go()
        if self._held:
            self._connecting.release()


class _Unawaited(threading.Event):
    """In place of a thread's own event, it lets `start` return before the thread runs."""

    def wait(self, timeout: float | None = None) -> bool:  # noqa: ARG002
        return True

    def really_wait(self, timeout: float | None) -> bool:
        # Not `threading.Event.wait`: gevent may have put another class there, in C, which crashes.
        return super().wait(timeout)


class DeliveryThread(threading.Thread):
    """A daemon thread whose `start` does not wait for it.

    The thread may begin with a collection, and so with a `__del__` that wants a lock of the thread
    that started it.

    The program's `threading.settrace` and `threading.setprofile` do not apply to it. Such a
    function could end the thread by raising, or trace what it does and so never be done.
    """

    def __init__(self, target: Callable[[], None], name: str) -> None:
        super().__init__(name=THREADS + name, daemon=True)
        self._started: _Unawaited = _Unawaited()
        # All of this is C code, so no such function can run before it is removed.
        steps = (*_untracing(), partial(as_own_work, target))
        run: Any = partial(deque, map(partial.__call__, steps), 0)
        self.run = run  # type: ignore[method-assign]

    def join(self, timeout: float | None = None) -> None:
        if self._started.really_wait(timeout):
            super().join(timeout)


def _untracing() -> Iterator[partial[None]]:
    """Yield calls that remove the functions which `threading` sets in a new thread.

    Coverage measures our threads in our own tests, and does no harm. If a thread is a greenlet, the
    functions are those of the thread that it runs in, and so of the program.
    """
    if not isinstance(_thread.start_new_thread, BuiltinFunctionType):
        return
    trace = threading.gettrace()
    if trace is not None and not str(getattr(trace, "__module__", "")).startswith("coverage."):
        yield partial(sys.settrace, None)
    if threading.getprofile() is not None:
        yield partial(sys.setprofile, None)


def start_thread(thread: threading.Thread) -> bool:
    """Start a thread that takes no signals; return False if the system or uWSGI does not let us."""
    if will_fork_unseen():
        return False
    with ignoring(RuntimeError):
        _without_signals(thread)
        return True
    return False


def _without_signals(thread: threading.Thread) -> None:
    """Start a thread with all signals blocked, so the system gives them to the program's threads.

    A program that waits for signals, as with `signal.sigwait`, blocks them in its own threads. If
    another thread did not block them, it would get them, and most of them end the process then.
    """
    if _set_mask is None:  # pragma: no cover - Windows
        _with_stack(thread)
        return
    mask = _set_mask(_signal.SIG_BLOCK, ())
    try:
        _set_mask(_signal.SIG_BLOCK, _BLOCKED)
        _with_stack(thread)
    finally:
        _set_mask(_signal.SIG_SETMASK, mask)


def _with_stack(thread: threading.Thread) -> None:
    """Start a thread with a stack that is large enough for its work."""
    chosen = _stack_size()
    if not 0 < chosen < MIN_STACK_BYTES:
        thread.start()
        return
    try:
        threading.stack_size(STACK_BYTES)
        thread.start()
    finally:
        threading.stack_size(chosen)


def _stack_size() -> int:
    """Return the stack size that the program chose, which can only be read by changing it.

    One call changes and restores it, so that no thread can start in between. Eventlet's function
    returns None, because greenlets have no stacks of their own.
    """
    asked, told = tee(map(threading.stack_size, (0,)))
    list(map(threading.stack_size, asked))
    return next(told) or 0
