"""The store on this machine as a transport of httpx, for the clients."""

from __future__ import annotations

import asyncio
import pathlib

import httpx

from honeytrace.local import App, Store


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
