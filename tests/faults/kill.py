"""Kills programs at random moments of an outage, and counts what arrives after a restart.

    python tests/faults/kill.py 100

runs a hundred rounds, every other one with `durable`, prints what came of them, and ends with code
1 if a session was lost or came twice that may not.
"""

from __future__ import annotations

import importlib.util
import os
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from programs import Program

IN_FLIGHT = 32  # requests at a time, of which the answers are lost with the program
YOUNG = 0.05  # seconds before the kill within which a session may be lost
TRACING = """
now = lambda: time.clock_gettime(time.CLOCK_MONOTONIC)
dice = random.Random(sys.argv[1])

@trace_session
def traced():
    return honeytrace.current_session().session_id

traced()
while stats().queued:  # modules are loaded before the first session is on disk
    pause(0.001)
while True:
    session_id = traced()
    say([session_id, now()])
    counts = stats()
    settled = counts.delivered + counts.queued + counts.spooled + counts.rejected + counts.dropped
    if counts.accepted != settled:
        raise SystemExit("the counts do not add up")
    pause(dice.expovariate(1000))
"""
RESTARTED = """
call(0)
until(lambda: os.path.exists(sys.argv[1]), 60)
flush(10)
"""


@dataclass
class Tally:
    """The fate of the sessions of some rounds."""

    rounds: int = 0
    accepted: int = 0
    owed: int = 0
    arrived: int = 0
    duplicates: int = 0
    most_duplicates: int = 0
    lost: int = 0
    left: int = 0

    def add(self, other: Tally) -> None:
        most = max(self.most_duplicates, other.most_duplicates)
        for each in fields(self):
            setattr(self, each.name, getattr(self, each.name) + getattr(other, each.name))
        self.most_duplicates = most

    @property
    def fine(self) -> bool:
        return not self.lost and not self.left and self.most_duplicates <= IN_FLIGHT


class Outage:
    """Answers at random as a server in trouble does, until it is `over`; knows what it took."""

    def __init__(self, server: Any, seed: str) -> None:
        self.taken: Counter[str] = Counter()
        self.over = False
        self._server = server
        self._dice = random.Random(seed)
        self._kind = self._dice.choice(["down", "failing", "slow", "mixed"])

    def __call__(self, request: Any) -> Any:
        kind = self._dice.choice(["down", "failing", "slow", "good"])
        kind = "good" if self.over else kind if self._kind == "mixed" else self._kind
        if kind == "down":
            return self._server.reset
        if kind == "failing" and self._dice.random() < 0.8:
            return 503, {}, b""
        self.taken[request.json["session"]["session_id"]] += 1
        return self._server.after(self._dice.uniform(0, 0.2)) if kind == "slow" else self._server.ok


def one(server: Any, seed: str, *, durable: bool) -> Tally:
    """A program is killed in an outage, and one that follows delivers what it left."""
    server.script = outage = Outage(server, seed)
    dice = random.Random(f"{seed} kill")
    with Program(TRACING, server.url, seed, HONEYTRACE_DURABLE=str(durable)) as program:
        _wait(lambda: program.said, 30)
        server.closing.wait(dice.uniform(0.05, 1))
        killed = time.clock_gettime(time.CLOCK_MONOTONIC)
        program.kill()
        said = program.said
    outage.over = True
    accepted = {session_id for session_id, _ in said}
    owed = {session_id for session_id, at in said if durable or at < killed - YOUNG}
    home = Path(os.environ["HONEYTRACE_HOME"])
    enough = home.parent / f"enough {seed}"
    with Program(RESTARTED, server.url, str(enough)) as restarted:
        _wait(lambda: owed <= {*outage.taken} and not _segments(home, restarted.pid), 30)
        enough.touch()
        restarted.end()
    twice = sum(outage.taken[each] - 1 for each in accepted if outage.taken[each])
    arrived = len(accepted & {*outage.taken})
    lost, left = len(owed - {*outage.taken}), len(_segments(home, 0))
    return Tally(1, len(accepted), len(owed), arrived, twice, twice, lost, left)


def _segments(home: Path, but: int) -> list[str]:
    """The segments on disk that are not of this process."""
    names = [path.name for path in (home / "spool").rglob("*.spool")]
    return [name for name in names if not name.startswith(f"{but}-")]


def _wait(reached: Callable[[], object], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not reached() and time.monotonic() < deadline:
        time.sleep(0.01)


def main(rounds: int) -> int:
    path = Path(__file__).parents[1] / "conftest.py"
    spec = importlib.util.spec_from_file_location("servers", path)
    assert spec
    assert spec.loader
    sys.modules["servers"] = servers = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(servers)
    total = {False: Tally(), True: Tally()}
    for number in range(rounds):
        with tempfile.TemporaryDirectory() as directory:
            os.environ["HONEYTRACE_HOME"] = str(Path(directory) / "home")
            server = servers.Server()
            try:
                durable = number % 2 == 1
                tally = one(server, f"round {number}", durable=durable)
            finally:
                server.close()
        total[durable].add(tally)
        if not tally.fine:
            print(f"round {number}: {tally}")
    print(f"plain:   {total[False]}\ndurable: {total[True]}")
    return not all(tally.fine for tally in total.values())


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        sys.exit(main(int(sys.argv[1])))
