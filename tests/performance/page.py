"""Measure the pages on a large store, made of generated sessions in realistic trees.

    python tests/performance/page.py                      100,000 sessions
    python tests/performance/page.py 1000000 --keep DIR   a million, kept for the next run

It prints how long the list, searches, a session, a comparison and the statistics take at the
server: the median and the 95th percentile of the requests.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

from agent_sessions import trees

from honeytrace.local import App, Store
from honeytrace.local._store import row_of

BATCH = 2_000
PADDING = 7_000  # characters of the prompts and documents; a session then has about 4 KB
STEPS = 8  # sessions of a tree, mostly
REQUESTS = 100


def fill(store: Store, count: int) -> None:
    """Add sessions until there are so many, and index their words."""
    have = store.count()
    made = trees((count - have) // STEPS + 1, time.time() * 1000, padding=PADDING, every=1000)
    sessions = islice((session for tree in made for session in tree), max(count - have, 0))
    started, added = time.perf_counter(), 0
    while batch := [row_of(session) for session in islice(sessions, BATCH)]:
        store.put_many(batch)
        added += len(batch)
        print(f"\r{added:,} added", end="", file=sys.stderr)
    if added:
        each = (time.perf_counter() - started) / added
        print(f"\rwritten: {each * 1e6:.0f} µs a session, with making it")
    started = time.perf_counter()
    for left in store.catch_up():
        print(f"\r{left:,} to index", end="", file=sys.stderr)
    print(f"\rindexed in {time.perf_counter() - started:.0f} s")


def get(app: App, path: str, query: str = "") -> bytes:
    """Ask the application for a page, as a server would."""
    seen: list[Any] = []
    environ = {
        "REQUEST_METHOD": "GET",
        "PATH_INFO": path,
        "QUERY_STRING": query,
        "HTTP_ACCEPT": "text/html",
    }
    body = b"".join(app(environ, lambda status, headers: seen.append(status)))  # type: ignore
    assert seen == ["200 OK"], (seen, path, query)
    return body


def requests(store: Store) -> Iterator[tuple[str, Callable[[int], tuple[str, str]]]]:
    """Yield the name of each measurement, and the path and the query of its requests."""
    roots = [found.summary.id for found in store.search(limit=5_000)]
    pick = random.Random(1).choice
    places = [f"{found.summary.start!r},{found.number}" for found in store.search(limit=5_000)]
    yield "list", lambda at: ("/", "")
    yield "list, an older page", lambda at: ("/", f"after={pick(places)}")
    for query in (
        "kettle",
        "warehouse Monday",
        "48213 error",
        "nowhere",
        "error",
        "name:chat slower:2s",
        'model:"=gpt-4o"',
        "user:u-17",
        "cost:>0.02",
    ):
        words = query.replace(" ", "+").replace(">", "%3E").replace('"', "%22")
        yield f"search {query}", lambda at, words=words: ("/", f"q={words}")
    yield "session", lambda at: (f"/s/{pick(roots)}", "")
    yield "session, with hits", lambda at: (f"/s/{pick(roots)}", "q=kettle")
    yield "compare", lambda at: (f"/d/{pick(roots)}/{pick(roots)}", "")
    yield "stats", lambda at: ("/stats", "since=all")
    yield "stats of a name", lambda at: ("/stats", "since=all&q=name:chat")


def measure(app: App, target: Callable[[int], tuple[str, str]], count: int) -> str:
    """Return the median and the 95th percentile in milliseconds, of the time and of the CPU's."""
    taken: tuple[list[float], list[float]] = ([], [])
    for at in range(count):
        path, query = target(at)
        started = time.perf_counter(), time.thread_time()
        get(app, path, query)
        taken[0].append(time.perf_counter() - started[0])
        taken[1].append(time.thread_time() - started[1])
    shown = []
    for seconds in map(sorted, taken):
        half, most = seconds[len(seconds) // 2], seconds[int(len(seconds) * 0.95)]
        shown.append(f"{half * 1000:8.1f} {most * 1000:8.1f}")
    return "  ".join(shown)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("count", nargs="?", type=int, default=100_000)
    parser.add_argument("--keep", type=Path, help="a directory for the store, used again")
    parser.add_argument("--requests", type=int, default=REQUESTS)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        store = Store((options.keep or Path(home)) / "sessions.db")
        fill(store, options.count)
        count, size = store.count(), store.size()
        print(f"{count:,} sessions, {size / 2**20:,.0f} MiB, {size / count:,.0f} bytes a session")
        app = App(store)
        print(f"{'ms':28}   median      p95  CPU med.  CPU p95")
        for name, target in requests(store):
            print(f"{name:28} {measure(app, target, options.requests)}", flush=True)
        store.close()


if __name__ == "__main__":
    main()
