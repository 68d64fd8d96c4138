"""The counts: every session is in exactly one of them, and a flush knows what it waits for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from honeytrace._delivery.stats import Ledger, Stats


@pytest.fixture
def ledger():
    return Ledger()


def take(ledger, number, spooled=False):
    serials = [ledger.take() for _ in range(number)]
    for _ in serials if spooled else ():
        ledger.spool()
    return serials


def test_serials_count_from_one(ledger):
    """The serial number of a session says how many were taken up to it."""
    assert take(ledger, 3) == [1, 2, 3]


def test_each_outcome_has_its_count(ledger):
    """A session is in memory, then on disk, then delivered, rejected or dropped."""
    take(ledger, 5)
    ledger.spool()
    ledger.deliver(1, spooled=True)
    ledger.reject(2, spooled=False)
    ledger.drop(3, spooled=False)
    ledger.spool()
    assert ledger.stats(waiting=0, refused=0, last=None) == Stats(
        accepted=5, delivered=1, queued=1, spooled=1, rejected=1, dropped=1
    )


def test_what_was_not_taken_is_counted_too(ledger):
    """Sessions that wait to be taken are queued, those that were refused are dropped."""
    take(ledger, 1)
    stats = ledger.stats(waiting=2, refused=3, last="words")
    assert (stats.accepted, stats.queued, stats.dropped, stats.last_error) == (6, 3, 3, "words")


def test_a_mark_is_reached_when_all_before_it_are_settled(ledger):
    """Whatever becomes of the sessions up to the mark, and in any order."""
    take(ledger, 3)
    mark = ledger.mark(waiting=0)
    ledger.drop(3, spooled=False)
    ledger.deliver(1, spooled=False)
    assert (mark.left, ledger.reached) == (1, False)
    ledger.reject(2, spooled=False)
    assert (mark.left, ledger.reached, ledger.settled) == (0, True, 3)


def test_later_sessions_do_not_count_for_a_mark(ledger):
    """A flush waits for what was accepted before it, and for no more."""
    take(ledger, 1)
    mark = ledger.mark(waiting=0)
    take(ledger, 1)
    ledger.deliver(2, spooled=False)
    assert mark.left == 1


def test_a_mark_counts_what_waits_to_be_taken(ledger):
    """Sessions that were accepted and not yet taken are part of it."""
    mark = ledger.mark(waiting=2)
    take(ledger, 2)
    ledger.deliver(1, spooled=False)
    assert mark.left == 1
    ledger.deliver(2, spooled=False)
    assert ledger.reached


def test_a_mark_that_was_taken_back_is_not_reached(ledger):
    """After `unmark` there is no flush to wake."""
    ledger.unmark(ledger.mark(waiting=0))
    assert not ledger.reached


def test_a_lost_segment_of_later_sessions_does_not_reach_a_mark(ledger):
    """Dropping many at once brings a flush nearer only by those that it waits for."""
    take(ledger, 3, spooled=True)
    mark = ledger.mark(waiting=0)
    take(ledger, 7, spooled=True)
    ledger.drop(10, spooled=True, number=6)
    assert mark.left == 3
    ledger.drop(4, spooled=True, number=2)
    assert mark.left == 2


@given(st.integers(0, 30), st.integers(0, 30), st.data())
def test_a_mark_is_never_reached_early_and_always_in_the_end(before, after, data):
    """With sessions lost in lumps, of which only the highest serial number is known."""
    ledger = Ledger()
    left = set(take(ledger, before, spooled=True))
    mark = ledger.mark(waiting=0)
    left |= set(take(ledger, after, spooled=True))
    while left:
        lump = data.draw(st.sets(st.sampled_from(sorted(left)), min_size=1))
        left -= lump
        ledger.drop(max(lump), spooled=True, number=len(lump))
        assert mark.left >= sum(serial <= mark.serial for serial in left)
    assert mark.left <= 0
