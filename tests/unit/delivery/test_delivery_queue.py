"""The sessions that are yet to be delivered: each is counted once and sent until it is settled."""

from __future__ import annotations

import gc
import itertools
import json
import math
import os
import shutil
import sys
import threading
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from honeytrace._delivery import encode_queue, write_queue
from honeytrace._delivery import queue as delivery_queue
from honeytrace._delivery.encode_queue import RUN_SESSIONS
from honeytrace._delivery.queue import DeliveryQueue
from honeytrace._delivery.retry import Answer, Verdict
from honeytrace._delivery.send_queue import MAX_SESSIONS as FULL
from honeytrace._delivery.spool.directory import REJECTED, Bounds, Spool
from honeytrace._delivery.spool.segment import SUFFIX
from honeytrace._utils.guard import ErrorGuard

DELIVERED = Answer(Verdict.DELIVERED, "status 200")
REJECTED_ANSWER = Answer(Verdict.REJECTED, "status 400")


def new_spool(root, **bounds):
    every = {"pause": 0, "look": 0, **bounds}
    return Spool(Path(root), "https://example.test", "p", Bounds(**every))


class Session:
    """A record: a number, which is in its body, and the size of its values."""

    def __init__(self, number, size=0):
        self.number, self.size = number, size


def encode(session):
    return b'{"n":%d}' % session.number + b" " * session.size


@pytest.fixture
def make(tmp_path):
    """Makes queues; each is what a further process would have."""
    spools = []

    def queue(**bounds):
        spools.append(new_spool(tmp_path, **bounds))
        return DeliveryQueue(encode, ErrorGuard(), spools[-1])

    yield queue
    [spool.disown() for spool in spools]


@pytest.fixture
def queue(make):
    return make()


@pytest.fixture
def loose():
    """A queue without a spool."""
    return DeliveryQueue(encode, ErrorGuard(), None)


def put(queue, count=1, size=0):
    """Put sessions in; their numbers are the serial numbers that they will have."""
    first = queue.counts.taken + queue.waiting + 1
    queue.new.extend(Session(number, size) for number in range(first, first + count))


def fill(queue, count, size=0):
    """Put sessions in, and write them, as the writer does; return the items."""
    put(queue, count, size)
    items = []
    while queue.encode():
        items += queue._encoded
        queue.write()
    return items


def counts(queue):
    stats = queue.counts.stats(queue.waiting, 0, None)
    names = ("accepted", "delivered", "queued", "spooled", "rejected", "dropped", "resent")
    return {name: getattr(stats, name) for name in names if getattr(stats, name)}


def take(queue):
    return queue.take(math.inf)


def read_on(queue):
    queue.begin_reading()
    queue.read_on()


def deliver(queue):
    """Sends all there is, as senders do; returns the bodies."""
    bodies = []
    while True:
        if queue.may_read_on:
            read_on(queue)
        elif item := take(queue):
            body = queue.body(item)
            if body is None:
                queue.lose(item)
            else:
                bodies.append(body)
                queue.settle([(item, DELIVERED)])
        else:
            return bodies


def numbers(bodies):
    return [json.loads(body)["n"] for body in bodies]


def refuse(queue):
    """A disk that takes nothing, until `accept`."""
    queue._spool.directory.write_text("a file")


def accept(queue):
    queue._spool.directory.unlink()


# ---- Counting


def test_a_session_is_counted_on_its_way(queue):
    """In memory while it is encoded, then on disk, then delivered."""
    put(queue)
    seen = [counts(queue)]
    queue.encode()
    seen.append(counts(queue))
    queue.write()
    seen.append(counts(queue))
    queue.settle([(take(queue), DELIVERED)])
    assert [*seen, counts(queue)] == [
        {"accepted": 1, "queued": 1},
        {"accepted": 1, "queued": 1},
        {"accepted": 1, "spooled": 1},
        {"accepted": 1, "delivered": 1},
    ]


def test_without_a_spool_sessions_are_in_memory(loose):
    """Until they are settled, each as it turns out."""
    fill(loose, 3)
    assert (counts(loose), loose.unsafe) == ({"accepted": 3, "queued": 3}, False)
    loose.settle([(take(loose), DELIVERED)])
    loose.settle([(take(loose), REJECTED_ANSWER)])
    assert counts(loose) == {"accepted": 3, "queued": 1, "delivered": 1, "rejected": 1}


def test_a_rejected_session_is_set_aside(queue):
    """With what the server said."""
    fill(queue, 1)
    queue.settle([(take(queue), REJECTED_ANSWER)])
    line = json.loads((queue._spool.directory / REJECTED).read_text())
    assert (line, counts(queue)) == (
        {"answer": "status 400", "request": {"n": 1}},
        {"accepted": 1, "rejected": 1},
    )


def test_it_is_said_that_a_rejected_session_could_not_be_set_aside(queue, caplog):
    """The disk may take no copy; the session is counted as rejected all the same."""
    fill(queue, 1)
    (queue._spool.directory / REJECTED).mkdir()
    queue.settle([(take(queue), REJECTED_ANSWER)])
    words = "a session that the server refused could not be set aside in "
    assert words + str(queue._spool.directory / REJECTED) in caplog.text
    assert counts(queue) == {"accepted": 1, "rejected": 1}


def test_all_is_delivered_in_order(queue):
    """More sessions than memory has room for come back from disk, and no file is left."""
    fill(queue, FULL + 600)
    assert 600 - RUN_SESSIONS < queue._ready.cold <= 600
    assert numbers(deliver(queue)) == list(range(1, FULL + 601))
    assert (queue.close(), list(queue._spool.directory.glob("*" + SUFFIX))) == (0, [])
    assert counts(queue) == {"accepted": FULL + 600, "delivered": FULL + 600}


def test_reading_on_begins_before_the_senders_are_out_of_work(queue):
    """When few are left in memory, and by one thread at a time."""
    fill(queue, FULL + RUN_SESSIONS)
    assert not queue.may_read_on
    while len(queue._ready.items) >= 64:
        take(queue)
    assert queue.may_read_on
    queue.begin_reading()
    assert not queue.may_read_on


def test_what_is_put_back_is_sent_again(queue):
    """From the disk, where its body is meanwhile; a sender finds the same bytes."""
    fill(queue, 1)
    item = take(queue)
    queue.put_back(item, 5.0)
    assert (item.body, queue._ready.take(4.9), take(queue)) == (b"", None, item)
    assert queue.body(item) == b'{"n":1}'


# ---- Disks that refuse


def test_what_the_disk_refuses_stays_in_memory(queue, caplog):
    """It is sent from there; one warning says so, and one that it is over."""
    refuse(queue)
    fill(queue, 2)
    assert (counts(queue), queue.unsafe) == ({"accepted": 2, "queued": 2}, True)
    accept(queue)
    fill(queue, 1)
    assert numbers(deliver(queue)) == [1, 2, 3]
    assert [record.getMessage().split(" (")[0] for record in caplog.records] == [
        "honeytrace: sessions are kept in memory only, the spool cannot be written",
        "honeytrace: sessions are kept on disk again",
    ]


def test_what_is_in_memory_is_written_later(queue):
    """As soon as the disk takes it; what is not encoded yet waits, and nothing is sent twice."""
    refuse(queue)
    items = fill(queue, 3)
    put(queue)
    queue.secure()
    assert [item.place for item in items] == [None] * 3
    accept(queue)
    queue.secure()
    assert counts(queue) == {"accepted": 4, "queued": 1, "spooled": 3}
    fill(queue, 0)
    assert numbers(deliver(queue)) == [1, 2, 3, 4]


def test_what_is_written_down_while_it_is_sent_is_settled_on_disk_too(queue):
    """Its place is new when the answer comes, and no other process sends it again."""
    refuse(queue)
    fill(queue, 2)
    first, second = take(queue), take(queue)
    accept(queue)
    queue.secure()
    queue.settle([(first, DELIVERED)])
    queue.put_back(second, 1.0)
    assert (counts(queue), second.body) == ({"accepted": 2, "delivered": 1, "spooled": 1}, b"")
    assert numbers(deliver(queue)) == [2]
    assert queue._spool.unread == 0


def test_it_is_cramped_when_memory_is_full_and_the_disk_refuses(make, loose):
    """The worker then waits; with a disk that serves, there is always room."""
    queue = make(pause=60)
    fill(queue, FULL)
    fill(loose, FULL)
    assert (queue.cramped, loose.cramped) == (False, True)
    shutil.rmtree(queue._spool.directory)
    refuse(queue)
    fill(queue, 1)
    assert queue.cramped


def test_sessions_go_to_memory_when_the_disk_refuses_later_ones(queue):
    """Those on disk only are read all the same, and all of them arrive."""
    fill(queue, FULL + 10)
    os.rename(queue._spool.directory, moved := queue._spool.directory.with_name("moved"))
    refuse(queue)
    fill(queue, 5)
    assert counts(queue) == {"accepted": FULL + 15, "queued": 5, "spooled": FULL + 10}
    assert sorted(numbers(deliver(queue))) == list(range(1, FULL + 16))
    accept(queue)
    os.rename(moved, queue._spool.directory)


# ---- Bounds and damage


def test_what_has_no_room_is_dropped_and_counted(make, caplog):
    """The oldest segments; what of them is in flight or in memory is not counted again."""
    queue = make(segment=1_000, total=4_000)
    flying, waiting = fill(queue, 2, size=480)
    take(queue)
    fill(queue, 12, size=480)
    dropped = counts(queue)["dropped"]
    assert (flying.place.segment.gone, waiting.place.segment.gone) == (True, True)
    queue.settle([(flying, DELIVERED)])
    queue.put_back(flying, 1.0)
    assert counts(queue) == {"accepted": 14, "dropped": dropped, "spooled": 14 - dropped}
    assert queue._ready.due is None
    assert "the oldest sessions were dropped: 2" in caplog.text


def test_what_is_on_disk_only_and_dropped_is_not_waited_for(make):
    """It is in no count but that of the dropped, and the rest is read."""
    queue = make(segment=4_000, total=20_000)
    fill(queue, FULL, size=0)
    [take(queue) for _ in range(FULL)]
    queue._ready.cold = 1  # so that what follows is on disk only
    fill(queue, 200, size=400)
    kept = queue._spool.unread
    assert 0 < kept < 200
    assert queue._ready.cold == kept
    bodies = deliver(queue)
    assert numbers(bodies) == list(range(FULL + 201 - kept, FULL + 201))


def test_a_body_whose_segment_was_dropped_is_lost_once(make):
    """It was counted with its segment."""
    queue = make(segment=1_000, total=2_000)
    fill(queue, 1, size=980)
    item = take(queue)
    queue.put_back(item, 1.0)
    fill(queue, 4, size=980)
    before = counts(queue)
    assert (take(queue), queue.body(item)) == (item, None)
    queue.lose(item)
    assert counts(queue) == before


def test_sessions_of_others_that_have_no_room_are_not_ours_to_count(make, caplog):
    """They are said with the rest, and our counts are ours."""
    first = make()
    fill(first, 3, size=1_000)
    first._spool.release()
    second = make(total=2_000)
    fill(second, 1)
    assert counts(second) == {"accepted": 1, "spooled": 1}
    assert "the oldest sessions were dropped: 3" in caplog.text


def test_what_was_damaged_before_it_is_read_is_dropped_and_counted(queue, caplog):
    """The warning says how many sessions were lost."""
    fill(queue, FULL + 100)
    [path] = queue._spool.directory.glob("*" + SUFFIX)
    os.truncate(path, path.stat().st_size - 50)
    assert numbers(deliver(queue)) == list(range(1, FULL + 99))
    assert counts(queue) == {"accepted": FULL + 100, "delivered": FULL + 98, "dropped": 2}
    assert caplog.messages == [
        "honeytrace: sessions on disk were damaged and are lost: 2",
    ]


def test_what_was_damaged_before_it_is_sent_again_is_dropped_and_counted(queue, caplog):
    """A body that is not what was written is not sent."""
    fill(queue, 2)
    queue.put_back(take(queue), 1.0)
    [path] = queue._spool.directory.glob("*" + SUFFIX)
    path.write_bytes(path.read_bytes().replace(b'"n":1', b'"n":7'))
    assert numbers(deliver(queue)) == [2]
    assert counts(queue) == {"accepted": 2, "delivered": 1, "dropped": 1}
    assert "damaged and are lost: 1" in caplog.text


# ---- Ended processes


def test_sessions_of_ended_processes_go_after_ours(make):
    """They are counted as resent and in no other count."""
    first, second = make(), make()
    fill(first, 3)
    first.close()
    first._spool.release()
    fill(second, 1)
    second.settle([(take(second), DELIVERED)])
    assert (second.older, second.may_read_on) == (True, True)
    assert numbers(deliver(second)) == [1, 2, 3]
    assert counts(second) == {"accepted": 1, "delivered": 1, "resent": 3}
    assert not second.older


def test_sessions_of_ended_processes_wait_for_ours_to_be_written(make):
    """Another thread may ask while the first session is encoded and not ready to be sent yet."""
    first, second = make(), make()
    fill(first, 1)
    first.close()
    first._spool.release()
    put(second)
    second.encode()
    assert (second.older, second.may_read_on) == (True, False)
    second.write()
    take(second)
    assert second.may_read_on


def test_a_rejected_session_of_an_ended_process_is_counted_apart(make):
    """It is set aside like one of ours, and not resent."""
    first, second = make(), make()
    fill(first, 1)
    first._spool.release()
    read_on(second)
    second.settle([(take(second), REJECTED_ANSWER)])
    assert (counts(second), second.counts.older_rejected) == ({}, 1)


def test_a_damaged_session_of_an_ended_process_is_in_no_count(make, caplog):
    """It is said, and not ours to count."""
    first, second = make(), make()
    fill(first, 1)
    first._spool.release()
    read_on(second)
    item = take(second)
    second.put_back(item, 1.0)
    [path] = second._spool.directory.glob("*" + SUFFIX)
    os.truncate(path, 30)
    second.lose(take(second))
    assert (counts(second), second.older) == ({}, True)
    assert "damaged and are lost: 1" in caplog.text


def test_files_of_a_newer_version_are_said(queue, caplog):
    """They are left to it, and a warning tells how many there are."""
    fill(queue, 1)
    (queue._spool.directory / f"1-00000000{SUFFIX}").write_bytes(b"honeytrace spool 2\n")
    assert numbers(deliver(queue)) == [1]
    assert caplog.messages == [
        "honeytrace: files of a newer version of honeytrace are left to it on disk: 1"
    ]


# ---- Threads and signal handlers


def test_what_is_written_down_while_it_is_booked_is_settled_on_disk_too(queue):
    """Between the answer and its booking, too: nothing of it is left to send."""
    refuse(queue)
    fill(queue, 1)
    item = take(queue)
    accept(queue)
    with queue.lock:
        settling = threading.Thread(target=queue.settle, args=([(item, REJECTED_ANSWER)],))
        settling.start()
        settling.join(0.1)  # it waits for the lock
        queue.secure()
    settling.join()
    queue._spool.rest()
    assert counts(queue) == {"accepted": 1, "rejected": 1}
    assert not list(queue._spool.directory.glob("*" + SUFFIX))


def test_what_is_written_down_before_it_is_kept_is_sent_once(queue):
    """An exit may write a session before the worker that has encoded it."""
    keeping = threading.Thread(target=fill, args=(queue, 500))
    keeping.start()
    while keeping.is_alive():
        queue.secure()
    assert numbers(deliver(queue)) == list(range(1, 501))
    assert counts(queue) == {"accepted": 500, "delivered": 500}


def test_what_is_given_up_while_it_is_written_is_not_sent(queue):
    """It was counted as dropped; nothing of it is left on disk for another process."""
    put(queue)
    queue.encode()
    with at_the_end_of("append_many", queue.give_up_all):
        queue.write()
    queue.close()
    assert (counts(queue), on_disk(queue)) == ({"accepted": 1, "dropped": 1}, b"")


def test_what_is_given_up_while_it_is_written_later_is_not_sent(queue):
    """The same if the disk refused it at first, and it was in memory only."""
    refuse(queue)
    fill(queue, 1)
    accept(queue)
    with at_the_end_of("append_many", queue.give_up_all):
        queue.secure()
    queue.close()
    assert (counts(queue), on_disk(queue)) == ({"accepted": 1, "dropped": 1}, b"")


@contextmanager
def at_the_end_of(name, act):
    """Call `act` when a function of this name returns, as a signal handler may."""

    def handle(frame, event, argument):
        if event == "return" and frame.f_code.co_name == name:
            sys.setprofile(None)
            act()

    sys.setprofile(handle)
    try:
        yield
    finally:
        sys.setprofile(None)


def on_disk(queue):
    return b"".join(path.read_bytes() for path in queue._spool.directory.glob("*" + SUFFIX))


class Handler(BaseException):
    """Raised by a signal handler of the user's."""


@contextmanager
def interrupted(at):
    """Raise at the n-th call that is made inside, as a signal handler does: after it."""
    left = iter(range(at))

    def count(frame, event, argument):
        if event in ("call", "c_return") and next(left, None) is None:
            sys.setprofile(None)
            raise Handler

    sys.setprofile(count)
    try:
        yield
    finally:
        sys.setprofile(None)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # in a destructor
@pytest.mark.parametrize(
    ("spooled", "before", "calls"), [(True, 0, 150), (True, 1, 170), (False, 0, 40)]
)
def test_a_handler_may_raise_at_any_call(spooled, before, calls, make):
    """Nothing is lost or counted twice, and the next one takes up what was left.

    With a session before, the file is open, so that these calls lead to the end of the write.
    """
    for at in range(calls):
        queue = make() if spooled else DeliveryQueue(encode, ErrorGuard(), None)
        fill(queue, before)
        put(queue, 3)
        with suppress(Handler), interrupted(at):
            queue.encode()
            queue.write()
        assert counts(queue)["accepted"] == before + 3, at
        fill(queue, 1)
        count = before + 4
        assert sorted(numbers(deliver(queue))) == list(range(1, count + 1)), at
        assert counts(queue) == {"accepted": count, "delivered": count}, at
        queue.close()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # in a destructor
@pytest.mark.parametrize("spooled", [True, False])
@pytest.mark.parametrize("go_on", [DeliveryQueue.write, DeliveryQueue.pass_on])
def test_a_handler_may_raise_while_all_are_given_up(spooled, go_on, make):
    """Each session is either dropped or delivered, and counted as that."""
    for at in range(30):
        queue = make() if spooled else DeliveryQueue(encode, ErrorGuard(), None)
        put(queue, 3)
        while queue.encode():
            pass
        with suppress(Handler), interrupted(at):
            queue.give_up_all()
        go_on(queue)
        delivered = numbers(deliver(queue))
        assert sorted({*delivered}) == delivered, at
        assert counts(queue).get("delivered", 0) == len(delivered), at
        assert counts(queue).get("dropped", 0) == 3 - len(delivered), at
        queue.close()


def test_a_session_is_given_up_once(loose):
    """It is counted as dropped once, too."""
    items = fill(loose, 2)
    assert [loose.give_up(items), loose.give_up(items)] == [2, 0]
    assert counts(loose) == {"accepted": 2, "dropped": 2}


def test_sessions_that_other_threads_encode_are_waited_for():
    """A durable session is on disk with those inside it, whichever thread encodes them."""
    stored, seen, waiting = [], [], threading.Event()

    def store(bodies):
        stored.extend(bodies)
        return True

    def end_a_session():
        sys.setprofile(lambda frame, *_: frame.f_code.co_name == "wait" and waiting.set())
        queue.await_runs(10)
        sys.setprofile(None)
        seen.extend(stored)

    def encode_while_it_waits(session):
        thread.start()
        waiting.wait(10)
        return encode(session)

    thread = threading.Thread(target=end_a_session)
    queue = DeliveryQueue(encode_while_it_waits, ErrorGuard(), None, store)
    put(queue)
    queue.encode()
    thread.join()
    assert numbers(seen) == [1]


def test_a_thread_that_hardly_runs_encodes_all(queue, monkeypatch):
    """On a crowded machine the time of a run may be over before it has begun."""
    monkeypatch.setattr(encode_queue, "RUN_SECONDS", 0)
    assert len(fill(queue, 5)) == 5
    assert counts(queue) == {"accepted": 5, "spooled": 5}


def compute(seconds):
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass


@pytest.mark.parametrize(("spend", "fewer"), [(time.sleep, False), (compute, True)])
def test_only_work_makes_fewer_sessions_wait(spend, fewer):
    """A thread may wait long for the interpreter. Callers do not encode because of that."""

    def slowly(session):
        spend(0.01)
        return encode(session)

    queue = DeliveryQueue(slowly, ErrorGuard(), None)
    before = queue.most_new
    queue.new.extend(map(Session, range(20)))
    while queue.encode():
        pass
    assert (queue.most_new < before / 4) == fewer


def test_a_thread_waits_until_its_own_sessions_are_written():
    """However many sessions another thread goes on to write, as in a loop without an end."""
    writes, in_time = [], []
    first, encoded, returned = threading.Event(), threading.Event(), threading.Event()

    def store(bodies):
        writes.append(len(bodies))
        if len(writes) == 1:
            first.set()
            encoded.wait(10)  # the session of the other thread is part of the second write
        elif len(writes) == 3:
            in_time.append(returned.wait(10))
        return True

    def other():
        first.wait(10)
        put(queue)
        queue.encode()
        encoded.set()
        queue.write()
        returned.set()

    queue = DeliveryQueue(encode, ErrorGuard(), None, store)
    thread = threading.Thread(target=other)
    thread.start()
    for _ in range(3):
        put(queue)
        queue.encode()
        queue.write()
    thread.join()
    assert in_time == [True]
    assert counts(queue) == {"accepted": 4, "delivered": 4}


def test_a_thread_knows_whether_it_is_within(queue):
    """A signal handler may come while its thread has a lock of the outbox."""
    seen = [queue.entered]
    with queue.lock:
        seen.append(queue.entered)
    assert seen == [False, True]


# ---- The end


def test_what_is_on_disk_survives_the_end(make):
    """Nothing is lost, and another process sends it once this one let go."""
    first, second = make(), make()
    fill(first, FULL + 5)
    assert first.close() == 0
    first._spool.release()
    second.look_for_older(at_once=True)
    assert numbers(deliver(second)) == list(range(1, FULL + 6))


def test_the_end_writes_down_what_it_can(queue):
    """Sessions in memory are written to disk, if the disk works again."""
    refuse(queue)
    fill(queue, 2)
    accept(queue)
    assert (queue.close(), counts(queue)) == (0, {"accepted": 2, "spooled": 2})


def test_what_cannot_be_put_on_disk_is_given_up(queue):
    """It is counted as dropped, and neither sent nor put back nor kept afterwards."""
    fill(queue, 1)
    shutil.rmtree(queue._spool.directory)
    refuse(queue)
    fill(queue, 2)
    put(queue)
    [_, flying] = [take(queue), take(queue)]
    assert queue.close() == 3
    queue.settle([(flying, DELIVERED)])
    queue.put_back(flying, 1.0)
    fill(queue, 0)
    assert counts(queue) == {"accepted": 4, "spooled": 1, "dropped": 3}
    assert (take(queue), queue.unsafe) == (None, False)


def test_the_end_does_not_wait_long_for_a_disk_that_hangs(monkeypatch):
    """What is under way is given up; an answer that comes later changes no count."""
    monkeypatch.setattr(delivery_queue, "CLOSE_SECONDS", 0.01)
    writing, ended = threading.Event(), threading.Event()

    def store(bodies):
        writing.set()
        return ended.wait(10)

    queue = DeliveryQueue(encode, ErrorGuard(), None, store)
    thread = threading.Thread(target=fill, args=(queue, 1))
    thread.start()
    writing.wait(10)
    assert queue.close() == 1
    ended.set()
    thread.join()
    assert counts(queue) == {"accepted": 1, "dropped": 1}


def test_nothing_without_a_spool_outlives_the_end(loose):
    """Sessions that were given up are not sent later, and take no memory."""
    fill(loose, FULL)
    assert (loose.close(), loose._ready.full, take(loose)) == (FULL, False, None)
    fill(loose, 1)
    assert numbers(deliver(loose)) == [FULL + 1]


# ---- In any order


class Life(RuleBasedStateMachine):
    """Sessions come, are sent, fail and come back, while the disk does what it likes."""

    def __init__(self):
        super().__init__()
        self.root = TemporaryDirectory()
        self.queue = DeliveryQueue(encode, ErrorGuard(), None)
        self.out = []
        self.items = {}
        self.open = set()  # taken in, and neither settled nor given up
        self.given_up = set()
        self.wanted = {}  # how often each is yet to be taken
        self.marks = []
        self.moved = False
        self.unknown_lost = 0  # given up before they had an item

    @initialize(spool=st.booleans(), total=st.sampled_from([10**9, 30_000]))
    def begin(self, spool, total):
        if spool:
            spool = new_spool(self.root.name, segment=10_000, total=total)
            self.queue = DeliveryQueue(encode, ErrorGuard(), spool)

    # ---- What a delivery does

    @rule(count=st.sampled_from([1, 5, 900]), size=st.integers(0, 500))
    def put(self, count, size):
        put(self.queue, count, size if count < 10 else size // 25)

    @rule()
    def encode(self):
        self.queue.encode()
        for item in self.queue._encoded:
            if item.serial not in self.items:
                self.items[item.serial] = item
                self.open.add(item.serial)
                self.wanted[item.serial] = 1

    @rule()
    def write(self):
        self.queue.write()

    @rule()
    def write_all(self):
        self.write()
        while self.queue.waiting:
            self.encode()
            self.write()

    @rule(count=st.sampled_from([1, 3, 700]))
    def take(self, count):
        for _ in range(count):
            if self.queue.may_read_on:
                read_on(self.queue)
            if item := take(self.queue):
                self.send(item)

    def send(self, item):
        body = self.queue.body(item)
        if body is None:
            self.queue.lose(item)
            if item.place is None and item.serial in self.open:
                self.gave_up({item.serial})
        elif item.serial == 0:  # found again, since its file could not be removed
            self.queue.settle([(item, DELIVERED)])
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
            self.queue.settle([(item, answer)])
            self.open.discard(item.serial)

    @rule(part=st.floats(0, 1), until=st.integers(0, 3))
    def put_back(self, part, until):
        for _ in range(round(len(self.out) * part)):
            item = self.out.pop()
            gone = item.place and item.place.segment.gone
            self.wanted[item.serial] += item.serial in self.open and not gone
            self.queue.put_back(item, until)

    def gave_up(self, serials):
        self.given_up |= serials
        self.open -= serials
        for serial in serials & self.wanted.keys():
            self.wanted[serial] = 0

    @rule()
    def secure(self):
        self.queue.secure()

    @rule()
    def close(self):
        waiting = self.queue.waiting
        lost = self.queue.close()
        given_up = {serial for serial in self.open if not self.items[serial].place}
        assert lost == len(given_up) + waiting
        self.unknown_lost += waiting
        self.gave_up(given_up)

    @rule()
    def mark(self):
        self.write_all()
        self.marks.append(self.queue.counts.mark(0))

    # ---- What a disk does

    @precondition(lambda self: self.queue._spool)
    @rule(back=st.booleans())
    def refuse(self, back):
        directory = self.queue._spool.directory
        if self.moved:
            directory.unlink()
            self.moved.rename(directory)
            self.moved = None
        elif directory.exists():
            self.moved = directory.rename(directory.with_name("moved"))
            directory.touch()

    @precondition(lambda self: self.queue._spool and not self.moved)
    @rule()
    def delete(self):
        shutil.rmtree(self.queue._spool.directory, ignore_errors=True)

    @rule()
    def close_descriptors(self):
        for fd in map(int, os.listdir("/proc/self/fd")):
            with suppress(FileNotFoundError):
                if os.readlink(f"/proc/self/fd/{fd}").startswith(self.root.name):
                    os.close(fd)

    # ---- What always holds

    @property
    def unknown(self):
        """Return how many sessions were dropped whose numbers are unknown here."""
        return self.queue.counts.dropped - len(self.given_up) - self.unknown_lost

    @invariant()
    def every_session_is_in_one_count(self):
        of = self.queue.counts
        parts = [of.delivered, of.loose, of.spooled, of.rejected, of.dropped]
        assert (sum(parts), min(parts) >= 0) == (of.taken, True)
        assert of.loose + of.spooled <= len(self.open)

    @invariant()
    def what_is_on_disk_only_is_known(self):
        spool = self.queue._spool
        assert self.queue._ready.cold == (spool.unread if spool else 0) >= 0

    @invariant()
    def marks_are_reached_when_all_is_settled(self):
        for mark in self.marks:
            left = sum(serial <= mark.serial for serial in self.open)
            assert left - self.unknown <= mark.left
            assert self.unknown or mark.left == left

    def teardown(self):
        if self.moved:
            self.refuse(True)
        self.write_all()
        for _ in range(len(self.items) + 10):
            self.take(1)
            self.settle(DELIVERED, 1.0, True)
        of = self.queue.counts
        assert (of.loose, of.spooled) == (0, 0)
        assert sum(self.wanted.values()) <= self.unknown
        assert all(mark.left <= 0 for mark in self.marks)
        if self.queue._spool:
            self.queue._spool.disown()
        self.root.cleanup()


TestLife = Life.TestCase
TestLife.settings = settings(max_examples=60, stateful_step_count=40)


def test_another_thread_may_encode_between_any_two_steps_of_a_write(make):
    """It adds to what is being written, and nothing of it is passed over."""
    queue, numbers = make(), itertools.count()

    def encode_one():
        queue.new.append(Session(next(numbers)))
        queue.encode(1)

    def trace(frame, event, _):
        if frame.f_code.co_filename != write_queue.__file__:
            return None
        frame.f_trace_opcodes = True
        if event in ("line", "opcode") and not queue.lock._is_owned():
            thread = threading.Thread(target=encode_one)
            thread.start()
            thread.join()
        return trace

    encode_one()
    tracer = sys.gettrace()
    sys.settrace(trace)
    try:
        queue.write()
    finally:
        sys.settrace(tracer)
    queue.write()
    assert queue.counts.spooled == next(numbers) > 10


def test_sessions_may_be_added_by_a_collection_while_others_are_written(queue):
    """Collections run when an object is made, and may call a `__del__` that traces."""
    put(queue, 20)
    while queue.encode():
        pass

    def collected(phase, info):
        if len(queue._encoded) < 40:
            put(queue)
            queue.encode()

    threshold = gc.get_threshold()
    gc.callbacks.append(collected)
    gc.set_threshold(1)
    try:
        queue.write()
    finally:
        gc.callbacks.remove(collected)
        gc.set_threshold(*threshold)
    queue.write()
    assert queue._guard.by_place == {}
    assert counts(queue)["spooled"] == queue.counts.taken
