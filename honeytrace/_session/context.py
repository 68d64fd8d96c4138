"""Which session is current in this context.

It is a ContextVar that is only ever set, never reset by a token: a block may be left in another
context than it was entered in, and a generator is stepped from anywhere. A session that has ended
is skipped.
"""

from __future__ import annotations

import gc
import sys
import threading
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, TypeVar

from honeytrace._session.record import QUIET, CallRecord

_R = TypeVar("_R")
_current: ContextVar[CallRecord | None] = ContextVar("honeytrace_session", default=None)
get: Callable[[], CallRecord | None] = _current.get
"""The record that was made current last in this context; it may have ended."""
put: Callable[[CallRecord | None], object] = _current.set
"""Makes a record current. Before Python 3.12 only while `collecting` is empty."""

collecting: list[int] = []
"""The thread that is collecting garbage, if any; always empty from Python 3.12 on.

Before 3.12 the collector can run in the middle of `ContextVar.set`, and if a `__del__` that it
calls sets the variable too, the interpreter breaks. The session of such a `__del__` is recorded,
but it does not become current.
"""


def put_safely(record: CallRecord | None) -> None:
    """Makes a record current, unless this thread is collecting garbage."""
    if threading.get_ident() not in collecting:
        put(record)


make_current = put_safely if sys.version_info < (3, 12) else put


def _watch(phase: str, _: object) -> None:
    collecting[:] = [threading.get_ident()] if phase == "start" else []


if sys.version_info < (3, 12):  # pragma: no branch - coverage is measured on one version
    gc.callbacks.append(_watch)


def running(record: CallRecord | None) -> CallRecord | None:
    """The record, or the nearest around it that has not ended."""
    while record is not None and record.ended:
        record = record.parent
    return record


def without_tracing(function: Callable[..., _R], *arguments: Any) -> _R:
    """Calls code of the user's on our own behalf: nothing that it calls is traced."""
    outer = get()
    make_current(QUIET)
    try:
        return function(*arguments)
    finally:
        make_current(outer)
