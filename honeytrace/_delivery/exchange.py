"""Send sessions, and record and log what became of them."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from honeytrace._delivery.queue import DeliveryQueue
from honeytrace._delivery.retry import Answer, RetryPolicy, Verdict, back_off
from honeytrace._delivery.send_queue import Item
from honeytrace._delivery.senders import LazySender, Sending
from honeytrace._utils import clock
from honeytrace._utils.guard import ErrorGuard

_UNABLE = "sessions wait, none can be sent (%s); correct that, or server_url"
_FINAL = (Verdict.DELIVERED, Verdict.REJECTED)
_WARNINGS = {  # by the verdict: what they are about, and their words
    Verdict.REJECTED: ("rejected", "the server refused a session: %s"),
    Verdict.HOLD: (
        "delivery",
        "sessions wait, the server refuses them (%s); check api_key and server_url",
    ),
    Verdict.EARLY: ("early", "an update waits for its session: %s"),
    Verdict.RETRY: (
        "delivery",
        "sessions wait to be sent again (%s); if this lasts, check server_url",
    ),
}


class Attempt(NamedTuple):
    """One body that was sent. `began` is a time by our clock, `seconds` how long it took."""

    item: Item
    answer: Answer
    began: float
    seconds: float


class Exchange:
    """Sends what the queue holds, and settles it or puts it back.

    Attributes:
        retry: judges the server, and decides when to try again.
        last: the server's latest refusal.
        early: the number of updates that came before their session.
    """

    def __init__(
        self, queue: DeliveryQueue, sender: LazySender, guard: ErrorGuard, most: int
    ) -> None:
        self.retry = RetryPolicy(most)
        self.last: str | None = None
        self.early = 0
        self._queue = queue
        self._lock = queue.lock
        self._sender = sender
        self._guard = guard
        self._renewed = 0.0  # when the failures of the server were last forgotten

    def begin_again(self) -> None:
        """Forget the failures of the server, and those of requests that are under way."""
        self.retry.begin_again()
        self._renewed = clock.now()

    def send(self, item: Item) -> Attempt | None:
        """Send a session and wait for the answer; return None if the disk has lost the session."""
        began = clock.now()
        if body := self._queue.body(item):
            return Attempt(item, self._sender.send(body), began, clock.now() - began)
        self._queue.lose(item)
        return None

    def send_together(self, items: Sequence[Item], patience: float) -> Iterator[Attempt | None]:
        """Send sessions at the same time; yield an attempt for each answer when it comes.

        Yield None when no answer has come for `patience` seconds. There is no attempt for a session
        that the disk has lost.
        """
        begun = deque(filter(None, map(self._begin, items)))
        while begun:
            item, began, sending = begun[0]
            if not sending.is_answered(patience):
                begun.rotate(-1)
                yield None
            else:
                yield Attempt(item, sending.answer(), began, clock.now() - began)
                begun.popleft()

    def _begin(self, item: Item) -> tuple[Item, float, Sending] | None:
        began = clock.now()
        if body := self._queue.body(item):
            return item, began, self._sender.begin(body)
        self._queue.lose(item)
        return None

    def settle(self, attempts: Sequence[Attempt]) -> bool:
        """Record the outcomes; return whether the server failed or has recovered.

        They are logged first, so that they are in the log after a flush.
        """
        recovered, now = False, clock.now()
        with self._lock:
            for item, answer, _, seconds in attempts:
                if answer.verdict in _FINAL and self.retry.settled(seconds, now):
                    recovered = True
                if answer.verdict is Verdict.EARLY:
                    self.retry.note_time(seconds)
                    self.early += not item.attempts
                if answer.verdict is not Verdict.DELIVERED:
                    self.last = answer.words
        self._tell(recovered, [each.answer for each in attempts])
        final = [(each.item, each.answer) for each in attempts if each.answer.verdict in _FINAL]
        self._queue.settle(final)
        with self._lock:
            for item, answer, began, _ in attempts:
                if answer.verdict not in _FINAL:
                    self._put_back(item, answer, began)
        return recovered or len(final) < len(attempts)

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
            recovered = done and self.retry.settled(0.0, clock.now())
            if not done:
                self.last = answer.words
                self.retry.note_failure(answer, clock.now())
        self._tell(recovered, [answer])
        return done

    def _tell(self, recovered: bool, answers: Sequence[Answer]) -> None:
        if recovered:
            self._guard.settled("delivery", "sessions are delivered again")
        for answer in answers:
            if warning := _WARNINGS.get(answer.verdict):
                about, words = warning
                unable = answer.verdict is Verdict.HOLD and not answer.answered
                self._guard.warn(about, _UNABLE if unable else words, answer.words)
