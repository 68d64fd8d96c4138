"""Calls: their results, exceptions and arguments, and the moment at which they fail."""

from __future__ import annotations

import asyncio
import inspect
import sys
from functools import partial
from typing import Any

from cases import Thing, frames, on_kinds, outcome, told
from kinds import Kind, Made


def takes_arguments(kind: Kind) -> bool:
    return "property" not in kind.name


def takes_anything(kind: Kind) -> bool:
    return "lru_cache" not in kind.name  # which hashes what it is called with


# ---- Results


@on_kinds()
def result_is_the_object(made: Made) -> Any:
    """The very object that the function returns (or yields) arrives."""
    thing = Thing()
    return made.run(lambda: thing) is thing


@on_kinds()
def called_once(made: Made) -> Any:
    """The body runs once for each call."""
    calls: list[int] = []
    made.run(lambda: calls.append(1))
    return len(calls)


@on_kinds(brief=True)
def called_often(made: Made) -> Any:
    """Calls do not disturb each other."""
    return [made.run(lambda number=number: number) for number in range(20)]


@on_kinds(brief=True)
def odd_results(made: Made) -> Any:
    """Values that a wrapper may mistake for something arrive as they are."""
    odd = [None, 0, "", False, NotImplemented, ..., ValueError("a value"), ValueError, [], float]
    return [made.run(lambda value=value: value) is value for value in odd]


@on_kinds()
def result_is_not_consumed(made: Made) -> Any:
    """An iterator, a generator and a coroutine that are returned are left to the caller."""

    async def coroutine() -> int:
        return 1

    waiting = coroutine()
    values = [iter([1, 2, 3]), (n for n in (1, 2)), map(str, [1]), waiting]
    same = [made.run(lambda value=value: value) is value for value in values]
    waiting.close()
    return same, [list(value) for value in values[:3]]


class Touchy:
    """Reports each use of itself, and then fails."""

    def __init__(self, touched: list[str]) -> None:
        self.__dict__["touched"] = touched

    def __getattr__(self, name: str) -> Any:
        self.__dict__["touched"].append(name)
        raise RuntimeError(name)


for _name in (
    "repr str bytes bool len iter next hash eq ne lt contains getitem setitem call enter exit int "
    "float index format reduce_ex copy deepcopy getstate await aiter anext add dir setattr"
).split():

    def _touch(self: Touchy, *_: object, name: str = _name) -> Any:
        self.__dict__["touched"].append(name)
        raise RuntimeError(name)

    setattr(Touchy, f"__{_name}__", _touch)


@on_kinds(among=takes_anything)
def argument_is_not_touched(made: Made) -> Any:
    """No code of an argument is run, and one whose every method fails does no harm."""
    touched: list[str] = []
    thing = Touchy(touched)
    return made.run(lambda *_, **__: 5, thing, [thing], key=thing), touched


@on_kinds()
def result_is_not_touched(made: Made) -> Any:
    """No code of a result is run, and one whose every method fails does no harm."""
    touched: list[str] = []
    thing = Touchy(touched)
    return made.run(lambda: thing) is thing, touched


@on_kinds(few=True)
def exception_without_text(made: Made) -> Any:
    """An exception whose text cannot be had arrives all the same."""

    class Odd(Exception):
        def __str__(self) -> str:
            raise RuntimeError

        __repr__ = __str__

    error = Odd()

    def act() -> None:
        raise error

    try:
        made.run(act)
    except Odd as caught:
        return caught is error


@on_kinds(few=True)
def enormous_values(made: Made) -> Any:
    """Values that are hard to copy, print or compare arrive."""
    circle: list[Any] = []
    circle.append(circle)
    deep: Any = {}
    for _ in range(3000):
        deep = {"in": deep}
    values = [circle, deep, 10**5000, float("nan"), "\ud800", b"\xff" * 10000, list(range(50000))]
    return [made.run(lambda value: value, value) is value for value in values]


# ---- Arguments


@on_kinds(among=takes_arguments)
def arguments_are_the_objects(made: Made) -> Any:
    """The function gets the very objects it was called with, in their order."""
    one, two, three = Thing(), Thing(), Thing()
    seen: list[Any] = []

    def act(*args: Any, **kwargs: Any) -> None:
        seen.extend([*args, *kwargs.items()])

    made.run(act, one, two, b=three, a=one)
    return [seen[0] is one, seen[1] is two, [key for key, _ in seen[2:]], seen[2][1] is three]


@on_kinds(among=takes_anything, brief=True)
def arguments_are_not_copied(made: Made) -> Any:
    """The caller sees what the function changes in an argument."""
    items = [1]
    made.run(lambda given=items: given.append(2))
    made.run(lambda given: given.append(3), items)
    return items


@on_kinds(few=True)
def keywords_stay_the_callers(made: Made) -> Any:
    """The mapping that is unpacked into a call is not changed by it."""
    keywords = {"a": 1}

    def act(**kwargs: Any) -> None:
        kwargs["b"] = 2

    made.run(act, **keywords)
    return keywords


@on_kinds(few=True)
def many_arguments(made: Made) -> Any:
    """Hundreds of arguments arrive."""
    names = {f"k{number}": number for number in range(300)}
    return made.run(lambda *args, **kwargs: [len(args), *kwargs], *range(300), **names)


@on_kinds(few=True)
def keywords_a_tracer_might_take(made: Made) -> Any:
    """No keyword of the caller is taken, whatever its name."""
    names = (
        "self cls name func function fn args kwargs config instance wrapped call result error "
        "session session_id metadata tags run_id parent inputs outputs langsmith_extra"
    )
    return made.run(lambda **kwargs: kwargs, **dict.fromkeys(names.split(), 1))


WRONG = {
    "nothing": ((), {}),
    "too little": ((None,), {"key": 1}),
    "twice": ((None, abs), {"act": abs}),
    "twice the first": ((None, abs), {"here": None}),
    "a key that is no string": ((None, abs), {1: 2}),
}


@on_kinds()
def wrong_calls(made: Made) -> Any:
    """A wrong call raises Python's own TypeError, with its text, at the call and not later."""
    return {why: outcome(_call, made.seen, *call) for why, call in WRONG.items()}


def _call(function: Any, args: Any, kwargs: Any) -> str:
    made = function(*args, **kwargs)
    if inspect.iscoroutine(made):
        made.close()
    return type(made).__name__


@on_kinds(among=takes_arguments)
def calls_by_keyword(made: Made) -> Any:
    """All may be given by name."""
    return outcome(_call, made.seen, (), {"act": abs, "here": None, "more": 1})


# ---- Exceptions


@on_kinds()
def exception_is_the_object(made: Made) -> Any:
    """The very exception arrives, as it was raised."""
    error = ValueError("boom", 5)

    def act() -> None:
        raise error

    try:
        made.run(act)
    except ValueError as caught:
        return caught is error, caught.args, told(caught)


RAISED = (
    Exception,
    KeyboardInterrupt,
    SystemExit,
    GeneratorExit,
    StopIteration,
    StopAsyncIteration,
    asyncio.CancelledError,
    BaseException,
    RecursionError,
    MemoryError,
    AttributeError,
    RuntimeError,
    TypeError,
)


@on_kinds()
def any_exception(made: Made) -> Any:
    """Exceptions of every kind arrive, or become what Python makes of them."""

    def act(kind: type[BaseException]) -> None:
        raise kind("boom")

    return {kind.__name__: outcome(made.run, partial(act, kind)) for kind in RAISED}


@on_kinds()
def exception_with_a_history(made: Made) -> Any:
    """Cause, context, suppression and notes are as they were."""

    def caused(way: str) -> None:
        try:
            raise KeyError("first")
        except KeyError as first:
            error = ValueError("second")
            error.__dict__["__notes__"] = ["a note"]
            if way == "from":
                raise error from first
            if way == "from None":
                raise error from None
            raise error  # noqa: B904 - this is the point

    return {way: outcome(made.run, partial(caused, way)) for way in ("from", "from None", "in")}


@on_kinds()
def exception_within_a_handler(made: Made) -> Any:
    """An exception raised inside has the one that the caller handles as its context."""

    def act() -> None:
        raise ValueError("inner")

    try:
        raise LookupError("outer")
    except LookupError:
        return outcome(made.run, act)


@on_kinds(brief=True)
def exception_raised_again(made: Made) -> Any:
    """An exception that goes through twice is not changed on the way."""
    error = ValueError("again")

    def act() -> None:
        raise error

    return [outcome(made.run, act), outcome(made.run, act)]


@on_kinds(few=True)
def exception_without_room(made: Made) -> Any:
    """An exception that refuses new attributes arrives."""

    class Closed(Exception):
        __slots__ = ()

        def __setattr__(self, name: str, value: object) -> None:
            raise TypeError(name)

        def add_note(self, note: str) -> None:
            raise TypeError(note)

    def act() -> None:
        raise Closed("closed")

    return outcome(made.run, act)


@on_kinds(bound=True)
def traceback_length(made: Made) -> Any:
    """The traceback has at most one frame more: that of the wrapper."""

    def act() -> None:
        raise ValueError("boom")

    try:
        made.run(act)
    except ValueError as error:
        return frames(error)


@on_kinds(brief=True)
def traceback_ends(made: Made) -> Any:
    """The traceback begins at the caller and ends where it was raised."""

    def act() -> None:
        raise ValueError("boom")

    try:
        made.run(act)
    except ValueError as error:
        names = []
        trace = error.__traceback__
        while trace:
            names.append(trace.tb_frame.f_code.co_name)
            trace = trace.tb_next
        return names[0], names[-1]


@on_kinds(few=True)
def traceback_does_not_grow(made: Made) -> Any:
    """The traceback of an exception that is raised again and again does not grow in the wrapper."""
    error = ValueError("boom")

    def act() -> None:
        raise error.with_traceback(None)

    lengths = set()
    for _ in range(3):
        try:
            made.run(act)
        except ValueError:
            lengths.add(frames(error))
    return len(lengths)


@on_kinds()
def exc_info_inside(made: Made) -> Any:
    """The body sees the exception that its caller handles, and only that."""
    before = made.run(lambda: sys.exc_info()[0])
    try:
        raise LookupError
    except LookupError:
        return before, made.run(lambda: sys.exc_info()[0])


@on_kinds()
def exc_info_after(made: Made) -> Any:
    """After the call the caller handles what it handled before."""

    def act() -> None:
        raise ValueError

    try:
        raise LookupError
    except LookupError:
        made.run(lambda: None)
        returned = sys.exc_info()[0]
        outcome(made.run, act)
        return returned, sys.exc_info()[0]


@on_kinds(bound=True)
def depth_inside(made: Made) -> Any:
    """The stack is at most one frame deeper."""

    def act() -> int:
        frame, depth = sys._getframe(), 0
        while frame := frame.f_back:
            depth += 1
        return depth

    return made.run(act)


@on_kinds("function", among=lambda kind: kind.name != "builtin")
def reentrant(made: Made) -> Any:
    """A function may call itself from inside."""
    return made.run(lambda: made.run(lambda: made.run(lambda: 7)))
