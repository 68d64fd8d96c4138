"""Record the calls of LiteLLM, which has an HTTP client of its own for most providers.

Its functions are replaced in the module `litellm`, where programs and frameworks look them up. A
stream is followed through the class of LiteLLM's streams, so it stays the same object.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import AsyncIterator, Callable
from functools import partial
from types import AsyncGeneratorType
from typing import Any

from honeytrace._capture.providers.exchange import Exchange
from honeytrace._capture.stdlib_types import state
from honeytrace._config.live import live
from honeytrace._session.context import make_current
from honeytrace._tracing.filters import wants_outputs
from honeytrace._tracing.item_streams import Following
from honeytrace._tracing.recorder import Call, begin_unguarded, end_unguarded, on_error
from honeytrace._utils.guard import try_call
from honeytrace._utils.json import Json
from honeytrace.integrations._stainless import Sdk, fail, is_inside_a_call, spec_of

_guard = live.guard.call
_MARK = "_honeytrace"

SHAPES = {
    "completion": ("chat", "model"),
    "text_completion": ("completions", "model"),
    "embedding": ("embeddings", "embedding"),
    "responses": ("responses", "model"),
    "anthropic_messages": ("messages", "model"),
}
"""For each function of LiteLLM, how its request is read, and the kind of step."""


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
        _follow(call, result)
        make_current(call.parent)
        return
    cost = about.get("response_cost")
    exchange.known = {"cost": cost} if type(cost) is float else {}
    end_unguarded(call, result)


def _follow(call: Call, stream: Any) -> None:
    """Follow a stream; the session of one that cannot be followed ends without outputs."""
    following = Following(call)
    inner = _bytes_of(stream)
    if call.exchange.operation == "messages" and inner is not None:  # type: ignore[union-attr]
        setattr(stream, inner, _Events(getattr(stream, inner), following))
    elif try_call(setattr, stream, _MARK, following)[1] is not None:  # a generator
        following.end()


def _bytes_of(stream: Any) -> str | None:
    """Return the name of the attribute from which a stream takes its bytes.

    It depends on the version and the provider; a generator is more likely than another iterator.
    """
    held = state(stream, type(stream))
    found = [name for name, value in held.items() if hasattr(type(value), "__anext__")]
    return min(found, key=lambda name: type(held[name]) is not AsyncGeneratorType, default=None)


class _Events:
    """Passes on the bytes of a stream, and tells its `Following` about them."""

    __slots__ = ("_following", "_inner")

    def __init__(self, inner: Any, following: Following) -> None:
        self._inner = inner
        self._following = following

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        __tracebackhide__ = __honeytrace__ = True  # noqa: F841 - both mark the frame
        with on_error(self._following.stopped):
            chunk: bytes = await self._inner.__anext__()
        _guard(self._following.take, chunk)
        return chunk

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


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
