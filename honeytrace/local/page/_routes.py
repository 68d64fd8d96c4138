"""Find the page for a request, and decide whether this browser may see it."""

from __future__ import annotations

import re
from collections.abc import Callable
from http import HTTPStatus
from typing import TYPE_CHECKING

from honeytrace.local import _doors
from honeytrace.local._answers import Answer, Headers, json_answer
from honeytrace.local._doors import RequestError
from honeytrace.local._input import read_body
from honeytrace.local.page import _layout, _list, _login, _session
from honeytrace.local.page._requests import Request, parameters, request_of

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

    from honeytrace.local._store import Store

_MAX_FORM_BYTES = 64 * 1024
_SECURITY = (
    (
        "Content-Security-Policy",
        (
            "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; "
            "img-src 'self' data:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
        ),
    ),
    # With "no-referrer" browsers send `Origin: null` with our own forms.
    ("Referrer-Policy", "same-origin"),
)
_HTML = (("Content-Type", "text/html; charset=utf-8"), ("Cache-Control", "no-store"), *_SECURITY)

Page = Callable[..., Answer]


def answer(
    store: Store, environ: WSGIEnvironment, token: str | None, guarded: bool
) -> Answer | None:
    """Answer a request for a page; None if there is no such page.

    token: what a browser has to log in with; None for no check.
    guarded: True to refuse requests of other origins.
    """
    request = request_of(environ)
    if request.path in _layout.FILES:
        return _file(request)
    if request.path == "/login" and token is not None:
        return _log_in(request, environ, token, guarded)
    for (method, pattern), page in _PAGES.items():
        found = re.fullmatch(pattern, request.path)
        if found and request.method == method:
            _check_origin(request, environ, guarded)
            if token is not None and not _is_known(environ, token):
                return _ask_for_token(request, environ, token)
            form = _form(environ) if method == "POST" else {}
            return page(store, request, *found.groups(), **form)
    return None


def _check_origin(request: Request, environ: WSGIEnvironment, guarded: bool) -> None:
    if not guarded:
        return
    if request.method == "POST":
        _doors.check_form(environ)
    elif request.wants_json or not _doors.opens_page(environ):
        _doors.check_origin(environ)


def _is_known(environ: WSGIEnvironment, token: str) -> bool:
    return _doors.has_cookie(environ, token) or _doors.has_token(environ, token)


def _ask_for_token(request: Request, environ: WSGIEnvironment, token: str) -> Answer:
    """Show the form to log in, or refuse a program as the API does."""
    if request.wants_json or request.method != "GET":
        _doors.check_token(environ, token)
    return _html(_login.render(request.link()), HTTPStatus.UNAUTHORIZED)


def _log_in(request: Request, environ: WSGIEnvironment, token: str, guarded: bool) -> Answer:
    if request.method != "POST":
        return _html(_login.render("/"))
    _check_origin(request, environ, guarded)
    form = _form(environ)
    return _login.check(form, token, environ.get("SERVER_PORT", "")) or _html(
        _login.render(form.get("next", "/"), refused=True), HTTPStatus.UNAUTHORIZED
    )


def _form(environ: WSGIEnvironment) -> dict[str, str]:
    return parameters(read_body(environ, _MAX_FORM_BYTES).decode("utf-8", "replace"))


def failure(status: HTTPStatus, words: str, headers: Headers = ()) -> Answer:
    """Tell a browser why a request failed."""
    return _html(_layout.failure(status, words), status, *headers)


def _html(body: bytes, status: HTTPStatus = HTTPStatus.OK, *headers: tuple[str, str]) -> Answer:
    return Answer(status, (*_HTML, *headers), [body])


def _file(request: Request) -> Answer:
    kind, content = _layout.FILES[request.path]
    headers = (("Content-Type", kind), ("Cache-Control", "max-age=31536000, immutable"), *_SECURITY)
    return Answer(HTTPStatus.OK, headers, [content])


def _sessions(store: Store, request: Request) -> Answer:
    listing = _list.load(store, request)
    status = HTTPStatus.BAD_REQUEST if listing.error else HTTPStatus.OK
    if request.wants_json:
        return json_answer(_list.as_json(listing), status)
    return _html(_list.render(listing, request), status)


def _session_page(store: Store, request: Request, session_id: str) -> Answer:
    view = _session.load(store, request, session_id)
    if view is None:
        raise RequestError(HTTPStatus.NOT_FOUND, f"there is no session {session_id!r}")
    if request.wants_json:
        return json_answer(_session.as_json(view))
    return _html(_session.render(view, request, store.get(view.chosen.id)))


_ID = "([0-9A-Fa-f-]{36})"
_PAGES: dict[tuple[str, str], Page] = {
    ("GET", "/"): _sessions,
    ("GET", f"/s/{_ID}"): _session_page,
}
