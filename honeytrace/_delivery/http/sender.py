"""The two ways to a server, connections of our own and the store on this machine, and one encoded
session over either of them.

Nothing here imports httpx: what is imported in a thread is half there for the others meanwhile, and
there are libraries that use httpx if they see it in `sys.modules`.
"""

from __future__ import annotations

import io
import pathlib
import time
from typing import Any, Protocol
from wsgiref.util import setup_testing_defaults

from honeytrace._delivery.http.addresses import netloc, parsed, proxy
from honeytrace._delivery.http.connections import Connections, lasts
from honeytrace._delivery.http.reply import Reply, join_headers
from honeytrace._delivery.retry import Answer, Verdict, retry_after, verdict_of
from honeytrace._redaction.secrets import without
from honeytrace._session import wire
from honeytrace._utils.errors import TransportError
from honeytrace._utils.paths import store_path
from honeytrace._utils.text import mask
from honeytrace.local import App, Store

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
        way: _Way | None = None,
    ) -> None:
        url = parsed(server_url + wire.START)
        named = {**wire.headers(api_key), "Host": netloc(url).decode()}
        headers = [(name.encode(), value.encode()) for name, value in named.items()]
        self._key = (api_key or "").removeprefix("Bearer ")
        self._way = way or Connections(url, headers, timeout, proxy(server_url))

    def send(self, body: bytes) -> Answer:
        """Sends one body and reads at most 64 KiB of the answer."""
        try:
            reply = self._way.post(body)
        except TransportError as error:
            verdict = Verdict.HOLD if lasts(error) else Verdict.RETRY
            return Answer(verdict, self._clean(str(error)), answered=False)
        verdict = verdict_of(reply.status)
        if verdict is Verdict.DELIVERED:
            return _DELIVERED
        words = self._clean(_words(reply))
        said = f"status {reply.status}: {words}" if words else f"status {reply.status}"
        return Answer(verdict, said, retry_after(reply.header(b"retry-after"), time.time()))

    def close(self) -> None:
        self._way.close()

    def _clean(self, words: str) -> str:
        """Words that may be logged: one short line, without the key, which servers repeat."""
        words = without(mask(words, self._key)[:_READ])
        shown = (character if character.isprintable() else " " for character in words[:_READ])
        return " ".join("".join(shown).split())[:_SHOWN]


def _words(reply: Reply) -> str:
    """What the server said, unless it is compressed: then nobody can read it."""
    body = b"" if reply.header(b"content-encoding") else reply.body
    return wire.message(body.decode("utf-8", "replace")) or reply.header(b"location") or ""


class LocalSender:
    """The store on this machine, by its WSGI application."""

    def __init__(
        self, home: pathlib.Path, max_bytes: int | None = None, max_age: float | None = None
    ) -> None:
        self._store = Store(store_path(home), max_bytes=max_bytes, max_age=max_age)
        self._app = App(self._store)

    def post(self, body: bytes) -> Reply:
        environ: dict[str, Any] = {
            "REQUEST_METHOD": "POST",
            "PATH_INFO": wire.START,
            "CONTENT_LENGTH": str(len(body)),
            "wsgi.input": io.BytesIO(body),
        }
        setup_testing_defaults(environ)
        said: list[Any] = []
        answer = b"".join(self._app(environ, lambda *given: said.extend(given)))  # type: ignore[arg-type]
        headers = ((name.encode(), value.encode()) for name, value in said[1])
        return Reply(int(said[0][:3]), join_headers(headers), answer)

    def close(self) -> None:
        self._store.close()
