"""The cost of server faults: seconds at exit, and no lost session."""

from __future__ import annotations

import json
import os
import random
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest
from loopback import started

HERE = Path(__file__).parent
PROGRAM = HERE.parent / "faults" / "calls.py"
UNSENT = 20
now = partial(time.clock_gettime, time.CLOCK_MONOTONIC)


def run(url, calls, **options):
    """Runs the program of the fault tests: what it printed, and its seconds at exit."""
    variables = {name: str(options.pop(name)) for name in list(options) if name.isupper()}
    settings = {"HH_API_KEY": "key", "HH_API_URL": url, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, PROGRAM, json.dumps({"calls": calls, **options})],
        env={**os.environ, **settings, **variables},
        stdout=subprocess.PIPE,
        text=True,
        timeout=1800,
        check=True,
    )
    ended, report = now(), json.loads(done.stdout)
    return {**report["stats"], **report, "exiting": ended - report["ended_at"]}


@pytest.fixture
def port():
    """A port of the loopback at which nobody listens, yet."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound


def url(bound):
    return f"http://127.0.0.1:{bound.getsockname()[1]}"


def unsent(report, fault, bar, address, **options):
    """The seconds that a program takes at exit whose sessions cannot be delivered."""
    got = run(address, UNSENT, **options)
    report(f"exit, {fault}", f"{got['exiting']:.2f} s (bar {bar} s), {got['spooled']} on disk")
    assert got["spooled"] == UNSENT


def test_exit_refused(report, port):
    """Nobody listens."""
    unsent(report, "refused", 0.5, url(port))


def test_exit_black_hole(report, port):
    """Connections are taken by the system, and nobody reads from them."""
    port.listen(128)
    unsent(report, "black hole", 2.5, url(port))


@pytest.mark.parametrize("status", [503, 401])
def test_exit_refusing(report, server, status):
    """A server that answers at once, and takes nothing."""
    server.script = lambda request: (status, {}, b"")
    unsent(report, f"{status}", 1.0, server.url)


def test_exit_drip(report, port):
    """A server that says a byte a second."""
    port.listen(128)
    closing = threading.Event()

    def drip(connection):
        with connection, suppress(OSError):
            while not closing.wait(1):
                connection.sendall(b"H")

    def accept():
        while not closing.is_set():
            try:
                connection, _ = port.accept()
            except TimeoutError:
                continue
            threads.append(threading.Thread(target=drip, args=(connection,)))
            threads[-1].start()

    port.settimeout(0.1)
    threads = [threading.Thread(target=accept)]
    threads[0].start()
    try:
        unsent(report, "a byte a second", 2.5, url(port))
    finally:
        closing.set()
        for thread in threads:
            thread.join()


def test_a_third_fails(report, server):
    """50,000 sessions from 50 threads, and a third of the answers are a 503."""
    dice, taken = random.Random(7), []

    def script(request):
        server.requests.clear()  # they would be the larger part of the memory
        if dice.random() < 1 / 3:
            return 503, {}, b""
        taken.append(request.json["session"]["session_id"])
        return server.ok

    server.script = script
    began = now()
    got = run(server.url, 50_000, threads=50, flush=600)
    report("a third of the answers 503", f"{got['delivered']:,} of 50,000 (bar: all)")
    report("a third of the answers 503", f"{50_000 / (now() - began):,.0f} sessions/s")
    report("a third of the answers 503", f"{got['memory_mib']:.1f} MiB more, ids included")
    assert got["delivered"] == len(taken) == 50_000
    assert {*taken} == {*got["ids"]}


def test_a_million_calls(report):
    """To a server that answers at once: all arrive, in flat memory."""
    with started() as server:
        began = now()
        got = run(server.url, 1_000_000, ids=False, flush=1200)
        seconds, answered = now() - began, server.answered()
    report("1,000,000 calls", f"{got['delivered']:,} delivered, {answered:,} answered (bar: all)")
    report("1,000,000 calls", f"{got['memory_mib']:.1f} MiB more (bar 64), {seconds:.0f} s")
    assert got["delivered"] + got["dropped"] + got["spooled"] == 1_000_000
    assert answered >= got["delivered"]


def test_a_hundred_thousand_calls_to_nobody(report, port):
    """To a server that is not there: nothing is uncounted, in flat memory."""
    got = run(url(port), 100_000, ids=False, flush=0.5)
    counts = f"{got['spooled']:,} on disk, {got['dropped']:,} dropped and counted"
    report("100,000 calls to nobody", counts)
    report("100,000 calls to nobody", f"{got['memory_mib']:.1f} MiB more (bar 64)")
    assert got["spooled"] + got["dropped"] == 100_000
