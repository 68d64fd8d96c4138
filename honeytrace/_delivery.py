"""From the ended session to the server: queue, worker, senders, retry, flush, shutdown, fork.

    accept() → inbox │ worker: encode → backlog │ senders: send → settled

Left of the first bar is the caller's thread: an append, and a bell if the worker sleeps. What the
threads share is kept under one lock. A sender is anything with `send(body) -> Answer`.
"""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol

from honeytrace import _clock
from honeytrace._backlog import Backlog, Item
from honeytrace._faults import Faults
from honeytrace._pace import Pace, back_off
from honeytrace._session import Record
from honeytrace._wire import Answer, Verdict

_MOST = 64 * 2**20  # bytes in the inbox
_EACH = 1_300  # bytes that a session takes there, besides the values in it
_IDLE = 1.0  # seconds without work after which an additional sender ends
_STALLED = 10.0  # seconds without any progress after which a flush without timeout gives up

_FAULT = Answer(Verdict.RETRY, "a fault of honeytrace", answered=False)


class Sender(Protocol):
    """Delivers one encoded session. Called from several threads at once; does not raise."""

    def send(self, body: bytes) -> Answer: ...

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Stats:
    """What became of the sessions: accepted = delivered + queued + spooled + rejected + dropped.

    That holds at every moment. `spooled` are those that are safe on disk, none in this version.
    `errors` counts faults of honeytrace's own by place; `last_error` is the latest trouble, be it
    a fault or the words of the server.
    """

    accepted: int = 0
    delivered: int = 0
    queued: int = 0
    spooled: int = 0
    rejected: int = 0
    dropped: int = 0
    errors: dict[str, int] = field(default_factory=dict)
    last_error: str | None = None


class Delivery:
    """The way to one server, with its own queue and threads, which start with the first session."""

    def __init__(
        self,
        connect: Callable[[], Sender],
        encode: Callable[[Record], bytes],
        faults: Faults,
        most_senders: int = 32,
    ) -> None:
        self._connect = connect
        self._encode = encode
        self._faults = faults
        self._inbox: deque[Record] = deque()
        self._backlog = Backlog()
        self._pace = Pace(most_senders)
        self._lock = threading.RLock()
        self._bell = threading.Event()
        self._room = threading.Condition(self._lock)
        self._work = threading.Condition(self._lock)
        self._progress = threading.Condition(self._lock)
        self._connecting = threading.Lock()
        self._sender: Sender | None = None
        self._abandoned = False
        self._idle = True  # the worker sleeps or was not started yet
        self._running = False
        self._senders = 0
        self._sending = 0
        self._life = 0  # counts the shutdowns; a thread of an earlier life ends
        self._taken = self._delivered = self._rejected = self._dropped = self._refused = 0
        self._weight = 0.0
        self._marks: list[int] = []  # up to which session those who flush wait
        self._last: str | None = None

    # ---- The caller's thread

    def accept(self, record: Record) -> None:
        """Takes an ended session; costs an append as long as it is small and the worker is up."""
        weight = self._weight + _EACH + record.size
        if weight > _MOST:
            self._refuse()
            return
        # Without a lock, so that two threads at once may count one of them only. It is an estimate
        # and begins again from 0 whenever the inbox is empty.
        self._weight = weight
        self._inbox.append(record)
        if self._idle:
            self._ring()

    def _refuse(self) -> None:
        if self._abandoned:
            return
        with self._lock:
            self._refused += 1
        self._faults.warn("overflow", "sessions come in faster than they go out; some are dropped")

    def _ring(self) -> None:
        """Wakes the worker, or starts it."""
        with self._lock:
            if not self._running:
                self._start(self._encode_all, "honeytrace-worker")
                self._running = True
                self._staff()  # now, since at exit no thread can be started any more
            self._idle = False
            self._bell.set()

    def _start(self, target: Callable[[int], None], name: str) -> None:
        threading.Thread(target=target, args=(self._life,), name=name, daemon=True).start()

    # ---- The worker

    def _encode_all(self, life: int) -> None:
        while (taken := self._next_record(life)) is not None:
            item, record = taken
            body = self._faults.guard(self._encode, record)
            with self._lock:
                if body is not None:
                    self._backlog.append(item, body)
                    self._staff()
                    self._work.notify()
                elif self._backlog.settle(item):
                    self._dropped += 1
                    self._progress.notify_all()

    def _next_record(self, life: int) -> tuple[Item, Record] | None:
        """The next session to encode, once there is one and room in the backlog."""
        while True:
            with self._lock:
                if self._backlog.full:
                    self._room.wait_for(lambda: self._backlog.roomy or self._life != life)
                if self._life != life:
                    return None
                self._idle = True  # before the look: what comes in after it will ring
                if self._inbox:
                    return self._take()
                self._bell.clear()
                self._weight = 0
            self._bell.wait()

    def _take(self) -> tuple[Item, Record]:
        self._idle = False
        record = self._inbox.popleft()
        self._taken += 1
        self._weight -= _EACH + record.size
        return self._backlog.open(self._taken), record

    def _staff(self) -> None:
        """Starts the senders that are missing. Where the system refuses, fewer have to do."""
        with suppress(RuntimeError):
            while self._senders < self._pace.senders(self._backlog.waiting):
                self._start(self._send_all, f"honeytrace-sender-{self._senders + 1}")
                self._senders += 1

    # ---- The senders

    def _send_all(self, life: int) -> None:
        while (item := self._next_item(life)) is not None:
            sender = self._sender or self._faults.guard(self._connected)
            began = _clock.now()
            answer = self._faults.guard(sender.send, item.body) if sender else None
            self._settle(item, answer or _FAULT, _clock.now() - began, life)

    def _connected(self) -> Sender:
        with self._connecting:
            self._sender = self._sender or self._connect()
            return self._sender

    def _next_item(self, life: int) -> Item | None:
        """The next session to send; None when this thread is not needed any more."""
        with self._lock:
            while self._life == life:
                now = _clock.now()
                item = self._backlog.take(now) if self._may_send(now) else None
                if item is not None:
                    self._sending += 1
                    self._staff()
                    return item
                due = max(self._backlog.due or now + _IDLE, self._pace.until)
                heard = self._work.wait(min(max(due - now, 0.001), _IDLE))
                if not heard and self._senders > 1 and not self._backlog.waiting:
                    self._senders -= 1
                    break
            return None

    def _may_send(self, now: float) -> bool:
        return now >= self._pace.until and not (self._pace.failing and self._sending)

    def _settle(self, item: Item, answer: Answer, seconds: float, life: int) -> None:
        """Books the outcome of an attempt, after it is said: who flushed finds it in the log."""
        final = answer.verdict in (Verdict.DELIVERED, Verdict.REJECTED)
        with self._lock:
            self._sending -= self._life == life
            recovered = final and self._pace.settled(seconds)
            if answer.verdict is not Verdict.DELIVERED:
                self._last = answer.words
        if recovered:
            self._faults.settled("delivery", "sessions are delivered again")
        self._tell(answer)
        with self._lock:
            (self._book if final else self._put_back)(item, answer)
            if recovered:
                self._work.notify_all()

    def _book(self, item: Item, answer: Answer) -> None:
        """Counts a session that is done with, unless a shutdown gave it up before."""
        if self._backlog.settle(item):
            self._delivered += answer.verdict is Verdict.DELIVERED
            self._rejected += answer.verdict is Verdict.REJECTED
        if self._backlog.roomy:
            self._room.notify()
        # Not for each session: to wake who flushes a thousand times costs as much as to send.
        if any(map(self._reached, self._marks)):
            self._progress.notify_all()

    def _put_back(self, item: Item, answer: Answer) -> None:
        now = _clock.now()
        item.attempts += 1
        self._pace.put_off(answer, now)
        self._backlog.postpone(item, now + back_off(item.attempts))

    def _tell(self, answer: Answer) -> None:
        if answer.verdict is Verdict.REJECTED:
            self._faults.warn("rejected", "the server refused a session: %s", answer.words)
        elif answer.verdict is Verdict.HOLD:
            words = "sessions wait, the server refuses them (%s); check api_key and server_url"
            self._faults.warn("delivery", words, answer.words)
        elif answer.verdict is Verdict.RETRY:
            self._faults.warn("delivery", "sessions wait to be sent again (%s)", answer.words)

    # ---- Waiting and ending

    def flush(self, timeout: float | None = None) -> bool:
        """Waits until every session accepted so far is settled; returns whether that came about.

        `timeout` is in seconds; without one it waits for as long as there is progress.
        """
        began = _clock.now()
        patience = _STALLED if timeout is None else timeout
        with self._lock:
            mark = self._taken + len(self._inbox)
            settled = self._settled()
            self._marks.append(mark)
            while not self._reached(mark):
                left = began + patience - _clock.now()
                if left <= 0:
                    break
                self._progress.wait(min(left, _IDLE))
                if timeout is None and settled != self._settled():
                    began, settled = _clock.now(), self._settled()
            self._marks.remove(mark)
            return self._reached(mark)

    def _settled(self) -> int:
        return self._delivered + self._rejected + self._dropped

    def _reached(self, mark: int) -> bool:
        oldest = self._backlog.oldest
        return self._taken >= mark and (oldest is None or oldest > mark)

    def shutdown(self, timeout: float | None = None) -> bool:
        """Flushes, gives up what is left and ends the threads. A later session starts new ones."""
        done = self.flush(timeout)
        with self._lock:
            self._life += 1
            self._running, self._senders, self._sending, self._idle = False, 0, 0, True
            self._taken += len(self._inbox)
            left = len(self._inbox) + self._backlog.clear()
            self._inbox.clear()
            self._weight = 0
            self._dropped += left
            sender, self._sender = self._sender, None
            self._bell.set()
            for condition in (self._room, self._work, self._progress):
                condition.notify_all()
        if sender is not None:
            sender.close()
        if left:
            words = "sessions that could not be delivered in time and are lost: %d (%s)"
            self._faults.warn("lost", words, left, self._last or "no answer yet")
        return done

    def before_fork(self) -> None:
        """Waits until no thread connects: a child could not end an import that it was cut from."""
        self._connecting.acquire()

    def after_fork_in_parent(self) -> None:
        self._connecting.release()

    def abandon(self) -> None:
        """In a forked child: what is here is the parent's, its threads are not in this process."""
        self._abandoned = True
        self._weight = math.inf

    def stats(self) -> Stats:
        with self._lock:
            waiting = len(self._inbox)
            return Stats(
                accepted=self._taken + waiting + self._refused,
                delivered=self._delivered,
                queued=waiting + len(self._backlog),
                rejected=self._rejected,
                dropped=self._dropped + self._refused,
                last_error=self._last,
            )
