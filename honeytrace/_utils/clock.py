"""The clock for deadlines, which frozen or stepped test clocks do not reach.

The times that a session shows come from `time` as users see it, frozen if they froze it; a flush
that waits on a frozen clock would wait for ever.
"""

from __future__ import annotations

import time
from functools import partial

# freezegun and time-machine put a frozen function in the place of `time.monotonic`, in this module
# too, but leave alone what reads CLOCK_MONOTONIC, and what a partial holds. Windows has no such
# clock; there it is the function that `time` had when this module was imported.
now = (
    partial(time.clock_gettime, time.CLOCK_MONOTONIC)
    if hasattr(time, "CLOCK_MONOTONIC")
    else partial(time.monotonic)
)
"""`now()`: seconds since some moment in the past."""
