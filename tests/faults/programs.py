"""Traced programs of any kind in processes of their own, and what became of their sessions.

Each begins with `PRELUDE`, so that it has the traced function `call(n)` and prints its counts at
exit. Whatever happens to it, `Program.end` holds it to what is promised in every fault.
"""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import Any

KEY = "hh-0123456789"
PATH = os.pathsep.join(sys.path)
PRELUDE = """
import atexit, dataclasses, gc, json, os, random, signal, sys, threading, time
import honeytrace
from honeytrace import flush, shutdown, stats, trace_session

encode, pause = json.JSONEncoder().encode, threading.Event().wait

@trace_session
def call(n):
    return {"n": n}

def until(reached, seconds=30):
    for _ in range(seconds * 100):
        if reached():
            return
        pause(0.01)
    raise SystemExit("it did not come about")

def say(value):
    os.write(1, (encode(value) + "\\n").encode())

@atexit.register  # before honeytrace's own, which comes with the first call, and so run after it
def tell():
    say({"stats": dataclasses.asdict(stats())})
"""
LATER = """
from pathlib import Path
spool = Path(os.environ["HONEYTRACE_HOME"], "spool")
def left():
    segments = [path.name for path in spool.rglob("*.spool")]
    return [name for name in segments if not name.startswith(f"{os.getpid()}-")]
call(-1)
until(lambda: stats().resent >= int(sys.argv[1]) and not left())
flush(20)
"""
_QUIET_FORK = "ignore:This process:DeprecationWarning"  # since 3.12, where there are threads
_numbers = itertools.count()


@dataclass(frozen=True)
class End:
    """The output of a program: its own, the counts of each process, and honeytrace's lines."""

    words: list[Any]
    counts: list[dict[str, Any]]
    lines: list[str]

    @property
    def stats(self) -> dict[str, Any]:
        """The counts of the process that ended last."""
        return self.counts[-1]


class Program:
    """A running program; as a context manager it is killed at the end, if it still runs."""

    def __init__(
        self, source: str, url: str | None, *arguments: str, before: str = "", **environment: str
    ) -> None:
        place = Path(os.environ["HONEYTRACE_HOME"]).parent / f"program{next(_numbers)}.py"
        place.write_text(textwrap.dedent(before) + PRELUDE + textwrap.dedent(source), "utf-8")
        self._out, self._err = place.with_suffix(".out"), place.with_suffix(".err")
        server = {} if url is None else {"HH_API_URL": url, "HH_API_KEY": KEY}
        # Where no test is about it, a slow machine has the time to deliver what there is.
        settings = {"HONEYTRACE_EXIT_TIMEOUT": "20", **server, **environment}
        # Files, since a pipe is open as long as any child of a program that was killed.
        with self._out.open("wb") as out, self._err.open("wb") as err:
            self._process = subprocess.Popen(
                [sys.executable, "-W", "error", "-W", _QUIET_FORK, str(place), *arguments],
                env={**os.environ, "PYTHONPATH": PATH, **settings},
                stdout=out,
                stderr=err,
            )

    def __enter__(self) -> Program:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    @property
    def said(self) -> list[Any]:
        """Return its output so far, except for a line that was cut off."""
        return [json.loads(line) for line in self._out.read_bytes().split(b"\n")[:-1]]

    @property
    def pid(self) -> int:
        return self._process.pid

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def end(self, code: int = 0) -> End:
        """Waits for the end. It comes with this code; every session is counted, nothing but its
        own words is on standard output, and the log is short, in sentences and without the key."""
        ended = self._process.wait(60)
        errors = self._err.read_text("utf-8")
        assert ended == code, errors
        lines, words = errors.splitlines(), self.said
        assert all(line.startswith("honeytrace: ") and line.isprintable() for line in lines), errors
        assert len(lines) <= 12
        assert KEY not in errors
        counts = [each["stats"] for each in words if isinstance(each, dict) and "stats" in each]
        assert all(map(balanced, counts)), counts
        return End([each for each in words if each not in map(_as_said, counts)], counts, lines)


def _as_said(counts: dict[str, Any]) -> dict[str, Any]:
    return {"stats": counts}


def balanced(stats: dict[str, Any]) -> bool:
    settled = stats["delivered"] + stats["rejected"] + stats["dropped"]
    return stats["accepted"] == settled + stats["queued"] + stats["spooled"]


def ran(
    source: str,
    url: str | None,
    *arguments: str,
    before: str = "",
    code: int = 0,
    **environment: str,
) -> End:
    """Runs a program to its end."""
    with Program(source, url, *arguments, before=before, **environment) as program:
        return program.end(code)


def later(url: str, waiting: int = 0, **environment: str) -> End:
    """Runs a program that makes one call, numbered -1, and delivers what earlier ones left, until
    nothing is left of them. It has to be so many sessions at least."""
    return ran(LATER, url, str(waiting), **environment)


def numbers(server: Any, after: int = 0) -> list[int]:
    """Return the numbers of the arrived calls in order, without the first so many requests."""
    return sorted(request.json["session"]["inputs"]["n"] for request in server.requests[after:])
