"""The worker's cost to look for secrets, as ratios to the encoding of the same session.

pytest tests/performance/test_redaction.py
"""

from __future__ import annotations

import itertools
import timeit

import pytest

from honeytrace._redaction.finders import FINDERS
from honeytrace._redaction.redact import redact
from honeytrace._redaction.secrets import without_secrets
from honeytrace._session import wire
from honeytrace._session.session import Session

ID = "67359083-b9c4-49fe-8854-495b4d60399f"
KEY = "sk-proj-aB3dE6gH9jK2mN5pQ8sT1vW4yZ7"
PROSE = "The quick brown fox isn't over-eager to jump, and asks: who pays for the lazy dog? " * 60
CODE = 'for key, value in data.items():\n    print(key, page_token="x", count=3)\n' * 60
JSON = f'{{"id": "{ID}", "role": "user", "content": "Who pays?", "meta": {{"lang": "en"}}}}, ' * 60


def session(**fields):
    common = {
        "project": "Simple RAG",
        "session_name": "answer",
        "source": "production",
        "config": {"model": "gpt-4o", "provider": "openai", "stop": ["\n\n", "User:"]},
        "outputs": {"result": {"role": "assistant", "content": "Paris.", "citations": ["Paris"]}},
        "user_properties": {"user": "u-1", "plan": "pro", "country": "DE"},
        "metrics": {"hits": 3, "prompt_tokens": 12},
        "metadata": {
            "team": "search",
            "release": "1.2.3",
            "honeytrace": {
                "version": "0.1.0",
                "function": "app.rag.answer",
                "kind": "function",
                "parent_id": ID,
                "root_id": ID,
                "status": "ok",
            },
        },
    }
    return Session(**{**common, **fields})


def chat(text):
    turns = [text[i * 512 : (i + 1) * 512] for i in range(8)]
    return session(inputs={"messages": [{"role": "user", "content": turn} for turn in turns]})


QUESTION = {"question": "What is the capital of France?", "documents": ["Paris", "Lyon", "Rome"]}
SESSIONS = {
    "small": session(inputs=QUESTION),
    "chat of 4 KB": chat("x" * 4096),
    "chat of 4 KB, prose": chat(PROSE),
    "chat of 4 KB, code": chat(CODE),
    "small, secret by name": session(inputs={**QUESTION, "api_key": "x"}),
    "small, secret in a text": session(inputs=QUESTION, error=f"bad key {KEY}"),
    "4 MiB of prose": session(inputs={"text": (PROSE * 1000)[: 2**22]}),
    "4 MiB of JSON": session(inputs={"text": (JSON * 1000)[: 2**22]}),
    "1 MiB of passwords": session(inputs={"text": ("pin: 12 token=a, " * 2**16)[: 2**20]}),
    "4 MiB of code": session(inputs={"text": (CODE * 1000)[: 2**22]}),
}


@pytest.mark.parametrize("name", SESSIONS)
def test_redact(benchmark, report, name):
    """The best of many rounds; the encoding is measured next to it."""
    given = SESSIONS[name]
    rounds = 5 if "MiB" in name else 300
    calls = 1 if "MiB" in name else 50
    benchmark.pedantic(redact, (given,), rounds=rounds, iterations=calls, warmup_rounds=1)
    took = benchmark.stats.stats.min
    encoding = min(_timed(given, calls) for _ in range(rounds))
    report(f"redact, {name}", f"{took * 1e6:,.1f} µs, {took / encoding:.2f} × the encoding")


@pytest.mark.parametrize(
    "text", ["x" * 4096, PROSE, CODE, JSON], ids=["x", "prose", "code", "JSON"]
)
def test_redact_new(benchmark, report, text):
    """A chat of 4 KB that was not seen before; texts that were seen are not looked through."""
    numbers = itertools.count()

    def setup():
        return (chat("".join(f"{next(numbers):06}{text[i * 512 :][:506]}" for i in range(8))),), {}

    benchmark.pedantic(redact, setup=setup, rounds=300, warmup_rounds=1)
    report("redact a new chat of 4 KB", f"{benchmark.stats.stats.min * 1e6:,.1f} µs")


# Texts that make a finder look closely again and again.
HOSTILE = [
    *("token=", "token={", "password: ", "token:\n  ", "value=", '"name":"token","value":'),
    *("://", "://a:", "curl -u ", "é=", "%3D", "('token', '", "</token>", "a, b\n"),
    *('"', ":", "=", "-", "a" * 8, "A1b2C3d4", "eyJaaaaaaaaaaaaa.", "sk-"),
]


@pytest.mark.parametrize("piece", HOSTILE)
def test_growth(report, piece):
    """Eight times the text takes about eight times as long; with a square, it would be 64 times."""
    small, large = (_searched(piece, size) for size in (2**16, 2**19))
    report(f"512 KiB of {piece!r}", f"{large:.3f} s, {large / small:.1f} × 64 KiB")
    assert large < max(24 * small, 0.1)  # below, getting the memory takes longest


def _searched(piece, size):
    text = (piece * (size // len(piece) + 1))[:size]
    texts = [f"{text}{number}" for number in range(3)]  # a text that was seen costs nothing
    return min(
        timeit.timeit(lambda: without_secrets(texts.pop(), FINDERS), number=1) for _ in "123"
    )


def _timed(given, calls):
    return timeit.timeit(lambda: wire.encode(given), number=calls) / calls
