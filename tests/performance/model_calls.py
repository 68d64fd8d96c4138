"""What recording a model call costs the caller, above the same call of the plain SDK.

    python tests/performance/model_calls.py                   each form, for 6 seconds
    python tests/performance/model_calls.py 20 "openai sync"  only the forms with these words

The real clients of OpenAI and Anthropic talk to a transport in memory. Three clients take turns:
one that is recorded and, before and after it, two that are not. The difference between those two is
the noise (A/A). The figures are medians of single calls: the CPU time of the caller's thread, and
the time on the clock. A stream has 10 events, each in a piece of its own.

Before each call delivery has caught up and its threads sleep, as they do between the calls of most
programs. So a call finds cold caches and wakes a thread, which is a large part of the figure.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from itertools import permutations, product
from typing import Any

import anthropic
import openai
from anthropic import _base_client as anthropic_base
from openai import _base_client as openai_base

import honeytrace

WARM_UP = 12  # turns of the clients that are not counted
EVENTS = 10
TURNS = list(permutations(range(3)))
MESSAGES = [{"role": role, "content": "x" * 200} for role in ("user", "assistant") * 2]
BASES = {"openai": openai_base, "anthropic": anthropic_base}
CLIENTS: dict[str, tuple[type, type]] = {
    "openai": (openai.OpenAI, openai.AsyncOpenAI),
    "anthropic": (anthropic.Anthropic, anthropic.AsyncAnthropic),
}
REPLACED = ("request", "_process_response")

CHAT = {
    "id": "c",
    "object": "chat.completion",
    "created": 1,
    "model": "gpt-4o",
    "choices": [
        {
            "index": 0,
            "finish_reason": "stop",
            "message": {"role": "assistant", "content": "y" * 300},
        }
    ],
    "usage": {"prompt_tokens": 12, "completion_tokens": 30, "total_tokens": 42},
}
CHUNK = {
    "id": "c",
    "object": "chat.completion.chunk",
    "created": 1,
    "model": "gpt-4o",
    "choices": [{"index": 0, "delta": {"content": "word "}, "finish_reason": None}],
}
MESSAGE = {
    "id": "m",
    "type": "message",
    "role": "assistant",
    "model": "claude-4",
    "content": [{"type": "text", "text": "y" * 300}],
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "usage": {"input_tokens": 12, "output_tokens": 30},
}
TEXT = {"type": "text_delta", "text": "word "}
MESSAGE_EVENTS = [
    {"type": "message_start", "message": {**MESSAGE, "content": []}},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    *[{"type": "content_block_delta", "index": 0, "delta": TEXT}] * (EVENTS - 4),
    {"type": "content_block_stop", "index": 0},
    {"type": "message_stop"},
]
ANSWERS = {
    "openai": json.dumps(CHAT).encode(),
    "anthropic": json.dumps(MESSAGE).encode(),
}
PIECES = {
    "openai": [b"data: %s\n\n" % json.dumps(CHUNK).encode()] * (EVENTS - 1) + [b"data: [DONE]\n\n"],
    "anthropic": [
        b"event: %s\ndata: %s\n\n" % (each["type"].encode(), json.dumps(each).encode())
        for each in MESSAGE_EVENTS
    ],
}

Call = Callable[[], Any]


def transport(sdk: str, asynchronous: bool) -> Any:
    """A transport of the HTTP client that the SDK uses, which answers from memory."""
    base: Any = BASES[sdk]
    http = getattr(base, "httpx2", None) or base.httpx

    def response(request: Any, pieces: Any) -> Any:
        streams = b'"stream":true' in request.content
        media_type = "text/event-stream" if streams else "application/json"
        headers = {"content-type": media_type, "x-request-id": "req_1"}
        return http.Response(200, headers=headers, content=pieces if streams else ANSWERS[sdk])

    def pieces() -> Iterator[bytes]:
        yield from PIECES[sdk]

    async def async_pieces() -> AsyncIterator[bytes]:
        for each in PIECES[sdk]:
            yield each

    def answer(request: Any) -> Any:
        return response(request, pieces())

    async def async_answer(request: Any) -> Any:
        return response(request, async_pieces())

    return http.MockTransport(async_answer if asynchronous else answer)


def client(sdk: str, asynchronous: bool, methods: dict[str, Any]) -> Any:
    """A client of a class of its own, with these methods."""
    package: Any = sys.modules[sdk]
    kind = f"Default{'Async' if asynchronous else ''}HttpxClient"
    http_client = getattr(package, kind)(transport=transport(sdk, asynchronous))
    made = type("Client", (CLIENTS[sdk][asynchronous],), methods)
    return made(api_key="k", http_client=http_client)


def call(made: Any, sdk: str, asynchronous: bool, streams: bool) -> Call:
    """A call of a client."""
    create = made.chat.completions.create if sdk == "openai" else made.messages.create
    arguments: dict[str, Any] = {"model": "m", "messages": MESSAGES, "max_tokens": 100}
    if streams:
        arguments["stream"] = True

    def plain() -> None:
        answer = create(**arguments)
        for _ in answer if streams else ():
            pass

    async def coroutine() -> None:
        answer = await create(**arguments)
        if streams:
            async for _ in answer:
                pass

    return coroutine if asynchronous else plain


@honeytrace.trace_session
def before() -> None:
    """Leaves delivery, and the caches, in the same state before each call."""


async def measure(calls: list[Call], asynchronous: bool, seconds: float) -> list[list[list[int]]]:
    """Nanoseconds of CPU time, and on the clock, of each call by client."""
    found: list[list[list[int]]] = [[[], []] for _ in calls]
    end = time.monotonic() + seconds
    turn = 0
    while time.monotonic() < end or turn <= WARM_UP:
        for at in TURNS[turn % len(TURNS)]:
            before()
            honeytrace.flush(30)
            started, used = time.perf_counter_ns(), time.thread_time_ns()
            if asynchronous:
                await calls[at]()
            else:
                calls[at]()
            used, took = time.thread_time_ns() - used, time.perf_counter_ns() - started
            if turn >= WARM_UP:
                found[at][0].append(used)
                found[at][1].append(took)
        turn += 1
    return found


def main() -> None:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 6.0
    originals = {
        (sdk, asynchronous): {name: getattr(kind, name) for name in REPLACED}
        for sdk, kinds in CLIENTS.items()
        for asynchronous, kind in zip((False, True), kinds, strict=True)
    }
    honeytrace.configure(home=tempfile.mkdtemp(), enabled=True)
    honeytrace.instrument("openai", "anthropic")
    for sdk, asynchronous, streams in product(CLIENTS, (False, True), (False, True)):
        form = f"{sdk} {'async' if asynchronous else 'sync'}{' stream' if streams else ''}"
        if not all(word in form for word in sys.argv[2:]):
            continue
        plain = originals[sdk, asynchronous]
        clients = [client(sdk, asynchronous, methods) for methods in (plain, {}, plain)]
        calls = [call(each, sdk, asynchronous, streams) for each in clients]
        found = asyncio.run(measure(calls, asynchronous, seconds))
        print(f"{form:24}{report(found)}", flush=True)


def report(found: list[list[list[int]]]) -> str:
    figures = []
    for at, what in enumerate(("CPU", "clock")):
        one, recorded, other = (statistics.median(times[at]) / 1e3 for times in found)
        figures.append(f"{what} +{recorded - (one + other) / 2:.0f} µs (A/A {other - one:+.0f})")
    plain = statistics.median(found[0][0]) / 1e3
    return f"plain {plain:,.0f} µs   {'   '.join(figures)}   {len(found[0][0])} calls each"


if __name__ == "__main__":
    main()
