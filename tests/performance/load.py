"""Traced calls of many threads, in tight loops and at steady rates: prints a line for each case.

    python tests/performance/load.py [SECONDS]    every case, for 2 seconds each by default
    python tests/performance/load.py 2 local "200 threads" tight    only the cases with these words

All 128 cases take about ten minutes. The rates are calls a second of all threads together.

A session is lost if the server has not answered for it, the store does not hold it, and it is not
on disk for the next run either. `call` is the mean time of a call, without the pauses in between;
`longest` is the longest call. `exit` is the time from the last call until honeytrace has ended, and
`end` until the process has. Ends with code 1 if a session is lost or dropped, or if a process ends
too late.
"""

from __future__ import annotations

import atexit
import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import product
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "support"))

from loopback import started

END_BAR = 2.3  # seconds
THREADS, SIZES = (1, 4, 16, 200), {"100 B": 100, "4 KB": 4_096}
RATES = {"tight": 0, "1,000/s": 1_000, "5,000/s": 5_000, "20,000/s": 20_000}
SERVERS = {"good": 0.0, "slow": 0.05}  # seconds to an answer
COLUMNS = (
    "calls",
    "delivered",
    "on disk",
    "dropped",
    "lost",
    "call µs",
    "longest ms",
    "exit s",
    "end s",
)
TIMES = COLUMNS[-2:]
now = partial(time.clock_gettime, time.CLOCK_MONOTONIC)  # the same clock in every process


def traced_calls(url: str, home: str, threads: int, size: int, rate: int, seconds: float) -> None:
    """Make the calls, and print how many and how long they took as the program ends."""
    import honeytrace

    @atexit.register  # before honeytrace, and so run after it
    def tell() -> None:
        seconds = now() - report["ended_at"]
        print(json.dumps({**report, "exit": seconds, "dropped": honeytrace.stats().dropped}))

    settings = {"server_url": url, "api_key": "key"} if url else {}
    honeytrace.configure(home=home, spool_dir=f"{home}/spool", **settings)
    text, report = "x" * size, {"calls": 0, "spent": 0.0, "longest": 0.0}
    finished = threading.Lock()

    @honeytrace.trace_session
    def answer(text: str) -> str:
        return text[: len(text) // 4]

    def work() -> None:
        calls, spent, longest, began = 0, 0.0, 0.0, now()
        due = began
        while began < end:
            if rate:
                due += threads / rate
                time.sleep(max(due - began, 0))
                began = now()
            answer(text)
            calls += 1
            ended = now()
            spent += ended - began
            longest, began = max(longest, ended - began), ended
        with finished:
            report["calls"] += calls
            report["spent"] += spent
            report["longest"] = max(report["longest"], longest)

    workers = [threading.Thread(target=work) for _ in range(threads)]
    end = now() + seconds
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    report["ended_at"] = now()


@contextmanager
def server(kind: str) -> Iterator[tuple[str, Callable[[], int]]]:
    """Yield the address of a server of this kind, and a function that returns its answers."""
    if kind not in SERVERS:
        yield ("" if kind == "local" else "http://127.0.0.1:9"), lambda: 0
        return
    with started(SERVERS[kind]) as running:
        yield running.url, running.answered


def measured(kind: str, threads: int, size: int, rate: int, seconds: float) -> dict[str, float]:
    """Run one case in a process of its own and return its figures."""
    with tempfile.TemporaryDirectory() as home, server(kind) as (url, answered):
        case = map(str, (threads, size, rate, seconds))
        command = [sys.executable, __file__, "case", url, home, *case]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
        ended = now()
        if done.returncode:
            raise SystemExit(done.stderr)
        report = json.loads(done.stdout)
        delivered, kept = answered() if url else stored(home), on_disk(home)
    calls = report["calls"]
    return {
        "calls": calls,
        "delivered": delivered,
        "on disk": kept,
        "dropped": report["dropped"],
        "lost": max(calls - delivered - kept, 0),
        "call µs": report["spent"] / calls * 1e6,
        "longest ms": report["longest"] * 1e3,
        "exit s": report["exit"],
        "end s": ended - report["ended_at"],
    }


def stored(home: str) -> int:
    from honeytrace.local._store import Store

    return Store(Path(home) / "sessions.db").count()


def on_disk(home: str) -> int:
    """Return how many sessions wait on disk for the next run."""
    from honeytrace._delivery.spool.survey import spool_statuses

    return sum(each.waiting for each in spool_statuses(Path(home) / "spool"))


def main(seconds: float = 2.0, *words: str) -> bool:
    """Run the cases; return whether nothing was lost and every program ended in time."""
    good = True
    print(f"{'':34}" + "".join(f"{column:>12}" for column in COLUMNS))
    for kind, threads, size, rate in product((*SERVERS, "dead", "local"), THREADS, SIZES, RATES):
        name = f"{kind}, {threads} threads, {size}, {rate}"
        if all(word in name for word in words):
            got = measured(kind, threads, SIZES[size], RATES[rate], seconds)
            cells = (f"{got[column]:>12,.{2 * (column in TIMES)}f}" for column in COLUMNS)
            print(f"{name:34}" + "".join(cells), flush=True)
            good = good and not got["lost"] + got["dropped"] and got["end s"] <= END_BAR
    return good


if __name__ == "__main__":
    if sys.argv[1:2] == ["case"]:
        traced_calls(*sys.argv[2:4], *map(int, sys.argv[4:7]), float(sys.argv[7]))
    else:
        sys.exit(not main(*map(float, sys.argv[1:2]), *sys.argv[2:]))
