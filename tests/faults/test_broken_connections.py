"""Faults of the connection: refused, silent, slow, broken, or to a wrong server."""

from __future__ import annotations

import threading

import pytest
from lines import drips, leads, pours, says, silent, tears

SHORT = 0.3  # seconds that a request may take, where it takes that long
PACE = 0.06  # below it, as a byte a second is below 5 s
STATUS = b"HTTP/1.1 %d Whatever\r\nContent-Type: application/json\r\nContent-Length: 5000\r\n\r\n"
BANNER = b"SSH-2.0-OpenSSH_9.6\r\n"
ALERT = bytes.fromhex("15030300020246")  # TLS: a fatal alert


def test_refused(run, line, kept):
    """Nobody listens: everything is on disk, and arrives once somebody does."""
    done = run(line.url, 20)
    assert done.exiting < 3
    assert len(done.warnings) == 1
    kept(done, line)


def test_refused_for_a_while(run, line, server, segments):
    """A server that comes up late gets everything in the same process."""
    timer = threading.Timer(0.7, line.listen, [leads(server.port)])
    timer.start()
    done = run(line.url, 20, flush=20)
    timer.join()
    assert (done.report["flushed"], done.stats["delivered"]) == (True, 20)
    assert sorted(s["session_id"] for s in server.sessions) == sorted(done.ids)
    assert segments() == []


def test_a_black_hole(run, line, kept):
    """Connections are taken and nothing is said: each request ends with its timeout."""
    line.listen(silent)
    done = run(line.url, 20, trouble=True, flush=0.1, HH_API_TIMEOUT=SHORT)
    assert not done.report["flushed"]
    assert done.exiting < 5
    kept(done, line)


def test_nobody_connects(run, line, kept):
    """A host that takes no connection, and does not refuse any either."""
    line.fill()
    done = run(line.url, 20, trouble=True, flush=0.1, HH_API_TIMEOUT=SHORT)
    assert not done.report["flushed"]
    assert done.exiting < 5
    kept(done, line)


def test_slow_to_connect(run, line, server):
    """A connection that takes its time is waited for, and everything arrives."""
    line.fill()
    timer = threading.Timer(0.7, line.listen, [leads(server.port)])
    timer.start()
    done = run(line.url, 5, flush=20)
    timer.join()
    assert (done.report["flushed"], done.stats["delivered"]) == (True, 5)


@pytest.mark.parametrize("head", [b"", b"HTTP/1.1 200 OK\r\nX: "], ids=["status", "header"])
def test_a_head_that_drips(head, run, line, kept):
    """The timeout is one for the whole request: a byte now and then does not make it longer."""
    line.listen(drips(head, PACE))
    done = run(line.url, 5, trouble=True, flush=0.1, HH_API_TIMEOUT=SHORT)
    assert not done.report["flushed"]
    assert done.exiting < 5
    kept(done, line)


def test_a_success_whose_body_drips(run, line, kept):
    """An answer that never names its session is not waited for, and is not a delivery."""
    line.listen(drips(STATUS % 200, PACE))
    done = run(line.url, 2, trouble=True, HH_API_TIMEOUT=SHORT, HONEYTRACE_EXIT_TIMEOUT=0.5)
    assert done.exiting < 5
    kept(done, line)


def test_a_failure_whose_body_drips(run, line, kept):
    """A 503 in slow motion is a 503."""
    line.listen(drips(STATUS % 503, PACE))
    done = run(line.url, 5, trouble=True, HH_API_TIMEOUT=SHORT, HONEYTRACE_EXIT_TIMEOUT=0.5)
    assert done.exiting < 5
    kept(done, line)


@pytest.mark.parametrize(
    "tear",
    [
        tears(1),
        tears(5000),
        tears(None),
        tears(None, b"HTTP/1.1 200 OK\r\nContent-Le"),
        tears(None, BANNER),
    ],
    ids=["at once", "in the request", "before the answer", "in the head", "after nonsense"],
)
def test_a_reset(tear, run, line, server):
    """A connection that is torn: the session goes out again, under the same id."""
    line.listen(tear, tear, leads(server.port))
    done = run(line.url, 3, size=100_000, flush=20)
    assert done.report["flushed"]
    assert sorted(s["session_id"] for s in server.sessions) == sorted(done.ids)
    assert line.connections >= 3


def test_a_reset_after_the_status(run, line):
    """A session whose status arrived is not sent again, even if the answer was cut."""
    line.listen(tears(None, (STATUS % 200) + b"{"))
    done = run(line.url, 3, flush=20)
    assert (done.stats["delivered"], line.connections) == (3, 3)


@pytest.mark.parametrize("words", [BANNER, b"\0" * 4096], ids=["SSH", "zeros"])
def test_another_protocol(words, run, line, kept):
    """A port where something else answers: kept, and said in words that can be read."""
    line.listen(says(words))
    done = run(line.url, 5, trouble=True, flush=0.1, HH_API_TIMEOUT=SHORT)
    assert not done.report["flushed"]
    kept(done, line)


@pytest.mark.parametrize(
    "piece", [b"X-Junk: " + b"x" * 56 + b"\r\n", b"x" * 64], ids=["lines", "line"]
)
def test_endless_headers(piece, run, line, kept):
    """A head without an end is not gathered in memory."""
    line.listen(pours(b"HTTP/1.1 200 OK\r\n", piece * 1000))
    done = run(line.url, 5, trouble=True, flush=0.1)
    assert done.report["memory_mib"] < 64
    kept(done, line)


@pytest.mark.parametrize("words", [BANNER, ALERT], ids=["SSH", "alert"])
def test_tls_fails(words, run, line, segments):
    """If the server does not speak TLS, one attempt and one warning are enough, and all is kept."""
    line.listen(says(words))
    done = run(line.url.replace("http:", "https:"), 20, trouble=True, flush=0.1)
    assert (done.report["flushed"], line.connections, len(done.warnings)) == (False, 1, 1)
    assert (done.stats["spooled"], done.stats["last_error"] is None) == (20, False)
    assert segments()


def test_https_to_a_plain_server(run, server, segments):
    """The commonest slip in an address: kept, one warning, and no request is made of it."""
    done = run(server.url.replace("http:", "https:"), 20, trouble=True, flush=0.1)
    assert (len(server.requests), server.connections, len(done.warnings)) == (0, 1, 1)
    assert done.stats["spooled"] == 20
    assert segments()
