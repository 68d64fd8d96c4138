"""The path of a session under one configuration: its ids, redaction, exporters and delivery."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Protocol, TypeVar, cast, runtime_checkable

from honeytrace._config.sampler import Sampler, threshold
from honeytrace._config.settings import Config
from honeytrace._delivery.worker import Delivery
from honeytrace._redaction.custom import Custom
from honeytrace._redaction.redact import redact
from honeytrace._session import wire
from honeytrace._session.build import close
from honeytrace._session.context import without_tracing
from honeytrace._session.record import CallRecord
from honeytrace._session.scope import is_outermost
from honeytrace._session.session import Session
from honeytrace._session.update import Update, as_session
from honeytrace._utils.guard import ErrorGuard, try_call
from honeytrace._utils.json import Json

_T = TypeVar("_T")

_ROOT_SECONDS = 1.0  # longest wait at the end of a root session, without `background`

Processor = Callable[[CallRecord], object]
"""Called with each session that ends, on the thread where it ended."""

Keep = Callable[[Session], object]
"""Gets the ended root of a tree that is not sampled; returns True to keep the tree."""

Exporter = Callable[[Session], object]
"""Called by the worker with each finished, redacted session before it is sent.

There is no setting for exporters yet. Put them into `live.exporters`, and call
`live.refresh_processors()`.
"""


class Ids(Protocol):
    """A source of session ids; false in a condition while it is empty.

    `pop` returns 16 random bytes, or an id as text.
    """

    def pop(self) -> bytes | str: ...


@runtime_checkable
class Clock(Protocol):
    """Tells the time in nanoseconds: the module `time`, or a clock for tests."""

    def time_ns(self) -> int: ...

    def perf_counter_ns(self) -> int: ...


class Pipeline:
    """Handles sessions by one configuration. A session stays with the pipeline that it began in.

    Attributes:
        config: the settings.
        delivery: sends sessions to the server of these settings.
        ids: the source of session ids.
        clock: tells the times of sessions.
        project: project of sessions whose `trace_session` names none.
        source: source of sessions whose `trace_session` names none.
        prices: what models cost.
        choosy: True if inputs or outputs are recorded only where `trace_session` asks for them.
        threshold: a root whose id is below this is sampled; None if all are.
        keep: the user's function that keeps trees which are not sampled; None without one.
        special: True if sessions start in another way than most.
        redact: removes the secrets from a session; None if redaction is off.
        exporters: called with each finished session before it is sent.
        accept: passes a session that has ended to the processors.
        updates: takes changes of sessions that have ended; None if nothing leaves the process.
        releases: True if delivery is the only processor, so encoded records can be emptied.
    """

    __slots__ = (
        "_samplers",
        "accept",
        "choosy",
        "clock",
        "config",
        "delivery",
        "exporters",
        "ids",
        "keep",
        "prices",
        "project",
        "redact",
        "releases",
        "source",
        "special",
        "threshold",
        "updates",
    )

    def __init__(
        self,
        config: Config,
        delivery: Delivery,
        ids: Ids,
        processors: Sequence[Processor],
        exporters: Sequence[Exporter] = (),
        clock: Clock = time,
        *,
        releases: bool = False,
        updates: Callable[[Update], object] | None = None,
    ) -> None:
        self.config = config
        self.delivery = delivery
        self.ids = ids
        self.clock = clock
        self.project = config.project
        self.source = config.source
        self.prices = config.prices
        self.choosy = not (config.capture_inputs and config.capture_outputs)
        self.keep = config.keep
        self.threshold = threshold(config.sample_rate)
        self._samplers: dict[float | None, Sampler] = {}
        self.special = self.choosy or self.threshold is not None
        self.redact = _redactor(config, delivery.guard)
        self.exporters = exporters
        self.releases = releases
        self.updates = updates
        # Usually there is only one: calling it directly costs the caller less than a loop.
        each = partial(_call_each, delivery.guard, tuple(processors))
        self.accept = processors[0] if len(processors) == 1 else each

    def sampler(self, rate: float | None = None) -> Sampler:
        """Return the sampler of roots with a rate of their own; with None, of all others.

        It drops nothing if tracing is off, or if `keep` decides about trees that are not sampled.
        """
        found = self._samplers.get(rate)
        if found is None:
            limit = self.threshold if rate is None else threshold(rate)
            drops = self.config.enabled and self.keep is None
            found = self._samplers[rate] = Sampler(limit if drops else None)
        return found

    def update(self, session_id: str, fields: dict[str, Json]) -> bool:
        """Merge fields into a session that has ended; return False if nothing may be sent."""
        if self.updates is None:
            return False
        self.delivery.guard.call(self.updates, Update(self, session_id, fields))
        return True


def _call_each(guard: ErrorGuard, functions: Sequence[Callable[[_T], object]], value: _T) -> None:
    for function in functions:  # if one fails, the others still get the value
        guard.call(function, value)


def deliverer(config: Config, delivery: Delivery) -> Processor:
    """Return the processor that queues a session and, if the settings say so, waits."""
    accept = delivery.accept_durably if config.durable else delivery.accept
    return accept if config.background else partial(_then_wait_at_root, accept, delivery)


def _then_wait_at_root(accept: Processor, delivery: Delivery, record: CallRecord) -> None:
    accept(record)
    if is_outermost(record):
        delivery.flush(_ROOT_SECONDS, patient=False)


def _redactor(config: Config, guard: ErrorGuard) -> Callable[[Session], Session] | None:
    if config.redact is False:
        return None
    rule = None if config.redact is True else partial(_by_rule, config.redact, guard)
    return partial(redact, custom=rule, key=config.api_key)


def _by_rule(rule: Custom, guard: ErrorGuard, path: str, value: Any) -> Any:
    """Call the user's `redact` function. If it raises, raise again, so the value is redacted."""
    result, fault = try_call(without_tracing, rule, path, value)
    if fault is not None:
        guard.user_function_failed("redact", "configure()", fault)
        raise fault
    return result


def finish(record: CallRecord) -> Session:
    """Return the finished and redacted session, which may leave the process."""
    session = close(record)
    redact = cast("Pipeline", record.defaults).redact
    return redact(session) if redact else session


def finish_update(update: Update) -> Json:
    """Return the redacted fields of an update."""
    session, redact = as_session(update), cast("Pipeline", update.defaults).redact
    session = redact(session) if redact else session
    return {name: getattr(session, name) for name in update.given or ()}


def encode(record: CallRecord) -> bytes:
    """Finish a session, pass it to the exporters, and return the body to send."""
    if isinstance(record, Update):
        return wire.encode_update(str(record.id), finish_update(record))
    session = finish(record)
    pipeline = cast("Pipeline", record.defaults)
    # A session whose id was given may exist already, and keeps what this one does not set.
    body = wire.encode(session, sparse=record.spec.session_id is not None)
    for exporter in pipeline.exporters:
        _, fault = try_call(without_tracing, exporter, session)
        if fault is not None:
            guard = pipeline.delivery.guard
            guard.user_function_failed("exporter", type(exporter).__qualname__, fault)
    if pipeline.releases:
        record.release()
    return body
