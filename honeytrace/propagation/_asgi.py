"""Middleware for ASGI applications, such as those of FastAPI, Starlette, Quart and Django."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from functools import partial
from typing import Any

from honeytrace._config.live import live
from honeytrace._tracing.recorder import on_error
from honeytrace.propagation._headers import extract
from honeytrace.propagation._requests import Middleware, Request

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

_SEEN = "honeytrace"  # the key in the scope of a request that a middleware handles already
_END_OF_BODY = ("http.response.pathsend", "http.response.zerocopysend")

_guard = live.guard.call


class ASGIMiddleware(Middleware[App, Scope]):
    """Records each HTTP request as a session, below the session of the service that sent it.

        app.add_middleware(ASGIMiddleware, skip=["/health"])   # FastAPI, Starlette
        app = ASGIMiddleware(app)                              # any ASGI application

    A session lasts until the last part of the body is sent. Its name is the method and the route,
    such as `GET /users/{id}`. Sessions in background tasks are its children, too. The sessions in a
    websocket only get the parent that its headers name. Installing it twice is harmless.

    Args:
        app: the application.
        sessions: False records no requests; the sessions inside still become children of the
            session that the headers name.
        skip: paths of requests to leave alone; `*` stands for any part.
        name: a function that gets the ASGI scope after the request and returns a name.
    """

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        kind, path = scope["type"], scope.get("path", "")
        if kind not in ("http", "websocket") or _SEEN in scope or self.skips(path):
            await self.app(scope, receive, send)
            return
        scope[_SEEN] = True
        if kind == "websocket":
            with extract(scope["headers"]):
                await self.app(scope, receive, send)
            return
        query = scope.get("query_string", b"").decode("latin-1")
        request = Request(self, scope["headers"], scope["method"], path, query)
        try:
            with on_error(partial(_end_unguarded, request, scope)):
                await self.app(scope, _receiver(request, receive), _sender(request, scope, send))
                # Some frameworks return when the client has gone, in the middle of the body.
                _end(request, scope, GeneratorExit() if request.gone else None)
        finally:
            request.leave()


def _receiver(request: Request, receive: Receive) -> Receive:
    async def received() -> Message:
        message = await receive()
        if message["type"] == "http.disconnect":
            request.gone = True
        return message

    return received


def _sender(request: Request, scope: Scope, send: Send) -> Send:
    async def sent(message: Message) -> None:
        kind = message["type"]
        if kind == "http.response.start":
            request.status = message["status"]
        elif kind == "http.response.body":
            request.send(message.get("body"))
        await send(message)
        is_body = kind == "http.response.body" and not message.get("more_body", False)
        if is_body or kind in _END_OF_BODY:
            _end(request, scope)

    return sent


def _end(request: Request, scope: Scope, error: BaseException | None = None) -> None:
    _guard(_end_unguarded, request, scope, error)


def _end_unguarded(request: Request, scope: Scope, error: BaseException | None) -> None:
    request.end(scope, _route(scope), error)


def _route(scope: Scope) -> str | None:
    """Return the path with the names of its parameters; None if no route matched."""
    path: str = scope.get("path", "")
    if "router" in scope and "endpoint" not in scope:
        return None
    template = getattr(scope.get("route"), "path", None)
    if isinstance(template, str) and template.count("/") == path.count("/"):
        return template
    head = path.split("/")
    tail: list[str] = []
    for name, value in reversed((scope.get("path_params") or {}).items()):
        words = str(value).split("/")
        at = _last(head, words)
        if at is not None:
            tail = [f"{{{name}}}", *head[at + len(words) :], *tail]
            head = head[:at]
    return "/".join([*head, *tail])


def _last(pieces: list[str], wanted: list[str]) -> int | None:
    """Return the last position of these pieces in a row."""
    starts = range(len(pieces) - len(wanted), -1, -1)
    return next((at for at in starts if pieces[at : at + len(wanted)] == wanted), None)
