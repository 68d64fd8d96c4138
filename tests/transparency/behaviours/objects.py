"""A callable as a value: compared, hashed, copied, pickled, patched, wrapped, put to use."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import copy
import enum
import functools
import gc
import inspect
import itertools
import multiprocessing
import operator
import pickle
import re
import types
import typing
import weakref
from concurrent.futures import ProcessPoolExecutor
from typing import Any
from unittest import mock

import kinds
from cases import alone, on_kinds, on_places, outcome
from decorators import spec_of
from kinds import Kind, Made

# ---- Identity


def _again(made: Made) -> Any:
    """The same, looked up once more."""
    looked_up = made.instance is not None and made.raw is vars(made.owner or kinds).get("target")
    return made.instance.target if looked_up else made.seen


@on_kinds()
def equality(made: Made) -> Any:
    """It equals itself and nothing else, as often as it is looked up."""
    again = _again(made)
    return (
        [made.seen == again, made.raw == made.raw, made.seen != again, made.seen is again],
        [made.seen == abs, made.seen == None, made.seen == "target"],  # noqa: E711
        outcome(operator.lt, made.seen, made.seen),
    )


@on_kinds()
def hashing(made: Made) -> Any:
    """It can be a key, and is found again."""
    again = _again(made)
    return outcome(lambda: (hash(made.seen) == hash(again), again in {made.seen: 1}))


@on_kinds(brief=True)
def truth(made: Made) -> Any:
    """It is true, and callable or not as without."""
    return bool(made.raw), callable(made.raw), bool(made.seen), callable(made.seen)


@on_kinds(brief=True)
def weak_references(made: Made) -> Any:
    """It can be referred to weakly, also as a method."""
    return (
        outcome(lambda: weakref.ref(made.raw)() is made.raw),
        outcome(lambda: weakref.WeakMethod(made.seen)() == made.seen),
        outcome(lambda: len(weakref.WeakSet([made.raw]))),
    )


@on_kinds(brief=True)
def dies(made: Made) -> Any:
    """Nothing keeps it alive when the user lets it go."""
    kinds.target = kinds.Target = None  # type: ignore[attr-defined]
    gone = [outcome(weakref.ref, made.raw)]
    made.__dict__.clear()
    gc.collect()
    return [reference() is None if kind == "returned" else reference for kind, reference in gone]


# ---- Copies


def importable(kind: Kind) -> bool:
    """Return whether its name leads to it: functions pickle and methods copy by name."""
    return kind.name.partition("/")[0] not in ("builtin", "bound method")


@on_kinds(brief=True, among=importable)
def copies(made: Made) -> Any:
    """`copy` and `deepcopy` do what they do without: functions are themselves."""

    def how(copied: Any, target: Any) -> Any:
        return copied is target, copied == target, type(copied).__name__

    return [
        outcome(lambda: how(way(target), target))
        for way in (copy.copy, copy.deepcopy)
        for target in (made.raw, made.seen)
    ]


@on_kinds(brief=True, among=importable)
def pickles(made: Made) -> Any:
    """It pickles, or does not, as without; where it does, what comes back can be called."""

    def there_and_back(target: Any, protocol: int) -> Any:
        back = pickle.loads(pickle.dumps(target, protocol))
        return back is target, back == target, type(back).__name__

    def how(target: Any, protocol: int) -> Any:
        result = outcome(there_and_back, target, protocol)
        return result if result[0] == "returned" else result[0]

    return [how(target, protocol) for protocol in (2, 5) for target in (made.raw, made.seen)]


@on_kinds(brief=True, among=importable)
def pickled_within(made: Made) -> Any:
    """So do the partial of it, and the structure that holds it."""

    def how(value: Any) -> str:
        return outcome(lambda: type(pickle.loads(pickle.dumps(value))).__name__)[0]

    held = functools.partial(made.seen, 1) if callable(made.seen) else None
    return how(held), how({"one": [made.seen]}), how(made.instance)


@alone("objects")
def pickled_to_another_process(decorate: Any) -> Any:
    """It goes to a process that is spawned and does its work there."""
    target = kinds.in_module(decorate, kinds.function()).raw
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(
        1, mp_context=context, initializer=kinds.remake, initargs=(spec_of(decorate),)
    ) as pool:
        return pool.submit(kinds.call_here, target, -5).result(timeout=30)


# ---- Attributes


@on_kinds(brief=True)
def attributes_are_kept(made: Made) -> Any:
    """Attributes can be set, read and deleted as without."""

    def use(target: Any) -> Any:
        target.mark = 1
        seen = target.mark, "mark" in vars(target)
        del target.mark
        return seen, hasattr(target, "mark")

    return outcome(use, made.raw), outcome(use, made.seen)


@alone("objects")
def attributes_set_before(decorate: Any) -> Any:
    """Attributes that the function had are there, and are the same objects."""
    marks = ["mark"]

    def target() -> None: ...

    target.marks = marks  # type: ignore[attr-defined]
    decorated = decorate(target)
    return decorated.marks is marks, vars(decorated).get("marks")


@alone("objects")
def original_is_left_alone(decorate: Any) -> Any:
    """The function that is decorated is not changed by it."""

    def target(one: int) -> int:
        """Doc."""
        return one

    before = dict(vars(target)), target.__name__, target.__doc__, target.__code__
    decorate(target)
    after = dict(vars(target)), target.__name__, target.__doc__, target.__code__
    return before == after, target(1)


@on_kinds(brief=True)
def binds(made: Made) -> Any:
    """The descriptor protocol gives what it gives without: in an instance, in a class, in none."""

    class Other: ...

    other = Other()

    def bind(*args: Any) -> Any:
        bound = type(made.raw).__get__(made.raw, *args)
        return type(bound).__name__, getattr(bound, "__self__", None) is other, bound is made.raw

    return [outcome(bind, other, Other), outcome(bind, None, Other), outcome(bind, other)]


@on_kinds(brief=True)
def bound_to(made: Made) -> Any:
    """`__self__` and `__func__` are the instance and the function."""
    if made.seen is None:
        return None
    return (
        outcome(lambda: made.seen.__self__ is made.instance),
        outcome(lambda: made.seen.__self__ is made.owner),
        outcome(lambda: made.seen.__func__ is made.raw),
        outcome(lambda: type(made.raw.__func__).__name__),
    )


@on_kinds("function", few=True)
def bound_by_hand(made: Made) -> Any:
    """`types.MethodType` makes a method of it."""
    bound = types.MethodType(made.raw, made)
    return bound.__self__ is made, bound(lambda: 3), str(inspect.signature(bound))


# ---- Tools


@on_kinds(brief=True)
def patched(made: Made) -> Any:
    """`mock.patch.object` takes its place, and gives it back as it was."""
    place, name = (made.owner, "target") if made.owner else (kinds, "target")
    if "target" not in vars(place):
        return None
    before = inspect.getattr_static(place, name)
    with mock.patch.object(place, name, autospec=True) as double:
        seen = type(double).__name__, asyncio.iscoroutinefunction(double) if _old() else None
    return seen, inspect.getattr_static(place, name) is before


def _old() -> bool:
    import sys

    return sys.version_info < (3, 14)


@on_kinds(brief=True)
def specified_mock(made: Made) -> Any:
    """`create_autospec` makes a double that can be called as it can."""

    def call(*args: Any, **kwargs: Any) -> Any:
        double = mock.create_autospec(made.seen)
        result = double(*args, **kwargs)
        if inspect.iscoroutine(result):
            result.close()
        return type(double).__name__, type(result).__name__

    return outcome(call, None, abs), outcome(call, abs), outcome(call), outcome(call, nothing=1)


@on_kinds("function")
def wrapped_by_others(made: Made) -> Any:
    """`functools.wraps(it)` above it makes a wrapper that calls it, and leaves it as it was."""
    calls: list[str] = []

    @functools.wraps(made.seen)
    def above(*args: Any, **kwargs: Any) -> Any:
        calls.append("above")
        return made.call(*args, **kwargs)

    result = above(lambda: calls.append("inside"))
    below = outcome(lambda: above.__wrapped__ == made.seen)
    return result, calls, below, made.run(lambda: 5), getattr(above, "__name__", None)


@on_kinds("function")
def dressed_as_another(made: Made) -> Any:
    """`functools.update_wrapper(it, other)` changes what it is called, never what it calls."""

    def other(*args: Any) -> str:
        """Other."""
        return "the other was called"

    done = outcome(lambda: functools.update_wrapper(made.raw, other) is made.raw)
    return done, made.run(lambda: "as before"), getattr(made.raw, "__name__", None)


@on_places("objects")
def on_an_exit_stack(put: Any) -> Any:
    """`ExitStack` takes it as a callback, and as the function that it is and no context manager:
    it is called with the exception, and swallows it."""
    seen: list[Any] = []

    def leave(here: Any, kind: Any = None, error: Any = None, trace: Any = None) -> bool:
        seen.append(kind and kind.__name__)
        return True

    called = put(leave)
    with contextlib.ExitStack() as stack:
        stack.push(called)
        stack.callback(called)
        raise ValueError
    return seen


@alone("objects")
def on_an_async_exit_stack(decorate: Any) -> Any:
    """`AsyncExitStack` awaits it."""
    seen: list[Any] = []

    @decorate
    async def leave(*error: Any) -> bool:
        await asyncio.sleep(0)
        seen.append(len(error))
        return True

    async def main() -> None:
        async with contextlib.AsyncExitStack() as stack:
            stack.push_async_exit(leave)
            stack.push_async_callback(leave, 1)
            raise ValueError

    asyncio.run(main())
    return seen


@alone("objects")
def as_a_key_function(decorate: Any) -> Any:
    """The callables of the standard library take it."""

    @decorate
    def negative(number: int, *more: int) -> int:
        """Negates."""
        return -number

    @decorate
    def upper(match: re.Match[str]) -> str:
        return match[0].upper()

    return (
        sorted([1, 3, 2], key=negative),
        list(map(negative, [1, 2])),
        functools.reduce(negative, [1, 2, 3]),
        list(itertools.accumulate([1, 2, 3], negative)),
        re.sub("b.", upper, "abcabd"),
        max([1, 2], key=negative),
        list(iter(negative_of(negative), -3)),
    )


def negative_of(function: Any) -> Any:
    count = itertools.count()
    return lambda: function(next(count))


@alone("objects")
def as_an_argument_type(decorate: Any) -> Any:
    """argparse names it in its error."""

    @decorate
    def whole(text: str) -> int:
        return int(text)

    parser = argparse.ArgumentParser(exit_on_error=False)
    parser.add_argument("--n", type=whole)
    return parser.parse_args(["--n", "4"]).n, outcome(parser.parse_args, ["--n", "x"])


@alone("objects")
def as_a_default_factory(decorate: Any) -> Any:
    """dataclasses and defaultdict take it as a factory."""
    import collections
    import dataclasses

    @decorate
    def make() -> list[int]:
        return [1]

    @dataclasses.dataclass
    class Holder:
        items: list[int] = dataclasses.field(default_factory=make)

    return Holder().items, collections.defaultdict(make)["new"]


@alone("objects")
def as_a_single_dispatch_implementation(decorate: Any) -> Any:
    """`singledispatch` takes it as an implementation, by its annotation."""

    @functools.singledispatch
    def say(value: object) -> str:
        return "object"

    @say.register
    @decorate
    def say_number(value: int) -> str:
        return "number"

    @say.register(str)
    @decorate
    def say_text(value: Any) -> str:
        return "text"

    return say(1), say("a"), say(None), say.dispatch(int) is say_number


@alone("objects")
def under_typing_marks(decorate: Any) -> Any:
    """`final`, `no_type_check`, `overload` and `runtime_checkable` do what they do."""

    @typing.final
    @decorate
    def last() -> None: ...

    @typing.no_type_check
    @decorate
    def unchecked(one: Any) -> None: ...

    @typing.runtime_checkable
    class Able(typing.Protocol):
        def go(self) -> None: ...

    class Goes:
        @decorate
        def go(self) -> None: ...

    return (
        getattr(last, "__final__", None),
        typing.get_type_hints(unchecked),
        isinstance(Goes(), Able),
        isinstance(object(), Able),
    )


@alone("objects")
def in_an_enum(decorate: Any) -> Any:
    """A decorated function in the body of an enum is a method, not a member."""

    class Colour(enum.Enum):
        RED = 1

        @decorate
        def shout(self) -> str:
            return self.name

    return [member.name for member in Colour], Colour.RED.shout()


@alone("objects")
def in_a_finalizer(decorate: Any) -> Any:
    """`weakref.finalize` calls it, and it may be a weak reference's callback."""
    seen: list[Any] = []

    @decorate
    def note(*what: Any) -> None:
        seen.append(len(what))

    class Thing: ...

    one, two = Thing(), Thing()
    weakref.finalize(one, note, 1, 2)
    reference = weakref.ref(two, note)
    del one, two
    return seen, reference() is None


@alone("objects")
def as_a_trace_of_del(decorate: Any) -> Any:
    """A decorated `__del__` runs when its object goes, once."""
    seen: list[str] = []

    class Thing:
        @decorate
        def __del__(self) -> None:
            seen.append("gone")

    Thing()
    return seen
