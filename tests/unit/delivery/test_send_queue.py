"""The sessions in memory that are to be sent next."""

from __future__ import annotations

import pytest

from honeytrace._delivery.send_queue import MAX_SESSIONS, Item, SendQueue
from honeytrace._delivery.spool.segment import RecordRef, Segment

MIB = 2**20


@pytest.fixture
def send_queue():
    return SendQueue()


@pytest.fixture
def place(tmp_path):
    segment = Segment(tmp_path / "1-00000000.spool", new=True)
    yield RecordRef(segment, 0, 0)
    segment.close()


def ready(send_queue, serial, body=b"{}", place=None):
    item = Item(serial, body, place)
    send_queue.add(item)
    return item


def test_items_come_out_in_order(send_queue):
    """Items are taken in the order in which they came, until there are none."""
    first, second = ready(send_queue, 1), ready(send_queue, 2)
    assert [send_queue.take(0), send_queue.take(0), send_queue.take(0)] == [first, second, None]


def test_a_postponed_item_comes_first_once_it_is_due(send_queue):
    """An item that is tried again waits for its time, and then goes before the others."""
    again = ready(send_queue, 1)
    other, third = ready(send_queue, 2), ready(send_queue, 3)
    send_queue.postpone(send_queue.take(0), until=5.0)
    assert send_queue.due == 5.0
    assert [send_queue.take(4.9), send_queue.take(5.0), send_queue.take(5.0)] == [
        other,
        again,
        third,
    ]


def test_nothing_is_due_without_postponed_items(send_queue):
    """`due` is None when no item waits for its time."""
    assert send_queue.due is None


def test_equal_times_keep_the_order_of_being_put_back(send_queue):
    """Items that are due at the same moment come out in the order in which they were put back."""
    items = [Item(serial, b"{}") for serial in (3, 1, 2)]
    for item in items:
        send_queue.postpone(item, 1.0)
    assert [send_queue.take(1.0) for _ in items] == items


def test_sessions_of_earlier_processes_go_last(send_queue):
    """They are taken when none of ours is left, in memory or on disk."""
    older = Item(0, b"{}")
    send_queue.add_older([older])
    ours = ready(send_queue, 1)
    send_queue.cold = 1
    taken = [send_queue.take(0), send_queue.take(0)]
    send_queue.cold = 0
    assert [*taken, send_queue.take(0)] == [ours, None, older]


def test_what_waits_is_counted(send_queue):
    """`waiting` counts what could be sent now: ours, the earlier ones, and those on disk only."""
    ready(send_queue, 1)
    send_queue.add_older([Item(0, b"{}")])
    send_queue.cold = 5
    assert send_queue.waiting == 7


def test_it_is_low_with_few_items(send_queue):
    """Fewer than 64 items in memory, and it is time to read on."""
    for serial in range(64):
        ready(send_queue, serial)
    assert not send_queue.low
    send_queue.take(0)
    assert send_queue.low


def test_many_items_make_it_full(send_queue):
    """Some thousand bodies in memory are enough, wherever they wait; one less is not."""
    send_queue.add_older(Item(0, b"{}") for _ in range(MAX_SESSIONS - 1))
    assert not send_queue.full
    send_queue.postpone(Item(1, b"{}"), 1.0)
    assert send_queue.full


def test_large_items_make_it_full_until_they_are_taken(send_queue):
    """Sixteen mebibytes of bodies are enough, whatever their number."""
    ready(send_queue, 1, bytes(16 * MIB))
    assert send_queue.full
    send_queue.take(0)
    assert not send_queue.full


def test_what_is_on_disk_needs_no_memory_until_it_is_due(send_queue, place):
    """A postponed item leaves its body to the disk; without a place there it keeps it."""
    kept, left = Item(1, b"{}"), Item(2, bytes(16 * MIB), place)
    send_queue.postpone(kept, 1.0)
    send_queue.postpone(left, 1.0)
    assert (kept.body, left.body, send_queue.full) == (b"{}", b"", False)


def test_an_item_without_its_body_weighs_nothing(send_queue, place):
    """Taking an item whose body is on disk leaves the count of bodies in memory as it was."""
    send_queue.postpone(Item(1, b"{}", place), 1.0)
    send_queue.take(1.0)
    for serial in range(MAX_SESSIONS - 1):
        ready(send_queue, serial)
    assert not send_queue.full


def test_forgetting_leaves_what_is_on_disk(send_queue, place):
    """`forget` drops the items that are in memory only, ready or put off, and their size."""
    ready(send_queue, 1, bytes(16 * MIB))
    safe = ready(send_queue, 2, b"{}", place)
    send_queue.postpone(Item(3, b"{}"), 1.0)
    later = Item(4, b"{}", place)
    send_queue.postpone(later, 2.0)
    send_queue.forget()
    assert [send_queue.take(9), send_queue.take(9), send_queue.take(9)] == [later, safe, None]
    assert not send_queue.full


def test_items_that_were_put_back_leave_turns_to_others(send_queue):
    """Updates that wait for a session must not keep the session itself from being sent."""
    early = [Item(serial, b"{}") for serial in range(1, 6)]
    for item in early:
        send_queue.postpone(item, 1.0)
    new, older = ready(send_queue, 6), Item(0, b"{}")
    send_queue.add_older([older])
    taken = [send_queue.take(1.0) for _ in range(8)]
    assert taken == [early[0], new, early[1], older, *early[2:], None]
