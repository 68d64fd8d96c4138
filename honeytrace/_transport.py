"""The two ways to a server, connections of our own and the store on this machine, and one encoded
session over either of them."""

from __future__ import annotations

import asyncio
import pathlib
import time
from typing import Protocol
from urllib.request import getproxies, proxy_bypass

import httpx

from honeytrace import _wire
from honeytrace._connection import Connections, Reply, lasts
from honeytrace._errors import TransportError
from honeytrace._secrets import without
from honeytrace._wire import Answer, Verdict
from honeytrace.local import App, Store

HERE = "http://honeytrace.local"
"""The address of the store on this machine: a name for messages, nothing connects to it."""

_SHOWN = 500
_READ = 4 * _SHOWN
_DELIVERED = Answer(Verdict.DELIVERED)


class _Way(Protocol):
    """Posts a body to where sessions go. Raises `TransportError` if no answer comes."""

    def post(self, body: bytes) -> Reply: ...

    def close(self) -> None: ...


class HttpSender:
    """Sends bodies of `startSession` to one server. Threads may share it.

    `timeout` is for a whole request, from `send` to the end of the answer. No redirect is followed.
    """

    def __init__(
        self,
        server_url: str,
        api_key: str | None = None,
        timeout: float = 5.0,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        url = httpx.URL(server_url + _wire.START)
        named = {**_wire.headers(api_key), "Host": url.netloc.decode("ascii")}
        headers = [(name.encode(), value.encode()) for name, value in named.items()]
        self._key = (api_key or "").removeprefix("Bearer ")
        self._way: _Way = (
            Connections(url, headers, timeout, proxy(url))
            if transport is None
            else _Mounted(url, headers, transport)
        )

    def send(self, body: bytes) -> Answer:
        """Sends one body and reads at most 64 KiB of the answer."""
        try:
            reply = self._way.post(body)
        except TransportError as error:
            verdict = Verdict.HOLD if lasts(error) else Verdict.RETRY
            return Answer(verdict, self._clean(str(error)), answered=False)
        verdict = _wire.verdict(reply.status)
        if verdict is Verdict.DELIVERED:
            return _DELIVERED
        words = self._clean(_words(reply))
        said = f"status {reply.status}: {words}" if words else f"status {reply.status}"
        return Answer(verdict, said, _wire.retry_after(reply.header(b"retry-after"), time.time()))

    def close(self) -> None:
        self._way.close()

    def _clean(self, words: str) -> str:
        """Words that may be logged: one short line, without the key, which servers repeat."""
        if self._key:
            words = words.replace(self._key, "[REDACTED:api_key]")
        words = without(words[:_READ])
        shown = (character if character.isprintable() else " " for character in words[:_READ])
        return " ".join("".join(shown).split())[:_SHOWN]


def _words(reply: Reply) -> str:
    """What the server said, unless it is compressed: then nobody can read it."""
    body = b"" if reply.header(b"content-encoding") else reply.body
    return _wire.message(body.decode("utf-8", "replace")) or reply.header(b"location") or ""


def proxy(url: httpx.URL | str) -> httpx.Proxy | None:
    """The proxy that the environment names for this address."""
    url = httpx.URL(url)
    known = getproxies()
    found = known.get(url.scheme) or known.get("all")
    if not found or proxy_bypass(url.netloc.decode("ascii")):
        return None
    return httpx.Proxy(found if "://" in found else f"http://{found}")


class _Mounted:
    """A transport of httpx, as the store on this machine is one."""

    def __init__(
        self, url: httpx.URL, headers: list[tuple[bytes, bytes]], transport: httpx.BaseTransport
    ) -> None:
        self._url = url
        self._headers = headers
        self._transport = transport

    def post(self, body: bytes) -> Reply:
        headers = [*self._headers, (b"Content-Length", b"%d" % len(body))]
        request = httpx.Request("POST", self._url, headers=headers, content=body)
        try:
            response = self._transport.handle_request(request)
            return Reply(response.status_code, response.headers.raw, response.read())
        except httpx.HTTPError as error:
            raise TransportError(f"{type(error).__name__}: {error}") from error

    def close(self) -> None:
        self._transport.close()


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
