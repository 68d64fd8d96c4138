"""Plain functions that return an awaitable: their session ends when the awaitable does.

`AsyncOpenAI().chat.completions.create`, a lambda around a coroutine function and many sync wrappers
are plain functions, but what they start has only begun when they return.

A coroutine that only the caller will know is replaced by one of the same name that awaits it,
because nothing else tells when and how it ends. A future or task of asyncio, or a future of a pool
of threads or processes, is returned as it is and watched by a callback. Everything else is returned
as it is, and its session ends with the call. That includes coroutines that the program also keeps
elsewhere, which must remain the same object, and awaitable objects with methods of their own
(`async with session.get(url)`).
"""

from __future__ import annotations

import sys
from collections.abc import Coroutine
from functools import partial
from types import CoroutineType
from typing import TYPE_CHECKING, Any, cast

from honeytrace._capture.stdlib_types import by_class
from honeytrace._config.live import live
from honeytrace._session import context
from honeytrace._session.record import ABSENT, CallRecord
from honeytrace._tracing.botocore_streams import follow_botocore
from honeytrace._tracing.recorder import Call, end, end_unguarded, on_error
from honeytrace._tracing.returned_streams import body_returned, follow_returned

if TYPE_CHECKING:
    import asyncio
    import concurrent.futures

    _Future = asyncio.Future[Any] | concurrent.futures.Future[Any]

_guard = live.guard.call


class _Followed:
    """A call that returned an awaitable. It has no `__del__`, as a `Stream` has none.

    Attributes:
        call: the record of the call.
        coroutine: the returned coroutine until it is awaited; None for a future.
    """

    __slots__ = ("call", "coroutine")

    def __init__(self, call: Call, coroutine: Coroutine[Any, Any, Any] | None = None) -> None:
        self.call = call
        self.coroutine = coroutine

    def take(self) -> Coroutine[Any, Any, Any]:
        """Return the coroutine to await and drop the reference to it."""
        coroutine, self.coroutine = self.coroutine, None
        assert coroutine is not None  # noqa: S101 - a coroutine starts once
        self.__class__ = _Followed
        return coroutine


class _Unfinished(_Followed):
    """A call whose awaitable nobody has awaited. If it is dropped, the session ends without result.

    Once a coroutine is awaited, it ends the session itself.
    """

    __slots__ = ()

    def __del__(self) -> None:
        _guard(_abandon, self)


def _abandon(unfinished: _Followed) -> None:
    coroutine, unfinished.coroutine = unfinished.coroutine, None
    if coroutine is not None:
        # Python has just warned that the stand-in was never awaited. Closing the coroutine inside,
        # which nobody else knows, avoids a second warning.
        coroutine.close()
    end(unfinished.call, ABSENT)


def _finish(call: Call | None, returned: object) -> object:
    if call is None:
        return None
    kind = type(returned)
    if returned is None or kind is str or kind is list or kind is int:
        end_unguarded(call, returned)
    elif kind is dict:
        of_botocore = "ResponseMetadata" in returned  # type: ignore[operator] # it is a dict
        (_conclude if of_botocore else end_unguarded)(call, returned)
    elif kind is CoroutineType and sys.getrefcount(returned) <= _UNSHARED:
        return _follow_coroutine(call, returned)  # type: ignore[arg-type] # it is one
    elif _is_future(kind):
        _follow_future(call, returned)  # type: ignore[arg-type] # it is one
    else:
        _conclude(call, returned)
    return None


finish = partial(_guard, _finish)
"""Ends the session of a plain function, or lets it last as long as the awaitable it returned.

    finish(call, returned) -> coroutine to return instead | None
"""


def _conclude(call: Call | None, returned: object) -> None:
    if call is None or call.ended:  # a root that is not sampled counts as ended
        end_unguarded(call, returned)
    elif follow_returned(call, returned) or follow_botocore(call, returned):
        _leave(call, call.parent)
    else:
        end_unguarded(call, body_returned(call, returned) or returned)


conclude = partial(_guard, _conclude)
"""Ends the session of a call with its result; for a model's stream, the session ends with it.

    conclude(call, returned)
"""


def _count(_: None, returned: object) -> int:
    return sys.getrefcount(returned)


def _count_unshared() -> int:
    """Return the reference count that `_finish` sees of an object that nobody else refers to."""
    count, returned = partial(_guard, _count), object()
    return count(None, returned) or 0


_UNSHARED = _count_unshared()


def _follow_coroutine(
    call: Call, coroutine: CoroutineType[Any, Any, Any]
) -> CoroutineType[Any, Any, Any]:
    followed = cast("CoroutineType[Any, Any, Any]", _followed(_Unfinished(call, coroutine)))
    followed.__name__, followed.__qualname__ = coroutine.__name__, coroutine.__qualname__
    _leave(call, call.parent)
    return followed


async def _followed(unfinished: _Followed) -> Any:
    """Await the coroutine with the session current, and end the session with it."""
    __tracebackhide__ = __honeytrace__ = True  # noqa: F841 - both mark the frame
    call, outer = unfinished.call, context.get()
    with on_error(partial(_fail, call, outer)):
        context.make_current(call)
        result = await unfinished.take()
        _leave(call, outer)
        conclude(call, result)
    return result


def _fail(call: Call, outer: CallRecord | None, error: BaseException) -> None:
    _leave(call, outer)
    end_unguarded(call, ABSENT, error)


def _leave(call: Call, outer: CallRecord | None) -> None:
    """Make the outer session current again.

    A coroutine may be awaited inside another session than the one its function was called in.
    """
    if context.get() is call:
        context.make_current(outer)


@by_class
def _is_future(kind: type) -> bool:
    """Return whether this is a class of futures or tasks, without importing their modules."""
    modules = (sys.modules.get(name) for name in ("asyncio.futures", "concurrent.futures._base"))
    known = (getattr(module, "Future", None) for module in modules)  # None while it is imported
    return any(future is not None and issubclass(kind, future) for future in known)


def _follow_future(call: Call, future: _Future) -> None:
    if future.done():
        _settle(call, future)
        return
    future.add_done_callback(partial(_done, _Unfinished(call)))
    _leave(call, call.parent)


def _done(unfinished: _Followed, future: _Future) -> None:
    _guard(_settle, unfinished.call, future)
    unfinished.__class__ = _Followed


def _settle(call: Call, future: _Future) -> None:
    # Not `future.exception()`: it marks the exception as retrieved, and if nobody awaits the
    # future, asyncio would not report it any more.
    error = future._exception
    if future.cancelled():
        end(call, ABSENT, _cancellation())
    elif error is not None:
        end(call, ABSENT, error)
    else:
        end(call, future.result())


def _cancellation() -> BaseException:
    """Return asyncio's exception, or one of that name in a program that does not use asyncio."""
    asyncio = sys.modules.get("asyncio.exceptions")
    other = type("CancelledError", (BaseException,), {})
    kind: type[BaseException] = asyncio.CancelledError if asyncio else other
    return kind()
