"""The sessions that are yet to be delivered: each is counted once and sent until it is settled."""

from __future__ import annotations

import json
import math
import os
import shutil
import threading
import time
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from honeytrace._delivery.queue import Outbox
from honeytrace._delivery.retry import Answer, Verdict
from honeytrace._delivery.spool.directory import REJECTED, Bounds, Spool
from honeytrace._delivery.spool.segment import SUFFIX
from honeytrace._utils.guard import Faults

DELIVERED = Answer(Verdict.DELIVERED, "status 200")
REJECTED_ANSWER = Answer(Verdict.REJECTED, "status 400")
FULL = 1_000  # so many sessions in memory are enough


def new_spool(root, **bounds):
    return Spool(Path(root), "https://example.test", "p", Bounds(**{"pause": 0, **bounds}))


@pytest.fixture
def make(tmp_path):
    """Makes outboxes; each is what a further process would have."""
    spools = []

    def outbox(**bounds):
        spools.append(new_spool(tmp_path, **bounds))
        return Outbox(Faults(), spools[-1])

    yield outbox
    [spool.disown() for spool in spools]


@pytest.fixture
def outbox(make):
    return make()


@pytest.fixture
def loose():
    """An outbox without a spool."""
    return Outbox(Faults(), None)


def fill(outbox, count, size=0):
    """Takes sessions in; returns the items."""
    items = [outbox.open() for _ in range(count)]
    for item in items:
        outbox.keep(item, b'{"n":%d}' % item.serial + b" " * size)
    return items


def counts(outbox):
    stats = outbox.ledger.stats(0, 0, None)
    names = ("accepted", "delivered", "queued", "spooled", "rejected", "dropped", "resent")
    return {name: getattr(stats, name) for name in names if getattr(stats, name)}


def take(outbox):
    return outbox.backlog.take(math.inf)


def read_on(outbox):
    outbox.begin_reading()
    outbox.read_on()


def deliver(outbox):
    """Sends all there is, as senders do; returns the bodies."""
    bodies = []
    while True:
        if outbox.may_read_on:
            read_on(outbox)
        elif item := take(outbox):
            body = outbox.body(item)
            if body is None:
                outbox.lose(item)
            else:
                bodies.append(body)
                outbox.settle(item, DELIVERED)
        else:
            return bodies


def numbers(bodies):
    return [json.loads(body)["n"] for body in bodies]


def refuse(outbox):
    """A disk that takes nothing, until `accept`."""
    outbox.spool.directory.write_text("a file")


def accept(outbox):
    outbox.spool.directory.unlink()


# ---- Counting


def test_a_session_is_counted_on_its_way(outbox):
    """In memory while it is encoded, then on disk, then delivered."""
    item = outbox.open()
    seen = [counts(outbox)]
    outbox.keep(item, b"{}")
    seen.append(counts(outbox))
    outbox.settle(take(outbox), DELIVERED)
    assert [*seen, counts(outbox)] == [
        {"accepted": 1, "queued": 1},
        {"accepted": 1, "spooled": 1},
        {"accepted": 1, "delivered": 1},
    ]


def test_without_a_spool_sessions_are_in_memory(loose):
    """Until they are settled, each as it turns out."""
    fill(loose, 3)
    assert (counts(loose), loose.unsafe) == ({"accepted": 3, "queued": 3}, False)
    loose.settle(take(loose), DELIVERED)
    loose.settle(take(loose), REJECTED_ANSWER)
    assert counts(loose) == {"accepted": 3, "queued": 1, "delivered": 1, "rejected": 1}


def test_a_rejected_session_is_set_aside(outbox):
    """With what the server said."""
    fill(outbox, 1)
    outbox.settle(take(outbox), REJECTED_ANSWER)
    line = json.loads((outbox.spool.directory / REJECTED).read_text())
    assert (line, counts(outbox)) == (
        {"answer": "status 400", "request": {"n": 1}},
        {"accepted": 1, "rejected": 1},
    )


def test_all_is_delivered_in_order(outbox):
    """More sessions than memory has room for come back from disk, and no file is left."""
    fill(outbox, FULL + 600)
    assert (outbox.backlog.cold, outbox.backlog.full) == (600, True)
    assert numbers(deliver(outbox)) == list(range(1, FULL + 601))
    assert (outbox.close(), list(outbox.spool.directory.glob("*" + SUFFIX))) == (0, [])
    assert counts(outbox) == {"accepted": FULL + 600, "delivered": FULL + 600}


def test_reading_on_begins_before_the_senders_are_out_of_work(outbox):
    """When few are left in memory, and by one thread at a time."""
    fill(outbox, FULL + 1)
    assert not outbox.may_read_on
    [take(outbox) for _ in range(FULL - 63)]
    assert outbox.may_read_on
    outbox.begin_reading()
    assert not outbox.may_read_on


def test_what_is_put_back_is_sent_again(outbox):
    """From the disk, where its body is meanwhile; a sender finds the same bytes."""
    fill(outbox, 1)
    item = take(outbox)
    outbox.put_back(item, 5.0)
    assert (item.body, outbox.backlog.take(4.9), take(outbox)) == (b"", None, item)
    assert outbox.body(item) == b'{"n":1}'


# ---- Disks that refuse


def test_what_the_disk_refuses_stays_in_memory(outbox, caplog):
    """It is sent from there; one warning says so, and one that it is over."""
    refuse(outbox)
    fill(outbox, 2)
    assert (counts(outbox), outbox.unsafe) == ({"accepted": 2, "queued": 2}, True)
    accept(outbox)
    fill(outbox, 1)
    assert numbers(deliver(outbox)) == [1, 2, 3]
    assert [record.getMessage().split(" (")[0] for record in caplog.records] == [
        "honeytrace: sessions are kept in memory only, the spool cannot be written",
        "honeytrace: sessions are kept on disk again",
    ]


def test_what_is_in_memory_is_written_later(outbox):
    """As soon as the disk takes it; what is not encoded yet waits, and nothing is sent twice."""
    refuse(outbox)
    items = fill(outbox, 3)
    encoding = outbox.open()
    outbox.secure()
    assert [item.place for item in items] == [None] * 3
    accept(outbox)
    outbox.secure()
    assert counts(outbox) == {"accepted": 4, "queued": 1, "spooled": 3}
    outbox.keep(encoding, b'{"n":4}')
    assert numbers(deliver(outbox)) == [1, 2, 3, 4]


def test_what_is_written_down_while_it_is_sent_is_settled_on_disk_too(outbox):
    """Its place is new when the answer comes, and no other process sends it again."""
    refuse(outbox)
    fill(outbox, 2)
    first, second = take(outbox), take(outbox)
    accept(outbox)
    outbox.secure()
    outbox.settle(first, DELIVERED)
    outbox.put_back(second, 1.0)
    assert (counts(outbox), second.body) == ({"accepted": 2, "delivered": 1, "spooled": 1}, b"")
    assert numbers(deliver(outbox)) == [2]
    assert outbox.spool.unread == 0


def test_it_is_cramped_when_memory_is_full_and_the_disk_refuses(make, loose):
    """The worker then waits; with a disk that serves, there is always room."""
    outbox = make(pause=60)
    fill(outbox, FULL)
    fill(loose, FULL)
    assert (outbox.cramped, loose.cramped) == (False, True)
    shutil.rmtree(outbox.spool.directory)
    refuse(outbox)
    fill(outbox, 1)
    assert outbox.cramped


def test_sessions_go_to_memory_when_the_disk_refuses_later_ones(outbox):
    """Those on disk only are read all the same, and all of them arrive."""
    fill(outbox, FULL + 10)
    os.rename(outbox.spool.directory, moved := outbox.spool.directory.with_name("moved"))
    refuse(outbox)
    fill(outbox, 5)
    assert counts(outbox) == {"accepted": FULL + 15, "queued": 5, "spooled": FULL + 10}
    assert sorted(numbers(deliver(outbox))) == list(range(1, FULL + 16))
    accept(outbox)
    os.rename(moved, outbox.spool.directory)


# ---- Bounds and damage


def test_what_has_no_room_is_dropped_and_counted(make, caplog):
    """The oldest segments; what of them is in flight or in memory is not counted again."""
    outbox = make(segment=1_000, total=4_000)
    flying, waiting = fill(outbox, 2, size=480)
    take(outbox)
    fill(outbox, 12, size=480)
    dropped = counts(outbox)["dropped"]
    assert (flying.place.segment.gone, waiting.place.segment.gone) == (True, True)
    outbox.settle(flying, DELIVERED)
    outbox.put_back(flying, 1.0)
    assert counts(outbox) == {"accepted": 14, "dropped": dropped, "spooled": 14 - dropped}
    assert outbox.backlog.due is None
    assert "the oldest sessions were dropped: 2" in caplog.text


def test_what_is_on_disk_only_and_dropped_is_not_waited_for(make):
    """It is in no count but that of the dropped, and the rest is read."""
    outbox = make(segment=4_000, total=20_000)
    fill(outbox, FULL, size=0)
    [take(outbox) for _ in range(FULL)]
    outbox.backlog.cold = 1  # so that what follows is on disk only
    fill(outbox, 200, size=400)
    kept = outbox.spool.unread
    assert 0 < kept < 200
    assert outbox.backlog.cold == kept
    bodies = deliver(outbox)
    assert numbers(bodies) == list(range(FULL + 201 - kept, FULL + 201))


def test_a_body_whose_segment_was_dropped_is_lost_once(make):
    """It was counted with its segment."""
    outbox = make(segment=1_000, total=2_000)
    fill(outbox, 1, size=980)
    item = take(outbox)
    outbox.put_back(item, 1.0)
    fill(outbox, 4, size=980)
    before = counts(outbox)
    assert (take(outbox), outbox.body(item)) == (item, None)
    outbox.lose(item)
    assert counts(outbox) == before


def test_sessions_of_others_that_have_no_room_are_not_ours_to_count(make, caplog):
    """They are said with the rest, and our counts are ours."""
    first = make()
    fill(first, 3, size=1_000)
    first.spool.release()
    second = make(total=2_000)
    fill(second, 1)
    assert counts(second) == {"accepted": 1, "spooled": 1}
    assert "the oldest sessions were dropped: 3" in caplog.text


def test_what_was_damaged_before_it_is_read_is_dropped_and_counted(outbox, caplog):
    """How many there were is known, and the warning says it."""
    fill(outbox, FULL + 10)
    [path] = outbox.spool.directory.glob("*" + SUFFIX)
    os.truncate(path, path.stat().st_size - 50)
    assert numbers(deliver(outbox)) == list(range(1, FULL + 9))
    assert counts(outbox) == {"accepted": FULL + 10, "delivered": FULL + 8, "dropped": 2}
    assert caplog.messages == [
        "honeytrace: sessions on disk were damaged and are lost: 2",
    ]


def test_what_was_damaged_before_it_is_sent_again_is_dropped_and_counted(outbox, caplog):
    """A body that is not what was written is not sent."""
    fill(outbox, 2)
    outbox.put_back(take(outbox), 1.0)
    [path] = outbox.spool.directory.glob("*" + SUFFIX)
    path.write_bytes(path.read_bytes().replace(b'"n":1', b'"n":7'))
    assert numbers(deliver(outbox)) == [2]
    assert counts(outbox) == {"accepted": 2, "delivered": 1, "dropped": 1}
    assert "damaged and are lost: 1" in caplog.text


# ---- Ended processes


def test_sessions_of_ended_processes_go_after_ours(make):
    """They are counted as resent and in no other count."""
    first, second = make(), make()
    fill(first, 3)
    first.close()
    first.spool.release()
    fill(second, 1)
    second.settle(take(second), DELIVERED)
    assert (second.older, second.may_read_on) == (True, True)
    assert numbers(deliver(second)) == [1, 2, 3]
    assert counts(second) == {"accepted": 1, "delivered": 1, "resent": 3}
    assert not second.older


def test_a_rejected_session_of_an_ended_process_is_counted_apart(make):
    """It is set aside like one of ours, and not resent."""
    first, second = make(), make()
    fill(first, 1)
    first.spool.release()
    read_on(second)
    second.settle(take(second), REJECTED_ANSWER)
    assert (counts(second), second.ledger.older_rejected) == ({}, 1)


def test_a_damaged_session_of_an_ended_process_is_in_no_count(make, caplog):
    """It is said, and not ours to count."""
    first, second = make(), make()
    fill(first, 1)
    first.spool.release()
    read_on(second)
    item = take(second)
    second.put_back(item, 1.0)
    [path] = second.spool.directory.glob("*" + SUFFIX)
    os.truncate(path, 30)
    second.lose(take(second))
    assert (counts(second), second.older) == ({}, True)
    assert "damaged and are lost: 1" in caplog.text


def test_files_of_a_newer_version_are_said(outbox, caplog):
    """They are left to it, and a warning tells how many there are."""
    fill(outbox, 1)
    (outbox.spool.directory / f"1-00000000{SUFFIX}").write_bytes(b"honeytrace spool 2\n")
    assert numbers(deliver(outbox)) == [1]
    assert caplog.messages == [
        "honeytrace: files of a newer version of honeytrace are left to it on disk: 1"
    ]


# ---- Threads and signal handlers


def test_what_is_written_down_while_it_is_booked_is_settled_on_disk_too(outbox):
    """Between the answer and its booking, too: nothing of it is left to send."""
    refuse(outbox)
    fill(outbox, 1)
    item = take(outbox)
    accept(outbox)
    with outbox.lock:
        settling = threading.Thread(target=outbox.settle, args=(item, REJECTED_ANSWER))
        settling.start()
        settling.join(0.1)  # it waits for the lock
        outbox.secure()
    settling.join()
    outbox.spool.rest()
    assert counts(outbox) == {"accepted": 1, "rejected": 1}
    assert not list(outbox.spool.directory.glob("*" + SUFFIX))


def test_what_is_written_down_before_it_is_kept_is_sent_once(outbox):
    """Who ends a program may be quicker than the worker with the session it has just encoded."""
    keeping = threading.Thread(target=fill, args=(outbox, 500))
    keeping.start()
    while keeping.is_alive():
        outbox.secure()
    assert numbers(deliver(outbox)) == list(range(1, 501))
    assert counts(outbox) == {"accepted": 500, "delivered": 500}


def test_what_is_given_up_while_it_is_written_is_not_sent(outbox):
    """It was counted as dropped; nothing of it is left on disk for another process."""
    item = outbox.open()
    with outbox.lock:
        keeping = threading.Thread(target=outbox.keep, args=(item, b'{"n":1}'))
        keeping.start()
        deadline = time.monotonic() + 10
        while b'{"n":1}' not in on_disk(outbox) and time.monotonic() < deadline:
            keeping.join(0.01)
        outbox.give_up([item])
    keeping.join()
    outbox.close()
    assert (counts(outbox), on_disk(outbox)) == ({"accepted": 1, "dropped": 1}, b"")


def on_disk(outbox):
    return b"".join(path.read_bytes() for path in outbox.spool.directory.glob("*" + SUFFIX))


def test_what_was_opened_can_be_taken_back(loose):
    """A session that did not get to its place is opened anew, and counted once."""
    first = loose.open()
    mark = loose.ledger.mark(0)
    assert (loose.take_back(first), mark.left) == (True, 0)
    assert loose.take_back(first) is False
    fill(loose, 1)
    assert counts(loose) == {"accepted": 1, "queued": 1}


def test_what_was_kept_is_not_taken_back(outbox):
    """It is where the senders find it."""
    [item] = fill(outbox, 1)
    assert outbox.take_back(item) is False
    assert numbers(deliver(outbox)) == [1]


def test_what_is_on_disk_and_not_kept_goes_to_the_senders(outbox):
    """What `secure` wrote down of a session that was interrupted is not written again."""
    item = outbox.open()
    item.body = b'{"n":1}'
    outbox.secure()
    assert (item.place is None, outbox.take_back(item)) == (False, False)
    assert numbers(deliver(outbox)) == [1]


def test_a_thread_knows_whether_it_is_within(outbox):
    """A signal handler may come while its thread has a lock of the outbox."""
    seen = [outbox.entered]
    with outbox.lock:
        seen.append(outbox.entered)
    assert seen == [False, True]


# ---- The end


def test_what_is_on_disk_survives_the_end(make):
    """Nothing is lost, and another process sends it once this one let go."""
    first, second = make(), make()
    fill(first, FULL + 5)
    assert first.close() == 0
    first.spool.release()
    assert numbers(deliver(second)) == list(range(1, FULL + 6))


def test_the_end_writes_down_what_it_can(outbox):
    """What is in memory goes to the disk, if that takes it by now."""
    refuse(outbox)
    fill(outbox, 2)
    accept(outbox)
    assert (outbox.close(), counts(outbox)) == (0, {"accepted": 2, "spooled": 2})


def test_what_cannot_be_put_on_disk_is_given_up(outbox):
    """It is counted as dropped, and neither sent nor put back nor kept afterwards."""
    fill(outbox, 1)
    shutil.rmtree(outbox.spool.directory)
    refuse(outbox)
    fill(outbox, 2)
    encoding, [_, flying] = outbox.open(), [take(outbox), take(outbox)]
    assert outbox.close() == 3
    outbox.settle(flying, DELIVERED)
    outbox.put_back(flying, 1.0)
    outbox.keep(encoding, b'{"n":4}')
    assert counts(outbox) == {"accepted": 4, "spooled": 1, "dropped": 3}
    assert (take(outbox), outbox.unsafe) == (None, False)


def test_nothing_without_a_spool_outlives_the_end(loose):
    """What was given up is not sent by a later life, and takes no memory."""
    fill(loose, FULL)
    assert (loose.close(), loose.backlog.full, take(loose)) == (FULL, False, None)
    fill(loose, 1)
    assert numbers(deliver(loose)) == [FULL + 1]


# ---- In any order


class Life(RuleBasedStateMachine):
    """Sessions come, are sent, fail and come back, while the disk does what it likes."""

    def __init__(self):
        super().__init__()
        self.root = TemporaryDirectory()
        self.outbox = Outbox(Faults(), None)
        self.encoding = []
        self.out = []
        self.items = {}
        self.open = set()  # taken in, and neither settled nor given up
        self.given_up = set()
        self.wanted = {}  # how often each is yet to be taken
        self.marks = []
        self.moved = False

    @initialize(spool=st.booleans(), total=st.sampled_from([10**9, 30_000]))
    def begin(self, spool, total):
        if spool:
            self.outbox = Outbox(Faults(), new_spool(self.root.name, segment=10_000, total=total))

    # ---- What a delivery does

    @rule()
    def take_in(self):
        item = self.items[len(self.items) + 1] = self.outbox.open()
        self.open.add(item.serial)
        self.encoding.append(item)

    @rule(size=st.integers(0, 500))
    def keep(self, size):
        for item in self.encoding:
            if item.serial in self.open:
                self.wanted[item.serial] = 1
            self.outbox.keep(item, b'{"n":%d}' % item.serial + b" " * size)
        self.encoding.clear()

    @rule(count=st.sampled_from([1, 5, 900]), size=st.sampled_from([0, 20]))
    def keep_many(self, count, size):
        for _ in range(count):
            self.take_in()
        self.keep(size)

    @rule(count=st.sampled_from([1, 3, 700]))
    def take(self, count):
        for _ in range(count):
            if self.outbox.may_read_on:
                read_on(self.outbox)
            if item := take(self.outbox):
                self.send(item)

    def send(self, item):
        body = self.outbox.body(item)
        if body is None:
            self.outbox.lose(item)
        elif item.serial == 0:  # found again, since its file could not be removed
            self.outbox.settle(item, DELIVERED)
        else:
            self.wanted[item.serial] -= 1
            self.out.append(item)
            assert (json.loads(body)["n"], self.wanted[item.serial]) == (item.serial, 0)

    @rule(
        answer=st.sampled_from([DELIVERED, REJECTED_ANSWER]),
        part=st.floats(0, 1),
        first=st.booleans(),
    )
    def settle(self, answer, part, first):
        for _ in range(round(len(self.out) * part)):
            item = self.out.pop(0 if first else -1)
            self.outbox.settle(item, answer)
            self.open.discard(item.serial)

    @rule(part=st.floats(0, 1), until=st.integers(0, 3))
    def put_back(self, part, until):
        for _ in range(round(len(self.out) * part)):
            item = self.out.pop()
            gone = item.place and item.place.segment.gone
            self.wanted[item.serial] += item.serial in self.open and not gone
            self.outbox.put_back(item, until)

    @rule()
    def give_up(self):
        if self.encoding:
            item = self.encoding.pop()
            self.outbox.give_up([item])
            self.gave_up({item.serial} & self.open)

    def gave_up(self, serials):
        self.given_up |= serials
        self.open -= serials
        for serial in serials & self.wanted.keys():
            self.wanted[serial] = 0

    @rule()
    def secure(self):
        self.outbox.secure()

    @rule()
    def close(self):
        lost = self.outbox.close()
        given_up = {serial for serial in self.open if not self.items[serial].place}
        assert lost == len(given_up)
        self.gave_up(given_up)

    @rule()
    def mark(self):
        self.marks.append(self.outbox.ledger.mark(0))

    # ---- What a disk does

    @precondition(lambda self: self.outbox.spool)
    @rule(back=st.booleans())
    def refuse(self, back):
        directory = self.outbox.spool.directory
        if self.moved:
            directory.unlink()
            self.moved.rename(directory)
            self.moved = None
        elif directory.exists():
            self.moved = directory.rename(directory.with_name("moved"))
            directory.touch()

    @precondition(lambda self: self.outbox.spool and not self.moved)
    @rule()
    def delete(self):
        shutil.rmtree(self.outbox.spool.directory, ignore_errors=True)

    @rule()
    def close_descriptors(self):
        for fd in map(int, os.listdir("/proc/self/fd")):
            with suppress(FileNotFoundError):
                if os.readlink(f"/proc/self/fd/{fd}").startswith(self.root.name):
                    os.close(fd)

    # ---- What always holds

    @property
    def unknown(self):
        """How many were dropped of which it is not known here which they are."""
        return self.outbox.ledger.dropped - len(self.given_up)

    @invariant()
    def every_session_is_in_one_count(self):
        of = self.outbox.ledger
        parts = [of.delivered, of.loose, of.spooled, of.rejected, of.dropped]
        assert (sum(parts), min(parts) >= 0) == (of.taken, True)
        assert of.loose + of.spooled <= len(self.open)

    @invariant()
    def what_is_on_disk_only_is_known(self):
        spool = self.outbox.spool
        assert self.outbox.backlog.cold == (spool.unread if spool else 0) >= 0

    @invariant()
    def marks_are_reached_when_all_is_settled(self):
        for mark in self.marks:
            left = sum(serial <= mark.serial for serial in self.open)
            assert left - self.unknown <= mark.left
            assert self.unknown or mark.left == left

    def teardown(self):
        if self.moved:
            self.refuse(True)
        self.keep(0)
        for _ in range(len(self.items) + 10):
            self.take(1)
            self.settle(DELIVERED, 1.0, True)
        of = self.outbox.ledger
        assert (of.loose, of.spooled) == (0, 0)
        assert sum(self.wanted.values()) <= self.unknown
        assert all(mark.left <= 0 for mark in self.marks)
        if self.outbox.spool:
            self.outbox.spool.disown()
        self.root.cleanup()


TestLife = Life.TestCase
TestLife.settings = settings(max_examples=100, stateful_step_count=40)
