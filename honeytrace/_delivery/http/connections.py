"""Kept connections to one server, on httpcore, where each request has one deadline.

httpcore is the layer that httpx stands on. A connection of one's own costs a quarter less CPU a
request than `httpx.HTTPTransport`, is out of reach for what instruments httpx, and lets us hold
the socket: httpx's timeouts are per read, so that a server that drips could hold a sender for ever.
"""

from __future__ import annotations

import logging
import os
import socket
import ssl
import threading
from collections import deque
from collections.abc import Iterable
from contextlib import closing, suppress
from typing import Any, NamedTuple, cast

import certifi
import httpcore

from honeytrace._delivery.http.addresses import Proxy
from honeytrace._utils import clock
from honeytrace._utils.errors import TransportError

_MOST = 64 * 1024  # bytes of an answer
_PIECE = 16 * 1024  # bytes that are written at once; a buffer with room takes them whole

_FAILURES = (
    httpcore.TimeoutException,
    httpcore.NetworkError,
    httpcore.ProtocolError,
    httpcore.ProxyError,
)
_CUT = (httpcore.RemoteProtocolError, httpcore.ReadError, httpcore.WriteError)
_LOGGERS = ("connection", "http11", "proxy", "socks")


class Reply(NamedTuple):
    """An answer: the body as it travelled, 64 KiB at most, and less if it broke off."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes

    def header(self, name: bytes) -> str | None:
        """The first header of this name, which is given in small letters."""
        found = (value for key, value in self.headers if key.lower() == name)
        value = next(found, None)
        return None if value is None else value.decode("utf-8", "replace")


class Connections:
    """Posts bodies to one address, over as many connections as there are threads at it.

    `kept` of them stay open when they are idle, for `expiry` seconds.
    """

    def __init__(
        self,
        url: httpcore.URL,
        headers: list[tuple[bytes, bytes]],
        timeout: float,
        proxy: Proxy | None = None,
        kept: int = 32,
        expiry: float = 30.0,
    ) -> None:
        self._url = url
        self._headers = headers
        self._timeout = timeout
        self._proxy = proxy
        self._kept = kept
        self._expiry = expiry
        self._tls = trust() if url.scheme == b"https" else None
        self._idle: deque[_Connection] = deque()  # the last one used is used next
        self._closed = False
        for name in _LOGGERS:
            logging.getLogger(f"httpcore.{name}").addFilter(_quiet.filter)

    def post(self, body: bytes) -> Reply:
        """Posts a body within the timeout. Raises `TransportError` if no answer comes."""
        deadline = clock.now() + self._timeout
        try:
            with _quiet:
                return self._post(body, deadline)
        except httpcore.LocalProtocolError as error:  # its words repeat the header
            words = "a header cannot be sent; check api_key and server_url"
            raise TransportError(f"LocalProtocolError: {words}") from error
        except _FAILURES as error:
            raise TransportError(f"{type(error).__name__}: {error}") from error

    def close(self) -> None:
        """Closes what is idle; what is under way is closed when its request ends."""
        self._closed = True
        with _quiet, suppress(IndexError):
            while True:
                self._idle.pop().close()

    def _post(self, body: bytes, deadline: float) -> Reply:
        kept = self._take()
        if kept is not None:
            try:
                return self._exchange(kept, body, deadline)
            except _CUT:
                # The server closed it while the request was on its way. With a word of an answer
                # it would be another matter.
                if kept.line.heard:
                    raise
        return self._exchange(self._open(), body, deadline)

    def _exchange(self, connection: _Connection, body: bytes, deadline: float) -> Reply:
        try:
            return connection.post(body, deadline)
        finally:
            self._put_back(connection)

    def _take(self) -> _Connection | None:
        """The connection used last, if the server has not closed it meanwhile."""
        with suppress(IndexError):
            while True:
                connection = self._idle.pop()
                if not self._expired(connection) and connection.is_open():
                    return connection
                connection.close()
        return None

    def _put_back(self, connection: _Connection) -> None:
        if not connection.rest():
            connection.close()
            return
        self._idle.append(connection)
        # After a wide stretch those at the bottom would stay open for ever: nobody takes them.
        with suppress(IndexError):
            if len(self._idle) > self._kept or self._expired(self._idle[0]):
                self._idle.popleft().close()
        if self._closed:
            self.close()

    def _expired(self, connection: _Connection) -> bool:
        # httpcore could do this, but by a clock that tests freeze
        return clock.now() - connection.rests > self._expiry

    def _open(self) -> _Connection:
        line = _Line()
        return _Connection(
            line, self._http(line), httpcore.Request(b"POST", self._url), self._headers
        )

    def _http(self, line: _Line) -> httpcore.ConnectionInterface:
        origin, proxy = self._url.origin, self._proxy
        if proxy is None:
            return httpcore.HTTPConnection(origin, ssl_context=self._tls, network_backend=line)
        # A pool, of which only the way to a connection through the proxy is used.
        kind = httpcore.SOCKSProxy if proxy.url.scheme.startswith(b"socks") else httpcore.HTTPProxy
        try:
            pool = kind(proxy.url, proxy.auth, ssl_context=self._tls, network_backend=line)
        except RuntimeError as error:
            words = "a SOCKS proxy needs the package socksio; install 'httpx[socks]'"
            raise httpcore.ProxyError(words) from error
        return pool.create_connection(origin)


def lasts(error: BaseException | None) -> bool:
    """Whether the next attempt would end as this one did.

    So it is with TLS, but not if the connection broke, and with headers that cannot be written.
    """
    while error is not None and not isinstance(error, (ssl.SSLError, httpcore.LocalProtocolError)):
        error = error.__cause__  # not the context, which may be an error of the user's
    return error is not None and not isinstance(error, ssl.SSLEOFError)


def trust() -> ssl.SSLContext:
    """Which certificates are good: those that httpx trusts."""
    if file := os.environ.get("SSL_CERT_FILE"):
        return ssl.create_default_context(cafile=file)
    if directory := os.environ.get("SSL_CERT_DIR"):
        return ssl.create_default_context(capath=directory)
    return ssl.create_default_context(cafile=certifi.where())


class _Quiet(threading.local):
    """While it is entered, the loggers of httpcore say nothing of what this thread does."""

    depth = 0

    def __enter__(self) -> None:
        self.depth += 1

    def __exit__(self, *_: object) -> None:
        self.depth -= 1

    def filter(self, _: logging.LogRecord) -> bool:
        return not self.depth


_quiet = _Quiet()


class _Connection:
    """A connection, and the request that is sent over it again and again with other bodies."""

    def __init__(
        self,
        line: _Line,
        http: httpcore.ConnectionInterface,
        request: httpcore.Request,
        headers: list[tuple[bytes, bytes]],
    ) -> None:
        self.line = line
        self._http = http
        self._request = request
        self._headers = headers
        self.rests = 0.0  # since when it is idle

    def post(self, body: bytes, deadline: float) -> Reply:
        self.line.deadline, self.line.heard = deadline, False
        self._request.headers = [*self._headers, (b"Content-Length", b"%d" % len(body))]
        self._request.stream = (body,)
        try:
            response = self._http.handle_request(self._request)
            return Reply(response.status, response.headers, _read(response))
        finally:
            self._request.stream = ()

    def rest(self) -> bool:
        """Whether this can be used again: the last answer was read to its end."""
        self.rests = clock.now()
        return self._http.is_available()

    def is_open(self) -> bool:
        """Whether the server has not closed it, as far as we heard."""
        try:
            return not self._http.has_expired()
        except (OSError, ValueError):  # without `poll`, a descriptor that is not there raises
            return False

    def close(self) -> None:
        self._http.close()
        self.line.close()


def _read(response: httpcore.Response) -> bytes:
    """The answer, as far as it comes in time; to its end if it is short, so that the connection
    stays. If it breaks off, the status has said enough."""
    chunks, size = [], 0
    with suppress(*_FAILURES), closing(response):
        for chunk in cast("Iterable[bytes]", response.stream):
            chunks.append(chunk)
            size += len(chunk)
            if size > _MOST:
                break
    return b"".join(chunks)[:_MOST]


class _Line(httpcore.NetworkBackend):
    """The network as one connection sees it: open until the deadline of the present request."""

    def __init__(self) -> None:
        self.deadline = 0.0
        self.heard = False  # whether anything of an answer has come
        self._network = httpcore.SyncBackend()
        self._stream: _Stream | None = None

    def left(self, late: type[httpcore.TimeoutException]) -> float:
        """The seconds until the deadline; after it, raises `late`."""
        left = self.deadline - clock.now()
        if left <= 0:
            raise late("timed out")
        return left

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ARG002 - the deadline is meant, here and below
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        """Tries the addresses of the host one after the other, each with its share of the time."""
        addresses = _addresses(host, port)
        while True:
            address = addresses.pop(0)
            share = self.left(httpcore.ConnectTimeout) / (len(addresses) + 1)
            try:
                return self.wrap(
                    self._network.connect_tcp(address, port, share, local_address, socket_options)
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                if not addresses:
                    raise

    def wrap(self, stream: httpcore.NetworkStream) -> _Stream:
        self._stream = _Stream(self, stream)
        return self._stream

    def close(self) -> None:
        """Closes what httpcore may have left open when it failed half-way."""
        if self._stream is not None:
            self._stream.close()


def _addresses(host: str, port: int) -> list[str]:
    numeric = socket.NI_NUMERICHOST | socket.NI_NUMERICSERV
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        return [socket.getnameinfo(address, numeric)[0] for *_, address in found]
    except (OSError, UnicodeError) as error:  # UnicodeError: a label that is empty or too long
        raise httpcore.ConnectError(error) from error


class _Stream(httpcore.NetworkStream):
    """A connected socket that keeps the deadline, and that writes to no descriptor but its own."""

    def __init__(self, line: _Line, stream: httpcore.NetworkStream) -> None:
        self._line = line
        self._stream = stream
        self._socket: socket.socket = stream.get_extra_info("socket")
        self._file = _file(self._socket)
        self._unsent: list[bytes] = []

    def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ARG002
        """Keeps it until an answer is awaited, so that head and body go out as one."""
        self._unsent.append(buffer)

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ARG002
        if self._unsent:
            self._flush()
        read = self._stream.read(max_bytes, self._line.left(httpcore.ReadTimeout))
        self._line.heard = self._line.heard or bool(read)
        return read

    def _flush(self) -> None:
        data = b"".join(self._unsent)
        self._unsent.clear()
        for start in range(0, len(data), _PIECE):
            if not self._is_ours():
                raise httpcore.WriteError("the descriptor of the connection was closed by others")
            left = self._line.left(httpcore.WriteTimeout)
            try:
                self._stream.write(data[start : start + _PIECE], left)
            except httpcore.WriteError:
                return  # the server may have refused, with an answer, before it had read it all

    def _is_ours(self) -> bool:
        """Whether the descriptor still is our socket; else lets go of the number, unclosed."""
        if _file(self._socket) == self._file:
            return True
        self._socket.detach()
        return False

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ARG002
    ) -> httpcore.NetworkStream:
        left = self._line.left(httpcore.ConnectTimeout)
        return self._line.wrap(self._stream.start_tls(ssl_context, server_hostname, left))

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)

    def close(self) -> None:
        if self._is_ours():
            with suppress(OSError):  # closed by others just now
                self._stream.close()


def _file(connected: socket.socket) -> tuple[int, int] | None:
    """Which file the descriptor stands for; None if for none."""
    try:
        found = os.fstat(
            connected.fileno() if os.name == "posix" else -1
        )  # elsewhere no descriptor
    except OSError:
        return None
    return found.st_dev, found.st_ino
