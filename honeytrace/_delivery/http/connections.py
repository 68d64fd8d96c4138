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
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import NamedTuple, TypeVar

import certifi
import httpcore

from honeytrace._delivery.http.addresses import Proxy, is_numeric, netloc, require_socks
from honeytrace._delivery.http.connection import FAILURES, Connection, Request, quiet
from honeytrace._delivery.http.network import DeadlineNetwork
from honeytrace._delivery.http.reply import Reply
from honeytrace._session import wire
from honeytrace._utils import clock
from honeytrace._utils.errors import ConfigurationError, TransportError
from honeytrace._utils.origin import ignoring

_V = TypeVar("_V")

_CUT = (httpcore.RemoteProtocolError, httpcore.ReadError, httpcore.WriteError)
_LASTING = (ssl.SSLError, httpcore.LocalProtocolError, ConfigurationError)
_LOGGERS = ("connection", "http11", "proxy", "socks")


class Posted(NamedTuple):
    """A request that is under way.

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
        self._idle: deque[Connection] = deque()  # the last one used is used next
        self._closed = False
        for name in _LOGGERS:
            logging.getLogger(f"httpcore.{name}").addFilter(quiet.filter)

    def post(self, body: bytes) -> Reply:
        """Post a body and return the answer. Raises `TransportError` if none comes in time."""
        return self._reported(self._finish, self._begin(body))

    def begin(self, body: bytes) -> Posted:
        """Post a body. Without an open connection, this is done when the answer is read."""
        request = self._begin(body)
        return Posted(partial(self._reported, self._finish, request), request.is_answered)

    def _begin(self, body: bytes) -> Request:
        now = clock.now()
        return Request(self._take(now) or self._open(), body, self._deadline(now))

    def get(self, path: str) -> Reply:
        """Read another path of the server within the timeout, over a connection of its own."""
        return self._reported(self._get, path)

    def _reported(self, request: Callable[[_V], Reply], what: _V) -> Reply:
        """Make a request; raise `TransportError`, with the server, for what httpcore raises."""
        try:
            return request(what)
        except httpcore.LocalProtocolError as error:  # its message repeats the header
            words = "a header cannot be sent; check api_key and server_url"
            raise TransportError(f"LocalProtocolError: {words}") from error
        except FAILURES as error:
            server = f"{self._url.scheme.decode()}://{netloc(self._url).decode()}"
            raise TransportError(f"{type(error).__name__}: {error} at {server}") from error

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

    def _finish(self, request: Request) -> Reply:
        try:
            return self._answer(request)
        except _CUT:
            # The server closed it while the request was on its way. Once part of an answer has
            # arrived, the server was at work on it, and it is not sent again at once.
            if request.first or request.connection.network.heard:
                raise
        return self._answer(Request(self._open(), request.body, request.deadline))

    def _answer(self, request: Request) -> Reply:
        try:
            return request.finish()
        finally:
            self._put_back(request.connection)

    def _take(self, now: float) -> Connection | None:
        """Return the connection used last that the server has not closed meanwhile."""
        try:
            while True:
                connection = self._idle.pop()
                if not self._expired(connection, now) and connection.is_open():
                    return connection
                connection.close()
        except IndexError:
            return None

    def _put_back(self, connection: Connection) -> None:
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

    def _expired(self, connection: Connection, now: float) -> bool:
        # httpcore could do this, but with a clock that is frozen in some tests.
        return now - connection.idle_since > self._expiry

    def _open(self) -> Connection:
        network = DeadlineNetwork()
        request = httpcore.Request(b"POST", self._url)
        return Connection(network, self._http(network), request, self._headers)

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
        file = certifi.where()
    try:
        return ssl.create_default_context(cafile=file, capath=directory)
    except OSError as error:  # SSLError, a subclass: it is not a file of certificates
        found = {each: os.environ.get(each) for each in ("SSL_CERT_FILE", "SSLKEYLOGFILE")}
        names = " or ".join(f"{name}={value!r}" for name, value in found.items() if value)
        names = names or repr(file)
        words = f"{names} cannot be used ({error.strerror or error}); correct it or unset it"
        raise ConfigurationError(words) from error
