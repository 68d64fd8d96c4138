"""The threads of one delivery: one writes sessions to disk, the others send them.

    new → write │ quick server: the writer sends, too │ slow server: senders do, up to `most`

All threads run the same code; being the writer is a role. While the server answers at once, the
writer also sends, because handing a session to another thread would cost more than the request. A
second thread stands by. If a request hangs, it becomes the writer, so that new sessions still get
to the disk. No thread sends, writes or starts another thread while it holds the lock.

Most sessions are delivered within milliseconds. So the writer first sends what it has encoded. Only
what the server does not take at once is written to disk. It does so only while the second
thread looks at it every few milliseconds.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

from honeytrace._delivery.queue import DeliveryQueue
from honeytrace._delivery.retry import Answer, RetryPolicy, Verdict, back_off
from honeytrace._delivery.send_queue import Item
from honeytrace._delivery.senders import DeliveryThread, LazySender, start_thread
from honeytrace._delivery.stats import Bell
from honeytrace._utils import clock
from honeytrace._utils.guard import ErrorGuard

HANG_SECONDS = 0.02  # a longer request makes another thread the writer
FIRST_SECONDS = 0.015  # how long the first work waits for the session around it
IDLE_SECONDS = 1.0  # an additional sender ends after this long without work
TICK_SECONDS = 1.0  # how often a disk that refused is tried again
JOIN_SECONDS = 0.05  # how long an exit waits for threads that are in a request
SEND_SESSIONS = 32  # sent in a row before their outcomes are recorded
SEND_SECONDS = 0.01  # likewise: at most this long

_FINAL = (Verdict.DELIVERED, Verdict.REJECTED)
Step = tuple[Any, ...]


@dataclass(slots=True, eq=False)
class _Member:
    """The state of one thread. Times are seconds by our clock.

    Attributes:
        life: the number of stops of the crew before it started; after another stop, it ends.
        thread: the thread.
        bell: wakes this thread.
        sends: the time since which it has been sending; None if it is not sending.
        rests: the time since which it has had nothing to do; None if it is busy.
        dozes: whether it waits only briefly, and then checks on the writer.
        wrote: whether it wrote last, so that sending is next.
        left: whether it has ended, or is about to.
    """

    life: int
    thread: threading.Thread = field(default_factory=threading.current_thread)
    bell: Bell = field(default_factory=Bell)
    sends: float | None = None
    rests: float | None = None
    dozes: bool = False
    wrote: bool = False
    left: bool = False

    @property
    def at_work(self) -> bool:
        """Return whether its thread may still run."""
        return not self.left or self.thread.is_alive()


class _Attempt(NamedTuple):
    """One body that was sent. `began` is a time by our clock, `seconds` how long it took."""

    item: Item
    answer: Answer
    began: float
    seconds: float


class Crew:
    """Runs the threads. Whoever ends a session must call `ring` if `asleep` is set."""

    def __init__(
        self, queue: DeliveryQueue, sender: LazySender, guard: ErrorGuard, most: int
    ) -> None:
        self.asleep = True
        self._unused = True  # until a thread does its first work
        self.last: str | None = None  # the server's latest refusal
        self.retry = RetryPolicy(most)
        self._queue = queue
        self._lock = queue.lock
        self._sender = sender
        self._guard = guard
        self._members: list[_Member] = []
        self._stopped: list[_Member] = []  # they may still be at work
        self._writer: _Member | None = None
        self._rung = Bell()  # the bell of the thread that waits for new sessions
        self._starting = False  # a thread is being started
        self._life = 0
        self._sending = 0
        self._sent = 0.0  # when the writer last began to send
        self._refused_until = 0.0  # when to ask the system for threads again
        self._renewed = 0.0  # when the failures of the server were last forgotten

    @property
    def running(self) -> bool:
        return bool(self._members)

    @property
    def sending(self) -> bool:
        """Return whether a request is under way."""
        return self._sending > 0

    def ring(self) -> bool:
        """Wake the thread that waits for new sessions; return False if no thread runs."""
        with self._lock:
            if self._members:
                self.asleep = False
                self._rung.ring()
            return self.running

    def start(self) -> bool:
        """Start the threads; return False if the system refuses.

        Also return True if another thread is starting them, or this thread was doing so when a
        signal handler interrupted it.
        """
        mine = begun = False
        try:
            with self._lock:
                if self._starting:
                    return True
                # There is no call in here, so no signal handler can leave it half done.
                mine = self._starting = True
                life, self.asleep = self._life, False  # the new thread checks by itself
            begun = self._launch(life, "worker")
            if begun:  # both now: at exit no thread can be started
                self._launch(life, "sender-1")
        finally:
            if mine:
                self._starting, self.asleep = False, self.asleep or not begun
        return begun

    def _launch(self, life: int, name: str) -> bool:
        """Start one thread; return False if the system refuses."""
        me = _Member(life)
        me.thread = DeliveryThread(partial(self._run, me), name)
        begun = start_thread(me.thread)
        if begun:
            self._enlist(me)
        return begun

    def _enlist(self, me: _Member) -> None:
        """Count a thread among those that run. It does so itself if its starter was interrupted."""
        with self._lock:
            if me.life == self._life and not me.left and me not in self._members:
                self._members.append(me)

    def stop(self) -> None:
        """End the threads. A request under way is settled when its answer comes."""
        self._life += 1
        members, self._members = self._members, []
        self._writer, self._sending, self.asleep = None, 0, True
        for member in members:
            member.bell.ring()
        self._stopped = [each for each in (*self._stopped, *members) if each.at_work]

    def join(self, until: float) -> None:
        """Wait until the threads that were stopped have ended; not long for those in a request.

        The interpreter kills those that are left at its end. That needs a file descriptor: without
        a free one, the process would abort.
        """
        soon = clock.now() + JOIN_SECONDS
        for each in self._stopped:
            end = max(until, soon) if each.sends is None else soon
            each.thread.join(max(end - clock.now(), 0.0))

    def begin_again(self) -> None:
        """Forget the failures of the server, and those of requests that are under way."""
        self.retry.begin_again()
        self._renewed = clock.now()
        self._wake_all()

    def wake_sender(self) -> None:
        """Wake an idle sender if there is one."""
        direct = self._direct
        for member in self._members:
            if member.rests is not None and (member is self._writer) == direct:
                member.rests = None
                member.bell.ring()
                break

    def _wake_all(self) -> None:
        for member in self._members:
            member.bell.ring()

    @property
    def _direct(self) -> bool:
        """Return whether the writer sends, too."""
        return self.retry.quick or len(self._members) == 1

    @property
    def _most_sending(self) -> int:
        """Return how many requests may be under way at once; just one at a quick server."""
        return self.retry.senders(self._queue.sendable + self._sending)

    @property
    def _wanted(self) -> int:
        """Return how many threads there should be."""
        return 1 + self._most_sending

    def _step(self, me: _Member, now: float) -> Step | None:
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

    def _writer_step(self, me: _Member, now: float) -> Step | None:
        queue, direct = self._queue, self._direct
        self._rung = me.bell
        if queue.may_secure and (self._sending or not direct):
            return (queue.secure,)
        if me.wrote and direct:  # alternate, however much there is to write
            me.wrote = False
            if step := self._send_step(me, now):
                return step
        self.asleep = True  # before checking: sessions that come later will ring
        if queue.unwritten:
            self.asleep = False
            if not queue.cramped:
                me.wrote = True
                first = direct and self._may_send_first(me)
                return (self._write_and_send, me) if first else (self._write,)
        return self._send_step(me, now) if direct else None

    def _may_send_first(self, me: _Member) -> bool:
        """Return whether new sessions can be sent at once: another thread watches this one."""
        watched = any(each.dozes for each in self._members if each is not me)
        return watched and not (self._sending or self._queue.sendable)

    def _send_step(self, me: _Member, now: float) -> Step | None:
        queue = self._queue
        if now < self.retry.until or self._sending >= self._most_sending:
            return None
        if queue.may_read_on:
            queue.begin_reading()
            return (self._read_on,)
        item = queue.take(now)
        if item is None:
            return None
        self._sending += 1
        me.sends = now
        if me is self._writer:
            self._have_watched(me, now)
        elif queue.sendable and self._sending < self._most_sending:
            self.wake_sender()
        return self._send, me, item

    def _have_watched(self, me: _Member, now: float) -> None:
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

    def _watch(self, member: _Member) -> None:
        """Let new sessions wake this thread."""
        self._rung, self.asleep = member.bell, True
        if self._queue.unwritten:  # checked last: sessions that come later will ring
            self.asleep = False
            member.bell.ring()

    def _pause(self, me: _Member, now: float) -> float | None:
        """Return how many seconds to wait; None to wait until woken."""
        if me.rests is None:
            me.rests = now
        times, queue, writer = [], self._queue, self._writer
        if me is writer:
            if queue.unsafe or queue.new:
                times.append(TICK_SECONDS)
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

    def _run(self, me: _Member) -> None:
        self._enlist(me)
        try:
            while (step := self._next(me)) is not None:
                self._let_sessions_end(me)
                self._guard.call(*step)
        finally:
            self._leave(me)

    def _let_sessions_end(self, me: _Member) -> None:
        """Before the first work, give the session around the first one time to end.

        The first work takes many times as long as usual, because it loads modules and opens files.
        The program's thread has to wait for some of it, and that time would count for the session.
        """
        if self._unused:
            self._unused = False
            me.bell.wait(FIRST_SECONDS)  # a flush ends this at once

    def _leave(self, me: _Member) -> None:
        """Forget this thread, even if an exception from outside ended it; others go on."""
        with self._lock:
            me.left = True
            if me not in self._members:
                return
            self._members.remove(me)
            self._writer = None if me is self._writer else self._writer
            self._rung = self._writer.bell if self._writer else Bell()
            self._sending -= me.sends is not None
            self.asleep = self.asleep or not self._members
            self._wake_all()
        if not self._members and self._queue.loose:
            self.start()

    def _next(self, me: _Member) -> Step | None:
        """Wait for the next step and return it; None when this thread is no longer needed."""
        while self._life == me.life:
            self._hire(me.life)
            with self._lock:
                now = clock.now()
                if self._life != me.life:
                    break
                if step := self._step(me, now):
                    me.rests, me.dozes = None, False
                    return step
                if self._is_too_many(me, now):
                    break
                seconds = self._pause(me, now)
            me.bell.wait(seconds)
        return None

    def _is_too_many(self, me: _Member, now: float) -> bool:
        if me is self._writer or len(self._members) <= max(self._wanted, 2):
            return False
        return me.rests is not None and now - me.rests >= IDLE_SECONDS

    def _hire(self, life: int) -> None:
        """Start a sender if one is missing. If the system refuses, go on with fewer."""
        if len(self._members) >= self._wanted or clock.now() < self._refused_until:
            return
        with self._lock:
            if self._starting:
                return
            self._starting = True
        try:
            if not self._launch(life, f"sender-{len(self._members)}"):
                self._refused_until = clock.now() + IDLE_SECONDS
        finally:
            self._starting = False

    def _write(self) -> None:
        self._queue.encode()
        self._queue.write()
        with self._lock:
            self._queue.counts.wake()
            if not self._direct and self._has_work:
                self.wake_sender()

    def _write_and_send(self, me: _Member) -> None:
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

    def send_here(self, until: float) -> None:
        """Send the sessions that are due on this thread."""
        me = _Member(self._life)
        while (now := clock.now()) < until:
            with self._lock:
                step = None if self.retry.failing else self._send_step(me, now)
            if step is None:
                break
            step[0](*step[1:])

    def _send(self, me: _Member, item: Item | None) -> None:
        """Send one session. The writer sends a few more and records all outcomes at once."""
        attempts: list[_Attempt] = []
        end = clock.now() + SEND_SECONDS
        try:
            while item is not None:
                began = clock.now()
                if body := self._queue.body(item):
                    answer = self._sender.send(body)
                    attempts.append(_Attempt(item, answer, began, clock.now() - began))
                    item = self._another(me, answer, end) if len(attempts) < SEND_SESSIONS else None
                else:
                    self._queue.lose(item)
                    item = None
        finally:
            with self._lock:
                if item is not None and not (attempts and attempts[-1].item is item):
                    self._queue.put_back(item, 0.0)
            self._settle(me, attempts)

    def _another(self, me: _Member, answer: Answer, end: float) -> Item | None:
        if answer.verdict is not Verdict.DELIVERED:
            return None
        with self._lock:
            now = clock.now()
            if me is self._writer and self._life == me.life and now < end:
                return self._queue.take(now)
        return None

    def _settle(self, me: _Member, attempts: list[_Attempt]) -> None:
        """Record the outcomes. They are logged first, so that they are in the log after a flush."""
        final = [(each.item, each.answer) for each in attempts if each.answer.verdict in _FINAL]
        recovered, now = False, clock.now()
        with self._lock:
            quick = self.retry.quick
            for _, answer, _, seconds in attempts:
                if answer.verdict in _FINAL and self.retry.settled(seconds, now):
                    recovered = True
                if answer.verdict is not Verdict.DELIVERED:
                    self.last = answer.words
        if recovered:
            self._guard.settled("delivery", "sessions are delivered again")
        for each in attempts:
            self._tell(each.answer)
        try:
            self._queue.settle(final)
        finally:
            with self._lock:
                me.sends = None
                self._sending -= me.life == self._life
        with self._lock:
            for item, answer, began, _ in attempts:
                if answer.verdict not in _FINAL:
                    self._put_back(item, answer, began)
            failed = len(final) < len(attempts)
            self._queue.counts.wake(anyway=failed)
            if failed or recovered or quick != self.retry.quick:
                self._wake_all()
            elif self._queue.new and self._writer is not me and not self.asleep:
                self._rung.ring()  # there may be space for new sessions again
            if (me is self._writer) != self._direct:  # it is the turn of others to send
                self.wake_sender()

    def _put_back(self, item: Item, answer: Answer, began: float) -> None:
        now = clock.now()
        if began < self._renewed:
            self._queue.put_back(item, now)
            return
        item.attempts += 1
        if answer.verdict is Verdict.EARLY:  # nothing is wrong with the server
            self._queue.put_back(item, now + back_off(item.attempts))
            return
        self.retry.note_failure(answer, now)
        self._queue.put_back(item, now + self.retry.retry_in(item.attempts))

    def store(self, bodies: Sequence[bytes]) -> bool:
        """Store sessions permanently; return False if they have to wait."""
        if self.retry.failing:
            return False
        answer = self._sender.send_many(bodies)
        with self._lock:
            done = answer.verdict is Verdict.DELIVERED
            recovered = self.retry.settled(0.0, clock.now()) if done else False
            if not done:
                self.last = answer.words
                self.retry.note_failure(answer, clock.now())
        if recovered:
            self._guard.settled("delivery", "sessions are delivered again")
        self._tell(answer)
        return done

    def _tell(self, answer: Answer) -> None:
        if answer.verdict is Verdict.REJECTED:
            self._guard.warn("rejected", "the server refused a session: %s", answer.words)
        elif answer.verdict is Verdict.HOLD:
            words = "sessions wait, the server refuses them (%s); check api_key and server_url"
            self._guard.warn("delivery", words, answer.words)
        elif answer.verdict is Verdict.EARLY:
            self._guard.warn("early", "an update waits for its session: %s", answer.words)
        elif answer.verdict is Verdict.RETRY:
            self._guard.warn("delivery", "sessions wait to be sent again (%s)", answer.words)
