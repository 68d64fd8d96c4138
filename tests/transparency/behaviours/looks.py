"""The looks of a callable: to `inspect`, documentation, type checks, and the reader."""

from __future__ import annotations

import asyncio
import collections.abc
import contextlib
import doctest
import inspect
import pydoc
import types
import typing
from typing import Any

from cases import alone, on_kinds, outcome
from kinds import Kind, Made

QUESTIONS = [
    getattr(inspect, name)
    for name in (
        "isfunction ismethod isroutine iscoroutinefunction isgeneratorfunction isasyncgenfunction "
        "isbuiltin isclass ismodule iscode isgenerator iscoroutine isawaitable isasyncgen "
        "isabstract isdatadescriptor ismethoddescriptor isgetsetdescriptor"
    ).split()
]


def remade(kind: Kind) -> bool:
    """Return whether it can be made again around a traced function.

    Nobody can make a builtin. For an instance, a cache or a partial there is only a proxy, which
    has a type of its own.
    """
    place = kind.name.partition("/")[0]
    return place not in ("builtin", "callable object", "above lru_cache", "partial")


def not_builtin(kind: Kind) -> bool:
    return kind.name != "builtin"


def _ways(made: Made) -> dict[str, Any]:
    """The target as it stands in its class, as it is looked up there, and in an instance."""
    ways = {"raw": made.raw, "seen": made.seen}
    if made.owner is not None and hasattr(made.owner, "target"):
        ways["in class"] = made.owner.target
    return ways


def _each(made: Made, question: Any) -> Any:
    return {way: outcome(question, target) for way, target in _ways(made).items()}


@on_kinds()
def signature(made: Made) -> Any:
    """`inspect.signature` says the same."""
    return _each(made, lambda target: str(inspect.signature(target)))


@on_kinds()
def own_signature(made: Made) -> Any:
    """So do the parameters without a look at `__wrapped__`."""
    return _each(made, lambda target: str(inspect.signature(target, follow_wrapped=False)))


@on_kinds(brief=True)
def full_argument_specification(made: Made) -> Any:
    """`inspect.getfullargspec`, which older code uses, says the same."""
    return _each(made, lambda target: str(inspect.getfullargspec(target)))


@on_kinds(brief=True)
def call_arguments(made: Made) -> Any:
    """`Signature.bind` and `inspect.getcallargs` bind the same."""
    return (
        _each(made, lambda target: str(inspect.signature(target).bind(1, 2, 3, a=4).arguments)),
        _each(made, lambda target: sorted(inspect.getcallargs(target, 1, 2, 3, a=4))),
    )


@on_kinds(among=not_builtin)
def questions_of_inspect(made: Made) -> Any:
    """Every `inspect.is…` answers the same."""
    return {question.__name__: _each(made, question) for question in QUESTIONS}


@on_kinds()
def coroutine_function_for_asyncio(made: Made) -> Any:
    """asyncio, which frameworks ask, answers the same."""
    is_coroutine = inspect.unwrap(asyncio.coroutines.iscoroutinefunction)
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return _each(made, is_coroutine)


NAMES = ("__name__", "__qualname__", "__module__", "__doc__", "__annotations__", "__defaults__")
MORE = ("__kwdefaults__", "__type_params__", "__isabstractmethod__", "__text_signature__")


@on_kinds()
def names(made: Made) -> Any:
    """Names, documentation, annotations and defaults are the same."""
    return {name: _each(made, lambda target: getattr(target, name)) for name in NAMES + MORE}


@on_kinds(among=remade)
def type_of_it(made: Made) -> Any:
    """It is of the same type."""
    return _each(made, type)


@on_kinds(brief=True, among=not_builtin)
def shown(made: Made) -> Any:
    """`repr` and `str` show the same, except for addresses."""
    return _each(made, repr), _each(made, str)


@on_kinds(among=not_builtin)
def attributes(made: Made) -> Any:
    """It has the same attributes; `__wrapped__`, by which tools find the function, is allowed."""
    return _each(made, lambda target: sorted({*dir(target)} - {"__wrapped__"}))


@on_kinds(brief=True, among=not_builtin)
def dictionary(made: Made) -> Any:
    """`__dict__` has what the user put there, and nothing else except `__wrapped__`."""
    return _each(made, lambda target: sorted({*vars(target)} - {"__wrapped__"}))


ABSTRACT = (
    "Sized Container Iterable Iterator Hashable Callable Awaitable Coroutine AsyncIterable "
    "AsyncIterator Collection Mapping Sequence Generator Reversible Set"
).split()


@on_kinds(brief=True)
def abstract_types(made: Made) -> Any:
    """`isinstance` answers the same for the abstract types."""
    kinds = [getattr(collections.abc, name) for name in ABSTRACT]
    kinds += [contextlib.AbstractContextManager, contextlib.AbstractAsyncContextManager]
    kinds += [typing.SupportsInt, typing.SupportsIndex, typing.SupportsFloat]
    return {kind.__name__: _each(made, lambda target: isinstance(target, kind)) for kind in kinds}


@on_kinds(brief=True, among=not_builtin)
def concrete_types(made: Made) -> Any:
    """`isinstance` answers the same for the types of callables."""
    kinds = (types.FunctionType, types.MethodType, types.BuiltinFunctionType, property)
    kinds += (staticmethod, classmethod, type)
    return {kind.__name__: _each(made, lambda target: isinstance(target, kind)) for kind in kinds}


@on_kinds(brief=True)
def hints(made: Made) -> Any:
    """`typing.get_type_hints` says the same."""
    return _each(made, lambda target: str(typing.get_type_hints(target)))


@on_kinds(brief=True)
def source(made: Made) -> Any:
    """Its source is found."""
    return (
        _each(made, inspect.getsource),
        _each(made, lambda target: inspect.getsourcelines(target)[1]),
    )


@on_kinds(brief=True)
def documentation(made: Made) -> Any:
    """`inspect.getdoc` says the same, and `help()` prints the same."""
    return (
        _each(made, inspect.getdoc),
        _each(made, lambda target: pydoc.plain(pydoc.render_doc(target, renderer=pydoc.plaintext))),
    )


@on_kinds(brief=True)
def module(made: Made) -> Any:
    """The module, and the globals by which it is known to be defined there, are the same."""
    return (
        _each(made, lambda target: inspect.getmodule(target).__name__),
        _each(made, lambda target: target.__globals__["__name__"]),
    )


CODE = "co_name co_argcount co_posonlyargcount co_kwonlyargcount"


@on_kinds()
def code(made: Made) -> Any:
    """Name, kind and parameters are the same in its code object, which debuggers and some
    frameworks read. (Line and file cannot be, for a wrapper that has code of its own.)"""

    def read(target: Any) -> Any:
        code = target.__code__
        taken = code.co_argcount + code.co_kwonlyargcount
        return (
            [getattr(code, name) for name in CODE.split()],
            code.co_varnames[:taken],
            code.co_flags & (inspect.CO_VARARGS | inspect.CO_VARKEYWORDS),
            code.co_flags & (inspect.CO_COROUTINE | inspect.CO_GENERATOR),
            code.co_flags & (inspect.CO_ASYNC_GENERATOR | inspect.CO_ITERABLE_COROUTINE),
        )

    return _each(made, read)


@on_kinds("coroutine", "generator", "async generator")
def what_a_call_returns(made: Made) -> Any:
    """Coroutines and generators are of the same type, with the same names and abstract types."""
    result = made.call(abs, 1)
    seen = {
        "type": type(result),
        "shown": repr(result),
        "name": outcome(lambda: result.__name__),
        "qualified": outcome(lambda: result.__qualname__),
        "attributes": dir(result),
        "questions": [question(result) for question in QUESTIONS],
        "abstract": [isinstance(result, getattr(collections.abc, name)) for name in ABSTRACT],
    }
    if inspect.iscoroutine(result):
        result.close()
    return seen


@alone("looks")
def doctest_is_found(decorate: Any) -> Any:
    """doctest finds the examples of a decorated function, in its module and in a class."""
    module = types.ModuleType("documented")
    text = '"""Adds.\n\n        >>> 1 + 1\n        2\n        """'
    body = f"(*a):\n        {text}\n"
    code = f"@decorate\ndef add{body}class Adder:\n    @decorate\n    def method{body}"
    code += f"    @staticmethod\n    @decorate\n    def static{body}"
    vars(module)["decorate"] = decorate
    exec(code, vars(module))
    finder = doctest.DocTestFinder(exclude_empty=True)
    found = finder.find(module, "documented", module=module)
    return [(test.name, len(test.examples)) for test in found]


@alone("looks")
def members_of_a_class(decorate: Any) -> Any:
    """`inspect.getmembers`, `classify_class_attrs` and `help` of the class list the same."""

    class Shop:
        """A shop."""

        @decorate
        def buy(self, what: str) -> str:
            """Buys."""
            return what

        @staticmethod
        @decorate
        def closed() -> bool:
            """Says no."""
            return False

        @classmethod
        @decorate
        def open(cls) -> Shop:
            """Opens one."""
            return cls()

        @property
        @decorate
        def size(self) -> int:
            """Says how big."""
            return 1

    return (
        [name for name, _ in inspect.getmembers(Shop, inspect.isfunction)],
        [name for name, _ in inspect.getmembers(Shop, inspect.isroutine)],
        [
            attribute.kind
            for attribute in inspect.classify_class_attrs(Shop)
            if not attribute.name.startswith("__")
        ],
        pydoc.plain(pydoc.render_doc(Shop, renderer=pydoc.plaintext)),
    )


@alone("looks")
def hints_that_cannot_be_had(decorate: Any) -> Any:
    """Annotations that name what does not exist do no harm."""

    @decorate
    def target(one: Missing, two: also.missing = 1) -> Nothing:  # type: ignore[name-defined]  # noqa: F821
        return two

    return target(1), target.__annotations__, outcome(typing.get_type_hints, target)


@alone("looks")
def documentation_made_at_run_time(decorate: Any) -> Any:
    """Names and documentation that are set afterwards are those that are read."""

    @decorate
    def target() -> int:
        """Old."""
        return 1

    target.__name__, target.__qualname__ = "new", "very.new"
    target.__doc__, target.__module__ = "New.", "elsewhere"
    return (
        [target.__name__, target.__qualname__, target.__doc__, target.__module__],
        inspect.getdoc(target),
        outcome(target, 1),
    )
