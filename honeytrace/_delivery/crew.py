"""The threads of one delivery: one writes sessions to disk, the others send them.

    new → write │ quick server: the writer sends, too │ slow server: senders do, several at once

All threads run the same code; being the writer is a role. While the server answers at once, the
writer also sends, because handing a session to another thread would cost more than the request. A
second thread stands by. If a request hangs, it becomes the writer, so that new sessions still get
to the disk. If the server is slow, each sender has up to eight requests under way, so that a few
threads use many connections. No thread sends, writes or starts another thread while it holds the
lock.

Waking a thread is the largest part of what a session costs the thread that ends it. So for a moment
after its last work, the writer looks for new sessions by itself.

Most sessions are delivered within milliseconds. So the writer first sends what it has encoded. Only
what the server does not take at once is written to disk. It does so only while the second
thread looks at it every few milliseconds.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from honeytrace._delivery.exchange import Attempt, Exchange
from honeytrace._delivery.queue import DeliveryQueue
from honeytrace._delivery.retry import Verdict
from honeytrace._delivery.send_queue import Item
from honeytrace._delivery.senders import LazySender
from honeytrace._delivery.threads import IDLE_SECONDS, Member, Step, Threads
from honeytrace._utils import clock
from honeytrace._utils.guard import ErrorGuard

HANG_SECONDS = 0.02  # a longer request makes another thread the writer
SILENT_SECONDS = 0.1  # how long to wait for an answer before looking for those to other requests
STUCK_SECONDS = 0.5  # without an answer for so long, a sender is replaced
TICK_SECONDS = 1.0  # how often a disk that refused is tried again
AWAKE_SECONDS = 0.05  # how long the writer looks for new sessions after its last work
LOOK_SECONDS = 0.01  # how often it does so
REQUESTS = 8  # under way at once on one thread, if the server is slow
REQUEST_BYTES = 64 * 1024  # total size of their bodies
SEND_SESSIONS = 32  # sent in a row before their outcomes are recorded
SEND_SECONDS = 0.01  # likewise: at most this long


class Crew(Threads):
    """Decides what each thread does next."""

    def __init__(
        self, queue: DeliveryQueue, sender: LazySender, guard: ErrorGuard, most: int
    ) -> None:
        super().__init__(queue, guard)
        self._exchange = Exchange(queue, sender, guard, most)
        self.retry = self._exchange.retry
        self._wrote = self._sent = -math.inf  # when the writer last began to write, or to send

    @property
    def last(self) -> str | None:
        """Return the server's latest refusal."""
        return self._exchange.last

    @property
    def early(self) -> int:
        """Return how many updates came before their session."""
        return self._exchange.early

    def begin_again(self) -> None:
        """Forget the failures of the server, which may work now."""
        self._exchange.begin_again()
        self._wake_all()

    def store(self, bodies: Sequence[bytes]) -> bool:
        """Store sessions permanently; return False if they have to wait."""
        return self._exchange.store(bodies)

    @property
    def sending(self) -> bool:
        """Return whether a request is under way."""
        return self._sending > 0

    def wake_sender(self) -> None:
        """Wake an idle sender if there is one."""
        direct = self._direct
        for member in self._members:
            if member.rests is not None and (member is self._writer) == direct:
                member.rests = None
                member.bell.ring()
                break

    @property
    def _direct(self) -> bool:
        """Return whether the writer sends, too."""
        return self.retry.quick or len(self._members) == 1

    @property
    def _most_sending(self) -> int:
        """Return how many requests may be under way at once; just one at a quick server."""
        return self.retry.requests(self._unanswered, REQUESTS * (len(self._members) - 1))

    @property
    def _unanswered(self) -> int:
        return self._queue.sendable + self._sending

    @property
    def _wanted(self) -> int:
        """Return how many threads there should be."""
        senders = math.ceil(self.retry.requests(self._unanswered) / REQUESTS)
        return 1 + senders + (self._stuck if self.retry.slow else 0)

    @property
    def _stuck(self) -> int:
        """Return how many senders have waited so long for an answer that others have to send."""
        since = clock.now() - STUCK_SECONDS
        return sum(each.sends is not None and each.sends <= since for each in self._members)

    def _step(self, me: Member, now: float) -> Step | None:
        """Return the next step of this thread; None if there is none."""
        writer = self._writer
        hangs = writer is not None and writer.sends is not None and self._hangs(writer.sends, now)
        if writer is None or (hangs and self._writable):
            writer = self._writer = me
        if writer is me:
            return self._writer_step(me, now)
        return None if self._direct else self._send_step(me, now)

    @property
    def _writable(self) -> bool:
        """Return whether there may be sessions to write to disk."""
        return self._queue.unwritten or self._queue.unsafe

    def _hangs(self, since: float, now: float) -> bool:
        return now - since >= HANG_SECONDS

    def _writer_step(self, me: Member, now: float) -> Step | None:
        queue, direct = self._queue, self._direct
        self._rung = me.bell
        if queue.may_secure and (self._sending or not direct):
            return (queue.secure,)
        if me.wrote and direct:  # alternate, however much there is to write
            me.wrote = False
            if step := self._send_step(me, now):
                return step
        self.asleep = not self._is_awake(now)  # before checking: later sessions will ring
        if queue.unwritten:
            self.asleep = False
            if not queue.cramped:
                me.wrote, self._wrote = True, now
                first = direct and self._may_send_first(me)
                return (self._write_and_send, me) if first else (self._write,)
        return self._send_step(me, now) if direct else None

    def _is_awake(self, now: float) -> bool:
        """Return whether the writer looks for new sessions, so that nobody has to wake it."""
        return now - self._wrote < AWAKE_SECONDS

    def _may_send_first(self, me: Member) -> bool:
        """Return whether new sessions can be sent at once: another thread watches this one."""
        watched = any(each.dozes for each in self._members if each is not me)
        return watched and not (self._sending or self._queue.sendable)

    def _send_step(self, me: Member, now: float) -> Step | None:
        queue = self._queue
        if now < self.retry.until or self._sending >= self._most_sending:
            return None
        if queue.may_read_on:
            queue.begin_reading()
            return (self._read_on,)
        items = self._take(now, 1 if me is self._writer else REQUESTS)
        if not items:
            return None
        me.requests = len(items)
        self._sending += me.requests
        me.sends = now
        if me is self._writer:
            self._have_watched(me, now)
        elif queue.sendable and self._sending < self._most_sending:
            self.wake_sender()
        return self._send, me, items

    def _take(self, now: float, most: int) -> list[Item]:
        """Take the sessions that one thread sends next."""
        items, size = list[Item](), 0
        most = min(most, self._most_sending - self._sending)
        while len(items) < most and size < REQUEST_BYTES and (item := self._queue.take(now)):
            items.append(item)
            size += len(item.body)
        return items

    def _have_watched(self, me: Member, now: float) -> None:
        """While this thread sends, let new sessions wake another thread.

        If it sends again and again, let the other thread check on it in between.
        """
        before, self._sent = self._sent, now
        for each in self._members:
            if each is not me and each.rests is not None:
                self._watch(each)
                if not each.dozes and now - before < HANG_SECONDS:
                    each.bell.ring()
                break

    def _watch(self, member: Member) -> None:
        """Let new sessions wake this thread."""
        self._rung, self.asleep = member.bell, True
        if self._queue.unwritten:  # checked last: sessions that come later will ring
            self.asleep = False
            member.bell.ring()

    def _pause(self, me: Member, now: float) -> float | None:
        """Return how many seconds to wait; None to wait until woken."""
        if me.rests is None:
            me.rests = now
        times, queue, writer = [], self._queue, self._writer
        if me is writer:
            if queue.unsafe or queue.new:
                times.append(TICK_SECONDS)
            if self._is_awake(now):
                times.append(LOOK_SECONDS)
        else:
            if writer and writer.sends is not None:
                if self._rung is writer.bell:  # this thread began after that one had begun to send
                    self._watch(me)
                if self._writable:
                    times.append(max(writer.sends + HANG_SECONDS - now, 0.001))
            me.dozes = now - self._sent < HANG_SECONDS
            if me.dozes:
                times.append(HANG_SECONDS)
            if len(self._members) > max(self._wanted, 2):
                times.append(IDLE_SECONDS)
        if (me is writer) == self._direct and (due := self._due) is not None:
            times.append(max(due - now, 0.001))
        return min(times, default=None)

    @property
    def _has_work(self) -> bool:
        """Return whether there are sessions to send, or to read from the disk."""
        return bool(self._queue.sendable or self._queue.may_read_on)

    @property
    def _due(self) -> float | None:
        """Return when something may be sent again; None if that is not a question of time."""
        if self._sending >= self._most_sending:
            return None  # whoever sends goes on
        due = self._queue.due
        if self._has_work:
            due = self.retry.until
        return None if due is None else max(due, self.retry.until)

    def _write(self) -> None:
        self._queue.encode()
        self._queue.write()
        with self._lock:
            self._queue.counts.wake()
            if not self._direct and self._has_work:
                self.wake_sender()

    def _write_and_send(self, me: Member) -> None:
        """Send new sessions at once. Those that are not delivered are written to disk later."""
        self._queue.encode(SEND_SESSIONS)
        self._queue.pass_on()
        with self._lock:
            me.wrote = False
            step = self._send_step(me, clock.now()) if self._life == me.life else None
        if step:
            step[0](*step[1:])

    def _read_on(self) -> None:
        self._queue.read_on()
        with self._lock:
            self._queue.counts.wake()
            self.wake_sender()

    def send_here(self, until: float, *, older: bool = True) -> None:
        """Send the sessions that are due on this thread; `older`: also those of ended processes."""
        me = Member(self._life)
        while (now := clock.now()) < until and (older or self._queue.own):
            with self._lock:
                step = None if self.retry.failing else self._send_step(me, now)
            if step is None:
                break
            step[0](*step[1:])

    def _another(self, me: Member, attempts: Sequence[Attempt], end: float) -> Item | None:
        if not attempts or attempts[-1].answer.verdict is not Verdict.DELIVERED:
            return None
        with self._lock:
            now = clock.now()
            if me is self._writer and self._life == me.life and now < end:
                return self._queue.take(now)
        return None

    def _send(self, me: Member, items: list[Item]) -> None:
        """Send sessions at the same time, or as the writer one after the other, and a few more.

        The outcomes are recorded at once, unless some answers take much longer than others.
        """
        attempts: list[Attempt] = []
        recorded = 0
        try:
            if me is self._writer:
                self._send_in_a_row(me, items, attempts)
                return
            for attempt in self._exchange.send_together(items, SILENT_SECONDS):
                if attempt:
                    attempts.append(attempt)
                else:
                    some, recorded = attempts[recorded:], len(attempts)
                    self._meanwhile(me, some, len(items) - recorded)
        finally:
            tried = [each.item for each in attempts]
            with self._lock:
                for item in items:
                    if item not in tried:
                        self._queue.put_back(item, 0.0)
            self._settle(me, attempts[recorded:])

    def _send_in_a_row(self, me: Member, items: list[Item], attempts: list[Attempt]) -> None:
        """Send sessions one after the other, and as many more as the server takes at once."""
        end = clock.now() + SEND_SECONDS
        for item in items:
            attempt = self._exchange.send(item)
            if attempt:
                attempts.append(attempt)
            if len(items) < SEND_SESSIONS and (another := self._another(me, attempts, end)):
                items.append(another)

    def _meanwhile(self, me: Member, attempts: Sequence[Attempt], left: int) -> None:
        """While answers are late, record those that came, and let others send if it takes long."""
        self._hire(me.life)
        if attempts:
            self._settle(me, attempts, left)

    def _settle(self, me: Member, attempts: Sequence[Attempt], left: int = 0) -> None:
        """Record outcomes while `left` requests of this thread are still under way."""
        quick = self.retry.quick
        try:
            changed = self._exchange.settle(attempts)
        finally:
            with self._lock:
                me.sends = me.sends if left else None
                self._sending -= me.requests - left if me.life == self._life else 0
                me.requests = left
        with self._lock:
            self._queue.counts.wake(anyway=changed)
            if changed or quick != self.retry.quick:
                self._wake_all()
            elif self._queue.new and self._writer is not me and not self.asleep:
                self._rung.ring()  # there may be space for new sessions again
            if (me is self._writer) != self._direct:  # it is the turn of others to send
                self.wake_sender()
