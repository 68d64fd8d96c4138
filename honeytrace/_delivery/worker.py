"""From the ended session to the server: queue, worker, flush, shutdown, fork.

    accept() → inbox │ worker: encode → outbox │ senders: send → settled

Left of the first bar is the caller's thread: an append, and a bell if the worker sleeps.
"""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Callable

from honeytrace._delivery.queue import DeliveryQueue, Item
from honeytrace._delivery.senders import LazySender, Sender, Senders, run
from honeytrace._delivery.spool.directory import Spool
from honeytrace._delivery.stats import FlushTarget, Stats
from honeytrace._session.record import CallRecord
from honeytrace._utils import clock
from honeytrace._utils.guard import ErrorGuard
from honeytrace._utils.origin import let_through

_MOST = 64 * 2**20  # bytes in the inbox
_MANY = _MOST // 4  # bytes in the inbox from which on a caller lets the worker go first
_FEW = 6_000  # sessions in it, the same: an exit has two seconds to write them down
_FEW_HERE = 1_600  # the same, where each has to be stored by then
_CROWD = 200_000  # sessions on disk from which on it does so, too, while the server is up
_BREATH = 250e-6  # seconds for which it does, at first
_PER_BYTE = 20e-9  # seconds, besides, where it is far ahead
_LONGEST = 0.05  # seconds
_EACH = 1_300  # bytes that a session takes there, besides the values in it
_STALLED = 10.0  # seconds without any progress after which a flush without timeout gives up
_SAFE = 1.0  # the same, when the server is down and everything is on disk
_LOOK = 0.2  # seconds between two looks of a flush at what the senders say
_MOMENT = 0.005  # seconds between two looks at a session that is being encoded
_TICK = 1.0  # seconds between two looks at a disk that refused
_GRACE = 2.0  # seconds that writing everything down may take, however short the timeout


class Delivery:
    """The way to one server, with its own queue and threads, which start with the first session.

    `shrink` makes a body smaller that the server finds too large. `at_hand` says that the server is
    in this process, so that any thread may send at any time.
    """

    def __init__(
        self,
        connect: Callable[[], Sender],
        encode: Callable[[CallRecord], bytes],
        guard: ErrorGuard,
        spool: Spool | None = None,
        shrink: Callable[[bytes], bytes] | None = None,
        most_senders: int = 32,
        at_hand: bool = False,
    ) -> None:
        self.guard = guard
        self._encode = encode
        self._spool = spool
        self._at_hand = at_hand
        self._inbox: deque[CallRecord] = deque()
        self._queue = DeliveryQueue(guard, spool)
        self._counts = self._queue.counts
        self._lock = self._queue.lock
        self._sender = LazySender(connect, guard, shrink)
        self._senders = Senders(self._queue, self._sender, guard, most_senders)
        # A lock, not an event, for its release cannot be interrupted half-way: a signal handler or
        # a `__del__` that ends a session may come at any moment.
        self._bell = threading.Lock()
        self._breath = threading.Lock()
        self._breath.acquire()  # for good: who waits for it only gives others time
        self._abandoned = False
        self._held = False
        self._ending = False
        self._idle = True  # the worker sleeps or was not started yet
        self._running = False
        self._life = 0  # counts the shutdowns; a thread of an earlier life ends
        self._refused = 0
        self._weight = 0.0
        self._many = _MANY
        self._few = _FEW_HERE if at_hand else _FEW

    def accept(self, record: CallRecord) -> None:
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
        elif weight > self._many or len(self._inbox) > self._few:
            # A loop that does nothing but end sessions would keep the interpreter from the threads.
            self._breath.acquire(timeout=self._pause(record))

    def _pause(self, record: CallRecord) -> float:
        """Seconds, the more the further the caller is ahead of the worker."""
        ahead = max(self._weight / _MANY, len(self._inbox) / self._few, 1.0)
        far = max(self._weight / _MANY - 2, 0)
        return min(_BREATH * ahead * ahead + record.size * _PER_BYTE * far, _LONGEST)

    def accept_durably(self, record: CallRecord) -> None:
        """Takes an ended session, which is on disk when this returns, if the disk takes it."""
        # Those before it are on their way there; or this is a signal handler that has come in the
        # middle of our own work on this thread.
        if self._abandoned or self._inbox or self._queue.entered:
            self.accept(record)
            return
        with self._lock:
            item = self._queue.open()
        try:
            self._enter(item, record)
        finally:  # a signal handler may have raised, as the time limits of task queues do
            if self._queue.take_back(item):
                self._inbox.append(record)
        if not self._running:
            self._ring()

    def _refuse(self) -> None:
        if self._abandoned:
            return
        with self._lock:
            self._refused += 1
        self.guard.warn("overflow", "sessions come in faster than they go out; some are dropped")

    def _ring(self) -> None:
        """Wakes the worker, or starts it; does its work where no thread can be started."""
        self.start()
        if not self._running:
            self._work_here(math.inf)

    def start(self) -> None:
        """Starts the threads, if they do not run and can be started."""
        with self._lock:
            if not (self._running or self._ending or self._abandoned):
                self._running = True
                self._running = run(self._encode_all, self._life, "worker")
                self._queue.look_for_older()
                if self._running:
                    self._senders.start()
            self._idle = not self._running
        self._wake()

    def _wake(self) -> None:
        try:
            if self._bell.locked():
                self._bell.release()
        except RuntimeError as error:  # another thread was faster
            let_through(error)

    def _encode_all(self, life: int) -> None:
        while (taken := self._next_record(life)) is not None:
            self.guard.call(self._enter, *taken)

    def _next_record(self, life: int) -> tuple[Item, CallRecord] | None:
        """The next session to encode, once there is one and room for it."""
        while True:
            with self._lock:
                while self._queue.cramped and self._life == life:
                    self._queue.room.wait(_TICK)
                if self._life != life:
                    return None
                self._idle = True  # before the look: what comes in after it will ring
                if self._inbox:
                    self._idle = False
                    return self._take()
                self._weight = 0
            self._bell.acquire(timeout=_TICK if self._queue.unsafe else -1)
            if self._queue.unsafe:
                self._queue.secure()

    def _take(self) -> tuple[Item, CallRecord]:
        record = self._inbox.popleft()
        self._weight -= _EACH + record.size
        return self._queue.open(), record

    def _enter(self, item: Item, record: CallRecord) -> None:
        body = self.guard.call(self._encode, record)
        if body is not None:
            self._queue.keep(item, body)
        with self._lock:
            if body is None:
                self._queue.give_up([item])
                self._queue.progress.notify_all()
            crowded = self._queue.send_queue.cold > _CROWD and not self._senders.retry.down
            self._many = 0 if crowded else _MANY
            self._senders.call()

    def _work_here(self, until: float) -> None:
        """Does the work of the worker on this thread, and of a sender if the server is at hand."""
        while clock.now() < until:
            with self._lock:
                if not self._inbox:
                    break
                taken = self._take()
            self._enter(*taken)
        if self._at_hand and not self._running:
            self._senders.send_here()

    def flush(self, timeout: float | None = None, *, patient: bool = True) -> bool:
        """Waits until every session accepted so far is settled; returns whether that came about.

        `timeout` is in seconds; without one it waits for as long as there is progress. Without
        patience it does not wait for a server that is known to be down, once everything is on disk.
        """
        if self._abandoned:  # a thread that is not here may have had the lock
            return True
        with self._lock:
            mark = self._counts.mark(len(self._inbox))
            self._wake()  # in case that a signal handler kept somebody from it
            timeout = timeout if self.active else 0
            try:
                self._await(mark, timeout, patient)
            finally:
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
                left = moved - now + (_SAFE if self._safe else _STALLED)
            else:
                left = 0 if self._safe and not patient else began - now + timeout
            if left <= 0:
                break
            self._queue.progress.wait(min(left, _LOOK))

    @property
    def active(self) -> bool:
        """Whether anything can change: threads run, or something is in memory."""
        return self._running or bool(self._inbox or self._counts.loose)

    @property
    def _safe(self) -> bool:
        """Whether there is nothing to be gained by waiting: all is on disk, the server is down."""
        return self._senders.retry.down and not (self._inbox or self._counts.loose)

    def shutdown(self, timeout: float | None = None, *, patient: bool = True) -> bool:
        """Flushes and ends the threads. What is then in memory only is given up.

        A later session starts new threads.
        """
        began = clock.now()
        end = began + (math.inf if timeout is None else timeout)
        grace = max(end, began + _GRACE)
        if self._spool or not self._running:
            self._work_here(grace)
        done = self._flush_until(end, patient)
        with self._lock:
            while self._queue.encoding and clock.now() < grace:
                self._queue.progress.wait(_MOMENT)
            self._life += 1
            self._running, self._idle = False, True
            self._senders.stop()
            unencoded = [self._take()[0] for _ in range(len(self._inbox))]
            lost = self._queue.give_up(unencoded)
            self._weight = 0
            sender = self._sender.part()
            self._wake()
            for condition in (self._queue.room, self._queue.progress):
                condition.notify_all()
        lost += self._queue.close()
        if sender is not None:
            sender.close()
        self._tell_end(lost)
        return done

    def _flush_until(self, end: float, patient: bool) -> bool:
        """Flushes, and once more if other threads have ended sessions meanwhile."""
        while True:
            left = max(end - clock.now(), 0)
            done = self.flush(None if math.isinf(left) else left, patient=patient)
            with self._lock:
                waiting = self._inbox or self._counts.loose or self._counts.spooled
            if not (done and waiting) or math.isinf(left) or left == 0:
                return done

    def _tell_end(self, lost: int) -> None:
        if lost:
            words = "sessions that could not be delivered in time and are lost: %d (%s)"
            self.guard.warn("lost", words, lost, self._senders.last or "no answer yet")
        if self._counts.spooled:
            words = "sessions on disk: %d; the next run sends them, or `honeytrace resend`"
            self.guard.warn("kept", words, self._counts.spooled)

    def end(self, timeout: float | None) -> bool:
        """The shutdown at exit, after which no thread starts any more."""
        self._ending = True
        return self.shutdown(timeout, patient=False)

    def try_again(self, connect: Callable[[], Sender]) -> None:
        """Sends what waits for a server that is failing, by a way that may be better."""
        with self._lock:
            if not self._senders.retry.failing:
                return
            sender = self._sender.change(connect)
            self._senders.begin_again()
        if sender is not None:
            sender.close()

    @property
    def catching_up(self) -> bool:
        """Whether sessions of ended processes are, or may be, left that can be sent now."""
        with self._lock:
            return self._queue.older and not self._senders.retry.down

    @property
    def sending(self) -> bool:
        """Whether a request is under way."""
        return self._senders.sending

    @property
    def older_rejected(self) -> int:
        """How many sessions of ended processes the server rejected; `stats` has no count of it."""
        return self._counts.older_rejected

    def release(self) -> None:
        """After a shutdown: lets go of what is on disk, for other processes to take."""
        if self._spool:  # pragma: no branch - without one there is nothing to release
            self._spool.release()

    def before_fork(self) -> None:
        """Waits until no thread connects, and none writes: a child would hold the lock of a segment
        that it knows nothing of."""
        self._sender.hold()
        self._held = self._spool is not None and self._spool.hold()

    def after_fork_in_parent(self) -> None:
        if self._held and self._spool:
            self._spool.let_go()
        self._sender.let_go()

    def abandon(self) -> None:
        """In a forked child: what is here is the parent's, its threads are not in this process."""
        self._abandoned = True
        self._weight = math.inf
        if self._spool:
            self._spool.disown()

    def stats(self) -> Stats:
        with self._lock:
            return self._counts.stats(len(self._inbox), self._refused, self._senders.last)
