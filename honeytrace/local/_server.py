"""A small HTTP server, made of parts of the standard library, that runs a WSGI application."""

from __future__ import annotations

import io
import os
import re
import select
import socket
import socketserver
import sys
import threading
from contextlib import suppress
from email.errors import InvalidHeaderDefect, MissingHeaderBodySeparatorDefect
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_to_bytes

from honeytrace._utils.errors import ConfigurationError
from honeytrace._utils.json import dumps
from honeytrace._utils.version import __version__
from honeytrace.local._body import Body
from honeytrace.local._doors import SECURITY

if TYPE_CHECKING:
    from collections.abc import Callable

    from _typeshed import OptExcInfo
    from _typeshed.wsgi import WSGIApplication, WSGIEnvironment


_IDLE_SECONDS = 60.0
_PIECE_BYTES = 64 * 1024
_MAX_SKIPPED_BYTES = 1024 * 1024  # read and dropped if the application did not read them
_MAX_LINGER_BYTES = 256 * 1024 * 1024  # read and dropped after the last answer
_MAX_STREAMS = 8  # unending answers at the same time, each with a thread of its own
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_DEFECTS = (InvalidHeaderDefect, MissingHeaderBodySeparatorDefect)
_HOST = re.compile("^https?://([^/?:]*)[^/?]*", re.IGNORECASE)


def make_server(
    app: WSGIApplication, host: str, port: int, *, idle: float = _IDLE_SECONDS
) -> Server:
    """Make a listening server; port 0 picks a free port.

    A connection that is silent for `idle` seconds is closed. Raises `ConfigurationError` if the
    address cannot be used.
    """
    try:
        return Server(app, host, port, idle)
    except (OSError, OverflowError) as error:
        raise ConfigurationError(
            f"cannot listen on host {host!r}, port {port!r} ({error}); choose another"
        ) from error


class Server(socketserver.ThreadingMixIn, socketserver.TCPServer):
    """Serves each connection in a daemon thread, from `serve_forever` until `shutdown`."""

    daemon_threads = True
    # On Windows this option would let two servers listen on one port.
    allow_reuse_address = os.name == "posix"
    request_queue_size = 1024

    def __init__(self, app: WSGIApplication, host: str, port: int, idle: float) -> None:
        self.app = app
        self.idle = idle
        self.streams = threading.Semaphore(_MAX_STREAMS)
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        super().__init__((host, port), _Handler)

    @property
    def url(self) -> str:
        host, port = str(self.server_address[0]), self.server_address[1]
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


class _Handler(BaseHTTPRequestHandler):
    """Answers the requests of one connection in turn, each with a single write."""

    server: Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def setup(self) -> None:
        super().setup()
        self.connection.settimeout(self.server.idle)

    def parse_request(self) -> bool:
        """Read the head of a request; return False if it is answered with an error."""
        source, self.rfile = self.rfile, _HeadLines(self.rfile, self.raw_requestline)
        try:
            parsed = super().parse_request()
            split = self.rfile.split
        finally:
            self.rfile = source
        if parsed and split:
            self.send_error(400, f"the line {split!r} has a carriage return in it")
        return parsed and not split

    def handle(self) -> None:
        with suppress(ConnectionError):  # the client has gone, so nobody could read an answer
            super().handle()

    def finish(self) -> None:
        super().finish()
        _linger(self.connection)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is inherited
        """Write no access log."""

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Answer with a JSON object. The base class calls this, and would send an HTML page."""
        self.close_connection = True
        status = HTTPStatus(code)
        words = f"the request cannot be answered: {message or explain or status.phrase}"
        body = dumps({"message": words})
        headers = [("Content-Type", "application/json"), *SECURITY]
        self._send(f"{code} {status.phrase}", headers, body)

    def _run(self) -> None:
        if fault := self._fault():
            self.send_error(400, fault)
            return
        body = self._body()
        if body is None:
            return
        answer = _Answer()
        content = self.server.app(self._environ(body), answer.start)
        if ("Content-Type", "text/event-stream") in answer.headers:
            self._stream(answer, content)
            return
        answer.take(content)
        self._send(answer.status, answer.headers, b"".join(answer.pieces))
        if not body.skip(_MAX_SKIPPED_BYTES):
            self.close_connection = True

    def __getattr__(self, name: str) -> Any:
        """Run the application for each method, which the base class looks up as `do_GET`.

        The application refuses the ones that it does not know, with 405.
        """
        if re.fullmatch("do_[A-Z]+", name):
            return self._run
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def _fault(self) -> str | None:
        """Return what is wrong with headers that the parser of the base class accepts, or None.

        Two programs that read such headers differently would disagree on where a request ends.
        """
        for name, value in self.headers.items():
            if not _TOKEN.fullmatch(name):
                return f"{name!r} is not the name of a header"
            if re.search("[\r\n\0]", value):
                return f"the header {name!r} goes over several lines"
        if any(isinstance(each, _DEFECTS) for each in self.headers.defects):
            return "a line among the headers is not a header"
        for name in ("Host", "Transfer-Encoding"):
            if len(self.headers.get_all(name, [])) > 1:
                return f"there are several headers {name!r}"
        target, host = _HOST.match(self.path), self.headers.get("Host", "")
        if target and target[1].lower() != host.partition(":")[0].lower():
            return f"the target is on {target[1]!r}, and the Host is {host!r}"
        return None

    def _body(self) -> Body | None:
        """Return the body; if its framing is wrong, answer the request and return None."""
        encoding = self.headers.get("Transfer-Encoding")
        lengths = self.headers.get_all("Content-Length", [])
        if encoding is None and len(set(lengths)) < 2:
            length = lengths[0].strip() if lengths else "0"
            if re.fullmatch("[0-9]{1,18}", length):
                return Body(self.rfile, int(length))
        elif encoding is not None and not lengths:
            if encoding.strip().lower() == "chunked":
                return Body(self.rfile, None)
            self.send_error(501, f"Transfer-Encoding {encoding!r} is not known; use 'chunked'")
            return None
        self.send_error(400, f"the length of the body is unclear; Content-Length is {lengths!r}")
        return None

    def _environ(self, body: Body) -> WSGIEnvironment:
        target = _HOST.sub("", self.path)
        path, _, query = target.partition("?")
        host, port = self.server.server_address[:2]
        environ: WSGIEnvironment = {
            "REQUEST_METHOD": self.command,
            "SCRIPT_NAME": "",
            "PATH_INFO": unquote_to_bytes(path).decode("latin-1"),
            "QUERY_STRING": query,
            "SERVER_NAME": str(host),
            "SERVER_PORT": str(port),
            "SERVER_PROTOCOL": self.request_version,
            "REMOTE_ADDR": self.client_address[0],
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http",
            "wsgi.input": io.BufferedReader(body),
            "wsgi.input_terminated": True,
            "wsgi.errors": sys.stderr,
            "wsgi.multithread": True,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
            "honeytrace.streams": self.server.streams,
        }
        for name, value in self.headers.items():
            # The header "A_B" would overwrite "A-B", which a proxy may have checked.
            if "_" not in name:
                key = _key(name)
                environ[key] = f"{environ[key]},{value}" if key in environ else value
        return environ

    def _stream(self, answer: _Answer, content: Any) -> None:
        """Send an answer that does not end, piece by piece, until the client has gone."""
        self.close_connection = True
        self.wfile.write(self._head(answer.status, answer.headers))
        try:
            for piece in content:
                self.wfile.write(piece)
                if self.command == "HEAD" or _is_gone(self.connection):
                    break
        finally:
            _close(content)

    def _send(self, status: str, headers: list[tuple[str, str]], body: bytes) -> None:
        known = [header for header in headers if header[0].lower() != "content-length"]
        head = self._head(status, [*known, ("Content-Length", str(len(body)))])
        self.wfile.write(head if self.command == "HEAD" else head + body)

    def _head(self, status: str, headers: list[tuple[str, str]]) -> bytes:
        lines = [
            f"HTTP/1.1 {status}",
            f"Server: honeytrace/{__version__}",
            f"Date: {self.date_time_string()}",
            f"Connection: {'close' if self.close_connection else 'keep-alive'}",
            *(f"{name}: {value}" for name, value in headers),
        ]
        return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n"


class _HeadLines(io.BufferedIOBase):
    """Reads the lines of a head, and keeps the first one that others may take for several.

    The parser of the base class ends a line at a bare carriage return, and a proxy may not.

    Attributes:
        split: that line; None if there is none.
    """

    def __init__(self, source: io.BufferedIOBase, first: bytes) -> None:
        self.split: bytes | None = None
        self._source = source
        self._check(first)

    def readline(self, size: int | None = -1, /) -> bytes:
        line = self._source.readline(size)
        self._check(line)
        return line

    def _check(self, line: bytes) -> None:
        if self.split is None and b"\r" in line.removesuffix(b"\n").removesuffix(b"\r"):
            self.split = line


class _Answer:
    """Collects the answer of a WSGI application."""

    def __init__(self) -> None:
        self.status = ""
        self.headers: list[tuple[str, str]] = []
        self.pieces: list[bytes] = []

    def start(
        self, status: str, headers: list[tuple[str, str]], _error: OptExcInfo | None = None, /
    ) -> Callable[[bytes], None]:
        self.status, self.headers = status, headers
        return self.pieces.append

    def take(self, content: Any) -> None:
        try:
            for piece in content:
                self.pieces.append(piece)
        finally:
            _close(content)


def _close(content: Any) -> None:
    if hasattr(content, "close"):
        content.close()


def _key(name: str) -> str:
    key = name.upper().replace("-", "_")
    return key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}"


def _is_gone(connection: socket.socket) -> bool:
    """Return True if the client has closed its side, or sent more than it should."""
    readable, _, _ = select.select([connection], [], [], 0)
    return bool(readable)


def _linger(connection: socket.socket) -> None:
    """Let the client read the answer: closing with bytes unread would discard it."""
    try:
        connection.shutdown(socket.SHUT_WR)
        connection.settimeout(1.0)
        left = _MAX_LINGER_BYTES
        while left > 0 and (piece := connection.recv(_PIECE_BYTES)):
            left -= len(piece)
    except OSError:  # the client has gone or is silent
        return
