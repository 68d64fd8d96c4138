"""The clock for deadlines, which tests cannot freeze.

The times in a session come from `time`, and are frozen if the user froze that. Deadlines need
another clock: a flush that waits on a frozen one would never end.
"""

from __future__ import annotations

import time
from functools import partial

# freezegun and time-machine replace `time.monotonic`, also in this module. They do not replace
# calls that read CLOCK_MONOTONIC, nor a function inside a partial. Windows has no such clock; there
# the partial keeps the function that `time` had when this module was imported.
now = (
    partial(time.clock_gettime, time.CLOCK_MONOTONIC)
    if hasattr(time, "CLOCK_MONOTONIC")
    else partial(time.monotonic)
)
"""`now()` returns seconds since an arbitrary moment in the past."""

cpu = time.thread_time
"""`cpu()` returns the seconds of CPU time that this thread has taken."""
