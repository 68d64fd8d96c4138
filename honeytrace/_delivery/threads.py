"""The threads of one delivery: start them, have each do one step after another, and end them.

No thread does its work, or starts another thread, while it holds the lock.
"""

from __future__ import annotations

import threading
from abc import abstractmethod
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from honeytrace._delivery.queue import DeliveryQueue
from honeytrace._delivery.senders import DeliveryThread, start_thread
from honeytrace._delivery.stats import Bell
from honeytrace._utils import clock
from honeytrace._utils.guard import ErrorGuard
from honeytrace._utils.origin import ignoring

FIRST_SECONDS = 0.015  # how long the first work waits for the session around it
IDLE_SECONDS = 1.0  # an additional sender ends after this long without work
JOIN_SECONDS = 0.05  # how long an exit waits for threads that are in a request

Step = tuple[Any, ...]
"""A function to call, and its arguments."""


@dataclass(slots=True, eq=False)
class Member:
    """The state of one thread. Times are seconds by our clock.

    Attributes:
        life: the number of stops of the crew before it started; after another stop, it ends.
        thread: the thread.
        bell: wakes this thread.
        sends: the time since which it has been sending; None if it is not sending.
        requests: how many of its requests are under way.
        rests: the time since which it has had nothing to do; None if it is busy.
        dozes: whether it waits only briefly, and then checks on the writer.
        wrote: whether it wrote last, so that sending is next.
        left: whether it has ended, or is about to.
    """

    life: int
    thread: threading.Thread = field(default_factory=threading.current_thread)
    bell: Bell = field(default_factory=Bell)
    sends: float | None = None
    requests: int = 0
    rests: float | None = None
    dozes: bool = False
    wrote: bool = False
    left: bool = False

    @property
    def at_work(self) -> bool:
        """Return whether its thread may still run."""
        return not self.left or self.thread.is_alive()


class Threads:
    """Runs the threads. Whoever ends a session must call `ring` if `asleep` is set."""

    def __init__(self, queue: DeliveryQueue, guard: ErrorGuard) -> None:
        self.asleep = True
        self._unused = True  # until a thread does its first work
        self._queue = queue
        self._lock = queue.lock
        self._guard = guard
        self._members: list[Member] = []
        self._stopped: list[Member] = []  # they may still be at work
        self._writer: Member | None = None
        self._rung = Bell()  # the bell of the thread that waits for new sessions
        self._starting = False  # a thread is being started
        self._life = 0
        self._sending = 0
        self._refused_until = 0.0  # when to ask the system for threads again

    @property
    @abstractmethod
    def _wanted(self) -> int:
        """Return how many threads there should be."""

    @abstractmethod
    def _step(self, me: Member, now: float) -> Step | None:
        """Return the next step of this thread; None if there is none."""

    @abstractmethod
    def _pause(self, me: Member, now: float) -> float | None:
        """Return how many seconds to wait; None to wait until woken."""

    @property
    def running(self) -> bool:
        return bool(self._members)

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
            if mine:  # pragma: no branch - unless it is, the method returns above
                self._starting, self.asleep = False, self.asleep or not begun
        return begun

    def _launch(self, life: int, name: str) -> bool:
        """Start one thread; return False if the system refuses."""
        me, begun = Member(life), False
        with ignoring(RuntimeError):  # a subinterpreter may forbid daemon threads
            me.thread = DeliveryThread(partial(self._run, me), name)
            begun = start_thread(me.thread)
        if begun:
            self._enlist(me)
        return begun

    def _enlist(self, me: Member) -> None:
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

    def _wake_all(self) -> None:
        for member in self._members:
            member.bell.ring()

    def _run(self, me: Member) -> None:
        self._enlist(me)
        try:
            while self._take_step(me):
                pass
        finally:
            self._leave(me)

    def _take_step(self, me: Member) -> bool:
        """Wait for the next step and take it; return False when there are none any more.

        A thread that waits keeps no session alive, as the step goes with this frame.
        """
        step = self._next(me)
        if step is None:
            return False
        self._let_sessions_end(me)
        self._guard.call(*step)
        return True

    def _let_sessions_end(self, me: Member) -> None:
        """Before the first work, give the session around the first one time to end.

        The first work takes many times as long as usual, because it loads modules and opens files.
        The program's thread has to wait for some of it, and that time would count for the session.
        """
        if self._unused:
            self._unused = False
            me.bell.wait(FIRST_SECONDS)  # a flush ends this at once

    def _leave(self, me: Member) -> None:
        """Forget this thread, even if an exception from outside ended it; others go on."""
        with self._lock:
            me.left = True
            if me not in self._members:
                return
            self._members.remove(me)
            self._writer = None if me is self._writer else self._writer
            self._rung = self._writer.bell if self._writer else Bell()
            self._sending -= me.requests
            self.asleep = self.asleep or not self._members
            self._wake_all()
        if not self._members and self._queue.loose:
            self.start()

    def _next(self, me: Member) -> Step | None:
        """Wait for the next step and return it; None when this thread is no longer needed."""
        while self._life == me.life:
            self._hire(me.life)
            with self._lock:
                now = clock.now()
                if self._life != me.life:  # pragma: no cover - stopped just now, by another thread
                    break
                if step := self._step(me, now):
                    me.rests, me.dozes = None, False
                    return step
                if self._is_too_many(me, now):
                    break
                seconds = self._pause(me, now)
            me.bell.wait(seconds)
        return None

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

    def _is_too_many(self, me: Member, now: float) -> bool:
        if me is self._writer or len(self._members) <= max(self._wanted, 2):
            return False
        return me.rests is not None and now - me.rests >= IDLE_SECONDS
