"""From the ended session to the server: all of it arrives, nobody waits, everything is counted."""

from __future__ import annotations

import ctypes
import os
import socket
import sys
import threading
import time
from collections.abc import Iterator
from functools import partial

import pytest

import honeytrace
from honeytrace._delivery import intake, send_queue, worker
from honeytrace._delivery.http.sender import HttpSender
from honeytrace._delivery.retry import Answer, Verdict
from honeytrace._delivery.senders import THREADS, DeliveryThread, Sending
from honeytrace._delivery.worker import Delivery
from honeytrace._session import wire
from honeytrace._session.build import close
from honeytrace._session.record import CallRecord, TraceSpec
from honeytrace._utils.guard import ErrorGuard


class RecordRef:
    """The settings that a record falls back on."""

    project, source = "p", "test"


def ended(number: int = 0, size: int = 0) -> CallRecord:
    spec = TraceSpec(name="x", bind=lambda args, kwargs: {"n": args[0]})
    record = CallRecord(spec, RecordRef(), None, number.to_bytes(16, "big"), ((number,), {}))
    record.ended, record.size = True, size
    return record


def encode(record: CallRecord) -> bytes:
    return wire.encode(close(record))


@pytest.fixture
def guard() -> ErrorGuard:
    return ErrorGuard()


@pytest.fixture
def delivery(server, guard) -> Iterator[Delivery]:
    """A delivery of its own to the scripted server, with a request timeout of 1 s."""
    made = Delivery(lambda: HttpSender(server.url, "key", 1.0), encode, guard)
    yield made
    made.shutdown(0)


def consistent(stats: honeytrace.Stats) -> bool:
    settled = stats.delivered + stats.rejected + stats.dropped
    return stats.accepted == settled + stats.queued + stats.spooled


def test_no_thread_runs_before_the_first_session(delivery):
    """A delivery costs nothing until it is used."""
    before = threading.active_count()
    assert delivery.flush(0)
    assert threading.active_count() == before


def test_everything_arrives_once(server, guard):
    """A thousand sessions from eight threads, each of them once, over few connections."""
    delivery = Delivery(partial(HttpSender, server.url), encode, guard, most_requests=8)

    def work(thread):
        for number in range(125):
            delivery.accept(ended(thread * 125 + number))

    threads = [threading.Thread(target=work, args=(thread,)) for thread in range(8)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert delivery.flush(30)
    assert sorted(s["inputs"]["n"] for s in server.sessions) == list(range(1000))
    assert server.connections < 20
    delivery.shutdown(0)


def test_stats_add_up_at_every_moment(delivery, server):
    """accepted = delivered + queued + rejected + dropped, while sessions come and go."""
    server.script = lambda request: (400, {}, b"no") if b"7" in request.body else server.ok(request)
    seen = []
    for number in range(300):
        delivery.accept(ended(number))
        seen.append(delivery.stats())
    delivery.flush(30)
    last = delivery.stats()
    assert all(map(consistent, seen))
    assert (last.accepted, last.queued, consistent(last)) == (300, 0, True)
    assert last.rejected > 0
    assert last.last_error == "status 400: no"


def end_our_threads() -> list[threading.Thread]:
    """Have each thread of deliveries end by an exception, as tools that stop threads do."""
    ours = [thread for thread in threading.enumerate() if thread.name.startswith(THREADS)]
    for thread in ours:
        target = ctypes.c_ulong(thread.ident or 0)
        ctypes.pythonapi.PyThreadState_SetAsyncExc(target, ctypes.py_object(SystemExit))
    return ours


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_threads_that_are_ended_from_outside_are_replaced(delivery, server):
    """The sessions that follow arrive."""
    if sys.gettrace() and sys.version_info < (3, 12):
        pytest.skip("traced code waits until threads that sleep have taken the exception")
    delivery.accept(ended(0))
    assert delivery.flush(30)
    stopped = end_our_threads()
    for number in range(1, 5):
        delivery.accept(ended(number))
    assert delivery.flush(30)
    assert {s["inputs"]["n"] for s in server.sessions} == set(range(5))
    delivery.shutdown(0)
    for thread in stopped:  # pytest looks at its exception when it ends
        thread.join(10)


def test_an_overflowing_queue_drops_and_counts(delivery, server, monkeypatch, caplog):
    """Without a disk and without a server memory is bounded; what is over is counted and said."""
    monkeypatch.setattr(intake, "MAX_NEW_BYTES", 2**20)
    monkeypatch.setattr(intake, "WORK_BYTES", 2**19)
    monkeypatch.setattr(send_queue, "MAX_SESSIONS", 10)
    server.script = server.hang
    for number in range(200):
        delivery.accept(ended(number, size=2**15))
    stats = delivery.stats()
    assert stats.dropped > 100
    assert (stats.accepted, consistent(stats)) == (200, True)
    assert caplog.text.count("some are dropped") == 1


def test_what_finds_no_room_in_memory_waits(server, guard, monkeypatch):
    """Sessions beyond the bound stay in the queue, and still arrive."""
    monkeypatch.setattr(send_queue, "MAX_SESSIONS", 10)
    delivery = Delivery(lambda: HttpSender(server.url, "key", 30.0), encode, guard)
    gate = threading.Event()
    server.script = lambda request: (gate.wait(30), server.ok(request))[1]
    for number in range(300):
        delivery.accept(ended(number))
    server.wait(1)
    gate.set()
    assert delivery.flush(30)
    assert delivery.stats().delivered == 300
    delivery.shutdown(0)


def test_a_flush_starts_threads_that_were_stopped_meanwhile(server, guard):
    """For example by `configure()` in another thread; a session may end in that very moment."""
    delivery = Delivery(lambda: HttpSender(server.url, "key", 30.0), encode, guard)

    def stop(request):
        server.script = []
        while not delivery._counts._marks:  # until the flush has begun
            server.closing.wait(0.001)
        with delivery._queue.lock:
            delivery._crew.stop()
        return server.ok(request)

    server.script = stop
    for number in range(3):
        delivery.accept(ended(number))
    assert delivery.flush(30)
    assert delivery.stats().delivered == 3
    delivery.shutdown(0)


@pytest.mark.parametrize("seconds", [0, 10])
def test_without_threads_an_exit_sends_itself(delivery, server, monkeypatch, seconds):
    """As far as it has the time; from Python 3.12 on, no thread can be started then."""

    def refuse(thread):
        raise RuntimeError("can't create new thread at interpreter shutdown")

    monkeypatch.setattr(DeliveryThread, "start", refuse)
    delivery.accept(ended(1))
    assert delivery.end(seconds) is (seconds > 0)
    assert len(server.requests) == (seconds > 0)


@pytest.mark.parametrize("durable", [True, False])
def test_a_lock_of_a_killed_thread_is_not_waited_for(delivery, server, monkeypatch, durable):
    """The interpreter kills threads at its end; a session that ends then can only be counted."""
    delivery.accept(ended(1))
    assert delivery.end(10)
    taken, done = threading.Event(), threading.Event()

    def hold():
        with delivery._queue.lock:
            taken.set()
            done.wait()

    thread = threading.Thread(target=hold)
    thread.start()
    taken.wait()
    monkeypatch.setattr(sys, "is_finalizing", lambda: True)
    (delivery.accept_durably if durable else delivery.accept)(ended(2))
    assert not delivery.flush(10)
    monkeypatch.undo()
    done.set()
    thread.join()
    assert (delivery.stats().accepted, delivery.stats().queued) == (2, 1)


def test_what_cannot_be_encoded_is_dropped_and_counted(server, guard, caplog):
    """A fault of ours costs one session, is counted by its place, and the next one goes out."""

    def broken(record):
        if record.id == bytes(16):
            raise RuntimeError("a fault")
        return encode(record)

    delivery = Delivery(lambda: HttpSender(server.url), broken, guard)
    delivery.accept(ended(0))
    delivery.accept(ended(1))
    assert delivery.flush(10)
    delivery.shutdown(0)
    assert (delivery.stats().dropped, delivery.stats().delivered) == (1, 1)
    assert guard.by_place == {"broken": 1}


def test_a_fault_after_a_shutdown_is_not_counted_twice(server, guard):
    """A session given up while it was being encoded is dropped only once."""
    begun, gate = threading.Event(), threading.Event()

    def slow(record):
        begun.set()
        gate.wait(10)
        raise RuntimeError("a fault")

    before = set(threading.enumerate())
    delivery = Delivery(lambda: HttpSender(server.url), slow, guard)
    delivery.accept(ended())
    begun.wait(10)
    threads = {t for t in threading.enumerate() if "honeytrace" in t.name} - before
    delivery.shutdown(0)
    gate.set()
    [thread.join(10) for thread in threads]
    assert delivery.stats().dropped == 1


class Slow:
    """A sender whose answer waits for a gate, and comes although it was closed."""

    def __init__(self) -> None:
        self.begun, self.gate = threading.Event(), threading.Event()

    def begin(self, body: bytes) -> Sending:
        return Sending(partial(self.send, body))

    def send(self, body: bytes) -> Answer:
        self.begun.set()
        self.gate.wait(10)
        return Answer(Verdict.DELIVERED)

    def close(self) -> None:
        pass


def test_a_late_answer_does_not_change_the_books(guard):
    """A session that a shutdown dropped stays dropped, even if it arrives."""
    before, sender = set(threading.enumerate()), Slow()
    delivery = Delivery(lambda: sender, encode, guard)
    delivery.accept(ended())
    assert sender.begun.wait(10)
    assert not delivery.shutdown(0)
    threads = {t for t in threading.enumerate() if "honeytrace" in t.name} - before
    sender.gate.set()
    [thread.join(10) for thread in threads]
    stats = delivery.stats()
    assert (stats.dropped, stats.delivered, stats.queued) == (1, 0, 0)


def test_flush_keeps_its_timeout(delivery, server):
    """Against a server that never answers it returns False, in time."""
    server.script = server.hang
    delivery.accept(ended())
    began = time.monotonic()
    assert not delivery.flush(0.3)
    assert time.monotonic() - began < 5


def test_flush_waits_only_for_what_came_before(delivery, server):
    """A session that is accepted during a flush does not make it longer."""
    gate = threading.Event()
    first = encode(ended(1))
    server.script = lambda r: server.ok(r) if r.body == first else (gate.wait(30), server.ok(r))[1]
    delivery.accept(ended(1))
    server.wait(1)
    flushed = threading.Event()
    thread = threading.Thread(target=lambda: delivery.flush(20) and flushed.set())
    thread.start()
    delivery.accept(ended(2))
    assert flushed.wait(10)
    gate.set()
    thread.join()


def test_flush_gives_up_when_nothing_moves(delivery, server, monkeypatch):
    """Without a timeout it waits as long as sessions arrive, and not for ever."""
    monkeypatch.setattr(worker, "STALLED_SECONDS", 0.6)
    server.script = [server.after(0.1), server.after(0.1), server.hang]
    for number in range(3):
        delivery.accept(ended(number))
    assert not delivery.flush()
    assert delivery.stats().delivered == 2


def test_an_abandoned_delivery_takes_nothing(delivery):
    """In a forked child the parent's delivery neither keeps nor counts what ends there."""
    delivery.abandon()
    delivery.accept(ended())
    assert (delivery.stats().accepted, delivery.flush(0)) == (0, True)


def test_a_shutdown_ends_a_full_backlog(delivery, server, monkeypatch):
    """The worker that waits for room ends as well."""
    monkeypatch.setattr(send_queue, "MAX_SESSIONS", 100)
    server.script = server.hang
    for number in range(1200):
        delivery.accept(ended(number))
    server.wait(1)
    delivery.flush(0.2)
    assert not delivery.shutdown(0)
    assert delivery.stats().dropped == 1200


def test_shutdown_can_be_repeated_and_undone(delivery, server):
    """After a shutdown the threads are gone; the next session starts them again."""
    delivery.accept(ended(1))
    assert delivery.shutdown(10)
    assert delivery.shutdown(10)
    delivery.accept(ended(2))
    assert delivery.flush(10)
    assert delivery.stats().delivered == 2


def test_what_a_shutdown_gives_up_is_counted_and_said(delivery, server, caplog):
    """Sessions that do not arrive in time are dropped; a late answer changes no count."""
    gate = threading.Event()
    server.script = lambda request: (gate.wait(30), server.ok(request))[1]
    for number in range(3):
        delivery.accept(ended(number))
    server.wait(1)
    assert not delivery.shutdown(0.1)
    gate.set()
    stats = delivery.stats()
    assert (stats.dropped, stats.queued, consistent(stats)) == (3, 0, True)
    assert "are lost: 3" in caplog.text


# ---- Whole programs

TRACED = """
    import honeytrace

    @honeytrace.trace_session
    def work(n):
        return n

    for n in range(20):
        work(n)
"""


def test_a_program_delivers_at_its_end(program, server):
    """Without any call of ours, what was traced is there when the program has ended."""
    settings = {"HH_API_KEY": "key", "HONEYTRACE_EXIT_TIMEOUT": "20"}
    done = program(TRACED, HH_API_URL=server.url, **settings)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert sorted(s["inputs"]["n"] for s in server.sessions) == list(range(20))
    assert server.requests[0].headers["Authorization"] == "Bearer key"


def test_a_program_ends_although_the_server_never_answers(program):
    """A port that accepts and never answers costs the exit timeout, not more."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        began = time.monotonic()
        done = program(TRACED, HH_API_URL=url, HONEYTRACE_EXIT_TIMEOUT="0.5")
        took = time.monotonic() - began
    assert done.returncode == 0
    assert "sessions on disk: 20;" in done.stderr
    assert took < 10  # far below the five seconds of a request's timeout, on any machine, twice


@pytest.mark.skipif(sys.platform == "win32", reason="there is no such signal on Windows")
def test_ctrl_c_ends_the_wait_at_exit(program, server):
    """It leaves what is left on disk, says so, and shows no traceback."""
    server.script = server.hang
    done = program(
        """
        import atexit, os, signal, threading, time
        import honeytrace

        leaving = threading.Event()

        def interrupt():
            leaving.wait()
            time.sleep(0.3)
            os.kill(os.getpid(), signal.SIGINT)

        signal.signal(signal.SIGINT, signal.default_int_handler)  # it may have been ignored
        threading.Thread(target=interrupt, daemon=True).start()
        with honeytrace.trace_session("x"):
            pass
        atexit.register(leaving.set)  # after honeytrace's own, and so called before it
        """,
        HH_API_URL=server.url,
        HONEYTRACE_EXIT_TIMEOUT="60",
    )
    assert done.returncode == 0
    assert "sessions on disk: 1;" in done.stderr
    assert "Traceback" not in done.stderr


def test_frozen_time_does_not_stop_delivery(program, server):
    """Under freezegun times are the frozen ones, and flush comes back."""
    done = program(
        """
        import freezegun
        import honeytrace

        @honeytrace.trace_session
        def work():
            clock.tick(2)

        with freezegun.freeze_time("2024-04-02 12:00:00") as clock:
            work()
            print(honeytrace.flush(10))
        """,
        HH_API_URL=server.url,
    )
    assert (done.stdout, done.stderr) == ("True\n", "")
    session = server.sessions[0]
    assert (session["start_time"], session["duration"]) == (1712059200000, 2000.0)


fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")


@fork
def test_a_forked_child_has_its_own_delivery(program, server):
    """In the middle of a traced call: parent and child send their own sessions, each once."""
    done = program(
        """
        import os
        import warnings
        import honeytrace

        warnings.simplefilter("ignore", DeprecationWarning)

        @honeytrace.trace_session
        def work(who):
            return who

        work("before")
        with honeytrace.trace_session("open") as session:
            child = os.fork()
            if child == 0:
                work("child")
                honeytrace.flush(10)
                print(honeytrace.stats().accepted, flush=True)
            else:
                os.waitpid(child, 0)
                work("parent")
        if child == 0:
            honeytrace.shutdown(10)
            os._exit(0)
        """,
        HH_API_URL=server.url,
    )
    whose = [s["inputs"].get("who", s["session_name"]) for s in server.sessions]
    ids = {s["session_id"] for s in server.sessions}
    assert (done.returncode, done.stdout, done.stderr) == (0, "1\n", "")
    assert sorted(whose) == ["before", "child", "open", "parent"]
    assert len(ids) == 4


@fork
def test_forking_while_httpcore_is_imported_hangs_nobody(program, server):
    """The child can import and send, whatever the parent's worker was doing."""
    done = program(
        """
        import os
        import warnings
        import honeytrace

        warnings.simplefilter("ignore", DeprecationWarning)

        @honeytrace.trace_session
        def work(who):
            return who

        work("parent")
        child = os.fork()
        work("both")
        ok = honeytrace.shutdown(20)
        if child == 0:
            os._exit(0 if ok else 1)
        raise SystemExit(os.waitpid(child, 0)[1])
        """,
        HH_API_URL=server.url,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert sorted(s["inputs"]["who"] for s in server.sessions) == ["both", "both", "parent"]
