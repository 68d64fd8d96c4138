"""How fast to send. The moments are plain numbers here: nothing waits."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from honeytrace._delivery.retry import Answer, Pace, Verdict, back_off

NO_ANSWER = Answer(Verdict.RETRY, "ConnectError", answered=False)
BUSY = Answer(Verdict.RETRY, "status 503")
REFUSED = Answer(Verdict.HOLD, "status 401")


@pytest.fixture
def pace():
    return Pace(most_senders=32)


def quick(pace, seconds, answers=2):
    for _ in range(answers):
        pace.settled(seconds)


def test_one_sender_until_the_server_is_known(pace):
    """With fewer than two answers, one sender serves any backlog."""
    pace.settled(0.05)
    assert pace.senders(10_000) == 1


def test_a_quick_server_has_one_sender(pace):
    """A server that answers within 5 ms is limited by our own work, so more would not help."""
    quick(pace, 0.005)
    assert pace.senders(10_000) == 1


@pytest.mark.parametrize(("waiting", "senders"), [(0, 1), (10, 1), (100, 10), (10_000, 32)])
def test_a_slow_server_has_senders_by_the_backlog(pace, waiting, senders):
    """At 50 ms an answer, there are as many senders as empty the backlog in half a second."""
    quick(pace, 0.05)
    assert pace.senders(waiting) == senders


def test_the_quickest_answer_of_late_counts(pace):
    """Slow answers beside a quick one add no senders: they waited for the interpreter."""
    quick(pace, 0.5, answers=15)
    pace.settled(0.001)
    assert pace.senders(10_000) == 1


def test_old_answers_are_forgotten(pace):
    """The pace follows the latest sixteen answers."""
    pace.settled(0.001)
    quick(pace, 0.05, answers=16)
    assert pace.senders(10_000) == 32


def test_a_missing_answer_pauses_at_once(pace):
    """When no answer came, nothing is sent for a moment, and then by one sender."""
    quick(pace, 0.05)
    pace.put_off(NO_ANSWER, now=100.0)
    assert 100.0 <= pace.until <= 100.2
    assert (pace.failing, pace.senders(10_000)) == (True, 1)


def test_a_lone_refusal_pauses_nothing(pace):
    """One session that the server cannot take yet does not hold up the others."""
    for _ in range(4):
        pace.put_off(BUSY, now=100.0)
    assert (pace.failing, pace.until) == (False, 0.0)


def test_five_refusals_in_a_row_pause(pace):
    """Five refusals without a success between mean that the server is at fault."""
    for _ in range(5):
        pace.put_off(BUSY, now=100.0)
    assert pace.failing


def test_a_success_between_starts_the_count_anew(pace):
    """Refusals that are not in a row pause nothing."""
    for _ in range(4):
        pace.put_off(BUSY, now=100.0)
    pace.settled(0.01)
    pace.put_off(BUSY, now=100.0)
    assert not pace.failing


def test_retry_after_holds_for_all(pace):
    """The server's own wish is followed, for all sessions."""
    pace.put_off(Answer(Verdict.RETRY, "status 429", retry_after=7.0), now=100.0)
    assert (pace.until, pace.failing) == (107.0, True)


def test_the_longest_wish_wins(pace):
    """A shorter wish does not end a longer pause."""
    for seconds in (60.0, 1.0):
        pace.put_off(Answer(Verdict.RETRY, "status 429", retry_after=seconds), now=100.0)
    assert pace.until == 160.0


def test_a_refused_key_waits_a_minute(pace):
    """A server that refuses the key or the path is tried again after a minute."""
    pace.put_off(REFUSED, now=100.0)
    assert pace.until == 160.0


def test_what_was_under_way_does_not_prolong_a_pause(pace):
    """Failures that arrive during a pause belong to requests from before it."""
    pace.put_off(Answer(Verdict.RETRY, retry_after=5.0), now=100.0)
    for _ in range(20):
        pace.put_off(NO_ANSWER, now=101.0)
    assert pace.until == 105.0


def test_a_success_ends_the_pause_and_says_so(pace):
    """The first success after failures ends the pause and reports the recovery, once."""
    pace.put_off(REFUSED, now=100.0)
    assert [pace.settled(0.01), pace.settled(0.01)] == [True, False]
    assert (pace.failing, pace.until) == (False, 0.0)


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
def test_a_slip_is_no_outage(pace, answers, down):
    """A server is down when it fails again after a pause, or says itself that it will."""
    for moment, answer in enumerate(answers):
        pace.put_off(answer, now=100.0 + moment)
    assert pace.down is down
    pace.settled(0.01)
    assert not pace.down


def test_bad_luck_does_not_wait_long(pace):
    """One session that fails again and again waits up to 3 s while the server takes others."""
    assert max(pace.retry_in(20) for _ in range(200)) <= 3.0
    pace.put_off(REFUSED, now=100.0)
    assert max(pace.retry_in(20) for _ in range(200)) > 3.0


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
