"""Give every test its own environment, and an HTTP server that answers by a script."""

from __future__ import annotations

import json
import logging
import os
import socket
import struct
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import hypothesis
import pytest

import honeytrace
from honeytrace._config import settings
from honeytrace._delivery.http.sender import HttpSender
from honeytrace._session import context

# No deadline for an example and nothing kept between runs: how fast the machine is proves nothing.
hypothesis.settings.register_profile(
    "house",
    deadline=None,
    database=None,
    suppress_health_check=[hypothesis.HealthCheck.too_slow, hypothesis.HealthCheck.filter_too_much],
)
hypothesis.settings.load_profile("house")


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """One worker more than there are processors, since most tests wait; none for benchmarks."""
    alone = any("performance" in Path(each).parts for each in config.args)
    return 0 if alone else (os.cpu_count() or 1) + 1


def pytest_configure(config: pytest.Config) -> None:
    """Leave the long tests out, unless a path or `-m` asks for them."""
    if config.args_source is pytest.Config.ArgsSource.TESTPATHS and not config.option.markexpr:
        config.option.markexpr = "not long"


LONG = {
    *("browser", "faults", "pytest_plugin", "transparency"),
    *("test_examples.py", "test_load.py", "test_readme.py", "test_resend.py", "test_soak.py"),
}
"""The folders and files whose tests are long."""


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """With `-m long`, do not import the other tests: they need the SDKs, which takes a while."""
    other = collection_path.is_file() and not LONG.intersection(collection_path.parts)
    return True if other and config.option.markexpr == "long" else None


@pytest.hookimpl(tryfirst=True)  # before pytest leaves out what `-m` does not select
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the tests of the project: one of them alone takes a minute. Mark the long ones."""
    items.sort(key=lambda item: "project" not in item.path.parts)
    for item in items:
        if LONG.intersection(item.path.parts):
            item.add_marker(pytest.mark.long)


_FOREIGN = ("HH_", "HONEYHIVE_", "HONEYTRACE_", "OPENAI_", "SSL_CERT_")


@pytest.fixture(autouse=True)
def isolated(monkeypatch, tmp_path):
    """Give each test its own home, and no setting, key or proxy; no session may stay current."""
    context.put(None)
    for name in list(os.environ):
        if name.startswith(_FOREIGN) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    # The runs of pytest that tests start are not to have what this one was told.
    for name in ("PYTEST_ADDOPTS", "PYTEST_XDIST_WORKER"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HONEYTRACE_HOME", str(tmp_path / "home"))
    settings.warn.cache_clear()
    yield
    assert not honeytrace.current_session(), "the test left a session current"


@dataclass(frozen=True)
class Request:
    """One request as it arrived. `path` is the whole target, absolute if it came by proxy."""

    method: str
    path: str
    headers: HTTPMessage
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


Answer = tuple[int, dict[str, str], "bytes | Iterable[bytes]"]
"""Status, headers, body. A body in pieces goes out piece by piece and ends the connection."""


class Server:
    """A threaded HTTP/1.1 server on the loopback that records requests and answers by `script`.

    `script` is a list of answers, taken one after the other, or a function from the request to an
    answer. In a list, too, an answer may be such a function: `server.hang`, `server.reset`,
    `server.after(0.1)`. When the list is used up, `ok` answers: 200 with the id that was sent.

        server.script = [(503, {}, b""), server.after(0.2), server.reset]
    """

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.script: list[Any] | Callable[[Request], Any] = []
        self.connections = 0
        self.closing = threading.Event()
        self._arrived = threading.Condition()
        self._sockets: set[socket.socket] = set()
        self._http = _Http(self)
        self.port = self._http.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.01,))
        self._thread.start()

    def ok(self, request: Request) -> Answer:
        """200 and the id of the session that was sent."""
        session = request.json["session"] if request.body else {}
        return 200, {}, json.dumps({"session_id": session.get("session_id", "")}).encode()

    def hang(self, request: Request) -> Answer:
        """No answer while the server lives."""
        self.closing.wait()
        raise ConnectionAbortedError

    def reset(self, request: Request) -> Answer:
        """A connection that is torn down without an answer."""
        raise ConnectionResetError

    def after(self, seconds: float, answer: Any = None) -> Callable[[Request], Any]:
        """An answer (`ok`, if none is given) that comes late."""

        def late(request: Request) -> Any:
            self.closing.wait(seconds)
            return answer or self.ok

        return late

    @property
    def sessions(self) -> list[dict[str, Any]]:
        """The session objects that were sent, in the order of their arrival."""
        return [request.json["session"] for request in self.requests if request.body]

    def wait(self, count: int, timeout: float = 10.0) -> list[Request]:
        """The requests, once there are `count` of them; fails when they do not come in time."""
        with self._arrived:
            there = self._arrived.wait_for(lambda: len(self.requests) >= count, timeout)
        assert there, f"{len(self.requests)} of {count} requests came within {timeout} s"
        return self.requests

    def connected(self, connection: socket.socket) -> None:
        with self._arrived:
            self.connections += 1
            self._sockets.add(connection)

    def disconnected(self, connection: socket.socket) -> None:
        with self._arrived:
            self._sockets.discard(connection)

    def answer(self, request: Request) -> Answer:
        with self._arrived:
            self.requests.append(request)
            self._arrived.notify_all()
            answer: Any = self.script
            if isinstance(self.script, list):
                answer = self.script.pop(0) if self.script else self.ok
        while callable(answer):
            answer = answer(request)
        return answer

    def close(self) -> None:
        """Ends what still runs: late answers, kept connections, the threads."""
        self.closing.set()
        self._http.shutdown()
        self._thread.join()
        with self._arrived:
            for connection in self._sockets:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
        self._http.server_close()


class _Http(ThreadingHTTPServer):
    daemon_threads = False  # so that closing waits for them
    request_queue_size = 128

    def __init__(self, owner: Server) -> None:
        self.owner = owner
        super().__init__(("127.0.0.1", 0), _Handler)

    def process_request(self, request, client_address):
        self.owner.connected(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request):
        self.owner.disconnected(request)
        self.close_request(request)  # no shutdown before it: a reset has to stay one

    def handle_error(self, request, client_address):
        """Not printed: clients that leave early are part of the tests."""


class _Handler(BaseHTTPRequestHandler):
    server: _Http
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    def answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        request = Request(self.command, self.path, self.headers, body)
        try:
            self.reply(*self.server.owner.answer(request))
        except ConnectionResetError:
            linger = struct.pack("ii", 1, 0)  # closing then sends a reset
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            self.close_connection = True
        except ConnectionAbortedError:
            self.close_connection = True

    do_GET = do_POST = do_CONNECT = answer  # noqa: N815 - the names are the standard's

    def reply(self, status: int, headers: dict[str, str], body: bytes | Iterable[bytes]) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **headers}.items():
            self.send_header(name, value)
        if isinstance(body, bytes):
            self.send_header("Content-Length", str(len(body)))
            body = [body]
        else:
            self.send_header("Connection", "close")
        self.end_headers()
        if not isinstance(body, list):
            self.wfile.flush()  # the status is there before the first piece is
        for piece in body:
            self.wfile.write(piece)
            self.wfile.flush()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def serve() -> Iterator[Callable[[], Server]]:
    """Starts scripted servers, as many as a test needs."""
    started: list[Server] = []

    def start() -> Server:
        started.append(Server())
        return started[-1]

    yield start
    for server in started:
        server.close()


@pytest.fixture
def server(serve: Callable[[], Server]) -> Server:
    """A scripted HTTP server."""
    return serve()


@pytest.fixture
def connect() -> Iterator[Callable[..., HttpSender]]:
    """Makes senders, and closes them in the end."""
    made: list[HttpSender] = []

    def make(url: str, *arguments: Any, **settings: Any) -> HttpSender:
        made.append(HttpSender(url, *arguments, **settings))
        return made[-1]

    yield make
    for sender in made:
        sender.close()


@pytest.fixture
def sent(server: Server) -> Iterator[Callable[[], list[dict[str, Any]]]]:
    """Sends to `server`; calling it delivers what has ended and returns the session objects."""
    honeytrace.configure(server_url=server.url, api_key="key", project="p", source="test")

    def sessions() -> list[dict[str, Any]]:
        assert honeytrace.flush(10), "what was recorded did not arrive"
        return server.sessions

    yield sessions
    honeytrace.shutdown(0)
    honeytrace.configure(server_url=None, api_key=None, project=None, source=None)


@pytest.fixture
def said(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    """Calling it returns what was logged, without the name that goes before each message."""

    def messages() -> list[str]:
        assert all(message.startswith("honeytrace: ") for message in caplog.messages)
        return [message.removeprefix("honeytrace: ") for message in caplog.messages]

    return messages


class FailingHandler(logging.Handler):
    """A log handler that raises.

    Attributes:
        calls: the number of records that it got.
    """

    calls = 0

    def emit(self, record: logging.LogRecord) -> None:
        self.calls += 1
        raise ValueError("I/O operation on closed file.")


@pytest.fixture
def failing_log() -> Iterator[FailingHandler]:
    """Logs what honeytrace says with a handler that raises."""
    handler, logger = FailingHandler(), logging.getLogger("honeytrace")
    logger.addHandler(handler)
    try:
        yield handler
    finally:
        logger.removeHandler(handler)


@pytest.fixture
def program(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs a Python program in a process of its own, and returns what it did and printed."""

    def run(source: str, **environment: str) -> subprocess.CompletedProcess[str]:
        path = tmp_path / "program.py"
        path.write_text(textwrap.dedent(source), encoding="utf-8")
        return subprocess.run(
            [sys.executable, "-W", "error", str(path)],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **environment},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run
