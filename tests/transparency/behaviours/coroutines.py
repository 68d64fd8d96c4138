"""Coroutines: the protocol by hand, in asyncio, in trio."""

from __future__ import annotations

import asyncio
import functools
import gc
import inspect
import sys
import warnings
import weakref
from typing import Any

import pytest
from cases import VARIABLE, Thing, alone, frames, on_places, outcome, told
from kinds import finish, pause

GROUP = "coroutines"


def _asyncio(main: Any, **options: Any) -> Any:
    """Runs `main()`, with what asyncio's exception handler and the warnings say."""
    said: list[str] = []

    async def watched() -> Any:
        handler = lambda loop, context: said.append(context["message"])  # noqa: E731
        asyncio.get_running_loop().set_exception_handler(handler)
        return await main()

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        result = outcome(asyncio.run, watched(), **options)
    return result, said, [str(warning.message) for warning in caught]


# ---- By hand


@on_places(GROUP)
def nothing_runs_before_it_is_awaited(put: Any) -> Any:
    """A call makes a coroutine and runs nothing."""
    seen: list[str] = []

    async def target(here: Any) -> None:
        seen.append("ran")

    made = put(target)()
    before = list(seen)
    finish(made)
    return before, seen


@on_places(GROUP)
def sent_by_hand(put: Any) -> Any:
    """Sent values arrive, awaited objects come out, and the result is in StopIteration."""

    async def target(here: Any) -> Any:
        return [await pause("a"), await pause("b")]

    made = put(target)()
    return [made.send(None), made.send(1), outcome(made.send, 2), outcome(made.send, None)]


@on_places(GROUP)
def thrown_and_caught(put: Any) -> Any:
    """The coroutine catches the exception that is thrown in, and continues."""
    error = ValueError("thrown")

    async def target(here: Any) -> Any:
        try:
            await pause()
        except ValueError as caught:
            return [await pause("caught"), caught is error, told(caught)]

    made = put(target)()
    made.send(None)
    return [made.throw(error), outcome(made.send, 5)]


@on_places(GROUP)
def thrown_and_not_caught(put: Any) -> Any:
    """An exception that is thrown in and not caught is raised, as the same object."""
    error = ValueError("thrown")
    seen: list[str] = []

    async def target(here: Any) -> Any:
        try:
            await pause()
        finally:
            seen.append("finally")

    made = put(target)()
    made.send(None)
    try:
        made.throw(error)
    except ValueError as caught:
        return caught is error, told(caught), seen, outcome(made.send, None)


@on_places(GROUP, bound=True)
def thrown_traceback(put: Any) -> Any:
    """At most one frame is added to what is thrown in."""

    async def target(here: Any) -> Any:
        await pause()

    made = put(target)()
    made.send(None)
    try:
        made.throw(ValueError("thrown"))
    except ValueError as error:
        return frames(error)


@on_places(GROUP)
def thrown_before_it_starts(put: Any) -> Any:
    """An exception thrown in before the start is raised; the body never runs."""
    seen: list[str] = []

    async def target(here: Any) -> Any:
        seen.append("ran")

    made = put(target)()
    return outcome(made.throw, ValueError("early")), seen, outcome(made.send, None)


@on_places(GROUP)
def closed(put: Any) -> Any:
    """`close` runs `finally`, once, and then nothing is left to await."""
    seen: list[str] = []

    async def target(here: Any) -> Any:
        try:
            await pause()
        except GeneratorExit:
            seen.append("exit")
            raise
        finally:
            seen.append("finally")

    made = put(target)()
    made.send(None)
    return [outcome(made.close), outcome(made.close), outcome(made.send, None), seen]


@on_places(GROUP)
def closed_before_it_starts(put: Any) -> Any:
    """A coroutine that is closed at once never runs, and nobody complains."""
    seen: list[str] = []

    async def target(here: Any) -> Any:
        seen.append("ran")

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        made = put(target)()
        closed = outcome(made.close)
        del made
    return closed, seen, [str(warning.message) for warning in caught]


@on_places(GROUP)
def close_is_ignored(put: Any) -> Any:
    """A coroutine that goes on after `close` is a RuntimeError."""

    async def target(here: Any) -> Any:
        try:
            await pause()
        except GeneratorExit:
            await pause()

    made = put(target)()
    made.send(None)
    return outcome(made.close)


@on_places(GROUP)
def states(put: Any) -> Any:
    """`inspect` knows whether it waits, runs or has ended."""
    seen: list[str] = []

    async def target(here: Any) -> Any:
        seen.append(inspect.getcoroutinestate(held[0]))
        await pause()

    held = [put(target)()]
    seen.append(inspect.getcoroutinestate(held[0]))
    held[0].send(None)
    seen += [inspect.getcoroutinestate(held[0]), held[0].cr_running, held[0].cr_frame is None]
    outcome(held[0].send, None)
    return [*seen, inspect.getcoroutinestate(held[0]), held[0].cr_frame is None]


@on_places(GROUP)
def awaited_twice(put: Any) -> Any:
    """To await again what has ended is Python's own RuntimeError."""

    async def target(here: Any) -> int:
        return 1

    made = put(target)()
    return outcome(finish, made), outcome(finish, made)


@on_places(GROUP)
def awaited_while_it_runs(put: Any) -> Any:
    """To await what already runs is Python's own error."""
    seen: list[Any] = []

    async def target(here: Any) -> None:
        seen.append(outcome(held[0].send, None))

    held = [put(target)()]
    return outcome(held[0].send, None), seen


@on_places(GROUP)
def never_awaited(put: Any) -> Any:
    """One that is never awaited is warned of, by its name, when it goes."""
    seen: list[str] = []

    async def target(here: Any) -> None:
        seen.append("ran")

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        put(target)()
        gc.collect()
    return [str(warning.message) for warning in caught], seen


@on_places(GROUP)
def sent_too_early(put: Any) -> Any:
    """A value cannot be sent to a coroutine that has not begun."""

    async def target(here: Any) -> None: ...

    made = put(target)()
    result = outcome(made.send, 1)
    made.close()
    return result


@on_places(GROUP)
def local_objects_are_let_go(put: Any) -> Any:
    """When a coroutine is closed, or ends, what it held is free."""

    async def target(here: Any, thing: Any) -> None:
        await pause()

    references = []
    for way in ("close", "end", "drop"):
        thing = Thing()
        references.append(weakref.ref(thing))
        made = put(target)(thing)
        made.send(None)
        del thing
        if way == "close":
            made.close()
        elif way == "end":
            outcome(made.send, None)
        else:
            del made
    return [reference() is None for reference in references]


@on_places(GROUP)
def dropped_halfway(put: Any) -> Any:
    """One that is dropped while it waits is closed: its `finally` runs at once."""
    seen: list[str] = []

    async def target(here: Any) -> None:
        try:
            await pause()
        finally:
            seen.append("finally")

    made = put(target)()
    made.send(None)
    del made
    return seen


@on_places(GROUP)
def exc_info_over_a_pause(put: Any) -> Any:
    """Over a pause, an exception handled outside is not mixed up with one handled inside."""
    seen: list[Any] = []

    async def target(here: Any) -> None:
        try:
            raise KeyError
        except KeyError:
            await pause()
            seen.append(sys.exc_info()[0])
        seen.append(sys.exc_info()[0])
        await pause()

    made = put(target)()
    made.send(None)
    seen.append(sys.exc_info()[0])
    try:
        raise LookupError
    except LookupError:
        made.send(None)
        seen.append(sys.exc_info()[0])
    made.close()
    return seen


# ---- asyncio


@on_places(GROUP)
def run_by_asyncio(put: Any) -> Any:
    """`asyncio.run` takes what it returns."""

    async def target(here: Any) -> int:
        await asyncio.sleep(0)
        return 5

    return asyncio.run(put(target)())


@on_places(GROUP)
def same_task(put: Any) -> Any:
    """The body runs in the task that awaits it."""

    async def target(here: Any) -> Any:
        before = asyncio.current_task()
        await asyncio.sleep(0)
        return before, asyncio.current_task()

    async def main() -> Any:
        one, two = await put(target)()
        return one is two is asyncio.current_task(), len(asyncio.all_tasks())

    return asyncio.run(main())


@on_places(GROUP)
def as_a_task(put: Any) -> Any:
    """It makes a task, with its name, result and error."""

    async def target(here: Any, fail: bool) -> Any:
        await asyncio.sleep(0)
        if fail:
            raise ValueError("boom")
        return asyncio.current_task().get_name()

    async def main() -> Any:
        called = put(target)
        tasks = [asyncio.create_task(called(fail), name=f"task {fail}") for fail in (False, True)]
        done = await asyncio.gather(*tasks, return_exceptions=True)
        return done, [task.get_coro().__name__ for task in tasks], repr(tasks[1].exception())

    return _asyncio(main)


@on_places(GROUP)
def variables_in_tasks(put: Any) -> Any:
    """A variable set in a task stays there; one set in an awaited coroutine does not."""

    async def target(here: Any, value: str) -> Any:
        VARIABLE.set(value)
        await asyncio.sleep(0)
        return VARIABLE.get()

    async def main() -> Any:
        called = put(target)
        in_tasks = await asyncio.gather(called("one"), called("two"))
        after_tasks = VARIABLE.get()
        await called("awaited")
        return in_tasks, after_tasks, VARIABLE.get()

    return asyncio.run(main())


@on_places(GROUP)
def cancelled(put: Any) -> Any:
    """Cancellation arrives inside with its message, and ends the task as cancelled."""
    seen: list[Any] = []

    async def target(here: Any) -> None:
        try:
            await asyncio.sleep(10)
        except asyncio.CancelledError as error:
            seen.append(error.args)
            raise
        finally:
            await asyncio.sleep(0)
            seen.append("cleaned up")

    async def main() -> Any:
        task = asyncio.create_task(put(target)())
        await asyncio.sleep(0)
        task.cancel("enough")
        return outcome_of(await asyncio.wait({task})), task.cancelled(), _cancelling(task)

    return _asyncio(main), seen


def outcome_of(done_and_pending: Any) -> Any:
    done, pending = done_and_pending
    return len(done), len(pending)


def _cancelling(task: Any) -> Any:
    return task.cancelling() if sys.version_info >= (3, 11) else None


@on_places(GROUP)
def cancelled_before_it_starts(put: Any) -> Any:
    """A task that is cancelled before its first step never runs, and nobody complains."""
    seen: list[str] = []

    async def target(here: Any) -> None:
        seen.append("ran")

    async def main() -> Any:
        task = asyncio.create_task(put(target)())
        task.cancel()
        await asyncio.wait({task})
        return task.cancelled()

    return _asyncio(main), seen


@on_places(GROUP)
def cancellation_is_swallowed(put: Any) -> Any:
    """A coroutine may answer a cancellation with a result."""

    async def target(here: Any) -> Any:
        try:
            await asyncio.sleep(10)
        except asyncio.CancelledError:
            return "still here"

    async def main() -> Any:
        task = asyncio.create_task(put(target)())
        await asyncio.sleep(0)
        task.cancel()
        return await task, task.cancelled()

    return _asyncio(main)


@on_places(GROUP)
def timed_out(put: Any) -> Any:
    """`wait_for` and `asyncio.timeout` end it, with their own errors."""
    seen: list[str] = []

    async def target(here: Any) -> None:
        try:
            await asyncio.sleep(10)
        finally:
            seen.append("finally")

    async def main() -> Any:
        try:
            await asyncio.wait_for(put(target)(), 0.001)
        except asyncio.TimeoutError as error:
            seen.append(type(error).__name__)
        if sys.version_info >= (3, 11):
            try:
                async with asyncio.timeout(0.001):
                    await put(target)()
            except TimeoutError as error:
                seen.append(type(error).__name__)

    return _asyncio(main), seen


@on_places(GROUP)
def in_a_task_group(put: Any) -> Any:
    """When one of a group fails, the others are cancelled, and the group has its error."""
    if sys.version_info < (3, 11):
        pytest.skip("Python 3.10 has no task groups")
    seen: list[str] = []

    async def target(here: Any, fail: bool) -> None:
        try:
            await asyncio.sleep(0 if fail else 10)
        except asyncio.CancelledError:
            seen.append("cancelled")
            raise
        raise ValueError("boom")

    async def main() -> Any:
        try:
            async with asyncio.TaskGroup() as group:
                for fail in (False, True, False):
                    group.create_task(put(target)(fail))
        except BaseExceptionGroup as errors:  # noqa: F821 - only from 3.11 on
            return [str(error) for error in errors.exceptions], str(errors)

    return _asyncio(main), seen


@on_places(GROUP)
def steps_of_the_loop(put: Any) -> Any:
    """It takes no turn of the loop more: two coroutines interleave as without."""
    seen: list[str] = []

    async def target(here: Any, name: str) -> None:
        for number in range(3):
            seen.append(f"{name}{number}")
            await asyncio.sleep(0)

    async def other() -> None:
        for number in range(5):
            seen.append(f"-{number}")
            await asyncio.sleep(0)

    async def main() -> None:
        await asyncio.gather(put(target)("a"), other(), put(target)("b"))

    asyncio.run(main())
    return seen


@on_places(GROUP)
def in_debug_mode(put: Any) -> Any:
    """asyncio's debug mode has nothing to say."""

    async def target(here: Any) -> int:
        await asyncio.sleep(0)
        return 1

    async def main() -> Any:
        return await put(target)(), await asyncio.create_task(put(target)())

    return _asyncio(main, debug=True)


@on_places(GROUP)
def eagerly_started(put: Any) -> Any:
    """Eager tasks, of Python 3.12, run it at once."""
    if sys.version_info < (3, 12):
        pytest.skip("eager tasks came with Python 3.12")
    seen: list[str] = []

    async def target(here: Any) -> None:
        seen.append("ran")

    async def main() -> None:
        asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)
        task = asyncio.create_task(put(target)())
        seen.append(f"done: {task.done()}")
        await task

    return _asyncio(main), seen


@on_places(GROUP)
def error_nobody_asked_for(put: Any) -> Any:
    """The error of a task that nobody awaits is reported once, as without."""

    async def target(here: Any) -> None:
        raise ValueError("boom")

    async def main() -> None:
        task = asyncio.create_task(put(target)())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        del task
        gc.collect()

    return _asyncio(main)


@on_places(GROUP)
def shielded_and_gathered(put: Any) -> Any:
    """`shield`, `as_completed` and `wait` take it."""

    async def target(here: Any, value: int) -> int:
        await asyncio.sleep(0)
        return value

    async def main() -> Any:
        called = put(target)
        first = await asyncio.shield(called(1))
        rest = [await each for each in asyncio.as_completed([called(2), called(3)])]
        return first, sorted(rest)

    return _asyncio(main)


@on_places(GROUP)
def from_another_thread(put: Any) -> Any:
    """`run_coroutine_threadsafe` takes it."""

    async def target(here: Any) -> int:
        await asyncio.sleep(0)
        return 3

    async def main() -> Any:
        loop = asyncio.get_running_loop()
        wait = lambda: asyncio.run_coroutine_threadsafe(put(target)(), loop).result(5)  # noqa: E731
        return await asyncio.to_thread(wait)

    return asyncio.run(main())


@on_places(GROUP)
def as_a_context_manager(put: Any) -> Any:
    """As `__aenter__` and `__aexit__` it serves `async with`."""
    seen: list[Any] = []

    async def enter(here: Any) -> str:
        return "entered"

    async def leave(here: Any, *error: Any) -> bool:
        seen.append(error[0])
        return True

    entered, left = put(enter), put(leave)

    class Manager:
        async def __aenter__(self) -> Any:
            return await entered()

        async def __aexit__(self, *error: Any) -> Any:
            return await left(*error)

    async def main() -> None:
        async with Manager() as value:
            seen.append(value)
            raise ValueError

    asyncio.run(main())
    return seen


@on_places(GROUP)
def wrapped_async(put: Any) -> Any:
    """A wrapper of others above it awaits it, and looks like a coroutine function."""

    async def target(here: Any) -> int:
        return 1

    called = put(target)

    @functools.wraps(called)
    async def above(*args: Any) -> Any:
        return await called(*args) + 1

    return finish(above()), inspect.iscoroutinefunction(above)


# ---- trio


@on_places(GROUP)
def in_trio(put: Any) -> Any:
    """trio runs, starts and cancels it; nothing of asyncio is needed."""
    trio = pytest.importorskip("trio")
    seen: list[Any] = []

    async def target(here: Any, value: int) -> int:
        try:
            await trio.sleep(value)
        except trio.Cancelled:
            seen.append("cancelled")
            raise
        VARIABLE.set(value)
        return value

    async def main() -> Any:
        called = put(target)
        task = trio.lowlevel.current_task()
        first = await called(0)
        with trio.move_on_after(0.001) as scope:
            await called(10)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(called, 0)
        return first, scope.cancelled_caught, VARIABLE.get(), trio.lowlevel.current_task() is task

    return trio.run(main), seen


@on_places(GROUP)
def error_in_trio(put: Any) -> Any:
    """An error comes out of trio as it does without."""
    trio = pytest.importorskip("trio")

    async def target(here: Any) -> None:
        await trio.sleep(0)
        raise ValueError("boom")

    return outcome(trio.run, put(target))


# ---- Together with others


@alone(GROUP)
def below_asynccontextmanager(decorate: Any) -> Any:
    """Below `asynccontextmanager` it serves `async with`: body, error, suppression."""
    import contextlib

    seen: list[Any] = []

    @contextlib.asynccontextmanager
    @decorate
    async def manager(swallow: bool) -> Any:
        """Manages."""
        try:
            yield "value"
        except ValueError as error:
            seen.append(told(error))
            if not swallow:
                raise
        finally:
            await asyncio.sleep(0)
            seen.append("finally")

    async def use(swallow: bool, error: BaseException | None) -> Any:
        async with manager(swallow) as value:
            seen.append(value)
            if error:
                raise error

    errors = [None, ValueError("in body"), StopAsyncIteration("stop"), KeyError("other")]
    ran = [_asyncio(lambda s=s, e=e: use(s, e)) for s in (True, False) for e in errors]
    return ran, seen, manager.__name__, manager.__doc__
