"""Kinds of functions and values with which public bug reports say that other tracers failed."""

from __future__ import annotations

import asyncio
import collections
import contextvars
import dataclasses
import gc
import sys
import threading
import weakref
from collections.abc import Iterator
from unittest import mock

import pytest

import honeytrace
from honeytrace import trace_session
from honeytrace.testing import capture_sessions


@trace_session
def passed(value):
    return value


def recorded(value):
    """Return how an argument and the same result are recorded."""
    before = honeytrace.stats().errors
    with capture_sessions() as sessions:
        assert passed(value) is value
    (session,) = sessions
    assert honeytrace.stats().errors == before
    return session.inputs["value"], session.outputs


class Query:
    """A query that runs when anything about its result is asked, as Django's do.

    getsentry/sentry-python 4604 and 6649, djust-org/djust 649
    """

    ran = 0

    def run(self, *_):
        type(self).ran += 1
        return iter(())

    __iter__ = __len__ = __bool__ = __repr__ = __str__ = __eq__ = __contains__ = run
    __getattr__ = __getitem__ = __aiter__ = __format__ = __dir__ = __sizeof__ = __reduce_ex__ = run
    __hash__ = None


def test_a_query_does_not_run():
    query = Query()
    assert recorded({"rows": [query]})[0] == {"rows": [f"<{__name__}.Query>"]}
    assert recorded(query)[1] == {"result": f"<{__name__}.Query>"}
    assert Query.ran == 0


@dataclasses.dataclass
class Row:
    """A row whose second column is loaded when it is read, as mapped dataclasses of SQLAlchemy."""

    id: int
    text: str = "deferred"

    def __getattribute__(self, name):
        if name == "text":
            raise LookupError("the row is detached")
        return object.__getattribute__(self, name)


def test_a_column_is_not_loaded():
    """getsentry/sentry-python 3444"""
    row = Row(1)
    del row.__dict__["text"]
    assert recorded([row])[0] == [{"id": 1}]


@pytest.mark.parametrize("kind", [mock.Mock, mock.MagicMock, mock.AsyncMock])
def test_a_mock_is_not_called(kind):
    """A test that asserts on the calls of a mock sees only those of the program."""
    value = kind()
    recorded([value])
    assert value.mock_calls == []


def test_a_proxy_of_something_gone():
    proxy = weakref.proxy(Query())
    gc.collect()
    assert recorded([proxy])[0] == ["<weakref.ProxyType>"]


@pytest.mark.parametrize("consumed", [iter, lambda items: (item for item in items), reversed])
def test_an_iterator_stays_whole(consumed):
    """langfuse/langfuse 1855 and 10797"""
    iterator = consumed([1, 2])
    recorded({"items": iterator})
    assert sorted(iterator) == [1, 2]


def test_values_that_other_threads_change():
    """Each copy is of some moment, and no call fails."""
    shared, items, over = dict[int, object](), collections.deque[int](maxlen=300), threading.Event()

    def change():
        number = 0
        while not over.is_set():
            number += 1
            shared[number % 300] = [number]
            shared.pop((number + 150) % 300, None)
            items.append(number)

    thread = threading.Thread(target=change)
    before, errors = sys.getswitchinterval(), honeytrace.stats().errors
    sys.setswitchinterval(1e-6)
    try:
        thread.start()
        with capture_sessions() as sessions:
            for _ in range(20):
                passed([shared, items])
    finally:
        over.set()
        thread.join()
        sys.setswitchinterval(before)
    assert len(sessions) == 20
    assert honeytrace.stats().errors == errors


class Everything:
    """A class of which every special method is traced, also those that a copy might call."""

    @trace_session
    def __repr__(self):
        return "Everything()"

    @trace_session
    def __getattribute__(self, name):
        return object.__getattribute__(self, name)

    @trace_session
    def __getattr__(self, name):
        raise AttributeError(name)

    @trace_session
    def __hash__(self):
        return 1

    @trace_session
    def __eq__(self, other):
        return self is other

    @trace_session
    def __bool__(self):
        return False

    @trace_session
    def __len__(self):
        return 3

    @trace_session
    def __await__(self):
        return (yield from asyncio.sleep(0, "awaited").__await__())

    @trace_session
    def __iter__(self) -> Iterator[int]:
        yield 1


def test_special_methods():
    """They do what they did, and copying the object calls none of them."""
    thing = Everything()

    async def main():
        return await thing

    assert ({thing: 1}[thing], len(thing), bool(thing), [*thing]) == (1, 3, False, [1])
    assert (repr(thing), hasattr(thing, "more"), asyncio.run(main())) == (
        *("Everything()", False),
        "awaited",
    )
    with capture_sessions() as sessions:
        passed([thing])
    assert [each.session_name for each in sessions] == ["passed"]


def test_an_async_generator_that_others_close():
    """Each step and the end may be in a task of its own; there is no error.

    langfuse/langfuse 13590, open-telemetry/opentelemetry-python 2606
    """

    @trace_session
    async def numbers():
        yield honeytrace.current_session().session_name
        yield 2

    async def main():
        steps = numbers()
        name = await asyncio.create_task(steps.__anext__())
        await asyncio.create_task(steps.aclose())
        return name, bool(honeytrace.current_session())

    with capture_sessions() as sessions:
        name, inside = asyncio.run(main())
    assert name.endswith("numbers")
    assert not inside
    assert [each.error for each in sessions] == [None]


def test_a_generator_in_two_contexts():
    @trace_session
    def names():
        while True:
            yield honeytrace.current_session().session_id

    with capture_sessions() as sessions:
        steps, contexts = names(), [contextvars.copy_context() for _ in range(2)]
        ids = {context.run(next, steps) for context in contexts}
        left = [bool(context.run(honeytrace.current_session)) for context in contexts]
        steps.close()
    assert ids == {sessions[0].session_id}
    assert left == [False, False]


@pytest.mark.parametrize("builtins", [{}, {"len": len}])
def test_a_function_with_other_builtins(builtins):
    """Template engines and notebooks run code in namespaces of their own."""
    namespace = {"__builtins__": builtins}
    exec("def answer(value): return value", namespace)
    assert trace_session(namespace["answer"])(3) == 3


def test_an_exception_with_a_huge_message():
    """The program gets it whole, the session a part. Some carry the whole prompt."""
    error = ValueError("x" * 2**23)

    @trace_session
    def fail():
        raise error

    with capture_sessions() as sessions, pytest.raises(ValueError, match="xxx") as caught:
        fail()
    assert caught.value is error
    assert len(sessions[0].error) < 5_000
