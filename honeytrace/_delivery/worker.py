"""Deliver ended sessions: the entry point for the rest of the library.

`intake` takes them. This waits until they are delivered, ends the threads, and handles forks.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable

from honeytrace._delivery.intake import GRACE_SECONDS, Intake
from honeytrace._delivery.senders import Sender
from honeytrace._delivery.stats import FlushTarget, Stats
from honeytrace._session.context import as_own_work
from honeytrace._utils import clock

STALLED_SECONDS = 10.0  # without progress for this long, a flush without timeout gives up
SAFE_SECONDS = 1.0  # likewise if the server is down and everything is on disk
LOOK_SECONDS = 0.2  # how often a flush checks for progress
LAST_SECONDS = 0.25  # at least this much time to write sessions that end during a shutdown
RUN_SECONDS = 0.25  # time for other threads to finish the sessions that they are encoding
SWITCH_SECONDS = 0.0001  # how long threads that compute may keep ours waiting at exit


class Delivery(Intake):
    """Delivers sessions to one server."""

    def flush(self, timeout: float | None = None, *, patient: bool = True) -> bool:
        """Wait until every session accepted so far is settled; return whether they all are.

        `timeout` is in seconds. Without one, wait for as long as there is progress. If not
        `patient`, do not wait for a server known to be down once everything is on disk.
        """
        if self._abandoned or self._is_cut_off:  # a thread that is gone may hold the lock
            return self._abandoned
        if self._new:  # a signal handler may have kept another thread from ringing
            self._ring()
        with self._lock:
            mark = self._counts.mark(self._queue.waiting)
            timeout = timeout if self.active else 0
        try:
            self._await(mark, timeout, patient)
        finally:
            with self._lock:
                self._counts.unmark(mark)
        return mark.left <= 0

    def _await(self, mark: FlushTarget, timeout: float | None, patient: bool) -> None:
        began = moved = clock.now()
        settled = self._counts.settled
        while mark.left > 0:
            now = clock.now()
            if settled != self._counts.settled:
                settled, moved = self._counts.settled, now
            if timeout is None:
                left = moved - now + (SAFE_SECONDS if self._safe else STALLED_SECONDS)
            else:
                left = 0 if self._safe and not patient else began - now + timeout
            if left <= 0:
                break
            if self._queue.loose and not (self._crew.running or self._ending):
                self._ring()  # the threads have been stopped since
            mark.bell.wait(min(left, LOOK_SECONDS))
            with self._lock:
                self._counts.bound(mark)

    @property
    def active(self) -> bool:
        """Return whether anything can change: threads run, or sessions are in memory."""
        return self._crew.running or self._queue.loose > 0

    @property
    def _safe(self) -> bool:
        """Return whether waiting is useless: everything is on disk and the server is down."""
        return self._crew.retry.down and not self._queue.loose

    def shutdown(self, timeout: float | None = None, *, patient: bool = True) -> bool:
        """Flush, end the threads and give up the sessions that are in memory only.

        A later session starts new threads.
        """
        return as_own_work(self._shutdown, timeout, patient)

    def _shutdown(self, timeout: float | None, patient: bool) -> bool:
        began = clock.now()
        end = began + (math.inf if timeout is None else timeout)
        grace = max(end, began + GRACE_SECONDS)
        lasts = self._spool is not None or self._batches
        if lasts or not self._crew.running:
            self._work_here(grace)
        if self._ending and not (self._crew.running or self._batches):
            self._send_here(end)
        done = self._flush_until(end, patient)
        with self._lock:
            self._crew.stop()
            sender = None if self._batches else self._sender.part()
            lost = 0 if lasts else self._queue.give_up_all()
            self._counts.wake(anyway=True)
        last = max(grace, clock.now() + LAST_SECONDS)
        complete = True
        if lasts:  # other threads ended more; from now on they write themselves
            self._work_here(last)
            complete = self._queue.await_runs(RUN_SECONDS) and clock.now() < last
        lost += self._queue.close(give_up=not (complete and self._writable))
        sender = sender or self._sender.part()
        if sender is not None:
            sender.close()
        self._tell_end(lost)
        return done

    def _send_here(self, until: float) -> None:
        """Send on this thread: from Python 3.12 on, an exiting program cannot start any."""
        if self._queue.own and clock.now() < until and self._sender.limit(until):
            self._crew.send_here(until, older=False)

    @property
    def _writable(self) -> bool:
        """Return whether a disk or a store can take the sessions in memory."""
        if self._spool is not None:
            return self._spool.may_write
        return self._batches and not self._crew.retry.failing

    def _flush_until(self, end: float, patient: bool) -> bool:
        """Flush, and flush again if other threads have ended sessions meanwhile."""
        while True:
            left = max(end - clock.now(), 0)
            done = self.flush(None if math.isinf(left) else left, patient=patient)
            with self._lock:
                waiting = self._queue.own
            if not (done and waiting) or math.isinf(left) or left == 0:
                return done

    def _tell_end(self, lost: int) -> None:
        if lost:
            words = "sessions that could not be delivered in time and are lost: %d (%s)"
            self.guard.warn("lost", words, lost, self._crew.last or "no answer yet")
        if self._counts.spooled:
            then = "stores them" if self._batches else "sends them, or `honeytrace resend`"
            words = "sessions on disk: %d; the next run %s"
            self.guard.warn("kept", words, self._counts.spooled, then)

    def prepare_end(self) -> None:
        """From now on start no thread, and have callers write their sessions."""
        self._ending = self._at_once = True

    def end(self, timeout: float | None) -> bool:
        """Shut down at exit. After that no thread starts, and ours have ended if possible."""
        self.prepare_end()
        until = clock.now() + (timeout or 0.0)
        before = sys.getswitchinterval()
        try:
            sys.setswitchinterval(SWITCH_SECONDS)
            done = self.shutdown(timeout, patient=False)
            self._crew.join(until)
        finally:
            sys.setswitchinterval(before)
        return done

    def try_again(self, connect: Callable[[], Sender]) -> None:
        """Send the sessions that wait for a failing server with a new sender."""
        with self._lock:
            if not self._crew.retry.failing:
                return
            sender = self._sender.change(connect)
            self._crew.begin_again()
        if sender is not None:
            sender.close()

    @property
    def catching_up(self) -> bool:
        """Return whether sessions of ended processes may be left to send now."""
        with self._lock:
            return self._queue.older and not self._crew.retry.down

    @property
    def sending(self) -> bool:
        """Return whether a request is under way."""
        return self._crew.sending

    @property
    def older_rejected(self) -> int:
        """Return how many sessions of ended processes the server rejected; not part of `stats`."""
        return self._counts.older_rejected

    @property
    def early(self) -> int:
        """Return how many updates came before their session, and wait for it."""
        return self._crew.early

    def stats(self) -> Stats:
        with self._lock:
            return self._counts.stats(self._queue.waiting, self._refused, self._crew.last)

    def release(self) -> None:
        """Release the files on disk after a shutdown, so that other processes can take them."""
        if self._spool:  # pragma: no branch - without one there is nothing to release
            self._spool.release()

    def before_fork(self) -> None:
        """Wait until no thread connects or writes.

        Otherwise the child could hold the lock of a segment that it knows nothing of, and to SQLite
        the store could stay locked in the child for ever.
        """
        self._sender.hold(store=self._batches)
        self._held = self._spool is not None and self._spool.hold()

    def after_fork_in_parent(self) -> None:
        if self._held and self._spool:
            self._spool.let_go()
        self._sender.let_go()

    def abandon(self) -> None:
        """Give everything up in a forked child: it belongs to the parent, as do the threads."""
        self._abandoned = True
        self._queue.weight = math.inf
        if self._spool:
            self._spool.disown()
