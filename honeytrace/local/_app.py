"""Serve the session API from a `Store`, as a WSGI application."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterable
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING

from honeytrace._session import wire
from honeytrace._utils.errors import ConfigurationError, StoreError
from honeytrace._utils.json import Json, dumps
from honeytrace._utils.paths import default_home, store_path
from honeytrace.local._doors import LOOPBACK, RequestError, check_browser, check_token, check_type
from honeytrace.local._nodes import has_too_many_values
from honeytrace.local._store import Store, row_of

if TYPE_CHECKING:
    from _typeshed.wsgi import InputStream, StartResponse, WSGIEnvironment


HERE = "http://honeytrace.local"
"""The address of the store on this machine, used only in messages: nothing connects to it."""

_MAX_BODY_BYTES = 64 * 1024 * 1024
_PIECE_BYTES = 1024 * 1024
_IDS = {"session_id", "project", "session_name", "source", "parent_id"}
_LARGE_BYTES = 1024 * 1024  # above this, only the ids of a session are sent back, to save memory


class App:
    """Serves `POST /session/start` and `GET /session/{id}`.

    The answer to a request that fails is a JSON object with a `message`.
    """

    def __init__(
        self, store: Store, token: str | None = None, hosts: Collection[str] | None = None
    ) -> None:
        """Answer from a store.

        token: each request has to carry it as `Authorization: Bearer TOKEN`; None for no check.
        hosts: host names of the server, "*" for any; pages of other origins are refused as well.
            None skips these checks, for an app that is only called in this process.
        """
        if token == "":
            raise ConfigurationError("the token is ''; give one that is not empty, or None")
        self.store = store
        self._token = token
        self._hosts = hosts

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
            if self._hosts is not None:
                check_browser(environ, self._hosts)
            check_token(environ, self._token)
            return HTTPStatus.OK, (), self._route(environ)
        except RequestError as refusal:
            return refusal.status, refusal.headers, {"message": str(refusal)}
        except StoreError as error:
            return HTTPStatus.INTERNAL_SERVER_ERROR, (), {"message": str(error)}

    def _route(self, environ: WSGIEnvironment) -> Json:
        path = environ.get("PATH_INFO", "")
        if path == wire.START:
            _allow(environ, "POST")
            if self._hosts is not None:
                check_type(environ)
            return self._start(_body(environ))
        session_id = path.removeprefix(wire.SESSION)
        if session_id == path or "/" in session_id:
            raise RequestError(
                HTTPStatus.NOT_FOUND,
                f"there is nothing at {path!r}; "
                f"use POST {wire.START} or GET {wire.SESSION}{{session_id}}",
            )
        _allow(environ, "GET")
        return self._get(session_id)

    def _start(self, body: bytearray) -> Json:
        if has_too_many_values(body):
            raise _too_large("the body has too many values")
        large = len(body) > _LARGE_BYTES
        try:
            fields = wire.received(_text(body))
            if not large:
                return wire.started(self.store.add(fields))
        except ValueError as error:
            raise RequestError(HTTPStatus.BAD_REQUEST, str(error)) from error
        ids = {name: fields[name] for name in fields.keys() & _IDS}
        made = row_of(fields)
        del fields
        self.store.put_many([made])
        return wire.started(ids)

    def _get(self, session_id: str) -> Json:
        fields = self.store.get(session_id) if wire.is_uuid(session_id) else None
        if fields is None:
            raise RequestError(HTTPStatus.NOT_FOUND, f"there is no session {session_id!r}")
        return wire.event(fields)


def _text(body: bytearray) -> str:
    """Decode a body and empty it, so that up to 64 MiB are not in memory twice."""
    try:
        return body.decode()
    except UnicodeDecodeError as error:
        words = f"the body is not JSON in UTF-8 ({error})"
        raise RequestError(HTTPStatus.BAD_REQUEST, words) from None
    finally:
        body.clear()


def _allow(environ: WSGIEnvironment, method: str) -> None:
    found = environ["REQUEST_METHOD"]
    if found != method:
        raise RequestError(
            HTTPStatus.METHOD_NOT_ALLOWED,
            f"{found!r} is not possible here; use {method}",
            ("Allow", method),
        )


def _body(environ: WSGIEnvironment) -> bytearray:
    """Read the whole body. Raises `RequestError` if it is too long, cut short or badly framed."""
    given = environ.get("CONTENT_LENGTH") or ""
    length = _length(given) if given else _MAX_BODY_BYTES + 1
    if given and length > _MAX_BODY_BYTES:
        raise _too_large()
    # Without a length, a read would block unless the server marks the end of the body.
    if not (given or environ.get("wsgi.input_terminated") or "HTTP_TRANSFER_ENCODING" in environ):
        return bytearray()
    body = _read(environ["wsgi.input"], length)
    if len(body) > _MAX_BODY_BYTES:
        raise _too_large()
    if given and len(body) < length:
        message = f"the body ended after {len(body)} of {length} bytes; send all of it"
        raise RequestError(HTTPStatus.BAD_REQUEST, message)
    return body


def _length(given: str) -> int:
    if not re.fullmatch("[0-9]{1,18}", given):
        message = f"Content-Length is {given!r}; it has to be a number of bytes"
        raise RequestError(HTTPStatus.BAD_REQUEST, message)
    return int(given)


def _read(source: InputStream, length: int) -> bytearray:
    """Read up to `length` bytes. Raises `RequestError` if the framing is wrong."""
    body = bytearray()
    try:
        while length and (piece := source.read(min(length, _PIECE_BYTES))):
            body += piece
            length -= len(piece)
    except ValueError as error:
        raise RequestError(HTTPStatus.BAD_REQUEST, str(error)) from error
    return body


def _too_large(words: str = f"the body is over {_MAX_BODY_BYTES >> 20} MiB") -> RequestError:
    words = f"{words}; lower the limits of what is captured"
    return RequestError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, words)


_apps: dict[tuple[Path, str], App] = {}
"""The app for each store and token that the environment has named: just one, except in tests."""


def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Answer from the store in `HONEYTRACE_HOME`, or else in `~/.honeytrace`.

    If `HONEYTRACE_TOKEN` is set, each request needs that token. Otherwise only requests for a
    loopback name are answered.
    """
    home = os.environ.get("HONEYTRACE_HOME", "").strip()
    token = os.environ.get("HONEYTRACE_TOKEN", "").strip()
    path = store_path(Path(home) if home else default_home())
    found = _apps.get((path, token))
    if found is None:
        made = App(Store(path), token or None, ("*",) if token else LOOPBACK)
        found = _apps.setdefault((path, token), made)
    return found(environ, start_response)
