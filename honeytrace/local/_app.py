"""The session API as a WSGI application over a `Store`."""

from __future__ import annotations

import hmac
import os
import re
from collections.abc import Iterable
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING

from honeytrace._session import wire
from honeytrace._utils.errors import ConfigurationError, StoreError
from honeytrace._utils.json import Json, dumps
from honeytrace._utils.paths import default_home, store_path
from honeytrace.local._store import Store

if TYPE_CHECKING:
    from _typeshed.wsgi import InputStream, StartResponse, WSGIEnvironment


HERE = "http://honeytrace.local"
"""The address of the store on this machine: a name for messages, nothing connects to it."""

_LIMIT = 64 * 1024 * 1024
_PIECE = 1024 * 1024


class _RequestError(Exception):
    """A request ends here, with this status and sentence."""

    def __init__(self, status: HTTPStatus, message: str, *headers: tuple[str, str]) -> None:
        super().__init__(message)
        self.status = status
        self.headers = headers


class App:
    """`POST /session/start` and `GET /session/{id}`; every failure is an object with `message`.

    With a token, each request has to carry `Authorization: Bearer TOKEN`.
    """

    def __init__(self, store: Store, token: str | None = None) -> None:
        if token == "":
            raise ConfigurationError("the token is ''; give one that is not empty, or None")
        self.store = store
        self._token = token

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        status, headers, answer = self._handle(environ)
        body = dumps(answer)
        start_response(
            f"{status.value} {status.phrase}",
            [
                ("Content-Type", "application/json"),
                ("Content-Length", str(len(body))),
                *headers,
            ],
        )
        return [body]

    def _handle(
        self, environ: WSGIEnvironment
    ) -> tuple[HTTPStatus, tuple[tuple[str, str], ...], Json]:
        try:
            self._authorize(environ.get("HTTP_AUTHORIZATION", ""))
            return HTTPStatus.OK, (), self._route(environ)
        except _RequestError as refusal:
            return refusal.status, refusal.headers, {"message": str(refusal)}
        except StoreError as error:
            return HTTPStatus.INTERNAL_SERVER_ERROR, (), {"message": str(error)}

    def _authorize(self, header: str) -> None:
        if self._token is None:
            return
        scheme, _, given = header.partition(" ")
        # A WSGI server hands the header's bytes over as Latin-1.
        right = hmac.compare_digest(given.encode("latin-1", "replace"), self._token.encode())
        if not right or scheme.lower() != "bearer":
            raise _RequestError(
                HTTPStatus.UNAUTHORIZED,
                "this server wants its token; set HH_API_KEY to it, or send it as "
                "'Authorization: Bearer TOKEN'",
                ("WWW-Authenticate", "Bearer"),
            )

    def _route(self, environ: WSGIEnvironment) -> Json:
        path = environ.get("PATH_INFO", "")
        if path == wire.START:
            _allow(environ, "POST")
            return self._start(_body(environ))
        session_id = path.removeprefix(wire.SESSION)
        if session_id == path or "/" in session_id:
            raise _RequestError(
                HTTPStatus.NOT_FOUND,
                f"there is nothing at {path!r}; "
                f"use POST {wire.START} or GET {wire.SESSION}{{session_id}}",
            )
        _allow(environ, "GET")
        return self._get(session_id)

    def _start(self, body: bytes) -> Json:
        try:
            return wire.started(self.store.add(wire.received(body)))
        except ValueError as error:
            raise _RequestError(HTTPStatus.BAD_REQUEST, str(error)) from error

    def _get(self, session_id: str) -> Json:
        fields = self.store.get(session_id) if wire.is_uuid(session_id) else None
        if fields is None:
            raise _RequestError(HTTPStatus.NOT_FOUND, f"there is no session {session_id!r}")
        return wire.event(fields)


def _allow(environ: WSGIEnvironment, method: str) -> None:
    found = environ["REQUEST_METHOD"]
    if found != method:
        raise _RequestError(
            HTTPStatus.METHOD_NOT_ALLOWED,
            f"{found!r} is not possible here; use {method}",
            ("Allow", method),
        )


def _body(environ: WSGIEnvironment) -> bytes:
    """The whole body. Raises `_RequestError` if it is too long, cut short or badly framed."""
    given = environ.get("CONTENT_LENGTH") or ""
    length = _length(given) if given else _LIMIT + 1
    if given and length > _LIMIT:
        raise _too_large()
    # Without a length, only a server that ends the body itself can be read without end.
    if not (given or environ.get("wsgi.input_terminated") or "HTTP_TRANSFER_ENCODING" in environ):
        return b""
    body = _read(environ["wsgi.input"], length)
    if len(body) > _LIMIT:
        raise _too_large()
    if given and len(body) < length:
        message = f"the body ended after {len(body)} of {length} bytes; send all of it"
        raise _RequestError(HTTPStatus.BAD_REQUEST, message)
    return body


def _length(given: str) -> int:
    if not re.fullmatch("[0-9]{1,18}", given):
        message = f"Content-Length is {given!r}; it has to be a number of bytes"
        raise _RequestError(HTTPStatus.BAD_REQUEST, message)
    return int(given)


def _read(source: InputStream, length: int) -> bytes:
    """Up to `length` bytes; a `ValueError` of the source says that the framing is wrong."""
    pieces = []
    try:
        while length and (piece := source.read(min(length, _PIECE))):
            pieces.append(piece)
            length -= len(piece)
    except ValueError as error:
        raise _RequestError(HTTPStatus.BAD_REQUEST, str(error)) from error
    return b"".join(pieces)


def _too_large() -> _RequestError:
    return _RequestError(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        f"the body is over {_LIMIT >> 20} MiB; lower the limits of what is captured",
    )


_apps: dict[str, App] = {}
"""One for each home that the environment has named so far: one, but for tests."""


def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """The session API over the store in `HONEYTRACE_HOME`, or else in `~/.honeytrace`."""
    home = os.environ.get("HONEYTRACE_HOME", "").strip()
    if home not in _apps:
        path = store_path(Path(home) if home else default_home())
        _apps.setdefault(home, App(Store(path)))
    found = _apps[home]
    return found(environ, start_response)
