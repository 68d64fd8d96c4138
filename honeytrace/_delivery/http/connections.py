"""Connections to one server that stay open, on httpcore, with one deadline for each request.

httpcore is the layer below httpx. It opens connections: TLS, proxies, tunnels. On an open one we
write a request at once and read an ordinary answer ourselves, which takes a sixth of the time. Any
other answer goes through httpcore. Tools that instrument httpx do not see our requests.
"""

from __future__ import annotations

import logging
import math
import os
import re
import ssl
import threading
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import closing, suppress
from functools import partial
from typing import NamedTuple, TypeVar, cast

import certifi
import httpcore

from honeytrace._delivery.http.addresses import Proxy, is_numeric, require_socks
from honeytrace._delivery.http.network import DeadlineNetwork, OwnedStream
from honeytrace._delivery.http.reply import MAX_REPLY_BYTES, Reply, join_headers, read_plain
from honeytrace._session import wire
from honeytrace._utils import clock
from honeytrace._utils.errors import ConfigurationError, TransportError
from honeytrace._utils.origin import ignoring

_V = TypeVar("_V")

_FAILURES = (
    httpcore.TimeoutException,
    httpcore.NetworkError,
    httpcore.ProtocolError,
    httpcore.ProxyError,
)
_CUT = (httpcore.RemoteProtocolError, httpcore.ReadError, httpcore.WriteError)
_LASTING = (ssl.SSLError, httpcore.LocalProtocolError, ConfigurationError)
MAX_SESSION_BYTES = 64 * 2**20  # of a session that is read
_LOGGERS = ("connection", "http11", "proxy", "socks")


class Posted(NamedTuple):
    """A request that was made.

    Attributes:
        reply: waits for the answer. Raises `TransportError` if none comes within the timeout.
        is_answered: waits up to so many seconds; returns False if `reply` would wait even longer.
    """

    reply: Callable[[], Reply]
    is_answered: Callable[[float], bool]


class Connections:
    """Posts bodies to one address. Threads that post at the same time have a connection each.

    Up to `kept` idle connections stay open, each for `expiry` seconds. Raises `ConfigurationError`
    if certificates or the proxy cannot be used.
    """

    def __init__(
        self,
        url: httpcore.URL,
        headers: list[tuple[bytes, bytes]],
        timeout: float,
        proxy: Proxy | None = None,
        kept: int = 64,
        expiry: float = 30.0,
    ) -> None:
        self._url = url
        self._headers = headers
        self._timeout = timeout
        self._proxy = proxy
        self._kept = kept
        self._expiry = expiry
        require_socks(proxy)
        self._tls = trust() if url.scheme == b"https" else None
        self._until = math.inf
        self._idle: deque[_Connection] = deque()  # the last one used is used next
        self._closed = False
        for name in _LOGGERS:
            logging.getLogger(f"httpcore.{name}").addFilter(_quiet.filter)

    def post(self, body: bytes) -> Posted:
        """Post a body. Without an open connection, this is done when the answer is read."""
        now = clock.now()
        connection = self._take(now) or self._open()
        request = _Request(connection, body, self._deadline(now))
        return Posted(partial(_reported, self._finish, request), request.is_answered)

    def get(self, path: str) -> Reply:
        """Read another path of the server within the timeout, over a connection of its own."""
        return _reported(self._get, path)

    def _get(self, path: str) -> Reply:
        origin = self._url.origin
        base = self._url.target.removesuffix(wire.START.encode())
        url = httpcore.URL(
            scheme=origin.scheme, host=origin.host, port=origin.port, target=base + path.encode()
        )
        connection = self._open()
        try:
            return connection.get(url, self._deadline(clock.now()))
        finally:
            connection.close()

    def close(self) -> None:
        """Close idle connections now, and the others when their requests end."""
        self._closed = True
        with ignoring(IndexError):
            while True:
                self._idle.pop().close()

    def limit(self, until: float) -> bool:
        """Give up all requests at this moment; return False if a lookup may take longer."""
        self._until = until
        return is_numeric((self._proxy.url if self._proxy else self._url).host)

    def _deadline(self, now: float) -> float:
        return min(now + self._timeout, self._until)

    def _finish(self, request: _Request) -> Reply:
        try:
            return self._answer(request)
        except _CUT:
            # The server closed it while the request was on its way. Once part of an answer has
            # arrived, the server was at work on it, and it is not sent again at once.
            if request.first or request.connection.network.heard:
                raise
        return self._answer(_Request(self._open(), request.body, request.deadline))

    def _answer(self, request: _Request) -> Reply:
        try:
            return request.finish()
        finally:
            self._put_back(request.connection)

    def _take(self, now: float) -> _Connection | None:
        """Return the connection used last that the server has not closed meanwhile."""
        try:
            while True:
                connection = self._idle.pop()
                if not self._expired(connection, now) and connection.is_open():
                    return connection
                connection.close()
        except IndexError:
            return None

    def _put_back(self, connection: _Connection) -> None:
        if not connection.reusable:
            connection.close()
            return
        self._idle.append(connection)
        if len(self._idle) > 1:
            self._close_oldest(connection.idle_since)
        if self._closed:
            self.close()

    def _close_oldest(self, now: float) -> None:
        """Close a connection that nobody takes: after a busy time it would stay open forever."""
        with suppress(IndexError):
            if len(self._idle) > self._kept or self._expired(self._idle[0], now):
                self._idle.popleft().close()

    def _expired(self, connection: _Connection, now: float) -> bool:
        # httpcore could do this, but with a clock that is frozen in some tests.
        return now - connection.idle_since > self._expiry

    def _open(self) -> _Connection:
        network = DeadlineNetwork()
        request = httpcore.Request(b"POST", self._url)
        return _Connection(network, self._http(network), request, self._headers)

    def _http(self, network: DeadlineNetwork) -> httpcore.ConnectionInterface:
        origin, proxy = self._url.origin, self._proxy
        if proxy is None:
            return httpcore.HTTPConnection(origin, ssl_context=self._tls, network_backend=network)
        # This is a pool, but it is only used to make one connection through the proxy.
        kind = httpcore.SOCKSProxy if proxy.url.scheme == b"socks5" else httpcore.HTTPProxy
        pool = kind(proxy.url, proxy.auth, ssl_context=self._tls, network_backend=network)
        return pool.create_connection(origin)


def lasts(error: BaseException | None) -> bool:
    """Return whether the next attempt is bound to fail in the same way.

    It is for TLS errors (unless the connection broke), invalid headers, unusable settings and a
    proxy that refuses.
    """
    while error is not None and not isinstance(error, (*_LASTING, httpcore.ProxyError)):
        error = error.__cause__  # not the context, which may be the user's error
    if isinstance(error, httpcore.ProxyError):  # such as "407 Proxy Authentication Required"
        return re.match("40[1347]", str(error)) is not None
    return error is not None and not isinstance(error, ssl.SSLEOFError)


def trust() -> ssl.SSLContext:
    """Return a TLS context that trusts the certificates that httpx trusts.

    Raises `ConfigurationError` for a file of certificates that cannot be read.
    """
    file = os.environ.get("SSL_CERT_FILE")
    directory = None if file else os.environ.get("SSL_CERT_DIR")
    if not (file or directory):
        return ssl.create_default_context(cafile=certifi.where())
    try:
        return ssl.create_default_context(cafile=file, capath=directory)
    except OSError as error:  # SSLError, a subclass: it is not a file of certificates
        raise ConfigurationError(
            f"SSL_CERT_FILE names {file!r}, which cannot be used ({error.strerror or error}); "
            "correct it or unset it"
        ) from error


class _Quiet(threading.local):
    """Silences the loggers of httpcore for a thread while it is inside."""

    depth = 0

    def __enter__(self) -> None:
        self.depth += 1

    def __exit__(self, *_: object) -> None:
        self.depth -= 1

    def filter(self, _: logging.LogRecord) -> bool:
        return not self.depth


_quiet = _Quiet()


class _Request:
    """A request that is under way.

    Attributes:
        connection: what it is sent over.
        body: its body.
        deadline: the moment, by our clock, at which it is given up.
        first: whether it is the first one over this connection.
    """

    def __init__(self, connection: _Connection, body: bytes, deadline: float) -> None:
        self.connection = connection
        self.body = body
        self.deadline = deadline
        self.first = connection.network.stream is None
        self._finished = False
        self._sent = False
        self._error: httpcore.WriteError | httpcore.WriteTimeout | None = None
        try:
            self._sent = connection.begin(body, deadline)
        except (httpcore.WriteError, httpcore.WriteTimeout) as error:
            self._error = error

    def is_answered(self, seconds: float) -> bool:
        """Wait up to `seconds`; return False if `finish` would wait even longer."""
        stream = self.connection.network.stream
        if stream is None or not (self._sent and stream.can_wait):
            return True
        return not stream.is_silent(seconds) or clock.now() >= self.deadline

    def finish(self) -> Reply:
        """Return the answer. Raises what httpcore raises."""
        self._finished = True
        if self._error:
            raise self._error
        return self.connection.finish(self.body, sent=self._sent)

    def __del__(self) -> None:
        """Close the connection if nobody reads the answer: a thread was ended from outside."""
        if not self._finished:
            self.connection.close()


class _Connection:
    """A connection that sends the same request again and again with other bodies.

    The first request goes through httpcore, which opens the connection. The next ones repeat its
    head, and ordinary answers to them are read without httpcore.

    Attributes:
        network: the backend that httpcore connects with; it holds the stream.
        idle_since: the moment, by our clock, at which the last answer was read.
        reusable: whether the last answer was read to its end, so that another request can follow.
    """

    def __init__(
        self,
        network: DeadlineNetwork,
        http: httpcore.ConnectionInterface,
        request: httpcore.Request,
        headers: list[tuple[bytes, bytes]],
    ) -> None:
        self.network = network
        self.idle_since = 0.0
        self.reusable = False
        self._http = http
        self._request = request
        self._headers = headers
        self._head: tuple[bytes, bytes] | None = None  # what goes before and after the length

    def begin(self, body: bytes, deadline: float) -> bool:
        """Begin a request; return whether it was sent, which takes an open connection."""
        self.network.deadline, self.network.heard = deadline, False
        self.reusable = False
        stream = self.network.stream
        if self._head is None or stream is None:
            return False
        before, after = self._head
        stream.send(b"%b%d%b%b" % (before, len(body), after, body))
        return True

    def finish(self, body: bytes, *, sent: bool) -> Reply:
        """Read the answer, after sending the body unless this was done."""
        reply = self._read_plainly() if sent else None
        if reply is None:
            reply = self._post_by_httpcore(body)
            self.reusable = self._http.is_available()
        else:
            self.reusable = True
        self.idle_since = clock.now()
        return reply

    def get(self, url: httpcore.URL, deadline: float) -> Reply:
        self.network.deadline = deadline
        request = httpcore.Request(b"GET", url, headers=self._headers)
        with _quiet:
            return _read(self._http.handle_request(request), MAX_SESSION_BYTES)

    def _read_plainly(self) -> Reply | None:
        """Read the answer to what was sent; None if httpcore has to do it."""
        stream = cast("OwnedStream", self.network.stream)
        data = stream.receive()
        reply = read_plain(data)
        if reply is None:
            stream.replay(data)
        return reply

    def _post_by_httpcore(self, body: bytes) -> Reply:
        self._request.headers = [*self._headers, (b"Content-Length", b"%d" % len(body))]
        self._request.stream = (body,)
        try:
            with _quiet:
                reply = _read(self._http.handle_request(self._request))
        finally:
            self._request.stream = ()
        self._learn_head(len(body))
        return reply

    def _learn_head(self, length: int) -> None:
        """Keep the head as httpcore wrote it: a proxy gets one of its own."""
        head = self.network.stream.head if self.network.stream else b""
        before, name, after = head.rpartition(b"\r\nContent-Length: ")
        if name and after == b"%d\r\n\r\n" % length:
            self._head = before + name, b"\r\n\r\n"

    def is_open(self) -> bool:
        """Return whether the server has not closed it, as far as is known."""
        stream = self.network.stream
        return stream is not None and stream.is_silent()

    def close(self) -> None:
        with _quiet:
            self._http.close()
            self.network.close()


def _reported(request: Callable[[_V], Reply], what: _V) -> Reply:
    """Make a request; raise `TransportError` for what httpcore raises."""
    try:
        return request(what)
    except httpcore.LocalProtocolError as error:  # its message repeats the header
        words = "a header cannot be sent; check api_key and server_url"
        raise TransportError(f"LocalProtocolError: {words}") from error
    except _FAILURES as error:
        raise TransportError(f"{type(error).__name__}: {error}") from error


def _read(response: httpcore.Response, most: int = MAX_REPLY_BYTES) -> Reply:
    """Read an answer as far as it comes in time.

    A short one is read to its end, so that the connection can be used again. One that breaks off
    is not an error: the status has arrived.
    """
    chunks, size, complete = [], 0, False
    with suppress(*_FAILURES), closing(response):
        for chunk in cast("Iterable[bytes]", response.stream):
            chunks.append(chunk)
            size += len(chunk)
            if size > most:
                break
        else:
            complete = True
    body = b"".join(chunks)[:most]
    return Reply(response.status, join_headers(response.headers), body, complete)
