"""The threads that send: how often, how many, and what they log."""

from __future__ import annotations

import threading
import time

import pytest

from honeytrace._delivery import crew
from honeytrace._delivery.crew import Crew
from honeytrace._delivery.http.sender import HttpSender
from honeytrace._delivery.queue import DeliveryQueue
from honeytrace._delivery.senders import THREADS, LazySender
from honeytrace._utils.guard import ErrorGuard


class Body:
    """A record with its encoded body."""

    size = 0

    def __init__(self, number):
        self.body = b'{"session": {"n": %d}}' % number


class Sending:
    """A crew with what it works with, as a delivery has it."""

    def __init__(self, url):
        guard = ErrorGuard()
        self.sender = LazySender(lambda: HttpSender(url, "key", 1.0), guard)
        self.queue = DeliveryQueue(lambda record: record.body, guard, None)
        self.counts = self.queue.counts
        self.crew = Crew(self.queue, self.sender, guard, 32)

    def start(self):
        assert self.crew.start()

    def put(self, number=0):
        self.queue.new.append(Body(number))
        self.crew.ring()

    def flush(self, timeout):
        with self.queue.lock:
            mark = self.counts.mark(self.queue.waiting)
        end = time.monotonic() + timeout
        while mark.left > 0 and time.monotonic() < end:
            mark.bell.wait(end - time.monotonic())
        with self.queue.lock:
            self.counts.unmark(mark)
        return mark.left <= 0

    def stop(self):
        with self.queue.lock:
            self.crew.stop()
            sender = self.sender.part()
        if sender:
            sender.close()


@pytest.fixture
def sending(server):
    """They send to the scripted server, with a request timeout of 1 s."""
    made = Sending(server.url)
    made.start()
    yield made
    made.stop()


def until(happens, seconds=10):
    end = time.monotonic() + seconds
    while not happens() and time.monotonic() < end:
        time.sleep(0.002)
    return happens()


def threads():
    return {thread for thread in threading.enumerate() if thread.name.startswith(THREADS)}


# ---- One after the other


@pytest.mark.parametrize(
    "failure",
    [(500, {}, b""), (408, {}, b""), (429, {"Retry-After": "0"}, b""), "reset"],
    ids=["500", "408", "429", "reset"],
)
def test_what_may_be_retried_is_retried(failure, sending, server):
    """The same bytes, until they are taken."""
    server.script = [server.reset if failure == "reset" else failure] * 2
    sending.put(5)
    assert sending.flush(30)
    assert [session["n"] for session in server.sessions] == [5, 5, 5]
    assert sending.counts.delivered == 1


def test_a_refused_session_is_not_sent_again(sending, server, caplog):
    """A 4xx that no repetition can mend: counted as rejected, with the server's words."""
    server.script = [(422, {}, b'{"message": "no such field"}')]
    sending.put()
    assert sending.flush(10)
    assert (sending.counts.rejected, len(server.requests)) == (1, 1)
    assert "no such field" in caplog.text
    assert "no such field" in sending.crew.last


def test_a_refused_key_stops_the_sending(sending, server, caplog):
    """After a 401 nothing more is sent for now, and one warning says what to check."""
    server.script = lambda request: (401, {}, b"bad key")
    for number in range(20):
        sending.put(number)
    server.wait(1)
    assert not sending.flush(0.3)
    assert (len(server.requests), sending.counts.loose) == (1, 20)
    assert caplog.text.count("check api_key and server_url") == 1


def test_retry_after_holds_for_all(sending, server):
    """While the server asks for patience, no session is sent."""
    server.script = [(429, {"Retry-After": "60"}, b"")]
    sending.put(1)
    server.wait(1)
    sending.put(2)
    assert not sending.flush(0.3)
    assert len(server.requests) == 1


def test_a_server_that_is_not_known_yet_gets_one_request_at_a_time(sending, server):
    """So what its first answer says holds for all the others."""
    gate = threading.Event()
    server.script = [lambda request: (gate.wait(10), (429, {"Retry-After": "60"}, b""))[1]]
    for number in range(3):
        sending.put(number)
    server.wait(1)
    assert not sending.flush(0.3)
    gate.set()
    assert not sending.flush(0.3)
    assert len(server.requests) == 1


def test_an_awake_writer_finds_new_sessions_by_itself(sending, server, monkeypatch):
    """For a while after its last work nobody has to wake it; then it sleeps until it is woken."""
    monkeypatch.setattr(crew, "AWAKE_SECONDS", 60)
    sending.put(1)
    assert sending.flush(10)
    assert until(lambda: not sending.crew.asleep)
    sending.queue.new.append(Body(2))
    assert sending.flush(10)
    monkeypatch.setattr(crew, "AWAKE_SECONDS", 0)
    assert until(lambda: sending.crew.asleep)
    sending.queue.new.append(Body(3))
    assert not sending.flush(0.1)
    sending.put(4)
    assert sending.flush(10)
    assert [session["n"] for session in server.sessions] == [1, 2, 3, 4]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_threads_that_are_ended_from_outside_are_replaced(sending, server):
    """An exception that someone raises in ours costs no session: others do the work."""
    ended = []

    class Ends(HttpSender):
        def send(self, body):
            if len(ended) < 3:
                ended.append(threading.current_thread())
                raise SystemExit
            return super().send(body)

    sending.sender.change(lambda: Ends(server.url, "key", 1.0))
    for number in range(3):
        sending.put(number)
    assert sending.flush(20)
    assert sorted(session["n"] for session in server.sessions) == [0, 1, 2]
    assert (len(ended), sending.counts.delivered) == (3, 3)
    for thread in ended:  # pytest looks at its exception when it ends
        thread.join(10)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_the_only_thread_is_replaced(server, monkeypatch):
    """Also if the system allows no second one, which could go on with the work."""
    ended, start = [], threading.Thread.start

    def allow_one(self):
        if self.name.startswith(f"{THREADS}sender"):
            raise RuntimeError("can't start new thread")
        start(self)

    class Ends(HttpSender):
        def send(self, body):
            if not ended:
                ended.append(threading.current_thread())
                raise SystemExit
            return super().send(body)

    monkeypatch.setattr(threading.Thread, "start", allow_one)
    sending = Sending(server.url)
    sending.sender.change(lambda: Ends(server.url, "key", 1.0))
    sending.start()
    sending.put(5)
    assert sending.flush(20)
    assert ([session["n"] for session in server.sessions], len(ended)) == ([5], 1)
    ended[0].join(10)
    sending.stop()


def test_a_better_server_is_asked_at_once(sending, server):
    """Whatever the patience that the one before asks for, and be it after the change."""
    changed = threading.Event()
    patience = (429, {"Retry-After": "60"}, b"")
    server.script = [lambda request: (changed.wait(10), patience)[1]]
    sending.put()
    server.wait(1)
    with sending.queue.lock:
        sending.crew.begin_again()
    changed.set()
    sending.put()
    assert sending.flush(10)
    assert sending.counts.delivered == 2


def test_a_session_that_keeps_failing_does_not_hold_up_the_others(sending, server):
    """Ninety-nine arrive while one fails again and again."""
    server.script = lambda request: (
        (500, {}, b"") if request.json["session"]["n"] == 0 else server.ok(request)
    )
    for number in range(100):
        sending.put(number)
    deadline = time.monotonic() + 20
    while sending.counts.delivered < 99 and time.monotonic() < deadline:
        sending.flush(0.05)
    assert (sending.counts.delivered, sending.counts.loose) == (99, 1)


def test_a_flaky_server_gets_everything(sending, server):
    """Every third answer is a 503; all arrive."""
    count = iter(range(10**6))
    server.script = lambda r: (503, {}, b"") if next(count) % 3 == 0 else server.ok(r)
    for number in range(150):
        sending.put(number)
    assert sending.flush(30)
    assert sending.counts.delivered == 150


def test_recovery_is_said_once(sending, server, caplog):
    """One warning when it begins, one line when it is over."""
    server.script = [server.reset] * 3
    for number in range(5):
        sending.put(number)
    assert sending.flush(30)
    lines = [record.message.removeprefix("honeytrace: ") for record in caplog.records]
    assert len(lines) == 2
    assert lines[1] == "sessions are delivered again"


def test_a_redirect_to_another_host_is_not_followed(sending, server, serve):
    """Neither the session nor the key goes where the answer points."""
    other = serve()
    server.script = [(307, {"Location": f"{other.url}/session/start"}, b"")]
    sending.put()
    server.wait(1)
    assert not sending.flush(0.2)
    assert other.requests == []


# ---- How many


def test_a_slow_server_gets_several_requests_at_once(sending, server):
    """At 50 ms an answer, one connection would need ten seconds for 200 sessions."""
    server.script = lambda request: server.after(0.05)
    for number in range(200):
        sending.put(number)
    assert sending.flush(8)
    assert 4 < server.connections <= 40


def test_one_thread_has_several_requests_under_way(server, monkeypatch):
    """A slow server gets eight at once from the one thread that can be started for it."""
    start, together, gate = threading.Thread.start, threading.Barrier(8), threading.Event()

    def allow_one_sender(self):
        if self.name.startswith(f"{THREADS}sender") and self.name != f"{THREADS}sender-1":
            raise RuntimeError("can't start new thread")
        start(self)

    def answer(request):
        number = request.json["session"]["n"]
        if number == 99:
            gate.wait(10)
        elif number > 99:
            together.wait(10)
        return server.after(0.02)

    monkeypatch.setattr(threading.Thread, "start", allow_one_sender)
    sending = Sending(server.url)
    sending.start()
    server.script = answer
    for number in range(40):  # they open connections
        sending.put(number)
    assert sending.flush(20)
    sending.put(99)
    server.wait(41)
    for number in range(100, 108):
        sending.put(number)
    gate.set()
    assert sending.flush(20)
    assert (len(server.requests), together.broken) == (49, False)
    sending.stop()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_thread_that_ends_with_requests_under_way(sending, server):
    """Sessions that it had taken are sent by others, whether it had begun to send them or not."""
    ended = []

    class Ends(HttpSender):
        def begin(self, body):
            if b'"n": 77' in body and not ended:
                ended.append(threading.current_thread())
                raise SystemExit
            return super().begin(body)

    sending.sender.change(lambda: Ends(server.url, "key", 1.0))
    server.script = lambda request: server.after(0.02)
    for number in range(150):
        sending.put(number)
    assert sending.flush(20)
    assert {session["n"] for session in server.sessions} == set(range(150))
    assert sending.counts.delivered == 150
    ended.pop().join(10)


def test_failures_of_requests_under_way_at_once(sending, server):
    """Each session that was refused is sent again, and each that was taken is not."""
    count = iter(range(10**6))

    def answer(request):
        number = next(count)
        return (503, {}, b"") if number > 40 and number % 3 == 0 else server.after(0.02)

    server.script = answer
    for number in range(150):
        sending.put(number)
    assert sending.flush(30)
    assert (sending.counts.delivered, sending.counts.loose) == (150, 0)


def test_a_late_answer_does_not_hold_up_those_beside_it(server, sending):
    """Sessions that the server has answered are settled, although another one waits."""
    gate = threading.Event()
    sending.sender.change(lambda: HttpSender(server.url, "key", 30.0))
    server.script = lambda request: (
        (gate.wait(20), server.ok(request))[1]
        if request.json["session"]["n"] in (100, 103)
        else server.after(0.02)
    )
    for number in range(148):
        sending.put(number)
    deadline = time.monotonic() + 20
    while sending.counts.delivered < 146 and time.monotonic() < deadline:
        sending.flush(0.05)
    assert (sending.counts.delivered, sending.counts.loose) == (146, 2)
    gate.set()
    assert sending.flush(20)
    assert len(server.requests) == 148


def test_idle_senders_end(server):
    """The senders that a slow server needed are gone when there is nothing to send."""
    others, sending = threads(), Sending(server.url)
    sending.start()
    server.script = lambda request: server.after(0.05)
    for number in range(150):
        sending.put(number)
    assert sending.flush(20)
    assert len(threads() - others) > 2
    deadline = time.monotonic() + 10
    while len(threads() - others) > 2 and time.monotonic() < deadline:
        threading.Event().wait(0.05)
    assert len(threads() - others) == 2
    sending.stop()


def test_fewer_senders_have_to_do(sending, server, monkeypatch):
    """If no further thread can be started, the running ones do the work."""
    start = threading.Thread.start

    def refuse(self):
        if self.name.startswith(THREADS):
            raise RuntimeError("can't start new thread")
        start(self)

    monkeypatch.setattr(threading.Thread, "start", refuse)
    server.script = lambda request: server.after(0.05)
    for number in range(50):
        sending.put(number)
    assert sending.flush(20)
    assert sorted(session["n"] for session in server.sessions) == list(range(50))


def test_what_is_sent_here_is_no_request_under_way(server):
    """After this thread has sent, senders that start later still try a failing server."""
    sending = Sending(server.url)
    sending.put(1)
    sending.queue.encode()
    sending.queue.write()
    sending.crew.send_here(time.monotonic() + 10)
    assert (sending.counts.delivered, sending.crew.sending) == (1, False)
    server.script = [(429, {"Retry-After": "0"}, b"")]
    sending.start()
    sending.put(2)
    assert sending.flush(20)
    sending.stop()


def test_nothing_is_sent_here_when_the_time_is_over(server):
    """At exit, what is left stays where it is."""
    sending = Sending(server.url)
    sending.put(1)
    sending.queue.encode()
    sending.queue.write()
    sending.crew.send_here(time.monotonic())
    assert (sending.counts.loose, server.requests) == (1, [])
