"""The cost of a call: by the user's prices, by `genai-prices`, or unknown."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import types

import pytest

import honeytrace
from honeytrace import ConfigurationError, trace_session
from honeytrace._capture.providers import prices
from honeytrace._capture.providers.prices import Price, cost
from honeytrace.testing import capture_sessions

PRICES = {
    "gpt-4o": Price(2.5, 1.25, 10.0),
    "gpt-4o-2024-05-13": Price(5.0, 5.0, 15.0),
    "two": Price(2.5, None, 10.0),
    "four": Price(2.5, 1.25, 10.0, 3.0),
}
USAGE = {"prompt_tokens": 1_000_000, "completion_tokens": 100_000, "cached_tokens": 400_000}


@pytest.fixture(autouse=True)
def no_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "genai_prices", None)
    prices._genai_prices.cache_clear()
    yield
    prices._genai_prices.cache_clear()


@pytest.mark.parametrize(
    ("models", "usage", "dollars"),
    [
        (["gpt-4o"], USAGE, 1.5 + 0.5 + 1.0),
        (["openai/gpt-4o"], USAGE, 3.0),
        (["gpt-4o-2026-01-01"], USAGE, 3.0),
        (["gpt-4o@20260101"], USAGE, 3.0),
        (["gpt-4o-2024-05-13", "gpt-4o"], USAGE, 6.5),
        (["unknown", "gpt-4o"], {"prompt_tokens": 2_000_000}, 5.0),
        (["gpt-4o-mini"], USAGE, None),
        (["gpt-4o"], {}, None),
        ([], USAGE, None),
        (["two"], {"prompt_tokens": 1_000_000, "cached_tokens": 0}, 2.5),
        (["two"], USAGE, None),
        (["four"], {**USAGE, "cache_write_tokens": 200_000}, 1.0 + 0.5 + 0.6 + 1.0),
        (["gpt-4o"], {**USAGE, "cache_write_tokens": 200_000}, 3.0),
        (["gpt-4o"], {"prompt_tokens": 1, "cached_tokens": 2}, None),
    ],
)
def test_prices_of_the_user(models, usage, dollars):
    """Cached tokens have a price of their own; without it, the cost is not known."""
    found = cost(models, usage, PRICES, "openai")
    assert found == (dollars if dollars is None else pytest.approx(dollars))


def test_package(monkeypatch):
    """A model that the user has no price for is looked up in the package, without a guess."""
    asked = []

    class Usage(dict):
        pass

    def calc_price(usage, model, *, provider_id):
        asked.append((model, provider_id, usage["cache_read_tokens"]))
        if model != "claude-4":
            raise LookupError(model)
        return types.SimpleNamespace(total_price="0.25")

    package = types.SimpleNamespace(Usage=Usage, calc_price=calc_price)
    monkeypatch.setitem(sys.modules, "genai_prices", package)
    assert cost(["gpt-4o"], USAGE, PRICES, "openai") == 3.0
    assert cost(["claude-4-20260101"], USAGE, PRICES, "vertex") == 0.25
    assert asked[-1] == ("claude-4", "google", 400_000)
    assert cost(["unknown"], USAGE, PRICES, None) is None


@pytest.mark.parametrize(
    ("own", "metrics"), [({}, 0.0045), ({"cost": 7}, 7)], ids=["computed", "the user's"]
)
def test_session(own, metrics):
    """The cost stands in both places; in both, one that the user set is kept."""

    @trace_session(metrics=own)
    def ask():
        counts = {"prompt_tokens": 1000, "completion_tokens": 200, "total_tokens": 1200}
        return {"model": "gpt-4o", "choices": [{"message": {"content": "Hi"}}], "usage": counts}

    honeytrace.configure(prices={"gpt-4o": (2.5, 10)})
    try:
        with capture_sessions() as sessions:
            ask()
    finally:
        honeytrace.configure(prices=None)
    assert sessions.one().metrics["cost"] == pytest.approx(metrics)
    assert sessions.one().metadata["cost"] == pytest.approx(metrics)


@pytest.mark.parametrize(
    "value",
    [5, {"m": 5}, {"m": (1,)}, {"m": (1,) * 5}, {"m": ("1", 2)}, {"m": (1, -2)}, {3: (1, 2)}],
)
def test_bad_prices(value):
    with pytest.raises(ConfigurationError, match="dollars per million tokens"):
        honeytrace.configure(prices=value)


@pytest.mark.parametrize(
    ("price", "dollars"), [((1, 5), None), ((1, 0, 5), 2), ((1, 0, 5, 0.5), 1.5)]
)
def test_number_of_prices(price, dollars):
    """With two prices, that of cached tokens is not known; a fourth is for those written."""

    @trace_session
    def ask():
        counts = {"input_tokens": 1_000_000, "output_tokens": 0}
        cache = {"cache_read_input_tokens": 10, "cache_creation_input_tokens": 1_000_000}
        whole = {"type": "message", "content": [{"type": "text", "text": "Hi"}]}
        return {**whole, "model": "claude-4", "usage": {**counts, **cache}}

    honeytrace.configure(prices={"claude-4": price})
    try:
        with capture_sessions() as sessions:
            ask()
    finally:
        honeytrace.configure(prices=None)
    assert sessions.one().metrics.get("cost") == dollars


PACKAGE = """
import gate, time
gate.importing.set()
gate.released.wait()
time.sleep(0.1)  # a fork that does not wait takes place now
Usage = dict
def calc_price(usage, model, *, provider_id):
    return type("Calculation", (), {"total_price": usage["input_tokens"]})
"""
PROGRAM = """
import os, signal, sys, threading
importing, released = threading.Event(), threading.Event()
sys.modules["gate"] = sys.modules[__name__]
import honeytrace

@honeytrace.trace_session
def ask():
    counts = {"prompt_tokens": 7, "completion_tokens": 2}
    return {"model": "m", "choices": [{"message": {"content": "Hi"}}], "usage": counts}

os.register_at_fork(before=released.set)  # runs before what was registered earlier
ask()
importing.wait()
if os.fork():
    os.wait()
else:
    signal.alarm(50)  # if it is stuck
    ask()
    honeytrace.flush(20)
    os._exit(0)
honeytrace.flush(20)
for session in honeytrace.sessions():
    print(session.metrics["cost"])
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_fork_during_import(tmp_path):
    """A child that is forked during the import of the package is not stuck in it."""
    (tmp_path / "genai_prices.py").write_text(PACKAGE)
    path = os.pathsep.join([str(tmp_path), *filter(None, sys.path)])
    done = subprocess.run(
        # Python 3.12 warns about any fork while threads run.
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", PROGRAM],
        env={**os.environ, "HONEYTRACE_HOME": str(tmp_path / "home"), "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.stdout.split(), done.stderr) == (["7.0", "7.0"], "")


def test_fork_during_a_long_import(monkeypatch):
    """A fork waits for a limited time, since the import may wait for the thread that forks."""
    monkeypatch.setattr(prices, "_HOLD_SECONDS", 0.01)
    held, done = threading.Event(), threading.Event()

    def hold():
        with prices._forks.importing:
            held.set()
            done.wait()

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait()
    prices._forks._hold()
    prices._forks._let_go()
    done.set()
    thread.join()
    assert prices._forks.importing.acquire(timeout=5)
    prices._forks.importing.release()
