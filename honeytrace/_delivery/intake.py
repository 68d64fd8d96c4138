"""Take ended sessions, on the thread that ends them.

That thread only appends a session to the queue, and rings a bell if the crew is asleep. Once too
much is waiting, it also encodes one older session for each one that it adds. So the disk keeps up,
however many threads there are.
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
from honeytrace._session.context import as_own_work
from honeytrace._session.record import CallRecord
from honeytrace._session.scope import is_outermost
from honeytrace._utils import clock
from honeytrace._utils.guard import ErrorGuard

MAX_NEW_BYTES = 64 * 2**20  # with more bytes than this waiting to be encoded, drop sessions
WORK_BYTES = 32 * 2**20  # with more bytes than this waiting, callers encode as well
WRITE_SESSIONS = 64  # with more encoded sessions than this, a caller writes them
WRITE_BYTES = 2**20  # with more encoded bytes than this, a caller writes them
GRACE_SECONDS = 2.0  # time to write everything to disk, however short the timeout


class Intake:
    """Takes sessions for one server, with a queue and threads of its own.

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
        if not sys.is_finalizing():  # asked for each session
            return False
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
