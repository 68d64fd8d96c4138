"""The cost of a delivered session on all threads, as ratios to the limit of the same run.

The limit is written by hand: one thread, one socket (or SQLite), `json`, and no checks. Small and
large sessions and streams, as a burst and at 500 a second, to a server and to the local store.

    pytest tests/performance/test_delivery.py
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from statistics import median

import pytest
from loopback import started

PROGRAM = str(Path(__file__).parent / "delivering.py")
SIZES = {"small": 100, "4 KB": 4_096, "64 KB": 65_536, "4 KB stream": -4_096}
ROUNDS = 5


def delivered(who, where, size, count, rate):
    command = [sys.executable, PROGRAM, who, where, *map(str, (size, count, rate))]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def compared(where, size, count, rate):
    """The medians of honeytrace and of the limit, run in turns."""
    runs = {"honeytrace": [], "limit": []}
    for _ in range(ROUNDS):
        for who, got in runs.items():
            got.append(delivered(who, where, size, count, rate))
    return [{name: median(run[name] for run in got) for name in got[0]} for got in runs.values()]


@pytest.mark.parametrize("local", [False, True], ids=["remote", "local"])
@pytest.mark.parametrize("rate", [0, 500], ids=["burst", "steady"])
@pytest.mark.parametrize("kind", SIZES)
def test_a_delivered_session(kind, rate, local, report):
    """CPU of all threads, sessions a second, context switches, and what the caller waits."""
    count = 1_500 if rate else 2_000 if kind == "64 KB" else 10_000
    with started() as server:
        ours, limit = compared("local" if local else server.url, SIZES[kind], count, rate)
        server.answered()
    name = f"{kind}, {'local' if local else 'remote'}, {'500/s' if rate else 'burst'}"
    cpu, speed = ours["cpu_us"] / limit["cpu_us"], ours["per_second"] / limit["per_second"]
    report(name, f"CPU {ours['cpu_us']:.0f} µs, {cpu:.2f} × limit (bar {3 if rate else 2.5})")
    if not rate:
        report(name, f"{ours['per_second']:,.0f} a second, {speed:.2f} × limit (bar 0.5)")
    report(name, f"{ours['switches']:.1f} switches a session (limit {limit['switches']:.1f})")
    report(name, f"a call {ours['call_us']:.0f} µs, the longest {ours['longest_ms']:.1f} ms")


def test_a_distant_server(report):
    """50 ms away: the CPU of a session against that of a server nearby."""
    got = []
    for delay in (0, 0.05):
        with started(delay) as server:
            got.append(delivered("honeytrace", server.url, 4_096, 5_000, 0))
            server.answered()
    near, far = got
    report("50 ms away", f"{far['per_second']:,.0f} sessions a second (bar 950)")
    report("50 ms away", f"CPU {far['cpu_us'] / near['cpu_us']:.2f} × nearby (bar 1.33)")
