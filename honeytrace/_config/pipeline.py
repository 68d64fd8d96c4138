"""One configuration at work: where its sessions begin, what cleans them, and what takes them."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Protocol, TypeVar, cast, runtime_checkable

from honeytrace._config.settings import Config
from honeytrace._delivery.worker import Delivery
from honeytrace._redaction.custom import Custom
from honeytrace._redaction.redact import redact
from honeytrace._session import wire
from honeytrace._session.build import close
from honeytrace._session.context import without_tracing
from honeytrace._session.record import CallRecord
from honeytrace._session.session import Session
from honeytrace._utils.guard import ErrorGuard, try_call

_T = TypeVar("_T")

_ROOT_SECONDS = 1.0  # how long the end of a root session may wait, without `background`

Processor = Callable[[CallRecord], object]
"""Takes each session that ends, on the thread where it ended."""

Exporter = Callable[[Session], object]
"""Takes each finished session, its secrets taken out, on the worker before the session is sent."""


class Ids(Protocol):
    """A source of session ids; false in a condition if more have to be drawn.

    `pop` returns 16 random bytes, or the text of an id.
    """

    def pop(self) -> bytes | str: ...


@runtime_checkable
class Clock(Protocol):
    """Tells the times of sessions, in nanoseconds: the module `time`, or a clock for tests."""

    def time_ns(self) -> int: ...

    def perf_counter_ns(self) -> int: ...


class Pipeline:
    """One configuration at work; a session stays with the pipeline it began in.

    Attributes:
        config: the settings.
        delivery: the way to their server.
        ids: where the ids of sessions come from.
        clock: tells their times.
        project: the project of sessions that name none.
        source: the source of sessions that name none.
        choosy: whether inputs or outputs are not recorded unless a `trace_session` says so.
        redact: takes the secrets out of a session; None if it is switched off.
        exporters: get each finished session on its way to the delivery.
        accept: takes a session that has ended, and hands it to the processors.
        releases: whether delivery is the only processor, so that an encoded record can be emptied.
    """

    __slots__ = (
        "accept",
        "choosy",
        "clock",
        "config",
        "delivery",
        "exporters",
        "ids",
        "project",
        "redact",
        "releases",
        "source",
    )

    def __init__(
        self,
        config: Config,
        delivery: Delivery,
        ids: Ids,
        processors: Sequence[Processor],
        exporters: Sequence[Exporter] = (),
        clock: Clock = time,
    ) -> None:
        self.config = config
        self.delivery = delivery
        self.ids = ids
        self.clock = clock
        self.project = config.project
        self.source = config.source
        self.choosy = not (config.capture_inputs and config.capture_outputs)
        self.redact = _redactor(config, delivery.guard)
        self.exporters = exporters
        self.releases = len(processors) == 1
        # Usually there is one, and a loop would cost the caller more than to call it.
        each = partial(_call_each, delivery.guard, tuple(processors))
        self.accept = processors[0] if len(processors) == 1 else each


def _call_each(guard: ErrorGuard, functions: Sequence[Callable[[_T], object]], value: _T) -> None:
    for function in functions:  # one that fails does not keep the value from the others
        guard.call(function, value)


def deliverer(config: Config, delivery: Delivery) -> Processor:
    """Return the processor that queues a session, and waits where the settings say so."""
    accept = delivery.accept_durably if config.durable else delivery.accept
    return accept if config.background else partial(_then_wait_at_root, accept, delivery)


def _then_wait_at_root(accept: Processor, delivery: Delivery, record: CallRecord) -> None:
    accept(record)
    if record.parent is None:
        delivery.flush(_ROOT_SECONDS, patient=False)


def _redactor(config: Config, guard: ErrorGuard) -> Callable[[Session], Session] | None:
    if config.redact is False:
        return None
    rule = None if config.redact is True else partial(_by_rule, config.redact, guard)
    return partial(redact, custom=rule, key=config.api_key)


def _by_rule(rule: Custom, guard: ErrorGuard, path: str, value: Any) -> Any:
    """Return what a user's `redact` function returns; one that raises redacts the value."""
    result, fault = try_call(without_tracing, rule, path, value)
    if fault is not None:
        guard.user_function_failed("redact", "configure()", fault)
        raise fault
    return result


def finish(record: CallRecord) -> Session:
    """Return the finished session, its secrets taken out, as it may leave the process."""
    session = close(record)
    redact = cast("Pipeline", record.defaults).redact
    return redact(session) if redact else session


def encode(record: CallRecord) -> bytes:
    """Finish a session, hand it to the exporters, and return the body that is sent."""
    session = finish(record)
    pipeline = cast("Pipeline", record.defaults)
    if pipeline.exporters:
        _call_each(pipeline.delivery.guard, pipeline.exporters, session)
    body = wire.encode(session)
    if pipeline.releases:
        record.release()
    return body
