"""The worker's cost to make a request of a call, as ratios to `json.dumps` of the session.

The call is a chat with 4 KB of messages and an answer of 1 KB. Redaction is measured on its own.

pytest tests/performance/test_encoding.py
"""

from __future__ import annotations

import json
import marshal
import time
import timeit

from honeytrace._capture.deferred import arguments, keep
from honeytrace._session import wire
from honeytrace._session.build import close
from honeytrace._session.record import CallRecord, TraceSpec

PROSE = "The quick brown fox jumps over the lazy dog, and says hi.\n" * 20
CHAT = [{"role": role, "content": PROSE[:500]} for role in ("user", "assistant") * 4]
ANSWER = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1700000000,
    "model": "gpt-4o",
    "choices": [
        {
            "index": 0,
            "message": {"role": "assistant", "content": PROSE[:1000], "refusal": None},
            "logprobs": None,
            "finish_reason": "stop",
        }
    ],
    "usage": {"prompt_tokens": 1000, "completion_tokens": 250, "total_tokens": 1250},
}


class Names:
    project, source = "Simple RAG Project", "production"


def bind(args, kwargs):
    return dict(zip(("messages", "model", "temperature"), args, strict=True)) | kwargs


def ended():
    """The record of a call as the worker gets it."""
    spec = TraceSpec("chat", function="app.chat", kind="function", bind=bind)
    captured, _, _ = arguments((CHAT, "gpt-4o", 0.2), {}, bind)
    record = CallRecord(spec, Names, None, bytes(range(16)), captured)
    record.result, _, _ = keep(ANSWER, "outputs")
    record.started, record.duration, record.ended = time.time_ns(), 12.5, True
    return record


def _microseconds(function, *arguments):
    """The best of many bursts."""
    times = timeit.repeat(lambda: function(*arguments), number=50, repeat=300)
    return min(times) / 50 * 1e6


def unpack(record):
    marshal.loads(record.captured)
    marshal.loads(record.result)


def test_chat(report):
    """Reading what the caller packed, closing and encoding, each and in all."""
    record = ended()
    session = close(record)
    whole = {"session": wire.payload(session)}
    base = _microseconds(json.dumps, whole)
    stages = {
        "unpacking": _microseconds(unpack, record),
        "closing, unpacking included": _microseconds(close, record),
        "encoding": _microseconds(wire.encode, session),
    }
    total = _microseconds(lambda: wire.encode(close(record)))
    for name, spent in stages.items():
        report(f"{name} of a 4 KB chat", f"{spent / base:.2f} × json.dumps, {spent:.1f} µs")
    report("all of it", f"{total / base:.2f} × json.dumps (bar 2), {total:.1f} µs")
    assert wire.encode(session) == wire.encode(close(record))
