"""Sessions in tests: caught where they would be sent, and looked at.

with capture_sessions() as sessions:
    answer("what does yield do?")
assert sessions.one(name="answer").outputs == {"result": "…"}
"""

from __future__ import annotations

from honeytrace._captures import CapturedSessions, FakeClock, capture_sessions
from honeytrace._diff import diff
from honeytrace._pipeline import Clock
from honeytrace._replay import Replay, replay

__all__ = [
    "CapturedSessions",
    "Clock",
    "FakeClock",
    "Replay",
    "capture_sessions",
    "diff",
    "replay",
]
