"""One call while it runs: what is known before it starts, and what is kept until it has ended."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from copy import copy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, cast

from honeytrace._capture.deferred import Bind
from honeytrace._capture.exceptions import Failure
from honeytrace._capture.streams import StreamBuffer
from honeytrace._utils.json import Json

if TYPE_CHECKING:
    from honeytrace._session.active import ActiveSession


Identity = bytes | str | tuple[bytes | str, int, int]
"""An id as long as nobody reads it: 16 random bytes, or the text of one that was given.

What is drawn from a pool of random bytes comes with the two clocks at the start of the call. When
the memory of a process is cloned (a micro-VM from a snapshot, CRIU), each clone goes on with the
same pool, and only the clocks differ.
"""

_64_BITS = 2**64 - 1


class _Absent:
    """The type of `ABSENT`, which stays itself when it is copied or pickled."""

    __slots__ = ()

    def __reduce__(self) -> str:
        return "ABSENT"


ABSENT = _Absent()
"""Stands for the result where there is none: of a block, or of a call that raised."""


def _no_arguments(_: object, __: object) -> Json:
    return {}


@dataclass(frozen=True, slots=True)
class TraceSpec:
    """What every session of one `trace_session` has in common, known before the first call.

    Of a function: `bind` names its arguments, `named` are its parameters, `rest` is the one of
    `**kwargs`; `at_once` says that they have to be named while the call starts, `chosen` that, or
    that something is left out or handed to a function of the user's. What is None is as the
    configuration says.
    """

    name: str
    project: str | None = None
    source: str | None = None
    session_id: str | None = None
    fields: Mapping[str, Json] = field(default_factory=dict)
    config_args: tuple[str, ...] = ()
    function: str | None = None
    kind: str = "block"
    bind: Bind = _no_arguments
    named: tuple[str, ...] = ()
    rest: str | None = None
    at_once: bool = False
    capture_inputs: bool | None = None
    capture_outputs: bool | None = None
    ignore: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    process_inputs: Callable[[dict[str, Any]], Any] | None = None
    process_outputs: Callable[[Any], Any] | None = None
    reduce: Callable[[list[Any]], Any] | None = None
    ignore_exceptions: tuple[type[BaseException], ...] = ()
    methods: tuple[str, ...] = ()
    chosen: bool = field(init=False)

    def __post_init__(self) -> None:
        switched = self.capture_inputs is not None or self.capture_outputs is not None
        lists, functions = (self.ignore, self.only), (self.process_inputs, self.process_outputs)
        chosen = self.at_once or switched or any(lists) or any(functions)
        object.__setattr__(self, "chosen", chosen or self.reduce is not None)


class Defaults(Protocol):
    """What a session falls back on where its `trace_session` says nothing."""

    @property
    def project(self) -> str: ...

    @property
    def source(self) -> str: ...


class Streamed(NamedTuple):
    """How a stream went.

    Attributes:
        completed: whether it came to its own end.
        items: what it yielded.
        ttft_ms: milliseconds until the first item.
        returned: what it returned.
        split: how the time of a fixture is split by its item.
        status: "cancelled" if its consumer was cancelled while it waited for the next item.
    """

    completed: bool
    items: StreamBuffer
    ttft_ms: float | None
    returned: Any
    split: Json
    status: str = "ok"

    @property
    def about(self) -> Json:
        found: Json = {"completed": self.completed, **self.split}
        if self.items.dropped:
            found["dropped"] = self.items.dropped
        return found if self.returned is None else {**found, "returned": self.returned}

    @property
    def metrics(self) -> Json:
        first = {} if self.ttft_ms is None else {"ttft_ms": self.ttft_ms}
        return {**first, "chunks": self.items.count}


class CallRecord:
    """One call while it runs, in the form that costs the caller least.

    Ids are the 16 random bytes until somebody wants to read them, or the user's text.
    """

    __slots__ = (
        "captured",
        "children",
        "cuts",
        "defaults",
        "duration",
        "ended",
        "failure",
        "given",
        "handle",
        "id",
        "parent",
        "parent_id",
        "replaced",
        "result",
        "root_id",
        "size",
        "spec",
        "started",
        "streamed",
        "ticks",
    )

    def __init__(
        self,
        spec: TraceSpec,
        defaults: Defaults,
        parent: CallRecord | None,
        identity: Identity,
        captured: Any,
    ) -> None:
        self.spec = spec
        self.defaults = defaults
        self.id = identity
        self.captured = captured  # the arguments, for `_capture.named`, or `Inputs`
        self.result: Any = ABSENT  # for `_capture.read`, or the items of a stream
        self.started = 0  # nanoseconds since 1970
        self.ticks = 0  # nanoseconds, to measure the duration from
        self.parent = parent
        self.children: list[Identity] | None = None
        self.given: dict[str, Json] | None = None
        self.replaced: set[str] | None = None
        self.failure: Failure | None = None
        self.streamed: Streamed | None = None
        self.cuts: list[str] | None = None
        self.duration = 0.0
        self.size = 0
        self.ended = False
        self.handle: Callable[[], ActiveSession | None] | None = None  # a weak reference
        if parent is None:
            self.parent_id: Identity | None = None
            self.root_id: Identity = identity
        else:
            self.parent_id = parent.id
            self.root_id = parent.root_id
            if parent.children is None:
                parent.children = []
            parent.children.append(identity)

    def release(self) -> None:
        """Let go of what was captured, because it has been delivered.

        The contexts of tasks that the call started refer to the record for as long as they live.
        An `ActiveSession` that the program still has goes on with a copy, so it can be read.
        """
        handle = self.handle and self.handle()
        if handle:
            handle._record = copy(self)
        self.spec = _only_named(self.spec.name)
        self.captured, self.result = ((), {}), ABSENT
        self.given = self.replaced = self.failure = self.streamed = self.cuts = None


@functools.lru_cache(maxsize=256)
def _only_named(name: str) -> TraceSpec:
    return TraceSpec(name)


QUIET = CallRecord(TraceSpec(name=""), cast("Defaults", None), None, "", None)
"""In the place of the current session while code of the user's runs on our behalf: nothing that it
calls is recorded."""
QUIET.ended = True


def format_id(identity: Identity) -> str:
    """Return an id as its text: a UUID of version 4 of what was drawn, mixed with the times."""
    drawn, started, ticks = identity if isinstance(identity, tuple) else (identity, 0, 0)
    if isinstance(drawn, str):
        return drawn
    number = int.from_bytes(drawn, "big") ^ (started & _64_BITS) ^ (ticks & _64_BITS) << 64
    text = f"{number:032x}"
    variant = "89ab"[number >> 56 & 3]
    return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-{variant}{text[17:20]}-{text[20:]}"
