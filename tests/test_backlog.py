"""What waits and what is out, in memory."""

from __future__ import annotations

import pytest

from honeytrace._backlog import Backlog


@pytest.fixture
def backlog():
    return Backlog()


def ready(backlog, serial, body=b"{}"):
    item = backlog.open(serial)
    backlog.append(item, body)
    return item


def test_items_come_out_in_order(backlog):
    """What is ready is taken in the order in which it came."""
    first, second = ready(backlog, 1), ready(backlog, 2)
    assert [backlog.take(0), backlog.take(0), backlog.take(0)] == [first, second, None]


def test_an_opened_item_is_counted_but_not_taken(backlog):
    """While it is being encoded, an item counts as open and does not wait to be sent."""
    backlog.open(1)
    assert (len(backlog), backlog.waiting, backlog.take(0)) == (1, 0, None)


def test_a_postponed_item_comes_first_once_it_is_due(backlog):
    """An item that is tried again waits for its time, and then goes before the others."""
    again = ready(backlog, 1)
    other, third = ready(backlog, 2), ready(backlog, 3)
    backlog.postpone(backlog.take(0), until=5.0)
    assert backlog.due == 5.0
    assert [backlog.take(4.9), backlog.take(5.0), backlog.take(5.0)] == [other, again, third]


def test_nothing_is_due_without_postponed_items(backlog):
    """`due` is None when no item waits for its time."""
    assert backlog.due is None


def test_equal_times_keep_the_order_of_the_serials(backlog):
    """Items that are due at the same moment come out in the order in which they were accepted."""
    items = [ready(backlog, serial) for serial in (1, 2, 3)]
    for _ in items:
        backlog.take(0)
    for item in reversed(items):
        backlog.postpone(item, 1.0)
    assert [backlog.take(1.0) for _ in items] == items


def test_the_oldest_is_the_first_that_is_not_settled(backlog):
    """Settling in any order, `oldest` is the lowest serial that is still open."""
    first, second = ready(backlog, 1), ready(backlog, 2)
    backlog.settle(first)
    assert backlog.oldest == 2
    backlog.settle(second)
    assert backlog.oldest is None


def test_an_item_is_settled_once(backlog):
    """Only the first of two outcomes of the same item counts."""
    item = ready(backlog, 1)
    assert [backlog.settle(item), backlog.settle(item)] == [True, False]


def test_many_items_make_it_full(backlog):
    """A thousand open items are enough; one less is not."""
    items = [ready(backlog, serial) for serial in range(1000)]
    assert backlog.full
    backlog.settle(items[500])
    assert not backlog.full


def test_large_items_make_it_full_until_they_are_settled(backlog):
    """Sixteen mebibytes of bodies are enough, whatever their number."""
    item = ready(backlog, 1, bytes(16 * 2**20))
    assert backlog.full
    backlog.settle(item)
    assert not backlog.full


def test_it_is_roomy_once_half_of_it_is_gone(backlog):
    """From full, half of the items or of the bytes has to go before there is room again."""
    items = [ready(backlog, serial) for serial in range(1000)]
    for item in items[:499]:
        backlog.settle(item)
    assert not backlog.roomy
    backlog.settle(items[499])
    assert backlog.roomy
    ready(backlog, 1000, bytes(8 * 2**20))
    assert not backlog.roomy


def test_clearing_gives_everything_up(backlog):
    """After `clear` nothing is open, waits or is due, and its number was told."""
    ready(backlog, 1)
    backlog.postpone(backlog.take(0), 1.0)
    ready(backlog, 2, bytes(16 * 2**20))
    backlog.open(3)
    assert backlog.clear() == 3
    assert (len(backlog), backlog.waiting, backlog.due, backlog.full) == (0, 0, None, False)


def test_an_item_that_was_given_up_does_not_come_back(backlog):
    """Neither a late body nor a late postponement brings an item back after `clear`."""
    encoding, sending = backlog.open(1), ready(backlog, 2)
    backlog.take(0)
    backlog.clear()
    backlog.append(encoding, b"{}")
    backlog.postpone(sending, 1.0)
    assert (backlog.waiting, backlog.due) == (0, None)
