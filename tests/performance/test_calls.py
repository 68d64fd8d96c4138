"""The cost of a traced call on the caller's thread, as ratios to two baselines of the same run.

`limit` does the least that tracing needs: two clock readings, a wall clock, a context variable,
a UUID, a dict and a queue. Bars and stretch goals are those of the design.

    pytest tests/performance
"""

from __future__ import annotations

import asyncio
import contextvars
import socket
import time
import uuid
from collections import deque

import pytest
import wrapt

import honeytrace
from honeytrace import trace_session

CALLS = 250
CHUNKS = 1_000
CHAT = [
    {"role": "user" if turn % 2 == 0 else "assistant", "content": "x" * 480} for turn in range(8)
]
BOOK = "x" * 1_000_000

_current: contextvars.ContextVar[object] = contextvars.ContextVar("limit", default=None)
_queue: deque[dict[str, object]] = deque(maxlen=1000)
_figures: dict[str, float] = {}


def bare(question: object, k: int = 3) -> object:
    return k


def limit(question: object, k: int = 3) -> object:
    started, ticks = time.time_ns(), time.perf_counter_ns()
    token = _current.set(started)
    try:
        result = bare(question, k)
    finally:
        _current.reset(token)
    _queue.append(
        {
            "session_id": str(uuid.uuid4()),
            "inputs": {"question": question, "k": k},
            "outputs": {"result": result},
            "start_time": started,
            "duration": time.perf_counter_ns() - ticks,
        }
    )
    return result


@wrapt.decorator
def _through(wrapped, instance, args, kwargs):
    return wrapped(*args, **kwargs)


wrapped = _through(bare)
traced = trace_session(bare)


@trace_session
def parent() -> None:
    for _ in range(CALLS):
        traced("q", 3)


@trace_session
async def traced_coroutine(question: object, k: int = 3) -> object:
    return k


def plain_stream(most: int):
    for _ in range(most):
        yield "token"


async def plain_async_stream(most: int):
    for _ in range(most):
        yield "token"


stream = trace_session(plain_stream)
async_stream = trace_session(plain_async_stream)


def _drain(function):
    def burst():
        for _ in function(CHUNKS):
            pass

    return burst


async def _adrain(function):
    async for _ in function(CHUNKS):
        pass


def _repeat(function, argument, calls=CALLS):
    def burst():
        for _ in range(calls):
            function(argument, 3)

    return burst


async def _awaited():
    for _ in range(CALLS):
        await traced_coroutine("q", 3)


def _measure(benchmark, name, burst, calls=CALLS):
    """Nanoseconds a call, the best of many bursts; delivery has caught up before each."""
    benchmark.pedantic(
        burst, setup=lambda: honeytrace.flush(30) and None, rounds=60, warmup_rounds=3
    )
    _figures[name] = benchmark.stats.stats.min / calls * 1e9


@pytest.fixture(autouse=True, scope="module")
def _at_home(tmp_path_factory):
    honeytrace.configure(home=tmp_path_factory.mktemp("home"), enabled=True)
    yield
    honeytrace.shutdown(5)


def test_bare(benchmark):
    _measure(benchmark, "bare", _repeat(bare, "q"))


def test_limit(benchmark):
    _measure(benchmark, "limit", _repeat(limit, "q"))


def test_wrapt(benchmark):
    _measure(benchmark, "wrapt", _repeat(wrapped, "q"))


def test_root(benchmark):
    _measure(benchmark, "root", _repeat(traced, "q"))


def test_chat(benchmark):
    _measure(benchmark, "chat", _repeat(traced, CHAT))


def test_book(benchmark):
    _measure(benchmark, "book", _repeat(traced, BOOK, calls=5), calls=5)


def test_library(benchmark):
    """More megabytes at once than the queue takes before it lets the worker go first."""
    _measure(benchmark, "library", _repeat(traced, BOOK))


def test_nested(benchmark):
    _measure(benchmark, "nested", parent)


def test_async(benchmark):
    loop = asyncio.new_event_loop()
    try:
        _measure(benchmark, "async", lambda: loop.run_until_complete(_awaited()))
    finally:
        loop.close()


@pytest.mark.parametrize("kind", ["stream", "plain_stream"])
def test_stream(benchmark, kind):
    _measure(benchmark, kind, _drain(globals()[kind]), CHUNKS)


@pytest.mark.parametrize("kind", ["async_stream", "plain_async_stream"])
def test_async_stream(benchmark, kind):
    loop = asyncio.new_event_loop()
    try:
        burst = lambda: loop.run_until_complete(_adrain(globals()[kind]))  # noqa: E731
        _measure(benchmark, kind, burst, CHUNKS)
    finally:
        loop.close()


def test_off(benchmark):
    honeytrace.configure(enabled=False)
    try:
        _measure(benchmark, "off", _repeat(traced, "q"))
    finally:
        honeytrace.configure(enabled=True)


@pytest.mark.parametrize("inside", [False, True], ids=["root", "child"])
def test_unsampled(benchmark, inside):
    """A root that is not sampled, and a call inside one."""
    honeytrace.configure(sample_rate=0.0)
    burst = _repeat(traced, "q")
    try:
        if inside:
            _measure(benchmark, "unsampled child", trace_session(burst))
        else:
            _measure(benchmark, "unsampled root", burst)
    finally:
        honeytrace.configure(sample_rate=None)


def test_durable(benchmark, tmp_path):
    """Each session is on disk when its call returns; the server is down, so that none is sent."""
    with socket.socket() as bound:  # but not listening
        bound.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{bound.getsockname()[1]}"
        honeytrace.configure(server_url=url, spool_dir=tmp_path, durable=True)
        try:
            benchmark.pedantic(_repeat(traced, "q"), rounds=60, warmup_rounds=3)
        finally:
            honeytrace.shutdown(0)
            honeytrace.configure(server_url=None, spool_dir=None, durable=None)
    _figures["durable"] = benchmark.stats.stats.min / CALLS * 1e9


def test_table(report):
    """The figures above, each against its bar."""
    base = _figures["limit"]
    for name, bar in {"root": 1.0, "chat": 2.0, "nested": 1.0, "async": 1.2}.items():
        report(
            f"{name} call",
            f"{_figures[name] / base:.2f} × limit (bar {bar}), {_figures[name]:,.0f} ns",
        )
    for name, bar in {"unsampled root": 500, "unsampled child": _figures["nested"] / 10}.items():
        report(name, f"{_figures[name] - _figures['bare']:,.0f} ns more (bar {bar:,.0f})")
    for name in ("stream", "async_stream"):
        chunk = _figures[name] - _figures[f"plain_{name}"]
        report(f"{name.replace('_', ' ')}, a chunk", f"{chunk:,.0f} ns more (bar 300)")
    report("durable root call", f"{_figures['durable'] / 1e3:.1f} µs, on disk when it returns")
    report("1 MB argument", f"{_figures['book'] / 1e6:.3f} ms (bar 0.5)")
    report("250 MB in a row", f"{_figures['library'] / 1e6:.3f} ms each; the caller waits")
    report("switched off", f"{_figures['off'] / _figures['wrapt']:.2f} × wrapt (bar 1.3)")
    for name in ("bare", "limit", "wrapt"):
        report(f"baseline {name}", f"{_figures[name]:,.0f} ns")
