"""Delivery with a spool: what an outage, a shutdown or an ended process leaves arrives later."""

from __future__ import annotations

import itertools
import json
import threading
import time
from contextlib import ExitStack

import pytest

from honeytrace._delivery import encode_queue, intake, send_queue, worker
from honeytrace._delivery.encode_queue import RUN_SESSIONS
from honeytrace._delivery.http.sender import HttpSender
from honeytrace._delivery.local import LocalSender
from honeytrace._delivery.spool.directory import Spool
from honeytrace._delivery.spool.survey import spool_status as survey
from honeytrace._delivery.worker import Delivery
from honeytrace._session import wire
from honeytrace._session.build import close
from honeytrace._session.record import CallRecord, TraceSpec
from honeytrace._utils import clock
from honeytrace._utils.guard import ErrorGuard
from honeytrace.local import Store

DOWN = (503, {"Retry-After": "60"}, b"")


class RecordRef:
    """The settings that a record falls back on."""

    project, source = "p", "test"


def ended(number: int = 0, text: str = "") -> CallRecord:
    spec = TraceSpec(name="x", bind=lambda args, kwargs: {"n": args[0], "text": args[1]})
    record = CallRecord(spec, RecordRef(), None, number.to_bytes(16, "big"), ((number, text), {}))
    record.ended = True
    return record


def encode(record: CallRecord) -> bytes:
    return wire.encode(close(record))


@pytest.fixture
def guard():
    return ErrorGuard()


@pytest.fixture
def deliver(server, guard, tmp_path):
    """Makes deliveries to the scripted server, all with the same directory."""
    with ExitStack() as stack:

        def make(**settings):
            spool = Spool(tmp_path, server.url, "p")
            stack.callback(spool.release)
            made = Delivery(
                lambda: HttpSender(server.url, "key", 30.0), encode, guard, spool, **settings
            )
            stack.callback(made.shutdown, 0)
            return made

        yield make


@pytest.fixture
def waiting(server, tmp_path):
    """Return the sessions on disk: of running programs, and of ended ones."""

    def look():
        found = survey(tmp_path, server.url, "p")
        return found.held + found.waiting

    return look


def numbers(server):
    return [session["inputs"]["n"] for session in server.sessions]


def consistent(stats):
    settled = stats.delivered + stats.rejected + stats.dropped
    return stats.accepted == settled + stats.queued + stats.spooled


def test_nothing_stays_of_what_is_delivered(deliver, server, tmp_path):
    """When everything has arrived and the threads have ended, the directory holds no session."""
    delivery = deliver()
    for number in range(50):
        delivery.accept(ended(number))
    assert delivery.shutdown(10)
    assert sorted(numbers(server)) == list(range(50))
    assert [path.name for path in tmp_path.rglob("*.*")] == ["route.json"]


def test_in_an_outage_sessions_are_on_disk(deliver, server, waiting):
    """They are counted as spooled, and a flush without a timeout does not wait for the server."""
    server.script = lambda request: DOWN
    delivery = deliver()
    for number in range(20):
        delivery.accept(ended(number))
    assert not delivery.flush()
    stats = delivery.stats()
    assert (stats.spooled, stats.queued, waiting()) == (20, 0, 20)
    assert consistent(stats)


def test_the_next_process_delivers_them(deliver, server, waiting):
    """The next process with a session delivers what an earlier one left, counted as resent."""
    server.script = lambda request: DOWN
    first = deliver()
    for number in range(20):
        first.accept(ended(number))
    first.flush()
    first.shutdown(0)
    first._spool.release()
    server.script, before = [], len(server.requests)
    second = deliver()
    second.accept(ended(99))
    server.wait(before + 21)
    while second.catching_up:
        second.flush(0.01)
    assert sorted(numbers(server)[before:]) == [*range(20), 99]
    stats = second.stats()
    assert (stats.accepted, stats.delivered, stats.resent) == (1, 1, 20)
    assert waiting() == 0


def test_memory_holds_a_part_of_what_waits(deliver, server, monkeypatch):
    """Beyond some sessions the rest is on disk only; all arrive in the end."""
    monkeypatch.setattr(send_queue, "MAX_SESSIONS", 100)
    gate = threading.Event()
    server.script = lambda request: (gate.wait(30), server.ok(request))[1]
    delivery = deliver(most_requests=1)
    for number in range(1000):
        delivery.accept(ended(number))
    while delivery.stats().queued:
        delivery.flush(0.01)
    assert delivery._queue._ready.cold >= 800
    gate.set()
    assert delivery.flush(60)
    # A caller that is ahead encodes as well, so they may overtake one another.
    assert sorted(numbers(server)) == list(range(1000))


def test_damage_is_counted(deliver, server, tmp_path, monkeypatch, caplog):
    """Unreadable sessions are dropped, counted and reported."""
    monkeypatch.setattr(send_queue, "MAX_SESSIONS", 100)
    gate = threading.Event()
    server.script = lambda request: (gate.wait(30), server.ok(request))[1]
    delivery = deliver(most_requests=1)
    for number in range(500):
        delivery.accept(ended(number))
    while delivery.stats().queued:
        delivery.flush(0.01)
    (path,) = tmp_path.rglob("*.spool")
    with path.open("r+b") as file:
        file.seek(-100, 2)
        file.write(b"\0" * 50)
    gate.set()
    assert delivery.flush(60)
    stats = delivery.stats()
    assert (stats.delivered, stats.dropped, consistent(stats)) == (499, 1, True)
    assert "damaged and are lost: 1" in caplog.text


def test_a_session_put_off_may_be_damaged_meanwhile(deliver, server, tmp_path):
    """Between two attempts a session is on disk only; if it is lost there, it is counted."""
    server.script = [(503, {"Retry-After": "1"}, b"")]
    delivery = deliver()
    delivery.accept(ended())
    server.wait(1)
    (path,) = tmp_path.rglob("*.spool")
    path.write_bytes(b"\0" * path.stat().st_size)
    assert delivery.flush(10)
    assert (delivery.stats().dropped, len(server.requests)) == (1, 1)


def test_the_next_life_goes_on(deliver, server):
    """After a shutdown in an outage, a later session starts threads that send the rest, too."""
    server.script = lambda request: DOWN
    delivery = deliver()
    delivery.accept(ended(1))
    delivery.flush()
    assert not delivery.shutdown(0)
    server.script, before = [], len(server.requests)
    delivery.try_again(lambda: HttpSender(server.url, "key", 1.0))
    delivery.accept(ended(2))
    assert delivery.flush(10)
    assert sorted(numbers(server)[before:]) == [1, 2]


# ---- 413


def test_what_is_too_large_is_sent_with_less(deliver, server):
    """After a 413 a session is sent again, with what half the limits allow."""
    script = itertools.chain([(413, {}, b"")], itertools.repeat(server.ok))
    server.script = lambda request: next(script)
    delivery = deliver(shrink=wire.shrunk)
    delivery.accept(ended(1, "x" * 2**20))
    assert delivery.flush(10)
    first, second = server.requests
    assert len(second.body) < len(first.body) * 0.6
    assert second.json["session"]["metadata"]["honeytrace"]["truncated"] == ["inputs.text"]


@pytest.mark.parametrize(("text", "shrinks"), [("x" * 2**20, True), ("", False)])
def test_what_stays_too_large_is_rejected(deliver, server, tmp_path, text, shrinks):
    """Once nothing is left to be cut, it is set aside like any other rejected session."""
    server.script = lambda request: (413, {}, b"never")
    delivery = deliver(shrink=wire.shrunk)
    delivery.accept(ended(1, text))
    assert delivery.flush(10)
    (path,) = tmp_path.rglob("rejected.jsonl")
    aside = json.loads(path.read_text())
    assert (aside["answer"], delivery.stats().rejected) == ("status 413: never", 1)
    assert aside["request"]["session"]["inputs"]["n"] == 1
    assert (len(server.requests) > 1) == shrinks


# ---- At once


def test_a_durable_session_is_on_disk_at_once(deliver, server, waiting):
    """It is there when `accept_durably` returns, before any other thread had to do anything."""
    server.script = server.hang
    delivery = deliver()
    for number in range(5):
        delivery.accept_durably(ended(number))
        assert waiting() == number + 1
    assert delivery.stats().spooled == 5


def test_durable_sessions_and_others(deliver, server, waiting):
    """Those that come while others are in the queue arrive with them."""
    delivery = deliver(most_requests=1)
    for number in range(100):
        (delivery.accept_durably if number % 2 else delivery.accept)(ended(number))
    assert delivery.flush(10)
    assert sorted(numbers(server)) == list(range(100))


def test_after_the_end_sessions_are_written_on_the_spot(deliver, server, waiting):
    """When no thread is to start any more, the thread that ends a session does the work."""
    delivery = deliver()
    delivery.accept(ended(1))
    assert delivery.end(10)
    delivery.accept(ended(2))
    assert waiting() == 1
    assert (delivery.stats().delivered, delivery.stats().spooled) == (1, 1)


@pytest.fixture
def no_threads(monkeypatch):
    """A system that starts no further thread."""

    def refuse(self):
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        yield patch


def test_without_threads_sessions_are_written_on_the_spot(deliver, server, waiting, no_threads):
    """They are delivered when threads can be started again."""
    delivery = deliver()
    delivery.accept(ended(1))
    assert (waiting(), delivery.stats().spooled) == (1, 1)
    no_threads.undo()
    delivery.accept(ended(2))
    assert delivery.flush(10)
    assert sorted(numbers(server)) == [1, 2]


def test_without_threads_a_signal_handler_only_queues(deliver, server, waiting, no_threads):
    """If it interrupts our own work, it cannot write; the next session takes it along."""
    delivery = deliver()
    with delivery._queue.lock:
        delivery.accept(ended(1))
    assert (waiting(), delivery.stats().queued) == (0, 1)
    delivery.accept(ended(2))
    assert (waiting(), delivery.stats().spooled) == (2, 2)
    no_threads.undo()
    delivery.start()
    assert delivery.flush(10)
    assert sorted(numbers(server)) == [1, 2]


def store(tmp_path, **settings):
    return Delivery(lambda: LocalSender(tmp_path), encode, ErrorGuard(), batches=True, **settings)


def test_without_threads_the_store_is_reached(tmp_path, no_threads):
    """The store on this machine takes sessions from any thread."""
    delivery = store(tmp_path)
    for number in range(3):
        delivery.accept(ended(number))
    assert (Store(tmp_path / "sessions.db").count(), delivery.stats().delivered) == (3, 3)
    delivery.shutdown(0)


def test_a_durable_session_is_in_the_store_at_once(tmp_path):
    """It is there when `accept_durably` returns."""
    delivery = store(tmp_path)
    for number in range(3):
        delivery.accept_durably(ended(number))
        assert Store(tmp_path / "sessions.db").count() == number + 1
    delivery.shutdown(0)


def test_a_durable_session_waits_while_this_thread_holds_a_lock(tmp_path):
    """Writing it might wait for a thread of ours, which may want that lock."""
    held = [True]
    delivery = store(tmp_path, is_locked=lambda: bool(held))
    delivery.accept_durably(ended(1))
    assert delivery.stats().queued == 1
    held.clear()
    delivery.ring()
    assert delivery.flush(10)
    assert Store(tmp_path / "sessions.db").count() == 1
    delivery.shutdown(0)


def test_a_store_that_cannot_be_used_keeps_sessions_waiting(tmp_path, caplog):
    """They are stored when it can be, and both is said."""
    (tmp_path / "sessions.db").mkdir()
    delivery = store(tmp_path)
    for number in range(3):
        delivery.accept(ended(number))
    while "wait to be sent again" not in caplog.text:
        delivery.flush(0.01)
    assert delivery.stats().queued == 3
    (tmp_path / "sessions.db").rmdir()
    assert delivery.flush(30)
    delivery.accept(ended(3))
    assert delivery.shutdown(10)
    assert Store(tmp_path / "sessions.db").count() == 4
    assert "delivered again" in caplog.text


@pytest.mark.parametrize("threads", [1, 16])
def test_a_loop_does_the_work_that_it_is_ahead(threads, deliver, server, monkeypatch):
    """Sessions that come in faster than they can be written are written by those who end them."""
    monkeypatch.setattr(encode_queue, "MAX_NEW_SESSIONS", 100)
    delivery, longest = deliver(), []
    server.script = server.hang

    def loop():
        for number in range(3_000 // threads):
            delivery.accept(ended(number))
            longest.append(len(delivery._new))

    workers = [threading.Thread(target=loop) for _ in range(threads)]
    [each.start() for each in workers]
    [each.join() for each in workers]
    while delivery.stats().queued:
        delivery.flush(0.01)
    stats, made = delivery.stats(), 3_000 // threads * threads
    assert (stats.accepted, stats.spooled, stats.dropped) == (made, made, 0)
    assert max(longest) <= 100 + threads + RUN_SESSIONS


def test_sessions_that_take_long_to_encode_do_not_pile_up(server, guard, tmp_path):
    """So few wait that all of them are written within the time that an exit has."""

    def slow(record):
        end = time.thread_time() + 0.005
        while time.thread_time() < end:
            pass
        return encode(record)

    spool = Spool(tmp_path, server.url, "p")
    delivery = Delivery(lambda: HttpSender(server.url, "key", 1.0), slow, guard, spool)
    for number in range(40):
        delivery.accept(ended(number))
        assert delivery.flush(10)
    waiting = []
    for number in range(400):
        delivery.accept(ended(number))
        waiting.append(len(delivery._new))
    assert max(waiting) <= 200
    delivery.end(0)
    assert delivery.stats().dropped == 0


def test_a_loop_of_large_sessions_does_the_work_too(deliver, server, monkeypatch):
    """It is a matter of bytes as well as of numbers."""
    monkeypatch.setattr(intake, "WORK_BYTES", 2**20)
    delivery = deliver()
    server.script = server.hang
    for number in range(200):
        record = ended(number, "x" * 100_000)
        record.size = 100_000
        delivery.accept(record)
    while delivery.stats().queued:
        delivery.flush(0.01)
    assert (delivery.stats().spooled, delivery.stats().dropped) == (200, 0)


def test_a_handler_that_raises_in_the_middle_loses_nothing(server, guard, tmp_path):
    """The session that was being written then goes through the queue."""
    interrupted = []

    def interrupt_once(record):
        if not interrupted:
            interrupted.append(record)
            raise KeyboardInterrupt
        return encode(record)

    spool = Spool(tmp_path, server.url, "p")
    delivery = Delivery(lambda: HttpSender(server.url), interrupt_once, guard, spool)
    with pytest.raises(KeyboardInterrupt):
        delivery.accept_durably(ended(1))
    delivery.accept_durably(ended(2))
    assert delivery.shutdown(10)
    stats = delivery.stats()
    assert (sorted(numbers(server)), stats.accepted, stats.delivered) == ([1, 2], 2, 2)


def test_what_comes_at_the_end_is_sent_too(deliver, server):
    """A session that another thread ends while the program waits for the others."""
    delivery = deliver()

    def and_another(request):
        server.script = server.ok
        delivery.accept(ended(2))
        return server.ok

    server.script = and_another
    delivery.accept(ended(1))
    assert delivery.end(10)
    assert numbers(server) == [1, 2]


def test_a_disk_that_recovers_gets_what_waits(deliver, server, tmp_path, caplog):
    """Sessions that were in memory only are written down without any further session."""
    server.script = server.hang
    delivery = deliver()
    directory = delivery._spool.directory
    directory.write_text("in the way")
    delivery.accept(ended(1))
    while "in memory only" not in caplog.text:
        delivery.flush(0.01)
    assert delivery.stats().queued == 1
    directory.unlink()
    while not delivery.stats().spooled:
        delivery.flush(0.05)
    assert "on disk again" in caplog.text
    server.closing.set()


def test_what_ends_while_a_request_hangs_is_written(deliver, server):
    """Also if the request began before the second thread did, or callers encode sessions."""
    server.script = server.hang
    for number in range(1, 30):
        delivery = deliver()
        delivery.accept(ended(0))
        server.wait(number)
        delivery.accept(ended(1))
        if number % 2:
            delivery._queue.encode()
        end = time.monotonic() + 5
        while delivery.stats().queued and time.monotonic() < end:
            delivery.flush(0.01)
        assert delivery.stats().spooled == 2
    server.closing.set()


def test_a_shutdown_without_any_grace_ends(deliver, server, monkeypatch):
    """Sessions that were not encoded in time are given up, and counted."""
    monkeypatch.setattr(worker, "GRACE_SECONDS", 0)
    monkeypatch.setattr(worker, "LAST_SECONDS", 0)
    server.script = server.hang
    delivery = deliver()
    for number in range(2000):
        delivery.accept(ended(number))
    assert not delivery.shutdown(0)
    stats = delivery.stats()
    assert (stats.accepted, consistent(stats)) == (2000, True)
    server.closing.set()


def until(reached):
    end = clock.now() + 10
    while not reached() and clock.now() < end:
        threading.Event().wait(0.005)
    assert reached()


@pytest.fixture
def busy(server, guard, tmp_path):
    """A delivery to a quick server, with sessions in quick succession so far."""
    spool = Spool(tmp_path, server.url, "p")
    made = Delivery(lambda: HttpSender(server.url, "key", 60.0), encode, guard, spool)
    for number in range(50):
        made.accept(ended(number))
        assert made.flush(10)
    yield made
    made.shutdown(0)


def on_disk(tmp_path):
    return sum(path.stat().st_size for path in tmp_path.rglob("*.spool"))


def test_what_is_delivered_at_once_is_not_written(busy, tmp_path):
    """The disk costs more than a quick server, so only the first sessions are on it."""
    assert busy.stats().delivered == 50
    assert on_disk(tmp_path) < 50 * len(encode(ended(0)))


@pytest.mark.parametrize("answer", ["hang", "fail"])
def test_what_is_not_delivered_at_once_is_written(answer, busy, server, waiting):
    """If the server fails or does not answer, the session is soon on disk."""
    server.script = server.hang if answer == "hang" else lambda request: DOWN
    busy.accept(ended(51))
    until(lambda: busy.stats().spooled == 1)
    assert waiting() == 1
    busy.accept(ended(52))
    until(lambda: waiting() == 2)


def test_what_was_written_while_it_was_sent_is_acknowledged(busy, server, waiting):
    """A late answer to it counts, and nothing of it stays on disk."""
    gate = threading.Event()
    server.script = lambda request: (gate.wait(10), server.ok(request))[1]
    busy.accept(ended(51))
    until(lambda: busy.stats().spooled == 1)
    gate.set()
    assert busy.flush(10)
    assert (busy.stats().delivered, waiting()) == (51, 0)


@pytest.mark.parametrize("first", ["hang", "ok"])
def test_an_exit_in_the_middle_of_a_request(first, busy, server, waiting):
    """The session of that request is on disk, or delivered."""
    server.script = server.hang if first == "hang" else []
    busy.accept(ended(51))
    busy.end(0)
    stats = busy.stats()
    assert stats.delivered + stats.spooled == 51
    assert waiting() == stats.spooled
