"""Traced calls in a process of their own, and the fate of their sessions.

    python calls.py '{"calls": 20, "flush": 5}'

Prints one JSON object at the very end, after honeytrace's own work at exit.

calls, threads   how many calls, from how many threads
size             characters in the input of each
ids              whether to note the ids, true if absent; a million of them take memory
before_import    source to run before honeytrace is imported
before_calls     source to run when it is
trouble          whether to wait until `stats()` shows an error, as after the first attempt
until            counts of `stats()` to wait for, such as {"delivered": 20}
flush            its timeout, null for none; left out, there is no flush
"""

from __future__ import annotations

import atexit
import dataclasses
import json
import resource
import sys
import threading
import time
from functools import partial

options = json.loads(sys.argv[1])
# What a test may freeze or break, before it does.
encode = json.JSONEncoder().encode
now = partial(time.clock_gettime, time.CLOCK_MONOTONIC)
report: dict = {"ids": [], "balanced": True}


@atexit.register  # before honeytrace, and so run after it
def tell() -> None:
    report.update(stats=counts(), memory_mib=peak() - report["began_mib"])
    sys.stdout.write(encode(report) + "\n")


def counts() -> dict:
    return dataclasses.asdict(honeytrace.stats())


def peak() -> float:
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def balance() -> None:
    """Notes if the counts do not add up, in the middle of everything."""
    stats = honeytrace.stats()
    settled = stats.delivered + stats.rejected + stats.dropped
    if stats.accepted != settled + stats.queued + stats.spooled:
        report["balanced"] = False


def work(numbers: range) -> None:
    for number in numbers:
        answer(number, "x" * options.get("size", 0))
        if number % 16 == 0:
            balance()


def call() -> None:
    """Makes the calls, each with a number of its own."""
    calls, threads = options.get("calls", 1), options.get("threads", 1)
    shares = [range(first, calls, threads) for first in range(threads)]
    workers = [threading.Thread(target=work, args=(share,)) for share in shares[1:]]
    for worker in workers:
        worker.start()
    work(shares[0])
    for worker in workers:
        worker.join()


def reached() -> bool:
    stats = counts()
    if options.get("trouble") and not stats["last_error"]:
        return False
    return all(stats[name] >= count for name, count in options.get("until", {}).items())


def wait(seconds: float = 20.0) -> bool:
    """Until `trouble` and `until` are reached, or the time is over; whether they are."""
    end, pause = now() + seconds, threading.Event()
    while not reached() and now() < end:
        balance()
        pause.wait(0.01)
    return reached()


exec(options.get("before_import", ""))
import honeytrace  # noqa: E402 - what is to be there before it had to come first

exec(options.get("before_calls", ""))
report["began_mib"] = peak()


@honeytrace.trace_session
def answer(number: int, text: str) -> dict[str, object]:
    if options.get("ids", True):
        report["ids"].append(honeytrace.current_session().session_id)
    return {"role": "assistant", "content": f"answer {number}", "scores": {7: 0.5}}


call()
report["called_at"] = now()
report["reached"] = wait()
if "flush" in options:
    report["flushed"] = honeytrace.flush(options["flush"])
report["ended_at"] = now()
