"""Sessions of incoming requests, for both kinds of middleware."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from fnmatch import fnmatchcase
from http import HTTPStatus
from typing import Any, Generic, TypeVar
from urllib.parse import parse_qsl

from honeytrace._capture.exceptions import Failure, is_cancellation
from honeytrace._capture.streams import StreamBuffer
from honeytrace._session import context
from honeytrace._session.record import ABSENT, Streamed, TraceSpec
from honeytrace._session.scope import Scope
from honeytrace._tracing.recorder import Call, begin, end
from honeytrace._utils.guard import try_call
from honeytrace.propagation._headers import scope_of

_MAX_PATH_CHARACTERS = 200  # of a path in a session's name
_MAX_QUERY_CHARACTERS = 8_192
_SERVER_ERROR = 500
_FOLD_CHUNKS = 4_000  # parts of a body between two foldings of the buffer that counts them
_GONE = (
    "BrokenPipeError",
    "ClientDisconnect",
    "ClientDisconnected",
    "ConnectionResetError",
    "GeneratorExit",
)
_SPEC = TraceSpec(name="request", kind="request", bind=lambda args, _: args[0])

_App = TypeVar("_App", bound=Callable[..., Any])
_About = TypeVar("_About")


class Middleware(Generic[_App, _About]):
    """An application, and how its requests are recorded.

    Attributes:
        app: the application inside.
        sessions: True if each request is a session; False if the sessions inside only get a parent.
        name: the user's function that names a request.
    """

    def __init__(
        self,
        app: _App,
        *,
        sessions: bool = True,
        skip: Iterable[str] = (),
        name: Callable[[_About], str] | None = None,
    ) -> None:
        if not callable(app):
            raise TypeError(f"app cannot be {app!r}; give the application to wrap")
        if not isinstance(sessions, bool):
            raise TypeError(f"sessions cannot be {sessions!r}; give True or False")
        paths = (skip,) if isinstance(skip, str) else try_call(tuple, skip)[0]
        if paths is None or not all(isinstance(path, str) for path in paths):
            raise TypeError(f"skip cannot be {skip!r}; give paths such as ['/health', '/static/*']")
        if not (name is None or callable(name)):
            raise TypeError(f"name cannot be {name!r}; give a function that returns a name")
        self.app = app
        self.sessions = sessions
        self.name = name
        self._skipped = paths

    def skips(self, path: str) -> bool:
        """Return True if a request to this path is left alone."""
        return any(fnmatchcase(path, pattern) for pattern in self._skipped)


class Request:
    """One request that is being answered. Sessions that start meanwhile are in its tree.

    Attributes:
        gone: True once the client is known to have gone away.
        status: the HTTP status of the answer; 0 before it is known.
    """

    def __init__(
        self, middleware: Middleware[Any, Any], headers: Any, method: str, path: str, query: str
    ) -> None:
        self.gone = False
        self.status = 0
        self._user_name = middleware.name
        self._method = method
        self._chunks = StreamBuffer(wanted=False, raw=False)
        self._first_ms: float | None = None
        self._outer = context.get()
        scope = scope_of(headers)
        if scope is not None:
            context.make_current(scope)
        self.call: Call | Scope | None = None
        if middleware.sessions:
            inputs: dict[str, Any] = {"method": method, "path": path}
            if query:
                inputs["query"] = dict(parse_qsl(query[:_MAX_QUERY_CHARACTERS]))
            self.call = begin(_SPEC, (inputs,))
        if self.call is not None:
            context.make_current(self.call)

    def send(self, chunk: object) -> None:
        """Count a part of the body. The first one that is not empty is timed."""
        call = self.call
        if not chunk or call is None or isinstance(call, Scope) or call.ended:
            return
        if self._first_ms is None:
            self._first_ms = (call.defaults.clock.perf_counter_ns() - call.ticks) / 1e6
        self._chunks.take(None)
        if len(self._chunks.items) >= _FOLD_CHUNKS:
            self._chunks.fold()

    def end(self, about: Any, route: str | None, error: BaseException | None = None) -> None:
        """End the session: after the last part of the body, or with an error.

        Sessions that start later, as in a background task, still become its children. A client
        that goes away is not an error.

        about: the scope or the environment, for the user's function that names the request.
        route: the route that matched, or the path if the framework does not name the route; None
            if no route matched.
        """
        call = self.call
        if call is None or isinstance(call, Scope) or call.ended:
            return
        call.spec = replace(_SPEC, name=self._name(about, route))
        left = error is not None and (self.gone or _is_gone(error))
        if left or self._chunks.count > 1:
            status = "cancelled" if left else "ok"
            call.streamed = Streamed(not left, self._chunks, self._first_ms, None, {}, status)
        if error is None and self.status >= _SERVER_ERROR:
            call.failure = _failure(self.status)
        late = call.parent = Scope(link=(call.id, call.root_id), tags=call.tags)
        late.defaults = call.defaults
        end(call, {"status": self.status} if self.status else ABSENT, None if left else error)

    def leave(self) -> None:
        """Restore what was current before the request."""
        context.make_current(self._outer)

    def _name(self, about: Any, route: str | None) -> str:
        given = try_call(self._user_name, about)[0] if self._user_name else None
        if isinstance(given, str) and given:
            return given
        return self._method if route is None else f"{self._method} {route[:_MAX_PATH_CHARACTERS]}"


def _is_gone(error: BaseException) -> bool:
    """Return True if an exception means that the client has gone away, and nothing else."""
    return is_cancellation(error) or type(error).__name__ in _GONE


def _failure(status: int) -> Failure:
    words = next((each.phrase for each in HTTPStatus if each == status), "")
    details = {"type": "HTTPStatus", "message": f"{status} {words}".strip(), "traceback": []}
    return Failure(f"HTTP {status}", "error", details, False)
