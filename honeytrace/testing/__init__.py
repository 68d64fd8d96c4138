"""Capture sessions in tests instead of sending them, and look at them.

with capture_sessions() as sessions:
    answer("what does yield do?")
assert sessions.one(name="answer").outputs == {"result": "…"}
"""

from __future__ import annotations

from honeytrace._config.pipeline import Clock
from honeytrace.testing._capture import capture_sessions
from honeytrace.testing._clock import FakeClock
from honeytrace.testing._diff import diff
from honeytrace.testing._replay.replay import Replay, replay
from honeytrace.testing._sessions import CapturedSessions

__all__ = [
    "CapturedSessions",
    "Clock",
    "FakeClock",
    "Replay",
    "capture_sessions",
    "diff",
    "replay",
]
