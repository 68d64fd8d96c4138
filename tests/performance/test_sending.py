"""What delivery takes, end to end, against a server in another process."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from loopback import started

HERE = Path(__file__).parent


def burst(delay, calls):
    with started(delay) as server:
        command = [sys.executable, str(HERE / "burst.py"), server.url, str(calls)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=True)
        answered = server.answered()
    return {**json.loads(done.stdout), "answered": answered - 50}


def test_a_burst(report):
    """10,000 sessions as fast as they can be called, to a server that answers at once."""
    got = burst(0, 10_000)
    report("10,000 in a burst", f"{got['answered'] / 10_000:.1%} answered (bar 100 %)")
    report("CPU a session", f"{got['cpu_us']:.0f} µs (bar 220), all threads")
    report("more memory", f"{got['memory_mib']:.1f} MiB (bar 64)")
    report("delivered", f"{10_000 / got['seconds']:,.0f} sessions/s")
    assert got["answered"] == got["delivered"] == 10_000


def test_a_distant_server(report):
    """A server whose answers take 50 ms."""
    got = burst(0.05, 5_000)
    report("50 ms away", f"{5_000 / got['seconds']:,.0f} sessions/s (bar 550)")
    report("50 ms away, CPU a session", f"{got['cpu_us']:.0f} µs")
    assert got["answered"] == got["delivered"] == 5_000
