"""The live pipeline: the settings in force and the deliveries that serve them. Module-level state
of the whole process lives here, in `live`."""

from __future__ import annotations

import atexit
import os
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, cast, runtime_checkable

from honeytrace import _clock, _sending, _settings, _wire
from honeytrace._current import quietly
from honeytrace._delivery import Delivery
from honeytrace._faults import Faults, attempt
from honeytrace._ledger import Stats
from honeytrace._record import Record
from honeytrace._redaction import Custom, redact
from honeytrace._segment import LOCKS
from honeytrace._session import Session, close
from honeytrace._settings import Config
from honeytrace._snapshot import rules
from honeytrace._spool import Spool

if TYPE_CHECKING:
    from honeytrace._transport import HttpSender

_POOL = 256  # ids that are drawn at once
_ROOT = 1.0  # seconds that the end of a root session may wait, without `background`


Sink = Callable[[Record], object]
"""What takes ended sessions in place of the delivery."""


class Ids(Protocol):
    """Where the ids of sessions come from: 16 bytes each, or IndexError for "draw some"."""

    def pop(self) -> bytes: ...


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
        self.redact = _redactor(config)
        self.accept = _watched(sink or _accept(config, delivery))


Detour = Callable[[Pipeline], Pipeline]
"""Gives the pipeline that a session begins in, in place of the one that is in force."""


class Live:
    """What is in force in this process. The environment is read at the first use, not at import.

    `base` is the pipeline in force, `pipeline` the one that sessions begin in; None while `start`
    has to choose it for each.
    """

    def __init__(self) -> None:
        self.faults = Faults()
        self.pipeline: Pipeline | None = None
        self.off = False
        self.base: Pipeline | None = None
        self._arguments: dict[str, object] = {}
        self._past: list[Pipeline] = []
        self._lock = threading.RLock()
        self.ids: list[bytes] = []
        self.suspended: dict[int, Callable[[], None]] = {}  # what ends streams that still run
        self._detours: list[Detour] = []
        self._hooked = False

    def start(self) -> Pipeline:
        """The pipeline for a session, begun from the environment if nothing was configured."""
        with self._lock:
            base = self.base or self._install(_settings.resolve(self._arguments))
            return self._detours[-1](base) if self._detours else base

    def configure(self, settings: dict[str, object]) -> Config:
        with self._lock:
            merged = {**self._arguments, **settings}
            config = _settings.resolve(merged)
            self._arguments = merged
            self._install(config)
            return config

    def _install(self, config: Config) -> Pipeline:
        current = self.base
        if current and _route(current.config) == _route(config):
            delivery = current.delivery
        else:
            delivery = deliver(config, self.faults)
            if current:
                self._past.append(current)
            _hand_over(config, self._past)
            _rest(self._past)
        self.base = self._through(config, delivery)
        self._choose()
        rules.limits = config.limits
        self.off = not config.enabled
        if not self._hooked:
            self._hooked = True
            _at_exit(self.exit)
        return self.base

    def divert(self, detour: Detour) -> None:
        """From now on sessions begin in the pipeline that this gives; the last one is asked."""
        with self._lock:
            self._detours.append(detour)
            self._choose()

    def restore(self, detour: Detour) -> None:
        """Ends a detour, be it the last one or not; a second time does nothing."""
        with self._lock:
            self._detours = [each for each in self._detours if each != detour]
            self._choose()

    def obey(self) -> None:
        """Sessions that start from now on go where `_sending` says by now."""
        with self._lock:
            if self.base:
                self.base = self._through(self.base.config, self.base.delivery)
                self._choose()

    def _through(self, config: Config, delivery: Delivery) -> Pipeline:
        return Pipeline(config, delivery, self.ids, None if _sending.allowed else _let_go)

    def _choose(self) -> None:
        self.pipeline = None if self._detours else self.base

    def new_id(self) -> bytes:
        """16 random bytes, when `ids` has run out of those that were drawn before.

        They are drawn many at once: a system call for each would double the cost of a start.
        """
        drawn = os.urandom(16 * _POOL)
        self.ids.extend(drawn[at : at + 16] for at in range(16, len(drawn), 16))
        return drawn[:16]

    def _deliveries(self) -> list[Delivery]:
        with self._lock:
            past = [each.delivery for each in self._past]
            return [*past, self.base.delivery] if self.base else past

    def _each(self, act: Callable[[Delivery, float | None], bool], timeout: float | None) -> bool:
        """Lets each delivery act within what is left of the time; whether all of them could."""
        end = _clock.now() + (timeout or 0)
        done = True
        for delivery in self._deliveries():
            # What a shutdown left on the disk for an earlier server is not waited for again.
            if delivery.active or delivery is (self.base and self.base.delivery):
                left = None if timeout is None else max(end - _clock.now(), 0)
                done = act(delivery, left) and done
        return done

    def flush(self, timeout: float | None = None) -> bool:
        return self._each(Delivery.flush, timeout)

    def shutdown(self, timeout: float | None = None) -> bool:
        return self._each(Delivery.shutdown, timeout)

    def exit(self) -> None:
        """Delivers what there is within the exit timeout; Ctrl-C makes it give up at once."""
        try:
            self.faults.guard(self._end, self.base and self.base.config.exit_timeout)
        except KeyboardInterrupt:
            self.faults.guard(self._end, 0)

    def _end(self, timeout: float | None) -> bool:
        for end in list(self.suspended.values()):
            end()
        return self._each(Delivery.end, timeout)

    def stats(self) -> Stats:
        total = Stats(errors=dict(self.faults.by_place), last_error=self.faults.last)
        for each in (delivery.stats() for delivery in self._deliveries()):
            total = replace(
                total,
                accepted=total.accepted + each.accepted,
                delivered=total.delivered + each.delivered,
                queued=total.queued + each.queued,
                spooled=total.spooled + each.spooled,
                rejected=total.rejected + each.rejected,
                dropped=total.dropped + each.dropped,
                resent=total.resent + each.resent,
                last_error=each.last_error or total.last_error,
            )
        return total

    # ---- Fork

    def before_fork(self) -> None:
        self._lock.acquire()
        for delivery in self._deliveries():
            delivery.before_fork()

    def after_fork_in_parent(self) -> None:
        for delivery in self._deliveries():
            delivery.after_fork_in_parent()
        self._lock.release()

    def after_fork_in_child(self) -> None:
        """Begins anew: own ids, own queue, own threads, and none of the parent's sessions."""
        for delivery in self._deliveries():
            delivery.abandon()
        self.faults.clear()
        self.pipeline = self.base = None
        self._past = []
        self.ids = []
        self.suspended = {}
        self._hooked = False
        self._lock = threading.RLock()


def _watched(accept: Sink) -> Sink:
    return partial(_both, _sending.watch, accept) if _sending.watch else accept


def _both(watch: Sink, accept: Sink, record: Record) -> None:
    watch(record)
    accept(record)


def _let_go(record: Record) -> None:
    """Where nothing may be sent, and nobody wants it."""


def _at_exit(end: Callable[[], None]) -> None:
    """Has this called when the process ends, also by `multiprocessing`, which skips `atexit`."""
    atexit.unregister(end)  # a forked child has what its parent registered
    atexit.register(end)
    multiprocessing = sys.modules.get("multiprocessing")
    if multiprocessing and multiprocessing.parent_process():
        multiprocessing.util.Finalize(None, end, exitpriority=0)


def _route(config: Config) -> tuple[object, ...]:
    """What makes two configurations share a delivery."""
    if config.local:
        return ("local", config.home)
    return (config.server_url, config.project, config.spool_dir, config.api_key, config.timeout)


def _hand_over(config: Config, past: list[Pipeline]) -> None:
    """What waits because the server is failing now goes by the new settings, a new key say."""
    for each in past:
        if _purpose(each.config) == _purpose(config):
            each.delivery.try_again(partial(_connect, config))


def _purpose(config: Config) -> tuple[object, ...]:
    return (config.server_url, config.project)


def _rest(past: list[Pipeline]) -> None:
    """Ends the threads of earlier deliveries that have nothing to send; their counts stay."""
    for each in past:
        stats = each.delivery.stats()
        if not stats.queued + stats.spooled:
            each.delivery.shutdown(0)


def deliver(config: Config, faults: Faults) -> Delivery:
    """The way to the server of these settings."""
    connect = partial(_connect, config)
    if config.local:  # the store is durable itself; SQLite takes one writer at a time
        return Delivery(connect, _encode, faults, most_senders=1, at_hand=True)
    return Delivery(connect, _encode, faults, _spool(config), _wire.shrunk)


def _spool(config: Config) -> Spool | None:
    if config.spool_dir is None or config.server_url is None or not LOCKS:
        return None
    return Spool(config.spool_dir, config.server_url, config.project)


def _accept(config: Config, delivery: Delivery) -> Callable[[Record], None]:
    """What the end of a session calls: it queues, and waits where the settings say so."""
    accept = delivery.accept
    if config.durable and not config.local:
        accept = delivery.accept_durably
    elif config.durable:
        return partial(_then_wait, accept, delivery, config.timeout)
    return accept if config.background else partial(_then_wait_at_root, accept, delivery)


def _then_wait(
    accept: Callable[[Record], None], delivery: Delivery, seconds: float, record: Record
) -> None:
    accept(record)
    delivery.flush(seconds, patient=False)


def _then_wait_at_root(
    accept: Callable[[Record], None], delivery: Delivery, record: Record
) -> None:
    accept(record)
    if record.parent is None:
        delivery.flush(_ROOT, patient=False)


def _connect(config: Config) -> HttpSender:
    # Here, since httpx and sqlite3 are to be loaded by the worker, not by `import honeytrace`.
    from honeytrace._transport import HERE, Here, HttpSender

    if config.server_url is None:
        return HttpSender(HERE, transport=Here(config.home))
    return HttpSender(config.server_url, config.api_key, config.timeout)


def _redactor(config: Config) -> Callable[[Session], Session] | None:
    if config.redact is False:
        return None
    rule = None if config.redact is True else partial(_by_rule, config.redact)
    return partial(redact, custom=rule, key=config.api_key)


def _by_rule(rule: Custom, path: str, value: Any) -> Any:
    """What a rule of the user's says; `redact` replaces the value if it raises."""
    result, fault = attempt(quietly, rule, path, value)
    if fault is not None:
        live.faults.blame("redact", "configure()", fault)
        raise fault
    return result


def _encode(record: Record) -> bytes:
    return _wire.encode(finished(record))


def finished(record: Record) -> Session:
    """What happened, without its secrets, as it may leave the process."""
    session = close(record)
    redact = cast("Pipeline", record.defaults).redact
    return redact(session) if redact else session


live = Live()

if hasattr(os, "register_at_fork"):  # pragma: no branch - there is no fork on Windows
    os.register_at_fork(
        before=live.before_fork,
        after_in_parent=live.after_fork_in_parent,
        after_in_child=live.after_fork_in_child,
    )


def configure(**settings: object) -> Config:
    """Sets the configuration of this process and returns it.

    Only what is named changes; None puts a setting back to the environment or its default.
    Sessions that were accepted before go out under the configuration of then. Never needed: the
    environment and the defaults serve.

        configure(project="Simple RAG Project", source="production")

    Settings: `api_key`, `server_url`, `project`, `source`, `enabled`, `home`, `spool_dir` (a
    directory, or "off"), `timeout` and `exit_timeout` (both in seconds), `durable`, `background`,
    `capture_inputs`, `capture_outputs`, `redact` (a switch, or a function of the path and the value
    that returns what to send in its place), `limits` (how much of one field is kept, as
    `{"string": 1000}`: `chars`, `nodes`, `depth`, characters of a `string`, `items` of a list).
    Raises `ConfigurationError` naming the setting, and then nothing has changed.
    """
    return live.configure(settings)


def get_session(session_id: str) -> Session:
    """Reads a session back from where sessions go, the API or the store on this machine.

    What this process has yet to send is sent first. Raises `SessionNotFoundError`, and the other
    errors of `Client.get_session`.
    """
    from honeytrace._client import Client  # needs httpx, see _connect

    config = live.start().config
    live.flush(config.timeout)
    with Client.configured(config) as client:
        return client.get_session(session_id).session


def flush(timeout: float | None = None) -> bool:
    """Waits until the sessions accepted so far are delivered; returns whether all are settled.

    `timeout` is in seconds; without one it waits for as long as there is progress, and not for a
    server that is down once everything is on disk. What is not delivered stays there.
    """
    return live.flush(timeout)


def shutdown(timeout: float | None = None) -> bool:
    """Flushes, then stops the threads; returns whether all sessions are settled.

    What is not delivered in time stays on disk, for a later session or process or `honeytrace
    resend`. Without a spool it is dropped and counted.

    Runs by itself at exit, within the exit timeout. Safe to call twice; a session that ends later
    starts delivery again.
    """
    return live.shutdown(timeout)


def stats() -> Stats:
    """The counts of this process since its start."""
    return live.stats()
