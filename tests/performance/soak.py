"""A loop that goes on for long: whether memory stays flat and every session is counted.

    python tests/performance/soak.py calls [COUNT]         traced calls; 1,000,000 by default
    python tests/performance/soak.py generators [COUNT]    abandoned generators; 100,000
    python tests/performance/soak.py streams [COUNT]       streams of so many chunks; 100,000

A tenth of it is the warm-up. Ends with code 1 if more memory is taken after it than `BAR` and
`PEAK_BAR` allow, or if not all of the sessions are accepted, delivered and answered by the server,
which runs in a process of its own.
"""

from __future__ import annotations

import asyncio
import gc
import resource
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import honeytrace
from honeytrace import trace_session

sys.path.append(str(Path(__file__).parents[1] / "support"))

from loopback import started

BAR = 16  # MiB more at the end than after the warm-up
PEAK_BAR = 64  # MiB more at any time: what may wait in memory
PACE = 5_000  # turns, after which it is waited for what they left
STREAMS = 5  # of each kind
peaks: list[float] = []


def memory() -> float:
    """MiB that are resident now; where the system does not tell, at most so far."""
    statm = Path("/proc/self/statm")
    if statm.exists():
        return int(statm.read_text().split()[1]) * resource.getpagesize() / 2**20
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def deliver() -> None:
    peaks.append(memory())
    if not honeytrace.flush(120):
        raise SystemExit(f"not delivered in time: {honeytrace.stats()}")


def paced(count: int) -> Iterator[int]:
    """So many turns; now and then what has ended is delivered."""
    for turn in range(count):
        yield turn
        if turn % PACE == PACE - 1:
            deliver()


# ---- Loops; each returns how many sessions there have to be


def answer(question: str, k: int = 3) -> dict[str, object]:
    return {"role": "assistant", "content": question * k}


def tokens(count: int) -> Iterator[str]:
    for number in range(count):
        yield f"token {number} " * 100  # all of a long stream would be seen


async def later(count: int) -> AsyncIterator[str]:
    for token in tokens(count):
        yield token


def calls(count: int) -> int:
    traced = trace_session(answer)
    for turn in paced(count):
        traced(f"what is {turn}? ")
    return count


def generators(count: int) -> int:
    """Dropped after the first item, or before it: then nothing has begun."""
    traced = trace_session(tokens)
    for _ in paced(count):
        next(traced(3))
        traced(3)
    asyncio.run(abandon(count))
    return 2 * count


async def abandon(count: int) -> None:
    traced = trace_session(later)
    for _ in paced(count):
        await anext(traced(3))
        traced(3)
        await asyncio.sleep(0)  # the loop closes what was dropped


def streams(count: int) -> int:
    traced = trace_session(tokens)
    for _ in range(STREAMS):
        turns = paced(count)
        for _ in traced(count):
            next(turns)
    asyncio.run(drain(count))
    return 2 * STREAMS


async def drain(count: int) -> None:
    traced = trace_session(later)
    for _ in range(STREAMS):
        turns = paced(count)
        async for _ in traced(count):
            next(turns)


LOOPS: dict[str, tuple[Callable[[int], int], int]] = {
    "calls": (calls, 1_000_000),
    "generators": (generators, 100_000),
    "streams": (streams, 100_000),
}


# ---- What came of it


def soak(loop: Callable[[int], int], count: int) -> bool:
    """Runs a loop and prints the figures; whether they are as they have to be."""
    with tempfile.TemporaryDirectory() as home, started() as server:
        honeytrace.configure(server_url=server.url, api_key="key", home=home)
        made = loop(max(count // 10, 1))
        before = settled()
        peaks.clear()
        began = time.perf_counter()
        made += loop(count)
        after, most = settled(), max(peaks)
        seconds = time.perf_counter() - began
        honeytrace.shutdown(10)
        stats, answered = honeytrace.stats(), server.answered()
    print(f"{made:,} sessions, {seconds:.1f} s after the warm-up")
    print(
        f"accepted {stats.accepted:,}, delivered {stats.delivered:,}, dropped {stats.dropped:,}, "
    )
    print(f"answered {answered:,}, errors {stats.errors}")
    print(f"{before:.1f} MiB after the warm-up, {most - before:+.1f} at most (bar {PEAK_BAR}),")
    print(f"{after - before:+.1f} at the end (bar {BAR})")
    flat = after - before <= BAR and most - before <= PEAK_BAR
    return flat and made == stats.accepted == stats.delivered == answered and not stats.errors


def settled() -> float:
    """The memory when everything is delivered and no garbage is left."""
    deliver()
    gc.collect()
    return memory()


def main(name: str, count: str = "") -> int:
    loop, usual = LOOPS[name]
    return not soak(loop, int(count.replace(",", "").replace("_", "") or usual))


if __name__ == "__main__":
    if not 2 <= len(sys.argv) <= 3 or sys.argv[1] not in LOOPS:
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:]))
