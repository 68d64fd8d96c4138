"""The end of a program whose sessions cannot be delivered: soon, and with everything on disk.

The bounds are guards against hanging; how soon it is, the benchmarks show.
"""

from __future__ import annotations

import pytest
from lines import drips, silent

UNSENT = 20


@pytest.mark.parametrize("status", [503, 401])
def test_a_server_that_refuses(status, run, server, kept):
    """As soon as it is known to fail, it is not waited for."""
    server.script = lambda request: (status, {}, b"")
    done = run(server.url, UNSENT)
    assert done.exiting < 4
    kept(done)


def test_a_server_that_says_nothing(run, line, kept):
    """A request under way when the program ends is waited for as long as the exit timeout."""
    line.listen(silent)
    done = run(line.url, UNSENT, HH_API_TIMEOUT=30)
    assert done.exiting < 5
    kept(done, line)


def test_a_server_that_drips(run, line, kept):
    """Nor does an answer that is coming, byte by byte, make it longer."""
    line.listen(drips(b"HTTP/1.1 200", 0.1))
    done = run(line.url, UNSENT, HH_API_TIMEOUT=30, HONEYTRACE_EXIT_TIMEOUT=0.5)
    assert done.exiting < 4
    kept(done, line)


def test_no_time_at_all(run, line, kept):
    """With an exit timeout of nothing, everything is written down and the program ends."""
    line.listen(silent)
    done = run(line.url, UNSENT, HH_API_TIMEOUT=30, HONEYTRACE_EXIT_TIMEOUT=0)
    assert done.exiting < 3
    kept(done, line)


def test_a_good_server_gets_everything_at_exit(run, server, segments):
    """Without any flush, what was called last arrives."""
    done = run(server.url, UNSENT, HONEYTRACE_EXIT_TIMEOUT=20)
    assert (done.stats["delivered"], len(server.requests)) == (UNSENT, UNSENT)
    assert (segments(), done.lines) == ([], [])


def test_a_slow_server_gets_what_the_time_allows(run, server, resend, segments):
    """Sessions sent in time are delivered, the rest waits on disk; nothing is lost."""
    server.script = lambda request: server.after(0.05)
    some = {"until": {"delivered": 1}, "HONEYTRACE_EXIT_TIMEOUT": 0.1}
    done = run(server.url, 1000, **some)
    assert 1 <= done.stats["delivered"] < 1000
    server.script = []
    assert (resend(server.url).returncode, segments()) == (0, [])
    assert {session["session_id"] for session in server.sessions} == {*done.ids}


def test_without_a_spool_the_loss_is_said(run, line):
    """With the spool off, what could not be sent is counted as dropped, and said in one line."""
    done = run(line.url, UNSENT, HONEYTRACE_SPOOL_DIR="off", HONEYTRACE_EXIT_TIMEOUT=0.3)
    assert (done.stats["dropped"], done.stats["spooled"]) == (UNSENT, 0)
    assert any(str(UNSENT) in text for text in done.lines)
