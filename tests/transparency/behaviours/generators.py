"""Generators: the whole protocol, what they hold, and when they end."""

from __future__ import annotations

import collections.abc
import contextlib
import contextvars
import copy
import functools
import gc
import inspect
import itertools
import pickle
import sys
import types
import warnings
import weakref
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from cases import VARIABLE, Thing, alone, frames, on_places, outcome, told, uncollected

GROUP = "generators"


@contextlib.contextmanager
def unraisable() -> Iterator[list[Any]]:
    """Collect the exceptions that go to `sys.unraisablehook`."""
    seen: list[Any] = []
    before = sys.unraisablehook
    sys.unraisablehook = lambda args: seen.append(told(args.exc_value))
    try:
        yield seen
    finally:
        sys.unraisablehook = before


def complaints_of(called: Any) -> list[Any]:
    """Return the complaints when its generator is dropped after the first step."""
    with unraisable() as complaints:
        made = called()
        next(made)
        del made
    return complaints


def counting(here: Any, seen: list[Any]) -> Any:
    """Yields 1 and 2, tells what happens to it, returns what it was sent last."""
    sent = None
    try:
        sent = yield 1
        seen.append(sent)
        sent = yield 2
        seen.append(sent)
    except BaseException as error:
        seen.append(told(error))
        raise
    finally:
        seen.append("finally")
    return sent


# ---- Steps


@on_places(GROUP)
def nothing_runs_before_the_first_step(put: Any) -> Any:
    """A call makes a generator and runs nothing."""

    def target(here: Any) -> Any:
        seen.append("ran")
        yield

    seen: list[Any] = []
    made = put(target)()
    before = list(seen)
    next(made)
    return before, seen


@on_places(GROUP)
def next_by_next(put: Any) -> Any:
    """Its items come one by one, then StopIteration, again and again."""
    seen: list[Any] = []
    made = put(counting)(seen)
    return [next(made), next(made), outcome(next, made), outcome(next, made), seen]


@on_places(GROUP)
def only_as_far_as_asked(put: Any) -> Any:
    """It runs no further than it is asked to."""
    seen: list[int] = []

    def target(here: Any) -> Any:
        for number in itertools.count():
            seen.append(number)
            yield number

    return list(itertools.islice(put(target)(), 3)), seen


@on_places(GROUP)
def sent(put: Any) -> Any:
    """Sent values arrive, and the last one is returned."""
    seen: list[Any] = []
    made = put(counting)(seen)
    return [made.send(None), made.send("a"), outcome(made.send, "b"), outcome(made.send, "c"), seen]


@on_places(GROUP)
def sent_things_are_the_objects(put: Any) -> Any:
    """Sent and yielded objects are passed on unchanged."""

    def echo(here: Any) -> Any:
        value = None
        while True:
            value = yield value

    made = put(echo)()
    next(made)
    values = [Thing(), None, "", [], ValueError("a value"), ValueError, NotImplemented, 0]
    return [made.send(value) is value for value in values]


@on_places(GROUP)
def sent_too_early(put: Any) -> Any:
    """A value cannot be sent to a generator that has not begun."""
    seen: list[Any] = []
    made = put(counting)(seen)
    return outcome(made.send, 1), next(made), seen


@on_places(GROUP)
def returned(put: Any) -> Any:
    """The value of `return` is in StopIteration, also if it is a tuple or an exception."""

    def target(here: Any, value: Any) -> Any:
        return value
        yield

    def result(value: Any) -> Any:
        try:
            next(put(target)(value))
        except StopIteration as stop:
            return stop.value is value, stop.args == ((value,) if value is not None else ())

    return [result(value) for value in (1, None, (), (1, 2), ValueError("v"), StopIteration(3))]


@on_places(GROUP)
def yielded_from(put: Any) -> Any:
    """`yield from` passes everything through, and has the value of `return`."""
    seen: list[Any] = []

    def outer() -> Any:
        result = yield from put(counting)(seen)
        yield f"returned {result}"

    made = outer()
    return [next(made), made.send("a"), made.send("b"), seen]


@on_places(GROUP)
def thrown_through_yield_from(put: Any) -> Any:
    """`yield from` throws into it, and closes it."""
    seen: list[Any] = []

    def outer() -> Any:
        yield from put(counting)(seen)

    made = outer()
    next(made)
    thrown = outcome(made.throw, KeyError("k"))
    other = outer()
    next(other)
    other.close()
    return thrown, seen


@on_places(GROUP)
def it_yields_from_others(put: Any) -> Any:
    """A generator that delegates passes on what it is sent and thrown."""

    def target(here: Any, inner: Any) -> Any:
        return (yield from inner)

    seen: list[Any] = []
    made = put(target)(counting(None, seen))
    return [next(made), made.send("a"), outcome(made.throw, ValueError("v")), seen]


@on_places(GROUP)
def exhausted(put: Any) -> Any:
    """A generator that has ended stays ended, whatever is called on it."""
    made = put(counting)([])
    list(made)
    return [
        outcome(next, made),
        outcome(made.send, 1),
        outcome(made.throw, ValueError("late")),
        outcome(made.close),
        list(made),
    ]


# ---- Exceptions


@on_places(GROUP)
def raised_inside(put: Any) -> Any:
    """An error from inside comes out, the same object, and it has ended."""
    error = ValueError("boom")

    def target(here: Any) -> Any:
        yield 1
        raise error

    made = put(target)()
    next(made)
    try:
        next(made)
    except ValueError as caught:
        return caught is error, told(caught), outcome(next, made), inspect.getgeneratorstate(made)


@on_places(GROUP, bound=True)
def raised_traceback(put: Any) -> Any:
    """At most one frame is added to what is raised inside."""

    def target(here: Any) -> Any:
        yield 1
        raise ValueError

    made = put(target)()
    next(made)
    try:
        next(made)
    except ValueError as error:
        return frames(error)


@on_places(GROUP)
def thrown_and_caught(put: Any) -> Any:
    """The generator catches the exception that is thrown in, and continues."""
    error = ValueError("thrown")

    def target(here: Any) -> Any:
        try:
            yield 1
        except ValueError as caught:
            yield caught is error, told(caught)
        yield "on"

    made = put(target)()
    return [next(made), made.throw(error), next(made), outcome(next, made)]


@on_places(GROUP)
def thrown_and_not_caught(put: Any) -> Any:
    """An exception that is thrown in and not caught is raised, as the same object."""
    seen: list[Any] = []
    error = ValueError("thrown")
    made = put(counting)(seen)
    next(made)
    try:
        made.throw(error)
    except ValueError as caught:
        return caught is error, told(caught), seen, outcome(next, made)


@on_places(GROUP, bound=True)
def thrown_traceback(put: Any) -> Any:
    """At most one frame is added to what is thrown in."""
    made = put(counting)([])
    next(made)
    try:
        made.throw(ValueError("thrown"))
    except ValueError as error:
        return frames(error)


@on_places(GROUP)
def thrown_by_type(put: Any) -> Any:
    """A type, a value and a traceback may be thrown, as before Python 3.12."""
    seen: list[Any] = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        for what in (
            (ValueError,),
            (ValueError, "text"),
            (ValueError, ValueError("value")),
            (ValueError, None, None),
            (ValueError("value"), "text"),
            ("text",),
            (),
            (int,),
            (ValueError, "text", 5),
        ):
            made = put(counting)(seen)
            next(made)
            seen.append(outcome(made.throw, *what))
            made.close()  # now, and not when what was raised lets go of it
    return seen


@on_places(GROUP)
def thrown_before_it_starts(put: Any) -> Any:
    """An exception thrown in before the start is raised; the body never runs."""
    seen: list[Any] = []
    made = put(counting)(seen)
    return outcome(made.throw, ValueError("early")), seen, outcome(next, made)


@on_places(GROUP)
def thrown_within_a_handler(put: Any) -> Any:
    """An exception thrown in inside a handler keeps its cause and context."""
    seen: list[Any] = []
    made = put(counting)(seen)
    next(made)
    try:
        raise LookupError("outer")
    except LookupError as outer:
        error = ValueError("inner")
        error.__cause__ = outer
        return outcome(made.throw, error), seen


@on_places(GROUP)
def thrown_and_changed(put: Any) -> Any:
    """A generator that answers with another exception has the first as its context."""

    def target(here: Any, way: str) -> Any:
        try:
            yield
        except ValueError as error:
            if way == "from":
                raise KeyError("second") from error
            raise KeyError("second")  # noqa: B904 - this is the point

    made = [put(target)(way) for way in ("from", "plain")]
    return [next(each) for each in made], [outcome(each.throw, ValueError("one")) for each in made]


@on_places(GROUP)
def raised_after_one_was_handled(put: Any) -> Any:
    """A handled exception is not the context of a later one."""

    def target(here: Any) -> Any:
        try:
            yield 1
        except ValueError:
            yield 2
        yield 3
        raise KeyError("later")

    made = put(target)()
    next(made)
    made.throw(ValueError("handled"))
    next(made)
    return outcome(next, made)


@on_places(GROUP)
def raised_while_one_is_handled(put: Any) -> Any:
    """An exception that is being handled over a `yield` is the context of a later one."""

    def target(here: Any) -> Any:
        try:
            yield 1
        except ValueError:
            yield 2
            raise KeyError("later")  # noqa: B904 - this is the point

    made = put(target)()
    next(made)
    made.throw(ValueError("handled"))
    return outcome(next, made)


@on_places(GROUP)
def exc_info_over_a_yield(put: Any) -> Any:
    """An exception handled outside is not mixed up with one handled inside."""

    def target(here: Any) -> Any:
        try:
            raise KeyError
        except KeyError:
            yield sys.exc_info()[0]
            yield sys.exc_info()[0]
        yield sys.exc_info()[0]

    made = put(target)()
    seen = [next(made), sys.exc_info()[0]]
    try:
        raise LookupError
    except LookupError:
        seen += [next(made), sys.exc_info()[0], next(made), sys.exc_info()[0]]
    return seen


@on_places(GROUP)
def consumer_errors_stay_outside(put: Any) -> Any:
    """The errors of the loop that consumes it are not seen inside."""
    seen: list[Any] = []
    made = put(counting)(seen)

    def consume() -> None:
        for _ in made:
            raise ValueError("in the loop")

    return outcome(consume), seen, next(made)


@on_places(GROUP)
def stop_iteration_inside(put: Any) -> Any:
    """StopIteration from inside becomes a RuntimeError with the same cause."""
    stop = StopIteration("inside")

    def target(here: Any) -> Any:
        yield 1
        raise stop

    made = put(target)()
    next(made)
    try:
        next(made)
    except RuntimeError as error:
        return error.__cause__ is stop, told(error)


@on_places(GROUP)
def stop_iteration_thrown(put: Any) -> Any:
    """So does StopIteration that is thrown in."""
    seen: list[Any] = []
    made = put(counting)(seen)
    next(made)
    return outcome(made.throw, StopIteration("thrown")), seen


@on_places(GROUP)
def base_exceptions(put: Any) -> Any:
    """KeyboardInterrupt, SystemExit and GeneratorExit go through, thrown and raised."""

    def target(here: Any, error: BaseException) -> Any:
        yield 1
        raise error

    seen: list[Any] = []
    for kind in (KeyboardInterrupt, SystemExit, GeneratorExit, BaseException):
        made = put(target)(kind("raised"))
        next(made)
        seen.append(outcome(next, made))
        made = put(counting)(seen)
        next(made)
        seen.append(outcome(made.throw, kind("thrown")))
    return seen


@on_places(GROUP)
def wrong_call_at_the_call(put: Any) -> Any:
    """A wrong call of a generator function raises at the call."""
    called = put(counting)
    return outcome(called), outcome(called, 1, 2), outcome(called, [], other=1)


# ---- Its end


@on_places(GROUP)
def closed(put: Any) -> Any:
    """`close` raises GeneratorExit inside, and may be called again."""
    seen: list[Any] = []
    made = put(counting)(seen)
    next(made)
    return [outcome(made.close), outcome(made.close), outcome(next, made), seen]


@on_places(GROUP)
def closed_before_it_starts(put: Any) -> Any:
    """A generator that is closed at once never runs."""
    seen: list[Any] = []
    made = put(counting)(seen)
    return outcome(made.close), outcome(next, made), seen


@on_places(GROUP)
def close_is_answered(put: Any) -> Any:
    """A generator may answer `close` with a return value (which 3.13 hands on) or an error."""

    def target(here: Any, way: str) -> Any:
        try:
            yield
        except GeneratorExit:
            if way == "return":
                return 5
            if way == "raise":
                raise ValueError("on close")  # noqa: B904 - this is the point
            if way == "stop":
                raise StopIteration  # noqa: B904 - this is the point
            yield "ignored"

    results = []
    for way in ("return", "raise", "stop", "ignore"):
        made = put(target)(way)
        next(made)
        results.append(outcome(made.close))
        results.append(inspect.getgeneratorstate(made))
        outcome(list, made)
    return results


@on_places(GROUP)
def left_early(put: Any) -> Any:
    """A loop that is left early lets the generator go: `finally` runs before what follows."""
    seen: list[Any] = []
    for item in put(counting)(seen):
        seen.append(f"item {item}")
        break
    seen.append("after")
    return seen


@on_places(GROUP)
def left_by_an_error(put: Any) -> Any:
    """A loop that is left by an error lets the generator go when the error has been handled."""
    seen: list[Any] = []

    def consume() -> None:
        for _ in put(counting)(seen):
            raise ValueError

    with contextlib.suppress(ValueError):
        consume()
    return [*seen, "after"]


@on_places(GROUP)
def dropped(put: Any) -> Any:
    """One that is dropped is closed at once, without help of the collector."""
    seen: list[Any] = []
    with uncollected():
        made = put(counting)(seen)
        next(made)
        reference = weakref.ref(made)
        del made
    return seen, reference() is None


@on_places(GROUP)
def collected(put: Any) -> Any:
    """One that hangs in a cycle is closed by the collector."""
    seen: list[Any] = []
    holder = Thing()
    holder.made = put(counting)(seen)  # type: ignore[attr-defined]
    holder.self = holder  # type: ignore[attr-defined]
    next(holder.made)  # type: ignore[attr-defined]
    del holder
    gc.collect()
    return seen


@on_places(GROUP)
def dropped_unstarted(put: Any) -> Any:
    """One that never began is dropped in silence."""
    seen: list[Any] = []
    with unraisable() as complaints:
        put(counting)(seen)
    return seen, complaints


@on_places(GROUP)
def error_when_dropped(put: Any) -> Any:
    """An exception raised when it is dropped goes to `sys.unraisablehook`, once."""

    def target(here: Any) -> Any:
        try:
            yield
        finally:
            raise ValueError("on the way out")

    return complaints_of(put(target))


@on_places(GROUP)
def yields_when_dropped(put: Any) -> Any:
    """One that yields when it is dropped is complained of, once."""

    def target(here: Any) -> Any:
        try:
            yield
        finally:
            yield

    return complaints_of(put(target))


@on_places(GROUP)
def states(put: Any) -> Any:
    """`inspect` knows whether it waits, runs or has ended."""
    seen: list[Any] = []

    def target(here: Any) -> Any:
        seen.append((inspect.getgeneratorstate(held[0]), held[0].gi_running))
        yield

    def note() -> None:
        made = held[0]
        seen.append((inspect.getgeneratorstate(made), made.gi_running, made.gi_frame is None))
        seen.append(getattr(made, "gi_suspended", None))

    held = [put(target)()]
    note()
    next(held[0])
    note()
    list(held[0])
    note()
    return seen


@on_places(GROUP)
def entered_twice(put: Any) -> Any:
    """A generator that steps itself is Python's own ValueError, for each way to do it."""
    seen: list[Any] = []

    def target(here: Any) -> Any:
        made = held[0]
        seen.append(outcome(next, made))
        seen.append(outcome(made.send, None))
        seen.append(outcome(made.throw, ValueError("v")))
        seen.append(outcome(made.close))
        yield "fine"

    held = [put(target)()]
    return [next(held[0]), outcome(next, held[0]), seen]


# ---- Memory


@on_places(GROUP)
def item_is_let_go(put: Any) -> Any:
    """A yielded object is not kept: it dies when the consumer lets it go."""

    def target(here: Any) -> Any:
        yield Thing()
        yield Thing()

    with uncollected():
        made = put(target)()
        references = [weakref.ref(next(made)), weakref.ref(next(made))]
        return [reference() is None for reference in references]


@on_places(GROUP)
def sent_thing_is_let_go(put: Any) -> Any:
    """A sent object is not kept, nor one that was thrown."""

    def target(here: Any) -> Any:
        while True:
            with contextlib.suppress(ValueError):
                yield

    class Boom(ValueError): ...

    with uncollected():
        made = put(target)()
        next(made)
        thing, boom = Thing(), Boom()
        references = [weakref.ref(thing), weakref.ref(boom)]
        made.send(thing)
        made.throw(boom)
        del thing, boom
        made.send(None)
        return [reference() is None for reference in references]


@on_places(GROUP)
def arguments_are_let_go(put: Any) -> Any:
    """An argument lives as long as the generator needs it, and no longer."""

    def target(here: Any, thing: Any) -> Any:
        yield
        del thing
        yield
        yield

    with uncollected():
        thing = Thing()
        reference = weakref.ref(thing)
        made = put(target)(thing)
        del thing
        alive = [reference() is not None]
        next(made)
        alive.append(reference() is not None)
        list(made)
        alive.append(reference() is not None)
    return alive


@on_places(GROUP)
def result_is_let_go(put: Any) -> Any:
    """The value of `return` is not kept by a generator that has ended."""

    def target(here: Any) -> Any:
        yield
        return Thing()

    def use() -> Any:
        result = yield from made
        yield weakref.ref(result)

    with uncollected():
        made = put(target)()
        _, reference = use()
    return reference() is None


@on_places(GROUP)
def flat_memory(put: Any) -> Any:
    """A long generator does not hold what it yielded."""
    alive: list[int] = []

    class Counted:
        def __init__(self) -> None:
            alive.append(1)

        def __del__(self) -> None:
            alive.pop()

    def target(here: Any) -> Any:
        for _ in range(500):
            yield Counted()

    most = 0
    for _item in put(target)():
        most = max(most, len(alive))
    return most


# ---- Context


@on_places(GROUP)
def variable_set_inside(put: Any) -> Any:
    """Between the items, the consumer sees context variables that the generator sets."""

    def target(here: Any) -> Any:
        VARIABLE.set("first")
        yield
        VARIABLE.set("second")
        yield

    def main() -> Any:
        return [VARIABLE.get() for _ in put(target)()]

    return contextvars.copy_context().run(main)


@on_places(GROUP)
def variable_set_outside(put: Any) -> Any:
    """At the next step, the generator sees context variables that the consumer sets."""

    def target(here: Any) -> Any:
        while True:
            yield VARIABLE.get()

    def main() -> Any:
        made = put(target)()
        seen = [next(made)]
        VARIABLE.set("outside")
        return [*seen, next(made)]

    return contextvars.copy_context().run(main)


@on_places(GROUP)
def stepped_in_many_contexts(put: Any) -> Any:
    """Each step may be in another context, and the end too."""
    seen: list[Any] = []

    def target(here: Any) -> Any:
        try:
            for _ in range(3):
                yield VARIABLE.get()
        finally:
            seen.append("finally")

    made = put(target)()
    contexts = [contextvars.copy_context() for _ in range(3)]
    for number, context in enumerate(contexts):
        context.run(VARIABLE.set, number)
    items = [context.run(next, made) for context in contexts[:2]]
    closed = contexts[2].run(outcome, made.close)
    return items, closed, seen


@on_places(GROUP)
def stepped_in_many_threads(put: Any) -> Any:
    """Each step may be in another thread."""
    made = put(counting)([])
    with ThreadPoolExecutor(1) as one, ThreadPoolExecutor(1) as two:
        first = one.submit(next, made).result()
        second = two.submit(made.send, 1).result()
        last = one.submit(outcome, next, made).result()
    return first, second, last


@on_places(GROUP)
def interleaved(put: Any) -> Any:
    """Several of one function, stepped in turn, do not disturb each other."""
    called = put(counting)
    one, two = called([]), called([])
    return [
        next(one),
        next(two),
        outcome(one.close),
        next(two),
        list(zip(called([]), called([]), strict=True)),
    ]


# ---- In use


@on_places(GROUP)
def consumed_in_every_way(put: Any) -> Any:
    """Everything that iterates can iterate it."""

    def pairs(here: Any) -> Any:
        yield "a", 1
        yield "b", 2

    make = put(pairs)
    (first, *rest) = make()
    return (
        list(make()),
        dict(make()),
        [first, *rest],
        [key for key, _ in make()],
        sorted(make(), reverse=True),
        list(itertools.chain(make(), make())),
        list(enumerate(make())),
        ("a", 1) in make(),
        max(make()),
        [list(each) for each in itertools.tee(make())],
    )


@on_places(GROUP)
def it_is_a_generator(put: Any) -> Any:
    """It is one by type, and for the abstract types; it is its own iterator."""
    made = put(counting)([])
    return (
        isinstance(made, types.GeneratorType),
        isinstance(made, collections.abc.Generator),
        inspect.isgenerator(made),
        iter(made) is made,
        outcome(copy.copy, made),
        outcome(pickle.dumps, made),
        outcome(len, made),
        hash(made) == hash(made),
        made == made,
        made.__name__,
        made.__qualname__,
        made.gi_code.co_name,
        outcome(made.__next__, 1),
        outcome(made.send),
        outcome(made.close, 1),
    )


@on_places(GROUP)
def recursive(put: Any) -> Any:
    """A recursive generator goes as deep as 30 % of the stack."""

    def down(here: Any, left: int, again: Any) -> Any:
        if left:
            yield from again(left - 1, again)
        yield left

    down = put(down)
    return sum(1 for _ in down(int(sys.getrecursionlimit() * 0.3), down))


@on_places(GROUP)
def wrapped_by_closing(put: Any) -> Any:
    """`contextlib.closing` closes it."""
    seen: list[Any] = []
    with contextlib.closing(put(counting)(seen)) as made:
        next(made)
    return seen


@on_places(GROUP)
def below_contextmanager(put: Any) -> Any:
    """Below `contextmanager` it serves `with`: body, error, suppression."""
    seen: list[Any] = []

    def target(here: Any, way: str) -> Any:
        try:
            yield "value"
        except ValueError as error:
            seen.append(told(error))
            if way == "raise":
                raise
            if way == "other":
                raise KeyError("other") from error
        finally:
            seen.append("finally")

    called = put(target)

    manager = contextlib.contextmanager(called)

    def use(way: str, error: BaseException | None) -> None:
        with manager(way) as value:
            seen.append(value)
            if error:
                raise error

    errors = [None, ValueError("v"), KeyError("k"), StopIteration("s"), RuntimeError("r")]
    ways = ("swallow", "raise", "other")
    return [outcome(use, way, error) for way in ways for error in errors], seen


@on_places(GROUP)
def contextmanager_as_decorator(put: Any) -> Any:
    """The result of `contextmanager` also decorates functions."""
    seen: list[str] = []

    def target(here: Any) -> Any:
        seen.append("in")
        yield
        seen.append("out")

    @contextlib.contextmanager(put(target))()
    def work() -> int:
        seen.append("work")
        return 1

    return [work(), work(), seen]


@on_places(GROUP)
def contextmanager_that_misbehaves(put: Any) -> Any:
    """One that yields never or twice is complained of as without."""

    def never(here: Any) -> Any:
        return
        yield

    def twice(here: Any) -> Any:
        yield
        yield

    def use(function: Any) -> None:
        with contextlib.contextmanager(put(function))():
            pass

    return outcome(use, never), outcome(use, twice)


@on_places(GROUP)
def wrapped_generator(put: Any) -> Any:
    """A wrapper of others above it passes its items on."""
    called = put(counting)

    @functools.wraps(called)
    def above(*args: Any) -> Any:
        return called(*args)

    return list(above([])), list(called([]))


@alone(GROUP)
def names_of_contextmanager(decorate: Any) -> Any:
    """`contextmanager` above it has its name, documentation and signature."""

    @contextlib.contextmanager
    @decorate
    def manager(one: int, *, two: str = "b") -> Iterator[int]:
        """Manages."""
        yield one

    made = manager(3)
    with made as value:
        pass
    return (
        [manager.__name__, manager.__doc__, str(inspect.signature(manager))],
        value,
        made.__doc__,
        outcome(manager),
    )


@alone(GROUP)
def types_coroutine(decorate: Any) -> Any:
    """Above and below `types.coroutine` it can be awaited."""

    def step() -> Any:
        sent = yield "step"
        return sent

    results = []
    for function in (decorate(types.coroutine(step)), types.coroutine(decorate(step))):

        async def main(function: Any = function) -> Any:
            return await function()

        made = main()
        results += [made.send(None), outcome(made.send, 7)]
    return results


@alone(GROUP)
def function_that_returns_a_generator(decorate: Any) -> Any:
    """A function that merely returns a generator hands out that very object."""

    def numbers() -> Iterator[int]:
        yield 1

    made = numbers()
    target = decorate(lambda: made)
    return target() is made, list(made), inspect.isgeneratorfunction(target)
