"""How fast to send: how many senders, when to pause, when to try a failed session again.

Plain state without a lock or a clock of its own: `_senders` calls it under its lock.
"""

from __future__ import annotations

import enum
import math
import random
from collections import deque
from dataclasses import dataclass

_QUICK = 0.005  # seconds: a server that answers faster is limited by our own CPU, not by waiting
_DRAIN = 0.5  # seconds in which a backlog should be gone
_IN_A_ROW = 5  # refusals in a row after which the server, not the session, is taken to be at fault
_FIRST, _LONGEST = 0.1, 30.0  # seconds: the bounds of the back-off
_UNLUCKY = 3.0  # seconds: the longest back-off of one session, while the server takes others
_HELD = 60.0  # seconds until a server that refused the key or the path is tried again

_jitter = random.Random()  # noqa: S311 - it spreads load and hides nothing; `random` is the user's


class RetryPolicy:
    """What the answers so far say about the server."""

    def __init__(self, most_senders: int) -> None:
        self._most_senders = most_senders
        self._answer_times: deque[float] = deque(maxlen=16)
        self._refusals = 0
        self._pauses = 0
        self._down = False
        self._until = 0.0

    @property
    def failing(self) -> bool:
        """Whether the server is known to take no sessions now; then one at a time is sent."""
        return self._pauses > 0

    @property
    def down(self) -> bool:
        """Whether it is more than a slip: it will be so in a moment, too."""
        return self._down

    @property
    def quick(self) -> bool:
        """Whether the server answers so quickly that to hand a session over would take longer."""
        return not self.failing and len(self._answer_times) > 1 and self._quickest <= _QUICK

    @property
    def _quickest(self) -> float:
        """The quickest answer of late: others may have waited for the interpreter instead."""
        return min(self._answer_times)

    @property
    def until(self) -> float:
        """Nothing is to be sent before this moment."""
        return self._until

    def senders(self, waiting: int) -> int:
        """Return how many senders would soon empty the backlog."""
        if self.failing or len(self._answer_times) < 2:
            return 1
        quickest = self._quickest
        wanted = math.ceil(waiting * quickest / _DRAIN) if quickest > _QUICK else 1
        return max(1, min(wanted, self._most_senders))

    def settled(self, seconds: float) -> bool:
        """Notes that the server took or rejected a session; returns whether it was failing."""
        recovered = self.failing
        self._answer_times.append(seconds)
        self.begin_again()
        return recovered

    def begin_again(self) -> None:
        """Forgets the refusals."""
        self._refusals = self._pauses = 0
        self._down = False
        self._until = 0.0

    def note_failure(self, answer: Answer, now: float) -> None:
        """Notes that a session has to be sent again, and pauses if the server is at fault.

        One session that keeps failing between others that arrive pauses nothing. Answers to what
        was under way when the pause began do not make it longer.
        """
        self._refusals += 1
        if answer.retry_after is not None:
            self._pause(now + answer.retry_after, slip=not answer.retry_after)
        elif answer.verdict is Verdict.HOLD:
            self._pause(now + _HELD)
        elif now >= self._until and (self._refusals >= _IN_A_ROW or not answer.answered):
            self._pause(now + back_off(self._pauses + 1), slip=True)

    def retry_in(self, attempt: int) -> float:
        """Seconds until a session is sent again that failed so often; not long if the server takes
        others, since then it may be a matter of luck."""
        return back_off(attempt, _LONGEST if self.failing else _UNLUCKY)

    def _pause(self, until: float, *, slip: bool = False) -> None:
        self._down = not slip or self._pauses > 0
        self._pauses += 1
        self._until = max(self._until, until)


def back_off(attempt: int, longest: float = _LONGEST) -> float:
    """Seconds to wait after the n-th failure: full jitter, so that no herd comes back at once."""
    return _jitter.uniform(0, min(longest, _FIRST * 2 ** min(attempt, 20)))


class Verdict(enum.Enum):
    """What becomes of a session after an attempt to send it."""

    DELIVERED = "delivered"
    RETRY = "retry"
    HOLD = "hold"
    TOO_LARGE = "too large"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class Answer:
    """The outcome of one attempt: the verdict, the server's words, its `Retry-After` in seconds.

    `answered` is false if no answer came at all.
    """

    verdict: Verdict
    words: str = ""
    retry_after: float | None = None
    answered: bool = True


def verdict_of(status: int) -> Verdict:
    """What a status of `startSession` means for the session that was sent."""
    if 200 <= status < 300:
        return Verdict.DELIVERED
    if status in (408, 425, 429) or status >= 500:
        return Verdict.RETRY
    if status in (401, 403, 404, 407) or status < 400:
        return Verdict.HOLD
    return Verdict.TOO_LARGE if status == 413 else Verdict.REJECTED


def retry_after(value: str | None, now: float) -> float | None:
    """The seconds to wait by a `Retry-After` header, number or date; nonsense is None.

    `now` is the time since 1970 in seconds. At most 300 s, so that a slip of a server's cannot
    park sessions for years.
    """
    if value is None:
        return None
    try:
        seconds = float(value)
    except ValueError:
        from email.utils import parsedate_to_datetime  # slow to import, and hardly ever needed

        try:
            seconds = parsedate_to_datetime(value).timestamp() - now
        except (ValueError, OverflowError):
            return None
    return min(max(seconds, 0.0), 300.0) if math.isfinite(seconds) else None
