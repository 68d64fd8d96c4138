"""The record of a call, kept until it is delivered, and the settings that its calls share."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from copy import copy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from honeytrace._capture.deferred import Bind
from honeytrace._capture.exceptions import Failure
from honeytrace._capture.providers.exchange import Exchange
from honeytrace._capture.providers.prices import Prices
from honeytrace._capture.streams import StreamBuffer
from honeytrace._utils.json import Json

if TYPE_CHECKING:
    from honeytrace._session.active import ActiveSession


Identity = bytes | str | tuple[bytes | str, int, int]
"""An id before it is formatted: 16 random bytes, or the text of an id that was given.

Random bytes from a pool come in a tuple with two clock readings from the start of the call. When
the memory of a process is cloned (a micro-VM from a snapshot, CRIU), the clones draw from the same
pool, and only their clocks differ.
"""

_32_BITS = 2**32 - 1
_64_BITS = 2**64 - 1


class _Absent:
    """The type of `ABSENT`, which stays itself when it is copied or pickled."""

    __slots__ = ()

    def __reduce__(self) -> str:
        return "ABSENT"


ABSENT = _Absent()
"""The result of a block, or of a call that raised: neither has one."""


def _no_arguments(_: object, __: object) -> Json:
    return {}


@dataclass(frozen=True, slots=True)
class TraceSpec:
    """The settings that all sessions of one `trace_session` share, known before the first call.

    Attributes that are not listed here are arguments of `trace_session`. If one of those is None,
    the configuration decides.

    Attributes:
        fields: the JSON objects that `trace_session` was given, by field name.
        function: module and qualified name of the function; None for a block.
        kind: the kind of the function, such as "generator", or "block".
        step: the kind of the step, such as "model" or "tool"; None if it was not given.
        bind: maps the arguments of a call to their names.
        named: names of the parameters.
        rest: name of the parameter for `**kwargs`; None if there is none.
        at_once: True if arguments have to be named when the call starts, not later.
        chosen: True if the fast default capture is not enough, for example because arguments are
            filtered or passed to the user's function.
        tracer: the `Tracer` whose settings count; None for those of the process.
        special: True if a session starts in another way than most, for example below a `parent`.
        usual: True if the configuration of the process decides whether a root is sampled.
    """

    name: str
    project: str | None = None
    source: str | None = None
    session_id: str | None = None
    fields: Mapping[str, Json] = field(default_factory=dict)
    config_args: tuple[str, ...] = ()
    function: str | None = None
    kind: str = "block"
    step: str | None = None
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
    parent: str | None = None
    sample_rate: float | None = None
    tracer: Any = None
    chosen: bool = field(init=False)
    special: bool = field(init=False)
    usual: bool = field(init=False)

    def __post_init__(self) -> None:
        switched = self.capture_inputs is not None or self.capture_outputs is not None
        lists, functions = (self.ignore, self.only), (self.process_inputs, self.process_outputs)
        chosen = self.at_once or switched or any(lists) or any(functions)
        chosen = chosen or self.reduce is not None
        rare = (self.session_id, self.parent, self.sample_rate, self.tracer)
        usual = all(each is None for each in rare)
        object.__setattr__(self, "chosen", chosen)
        object.__setattr__(self, "special", chosen or not usual)
        object.__setattr__(self, "usual", usual)


class Defaults(Protocol):
    """Values for sessions whose `trace_session` does not set them."""

    @property
    def project(self) -> str: ...

    @property
    def source(self) -> str: ...

    @property
    def prices(self) -> Prices: ...

    def update(self, session_id: str, fields: dict[str, Json]) -> bool:
        """Merge fields into a session that has ended; return False if that is impossible."""


class Streamed(NamedTuple):
    """The result of a stream that has ended.

    Attributes:
        completed: True if it was exhausted; what the items tell counts more.
        items: the items it yielded.
        ttft_ms: milliseconds until the first token; None if there was no item, or if the items
            have times.
        returned: the value it returned.
        split: for a fixture, the times before and after its item.
        status: "cancelled" if its consumer was cancelled while waiting for the next item.
    """

    completed: bool
    items: StreamBuffer
    ttft_ms: float | None
    returned: Any
    split: Json
    status: str = "ok"

    @property
    def about(self) -> Json:
        complete = self.items.complete
        completed = self.completed if complete is None else complete
        found: Json = {"completed": completed, **self.split}
        if self.items.dropped:
            found["dropped"] = self.items.dropped
        return found if self.returned is None else {**found, "returned": self.returned}

    @property
    def metrics(self) -> Json:
        ttft_ms = self.items.ttft_ms if self.ttft_ms is None else self.ttft_ms
        first = {} if ttft_ms is None else {"ttft_ms": ttft_ms}
        return {**first, "chunks": self.items.count}


class CallRecord:
    """One call, in the form that costs the caller least.

    Attributes:
        id: the id of the session; formatted only when somebody reads it.
        captured: the arguments, in the form that `deferred.named` reads, or `Inputs`.
        result: the result, in the form that `deferred.read` reads, or the items of a stream.
        started: start of the call in nanoseconds since 1970.
        ticks: start of the call in nanoseconds, on the clock that measures the duration.
        duration: milliseconds.
        given: the objects that the user set or changed, by field name.
        replaced: names of the fields in `given` that were assigned, not changed in place.
        read: those values in `given` that were read from the outputs, not set, by field name.
        cuts: paths of the values that were truncated.
        size: estimated memory of the captured values in bytes.
        tags: the objects that `tag` adds to this session and those below it, by field name.
        exchange: the request and the answer of a model call that an integration recorded; None for
            any other call.
        silent: True for a scope inside which nothing is recorded.
    """

    silent: bool = False
    __slots__ = (
        "__weakref__",
        "captured",
        "children",
        "cuts",
        "defaults",
        "duration",
        "ended",
        "exchange",
        "failure",
        "given",
        "handle",
        "id",
        "parent",
        "parent_id",
        "read",
        "replaced",
        "result",
        "root_id",
        "size",
        "spec",
        "started",
        "streamed",
        "tags",
        "ticks",
    )

    def __init__(
        self,
        spec: TraceSpec,
        defaults: Defaults,
        parent: CallRecord | None,
        identity: Identity,
        captured: Any,
        started: int = 0,
        ticks: int = 0,
        size: int = 0,
        cuts: list[str] | None = None,
    ) -> None:
        self.spec = spec
        self.defaults = defaults
        self.id = identity
        self.captured = captured
        self.result: Any = ABSENT
        self.started = started
        self.ticks = ticks
        self.parent = parent
        self.children: list[Identity] | None = None
        self.given: dict[str, Json] | None = None
        self.replaced: set[str] | None = None
        self.read: dict[str, Json] | None = None
        self.failure: Failure | None = None
        self.streamed: Streamed | None = None
        self.cuts = cuts
        self.duration = 0.0
        self.size = size
        self.ended = False
        self.exchange: Exchange | None = None
        self.handle: Callable[[], ActiveSession | None] | None = None  # a weak reference
        if parent is None:
            self.parent_id: Identity | None = None
            self.root_id: Identity = identity
            self.tags: dict[str, Json] | None = None
        else:
            self.tags = parent.tags
            self.parent_id = parent.id
            self.root_id = parent.root_id
            if parent.children is None:
                parent.children = []
            parent.children.append(identity)

    def release(self) -> None:
        """Drop the captured values, because they have been encoded.

        The contexts of tasks that the call started refer to the record for as long as they live.
        If the program still has an `ActiveSession`, that one gets a copy and stays readable.
        """
        handle = self.handle and self.handle()
        if handle:
            handle._record = copy(self)
        self.spec = _only_named(self.spec.name)
        self.captured, self.result = ((), {}), ABSENT
        self.given = self.replaced = self.failure = self.streamed = self.cuts = self.tags = None
        self.exchange = self.read = None


@functools.lru_cache(maxsize=256)
def _only_named(name: str) -> TraceSpec:
    return TraceSpec(name)


def format_id(identity: Identity) -> str:
    """Return an id as text: a version 4 UUID made of the random bytes and the clocks.

    The first four bytes stay as they were drawn, since sampling decides by them.
    """
    drawn, started, ticks = identity if isinstance(identity, tuple) else (identity, 0, 0)
    if isinstance(drawn, str):
        return drawn
    number = int.from_bytes(drawn, "big") ^ (started & _64_BITS) ^ (ticks & _32_BITS) << 64
    text = f"{number:032x}"
    variant = "89ab"[number >> 56 & 3]
    return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-{variant}{text[17:20]}-{text[20:]}"
