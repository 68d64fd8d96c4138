"""Measure honeytrace beside its peers; the README's table comes from one run of this file.

    python tests/performance/peers.py                     # everything, about ten minutes
    python tests/performance/peers.py calls secret        # some of the measurements
    python tests/performance/peers.py --environments DIR  # keep the installed packages there

Each package is installed into a virtual environment of its own: honeytrace from this checkout, the
others from PyPI. All run the same programs, set up as their documentation says, and send to a
server on this machine. HTTPS goes to a proxy that does not exist, so nothing is sent elsewhere.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
import venv
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from statistics import median
from typing import NamedTuple

from peer_programs import CALLS, PEERS, SECRET, START, THEN_WAIT, TWENTY, Peer

CALL_ROUNDS, START_ROUNDS = 5, 9
TIMEOUT_S = 60
VENV = ("pip", "setuptools")  # in every environment
Rows = dict[str, list[str]]


# ---- The server on this machine

BODY = b'{"session_id": "11111111-1111-4111-8111-111111111111"}'
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
ANSWER = HEAD % len(BODY) + BODY
DECODERS = {"gzip": gzip.decompress, "deflate": zlib.decompress}


class Server(ThreadingHTTPServer):
    """Keep every body, and answer each request with 200; or, with `answers=False`, never answer."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port: int, answers: bool) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.answers, self.bodies, self.closing = answers, [], threading.Event()
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    def arrived(self) -> int:
        """Return how many calls of the first run of TWENTY have arrived."""
        everything = b"".join(self.bodies)
        return sum(f"firstCall{number:02}".encode() in everything for number in range(20))

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing about clients that have left."""


class Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"

    def answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if not self.server.answers:
            self.server.closing.wait()
            self.close_connection = True
            return
        decode = DECODERS.get(self.headers.get("Content-Encoding"), bytes)
        self.server.bodies.append(decode(body))
        self.wfile.write(ANSWER)

    do_GET = do_POST = do_PUT = do_PATCH = answer  # noqa: N815 - the names are the standard's


@contextmanager
def serving(port: int = 0, answers: bool = True) -> Iterator[Server]:
    with Server(port, answers) as server:
        yield server
        server.closing.set()
        server.shutdown()


# ---- The measurements: each makes rows of the table, with one cell for each package


class Installed(NamedTuple):
    peer: Peer
    python: Path

    def run(self, program: str, port: int, home: str, tag: str = "") -> tuple[float, str]:
        """Run a program to its very end. Return its seconds and its last line of output."""
        settings = self.peer.settings.format(url=f"http://127.0.0.1:{port}").split()
        environment = {"HOME": home, "NO_PROXY": "127.0.0.1", "HTTPS_PROXY": "http://127.0.0.1:9"}
        timed = f"import time\nbegan = time.perf_counter()\n{self.peer.imports}\n"
        timed += f"imported = time.perf_counter()\n{self.peer.setup}\n{program}"
        started = time.monotonic()
        done = subprocess.run(
            [self.python, "-c", timed, tag],
            cwd=home,
            env=environment | dict(setting.split("=", 1) for setting in settings),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            timeout=TIMEOUT_S,
            check=True,
        )
        return time.monotonic() - started, done.stdout.rpartition("\n")[0].rpartition("\n")[2]

    def figures(self, program: str) -> list[float]:
        """Run a program while the server answers. Return the numbers that it prints."""
        with serving() as server, tempfile.TemporaryDirectory() as home:
            return json.loads(self.run(program, server.server_port, home)[1])

    def packages(self) -> dict[str, str]:
        """The installed packages and their versions."""
        listed = [self.python, "-m", "pip", "list", "--format=json"]
        found = json.loads(subprocess.check_output(listed))
        return {one["name"]: one["version"] for one in found if one["name"] not in VENV}


def calls(found: list[Installed]) -> Rows:
    """The caller's time a call: the best of 30 bursts, and of five processes the median.

    The multiple is that of the fastest `limit` of the run.
    """
    rounds = [[package.figures(CALLS) for package in found] for _ in range(CALL_ROUNDS)]
    limit = min(times[0] for each in rounds for times in each)

    def row(column: int) -> list[str]:
        spent = [median(times[column] for times in each) for each in zip(*rounds, strict=True)]
        return [f"{nanos / limit:.1f} × ({nanos / 1e3:.0f} µs)" for nanos in spent]

    print(f"limit: {limit / 1e3:.1f} µs\n", file=sys.stderr)
    return {"a call": row(1), "a call with a 4 KB chat": row(2)}


def start(found: list[Installed]) -> Rows:
    """Measure importing a package, setting it up for the first call, and installing it."""
    rounds = [[package.figures(START) for package in found] for _ in range(START_ROUNDS)]
    each = [list(zip(*figures, strict=True)) for figures in zip(*rounds, strict=True)]
    return {
        "import": [f"{median(imports) * 1e3:.0f} ms" for imports, _ in each],
        "import and first call": [f"{median(both) * 1e3:.0f} ms" for _, both in each],
        "packages installed": [str(len(package.packages())) for package in found],
    }


def secret(found: list[Installed]) -> Rows:
    """Return whether the value of an argument named `api_key` leaves the process unchanged."""
    cells = []
    for package in found:
        with serving() as server, tempfile.TemporaryDirectory() as home:
            package.run(SECRET, server.server_port, home)
        sent = b"".join(server.bodies)
        for captured in (b"PlainQuestion7", b"PlainAnswer7"):
            assert captured in sent, f"{captured!r} has not arrived, so this proves nothing"
        cells.append("yes" if b"PlainSecret7" in sent else "no")
    return {"an argument `api_key` leaves in clear text": cells}


def outage(found: list[Installed]) -> Rows:
    """Measure how long a program with 20 calls runs, and how many of them arrive.

    After an outage the program runs once more, and a second longer, while the server answers.
    """
    return {
        f"the server {state}": [interrupted(package, state) for package in found]
        for state in ("answers", "refuses", "hangs")
    }


def interrupted(package: Installed, state: str) -> str:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory() as home:
        with nullcontext() if state == "refuses" else serving(port, state == "answers") as server:
            try:
                spent = f"{package.run(TWENTY, port, home, 'first')[0]:.1f} s"
            except subprocess.TimeoutExpired:
                spent = f"over {TIMEOUT_S} s"
        if state != "answers":
            with serving(port) as server:
                package.run(TWENTY + THEN_WAIT, port, home, "second")
    return f"{spent}, {server.arrived()} arrive"


MEASUREMENTS = {"calls": calls, "start": start, "secret": secret, "outage": outage}


def install(name: str, folder: Path) -> Installed:
    package = Installed(PEERS[name], folder / name / "bin" / "python")
    if not package.python.exists():
        venv.create(folder / name, with_pip=True)
        pip = [package.python, "-m", "pip", "install", "-q", *package.peer.install.split()]
        subprocess.run(pip, check=True)
    return package


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition(";")[0])
    parser.add_argument("what", nargs="*", metavar="WHAT", help=", ".join(MEASUREMENTS))
    parser.add_argument("--environments", type=Path, metavar="DIR")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = (options.environments or Path(temporary)).resolve()
        found = {name: install(name, folder) for name in PEERS}
        print(f"Python {sys.version.split()[0]}, {os.cpu_count()} cores\n")
        print("| |", " | ".join(f"{n} {p.packages()[n]}" for n, p in found.items()), "|")
        for what in options.what or MEASUREMENTS:
            for row, cells in MEASUREMENTS[what](list(found.values())).items():
                print(f"| {row} |", " | ".join(cells), "|", flush=True)


if __name__ == "__main__":
    main()
