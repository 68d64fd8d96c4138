"""Ask about a lock without waiting for it."""

from __future__ import annotations

import sys
from typing import Any


def is_owned(lock: Any) -> bool:
    """Return True if this thread holds the lock, as `threading.Condition` finds out."""
    return bool(lock._is_owned())


def is_lost(*locks: Any) -> bool:
    """Return True if a thread that the interpreter killed at its end held one of the locks.

    Nobody will ever release it. This happens to daemon threads, after all functions of `atexit`.
    """
    return sys.is_finalizing() and not all(map(_is_free, locks))


def _is_free(lock: Any) -> bool:
    free: bool = lock.acquire(blocking=False)
    if free:
        lock.release()
    return free
