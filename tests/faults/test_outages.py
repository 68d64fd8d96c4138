"""Servers that fail for some, for a time, or now and then."""

from __future__ import annotations

import itertools
import random
from collections import Counter

import pytest


def flaky(server, seed):
    """Answers as a server that fails a third of the time; and the ids that it took.

    None fails more than four times, since the last of many back-offs could take half a minute.
    """
    dice, taken, failed = random.Random(seed), [], Counter()
    failures = [(500, {}, b""), (503, {}, b""), (429, {"Retry-After": "0"}, b"")]

    def script(request):
        session_id = request.json["session"]["session_id"]
        if dice.random() < 1 / 3 and failed[session_id] < 4:
            failed[session_id] += 1
            return dice.choice(failures)
        taken.append(session_id)
        # A few are taken, and the answer is lost: only these may come twice.
        return server.reset if dice.random() < 0.002 else server.ok

    return script, taken


def test_a_third_of_the_answers_fail(run, server, segments):
    """2,000 sessions from 20 threads all arrive, and what comes twice has its id twice."""
    server.script, taken = flaky(server, 7)
    done = run(server.url, 2000, threads=20, flush=45)
    assert done.report["flushed"]
    assert len({*done.ids}) == done.stats["delivered"] == 2000
    assert {*taken} == {*done.ids}
    assert len(taken) < 2040
    assert segments() == []


def test_one_session_that_always_fails(run, server, kept):
    """The two hundred others are not held up, and it is kept for later."""

    def script(request):
        return (500, {}, b"") if request.json["session"]["inputs"]["number"] == 100 else server.ok

    server.script = script
    done = run(server.url, 201, until={"delivered": 200}, HONEYTRACE_EXIT_TIMEOUT=0.2)
    assert (done.stats["delivered"], done.stats["spooled"]) == (200, 1)
    kept(done, settled=200)


@pytest.mark.parametrize(
    ("failures", "headers"), [(8, {}), (20, {"Retry-After": "0"})], ids=["8", "20 at once"]
)
def test_recovery_is_said_once(failures, headers, run, server):
    """A line when it begins to fail, and one when it is over."""
    server.script = [(503, headers, b"")] * failures
    done = run(server.url, 5, flush=30)
    assert done.stats["delivered"] == 5
    assert len(server.requests) == failures + 5
    assert [line.count("delivered again") for line in done.lines] == [0, 1]


def test_a_thousand_failures_are_three_lines(run, server):
    """The log does not grow with the number of failures."""
    count = itertools.count()
    failing = (503, {"Retry-After": "0"}, b"")
    server.script = lambda request: failing if next(count) < 1000 else server.ok
    done = run(server.url, 1000, flush=45)
    assert (done.report["flushed"], len(server.requests)) == (True, 2000)
    assert 1 <= len(done.lines) <= 3


def test_a_thousand_failures_at_a_dead_port_are_three_lines(run, line, kept):
    """Nor with the number of sessions that wait."""
    done = run(line.url, 1000, trouble=True, flush=0.1)
    assert len(done.lines) <= 3
    kept(done, line)


def test_what_fails_in_one_process_arrives_by_the_third(run, server, segments):
    """Sessions wait through as many failing processes as it takes."""
    server.script = lambda request: (503, {}, b"")
    first, second = run(server.url, 5), run(server.url, 5)
    server.script, before = [], len(server.requests)
    third = run(server.url, 1, until={"resent": 10}, flush=10)
    came = sorted(session["session_id"] for session in server.sessions[before:])
    assert came == sorted([*first.ids, *second.ids, *third.ids])
    assert segments() == []


def test_another_server_gets_nothing(run, server, serve, segments):
    """Sessions for one server and project are not sent to another."""
    server.script = lambda request: (503, {}, b"")
    run(server.url, 5)
    before, other = len(server.requests), serve()
    run(other.url, 1, flush=10)
    server.script = []
    run(server.url, 1, flush=10, HH_PROJECT="another")
    assert (len(other.requests), len(server.requests) - before) == (1, 1)
    assert segments()
