"""The pace of sending. Times are plain numbers here: nothing waits.

The verdict of each status is tested in `test_http_sender.py`.
"""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from honeytrace._delivery.retry import Answer, RetryPolicy, Verdict, back_off

NO_ANSWER = Answer(Verdict.RETRY, "ConnectError", answered=False)
BUSY = Answer(Verdict.RETRY, "status 503")
REFUSED = Answer(Verdict.HOLD, "status 401")


@pytest.fixture
def retry():
    return RetryPolicy(most_requests=32)


def quick(retry, seconds, answers=2):
    for _ in range(answers):
        retry.settled(seconds, now=100.0)


def test_one_request_at_a_time_until_the_server_is_known(retry):
    """With fewer than two answers, whatever the backlog."""
    retry.settled(0.05, now=100.0)
    assert retry.requests(10_000) == 1


def test_a_quick_server_gets_one_request_at_a_time(retry):
    """A server that answers within 5 ms is limited by our own work, so more would not help."""
    quick(retry, 0.005)
    assert retry.requests(10_000) == 1


@pytest.mark.parametrize(("waiting", "requests"), [(0, 1), (10, 1), (100, 10), (10_000, 32)])
def test_a_slow_server_gets_requests_by_the_backlog(retry, waiting, requests):
    """At 50 ms an answer, there are as many at once as empty the backlog in half a second."""
    quick(retry, 0.05)
    assert retry.requests(waiting) == requests


def test_threads_that_run_are_used(retry):
    """Towards the end of a backlog, no thread idles while there is something to send."""
    quick(retry, 0.05)
    assert [retry.requests(20, possible) for possible in (0, 16, 64)] == [2, 16, 32]
    quick(retry, 0.001)
    assert retry.requests(20, 16) == 1


def test_the_time_of_an_early_update_counts_as_well(retry):
    """A server that is far away is slow for updates that wait for their session, too."""
    retry.note_time(0.05)
    retry.note_time(0.05)
    assert retry.slow
    assert not retry.failing


def test_the_quickest_answer_of_late_counts(retry):
    """Slow answers beside a quick one do not count: they waited for the interpreter."""
    quick(retry, 0.5, answers=15)
    retry.settled(0.001, now=100.0)
    assert retry.requests(10_000) == 1


def test_old_answers_are_forgotten(retry):
    """The pace follows the latest sixteen answers."""
    retry.settled(0.001, now=100.0)
    quick(retry, 0.05, answers=16)
    assert retry.requests(10_000) == 32


def test_a_missing_answer_pauses_at_once(retry):
    """When no answer came, nothing is sent for a moment, and then one request at a time."""
    quick(retry, 0.05)
    retry.note_failure(NO_ANSWER, now=100.0)
    assert 100.0 <= retry.until <= 100.2
    assert (retry.failing, retry.requests(10_000)) == (True, 1)


def test_a_lone_refusal_pauses_nothing(retry):
    """One session that the server cannot take yet does not hold up the others."""
    for _ in range(4):
        retry.note_failure(BUSY, now=100.0)
    assert (retry.failing, retry.until) == (False, 0.0)


def test_five_refusals_in_a_row_pause(retry):
    """Five refusals without a success between mean that the server is at fault."""
    for _ in range(5):
        retry.note_failure(BUSY, now=100.0)
    assert retry.failing


def test_a_success_between_starts_the_count_anew(retry):
    """Refusals that are not in a row pause nothing."""
    for _ in range(4):
        retry.note_failure(BUSY, now=100.0)
    retry.settled(0.01, now=100.0)
    retry.note_failure(BUSY, now=100.0)
    assert not retry.failing


def test_retry_after_holds_for_all(retry):
    """The server's own wish is followed, for all sessions."""
    retry.note_failure(Answer(Verdict.RETRY, "status 429", retry_after=7.0), now=100.0)
    assert (retry.until, retry.failing) == (107.0, True)


def test_the_longest_wish_wins(retry):
    """A shorter wish does not end a longer pause."""
    for seconds in (60.0, 1.0):
        retry.note_failure(Answer(Verdict.RETRY, "status 429", retry_after=seconds), now=100.0)
    assert retry.until == 160.0


def test_a_refused_key_waits_a_minute(retry):
    """A server that refuses the key or the path is tried again after a minute."""
    retry.note_failure(REFUSED, now=100.0)
    assert retry.until == 160.0


def test_what_was_under_way_does_not_prolong_a_pause(retry):
    """Failures that arrive during a pause belong to requests from before it."""
    retry.note_failure(Answer(Verdict.RETRY, retry_after=5.0), now=100.0)
    for _ in range(20):
        retry.note_failure(NO_ANSWER, now=101.0)
    assert retry.until == 105.0


def test_a_success_ends_the_pause_and_says_so(retry):
    """The first success after failures ends the pause and reports the recovery, once."""
    retry.note_failure(REFUSED, now=100.0)
    assert [retry.settled(0.01, now=160.0), retry.settled(0.01, now=160.0)] == [True, False]
    assert (retry.failing, retry.until) == (False, 0.0)


@pytest.mark.parametrize("answer", [Answer(Verdict.RETRY, retry_after=60.0), REFUSED])
def test_a_late_success_does_not_end_a_pause_that_was_asked_for(retry, answer):
    """Its request was under way when the server asked for the pause, which goes on for all."""
    retry.note_failure(answer, now=100.0)
    assert not retry.settled(0.01, now=101.0)
    assert (retry.failing, retry.until) == (True, 160.0)
    assert retry.settled(0.01, now=160.0)


def test_a_late_success_ends_a_pause_of_our_own(retry):
    """If a request failed without an answer and another one arrives, the server is there."""
    retry.note_failure(NO_ANSWER, now=100.0)
    assert retry.settled(0.01, now=100.01)
    assert not retry.failing


def test_a_server_that_asks_to_come_back_at_once_is_not_flooded(retry):
    """`Retry-After: 0` is a pause of 2 ms, which a busy loop would not make."""
    for now in (100.0, 200.0):
        retry.note_failure(Answer(Verdict.RETRY, retry_after=0.0), now)
        assert retry.until == now + 0.002


def test_a_refused_key_waits_a_minute_whatever_else_is_said(retry):
    """A refusal with `Retry-After: 0` is still a refusal."""
    retry.note_failure(Answer(Verdict.HOLD, "status 403", retry_after=0.0), now=100.0)
    assert retry.until == 160.0


@pytest.mark.parametrize(
    ("answers", "down"),
    [
        ([NO_ANSWER], False),
        ([NO_ANSWER] * 2, True),
        ([BUSY] * 5, False),
        ([BUSY] * 6, True),
        ([REFUSED], True),
        ([Answer(Verdict.RETRY, retry_after=0.0)], False),
        ([Answer(Verdict.RETRY, retry_after=1.0)], True),
    ],
)
def test_a_slip_is_no_outage(retry, answers, down):
    """A server is down when it fails again after a pause, or says itself that it will."""
    for moment, answer in enumerate(answers):
        retry.note_failure(answer, now=100.0 + moment)
    assert retry.down is down
    retry.settled(0.01, now=1_000.0)
    assert not retry.down


def test_bad_luck_does_not_wait_long(retry):
    """One session that fails again and again waits up to 3 s while the server takes others."""
    assert max(retry.retry_in(20) for _ in range(200)) <= 3.0
    retry.note_failure(REFUSED, now=100.0)
    assert max(retry.retry_in(20) for _ in range(200)) > 3.0


@given(st.integers(1, 10**6))
def test_back_off_stays_within_its_bounds(attempt):
    """Any attempt waits between nothing and 30 seconds, the first at most 0.2."""
    assert 0 <= back_off(attempt) <= min(30.0, 0.1 * 2 ** min(attempt, 20))


def test_back_off_leaves_the_users_random_numbers_alone():
    """The global generator goes on as if nothing had been drawn."""
    random.seed(7)
    before = random.getstate()
    back_off(3)
    assert random.getstate() == before
