"""Decide how many requests are made at once, when to pause, and when to try a failed session again.

Plain state without a lock or a clock of its own: `crew` calls it under its lock.
"""

from __future__ import annotations

import enum
import math
import random
from collections import deque
from dataclasses import dataclass

_QUICK_SECONDS = 0.005  # a faster server is limited by our CPU, not by waiting
_DRAIN_SECONDS = 0.5  # in which a backlog should be gone
_MAX_REFUSALS = 5  # in a row; after so many, the server and not the session is at fault
_FIRST_SECONDS, _LONGEST_SECONDS = 0.1, 30.0  # the bounds of the back-off
_LONGEST_SINGLE_SECONDS = 3.0  # the longest back-off of one session while others arrive
_SHORTEST_SECONDS = 0.002  # the pause for `Retry-After: 0`, so that nothing spins
_HOLD_SECONDS = 60.0  # until a server that refused the key or the path is tried again

_jitter = random.Random()  # noqa: S311 - not for secrets; the global `random` is left to the user


class RetryPolicy:
    """Judges the server by its answers so far."""

    def __init__(self, most_requests: int) -> None:
        self._most_requests = most_requests
        self._answer_times: deque[float] = deque(maxlen=16)
        self._quickest: float | None = None  # of these; None until there are two
        self._refusals = 0
        self._pauses = 0
        self._down = self._asked = False
        self._until = 0.0

    @property
    def failing(self) -> bool:
        """Return whether the server takes no sessions now; then one at a time is tried."""
        return self._pauses > 0

    @property
    def down(self) -> bool:
        """Return whether the outage is expected to last."""
        return self._down

    @property
    def quick(self) -> bool:
        """Return whether it answers faster than a session can be given to another thread."""
        return not self._pauses and self._quickest is not None and self._quickest <= _QUICK_SECONDS

    @property
    def slow(self) -> bool:
        """Return whether it works, and answers so late that several requests may be under way."""
        return not self._pauses and self._quickest is not None and self._quickest > _QUICK_SECONDS

    @property
    def until(self) -> float:
        """Return the time before which nothing is to be sent."""
        return self._until

    def requests(self, waiting: int, possible: int = 1) -> int:
        """Return how many requests should be under way at once.

        If one is not enough, there are as many as would soon empty the backlog, and no fewer than
        `possible`, for which there are threads.
        """
        if self._quickest is None or not self.slow:
            return 1
        needed = math.ceil(waiting * self._quickest / _DRAIN_SECONDS)
        return max(1, min(max(needed, possible), self._most_requests))

    def settled(self, seconds: float, now: float) -> bool:
        """Note that the server took or rejected a session; return whether it was failing.

        A pause that the server asked for goes on: the request was under way when it began.
        """
        self.note_time(seconds)
        if self._asked and now < self._until:
            return False
        recovered = self.failing
        self.begin_again()
        return recovered

    def note_time(self, seconds: float) -> None:
        """Note how long an answer of the server took."""
        self._answer_times.append(seconds)
        if len(self._answer_times) > 1:  # longer times may be delays of our own
            self._quickest = min(self._answer_times)

    def begin_again(self) -> None:
        """Forget the refusals."""
        self._refusals = self._pauses = 0
        self._down = self._asked = False
        self._until = 0.0

    def note_failure(self, answer: Answer, now: float) -> None:
        """Note that a session has to be sent again, and pause if the server is at fault.

        A single session that keeps failing while others arrive does not cause a pause. Answers to
        requests that were under way when the pause began do not prolong it.
        """
        self._refusals += 1
        wish = answer.retry_after
        if wish or answer.verdict is Verdict.HOLD:
            self._pause(now + (wish or _HOLD_SECONDS), asked=True)
        elif wish == 0:
            self._pause(now + _SHORTEST_SECONDS)
        elif now >= self._until and (self._refusals >= _MAX_REFUSALS or not answer.answered):
            self._pause(now + back_off(self._pauses + 1))

    def retry_in(self, attempt: int) -> float:
        """Return the seconds until a session is sent again; `attempt` counts its failures.

        The time is short if the server takes other sessions.
        """
        return back_off(attempt, _LONGEST_SECONDS if self.failing else _LONGEST_SINGLE_SECONDS)

    def _pause(self, until: float, *, asked: bool = False) -> None:
        self._asked = asked
        self._down = asked or self._pauses > 0
        self._pauses += 1
        self._until = max(self._until, until)


def back_off(attempt: int, longest: float = _LONGEST_SECONDS) -> float:
    """Return the seconds to wait after the n-th failure, with full jitter to spread retries."""
    return _jitter.uniform(0, min(longest, _FIRST_SECONDS * 2 ** min(attempt, 20)))


class Verdict(enum.Enum):
    """The next step for a session after an attempt to send it. `verdict_of` maps a status to one.

    Attributes:
        DELIVERED: the server has it.
        RETRY: send it again soon, and pause if the server keeps failing.
        HOLD: no session will be taken before the key, the address or the like changes. Pause for a
            minute; the log says to check `api_key` and `server_url`.
        TOO_LARGE: cut it and send it at once.
        EARLY: an update came before its session; send it again soon, without a pause.
        REJECTED: set it aside in the spool.
    """

    DELIVERED = "delivered"
    RETRY = "retry"
    HOLD = "hold"
    TOO_LARGE = "too large"
    EARLY = "early"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class Answer:
    """The outcome of one attempt to send a session.

    Attributes:
        verdict: the next step.
        words: the server's message, or the error.
        retry_after: the seconds that the server asks to wait; None if it does not ask.
        answered: False if no answer came at all.
    """

    verdict: Verdict
    words: str = ""
    retry_after: float | None = None
    answered: bool = True


def verdict_of(status: int) -> Verdict:
    """Return what a status of `startSession` means for the session that was sent."""
    if 200 <= status < 300:
        return Verdict.DELIVERED
    if status in (408, 425, 429) or status >= 500:
        return Verdict.RETRY
    if status in (401, 403, 404, 407) or status < 400:
        return Verdict.HOLD
    return Verdict.TOO_LARGE if status == 413 else Verdict.REJECTED


def retry_after(value: str | None, now: float) -> float | None:
    """Return the seconds that a `Retry-After` header asks for; None if it is invalid.

    The header holds a number or a date. `now` is the time since 1970 in seconds. The result is at
    most 300 s, so that a mistake of the server cannot delay sessions for years.
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
