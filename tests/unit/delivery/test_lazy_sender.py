"""One body to the server: an answer comes of it, whatever happens on the way."""

from __future__ import annotations

import _thread
import json
import threading
from functools import partial

import pytest

from honeytrace._delivery import senders
from honeytrace._delivery.http.sender import HttpSender
from honeytrace._delivery.retry import Answer, Verdict
from honeytrace._delivery.senders import DeliveryThread, LazySender, Sending, start_thread
from honeytrace._utils.guard import ErrorGuard

DELIVERED = Answer(Verdict.DELIVERED)
TOO_LARGE = Answer(Verdict.TOO_LARGE, "too large")


class Scripted:
    """A sender that answers, or raises, by a script."""

    def __init__(self, *script):
        self.script = list(script)
        self.bodies = []
        self.closed = False

    def begin(self, body):
        return Sending(partial(self.send, body))

    def send(self, body):
        self.bodies.append(body)
        answer = self.script.pop(0)
        if isinstance(answer, Answer):
            return answer
        raise answer

    def close(self):
        self.closed = True


@pytest.fixture
def guard():
    return ErrorGuard()


@pytest.fixture(params=["send", "begin"])
def send(request):
    """Send a body at once, or begin to and then wait for the answer."""
    if request.param == "send":
        return LazySender.send
    return lambda sender, body: sender.begin(body).answer()


def test_a_body_arrives(send, server, guard):
    """It is connected when there is something to send, once."""
    sender = LazySender(lambda: HttpSender(server.url, "key", 1.0), guard)
    assert server.connections == 0
    assert [send(sender, b'{"session": {}}') for _ in range(2)] == [DELIVERED] * 2
    assert server.connections == 1
    sender.part().close()


def test_a_fault_is_an_attempt_that_failed(send, guard):
    """While sending; it is counted, and the session is to be sent again."""
    sender = LazySender(lambda: Scripted(RuntimeError("a fault")), guard)
    answer = send(sender, b"x")
    assert (answer.verdict, answer.answered) == (Verdict.RETRY, False)
    assert list(guard.by_place.values()) == [1]


@pytest.mark.parametrize(
    ("error", "counted"),
    [(OSError(24, "Too many open files"), 0), (ImportError("no httpx"), 1)],
)
def test_a_connection_that_cannot_be_made(error, counted, send, guard):
    """It is tried again with the next body; a lack of descriptors is not an internal error."""
    usable = False

    def connect():
        if not usable:
            raise error
        return Scripted(DELIVERED)

    sender = LazySender(connect, guard)
    assert send(sender, b"x").verdict is Verdict.RETRY
    usable = True
    assert send(sender, b"x") == DELIVERED
    assert sum(guard.by_place.values()) == counted


@pytest.mark.parametrize(
    ("shrink", "bodies", "verdict"),
    [
        (lambda body: body[1:], [b"xxxx", b"xxx", b"xx"], Verdict.DELIVERED),
        (lambda body: body[:3], [b"xxxx", b"xxx"], Verdict.REJECTED),
        (lambda body: body, [b"xxxx"], Verdict.REJECTED),
        (lambda body: 1 / 0, [b"xxxx"], Verdict.REJECTED),
        (None, [b"xxxx"], Verdict.REJECTED),
    ],
)
def test_what_is_too_large_is_sent_with_less(shrink, bodies, verdict, send, guard):
    """Less and less, until it fits or nothing is left to cut; then it is rejected."""
    sender = Scripted(TOO_LARGE, TOO_LARGE, DELIVERED)
    assert send(LazySender(lambda: sender, guard, shrink), b"xxxx").verdict is verdict
    assert sender.bodies == bodies


def test_what_stays_too_large_is_rejected(guard):
    """With the words of the server."""
    sender = LazySender(lambda: Scripted(TOO_LARGE, TOO_LARGE), guard, lambda body: body[:1])
    assert sender.send(b"xx") == Answer(Verdict.REJECTED, "too large")


def test_another_way(guard):
    """The old connections are handed back to be closed; what comes next goes the other way."""
    old, new = Scripted(DELIVERED), Scripted(DELIVERED)
    sender = LazySender(lambda: old, guard)
    assert sender.part() is None
    sender.send(b"1")
    assert sender.change(lambda: new) is old
    sender.send(b"2")
    assert (old.bodies, new.bodies) == ([b"1"], [b"2"])


def test_nobody_connects_while_it_is_held(guard):
    """As around a fork."""
    sender, connected = LazySender(lambda: Scripted(DELIVERED), guard), threading.Event()
    thread = threading.Thread(target=lambda: (sender.send(b"x"), connected.set()))
    sender.hold()
    thread.start()
    assert not connected.wait(0.1)
    sender.let_go()
    assert connected.wait(10)
    thread.join()


def test_a_fork_does_not_wait_long_for_a_thread_that_connects(guard, monkeypatch):
    """That thread may itself wait for the one that forks; it goes on undisturbed."""
    monkeypatch.setattr(senders, "HOLD_SECONDS", 0.01)
    connecting, forked, answers = threading.Event(), threading.Event(), []

    def connect():
        connecting.set()
        forked.wait(10)
        return Scripted(DELIVERED)

    sender = LazySender(connect, guard)
    thread = threading.Thread(target=lambda: answers.append(sender.send(b"x")))
    thread.start()
    connecting.wait(10)
    sender.hold()
    sender.let_go()
    forked.set()
    thread.join()
    assert answers == [DELIVERED]


def test_a_thread_that_has_not_begun_is_not_waited_for_long():
    """At exit there may be one that the system has not let run yet."""
    DeliveryThread(int, "late").join(0)


def test_our_threads_have_enough_stack():
    """TLS and SQLite need more than some programs choose; their own choice stays in force."""
    depth, chosen, found = 500, 32 * 1024, []
    thread = DeliveryThread(lambda: found.append(json.loads("[" * depth + "]" * depth)), "deep")
    before = threading.stack_size(chosen)
    try:
        assert start_thread(thread)
    finally:
        after = threading.stack_size(before)
    thread.join(10)
    assert (after, len(found)) == (chosen, 1)


SETTERS = [
    (threading.settrace, threading.gettrace),
    (threading.setprofile, threading.getprofile),
]


def started(setter, getter, function, target):
    """Run a thread of ours to its end while the program has a function for new threads."""
    before = getter()
    setter(function)
    try:
        thread = DeliveryThread(target, "observed")
        assert start_thread(thread)
    finally:
        thread.join(10)
        setter(before)


@pytest.mark.parametrize(("setter", "getter"), SETTERS)
def test_functions_of_the_program_do_not_see_our_threads(setter, getter):
    """Debuggers and profilers set them. They could end the thread, or trace what it does."""
    seen, done = [], []

    def function(frame, event, argument):
        seen.append(event)
        raise ValueError("only for threads that I know")

    started(setter, getter, function, lambda: done.append(True))
    assert (seen, done) == ([], [True])


def test_coverage_sees_our_threads():
    """It is known to do no harm, and measures this very code."""
    seen = []

    def function(frame, event, argument):
        seen.append(event)

    function.__module__ = "coverage.collector"
    started(*SETTERS[0], function, lambda: None)
    assert "call" in seen


def test_functions_of_greenlets_are_left_alone(monkeypatch):
    """Under gevent they are those of the thread that all greenlets run in."""
    seen, start = [], _thread.start_new_thread
    monkeypatch.setattr(_thread, "start_new_thread", lambda *arguments: start(*arguments))
    started(*SETTERS[0], lambda *arguments: seen.append(arguments[1]), lambda: None)
    assert "call" in seen
