"""Find the page for a request, and decide whether this browser may see it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from http import HTTPStatus
from typing import TYPE_CHECKING

from honeytrace.local import _doors, _origin
from honeytrace.local._answers import Answer, Headers, json_answer, redirect
from honeytrace.local._doors import RequestError
from honeytrace.local._input import read_body
from honeytrace.local._summary import MARKS
from honeytrace.local.page import (
    _compare,
    _layout,
    _list,
    _listing,
    _live,
    _login,
    _session,
    _stats,
    _view,
)
from honeytrace.local.page._requests import Request, link, parameters, request_of

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

    from honeytrace.local._store import Store

_MAX_FORM_BYTES = 64 * 1024
_HTML = (("Content-Type", "text/html; charset=utf-8"), ("Cache-Control", "no-store"))

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
            if method == "POST":
                request = replace(request, form=_form(environ))
            return page(store, request, *found.groups())
    allowed = [method for method, pattern in _PAGES if re.fullmatch(pattern, request.path)]
    if allowed:
        words = f"{request.method!r} is not possible here; use {allowed[0]}"
        raise RequestError(HTTPStatus.METHOD_NOT_ALLOWED, words, ("Allow", allowed[0]))
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
    headers = (("Content-Type", kind), ("Cache-Control", "max-age=31536000, immutable"))
    return Answer(HTTPStatus.OK, headers, [content])


def _sessions(store: Store, request: Request) -> Answer:
    listing = _listing.load(store, request)
    status = HTTPStatus.BAD_REQUEST if listing.error else HTTPStatus.OK
    if request.wants_json:
        return json_answer(_listing.as_json(listing), status)
    return _html(_list.render(listing, request), status)


def _session_page(store: Store, request: Request, session_id: str) -> Answer:
    view = _view.load(store, request, session_id)
    if view is None:
        raise _no_session(session_id)
    if request.wants_json:
        return json_answer(_view.as_json(view))
    session = store.get(view.chosen.id)
    maker = _origin.maker(session, store.get) if session else None
    return _html(_session.render(view, request, session, maker))


def _mark(store: Store, request: Request, session_id: str) -> Answer:
    """Mark a session, and go back to where the form was."""
    mark = request.form.get("mark") or None
    if mark is not None and mark not in MARKS:
        raise RequestError(HTTPStatus.BAD_REQUEST, f"{mark!r} is not a mark; use 'good' or 'bad'")
    note = request.form.get("note", "").strip() if mark else ""
    if not store.mark(session_id, mark, note):
        raise _no_session(session_id)
    kept = {name: request.form.get(name) for name in ("q", "fold", "view")}
    return redirect(link(f"/s/{session_id}", **kept))


def _no_session(session_id: str) -> RequestError:
    return RequestError(HTTPStatus.NOT_FOUND, f"there is no session {session_id!r}")


def _picked(store: Store, request: Request) -> Answer:  # noqa: ARG001 - every page takes it
    address = _compare.picked(request.picks)
    if address is None:
        words = f"to compare, tick two sessions in the list, not {len(request.picks)}"
        raise RequestError(HTTPStatus.BAD_REQUEST, words)
    return redirect(address)


def _compared(store: Store, request: Request, one: str, other: str) -> Answer:
    comparison = _compare.load(store, request, one, other)
    if comparison is None:
        words = f"there is no session {one!r}, or no session {other!r}"
        raise RequestError(HTTPStatus.NOT_FOUND, words)
    if request.wants_json:
        return json_answer(_compare.as_json(comparison))
    return _html(_compare.render(comparison, request))


def _previous(store: Store, request: Request, session_id: str) -> Answer:  # noqa: ARG001 - as above
    other = _compare.previous(store, session_id)
    if other is None:
        words = "there is no earlier session with this name; tick two in the list to compare them"
        raise RequestError(HTTPStatus.NOT_FOUND, words)
    return redirect(link(f"/d/{other}/{session_id}"))


def _statistics(store: Store, request: Request) -> Answer:
    stats = _stats.load(store, request)
    status = HTTPStatus.BAD_REQUEST if stats.error else HTTPStatus.OK
    if request.wants_json:
        return json_answer(_stats.as_json(stats), status)
    return _html(_stats.render(stats), status)


def _news(store: Store, request: Request) -> Answer:
    return _live.answer(store, request)


_ID = "([0-9A-Fa-f-]{36})"
_PAGES: dict[tuple[str, str], Page] = {
    ("GET", "/"): _sessions,
    ("GET", f"/s/{_ID}"): _session_page,
    ("POST", f"/s/{_ID}/mark"): _mark,
    ("GET", f"/s/{_ID}/previous"): _previous,
    ("GET", "/compare"): _picked,
    ("GET", f"/d/{_ID}/{_ID}"): _compared,
    ("GET", "/stats"): _statistics,
    ("GET", "/live"): _news,
}
