"""Async generators: the whole protocol, and their end in an event loop."""

from __future__ import annotations

import asyncio
import collections.abc
import contextlib
import contextvars
import gc
import inspect
import sys
import types
import warnings
import weakref
from typing import Any

import pytest
from cases import VARIABLE, Thing, frames, on_places, outcome, told, uncollected
from kinds import finish, pause

from behaviours.coroutines import _asyncio

GROUP = "async generators"


async def counting(here: Any, seen: list[Any]) -> Any:
    """Yields 1 and 2, and tells what happens to it."""
    try:
        seen.append((yield 1))
        await pause()
        seen.append((yield 2))
    except BaseException as error:
        seen.append(told(error))
        raise
    finally:
        seen.append("finally")


async def slow_to_end(here: Any, seen: list[Any]) -> Any:
    """Yields 1 and 2; at its end it awaits the loop."""
    try:
        yield 1
        yield 2
    finally:
        await asyncio.sleep(0)
        seen.append("finally")


async def many_turns() -> None:
    """Let the loop do all that it has to do, however slow the machine is."""
    for _ in range(50):
        await asyncio.sleep(0)


async def result(awaitable: Any) -> Any:
    """Return the outcome of awaiting it."""
    try:
        return "returned", await awaitable
    except BaseException as error:
        return "raised", told(error)


def by_hand(main: Any) -> Any:
    """Runs `main()` without an event loop."""
    return finish(main())


# ---- Steps


@on_places(GROUP)
def nothing_runs_before_the_first_step(put: Any) -> Any:
    """A call makes a generator and runs nothing."""

    async def target(here: Any) -> Any:
        seen.append("ran")
        yield

    seen: list[Any] = []
    made = put(target)()
    before = list(seen)
    finish(anext(made))
    return before, seen


@on_places(GROUP)
def next_by_next(put: Any) -> Any:
    """Its items come one by one, then StopAsyncIteration, again and again."""
    seen: list[Any] = []

    async def main() -> Any:
        made = put(counting)(seen)
        return [await result(anext(made)) for _ in range(4)], await anext(made, "default")

    return by_hand(main), seen


@on_places(GROUP)
def iterated(put: Any) -> Any:
    """`async for` and comprehensions iterate it."""

    async def main() -> Any:
        items = []
        async for item in put(counting)([]):
            items.append(item)
        return items, [item async for item in put(counting)([])]

    return by_hand(main)


@on_places(GROUP)
def sent(put: Any) -> Any:
    """Sent values arrive."""
    seen: list[Any] = []

    async def main() -> Any:
        made = put(counting)(seen)
        return [await result(made.asend(value)) for value in (None, "a", "b", "c")]

    return by_hand(main), seen


@on_places(GROUP)
def sent_things_are_the_objects(put: Any) -> Any:
    """Sent and yielded objects are passed on unchanged."""

    async def echo(here: Any) -> Any:
        value = None
        while True:
            value = yield value

    async def main() -> Any:
        made = put(echo)()
        await anext(made)
        values = [Thing(), None, "", [], ValueError("a value"), ValueError, NotImplemented, 0]
        same = [await made.asend(value) is value for value in values]
        await made.aclose()
        return same

    return by_hand(main)


@on_places(GROUP)
def sent_too_early(put: Any) -> Any:
    """A value cannot be sent to one that has not begun."""

    async def main() -> Any:
        made = put(counting)([])
        return await result(made.asend(1)), await result(anext(made)), await made.aclose()

    return by_hand(main)


@on_places(GROUP)
def awaits_by_hand(put: Any) -> Any:
    """Awaited objects come out step by step, and values sent to them arrive."""

    async def target(here: Any) -> Any:
        yield [await pause("a"), await pause("b")]

    step = put(target)().__anext__()
    return [step.send(None), step.send(1), outcome(step.send, 2), outcome(step.send, None)]


@on_places(GROUP)
def exhausted(put: Any) -> Any:
    """A generator that has ended stays ended, whatever is called on it."""

    async def main() -> Any:
        made = put(counting)([])
        items = [item async for item in made]
        return items, [
            await result(anext(made)),
            await result(made.asend(1)),
            await result(made.athrow(ValueError("late"))),
            await result(made.aclose()),
        ]

    return by_hand(main)


@on_places(GROUP)
def wrong_call_at_the_call(put: Any) -> Any:
    """A wrong call raises at the call."""
    called = put(counting)
    return outcome(called), outcome(called, 1, 2), outcome(called, [], other=1)


# ---- Exceptions


@on_places(GROUP)
def raised_inside(put: Any) -> Any:
    """An error from inside comes out, the same object, and it has ended."""
    error = ValueError("boom")

    async def target(here: Any) -> Any:
        yield 1
        raise error

    async def main() -> Any:
        made = put(target)()
        await anext(made)
        try:
            await anext(made)
        except ValueError as caught:
            return caught is error, told(caught), await result(anext(made))

    return by_hand(main)


@on_places(GROUP, bound=True)
def raised_traceback(put: Any) -> Any:
    """At most one frame is added to what is raised inside."""

    async def target(here: Any) -> Any:
        yield 1
        raise ValueError

    async def main() -> Any:
        made = put(target)()
        await anext(made)
        try:
            await anext(made)
        except ValueError as error:
            return frames(error)

    return by_hand(main)


@on_places(GROUP)
def thrown_and_caught(put: Any) -> Any:
    """The generator catches the exception that is thrown in, and continues."""
    error = ValueError("thrown")

    async def target(here: Any) -> Any:
        try:
            yield 1
        except ValueError as caught:
            yield caught is error, told(caught)
        yield "on"

    async def main() -> Any:
        made = put(target)()
        return [
            await anext(made),
            await made.athrow(error),
            await anext(made),
            await result(anext(made)),
        ]

    return by_hand(main)


@on_places(GROUP)
def thrown_and_not_caught(put: Any) -> Any:
    """An exception that is thrown in and not caught is raised, as the same object."""
    seen: list[Any] = []
    error = ValueError("thrown")

    async def main() -> Any:
        made = put(counting)(seen)
        await anext(made)
        try:
            await made.athrow(error)
        except ValueError as caught:
            return caught is error, told(caught), await result(anext(made))

    return by_hand(main), seen


@on_places(GROUP, bound=True)
def thrown_traceback(put: Any) -> Any:
    """At most one frame is added to what is thrown in."""

    async def main() -> Any:
        made = put(counting)([])
        await anext(made)
        try:
            await made.athrow(ValueError("thrown"))
        except ValueError as error:
            return frames(error)

    return by_hand(main)


@on_places(GROUP)
def thrown_by_type(put: Any) -> Any:
    """A type and a value may be thrown, as before Python 3.12."""

    async def main() -> Any:
        seen: list[Any] = []
        for what in ((ValueError,), (ValueError, "text"), (ValueError("v"),), ("text",), (int,)):
            made = put(counting)(seen)
            await anext(made)
            seen.append(await result(made.athrow(*what)))
            await result(made.aclose())
        return seen

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return by_hand(main)


@on_places(GROUP)
def thrown_before_it_starts(put: Any) -> Any:
    """An exception thrown in before the start is raised; the body never runs."""
    seen: list[Any] = []

    async def main() -> Any:
        made = put(counting)(seen)
        return await result(made.athrow(ValueError("early"))), await result(anext(made))

    return by_hand(main), seen


@on_places(GROUP)
def thrown_while_it_awaits(put: Any) -> Any:
    """An exception thrown in while it awaits, such as a cancellation, arrives at that place."""
    seen: list[Any] = []

    async def target(here: Any) -> Any:
        try:
            await pause()
        except ValueError as error:
            seen.append(told(error))
            yield "caught"

    step = put(target)().__anext__()
    step.send(None)
    return outcome(step.throw, ValueError("in")), seen


@on_places(GROUP)
def stops_inside(put: Any) -> Any:
    """StopIteration and StopAsyncIteration from inside become a RuntimeError, with the cause."""

    async def target(here: Any, error: BaseException) -> Any:
        yield 1
        raise error

    async def main() -> Any:
        seen = []
        for error in (StopIteration("s"), StopAsyncIteration("a"), GeneratorExit("g")):
            made = put(target)(error)
            await anext(made)
            seen.append(await result(anext(made)))
        return seen

    return by_hand(main)


@on_places(GROUP)
def raised_after_one_was_handled(put: Any) -> Any:
    """A handled exception is not the context of a later one; one that is being handled is."""

    async def target(here: Any, later: bool) -> Any:
        try:
            yield 1
        except ValueError:
            yield 2
            if not later:
                raise KeyError("now")  # noqa: B904 - this is the point
        yield 3
        raise KeyError("later")

    async def main() -> Any:
        seen = []
        for later in (True, False):
            made = put(target)(later)
            await anext(made)
            await made.athrow(ValueError("handled"))
            seen.append([await result(anext(made)), await result(anext(made))])
        return seen

    return by_hand(main)


@on_places(GROUP)
def exc_info_over_a_yield(put: Any) -> Any:
    """An exception handled outside is not mixed up with one handled inside."""

    async def target(here: Any) -> Any:
        try:
            raise KeyError
        except KeyError:
            yield sys.exc_info()[0]
            await pause()
            yield sys.exc_info()[0]
        yield sys.exc_info()[0]

    async def main() -> Any:
        made = put(target)()
        seen = [await anext(made), sys.exc_info()[0]]
        try:
            raise LookupError
        except LookupError:
            seen += [await anext(made), sys.exc_info()[0], await anext(made), sys.exc_info()[0]]
        await made.aclose()
        return seen

    return by_hand(main)


# ---- Its end


@on_places(GROUP)
def closed(put: Any) -> Any:
    """`aclose` raises GeneratorExit inside, and may be called again."""
    seen: list[Any] = []

    async def main() -> Any:
        made = put(counting)(seen)
        await anext(made)
        return [
            await result(made.aclose()),
            await result(made.aclose()),
            await result(anext(made)),
        ]

    return by_hand(main), seen


@on_places(GROUP)
def closed_before_it_starts(put: Any) -> Any:
    """One that is closed at once never runs."""
    seen: list[Any] = []

    async def main() -> Any:
        made = put(counting)(seen)
        return await result(made.aclose()), await result(anext(made))

    return by_hand(main), seen


@on_places(GROUP)
def close_is_answered(put: Any) -> Any:
    """It may answer `aclose` with a return, an error, an await; a yield is a RuntimeError."""

    async def target(here: Any, way: str) -> Any:
        try:
            yield
        except GeneratorExit:
            if way == "return":
                return
            if way == "raise":
                raise ValueError("on close")  # noqa: B904 - this is the point
            if way == "await":
                await pause()
                raise
            yield "ignored"

    async def main() -> Any:
        seen = []
        for way in ("return", "raise", "await", "ignore"):
            made = put(target)(way)
            await anext(made)
            seen.append(await result(made.aclose()))
        return seen

    return by_hand(main)


@on_places(GROUP)
def left_early(put: Any) -> Any:
    """With `aclosing`, what is left early is closed before what follows."""
    seen: list[Any] = []

    async def main() -> None:
        async with contextlib.aclosing(put(counting)(seen)) as items:
            async for item in items:
                seen.append(item)
                break
        seen.append("after")

    by_hand(main)
    return seen


@on_places(GROUP)
def closed_in_a_loop(put: Any) -> Any:
    """`aclose` waits until the generator has cleaned up, in the task that calls it."""
    seen: list[Any] = []

    async def target(here: Any) -> Any:
        try:
            yield 1
        finally:
            await asyncio.sleep(0)
            seen.append(asyncio.current_task().get_name())

    async def main() -> None:
        asyncio.current_task().set_name("main")
        made = put(target)()
        await anext(made)
        await made.aclose()
        seen.append("closed")

    return _asyncio(main), seen


@on_places(GROUP)
def abandoned(put: Any) -> Any:
    """One that is left half-consumed is closed by the loop at once, in silence, though its
    `finally` awaits."""
    seen: list[Any] = []

    async def main() -> None:
        async for item in put(slow_to_end)(seen):
            seen.append(item)
            break
        await many_turns()
        seen.append("after")

    return _asyncio(main), seen


@on_places(GROUP)
def abandoned_and_held(put: Any) -> Any:
    """One that is still held at the end is closed by `asyncio.run`, in silence."""
    seen: list[Any] = []
    held: list[Any] = []

    async def main() -> None:
        held.append(put(slow_to_end)(seen))
        held.append(put(slow_to_end)(seen))
        await anext(held[0])

    return _asyncio(main), seen


@on_places(GROUP)
def abandoned_and_failing(put: Any) -> Any:
    """An error in the `finally` of an abandoned one is reported as without."""
    held: list[Any] = []

    async def target(here: Any) -> Any:
        try:
            yield 1
        finally:
            await asyncio.sleep(0)
            raise ValueError("on the way out")

    async def main() -> None:
        held.append(put(target)())
        await anext(held[0])

    ran, said, warned = _asyncio(main)
    return ran, len(said), warned


@on_places(GROUP)
def abandoned_in_a_cycle(put: Any) -> Any:
    """One that hangs in a cycle is closed when the collector finds it."""
    seen: list[Any] = []

    async def main() -> None:
        holder = Thing()
        holder.made = put(slow_to_end)(seen)  # type: ignore[attr-defined]
        holder.self = holder  # type: ignore[attr-defined]
        await anext(holder.made)  # type: ignore[attr-defined]
        del holder
        gc.collect()
        await many_turns()
        seen.append("after")

    return _asyncio(main), seen


@on_places(GROUP)
def dropped_without_a_loop(put: Any) -> Any:
    """Without a loop, a dropped generator is closed as far as possible."""
    seen: list[Any] = []

    async def target(here: Any) -> Any:
        try:
            yield 1
        finally:
            seen.append("finally")

    made = put(target)()
    finish(anext(made))
    reference = weakref.ref(made)
    del made
    return seen, reference() is None


@on_places(GROUP)
def dropped_unstarted(put: Any) -> Any:
    """One that never began is dropped in silence."""
    seen: list[Any] = []

    async def main() -> None:
        put(counting)(seen)
        await asyncio.sleep(0)

    return _asyncio(main), seen


@on_places(GROUP)
def entered_twice(put: Any) -> Any:
    """To step it while it runs is Python's own error."""
    seen: list[Any] = []

    async def target(here: Any) -> Any:
        await pause()
        yield 1

    made = put(target)()
    first = made.__anext__()
    first.send(None)
    for other in (made.__anext__(), made.asend(None), made.aclose()):
        seen.append(outcome(other.send, None))
    return seen, made.ag_running, outcome(first.send, None)


@on_places(GROUP)
def states(put: Any) -> Any:
    """Its state, running or ended, is visible."""
    made = put(counting)([])
    seen = [made.ag_running, made.ag_frame is None, made.ag_await]
    finish(anext(made))
    seen += [made.ag_running, made.ag_frame is None]
    finish(made.aclose())
    seen += [made.ag_running, made.ag_frame is None]
    if sys.version_info >= (3, 12):
        seen.append(inspect.getasyncgenstate(made))
    return seen


@on_places(GROUP)
def step_never_awaited(put: Any) -> Any:
    """A step that is not awaited does nothing."""
    seen: list[Any] = []
    with warnings.catch_warnings(record=True):
        warnings.simplefilter("always")
        made = put(counting)(seen)
        step = made.asend(None)
        del step
        first = finish(anext(made))
    return first, seen


# ---- Memory and context


@on_places(GROUP)
def item_is_let_go(put: Any) -> Any:
    """A yielded object is not kept, nor one that was sent."""

    async def target(here: Any) -> Any:
        while True:
            yield Thing()

    async def main() -> Any:
        made = put(target)()
        references = [weakref.ref(await anext(made)) for _ in range(2)]
        thing = Thing()
        references.append(weakref.ref(thing))
        await made.asend(thing)
        del thing
        dead = [reference() is None for reference in references]
        await made.aclose()
        return dead

    with uncollected():
        return by_hand(main)


@on_places(GROUP)
def arguments_are_let_go(put: Any) -> Any:
    """An argument does not outlive a generator that has ended."""

    async def target(here: Any, thing: Any) -> Any:
        yield

    async def main() -> Any:
        thing = Thing()
        reference = weakref.ref(thing)
        made = put(target)(thing)
        del thing
        async for _ in made:
            pass
        return reference() is None

    with uncollected():
        return by_hand(main)


@on_places(GROUP)
def variable_set_inside(put: Any) -> Any:
    """The consumer sees context variables that the generator sets, and vice versa."""

    async def target(here: Any) -> Any:
        VARIABLE.set("inside")
        yield VARIABLE.get()
        yield VARIABLE.get()

    async def main() -> Any:
        made = put(target)()
        seen = [await anext(made), VARIABLE.get()]
        VARIABLE.set("outside")
        return [*seen, await anext(made), await made.aclose()]

    return contextvars.copy_context().run(by_hand, main)


@on_places(GROUP)
def stepped_in_many_tasks(put: Any) -> Any:
    """Each step may be in another task, and the end too."""
    seen: list[Any] = []

    async def target(here: Any) -> Any:
        try:
            while True:
                task = asyncio.current_task()
                await asyncio.sleep(0)
                yield task.get_name()
        finally:
            seen.append("finally")

    async def main() -> Any:
        made = put(target)()
        names = []
        for name in ("one", "two"):
            names.append(await asyncio.create_task(step(made), name=name))
        await asyncio.create_task(close(made))
        return names

    async def step(made: Any) -> Any:
        return await anext(made)

    async def close(made: Any) -> None:
        await made.aclose()

    return _asyncio(main), seen


@on_places(GROUP)
def same_task(put: Any) -> Any:
    """The body runs in the task that steps it."""

    async def target(here: Any) -> Any:
        await asyncio.sleep(0)
        yield asyncio.current_task()

    async def main() -> Any:
        tasks = [task async for task in put(target)()]
        return tasks[0] is asyncio.current_task(), len(asyncio.all_tasks())

    return asyncio.run(main())


@on_places(GROUP)
def cancelled(put: Any) -> Any:
    """A cancellation arrives where it awaits; a timeout does, too."""
    seen: list[Any] = []

    async def target(here: Any) -> Any:
        yield 1
        try:
            await asyncio.sleep(10)
        except asyncio.CancelledError:
            seen.append("cancelled")
            raise
        finally:
            await asyncio.sleep(0)
            seen.append("finally")

    async def consume() -> None:
        async for item in put(target)():
            seen.append(item)

    async def main() -> Any:
        task = asyncio.create_task(consume())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait({task})
        late = None
        try:
            await asyncio.wait_for(consume(), 0.001)
        except asyncio.TimeoutError as error:
            late = type(error).__name__
        return task.cancelled(), late

    return _asyncio(main), seen


@on_places(GROUP)
def interleaved(put: Any) -> Any:
    """Several in several tasks do not disturb each other, and take no turn of the loop more."""
    seen: list[str] = []

    async def target(here: Any, name: str) -> Any:
        for number in range(3):
            await asyncio.sleep(0)
            yield f"{name}{number}"

    async def consume(name: str) -> None:
        async for item in put(target)(name):
            seen.append(item)

    async def main() -> None:
        await asyncio.gather(*(consume(name) for name in "abc"))

    return _asyncio(main, debug=True), seen


@on_places(GROUP)
def it_is_an_async_generator(put: Any) -> Any:
    """It is one by type, and for the abstract types; it is its own iterator."""
    made = put(counting)([])
    step = made.asend(None)
    step.close()
    return (
        isinstance(made, types.AsyncGeneratorType),
        isinstance(made, collections.abc.AsyncGenerator),
        inspect.isasyncgen(made),
        aiter(made) is made,
        type(step).__name__,
        outcome(iter, made),
        outcome(len, made),
        made == made,
        made.__name__,
        made.__qualname__,
        made.ag_code.co_name,
        outcome(made.__anext__, 1),
        outcome(made.asend),
        outcome(made.aclose, 1),
    )


@on_places(GROUP)
def below_asynccontextmanager(put: Any) -> Any:
    """Below `asynccontextmanager` it serves `async with`: body, error, suppression."""
    seen: list[Any] = []

    async def target(here: Any, way: str) -> Any:
        try:
            await pause()
            yield "value"
        except ValueError as error:
            seen.append(told(error))
            if way == "raise":
                raise
            if way == "other":
                raise KeyError("other") from error
        finally:
            seen.append("finally")

    manager = contextlib.asynccontextmanager(put(target))

    async def use(way: str, error: BaseException | None) -> None:
        async with manager(way) as value:
            seen.append(value)
            if error:
                raise error

    errors = [None, ValueError("v"), KeyError("k"), StopAsyncIteration("s"), RuntimeError("r")]
    ways = ("swallow", "raise", "other")
    return [outcome(finish, use(way, error)) for way in ways for error in errors], seen


@on_places(GROUP)
def in_trio(put: Any) -> Any:
    """trio iterates it, and its awaits are trio's."""
    trio = pytest.importorskip("trio")
    seen: list[Any] = []

    async def target(here: Any) -> Any:
        try:
            for number in range(3):
                await trio.sleep(0)
                yield number
        finally:
            seen.append("finally")

    async def main() -> Any:
        async with contextlib.aclosing(put(target)()) as items:
            async for item in items:
                if item == 1:
                    break
        return [item async for item in put(target)()]

    return trio.run(main), seen
