"""Plain functions that return an awaitable: the session lasts as long as that does."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import gc
import inspect
import logging
import warnings

import pytest
from finalizers import finalizers

import honeytrace
from honeytrace import trace_session


async def reply(text: str = "hi", *, fail: bool = False):
    await asyncio.sleep(0.02)
    if fail:
        raise ConnectionError("500")
    return {"text": text}


def checked(function):
    """A decorator that makes a plain function of a coroutine function, as SDKs do."""

    @functools.wraps(function)
    def checking(*args, **kwargs):
        return function(*args, **kwargs)

    return checking


class Client:
    def create(self, **kwargs):
        return reply(**kwargs)


class Callable_:  # noqa: N801 - `Callable` is taken
    def __call__(self, **kwargs):
        return reply(**kwargs)


def scheduled(**kwargs):
    return asyncio.get_running_loop().create_task(reply(**kwargs))


RETURNS = {
    "wrapped": checked(reply),
    "lambda": lambda **kwargs: reply(**kwargs),
    "bound method": Client().create,
    "callable object": Callable_(),
    "partial": functools.partial(lambda **kwargs: reply(**kwargs), text="hi"),
    "task": scheduled,
    "gathered": lambda **kwargs: asyncio.ensure_future(reply(**kwargs)),
}


@pytest.fixture(params=RETURNS)
def create(request):
    """A traced plain function that returns an awaitable."""
    return trace_session(RETURNS[request.param], name="create")


def about(session):
    return session["metadata"]["honeytrace"]


def test_the_session_lasts_until_the_awaitable_has_ended(create, sent):
    """It has the result and the duration of the awaitable."""

    async def main():
        return await create(text="hi")

    assert asyncio.run(main()) == {"text": "hi"}
    (session,) = sent()
    assert session["outputs"] == {"text": "hi"}
    assert session["duration"] >= 15


def test_an_awaitable_that_has_ended_runs_no_finalizer(create):
    """An exception of a signal handler in a finalizer would be lost."""

    async def main():
        return await create(text="hi")

    with finalizers() as ran:
        assert asyncio.run(main()) == {"text": "hi"}
    assert ran == []


def test_an_awaitable_that_fails_is_an_error(create, sent):
    """The session has the exception, which reaches the caller as it was raised."""

    async def main():
        await create(fail=True)

    with pytest.raises(ConnectionError, match="500"):
        asyncio.run(main())
    (session,) = sent()
    assert session["error"] == "ConnectionError: 500"
    assert about(session)["exception"]["traceback"][-1].endswith("in reply")


def test_an_awaitable_that_is_cancelled_is_cancelled(create, sent):
    """As for a coroutine function."""

    async def main():
        task = asyncio.ensure_future(create())
        await asyncio.sleep(0)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        await asyncio.sleep(0)

    asyncio.run(main())
    assert about(sent()[0])["status"] == "cancelled"


def test_what_runs_inside_is_a_child(sent):
    """The session is current in the coroutine, and nowhere else."""
    inner = trace_session(reply)
    seen = []

    @trace_session(name="outer")
    def outer():
        return inner()

    async def main():
        waiting = outer()
        seen.append(bool(honeytrace.current_session()))
        with trace_session("around") as around:
            await waiting
            seen.append(honeytrace.current_session() == around)

    asyncio.run(main())
    child, parent, around = sent()
    assert (child["session_name"], parent["session_name"]) == ("reply", "outer")
    assert parent["children_ids"] == [child["session_id"]]
    assert seen == [False, True]
    assert not around.get("children_ids")


def test_a_coroutine_stays_one():
    """Tools that ask what was returned, and asyncio, see a coroutine with the same names."""
    made = trace_session(lambda: reply())()
    assert inspect.iscoroutine(made)
    assert inspect.getcoroutinestate(made) == inspect.CORO_CREATED
    assert (made.__name__, made.__qualname__) == ("reply", "reply")
    assert asyncio.run(asyncio.wait_for(made, 5)) == {"text": "hi"}


def test_a_coroutine_that_is_kept_elsewhere_is_the_same_object(sent):
    """The program may await the one that it kept, or compare the two."""
    kept = []

    @trace_session
    def start():
        kept.append(reply())
        return kept[0]

    assert start() is kept[0]
    assert asyncio.run(kept[0]) == {"text": "hi"}
    assert len(sent()) == 1


@pytest.mark.parametrize("close", [True, False])
def test_a_coroutine_that_nobody_awaits(close, sent):
    """It ends the session when it is closed or dropped, and Python warns as without us."""
    create = trace_session(lambda: reply())
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        waiting = create()
        if close:
            waiting.close()
        del waiting
        gc.collect()
    said = [str(each.message) for each in caught]
    caught.clear()  # a warning holds the coroutine
    assert said == ([] if close else ["coroutine 'reply' was never awaited"])
    (session,) = sent()
    assert (session["outputs"], session.get("error")) == ({}, None)


def test_a_future_is_the_same_object(sent):
    """The caller gets what the function made, and its session ends with it."""
    made = []

    @trace_session
    def ask():
        made.append(asyncio.get_running_loop().create_future())
        return made[-1]

    async def main():
        future = ask()
        assert future is made[0]
        asyncio.get_running_loop().call_later(0.02, future.set_result, "late")
        await future
        await asyncio.sleep(0)

    asyncio.run(main())
    (session,) = sent()
    assert session["outputs"] == {"result": "late"}
    assert session["duration"] >= 15


def test_a_future_that_is_done_is_read_at_once(sent):
    """No callback is needed, which a loop that ends would not run."""

    @trace_session
    def ask():
        future = asyncio.get_running_loop().create_future()
        future.set_result("now")
        return future

    async def main():
        ask()

    asyncio.run(main())
    assert sent()[0]["outputs"] == {"result": "now"}


def test_a_future_that_is_dropped_ends_its_session(sent):
    """A future that nobody can complete any more is collected, and its session with it."""

    @trace_session
    def ask():
        return asyncio.get_running_loop().create_future()

    async def main():
        ask()

    asyncio.run(main())
    gc.collect()
    (session,) = sent()
    assert (session["outputs"], session.get("error")) == ({}, None)


def test_an_exception_that_nobody_retrieves_is_still_reported(sent, caplog):
    """asyncio logs an exception that was never retrieved; recording it is not retrieving it."""

    @trace_session
    def ask():
        return asyncio.ensure_future(reply(fail=True))

    async def main():
        ask()
        await asyncio.sleep(0.1)

    with caplog.at_level(logging.ERROR, "asyncio"):
        asyncio.run(main())
        gc.collect()
    (said,) = (each.message for each in caplog.records if each.name == "asyncio")
    assert said.startswith("Task exception was never retrieved")
    assert sent()[0]["error"] == "ConnectionError: 500"


def test_other_awaitables_are_returned_as_they_are(sent):
    """They may have more methods than `__await__`, so the session ends with the call."""

    class Request:
        def __await__(self):
            return reply().__await__()

    request = Request()
    assert trace_session(lambda: request)() is request
    assert len(sent()) == 1


def test_switched_off_a_coroutine_is_returned_as_it_is():
    """Nothing is followed when nothing is recorded."""
    honeytrace.configure(enabled=False)
    try:
        made = trace_session(lambda: reply())()
        assert made.cr_code is reply.__code__
        made.close()
    finally:
        honeytrace.configure(enabled=None)


def test_outside_of_recording_nothing_is_followed(sent):
    """While we call a user's function ourselves, there is no session to end."""
    made = []

    def process(inputs):
        made.append(create())
        return inputs

    create = trace_session(lambda: reply())
    trace_session(lambda x: x, process_inputs=process)(1)
    assert made[0].cr_code is reply.__code__
    made[0].close()
    assert len(sent()) == 1
