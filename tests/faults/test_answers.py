"""Each kind of answer of the server, and the fate of the sessions."""

from __future__ import annotations

import gzip
import itertools
import json
from email.utils import formatdate
from time import monotonic, time

import pytest

PAGE = b"<!doctype html>\n<html>\n<body>\n<h1>Nothing to see</h1>\n</body>\n</html>\n" * 100


def no(status, words=b"", **headers):
    """An answer that puts off or refuses."""
    return status, {name.replace("_", "-"): value for name, value in headers.items()}, words


# ---- Delivered


@pytest.mark.parametrize(
    "answer",
    [
        (200, {}, b""),
        (200, {}, b'{"session_id": "another"}'),
        (204, {}, b""),
    ],
    ids=["empty", "another id", "204"],
)
def test_a_success_is_one_whatever_it_says(answer, run, server, segments):
    """The session is sent once, and nothing stays on disk."""
    server.script = lambda request: answer
    done = run(server.url, 5, flush=10)
    assert done.report["flushed"]
    assert (done.stats["delivered"], len(server.requests), done.lines) == (5, 5, [])
    assert segments() == []


def test_a_page_is_not_a_delivery(run, server, kept):
    """A captive portal or a wrong address says 200, too; the sessions are kept."""
    server.script = lambda request: (200, {"Content-Type": "text/html"}, PAGE)
    kept(run(server.url, 5, trouble=True))


# ---- Retried


@pytest.mark.parametrize(
    "answer",
    [
        no(500, b'{"message": "oops"}'),
        no(503, PAGE, Content_Type="text/html"),
        no(429),
        no(429, Retry_After="soon"),
        no(429, Retry_After="0"),
        no(503, Retry_After="-5"),
        no(429, Retry_After="Thu, 01 Jan 1970 00:00:00 GMT"),
        no(503, Retry_After="nan"),
    ],
    ids=["500", "HTML", "429", "soon", "0", "negative", "past", "nan"],
)
def test_what_may_pass_is_tried_again(answer, run, server):
    """The same bytes again, until they are taken; nothing is delivered twice."""
    server.script = [answer, answer]
    done = run(server.url, 1, flush=20)
    assert done.report["flushed"]
    assert len(server.requests) == 3
    assert len({request.body for request in server.requests}) == 1


@pytest.mark.parametrize("form", ["seconds", "date"])
def test_retry_after_is_waited_for(form, run, server):
    """Nothing at all is sent before the time that the server names."""
    moments = []

    def script(request):
        moments.append(monotonic())
        if len(moments) > 1:
            return server.ok
        # A date has whole seconds only: two from now is more than one.
        return no(429, Retry_After="1" if form == "seconds" else formatdate(time() + 2.5))

    server.script = script
    done = run(server.url, 5, flush=20)
    assert (done.stats["delivered"], len(moments)) == (5, 6)
    assert moments[1] - moments[0] > 0.9


@pytest.mark.parametrize("value", ["315360000", "Sun, 06 Nov 2044 08:49:37 GMT"])
def test_ten_years_do_not_hold_the_program(value, run, server, kept):
    """One request, then everything is kept on disk, and the program ends without a wait."""
    server.script = lambda request: no(429, Retry_After=value)
    done = run(server.url, 5, trouble=True, flush=0.2)
    assert (done.report["flushed"], len(server.requests)) == (False, 1)
    assert done.exiting < 3
    kept(done)


# ---- Held


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_refused_key_or_path_stops_the_sending(status, run, server, kept):
    """One request, one warning, and everything waits on disk for better settings."""
    server.script = lambda request: no(status, b'{"message": "not for you"}')
    done = run(server.url, 20, trouble=True, flush=0.2)
    assert (done.report["flushed"], len(server.requests)) == (False, 1)
    (warning,) = done.warnings
    assert f"{status}" in warning
    assert "api_key" in warning
    kept(done)


@pytest.mark.parametrize("status", [302, 307])
def test_a_redirect_is_not_followed(status, run, server, serve, kept):
    """Neither the key nor a session goes to another host; everything is kept."""
    other = serve()
    server.script = lambda request: no(status, Location=f"{other.url}/session/start")
    done = run(server.url, 5, trouble=True, flush=0.2)
    assert (len(server.requests), other.connections) == (1, 0)
    kept(done)


def test_flush_without_a_timeout_gives_up_on_a_failing_server(run, server, kept):
    """Sessions on disk are safe, so there is nothing to wait for."""
    server.script = lambda request: no(401)
    done = run(server.url, 5, trouble=True, flush=None)
    assert not done.report["flushed"]
    kept(done)


# ---- Rejected


@pytest.mark.parametrize("status", [400, 422])
def test_a_rejected_session_is_set_aside(status, run, server, spool, segments):
    """It is not sent again, but on disk with the server's words; the others arrive."""
    bad = iter([True])
    words = b'{"message": "no such field"}'
    server.script = lambda request: no(status, words) if next(bad, False) else server.ok
    done = run(server.url, 5, flush=10)
    (aside,) = spool.glob("*/rejected.jsonl")
    (rejected,) = map(json.loads, aside.read_text("utf-8").splitlines())
    assert rejected["answer"] == f"status {status}: no such field"
    assert rejected["request"] == server.requests[0].json
    counts = (done.stats["rejected"], done.stats["delivered"], len(server.requests), segments())
    assert counts == (1, 4, 5, [])


def test_a_rejected_session_stays_aside(run, server, spool):
    """The next process does not send it again, and leaves it where it is."""
    server.script = [no(400, b"no")]
    run(server.url, 1, flush=10)
    again = run(server.url, 1, flush=10)
    (aside,) = spool.glob("*/rejected.jsonl")
    assert (len(server.requests), again.stats["resent"]) == (2, 0)
    assert len(aside.read_text("utf-8").splitlines()) == 1


def test_a_session_that_is_too_large_is_cut(run, server, segments):
    """After a 413 it goes out once more, smaller, under its id."""
    server.script = [no(413)]
    done = run(server.url, 1, size=900_000, flush=10)
    first, second = server.requests
    assert len(second.body) < 0.7 * len(first.body)
    assert second.json["session"]["session_id"] == done.ids[0]
    assert (done.stats["delivered"], segments()) == (1, [])


def test_a_session_that_stays_too_large_is_rejected(run, server, spool):
    """Once nothing is left to cut it is set aside, and counted."""
    server.script = lambda request: no(413, b"too large")
    done = run(server.url, 1, size=900_000, flush=10)
    (aside,) = spool.glob("*/rejected.jsonl")
    assert "413" in json.loads(aside.read_text("utf-8"))["answer"]
    sizes = [len(request.body) for request in server.requests]
    assert (done.stats["rejected"], sizes) == (1, sorted(sizes, reverse=True))


# ---- More than anybody asked for


@pytest.mark.parametrize("status", [200, 503])
def test_a_gzip_bomb_stays_packed(status, run, server):
    """A small answer that says it is a large one costs no memory."""
    bomb = gzip.compress(bytes(2**28), 1)  # 256 MiB in about 1 MiB
    headers = {"Content-Encoding": "gzip"}
    server.script = [(status, headers, bomb)]
    done = run(server.url, 2, flush=20)
    assert done.stats["delivered"] == 2
    assert done.report["memory_mib"] < 64


@pytest.mark.parametrize("status", [200, 503])
def test_an_endless_answer_is_not_read(status, run, server):
    """Of 400 MB no more than a little is taken in."""
    piece = bytes(2**16)
    taken = itertools.count()
    server.script = [(status, {}, (piece for _ in range(6400) if next(taken) >= 0))]
    done = run(server.url, 2, flush=20)
    kept = 2 if status == 200 else 0  # zeros are not an answer of the session API
    assert (done.stats["spooled"], done.stats["delivered"]) == (kept, 2 - kept)
    assert done.report["memory_mib"] < 64
    assert next(taken) < 3200


# ---- The command


def test_resend_delivers_what_was_kept(run, resend, server, segments):
    """The command sends what an ended process left, and exits with 0."""
    server.script = lambda request: no(401)
    first = run(server.url, 5)
    server.script, before = [], len(server.requests)
    done = resend(server.url)
    assert (done.returncode, segments()) == (0, []), done.stderr
    assert sorted(s["session_id"] for s in server.sessions[before:]) == sorted(first.ids)


def test_resend_says_that_something_stays(run, resend, server, segments):
    """While the server refuses, it exits with 1 and everything stays."""
    server.script = lambda request: no(401)
    run(server.url, 5)
    done = resend(server.url)
    assert done.returncode == 1, done.stderr
    assert segments()
