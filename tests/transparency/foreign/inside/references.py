"""Decorators that do nothing, to tell what any decorator breaks from what one of them does."""

from __future__ import annotations

import functools
import inspect
from typing import Any


def identity(target: Any) -> Any:
    """The same: what differs with it is the fault of `hook.py`."""
    return target


def real(target: Any) -> Any:
    """A real function of the same kind, made with `functools.wraps`."""
    if isinstance(target, (staticmethod, classmethod)):
        return type(target)(real(target.__func__))
    if isinstance(target, property):
        accessors = (target.fget, target.fset, target.fdel)
        return property(*(each and real(each) for each in accessors), target.__doc__)
    if isinstance(target, type) or not callable(target):
        raise TypeError(f"no function: {target!r}")
    return functools.wraps(target)(_same_kind(target))


def _same_kind(target: Any) -> Any:
    async def asyncgen(*args: Any, **kwargs: Any) -> Any:
        items = target(*args, **kwargs)
        step = items.asend(None)
        while True:
            try:
                item = await step
            except StopAsyncIteration:
                return
            try:
                step = items.asend((yield item))
            except GeneratorExit:
                await items.aclose()
                raise
            except BaseException as error:
                step = items.athrow(error)

    async def coroutine(*args: Any, **kwargs: Any) -> Any:
        return await target(*args, **kwargs)

    def generator(*args: Any, **kwargs: Any) -> Any:
        return (yield from target(*args, **kwargs))

    def function(*args: Any, **kwargs: Any) -> Any:
        return target(*args, **kwargs)

    if inspect.isasyncgenfunction(target):
        return asyncgen
    if inspect.iscoroutinefunction(target):
        return coroutine
    return generator if inspect.isgeneratorfunction(target) else function


def proxy(target: Any) -> Any:
    """A proxy by wrapt."""
    import wrapt

    if isinstance(target, (type, property)) or not callable(target):
        raise TypeError(f"no function: {target!r}")
    return wrapt.FunctionWrapper(target, _call)


def _call(wrapped: Any, instance: Any, args: Any, kwargs: Any) -> Any:
    return wrapped(*args, **kwargs)
