"""One object that holds everything that stand-ins of traced functions call.

cloudpickle and dill pickle a function of `__main__`, a lambda or a closure by value, together with
its closure. A stand-in's closure holds `RUNTIME`, which is pickled by name, so that locks and
context variables stay where they are.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from types import CoroutineType
from typing import Any

from honeytrace._config.live import Live, live
from honeytrace._session import context
from honeytrace._session.record import ABSENT
from honeytrace._tracing.awaitables import conclude, finish
from honeytrace._tracing.generators import UNTRACED, Stream, close_stream, open_stream
from honeytrace._tracing.recorder import begin, end
from honeytrace._tracing.sampling import UNSAMPLED, drops


class Runtime:
    """The functions and objects that stand-ins use.

    Attributes:
        live: the live pipeline; if `live.off` is set, nothing is recorded.
        begin: starts a session.
        conclude: ends the session of a coroutine, or follows the stream that it returned.
        end: ends a session.
        drops: returns True for a root that is not recorded, because it is not sampled.
        unsampled: the current record in a tree that is not sampled.
        coroutine: the type of coroutines.
        get: returns the current record.
        finish: ends the session of a plain function, or follows the awaitable that it returned.
        open: starts the session of a generator.
        close: ends the session of a generator.
        put: makes a record current.
        put_safely: makes a record current, unless this thread is collecting garbage.
        reset: undoes a `put`, by its token.
        reset_failed: makes a record current if `reset` has failed.
        forget: removes the None that a root leaves behind in its context.
        collecting: a list that is not empty while any thread is collecting garbage.
        absent: the value that stands for a missing result.
        untraced: the stand-in for a `Stream` that is not recorded.
    """

    __slots__ = (
        "absent",
        "begin",
        "close",
        "collecting",
        "conclude",
        "coroutine",
        "drops",
        "end",
        "finish",
        "forget",
        "get",
        "live",
        "open",
        "put",
        "put_safely",
        "reset",
        "reset_failed",
        "unsampled",
        "untraced",
    )

    def __init__(self) -> None:
        self.live: Live = live
        self.begin: Callable[..., Any] = begin
        self.conclude: Callable[..., Any] = conclude
        self.end: Callable[..., Any] = end
        self.drops = drops
        self.unsampled = UNSAMPLED
        self.coroutine = CoroutineType
        self.get = context.get
        self.finish: Callable[..., Any] = finish
        self.open: Callable[..., Stream | None] = open_stream
        self.close: Callable[..., None] = close_stream
        self.put = context.put
        self.put_safely = context.put_safely
        self.reset = context.reset
        self.reset_failed = context.reset_failed
        self.forget = partial(live.guard.call, context.forget)
        self.collecting = context.collecting
        self.absent = ABSENT
        self.untraced = UNTRACED

    def __reduce__(self) -> str:
        return "RUNTIME"


RUNTIME = Runtime()
