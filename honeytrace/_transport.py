"""The two ways to a server, as httpx transports, and one encoded session over either of them.

The sender works on the transport, below `httpx.Client`: that costs a third less CPU a request,
follows no redirect, and keeps our requests out of the log of the user's own httpx calls.
"""

from __future__ import annotations

import asyncio
import pathlib
import ssl
import time
from collections.abc import Iterable
from contextlib import closing, suppress
from typing import cast
from urllib.request import getproxies, proxy_bypass

import httpx

from honeytrace import _clock, _wire
from honeytrace._wire import Answer, Verdict
from honeytrace.local import App, Store

HERE = "http://honeytrace.local"
"""The address of the store on this machine: a name for messages, nothing connects to it."""

_MOST = 64 * 1024
_SHOWN = 500
_DELIVERED = Answer(Verdict.DELIVERED)


class HttpSender:
    """Sends bodies of `startSession` to one server. Threads may share it."""

    def __init__(
        self,
        server_url: str,
        api_key: str | None = None,
        timeout: float = 5.0,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._url = httpx.URL(server_url + _wire.START)
        self._transport = transport or _connect(self._url)
        headers = {**_wire.headers(api_key), "Host": self._url.netloc.decode("ascii")}
        self._headers = [(name.encode(), value.encode()) for name, value in headers.items()]
        self._timeout = timeout
        self._extensions = {"timeout": httpx.Timeout(timeout).as_dict()}

    def send(self, body: bytes) -> Answer:
        """Sends one body and reads at most 64 KiB of the answer."""
        request = httpx.Request(
            "POST",
            self._url,
            headers=[*self._headers, (b"Content-Length", b"%d" % len(body))],
            stream=httpx.ByteStream(body),
            extensions=self._extensions,
        )
        deadline = _clock.now() + self._timeout
        try:
            response = self._transport.handle_request(request)
        except httpx.HTTPError as error:
            verdict = Verdict.HOLD if _is_tls(error) else Verdict.RETRY
            return Answer(verdict, f"{type(error).__name__}: {error}", answered=False)
        return _judge(response, self._read(response, deadline))

    def close(self) -> None:
        self._transport.close()

    def _read(self, response: httpx.Response, deadline: float) -> bytes:
        """The answer, as far as it comes in time; to its end if it is short, so that the
        connection stays. If it breaks off, the status has said enough."""
        chunks, size = [], 0
        with suppress(httpx.HTTPError), closing(response):
            for chunk in cast("Iterable[bytes]", response.stream):
                chunks.append(chunk)
                size += len(chunk)
                if size > _MOST or _clock.now() > deadline:
                    break
        return b"".join(chunks)[:_MOST]


def _judge(response: httpx.Response, body: bytes) -> Answer:
    verdict = _wire.verdict(response.status_code)
    if verdict is Verdict.DELIVERED:
        return _DELIVERED
    words = _wire.message(body.decode("utf-8", "replace"))[:_SHOWN]
    wait = _wire.retry_after(response.headers.get("retry-after"), time.time())
    words = words or response.headers.get("location", "")
    said = f"status {response.status_code}: {words}" if words else f"status {response.status_code}"
    return Answer(verdict, said, wait)


def _is_tls(error: BaseException | None) -> bool:
    """Whether this comes from a failure of TLS, which lasts, unlike a connection that broke."""
    while error is not None and not isinstance(error, ssl.SSLError):
        error = error.__cause__ or error.__context__
    return error is not None and not isinstance(error, ssl.SSLEOFError)


def _proxy(url: httpx.URL) -> str | None:
    """The proxy that the environment names for this address."""
    known = getproxies()
    found = known.get(url.scheme) or known.get("all")
    if not found or proxy_bypass(url.netloc.decode("ascii")):
        return None
    return found if "://" in found else f"http://{found}"


def _connect(url: httpx.URL) -> httpx.HTTPTransport:
    """A pool of connections, by way of a proxy if there is one."""
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=32, keepalive_expiry=30)
    return httpx.HTTPTransport(proxy=_proxy(url), limits=limits)


class Here(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """The session server of this machine, mounted in this process; for sync and async clients."""

    def __init__(self, home: pathlib.Path) -> None:
        self._store = Store(home / "sessions.db")
        self._wsgi = httpx.WSGITransport(App(self._store))

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        return self._wsgi.handle_request(request)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await request.aread()
        return await asyncio.to_thread(self._answer, request)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        answer = self._wsgi.handle_request(request)
        body = answer.read()
        return httpx.Response(answer.status_code, headers=answer.headers, content=body)

    def close(self) -> None:
        self._store.close()

    async def aclose(self) -> None:
        self._store.close()
