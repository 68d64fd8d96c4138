"""Fixtures of the fault tests: traced programs in their own processes, and failing ports.

Each run of a program is held to what is promised in every fault, see `checked`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from lines import Line, leads

KEY = "hh-0123456789"
PROGRAM = Path(__file__).parent / "calls.py"
PATH = os.pathsep.join(sys.path)
now = partial(time.clock_gettime, time.CLOCK_MONOTONIC)


@pytest.fixture(autouse=True)
def unmeasured(monkeypatch):
    """No coverage of the children: it takes time and descriptors, and writes files of its own."""
    for name in ("COVERAGE_PROCESS_CONFIG", "COVERAGE_PROCESS_START"):
        monkeypatch.setenv(name, "")


@dataclass(frozen=True)
class Run:
    """The outcome of a program.

    Attributes:
        seconds: from its start to its end.
        exiting: seconds after its last line.
        lines: the lines on its standard error.
        report: what it printed.
    """

    url: str
    seconds: float
    exiting: float
    lines: list[str]
    report: dict[str, Any]

    @property
    def ids(self) -> list[str]:
        """The ids of the sessions, in the order of the calls."""
        return self.report["ids"]

    @property
    def warnings(self) -> list[str]:
        """The lines about a fault: all but the one at the end that says how much is on disk."""
        return [line for line in self.lines if "on disk" not in line]

    @property
    def stats(self) -> dict[str, Any]:
        """The counts after honeytrace had done its work at exit."""
        return self.report["stats"]


def checked(url: str, done: subprocess.CompletedProcess[str], began: float) -> Run:
    """Whatever happens: the program ends well, nothing but its own words is on standard output,
    every session is counted, and the log is short, in sentences and without the key."""
    ended = now()
    assert (done.returncode, done.stdout.count("\n")) == (0, 1), done.stderr
    report, lines = json.loads(done.stdout), done.stderr.splitlines()
    run = Run(url, ended - began, ended - report["ended_at"], lines, report)
    assert all(line.startswith("honeytrace: ") and line.isprintable() for line in lines), lines
    assert len(lines) <= 12
    assert KEY not in done.stderr
    settled = run.stats["delivered"] + run.stats["rejected"] + run.stats["dropped"]
    assert run.stats["accepted"] == settled + run.stats["queued"] + run.stats["spooled"]
    assert report["balanced"]
    assert report["reached"], "what the program waited for did not come about"
    return run


@pytest.fixture
def run() -> Callable[..., Run]:
    """Runs `calls.py` against an address: `run(url, calls, **options)`.

    The options are those of `calls.py`; names in capitals are set in the environment.
    """

    def start(url: str, calls: int = 1, **options: Any) -> Run:
        variables = {name: str(options.pop(name)) for name in list(options) if name.isupper()}
        settings = {"HH_API_KEY": KEY, "HH_API_URL": url, "PYTHONPATH": PATH}
        began = now()
        done = subprocess.run(
            [sys.executable, "-W", "error", PROGRAM, json.dumps({"calls": calls, **options})],
            env={**os.environ, **settings, **variables},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return checked(url, done, began)

    return start


@pytest.fixture
def resend() -> Callable[[str], subprocess.CompletedProcess[str]]:
    """Runs `honeytrace resend` with the settings of the programs."""

    def start(url: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "honeytrace", "resend"],
            env={**os.environ, "PYTHONPATH": PATH, "HH_API_KEY": KEY, "HH_API_URL": url},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return start


@pytest.fixture
def spool() -> Path:
    """The spool of the programs; it is there once there was something to keep."""
    return Path(os.environ["HONEYTRACE_HOME"]) / "spool"


@pytest.fixture
def segments(spool: Path) -> Callable[[], list[str]]:
    """The segments on disk, and the acknowledgements beside them."""
    endings = (".spool", ".acks")
    return lambda: sorted(p.name for p in spool.rglob("*") if p.suffix in endings)


@pytest.fixture
def kept(run, server, segments) -> Callable[..., None]:
    """Assert that the sessions of a run are on disk, except for `settled` ones, and lose nothing.

    A second process delivers them to the mended server, each once, and nothing stays on disk.
    """

    def check(first: Run, line: Line | None = None, settled: int = 0) -> None:
        waiting = len(first.ids) - settled
        assert (first.stats["spooled"], first.stats["dropped"]) == (waiting, 0)
        server.script, before = [], len(server.requests)
        if line is not None:
            line.listen(leads(server.port))
        second = run(first.url, 1, until={"resent": waiting}, flush=10)
        assert second.stats["resent"] == waiting
        came = [request.json["session"]["session_id"] for request in server.requests[before:]]
        assert (len(came), len({*came} & {*first.ids, *second.ids})) == (waiting + 1, waiting + 1)
        assert segments() == []

    return check


@pytest.fixture
def line() -> Iterator[Line]:
    """A port that refuses connections, until it is told how else to fail."""
    made = Line()
    yield made
    made.close()
