"""Everything that the stand-ins of traced functions call, under one name.

cloudpickle and dill pickle a function of `__main__`, a lambda or a closure by value, with all that
its closure holds. A stand-in's closure holds `RUNTIME`, which is pickled by name, so that locks and
context variables stay where they are.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from honeytrace._config.live import Live, live
from honeytrace._session import context
from honeytrace._session.record import ABSENT
from honeytrace._tracing.awaitables import finish
from honeytrace._tracing.generators import UNTRACED, Stream, close_stream, open_stream
from honeytrace._tracing.recorder import begin, end


class Runtime:
    """The functions and objects that stand-ins use.

    Attributes:
        live: the live pipeline; `live.off` says that nothing is recorded.
        begin, end: start and end a session.
        finish: ends the session of a plain function, or follows the awaitable that it returned.
        open, close: start and end the session of a generator.
        put, put_safely, collecting: see `honeytrace._session.context`.
        absent: stands for a result where there is none.
        untraced: takes the part of a stream that is not recorded.
    """

    __slots__ = (
        "absent",
        "begin",
        "close",
        "collecting",
        "end",
        "finish",
        "live",
        "open",
        "put",
        "put_safely",
        "untraced",
    )

    def __init__(self) -> None:
        self.live: Live = live
        self.begin: Callable[..., Any] = begin
        self.end: Callable[..., Any] = end
        self.finish: Callable[..., Any] = finish
        self.open: Callable[..., Stream | None] = open_stream
        self.close: Callable[..., None] = close_stream
        self.put = context.put
        self.put_safely = context.put_safely
        self.collecting = context.collecting
        self.absent = ABSENT
        self.untraced = UNTRACED

    def __reduce__(self) -> str:
        return "RUNTIME"


RUNTIME = Runtime()
