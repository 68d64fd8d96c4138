"""The counts: every session is in exactly one of them, and a flush knows what it waits for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from honeytrace._delivery.stats import Counts, Stats


@pytest.fixture
def counts():
    return Counts()


def take(counts, number):
    """Sessions that were taken and written to disk, as the queue counts them."""
    serials = range(counts.taken + 1, counts.taken + number + 1)
    counts.taken += number
    counts.spooled += number
    return list(serials)


def deliver(counts, serial):
    counts.spooled -= 1
    counts.delivered += 1
    counts.passed(serial)


def test_sessions_on_disk_that_are_lost_are_dropped(counts):
    """They are counted as dropped, and no longer as spooled."""
    take(counts, 3)
    counts.drop_spooled(3, 2)
    assert counts.stats(waiting=0, refused=0, last=None) == Stats(accepted=3, spooled=1, dropped=2)


def test_what_was_not_taken_is_counted_too(counts):
    """Sessions that wait to be taken are queued, those that were refused are dropped."""
    take(counts, 1)
    stats = counts.stats(waiting=2, refused=3, last="words")
    assert (stats.accepted, stats.queued, stats.dropped, stats.last_error) == (6, 2, 3, "words")


def test_a_mark_is_reached_when_all_before_it_are_settled(counts):
    """Whatever becomes of the sessions up to the mark, and in any order."""
    take(counts, 3)
    mark = counts.mark(waiting=0)
    counts.drop_spooled(3)
    deliver(counts, 1)
    counts.wake()
    assert (mark.left, mark.bell.wait(0)) == (1, False)
    deliver(counts, 2)
    counts.wake()
    assert (mark.left, mark.bell.wait(0), counts.settled) == (0, True, 3)


def test_later_sessions_do_not_count_for_a_mark(counts):
    """A flush waits for what was accepted before it, and for no more."""
    take(counts, 1)
    mark = counts.mark(waiting=0)
    take(counts, 1)
    deliver(counts, 2)
    assert mark.left == 1


def test_a_mark_counts_what_waits_to_be_taken(counts):
    """Sessions that were accepted and not yet taken are part of it."""
    mark = counts.mark(waiting=2)
    take(counts, 2)
    deliver(counts, 1)
    assert mark.left == 1
    deliver(counts, 2)
    assert mark.left == 0


def test_a_mark_that_was_taken_back_is_not_reached(counts):
    """After `unmark` there is no flush to wake."""
    mark = counts.mark(waiting=0)
    counts.unmark(mark)
    counts.wake(anyway=True)
    assert not mark.bell.wait(0)


def test_a_lost_segment_of_later_sessions_does_not_reach_a_mark(counts):
    """Dropping many at once brings a flush nearer only by those that it waits for."""
    take(counts, 3)
    mark = counts.mark(waiting=0)
    take(counts, 7)
    counts.drop_spooled(10, 6)
    assert mark.left == 3
    counts.drop_spooled(4, 2)
    assert mark.left == 2


def test_many_at_once_bring_a_mark_nearer(counts):
    """Sessions that were counted out before, of which some are none of its own."""
    serials = take(counts, 2)
    mark = counts.mark(waiting=0)
    later = take(counts, 2)
    counts.spooled -= 3
    counts.delivered += 3
    counts.passed_all([serials[0], *later])
    assert mark.left == 1


@given(st.integers(0, 30), st.integers(0, 30), st.data())
def test_a_mark_is_never_reached_early_and_always_in_the_end(before, after, data):
    """With sessions lost in lumps, of which only the highest serial number is known."""
    counts = Counts()
    left = set(take(counts, before))
    mark = counts.mark(waiting=0)
    left |= set(take(counts, after))
    while left:
        lump = data.draw(st.sets(st.sampled_from(sorted(left)), min_size=1))
        left -= lump
        counts.drop_spooled(max(lump), len(lump))
        assert mark.left >= sum(serial <= mark.serial for serial in left)
    assert mark.left <= 0
