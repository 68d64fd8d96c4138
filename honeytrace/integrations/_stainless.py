"""Record the calls of SDKs that Stainless generates: OpenAI's, Anthropic's and others.

In each of them, every form of call passes through one method, `request` of the base client. We also
replace two methods for what `request` does not return: `_process_response` gets the HTTP response,
and a stream asks `__stream__` for its iterator. If one of these two is missing, less is recorded.
The arguments, results and exceptions of all three stay as they are.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple, cast

from honeytrace._capture.deferred import RequestBody, arguments
from honeytrace._capture.providers.exchange import Exchange
from honeytrace._capture.providers.media import described_files
from honeytrace._capture.stdlib_types import mro, qualname
from honeytrace._config.live import live
from honeytrace._session import context
from honeytrace._session.context import make_current
from honeytrace._session.record import ABSENT, TraceSpec
from honeytrace._session.scope import Scope, running
from honeytrace._tracing.following import (
    ASYNC,
    SYNC,
    AsyncSteps,
    Watch,
    steps,
    watch_of,
    whole_answer,
)
from honeytrace._tracing.recorder import Call, begin_unguarded, end_unguarded
from honeytrace._tracing.signature import is_omitted
from honeytrace._utils.guard import try_call

_guard = live.guard.call


@dataclass(frozen=True)
class Operation:
    """One kind of request.

    Attributes:
        path: the end of the URL's path.
        name: the name of the sessions.
        shape: how the request is read, by the names in `exchange`; "" for other requests.
        step: the kind of step.
    """

    path: str
    name: str
    shape: str = ""
    step: str | None = "model"


@dataclass(frozen=True, eq=False)  # so that `spec` finds it without hashing all of these
class Sdk:
    """One package.

    Attributes:
        name: the name of the package, and of the provider unless something else tells it.
        operations: what is known of its requests.
        skipped: parts of paths of requests that are not recorded, since no model answers them.
        platforms: the provider by the beginning of the name of the client's class.
        rewriting: those providers whose clients change the body of a request before they send it.
        active: a list that is empty while the package is not instrumented. Each time that it is,
            the list is another one, so that a method replaced before does nothing any more.
    """

    name: str
    operations: tuple[Operation, ...]
    skipped: tuple[str, ...] = ()
    platforms: tuple[tuple[str, str], ...] = ()
    rewriting: tuple[str, ...] = ()
    active: list[bool] = field(default_factory=list)

    def stop(self) -> None:
        self.active.clear()
        object.__setattr__(self, "active", [])

    @functools.lru_cache(maxsize=512)  # noqa: B019 - there are few objects, which live forever
    def request(self, client: type, method: str, url: str) -> Request | None:
        """Return what is known of a request by a class of clients; None to skip it."""
        path = url.partition("?")[0].rstrip("/")
        if method.upper() != "POST" or any(part in path for part in self.skipped):
            return None
        platform = _platform(self.platforms, client)
        rewritten = platform in self.rewriting
        for each in self.operations:
            if path.endswith(each.path):
                spec = spec_of(f"{self.name}.{each.name}", each.step)
                return Request(spec, each.shape, platform, rewritten)
        words = [
            word for word in path.partition("://")[2].split("/")[1:] or path.split("/") if word
        ]
        return Request(spec_of(".".join([self.name, *words]), None), "", platform, rewritten)


class Request(NamedTuple):
    """What is known of a request before it is made.

    Attributes:
        spec: the settings of its session.
        shape: how it is read, see `Operation`.
        platform: the provider that the class of the client implies; "" if it implies none.
        rewritten: whether the client changes the body before it sends it.
    """

    spec: TraceSpec
    shape: str
    platform: str
    rewritten: bool


def spec_of(name: str, step: str | None) -> TraceSpec:
    """Return the settings of the sessions of one kind of request."""
    return TraceSpec(
        name, step=step, kind="function", bind=_body, config_args=("model",), named=("model",)
    )


def _body(args: tuple[Any, ...], _: object) -> dict[str, Any]:
    """Return the body of a request without what the user did not give."""
    body: dict[str, Any] = args[0]
    return {name: body[name] for name in body if not is_omitted(body[name])}


def start(sdk: Sdk, client: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Call | None:
    """Start the session of a request; return None if it is not recorded.

    Inside another call, return a scope without an exchange, so that the response is not taken for
    that of the other.
    """
    outer: Any = context.get()
    if outer is not None and is_inside_a_call():
        return cast("Call", Scope(outer, tags=outer.tags, silent=outer.silent))
    options: Any = kwargs["options"] if "options" in kwargs else (*args[1:2], None)[0]
    if not hasattr(options, "json_data"):  # a wrong call, which the SDK refuses
        return None
    kind: Any = type(client)
    request = sdk.request(kind, options.method, str(options.url))
    if request is None:
        return None
    body = options.json_data
    given = body if type(body) is dict else {} if body is None else {"body": body}
    extra = getattr(options, "extra_json", None)
    if type(extra) is dict:
        given = {**given, **extra}
    files = getattr(options, "files", None)
    if files:
        given = {**given, "files": described_files(files)}
    kept = None if request.rewritten else (RequestBody(given), 0, None)
    call = begin_unguarded(request.spec, (given,), kept)
    if call is not None:
        url = getattr(client, "_base_url", None)
        call.exchange = Exchange(sdk.name, request.shape, request.platform, url)
        call.exchange.wants_outputs = call.defaults.config.capture_outputs
    return call


def is_inside_a_call() -> bool:
    """Return whether this call is made inside a model call that already has a session."""
    outer = context.get()
    if outer is None:
        return False
    outer = running(outer)
    return outer is not None and outer.exchange is not None


def _platform(platforms: tuple[tuple[str, str], ...], kind: type) -> str:
    names = [qualname(each).removeprefix("Async") for each in mro(kind)]
    return next((to for start, to in platforms if any(n.startswith(start) for n in names)), "")


def finish(call: Call, result: object) -> None:
    """End the session, unless the program has yet to read the answer."""
    exchange = call.exchange
    if exchange is None:  # a scope
        end_unguarded(call, ABSENT)
        return
    _copy_body(call)
    body, exchange.body = exchange.body, None
    if exchange.followed:
        make_current(call.parent)
    else:
        end_unguarded(call, result if body is None else whole_answer(call, body, exchange))


def fail(call: Call, error: BaseException) -> None:
    """End the session of a request that raised, and let go of its response."""
    exchange = call.exchange
    _fail(call, error)
    watched = live.suspended.get(exchange.followed) if exchange else None
    watch = watched() if watched else None
    if watch is not None:
        watch.end()


def _fail(call: Call, error: BaseException) -> None:
    exchange = call.exchange
    if exchange is None:  # a scope
        end_unguarded(call, ABSENT)
        return
    body, exchange.body = exchange.body, None
    _copy_body(call)
    if body is not None:  # the answer came, but does not fit what the program asked for
        end_unguarded(call, whole_answer(call, body, exchange), error)
        return
    response = try_call(getattr, error, "response", None)[0]
    request = try_call(getattr, error, "request", None)[0]
    if response is not None:
        try_call(note_response, call, response)
        exchange.status_code = try_call(getattr, response, "status_code", None)[0]
    elif request is not None:
        exchange.sent = try_call(getattr, request, "headers", None)[0]
    end_unguarded(call, ABSENT, error)


def note_response(call: Call, response: Any) -> None:
    """Note the headers of a response and of its request, and the body that was sent."""
    exchange: Any = call.exchange
    exchange.received = response.headers
    request = response.request
    exchange.sent = request.headers
    if type(call.captured) is RequestBody:
        call.size += call.captured.keep(request.content)


def _copy_body(call: Call) -> None:
    """Copy the body of the request, unless the one that was sent is known."""
    body = call.captured
    if type(body) is RequestBody and body.sent is None:
        call.captured, size, call.cuts = arguments((body.given,), {}, call.spec.bind)
        call.size += size


def answered(sdk: Sdk, active: list[bool], response: Any, methods: tuple[str, str]) -> None:
    """Note the HTTP response of the running request, and watch it if it is not read yet."""
    call: Any = context.get()
    exchange = call and call.exchange
    if not active or exchange is None or exchange.sdk != sdk.name or call.ended:
        return
    try_call(note_response, call, response)
    # Asked first, since it takes us long to find out that the error of an unread one is its own.
    body = try_call(getattr, response, "content")[0] if response.is_closed else None
    if type(body) is bytes:
        exchange.body = body
        exchange.followed = 0
    elif 200 <= response.status_code <= 299:  # `is_success` costs more than the watch
        Watch(call, exchange, response, methods)


def sync_request(original: Callable[..., Any], sdk: Sdk) -> Callable[..., Any]:
    active = sdk.active

    @functools.wraps(original)
    def request(self: Any, *args: Any, **kwargs: Any) -> Any:
        __tracebackhide__ = __honeytrace__ = True  # noqa: F841 - both mark the frame
        call = _guard(start, sdk, self, args, kwargs) if active and not live.off else None
        if call is None:
            return original(self, *args, **kwargs)
        done = False
        try:
            make_current(call)
            result = original(self, *args, **kwargs)
            _guard(finish, call, result)
            done = True
        finally:  # costs less than `on_error`
            if not done:
                _guard(fail, call, sys.exc_info()[1])
        return result

    return request


def async_request(original: Callable[..., Any], sdk: Sdk) -> Callable[..., Any]:
    active = sdk.active

    @functools.wraps(original)
    async def request(self: Any, *args: Any, **kwargs: Any) -> Any:
        __tracebackhide__ = __honeytrace__ = True  # noqa: F841 - both mark the frame
        call = _guard(start, sdk, self, args, kwargs) if active and not live.off else None
        if call is None:
            return await original(self, *args, **kwargs)
        done = False
        try:
            make_current(call)
            result = await original(self, *args, **kwargs)
            _guard(finish, call, result)
            done = True
        finally:  # costs less than `on_error`
            if not done:
                _guard(fail, call, sys.exc_info()[1])
        return result

    return request


def sync_response(original: Callable[..., Any], sdk: Sdk) -> Callable[..., Any]:
    active = sdk.active

    @functools.wraps(original)
    def process_response(self: Any, *args: Any, **kwargs: Any) -> Any:
        __tracebackhide__ = __honeytrace__ = True  # noqa: F841 - both mark the frame
        _guard(answered, sdk, active, kwargs.get("response"), SYNC)
        return original(self, *args, **kwargs)

    return process_response


def async_response(original: Callable[..., Any], sdk: Sdk) -> Callable[..., Any]:
    active = sdk.active

    @functools.wraps(original)
    async def process_response(self: Any, *args: Any, **kwargs: Any) -> Any:
        __tracebackhide__ = __honeytrace__ = True  # noqa: F841 - both mark the frame
        _guard(answered, sdk, active, kwargs.get("response"), ASYNC)
        return await original(self, *args, **kwargs)

    return process_response


def sync_stream(original: Callable[..., Any], sdk: Sdk) -> Callable[..., Any]:
    active = sdk.active

    @functools.wraps(original)
    def stream(self: Any) -> Any:
        inner = original(self)
        watch = _guard(_watch_of, self) if active else None
        return inner if watch is None else steps(inner, watch, stream=self)

    return stream


def async_stream(original: Callable[..., Any], sdk: Sdk) -> Callable[..., Any]:
    active = sdk.active

    @functools.wraps(original)
    def stream(self: Any) -> Any:
        inner = original(self)
        watch = _guard(_watch_of, self) if active else None
        return inner if watch is None else AsyncSteps(inner, watch, stream=self)

    return stream


def _watch_of(stream: Any) -> Watch | None:
    """Return the watch of the response that a stream reads; None if it is not recorded."""
    watch = watch_of(stream.response)
    while watch is not None and not watch.exchange.sdk:  # that of a traced function
        watch = watch.outer
    return watch
