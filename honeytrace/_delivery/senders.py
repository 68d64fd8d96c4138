"""The threads that send: one, and more as a backlog builds on a slow server.

    backlog → take │ send │ settle, or put back → ledger

What is here is guarded by the lock of the outbox. Nothing is sent while that is held.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any, Protocol

from honeytrace._delivery.queue import DeliveryQueue, Item
from honeytrace._delivery.retry import Answer, RetryPolicy, Verdict
from honeytrace._utils import clock
from honeytrace._utils.guard import ErrorGuard

_FAULT = Answer(Verdict.RETRY, "a fault of honeytrace", answered=False)


class Sender(Protocol):
    """Delivers one encoded session. Called from several threads at once; does not raise."""

    def send(self, body: bytes) -> Answer: ...

    def close(self) -> None: ...


class LazySender:
    """Sends by what `connect` makes; `shrink` makes a body smaller that the server finds too large.

    Called from several threads at once, but for `change` and `part`.
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

    def send(self, body: bytes) -> Answer:
        answer = self._attempt(body)
        return self._send_smaller(body, answer) if answer.verdict is Verdict.TOO_LARGE else answer

    def _attempt(self, body: bytes) -> Answer:
        return self._guard.call(self._exchange, body) or _FAULT

    def _exchange(self, body: bytes) -> Answer:
        try:
            sender = self._sender or self._connected()
        except OSError as error:  # no descriptor is left to load httpcore with, say
            return Answer(Verdict.RETRY, f"{type(error).__name__}: {error}", answered=False)
        return sender.send(body)

    def _connected(self) -> Sender:
        with self._connecting:
            self._sender = self._sender or self._connect()
            return self._sender

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
        """Sends another way from now on; returns what is to be closed."""
        self._connect = connect
        return self.part()

    def part(self) -> Sender | None:
        """Connects anew for what is sent from now on; returns what is to be closed."""
        sender, self._sender = self._sender, None
        return sender

    def hold(self) -> None:
        """Waits until no thread connects, and lets none do so until `let_go`.

        For a fork: a child could not end an import that it was cut from.
        """
        self._connecting.acquire()

    def let_go(self) -> None:
        self._connecting.release()


_IDLE = 1.0  # seconds without work after which an additional sender ends

THREADS = "honeytrace-"
"""Begins the names of the threads that deliver."""


def run(target: Callable[[int], None], life: int, name: str) -> bool:
    """Starts a thread, which is told the life that it belongs to; False if the system refuses."""
    with suppress(RuntimeError):
        threading.Thread(target=target, args=(life,), name=THREADS + name, daemon=True).start()
        return True
    return False


class Senders:
    """Who calls `start`, `call`, `stop` or `begin_again` holds the lock."""

    def __init__(
        self, queue: DeliveryQueue, sender: LazySender, guard: ErrorGuard, most: int
    ) -> None:
        self.last: str | None = None  # of the server's words, those of the latest refusal
        self._queue = queue
        self._send_queue = queue.send_queue
        self._lock = queue.lock
        self._sender = sender
        self._guard = guard
        self.retry = RetryPolicy(most)
        self._work = threading.Condition(self._lock)
        self._running = False
        self._count = 0
        self._sending = 0
        self._life = 0  # counts the stops; a thread of an earlier life ends

    @property
    def sending(self) -> bool:
        """Whether a request is under way."""
        return self._sending > 0

    def start(self) -> None:
        self._running = True
        self._staff()  # now, since at exit no thread can be started any more

    def call(self) -> None:
        """There is one more to send."""
        self._staff()
        with suppress(RuntimeError):  # before 3.11, if a signal handler did it in the middle
            self._work.notify()

    def stop(self) -> None:
        """What they are sending now is settled when the answer comes."""
        self._life += 1
        self._running, self._count, self._sending = False, 0, 0
        self._work.notify_all()

    def begin_again(self) -> None:
        """The server may be a better one now."""
        self.retry.begin_again()
        self._work.notify_all()

    def _staff(self) -> None:
        """Starts the senders that are missing. Where the system refuses, fewer have to do."""
        while self._running and self._count < self.retry.senders(self._send_queue.waiting):
            if not run(self._send_all, self._life, f"sender-{self._count + 1}"):
                break
            self._count += 1

    def _send_all(self, life: int) -> None:
        while (step := self._next_step(life)) is not None:
            self._guard.call(*step)

    def _next_step(self, life: int) -> tuple[Any, ...] | None:
        """What a sender calls next; None when this thread is not needed any more."""
        with self._lock:
            while self._life == life:
                now = clock.now()
                if now >= self.retry.until and not (self.retry.failing and self._sending):
                    if self._queue.may_read_on:
                        self._queue.begin_reading()
                        return (self._read_on,)
                    if item := self._take(now):
                        self._staff()
                        return self._send, item, life
                due = max(self._send_queue.due or now + _IDLE, self.retry.until)
                heard = self._work.wait(min(max(due - now, 0.001), _IDLE))
                if not heard and self._count > 1 and not self._send_queue.waiting:
                    self._count -= 1
                    break
            return None

    def _take(self, now: float) -> Item | None:
        item = self._send_queue.take(now)
        self._sending += item is not None
        return item

    def _read_on(self) -> None:
        self._queue.read_on()
        with self._lock:
            self._staff()
            self._work.notify_all()

    def send_here(self) -> None:
        """Sends on this thread what is due."""
        while True:
            with self._lock:
                item, life = self._take(clock.now()), self._life
            if item is None:
                break
            self._send(item, life)

    def _send(self, item: Item, life: int) -> None:
        body = self._queue.body(item)
        if body is None:
            self._queue.lose(item)
            with self._lock:
                self._sending -= self._life == life
                self._queue.progress.notify_all()
            return
        began = clock.now()
        answer = self._sender.send(body)
        self._settle(item, answer, clock.now() - began, life)

    def _settle(self, item: Item, answer: Answer, seconds: float, life: int) -> None:
        """Books the outcome of an attempt, after it is said: who flushed finds it in the log."""
        final = answer.verdict in (Verdict.DELIVERED, Verdict.REJECTED)
        queue = self._queue
        with self._lock:
            self._sending -= self._life == life
            recovered = final and self.retry.settled(seconds)
            if answer.verdict is not Verdict.DELIVERED:
                self.last = answer.words
        if recovered:
            self._guard.settled("delivery", "sessions are delivered again")
        self._tell(answer)
        if final:
            queue.settle(item, answer)
        with self._lock:
            if not final:
                self._put_back(item, answer)
            # Not for each session: to wake who flushes a thousand times costs as much as to send.
            if queue.counts.reached or not final:
                queue.progress.notify_all()
            if self._send_queue.roomy:
                queue.room.notify()
            if recovered:
                self._work.notify_all()

    def _put_back(self, item: Item, answer: Answer) -> None:
        now = clock.now()
        item.attempts += 1
        self.retry.note_failure(answer, now)
        self._queue.put_back(item, now + self.retry.retry_in(item.attempts))

    def _tell(self, answer: Answer) -> None:
        if answer.verdict is Verdict.REJECTED:
            self._guard.warn("rejected", "the server refused a session: %s", answer.words)
        elif answer.verdict is Verdict.HOLD:
            words = "sessions wait, the server refuses them (%s); check api_key and server_url"
            self._guard.warn("delivery", words, answer.words)
        elif answer.verdict is Verdict.RETRY:
            self._guard.warn("delivery", "sessions wait to be sent again (%s)", answer.words)
