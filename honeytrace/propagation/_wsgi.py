"""Middleware for WSGI applications, such as those of Flask and Django."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any

from honeytrace._config.live import live
from honeytrace._session import context
from honeytrace._tracing.recorder import on_error
from honeytrace._utils.guard import try_call
from honeytrace.propagation._headers import NAMES
from honeytrace.propagation._requests import Middleware, Request

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment  # noqa: F401 - a base class names it

    _ExceptionInfo = (
        tuple[type[BaseException], BaseException, TracebackType] | tuple[None, None, None] | None
    )

_SEEN = "honeytrace.request"  # the key in the environment of a request that is handled already
_VARIABLES = {f"HTTP_{name.upper().replace('-', '_')}": name for name in NAMES}

_guard = live.guard.call


class WSGIMiddleware(Middleware["WSGIApplication", "WSGIEnvironment"]):
    """Records each request as a session, below the session of the service that sent it.

        app.wsgi_app = WSGIMiddleware(app.wsgi_app)   # Flask
        application = WSGIMiddleware(application)     # any WSGI application

    A session lasts until the last part of the body has been sent. Its name is the method and the
    route, if the framework tells the route, or else the path. Installing it twice is harmless.

    Args:
        app: the application.
        sessions: False records no requests; the sessions inside still become children of the
            session that the headers name.
        skip: paths of requests to leave alone; `*` stands for any part.
        name: a function that gets the WSGI environment after the request and returns a name.
    """

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        path = environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")
        if _SEEN in environ or self.skips(path):
            return self.app(environ, start_response)
        headers = {name: environ[key] for key, name in _VARIABLES.items() if key in environ}
        method, query = environ.get("REQUEST_METHOD", ""), environ.get("QUERY_STRING", "")
        environ[_SEEN] = True
        request = Request(self, headers, method, path, query)
        try:
            with on_error(partial(_end_unguarded, request, environ)):
                body = self.app(environ, _starter(request, start_response))
                if isinstance(body, (list, tuple)) or _is_file(body, environ):
                    _end(request, environ)
                    return body
                return _Body(request, environ, body)
        finally:
            request.leave()


def _is_file(body: object, environ: WSGIEnvironment) -> bool:
    """Return True for a file that the server sends by itself, if it gets this very object."""
    wrapper = environ.get("wsgi.file_wrapper")
    return isinstance(wrapper, type) and isinstance(body, wrapper)


def _starter(request: Request, start_response: StartResponse) -> StartResponse:
    def start(
        status: str, headers: list[tuple[str, str]], exc_info: _ExceptionInfo = None
    ) -> Callable[[bytes], object]:
        code = status[:3]
        request.status = int(code) if code.isdigit() else 0
        if exc_info is None:
            return start_response(status, headers)
        return start_response(status, headers, exc_info)

    return start


class _Body:
    """The body of an answer; its parts are made inside the session of the request."""

    def __init__(self, request: Request, environ: WSGIEnvironment, body: Iterable[bytes]) -> None:
        self._request = request
        self._environ = environ
        self._body = body
        self._parts: Iterator[bytes] | None = None
        self._inside = context.get()

    def __iter__(self) -> _Body:
        return self

    def __next__(self) -> bytes:
        outer = context.get()
        context.make_current(self._inside)
        try:
            with on_error(self._stopped):
                if self._parts is None:
                    self._parts = iter(self._body)
                part = next(self._parts)
        finally:
            self._inside = context.get()
            context.make_current(outer)
        self._request.send(part)
        return part

    def _stopped(self, error: BaseException) -> None:
        completed = isinstance(error, StopIteration)
        _end_unguarded(self._request, self._environ, None if completed else error)

    def close(self) -> None:
        """End the session, also if the client has gone away before the last part."""
        outer = context.get()
        context.make_current(self._inside)
        try:
            close = getattr(self._body, "close", None)
            if close is not None:
                close()
        finally:
            _end(self._request, self._environ, GeneratorExit())
            context.make_current(outer)


def _end(request: Request, environ: WSGIEnvironment, error: BaseException | None = None) -> None:
    _guard(_end_unguarded, request, environ, error)


def _end_unguarded(request: Request, environ: WSGIEnvironment, error: BaseException | None) -> None:
    route, _ = try_call(_route, environ)
    path = environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")
    request.end(environ, route or path, error)


def _route(environ: WSGIEnvironment) -> str | None:
    """Return the rule that Flask or Bottle has matched."""
    rule: Any = getattr(environ.get("werkzeug.request"), "url_rule", None)
    rule = rule or environ.get("bottle.route")
    found = getattr(rule, "rule", None)
    return found if isinstance(found, str) else None
