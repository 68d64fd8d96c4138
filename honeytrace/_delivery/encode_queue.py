"""New sessions, from the end of a call until they are encoded.

    put → new │ encode → encoded

Any number of threads may encode at once. Each holds one session at a time, in a run. If a signal
handler raises, the session goes back to the new ones.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable

from honeytrace._delivery.send_queue import Item
from honeytrace._delivery.stats import Counts
from honeytrace._session.record import CallRecord
from honeytrace._utils import clock
from honeytrace._utils.guard import ErrorGuard
from honeytrace._utils.locks import is_lost, is_owned

RUN_SESSIONS = 64  # encoded in a row before they are written
RUN_BYTES = 512 * 1024  # likewise: at most so many bytes
RUN_SECONDS = 0.01  # likewise: at most this long, to have them on disk soon
MAX_NEW_SESSIONS = 4_000  # with more sessions than this waiting, callers encode as well
MIN_NEW_SESSIONS = 64  # however long they take to encode, so many may wait
GUESSED_SECONDS = 0.00025  # to encode a session, until it is measured
BACKLOG_SECONDS = 0.2  # of work: with more waiting, callers encode as well, since an exit has 2 s
RECORD_BYTES = 1_300  # memory of a session before it is encoded, without its values

Encode = Callable[[CallRecord], bytes]


class Run(deque[CallRecord]):
    """The session that a thread encodes now. `over` is True once the thread is done with it."""

    over = False


class EncodeQueue:
    """Encodes new sessions, oldest first.

    Attributes:
        lock: guards everything in memory; held for microseconds.
        new: the sessions that are yet to be encoded.
        counts: the number of sessions in each state.
        weight: the bytes of new sessions. It needs no lock: threads only switch at calls and jumps.
        most_new: how many sessions may wait before callers encode as well.
    """

    def __init__(self, encode: Encode, guard: ErrorGuard) -> None:
        self.lock = threading.RLock()
        self.new: deque[CallRecord] = deque()
        self.counts = Counts()
        self.weight = 0.0
        # The average seconds for one session, which decide how many sessions may wait. It is CPU
        # time, since a thread may wait much longer for the interpreter if the program computes.
        self._encode_seconds, self._write_seconds = GUESSED_SECONDS, 0.0
        self._limit_new()
        self._encode = encode
        self._guard = guard
        self._disk = threading.RLock()
        self._runs: dict[int, Run] = {}  # by the id of the run
        self._encoded: deque[Item] = deque()
        self._loose: dict[int, Item] = {}  # in memory only, by serial number

    @property
    def waiting(self) -> int:
        """Return the number of sessions that are yet to be encoded."""
        return len(self.new) + sum(map(len, list(self._runs.values())))  # others add runs

    @property
    def entered(self) -> bool:
        """Return whether this thread is inside the queue already.

        A signal handler or a `__del__` has then interrupted it. Waiting for a lock here could
        deadlock: the thread that has it may wait for one that the interrupted code holds.
        """
        return is_owned(self.lock) or is_owned(self._disk)

    @property
    def lost(self) -> bool:
        """Return whether the interpreter has killed a thread that was inside the queue."""
        return is_lost(self.lock, self._disk)

    @property
    def encoded(self) -> int:
        """Return the number of sessions that are encoded and yet to be written."""
        return len(self._encoded)

    @property
    def loose(self) -> int:
        """Return the number of sessions that are in memory only."""
        return self.waiting + len(self._loose)

    def encode(self, most: int = RUN_SESSIONS) -> int:
        """Encode some new sessions, oldest first; return their number, 0 if there were none."""
        return self._encode_run(Run(), most)

    def encode_now(self, record: CallRecord) -> None:
        """Encode a session that is not in the queue yet."""
        self._encode_run(Run((record,)), 1)

    def _encode_run(self, run: Run, most: int) -> int:
        """Encode the run, and more sessions up to `most`; return the number of sessions.

        The run holds one session at a time, which goes back if a signal handler raises.
        """
        size, count, began = 0, 0, clock.cpu()
        end = clock.now() + RUN_SECONDS
        try:
            with self.lock:  # other threads iterate over them
                self._runs[id(run)] = run
            # At least one, even if this thread has had to wait: 0 means that none is left.
            while count < most and (not count or (size < RUN_BYTES and clock.now() < end)):
                if not run:
                    with self.lock:
                        _move(self.new, run)
                if not run:
                    break
                size += self._encode_first(run, run[0])
                count += 1
        finally:
            run.over = True
            self._end_runs()
        if count:
            self._encode_seconds = smoothed(self._encode_seconds, (clock.cpu() - began) / count)
            self._limit_new()
        return count

    def _limit_new(self) -> None:
        """Let only as many sessions wait as can be encoded and written in a moment."""
        fitting = int(BACKLOG_SECONDS / max(self._encode_seconds + self._write_seconds, 1e-6))
        self.most_new = min(max(fitting, MIN_NEW_SESSIONS), MAX_NEW_SESSIONS)

    def _end_runs(self) -> None:
        """Forget the runs that are over; a session left in one goes back into the queue.

        A signal handler may have kept the thread of an earlier run from doing this.
        """
        with self.lock:
            for key, run in list(self._runs.items()):
                if run.over:
                    if run:
                        _move(run, self.new, back=True)
                    self._runs.pop(key, None)

    def _encode_first(self, run: deque[CallRecord], record: CallRecord) -> int:
        body = self._guard.call(self._encode, record)
        item, weight = Item(0, body or b""), RECORD_BYTES + record.size
        counts, loose = self.counts, self._loose
        with self.lock:
            if not run or run[0] is not record:  # given up meanwhile
                return 0
            serial = item.serial = counts.taken + 1
            # Signal handlers run at calls, and there is no call until the end of the block.
            counts.taken = serial
            counts.loose += 1
            loose[serial] = item
            self.weight -= weight
            if body is not None:
                self._encoded += (item,)
            del run[0]
        if body is None:
            self.give_up([item])
        return len(item.body)

    def give_up(self, items: Iterable[Item]) -> int:
        """Drop the given sessions that are in memory only; return their number."""
        counts, loose, lost = self.counts, self._loose, list[int]()
        with self.lock:
            for item in items:
                serial = item.serial
                if serial in loose:
                    # Signal handlers run at calls, and there is no call until the append.
                    counts.loose -= 1
                    counts.dropped += 1
                    del loose[serial]
                    lost.append(serial)
            counts.passed_all(lost)
        return len(lost)


def smoothed(average: float, seconds: float) -> float:
    """Return the average after a further time. It falls fast: the first time includes imports."""
    return average + (seconds - average) / (16 if seconds > average else 4)


def _move(source: deque[CallRecord], target: deque[CallRecord], *, back: bool = False) -> None:
    """Move the first session by one call, so that no signal handler can lose it."""
    if source:
        (target.extendleft if back else target.extend)(map(deque.popleft, (source,)))
