"""What is to be sent next, as far as it is in memory."""

from __future__ import annotations

import pytest

from honeytrace._delivery.queue import Backlog, Item
from honeytrace._delivery.spool.segment import Place, Segment

MIB = 2**20


@pytest.fixture
def backlog():
    return Backlog()


@pytest.fixture
def place(tmp_path):
    segment = Segment(tmp_path / "1-00000000.spool", new=True)
    yield Place(segment, 0, 0)
    segment.close()


def ready(backlog, serial, body=b"{}", place=None):
    item = Item(serial, body, place)
    backlog.add(item)
    return item


def test_items_come_out_in_order(backlog):
    """What is ready is taken in the order in which it came, and then there is nothing."""
    first, second = ready(backlog, 1), ready(backlog, 2)
    assert [backlog.take(0), backlog.take(0), backlog.take(0)] == [first, second, None]


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


def test_equal_times_keep_the_order_of_being_put_back(backlog):
    """Items that are due at the same moment come out in the order in which they were put back."""
    items = [Item(serial, b"{}") for serial in (3, 1, 2)]
    for item in items:
        backlog.postpone(item, 1.0)
    assert [backlog.take(1.0) for _ in items] == items


def test_sessions_of_earlier_processes_go_last(backlog):
    """They are taken when none of ours is left, in memory or on disk."""
    older = Item(0, b"{}")
    backlog.add_older([older])
    ours = ready(backlog, 1)
    backlog.cold = 1
    taken = [backlog.take(0), backlog.take(0)]
    backlog.cold = 0
    assert [*taken, backlog.take(0)] == [ours, None, older]


def test_what_waits_is_counted(backlog):
    """`waiting` counts what could be sent now: ours, the earlier ones, and those on disk only."""
    ready(backlog, 1)
    backlog.add_older([Item(0, b"{}")])
    backlog.cold = 5
    assert backlog.waiting == 7


def test_it_is_low_with_few_items(backlog):
    """Fewer than 64 items in memory, and it is time to read on."""
    for serial in range(64):
        ready(backlog, serial)
    assert not backlog.low
    backlog.take(0)
    assert backlog.low


def test_many_items_make_it_full(backlog):
    """A thousand bodies in memory are enough, wherever they wait; one less is not."""
    backlog.add_older(Item(0, b"{}") for _ in range(999))
    assert not backlog.full
    backlog.postpone(Item(1, b"{}"), 1.0)
    assert backlog.full


def test_large_items_make_it_full_until_they_are_taken(backlog):
    """Sixteen mebibytes of bodies are enough, whatever their number."""
    ready(backlog, 1, bytes(16 * MIB))
    assert backlog.full
    backlog.take(0)
    assert not backlog.full


def test_it_is_roomy_once_half_of_it_is_gone(backlog):
    """From full, half of the items or of the bytes has to go before there is room again."""
    for serial in range(501):
        ready(backlog, serial)
    assert not backlog.roomy
    backlog.take(0)
    assert backlog.roomy
    ready(backlog, 1000, bytes(8 * MIB))
    assert not backlog.roomy


def test_what_is_on_disk_needs_no_memory_until_it_is_due(backlog, place):
    """A postponed item leaves its body to the disk; without a place there it keeps it."""
    kept, left = Item(1, b"{}"), Item(2, bytes(16 * MIB), place)
    backlog.postpone(kept, 1.0)
    backlog.postpone(left, 1.0)
    assert (kept.body, left.body, backlog.full) == (b"{}", b"", False)


def test_an_item_without_its_body_weighs_nothing(backlog, place):
    """Taking an item whose body is on disk leaves the count of bodies in memory as it was."""
    backlog.postpone(Item(1, b"{}", place), 1.0)
    backlog.take(1.0)
    for serial in range(999):
        ready(backlog, serial)
    assert not backlog.full


def test_forgetting_leaves_what_is_on_disk(backlog, place):
    """`forget` lets go of what is in memory only, ready or put off, and of its weight."""
    ready(backlog, 1, bytes(16 * MIB))
    safe = ready(backlog, 2, b"{}", place)
    backlog.postpone(Item(3, b"{}"), 1.0)
    later = Item(4, b"{}", place)
    backlog.postpone(later, 2.0)
    backlog.forget()
    assert [backlog.take(9), backlog.take(9), backlog.take(9)] == [later, safe, None]
    assert not backlog.full
