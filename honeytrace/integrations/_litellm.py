"""Record the calls of LiteLLM, which has an HTTP client of its own for most providers.

Its functions are replaced in the module `litellm`, where programs and frameworks look them up. A
stream is followed through the class of LiteLLM's streams, so it stays the same object.
"""

from __future__ import annotations

import functools
import inspect
import weakref
from collections.abc import Callable
from functools import partial
from typing import Any

from honeytrace._capture.exceptions import is_cancellation
from honeytrace._capture.providers.events import has_token
from honeytrace._capture.providers.exchange import Exchange
from honeytrace._capture.streams import StreamBuffer
from honeytrace._config.exit import end_if_alive
from honeytrace._config.live import live
from honeytrace._session.context import make_current
from honeytrace._session.record import ABSENT, Streamed
from honeytrace._tracing.filters import wants_outputs
from honeytrace._tracing.recorder import Call, begin_unguarded, end_unguarded
from honeytrace._utils.json import Json
from honeytrace.integrations._stainless import Sdk, fail, is_inside_a_call, on_error, spec_of

_guard = live.guard.call
_MARK = "_honeytrace"

SHAPES = {
    "completion": ("chat", "model"),
    "text_completion": ("completions", "model"),
    "embedding": ("embeddings", "embedding"),
    "responses": ("responses", "model"),
}
"""For each function of LiteLLM, how its request is read, and the kind of step."""


class Following:
    """Collects the chunks of one stream, and ends its session with it.

    It has no `__del__`: Python drops what a signal handler raises in one.
    """

    __slots__ = ("__weakref__", "_first", "_items", "call")

    def __init__(self, call: Call) -> None:
        self.call = call
        self._first: float | None = None
        wanted = wants_outputs(call.spec, call.defaults)
        self._items = StreamBuffer(wanted=wanted, raw=False)
        live.suspended[id(self)] = partial(end_if_alive, weakref.ref(self), Following.end)

    def take(self, chunk: object) -> None:
        if self._first is None and has_token(chunk):
            now = self.call.defaults.clock.perf_counter_ns()
            self._first = (now - self.call.ticks) / 1e6
        self._items.take(chunk)

    def stopped(self, error: BaseException) -> None:
        completed = isinstance(error, (StopIteration, StopAsyncIteration))
        left = is_cancellation(error)
        self.end(None if completed or left else error, completed, "cancelled" if left else "ok")

    def end(
        self, error: BaseException | None = None, completed: bool = False, status: str = "ok"
    ) -> None:
        self.__class__ = Following
        live.suspended.pop(id(self), None)
        if not self.call.ended:
            items = self._items
            self.call.streamed = Streamed(completed, items, self._first, None, {}, status)
            end_unguarded(self.call, items if items.count else ABSENT, error)


class OpenFollowing(Following):
    """A `Following` whose stream has not ended. If it is dropped, the session ends with it."""

    __slots__ = ()

    def __del__(self) -> None:
        _guard(self.end)


def _start(
    sdk: Sdk, name: str, parameters: list[str], args: tuple[Any, ...], kwargs: Json
) -> Call | None:
    if is_inside_a_call():
        return None
    shape, step = SHAPES[name]
    given = {**dict(zip(parameters, args, strict=False)), **kwargs}
    given.pop("api_key", None)
    call = begin_unguarded(spec_of(f"{sdk.name}.{name}", step), (given,))
    if call is not None:
        provider, slash, _ = str(given.get("model", "")).partition("/")
        call.exchange = Exchange(sdk.name, shape, provider if slash else "")
        call.exchange.wants_outputs = wants_outputs(call.spec, call.defaults)
    return call


def _finish(call: Call, result: Any) -> None:
    exchange: Any = call.exchange
    about = getattr(result, "_hidden_params", None)
    about = about if type(about) is dict else {}
    provider = about.get("custom_llm_provider", getattr(result, "custom_llm_provider", None))
    exchange.platform = provider if type(provider) is str else exchange.platform
    headers = about.get("additional_headers")
    exchange.received = _Prefixed(headers) if type(headers) is dict else None
    if hasattr(type(result), "__next__") or hasattr(type(result), "__anext__"):
        setattr(result, _MARK, OpenFollowing(call))
        make_current(call.parent)
        return
    cost = about.get("response_cost")
    exchange.known = {"cost": cost} if type(cost) is float else {}
    end_unguarded(call, result)


class _Prefixed:
    """The provider's headers, to whose names LiteLLM adds a prefix."""

    __slots__ = ("_headers",)

    def __init__(self, headers: Json) -> None:
        self._headers = headers

    def get(self, name: str) -> Any:
        return self._headers.get(f"llm_provider-{name}")


def function(original: Callable[..., Any], sdk: Sdk) -> Callable[..., Any]:
    """Return the replacement of a function such as `litellm.completion`."""
    label = original.__name__
    name = label if label in SHAPES else label.removeprefix("a")
    parameters = [name for name in inspect.signature(original).parameters if name != "args"]
    start = partial(_start, sdk, name, parameters)
    if inspect.iscoroutinefunction(original):

        @functools.wraps(original)
        async def recorded_coroutine(*args: Any, **kwargs: Any) -> Any:
            __tracebackhide__ = __honeytrace__ = True  # noqa: F841 - both mark the frame
            call = _guard(start, args, kwargs) if sdk.active and not live.off else None
            if call is None:
                return await original(*args, **kwargs)
            with on_error(partial(fail, call)):
                make_current(call)
                result = await original(*args, **kwargs)
                _guard(_finish, call, result)
            return result

        return recorded_coroutine

    @functools.wraps(original)
    def recorded(*args: Any, **kwargs: Any) -> Any:
        __tracebackhide__ = __honeytrace__ = True  # noqa: F841 - both mark the frame
        # With this argument it returns a coroutine, and the function that passes it is recorded.
        ours = sdk.active and not live.off and not kwargs.get(f"a{name}")
        call = _guard(start, args, kwargs) if ours else None
        if call is None:
            return original(*args, **kwargs)
        with on_error(partial(fail, call)):
            make_current(call)
            result = original(*args, **kwargs)
            _guard(_finish, call, result)
        return result

    return recorded


def sync_step(original: Callable[..., Any], _: Sdk) -> Callable[..., Any]:
    """Return the replacement of `__next__` of LiteLLM's streams."""

    @functools.wraps(original)
    def step(self: Any) -> Any:
        __tracebackhide__ = __honeytrace__ = True  # noqa: F841 - both mark the frame
        following = vars(self).get(_MARK)
        if following is None:
            return original(self)
        with on_error(following.stopped):
            chunk = original(self)
        _guard(following.take, chunk)
        return chunk

    return step


def async_step(original: Callable[..., Any], _: Sdk) -> Callable[..., Any]:
    """Return the replacement of `__anext__` of LiteLLM's streams."""

    @functools.wraps(original)
    async def step(self: Any) -> Any:
        __tracebackhide__ = __honeytrace__ = True  # noqa: F841 - both mark the frame
        following = vars(self).get(_MARK)
        if following is None:
            return await original(self)
        with on_error(following.stopped):
            chunk = await original(self)
        _guard(following.take, chunk)
        return chunk

    return step
