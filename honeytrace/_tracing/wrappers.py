"""The function that stands in for a traced one: a real function of the same kind.

Two texts cover the four kinds, so that sync and async cannot drift apart; they are compiled once
for each shape of parameters. It has the very parameters of the function that it stands for, so that
Python itself binds the arguments: a wrong call raises its own TypeError where the call stands, not
at the first step or in the event loop.
"""

from __future__ import annotations

import functools
import inspect
import sys
import textwrap
import types
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from keyword import iskeyword
from types import CodeType
from typing import Any

from honeytrace._capture.exceptions import FILE
from honeytrace._utils.guard import try_call

_BATCH = 4_000  # items that wait in a list before they are merged

# Every name begins with `ht_`, builtins too: parameters, and what the user's module defines, may be
# called anything else.
_CALL = """
{async_}def traced({parameters}):
    __tracebackhide__ = True
    if ht_live.off:
        return {await_}{call}
    ht_call = ht_begin(ht_spec, {positional}, {keywords})
    try:
        if ht_call is not None:
            {put}(ht_call)
        ht_result = {await_}{call}
        ht_end(ht_call, ht_result)
    except ht_BaseException as ht_error:
        ht_end(ht_call, ht_absent, ht_error)
        raise
    return ht_result
"""

# The session is current only while a step runs, and no token is kept over a `yield`. What is
# thrown in leaves its `except` before it goes on, or it would be the context of later exceptions.
# Nothing that was yielded or sent stays in a variable while this waits, but for a short string; the
# box holds it no longer than it takes to yield it. A close is a GeneratorExit, like any other that
# is thrown in.
_STREAM = """
{async_}def traced({parameters}):
    __tracebackhide__ = True
    ht_steps = {call}
    ht_stream = None if ht_live.off else ht_open(ht_spec, {positional}, {keywords})
    {forget}
    if ht_stream is None:
        {untraced}
    ht_get, ht_put, ht_put_safely = ht_stream.get, ht_stream.put, ht_stream.put_safely
    ht_inner = ht_stream.call
    ht_keep, ht_take = ht_stream.keep, ht_stream.take
    ht_send, ht_throw = ht_steps.{send}, ht_steps.{throw}
    ht_step, ht_given, ht_fresh, ht_once = ht_first(ht_send), None, True, True
    try:
        while True:
            for ht_number in ht_batch:
                ht_outer = ht_get()
                {put}(ht_inner)
                try:
                    ht_item = {await_}ht_step(ht_given)
                finally:
                    ht_given = None
                    ht_inner = ht_get()
                    {put}(ht_outer)
                if ht_fresh:
                    ht_fresh = ht_stream.started()
                if ht_type(ht_item) is ht_str and ht_len(ht_item) < 1024:
                    ht_box = None
                    ht_keep(ht_item)
                else:
                    ht_box = [ht_item]
                    ht_take(ht_item)
                    ht_item = None
                try:
                    ht_given = yield ht_item if ht_box is None else ht_box.pop()
                    ht_step = ht_send
                    if ht_once:
                        ht_once = ht_stream.resumes()
                except ht_BaseException as ht_error:
                    ht_step, ht_given = ht_throw, ht_thrown(ht_error)
            ht_stream.fold()
    except ht_{stop} as ht_stop:
        ht_close(ht_stream, ht_stop)
        return{value}
    except ht_BaseException as ht_error:
        ht_close(ht_stream, ht_error)
        raise
"""

# Before Python 3.12 see `_current.collecting`; to ask here costs less than a call.
_PUT = "ht_put" if sys.version_info >= (3, 12) else "(ht_put_safely if ht_collecting else ht_put)"
_SYNC = {"async_": "", "await_": "", "put": _PUT}
_ASYNC = {"async_": "async ", "await_": "await ", "put": _PUT}


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of function: its name, and the text of its stand-in with what differs."""

    name: str
    text: str
    words: Mapping[str, str]
    streams: bool = False


FUNCTION = Kind("function", _CALL, _SYNC)
COROUTINE = Kind("coroutine", _CALL, _ASYNC)
GENERATOR = Kind(
    "generator",
    _STREAM,
    {
        **_SYNC,
        "send": "send",
        "throw": "throw",
        "stop": "StopIteration",
        "value": " ht_stop.value",
        "untraced": "return (yield from ht_steps)",
    },
    streams=True,
)
ASYNC_GENERATOR = Kind(
    "async generator",
    _STREAM,
    {
        **_ASYNC,
        "send": "asend",
        "throw": "athrow",
        "stop": "StopAsyncIteration",
        "value": "",
        "untraced": "ht_stream = ht_untraced",
    },
    streams=True,
)


def kind(target: Any) -> Kind:
    """The kind of a function, or of what a callable object does when it is called."""
    call = getattr(type(target), "__call__")  # noqa: B004, B009 - the method, of any callable
    for each in (target, call):
        for found, is_one in _TOLD_BY:
            if try_call(is_one, each)[0]:  # it asks for attributes of the user's object
                return found
    return FUNCTION


_TOLD_BY: tuple[tuple[Kind, Callable[[object], bool]], ...] = (
    (ASYNC_GENERATOR, inspect.isasyncgenfunction),
    (GENERATOR, inspect.isgeneratorfunction),
    (COROUTINE, inspect.iscoroutinefunction),
)


@dataclass(frozen=True, slots=True)
class _Shape:
    """The parameters as a `def` has them, the call of what they are handed on to, how they go to
    `begin`, and the letting go of them."""

    parameters: str
    call: str
    positional: str
    keywords: str
    forget: str


def _loose(parameters: str, function: str, args: str, kwargs: str, bound: str | None) -> _Shape:
    """Of what takes any arguments; `bound` is the parameter that gets the bound object, if any."""
    call = f"{function}(*{args}, **{kwargs})"
    forget = f"del {args}, {kwargs}"
    if bound is None:
        return _Shape(parameters, call, args, kwargs, forget)
    others = f"{{ht_key: {kwargs}[ht_key] for ht_key in {kwargs} if ht_key != {bound!r}}}"
    return _Shape(parameters, call, f"{args}[1:]", others, forget)


_ANY = partial(_loose, "*args, **kwargs", "ht_function", "args", "kwargs")
# As wrapt calls what wraps an object.
_OBJECT = partial(
    _loose, "ht_target, ht_instance, ht_args, ht_kwargs", "ht_target", "ht_args", "ht_kwargs"
)


def for_function(
    target: types.FunctionType, found: Kind, method: bool, given: Mapping[str, object]
) -> Any:
    """A function of this kind that calls `target`; `given` is what its text needs, without `ht_`.

    It lives in the module of the function that it stands for: it has its globals, so that doctest
    finds it and what looks for a caller's module sees the user's.
    """
    code = target.__code__
    exact = is_exact(target)
    bound = next(iter(_names(code)), "") if method else None
    shape = _shape(code, method) if exact else _ANY(bound)
    traced = _made(found, shape, {"function": target, **given}, target.__globals__)
    if exact:
        traced.__defaults__ = target.__defaults__
        traced.__kwdefaults__ = target.__kwdefaults__ and dict(target.__kwdefaults__)
    _name(traced, target)
    if code.co_flags & inspect.CO_ITERABLE_COROUTINE:
        traced = types.coroutine(traced)  # type: ignore[assignment] # it is still the function
    return functools.wraps(target)(traced)


def for_object(target: Any, found: Kind, bound: str | None, given: Mapping[str, object]) -> Any:
    """A function of this kind that calls any object, in the form that wrapt wants."""
    call = getattr(type(target), "__call__")  # noqa: B004, B009 - see `kind`
    if found is not FUNCTION and bound is None and isinstance(call, types.FunctionType):
        exact = for_function(call, found, True, given)
        # Whose frame is gone when the body begins; a wrong call raises where it stands.
        return lambda target, _, args, kwargs: exact(target, *args, **kwargs)
    traced = _made(found, _OBJECT(bound), given, {"__name__": __name__})
    if isinstance(call, types.FunctionType):
        _name(traced, call)
    return traced


_NAMES = ["co_name", *(["co_qualname"] if sys.version_info >= (3, 11) else [])]


def _name(traced: types.FunctionType, target: types.FunctionType) -> None:
    """Generators, coroutines and tracebacks show the names of the function that was called."""
    traced.__name__, traced.__qualname__ = target.__name__, target.__qualname__
    names = {label: getattr(target.__code__, label) for label in _NAMES}
    traced.__code__ = traced.__code__.replace(**names)


_BUILTINS = {
    each.__name__: each
    for each in (BaseException, StopAsyncIteration, StopIteration, len, str, type)
}


def _made(
    found: Kind, shape: _Shape, given: Mapping[str, object], home: dict[str, Any]
) -> types.FunctionType:
    if found.streams:
        first = _unhooked if found is ASYNC_GENERATOR else _itself
        given = {**given, "first": first, "thrown": _thrown, "batch": range(_BATCH)}
    given = {**_BUILTINS, **given}
    namespace: dict[str, types.FunctionType] = {}
    exec(_compiled(found.name, shape, tuple(given)), home, namespace)  # noqa: S102 - our own text
    made: types.FunctionType = namespace["factory"](*given.values())
    return made


_KINDS = {each.name: each for each in (FUNCTION, COROUTINE, GENERATOR, ASYNC_GENERATOR)}


@functools.lru_cache(maxsize=1024)
def _compiled(name: str, shape: _Shape, names: tuple[str, ...]) -> CodeType:
    found = _KINDS[name]
    body = found.text.format(**asdict(shape), **found.words)
    ours = ", ".join(f"ht_{each}" for each in names)
    factory = f"def factory({ours}):\n{textwrap.indent(body, '    ')}\n    return traced"
    return compile(factory, FILE, "exec")


def is_exact(target: object) -> bool:
    """Whether what stands in for this can have its very parameters, and hands on every default."""
    if type(target) is not types.FunctionType:
        return False
    return not any(
        name.startswith("ht_") or not name.isidentifier() or iskeyword(name)
        for name in _names(target.__code__)
    )


def _names(code: CodeType) -> tuple[str, ...]:
    """Of the parameters, `*args` and `**kwargs` last."""
    rest = [code.co_flags & inspect.CO_VARARGS, code.co_flags & inspect.CO_VARKEYWORDS]
    return code.co_varnames[: code.co_argcount + code.co_kwonlyargcount + sum(map(bool, rest))]


def _shape(code: CodeType, method: bool) -> _Shape:
    """The shape of a function's own parameters, by their names."""
    only, count, more = code.co_posonlyargcount, code.co_argcount, code.co_kwonlyargcount
    names = _names(code)
    positional, by_name, others = names[:count], names[count : count + more], names[count + more :]
    star = [f"*{others[0]}"] if code.co_flags & inspect.CO_VARARGS else []
    stars = [f"**{others[-1]}"] if code.co_flags & inspect.CO_VARKEYWORDS else []
    slash = [*positional[:only], "/", *positional[only:]] if only else positional
    bare = star or (["*"] if by_name else [])
    handed = [*positional, *star, *(f"{name}={name}" for name in by_name), *stars]
    shown = [*positional, *star]
    if method and shown:  # the bound object is not to be kept
        shown[:1] = [] if positional else [f"{shown[0]}[1:]"]
    items = [*(f"{name!r}: {name}" for name in by_name), *stars]
    return _Shape(
        parameters=", ".join([*slash, *bare, *by_name, *stars]),
        call=f"ht_function({', '.join(handed)})",
        positional=f"({''.join(f'{each}, ' for each in shown)})",
        keywords=f"{{{', '.join(items)}}}" if items else "None",
        forget=f"del {', '.join(names)}" if names else "",
    )


def _unhooked(send: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """The first step of an async generator, kept from the event loop.

    The loop closes every generator that it has seen begin; it is to close the stand-in alone, which
    then closes this one. Both at once would fail, as one of them runs already. Without a loop the
    collector closes both.
    """

    def first(given: Any) -> Any:
        hooks = sys.get_asyncgen_hooks()
        sys.set_asyncgen_hooks(None, hooks.finalizer and _left_alone)
        try:
            return send(given)
        finally:
            sys.set_asyncgen_hooks(*hooks)

    return first


def _left_alone(generator: object) -> None:
    """What the collector does with it: nothing, for its stand-in will close it."""


def _itself(send: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return send


def _thrown(error: BaseException) -> BaseException:
    """What was thrown in, without the frame of the stand-in, which it will pass once more."""
    trace = error.__traceback__
    return error.with_traceback(trace.tb_next if trace else None)
