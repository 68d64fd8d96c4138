"""One configuration at work: where its sessions begin, what cleans them, and who takes them."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any, Protocol, cast, runtime_checkable

from honeytrace._config.settings import Config
from honeytrace._delivery.worker import Delivery
from honeytrace._redaction.redact import Custom, redact
from honeytrace._session.build import close
from honeytrace._session.context import without_tracing
from honeytrace._session.record import CallRecord
from honeytrace._session.session import Session
from honeytrace._utils import pytest_compat
from honeytrace._utils.guard import ErrorGuard, try_call

_ROOT = 1.0  # seconds that the end of a root session may wait, without `background`
Sink = Callable[[CallRecord], object]
"""What takes sessions that have ended."""


class Ids(Protocol):
    """Where the ids of sessions come from.

    `pop` returns 16 random bytes, or the text of an id. Raises `IndexError` to have some drawn.
    """

    def pop(self) -> bytes | str: ...


@runtime_checkable
class Clock(Protocol):
    """What tells the times of sessions, in nanoseconds: the module `time`, or a clock for tests."""

    def time_ns(self) -> int: ...

    def perf_counter_ns(self) -> int: ...


class Pipeline:
    """One configuration with its delivery; a session stays with the pipeline it began in."""

    __slots__ = (
        "accept",
        "choosy",
        "clock",
        "config",
        "delivery",
        "ids",
        "project",
        "redact",
        "source",
    )

    def __init__(
        self,
        config: Config,
        delivery: Delivery,
        ids: Ids,
        sink: Sink | None = None,
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
        self.accept = _watched(sink or _accept(config, delivery))


def _watched(accept: Sink) -> Sink:
    return partial(_both, pytest_compat.watch, accept) if pytest_compat.watch else accept


def _both(watch: Sink, accept: Sink, record: CallRecord) -> None:
    watch(record)
    accept(record)


def _accept(config: Config, delivery: Delivery) -> Callable[[CallRecord], None]:
    """What the end of a session calls: it queues, and waits where the settings say so."""
    accept = delivery.accept
    if config.durable and not config.local:
        accept = delivery.accept_durably
    elif config.durable:
        return partial(_then_wait, accept, delivery, config.timeout)
    return accept if config.background else partial(_then_wait_at_root, accept, delivery)


def _then_wait(
    accept: Callable[[CallRecord], None], delivery: Delivery, seconds: float, record: CallRecord
) -> None:
    accept(record)
    delivery.flush(seconds, patient=False)


def _then_wait_at_root(
    accept: Callable[[CallRecord], None], delivery: Delivery, record: CallRecord
) -> None:
    accept(record)
    if record.parent is None:
        delivery.flush(_ROOT, patient=False)


def _redactor(config: Config, guard: ErrorGuard) -> Callable[[Session], Session] | None:
    if config.redact is False:
        return None
    rule = None if config.redact is True else partial(_by_rule, config.redact, guard)
    return partial(redact, custom=rule, key=config.api_key)


def _by_rule(rule: Custom, guard: ErrorGuard, path: str, value: Any) -> Any:
    """What a rule of the user's says; `redact` replaces the value if it raises."""
    result, fault = try_call(without_tracing, rule, path, value)
    if fault is not None:
        guard.user_function_failed("redact", "configure()", fault)
        raise fault
    return result


def finished(record: CallRecord) -> Session:
    """What happened, without its secrets, as it may leave the process."""
    session = close(record)
    redact = cast("Pipeline", record.defaults).redact
    return redact(session) if redact else session
