"""Functions that return before their work is done, after public bug reports of other tracers."""

from __future__ import annotations

import asyncio
import concurrent.futures
import inspect
import sys

import pytest

from honeytrace import trace_session
from honeytrace.testing import capture_sessions


@pytest.mark.parametrize("end", ["result", "error", "cancelled", "dropped"])
def test_a_future_that_a_plain_function_returns(end):
    """The session ends with the future, however that ends.

    DataDog/dd-trace-py#15305: "support for Tornado coroutines and functions that return Futures";
    run-llama/llama_index#16290; open-telemetry/opentelemetry-python-contrib#2461 and #5084:
    "Do not leave unended spans for asyncio futures that never complete"
    """

    @trace_session
    def start():
        return asyncio.get_running_loop().create_future()

    async def main():
        future = start()
        if end == "result":
            future.set_result(5)
        elif end == "error":
            future.set_exception(LookupError("later"))
        elif end == "cancelled":
            future.cancel()
        else:
            return
        await asyncio.wait([future])
        assert future.cancelled() or future.exception() or future.result() == 5

    with capture_sessions() as sessions:
        asyncio.run(main())
    (session,) = sessions
    assert session.outputs == ({"result": 5} if end == "result" else {})
    assert bool(session.error) == (end in ("error", "cancelled"))


@pytest.mark.parametrize("end", ["result", "error", "cancelled", "dropped"])
@pytest.mark.parametrize("asynchronous", [False, True])
def test_a_future_of_a_pool(monkeypatch, asynchronous, end):
    """A function that hands its work to a pool is recorded with the result of that work.

    run-llama/llama_index#16290: "instrumentation will log the future instead of the actual result"
    """
    futures = [concurrent.futures.Future()]
    if not asynchronous:  # the program does not use asyncio
        monkeypatch.delitem(sys.modules, "asyncio.exceptions")

    @trace_session
    def submit():
        return futures[0]

    with capture_sessions() as sessions:
        assert submit() is futures[0]
        assert len(sessions) == 0
        future = futures.pop()
        if end == "result":
            future.set_result({"answer": 5})
        elif end == "error":
            future.set_exception(LookupError("later"))
        elif end == "cancelled":
            future.cancel()
        del future
    (session,) = sessions
    assert session.outputs == ({"answer": 5} if end == "result" else {})
    errors = {"error": "LookupError: later", "cancelled": "CancelledError"}
    assert session.error == errors.get(end)
    assert (session.metadata["honeytrace"]["status"] == "cancelled") == (end == "cancelled")


class AsyncClient:
    def __init__(self):
        self.keys = ["a", "b"]

    @trace_session
    def options(self, **given):
        return {**given}

    @trace_session
    def scan(self):
        return self._scan()

    async def _scan(self):
        for key in self.keys:
            yield key


def test_plain_methods_of_an_async_client():
    """They return at once what they returned: options, or an async iterator.

    newrelic/newrelic-python-agent#1465: "breaks elasticsearch.AsyncElasticsearch class", and #944:
    "redis.scan_iter return coroutine object"
    """
    client = AsyncClient()

    async def main():
        return [key async for key in client.scan()]

    assert client.options(retries=1) == {"retries": 1}
    assert asyncio.run(main()) == ["a", "b"]
    assert not inspect.iscoroutinefunction(client.scan)
