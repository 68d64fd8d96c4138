"""Exceptions that are raised anywhere in traced calls, many of them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).parents[1] / "support" / "interruptions.py"
TRIALS = 5_000


@pytest.mark.parametrize("way", ["signals", "threads"])
def test_all_of_them_arrive(way, server, monkeypatch):
    """Signals and exceptions that are injected into a thread: the long form of a unit test."""
    monkeypatch.setenv("HH_API_URL", server.url)
    command = [sys.executable, "-W", "ignore", str(PROGRAM), way, str(TRIALS)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=3600)
    found = json.loads(done.stdout)
    assert (found["arrived"], found["alive"], found["errors"]) == (TRIALS, TRIALS, {})
