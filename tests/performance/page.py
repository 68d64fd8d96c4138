"""Measure the pages on a large store, made of generated sessions in realistic trees.

    python tests/performance/page.py                      100,000 sessions
    python tests/performance/page.py 1000000 --keep DIR   a million, kept for the next run

It prints how long the list, searches, a session, a comparison and the statistics take over HTTP:
the median and the 95th percentile of the requests, and how much CPU the server needs for them.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from http.client import HTTPConnection
from itertools import islice
from pathlib import Path
from urllib.parse import quote_plus

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

from agent_sessions import trees

from honeytrace.local import App, Store, make_server
from honeytrace.local._doors import LOOPBACK
from honeytrace.local._rows import row_of

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


class Client:
    """Asks a server in this process for pages, on one connection, and takes the time."""

    def __init__(self, store: Store) -> None:
        self.server = make_server(App(store, hosts=LOOPBACK), "127.0.0.1", 0)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.connection = HTTPConnection(*self.server.server_address[:2])

    def get(self, path: str, query: str) -> tuple[float, float]:
        """Return the milliseconds from request to answer, and those of the server's CPU."""
        started, cpu = time.perf_counter(), time.process_time() - time.thread_time()
        self.connection.request("GET", f"{path}?{query}", headers={"Accept": "text/html"})
        answer = self.connection.getresponse()
        answer.read()
        taken = time.perf_counter() - started
        cpu = time.process_time() - time.thread_time() - cpu
        assert answer.status == 200, (answer.status, path, query)
        return taken * 1000, cpu * 1000

    def close(self) -> None:
        self.connection.close()
        self.server.shutdown()
        self.server.server_close()


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
        "cost:>0.01",
        "tokens:<4",
        "model:none",
    ):
        words = quote_plus(query)
        yield f"search {query}", lambda at, words=words: ("/", f"q={words}")
    yield "session", lambda at: (f"/s/{pick(roots)}", "")
    yield "session, with hits", lambda at: (f"/s/{pick(roots)}", "q=kettle")
    yield "compare", lambda at: (f"/d/{pick(roots)}/{pick(roots)}", "")
    yield "stats", lambda at: ("/stats", "since=all")
    yield "stats of a name", lambda at: ("/stats", "since=all&q=name:chat")


def measure(client: Client, target: Callable[[int], tuple[str, str]], count: int) -> str:
    """Return the median and the 95th percentile in milliseconds, of the time and of the CPU's."""
    taken = [client.get(*target(at)) for at in range(count)]
    both = map(sorted, zip(*taken, strict=True))
    return "  ".join(f"{each[count // 2]:8.1f} {each[int(count * 0.95)]:8.1f}" for each in both)


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
        client = Client(store)
        print(f"{'ms':28}   median      p95  CPU med.  CPU p95")
        for name, target in requests(store):
            print(f"{name:28} {measure(client, target, options.requests)}", flush=True)
        client.close()
        store.close()


if __name__ == "__main__":
    main()
