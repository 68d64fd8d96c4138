"""What sends one body, and the threads that do so."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import tee
from typing import Protocol, cast

from honeytrace._delivery.retry import Answer, Verdict
from honeytrace._utils.guard import ErrorGuard

HOLD_SECONDS = 5.0  # seconds that a fork waits for a thread that connects
MIN_STACK_BYTES = 512 * 1024  # bytes of stack that TLS, SQLite and redaction are sure to fit in
STACK_BYTES = 2**20  # bytes of stack for our threads in a program that chose less than that

THREADS = "honeytrace-"
"""Begins the names of the threads that deliver."""

_FAULT = Answer(Verdict.RETRY, "a fault of honeytrace", answered=False)


class Sender(Protocol):
    """Delivers one encoded session. Called from several threads at once; does not raise."""

    def send(self, body: bytes) -> Answer: ...

    def close(self) -> None: ...


class BatchSender(Sender, Protocol):
    """Delivers many encoded sessions at once, all of them or none."""

    def send_many(self, bodies: Sequence[bytes]) -> Answer: ...


class LazySender:
    """Sends by what `connect` makes; `shrink` makes a body smaller that the server finds too large.

    Called from several threads at once, except for `change` and `part`.
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
        self._connecting = threading.RLock()  # what it imports may fork, under gevent
        self._held = False

    def send(self, body: bytes) -> Answer:
        answer = self._attempt(body)
        return self._send_smaller(body, answer) if answer.verdict is Verdict.TOO_LARGE else answer

    def _attempt(self, body: bytes) -> Answer:
        return self._guard.call(self._exchange, body) or _FAULT

    def _exchange(self, body: bytes) -> Answer:
        try:
            sender = self._sender or self.connected()
        except OSError as error:  # no descriptor is left to load httpcore with, say
            return Answer(Verdict.RETRY, f"{type(error).__name__}: {error}", answered=False)
        return sender.send(body)

    def connected(self) -> Sender:
        """Return what sends, made at the first use."""
        with self._connecting:
            self._sender = self._sender or self._connect()
            return self._sender

    def send_many(self, bodies: Sequence[bytes]) -> Answer:
        """Send all of them or none, by a sender that can."""
        return self._guard.call(self._exchange_many, bodies) or _FAULT

    def _exchange_many(self, bodies: Sequence[bytes]) -> Answer:
        return cast("BatchSender", self.connected()).send_many(bodies)

    def _send_smaller(self, body: bytes, answer: Answer) -> Answer:
        """Send less and less of a session, until it fits or nothing is left to cut."""
        while answer.verdict is Verdict.TOO_LARGE:
            smaller = self._guard.call(self._shrink, body) if self._shrink else None
            if not smaller or len(smaller) >= len(body):
                return replace(answer, verdict=Verdict.REJECTED)
            body = smaller
            answer = self._attempt(body)
        return answer

    def change(self, connect: Callable[[], Sender]) -> Sender | None:
        """Send another way from now on; return what is to be closed."""
        self._connect = connect
        return self.part()

    def part(self) -> Sender | None:
        """Connect again for what is sent from now on; return what is to be closed."""
        sender, self._sender = self._sender, None
        return sender

    def hold(self) -> None:
        """Wait until no thread connects, and let none do so until `let_go`.

        For a fork: a child could not end an import that it was cut from. Not for ever, since the
        thread that forks may be in the middle of an import that the other one waits for.
        """
        self._held = self._connecting.acquire(timeout=HOLD_SECONDS)

    def let_go(self) -> None:
        if self._held:
            self._connecting.release()


def start_thread(target: Callable[[int], None], life: int, name: str) -> bool:
    """Start a thread, which is told the life that it belongs to; False if the system refuses.

    Hold no lock meanwhile that a traced call may want: this waits for the new thread to report, and
    in that thread the collector may run, and a `__del__` that traces.
    """
    thread = threading.Thread(target=target, args=(life,), name=THREADS + name, daemon=True)
    chosen = _stack_size()
    with suppress(RuntimeError):
        if not 0 < chosen < MIN_STACK_BYTES:
            thread.start()
            return True
        try:
            threading.stack_size(STACK_BYTES)
            thread.start()
        finally:
            threading.stack_size(chosen)
        return True
    return False


def _stack_size() -> int:
    """Return the stack size that the program chose, which `threading` tells only by changing it.

    It is changed and restored by one call, so that no thread can start in between.
    """
    asked, told = tee(map(threading.stack_size, (0,)))
    list(map(threading.stack_size, asked))
    return next(told)
