"""Track the session that is current in this context.

The ContextVar is set, not reset by a token, except by plain functions that are not sampled. A token
would fail when a block is left in another context than it was entered in, or when a generator is
resumed in another context. Sessions that have ended are skipped.
"""

from __future__ import annotations

import _thread
import gc
import sys
from collections.abc import Callable
from contextvars import ContextVar, Token
from functools import partial
from typing import Any, TypeVar

from honeytrace._session.record import CallRecord
from honeytrace._session.scope import OWN_WORK, QUIET, Scope
from honeytrace._utils.guard import try_call
from honeytrace._utils.origin import let_through

_R = TypeVar("_R")
_current: ContextVar[CallRecord | None] = ContextVar("honeytrace_session", default=None)
get: Callable[[], CallRecord | None] = _current.get
"""Return the current record of this context; it may have ended."""
put: Callable[[CallRecord | None], object] = _current.set
"""Make a record current. Before Python 3.12, call it only while `collecting` is empty."""

collecting: list[object] = []
"""Not empty while any thread is collecting garbage; always empty from Python 3.12 on.

Before 3.12 the collector can run in the middle of `ContextVar.set`. If it then calls a `__del__`
that sets a context variable as well, the interpreter crashes. So a session that starts in such a
`__del__` is recorded, but does not become current.
"""

_collector: Any = _thread.RLock()  # held by the thread that is collecting garbage


class _Flag:
    """Updates `collecting` when the attribute named after a phase of the collector is read."""

    start = property(collecting.append)
    stop = property(collecting.remove)


class _Owner(int):
    """Takes or releases the lock in the same way. `acquire` gets this int as `blocking`."""

    start = property(_collector.acquire)
    stop = property(_collector.__exit__)


if sys.version_info < (3, 12):  # pragma: no branch - coverage is measured on one version
    # The collector calls these with the name of the phase and ignores their exceptions. They run
    # no Python code, so no signal handler can run, and raise, inside them.
    gc.callbacks += [partial(getattr, _Flag()), partial(getattr, _Owner(True))]


def put_safely(record: CallRecord | None) -> None:
    """Make a record current, unless this thread is collecting garbage."""
    if not _collector._is_owned():
        put(record)


make_current = put_safely if sys.version_info < (3, 12) else put

reset: Callable[[Token[CallRecord | None]], object] = _current.reset
"""Undo a `put` of this context. It fails in another context and without a token."""


def reset_failed(outer: CallRecord | None, error: BaseException) -> None:
    """Make a record current after `reset` has failed with this error, unless others raised it."""
    make_current(outer)
    let_through(error, reset)


def forget(token: Token[CallRecord | None] | None) -> None:
    """Let this context hold no record, as it did before the `put` that returned the token.

    The next `put` in such a context is faster than in one that holds None.
    """
    if token is not None and token.old_value is Token.MISSING and get() is None:
        try_call(reset, token)


def _call_in(scope: Scope, function: Callable[..., _R], *arguments: Any) -> _R:
    outer = get()
    make_current(scope)
    try:
        return function(*arguments)
    finally:
        make_current(outer)


without_tracing = partial(_call_in, QUIET)
"""Calls a user's function for our own purposes; nothing that it calls is traced.

    without_tracing(function, *arguments)
"""

as_own_work = partial(_call_in, OWN_WORK)
"""Calls a function of ours that does the work of delivery, see `OWN_WORK`."""
