"""Deliver ended sessions: the entry point for the rest of the library.

The thread that ends a session only appends it to the queue, and rings a bell if every thread of the
crew sleeps. Once too much is waiting, it also encodes one older session for each one that it adds.
So the disk keeps up, however many threads there are.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Sequence

from honeytrace._delivery.crew import Crew
from honeytrace._delivery.encode_queue import RECORD_BYTES, Encode
from honeytrace._delivery.queue import DeliveryQueue
from honeytrace._delivery.senders import LazySender, Sender
from honeytrace._delivery.spool.directory import Spool
from honeytrace._delivery.stats import FlushTarget, Stats
from honeytrace._session.context import as_own_work
from honeytrace._session.record import CallRecord
from honeytrace._session.scope import is_outermost
from honeytrace._utils import clock
from honeytrace._utils.guard import ErrorGuard

MAX_NEW_BYTES = 64 * 2**20  # with more bytes than this waiting to be encoded, drop sessions
WORK_BYTES = 32 * 2**20  # with more bytes than this waiting, callers encode as well
WRITE_SESSIONS = 64  # with more encoded sessions than this, a caller writes them
WRITE_BYTES = 2**20  # with more encoded bytes than this, a caller writes them
STALLED_SECONDS = 10.0  # without progress for this long, a flush without timeout gives up
SAFE_SECONDS = 1.0  # likewise if the server is down and everything is on disk
LOOK_SECONDS = 0.2  # how often a flush checks for progress
LAST_SECONDS = 3.0  # time to write what is left in memory after that, on a very busy machine
RUN_SECONDS = 1.0  # time for other threads to finish the sessions that they are encoding
GRACE_SECONDS = 2.0  # time to write everything to disk, however short the timeout
SWITCH_SECONDS = 0.0001  # how long threads that compute may keep ours waiting at exit


class Delivery:
    """Delivers sessions to one server, with a queue and threads of its own.

    The threads start with the first session.

    Args:
        shrink: cuts a body that the server finds too large.
        batches: True if the sender stores many sessions at once, permanently.
        lasting: True if the process may end at any moment. Then an outermost session is on disk
            before its call returns.
        is_locked: returns True while this thread holds a lock that a traced call may want. Our
            threads may trace as well, so a session is then only queued; call `ring` afterwards.
        ending: True if the program is at its end, so that no thread may be started.
    """

    def __init__(
        self,
        connect: Callable[[], Sender],
        encode: Encode,
        guard: ErrorGuard,
        spool: Spool | None = None,
        shrink: Callable[[bytes], bytes] | None = None,
        most_requests: int = 64,
        *,
        batches: bool = False,
        lasting: bool = False,
        is_locked: Callable[[], bool] = bool,
        ending: bool = False,
    ) -> None:
        self.guard = guard
        self._spool = spool
        self._sender = LazySender(connect, guard, shrink)
        self._batches = batches
        self._queue = DeliveryQueue(encode, guard, spool, self._store if batches else None)
        self._crew = Crew(self._queue, self._sender, guard, most_requests)
        self._new = self._queue.new
        self._counts = self._queue.counts
        self._lock = self._queue.lock
        self._lasting = lasting
        self._is_locked = is_locked
        self._abandoned = self._held = False
        self._ending = ending
        self._at_once = lasting or ending  # whether callers write their sessions
        self._refused = 0

    def _store(self, bodies: Sequence[bytes]) -> bool:
        return self._crew.store(bodies)

    def accept(self, record: CallRecord) -> None:
        """Take an ended session. This costs one append as long as the worker keeps up."""
        queue = self._queue
        weight = queue.weight = queue.weight + RECORD_BYTES + record.size
        if weight > WORK_BYTES or self._at_once:
            self._accept_slowly(record, weight)
            return
        self._new.append(record)
        if self._crew.asleep:
            self._ring()
        elif len(self._new) > queue.most_new:
            self._work_off(record.size)

    def _accept_slowly(self, record: CallRecord, weight: float) -> None:
        if self._abandoned:
            return
        if weight > MAX_NEW_BYTES and self._queue.cramped:
            self._refuse(record)
            return
        if self._lasting and is_outermost(record) and not self._nested:
            while self._queue.encode():
                pass  # sessions inside it come first
            self._write_now(record)
            self._queue.await_runs(GRACE_SECONDS)
            return
        if self._ending:
            self._accept_at_end(record)
            return
        self._new.append(record)
        if self._crew.asleep:
            self._ring()
        elif weight > WORK_BYTES:
            self._work_off(record.size)

    def _accept_at_end(self, record: CallRecord) -> None:
        """Write a session that ends while the program does: soon, no thread of ours will.

        A loop in another thread may end one after another. None of them waits for its turn, so
        that it is only cut off in the middle of a call.
        """
        if self._nested:
            self._new.append(record)
            return
        self._queue.encode()  # help with earlier ones
        self._write_now(record)

    def accept_durably(self, record: CallRecord) -> None:
        """Take an ended session and write it to disk before returning, if the disk allows it."""
        # A signal handler may have come in the middle of our own work on this thread.
        if self._abandoned or self._nested:
            self.accept(record)
            return
        self._queue.weight += RECORD_BYTES + record.size
        self._write_now(record)

    def _write_now(self, record: CallRecord) -> None:
        self._queue.encode_now(record)
        self._write()
        if not (self._crew.running or self._ending):
            self._ring()

    def _write(self) -> None:
        """Write the encoded sessions and have them sent."""
        self._queue.write()
        with self._lock:
            self._counts.wake()
            self._crew.wake_sender()

    def _refuse(self, record: CallRecord) -> None:
        with self._lock:
            self._queue.weight -= RECORD_BYTES + record.size
            self._refused += 1
        self.guard.warn("overflow", "sessions come in faster than they go out; some are dropped")

    def _work_off(self, size: int) -> None:
        """Encode the oldest session, because callers add them faster than the worker encodes.

        Encode two if far too many wait: then encoding has become slower.
        """
        if self._nested or self._queue.cramped:
            return
        self._queue.encode(1 if len(self._new) < 2 * self._queue.most_new else 2)
        encoded = self._queue.encoded
        if encoded >= WRITE_SESSIONS or encoded * size >= WRITE_BYTES:
            self._write()

    @property
    def _nested(self) -> bool:
        """Return whether this thread holds a lock, since a signal handler or `__del__` is running.

        Waiting for another thread could then be a deadlock. So it is at the interpreter's end, if
        another thread was killed while it held a lock.
        """
        return self._queue.entered or self._is_locked() or self._is_cut_off

    @property
    def _is_cut_off(self) -> bool:
        """Return whether the interpreter has killed a thread in the middle of delivery."""
        lost = self._queue.lost or self._sender.lost
        return lost or (self._spool is not None and self._spool.lost)

    def ring(self) -> None:
        """Have sessions delivered that could only be queued."""
        if self._new and self._crew.asleep:
            self._ring()

    def _ring(self) -> None:
        """Wake or start the crew; do its work here if no thread can be started."""
        if self._is_locked() or self._is_cut_off or self._crew.ring():
            return
        if self._ending or not self._crew.start():
            as_own_work(self._work_here, math.inf)

    def start(self, *, older: bool = True) -> None:
        """Start the threads unless they run already or cannot be started.

        With `older`, they also send sessions of ended processes, even before this one has any.
        """
        if not (self._crew.running or self._ending or self._abandoned):
            self._queue.look_for_older(at_once=older)
            self._crew.start()

    def _work_here(self, until: float) -> None:
        """Do the work of the crew on this thread: bring every new session to the disk."""
        queue = self._queue
        if self._nested:
            return
        left = len(queue.new)  # no more: other threads may add sessions without end
        while clock.now() < until:
            count = queue.encode()
            self._write()
            left -= count
            if left <= 0 or not count:
                break
        if self._batches and not self._crew.running:
            self._crew.send_here(until)

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
