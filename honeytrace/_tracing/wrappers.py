"""The function that stands in for a traced one: a real function of the same kind.

It has the parameters of the function that it stands for, so Python itself binds the arguments. A
wrong call raises Python's own TypeError at the call, not at the first step of a generator or in the
event loop. Its code carries the same file, line and names as the traced one, so that tracebacks,
debuggers, error pages and coverage show the user's source.
"""

from __future__ import annotations

import functools
import inspect
import sys
import types
from collections.abc import Callable, Mapping
from functools import partial
from keyword import iskeyword
from types import CodeType
from typing import Any

from honeytrace._tracing.templates import (
    ASYNC_GENERATOR,
    COROUTINE,
    FUNCTION,
    GENERATOR,
    Kind,
    Shape,
    factory_code,
)
from honeytrace._utils.guard import try_call

_ITEMS_BETWEEN_MERGES = 4_000


def kind(target: Any) -> Kind:
    """Return the kind of a function, or of what calling a callable object runs."""
    call = getattr(type(target), "__call__")  # noqa: B004, B009 - the method, of any callable
    for each in (target, call):
        for found, is_one in _KIND_TESTS:
            if try_call(is_one, each)[0]:  # reads attributes of the user's object
                return found
    return FUNCTION


_KIND_TESTS: tuple[tuple[Kind, Callable[[object], bool]], ...] = (
    (ASYNC_GENERATOR, inspect.isasyncgenfunction),
    (GENERATOR, inspect.isgeneratorfunction),
    (COROUTINE, inspect.iscoroutinefunction),
)


def for_function(
    target: types.FunctionType, found: Kind, method: bool, given: Mapping[str, object]
) -> Any:
    """Make a function of this kind that calls `target`.

    It gets the globals of `target`, so that doctest finds it and code that asks for its caller's
    module gets the user's module.

    Args:
        target: the user's function.
        found: the kind of `target`.
        method: whether the first parameter is the bound object, which is not recorded.
        given: the values that the source text uses, by their names without `ht_`.
    """
    code = target.__code__
    exact = is_exact(target)
    bound = next(iter(_names(code)), "") if method else None
    shape = _exact_shape(code, method) if exact else _any_arguments(bound)
    traced = _make(found, shape, {"function": target, **given}, target.__globals__)
    if exact:
        traced.__defaults__ = target.__defaults__
        traced.__kwdefaults__ = target.__kwdefaults__ and dict(target.__kwdefaults__)
    _locate(traced, target)
    if code.co_flags & inspect.CO_ITERABLE_COROUTINE:
        traced = types.coroutine(traced)  # type: ignore[assignment] # still the same function
    return functools.wraps(target)(traced)


def for_object(
    target: Any, found: Kind, bound: str | None, given: Mapping[str, object]
) -> tuple[Callable[..., Any], types.MethodType | None]:
    """Make a function of this kind that calls any object, with the parameters that wrapt passes.

    Also return a method that stands in for the `__call__` of the object, if Python code defines it:
    servers and frameworks ask that for its kind and its parameters.
    """
    call = getattr(type(target), "__call__")  # noqa: B004, B009 - see `kind`
    if bound is not None or not isinstance(call, types.FunctionType):
        return _for_any_call(call, found, bound, given), None
    exact = for_function(call, found, True, given)
    shown = types.MethodType(exact, target)
    if found is FUNCTION:
        return _for_any_call(call, found, bound, given), shown
    # The frame of this lambda is gone when the body begins, and a wrong call raises here.
    return lambda target, _, args, kwargs: exact(target, *args, **kwargs), shown


def _for_any_call(
    call: object, found: Kind, bound: str | None, given: Mapping[str, object]
) -> types.FunctionType:
    traced = _make(found, _wrapt_arguments(bound), given, {"__name__": __name__})
    if isinstance(call, types.FunctionType):
        _locate(traced, call)
    return traced


_COPIED = [
    "co_filename",
    "co_firstlineno",
    "co_name",
    *(["co_qualname"] if sys.version_info >= (3, 11) else []),
]


def _locate(traced: types.FunctionType, target: types.FunctionType) -> None:
    """Give a stand-in the same names, file and line as the user's function."""
    traced.__name__, traced.__qualname__ = target.__name__, target.__qualname__
    found = {label: getattr(target.__code__, label) for label in _COPIED}
    traced.__code__ = traced.__code__.replace(**found)


_BUILTINS = {
    each.__name__: each
    for each in (BaseException, StopAsyncIteration, StopIteration, len, next, str, type)
}


def _make(
    found: Kind, shape: Shape, given: Mapping[str, object], home: dict[str, Any]
) -> types.FunctionType:
    if found.streams:
        first = _unhooked if found is ASYNC_GENERATOR else _itself
        batch = range(_ITEMS_BETWEEN_MERGES)
        given = {**given, "first": first, "thrown": _thrown, "batch": batch}
    given = {**_BUILTINS, "without": _without, **given}
    namespace: dict[str, types.FunctionType] = {}
    exec(factory_code(found.name, shape, tuple(given)), home, namespace)  # noqa: S102 - our own text
    made: types.FunctionType = namespace["factory"](*given.values())
    return made


def is_exact(target: object) -> bool:
    """Return whether a stand-in can repeat the parameters of this and pass on every default."""
    if type(target) is not types.FunctionType:
        return False
    return not any(
        name.startswith("ht_") or not name.isidentifier() or iskeyword(name)
        for name in _names(target.__code__)
    )


def _names(code: CodeType) -> tuple[str, ...]:
    """Return the names of the parameters, `*args` and `**kwargs` last."""
    rest = [code.co_flags & inspect.CO_VARARGS, code.co_flags & inspect.CO_VARKEYWORDS]
    return code.co_varnames[: code.co_argcount + code.co_kwonlyargcount + sum(map(bool, rest))]


def _exact_shape(code: CodeType, method: bool) -> Shape:
    """Return the shape with the parameters of a function under their own names."""
    only, count, more = code.co_posonlyargcount, code.co_argcount, code.co_kwonlyargcount
    names = _names(code)
    positional, by_name, others = names[:count], names[count : count + more], names[count + more :]
    star = [f"*{others[0]}"] if code.co_flags & inspect.CO_VARARGS else []
    stars = [f"**{others[-1]}"] if code.co_flags & inspect.CO_VARKEYWORDS else []
    slash = [*positional[:only], "/", *positional[only:]] if only else positional
    bare = star or (["*"] if by_name else [])
    handed = [*positional, *star, *(f"{name}={name}" for name in by_name), *stars]
    shown = [*positional, *star]
    if method and shown:  # the bound object must not be recorded
        shown[:1] = [] if positional else [f"{shown[0]}[1:]"]
    items = [*(f"{name!r}: {name}" for name in by_name), *stars]
    return Shape(
        parameters=", ".join([*slash, *bare, *by_name, *stars]),
        call=f"ht_function({', '.join(handed)})",
        positional=f"({''.join(f'{each}, ' for each in shown)})",
        keywords=f"{{{', '.join(items)}}}" if items else "None",
        forget=f"del {', '.join(names)}" if names else "",
    )


def _loose_shape(
    parameters: str, function: str, args: str, kwargs: str, bound: str | None
) -> Shape:
    """Return the shape that takes any arguments.

    `bound` is the name of the parameter that gets the bound object, which is not recorded.
    """
    call = f"{function}(*{args}, **{kwargs})"
    forget = f"del {args}, {kwargs}"
    if bound is None:
        return Shape(parameters, call, args, kwargs, forget)
    return Shape(parameters, call, f"{args}[1:]", f"ht_without({bound!r}, {kwargs})", forget)


_any_arguments = partial(_loose_shape, "*args, **kwargs", "ht_function", "args", "kwargs")
_wrapt_arguments = partial(
    _loose_shape, "ht_target, ht_instance, ht_args, ht_kwargs", "ht_target", "ht_args", "ht_kwargs"
)


def _without(name: str, kwargs: dict[str, Any]) -> dict[str, Any]:
    return {key: kwargs[key] for key in kwargs if key != name}


def _unhooked(send: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Return a `send` whose first step hides an async generator from the event loop.

    The loop closes every generator whose first step it has seen. It should close only the stand-in,
    which then closes this one: closing both at once fails, because one of them is already running.
    Without a loop, the garbage collector closes both.
    """

    def first(given: Any) -> Any:
        hooks = sys.get_asyncgen_hooks()
        sys.set_asyncgen_hooks(None, hooks.finalizer and _leave_alone)
        try:
            return send(given)
        finally:
            sys.set_asyncgen_hooks(*hooks)

    return first


def _leave_alone(generator: object) -> None:
    """Do nothing when a generator is collected: its stand-in closes it."""


def _itself(send: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return send


def _thrown(error: BaseException) -> BaseException:
    """Drop the stand-in's frame from an exception thrown in, since it will be added again."""
    trace = error.__traceback__
    return error.with_traceback(trace.tb_next if trace else None)
