"""Serve the session API from a `Store`, as a WSGI application."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING

from honeytrace._session import wire
from honeytrace._utils.errors import ConfigurationError, StoreError
from honeytrace._utils.json import Json
from honeytrace._utils.paths import default_home, store_path
from honeytrace.local._answers import Answer, json_answer
from honeytrace.local._doors import (
    LOOPBACK,
    SECURITY,
    RequestError,
    check_host,
    check_origin,
    check_token,
    check_type,
    has_cookie,
)
from honeytrace.local._input import read_body, too_large
from honeytrace.local._nodes import has_too_many_values
from honeytrace.local._rows import row_of
from honeytrace.local._store import Store

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment


HERE = "http://honeytrace.local"
"""The address of the store on this machine, used only in messages: nothing connects to it."""

_IDS = {"session_id", "project", "session_name", "source", "parent_id"}
_LARGE_BYTES = 1024 * 1024  # above this, only the ids of a session are sent back, to save memory


class App:
    """Serves `POST /session/start` and `GET /session/{id}`, and the pages of `page`.

    The answer to a request that fails is a JSON object with a `message`, or a page for a browser.
    """

    def __init__(
        self, store: Store, token: str | None = None, hosts: Collection[str] | None = None
    ) -> None:
        """Answer from a store.

        token: each request has to carry it as `Authorization: Bearer TOKEN`, or a browser has to
            log in with it; None for no check.
        hosts: host names of the server, "*" for any; pages of other origins are refused as well.
            None skips these checks, for an app that is only called in this process.
        """
        if token == "":
            raise ConfigurationError("the token is ''; give one that is not empty, or None")
        self.store = store
        self._token = token
        self._hosts = hosts

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        answer = self._answer(environ)
        headers = [*answer.headers, *SECURITY]
        if isinstance(answer.body, list):
            headers.append(("Content-Length", str(sum(map(len, answer.body)))))
        start_response(f"{answer.status.value} {answer.status.phrase}", headers)
        return answer.body

    def _answer(self, environ: WSGIEnvironment) -> Answer:
        is_api = environ.get("PATH_INFO", "").startswith(wire.SESSION)
        try:
            if self._hosts is not None:
                check_host(environ, self._hosts)
            return json_answer(self._api(environ)) if is_api else self._page(environ)
        except RequestError as refusal:
            status, words, headers = refusal.status, str(refusal), refusal.headers
        except StoreError as error:
            status, words, headers = HTTPStatus.INTERNAL_SERVER_ERROR, str(error), ()
        if is_api and environ["REQUEST_METHOD"] != "GET":
            return json_answer({"message": words}, status, *headers)
        if "text/html" not in environ.get("HTTP_ACCEPT", ""):
            return json_answer({"message": words}, status, *headers)
        from honeytrace.local.page import failure  # imported by those who look at pages only

        return failure(status, words, headers)

    def _api(self, environ: WSGIEnvironment) -> Json:
        if self._hosts is not None:
            check_origin(environ)
        path = environ["PATH_INFO"]
        reads = environ["REQUEST_METHOD"] == "GET"
        if self._token is not None and not (reads and has_cookie(environ, self._token)):
            check_token(environ, self._token)
        if path == wire.START:
            _allow(environ, "POST")
            if self._hosts is not None:
                check_type(environ)
            return self._start(read_body(environ))
        session_id = path.removeprefix(wire.SESSION)
        if "/" in session_id:
            raise _nothing(path)
        _allow(environ, "GET")
        return self._get(session_id)

    def _page(self, environ: WSGIEnvironment) -> Answer:
        from honeytrace.local.page import answer  # most programs show no page

        found = answer(self.store, environ, self._token, self._hosts is not None)
        if found is None:
            check_token(environ, self._token)
            raise _nothing(environ.get("PATH_INFO", ""))
        return found

    def _start(self, body: bytearray) -> Json:
        if has_too_many_values(body):
            raise too_large("the body has too many values")
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


def _nothing(path: str) -> RequestError:
    return RequestError(
        HTTPStatus.NOT_FOUND,
        f"there is nothing at {path!r}; use POST {wire.START} or GET {wire.SESSION}{{session_id}}",
    )


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
