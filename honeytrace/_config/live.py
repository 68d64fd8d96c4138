"""The live pipeline: the settings in force in this process, and what depends on them.

`live` is one of two pieces of global state in the package; the other is the current session.
"""

from __future__ import annotations

import os
import struct
import threading
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from functools import partial
from os import urandom  # a program's tests may patch it in `os`
from typing import Protocol, cast
from weakref import WeakKeyDictionary

from honeytrace._capture.rules import rules
from honeytrace._config.exit import at_exit, end_as_interrupted, is_interrupted
from honeytrace._config.pipeline import Exporter, Pipeline, Processor, deliverer
from honeytrace._config.routes import Routes
from honeytrace._config.sampler import ALL_SAMPLED, Sampler
from honeytrace._config.settings import Config, fixed, resolve
from honeytrace._delivery.processes import will_fork_unseen
from honeytrace._delivery.stats import Stats
from honeytrace._delivery.worker import Delivery
from honeytrace._session.record import CallRecord
from honeytrace._session.update import Update
from honeytrace._utils import pytest_compat
from honeytrace._utils.guard import ErrorGuard
from honeytrace._utils.locks import is_lost, is_owned

_DRAWN_IDS = 256  # ids that one system call draws
_split_ids = struct.Struct("16s" * _DRAWN_IDS).unpack
_MAX_HELD = 1_000  # sessions kept until pytest has decided whether they may be sent


class Override(Protocol):
    """Replaces the pipeline of new sessions while it is open; a capture is one."""

    def pipeline(self, base: Pipeline) -> Pipeline:
        """Return the pipeline for a session that starts now, instead of `base`."""

    def is_strict(self) -> bool:
        """Return True if internal errors on this thread should be raised."""


class Suspended(Protocol):
    """A stream that still runs, or a tree that waits; it has a session to end with the program."""

    def end(self) -> None: ...


class Live:
    """The state of this process. It reads the environment at the first use, not at import.

    Attributes:
        guard: the guard for internal errors.
        pipeline: the pipeline of new sessions; None while `start` has to choose one for each.
        off: True if tracing is switched off.
        rare: True if some calls are not recorded: tracing is off, or some trees are not sampled.
        sampler: the sampler of `pipeline`; one that drops nothing if that is None.
        base: the pipeline for the settings in force; None before the first use.
        ids: random ids that have been drawn but not used.
        suspended: references to what has to end with the program, by its `id`; see `Suspended`.
        processors: called with each session that ends, captured or not; set by the pytest plugin.
        exporters: called with each finished session of the pipelines made from now on.
        overrides: the open overrides; the last one counts.
        override: the override of the current context, if it has its own.
        in_pytest: True if this process was running pytest when the object was made.
    """

    def __init__(self) -> None:
        self.guard = ErrorGuard(strict=self._is_strict)
        self.pipeline: Pipeline | None = None
        self.off = False
        self.rare = False
        self.sampler: Sampler = ALL_SAMPLED
        self.base: Pipeline | None = None
        self.ids: list[bytes] = []
        self.suspended: dict[int, Callable[[], Suspended | None]] = {}
        self.processors: tuple[Processor, ...] = ()
        self.exporters: tuple[Exporter, ...] = ()
        self.overrides: list[Override] = []
        self.override: ContextVar[Override | None] = ContextVar("honeytrace_override", default=None)
        self.in_pytest = pytest_compat.is_running()
        self._sides: WeakKeyDictionary[object, Pipeline] = WeakKeyDictionary()
        self._arguments: dict[str, object] = {}
        self._routes = Routes(self.guard, self._is_locked)
        self._lock = threading.RLock()
        self._sends = False  # True if pytest, or no pytest, lets sessions leave the process
        self._decided = False  # True once pytest has decided whether sessions are sent
        self._held: list[CallRecord] = []
        self._begun = False  # True if a session has started since the last `configure()`
        self._hooked = False
        self._holds = False  # True once a tree waits for `keep`
        self._pid = os.getpid()

    def __reduce__(self) -> str:
        return "live"

    def start(self) -> Pipeline:
        """Return the pipeline for a session that starts now.

        The first session reads the environment even if `configure()` has read it before: a program
        may load its variables from a file in between.
        """
        self._notice_fork()
        if is_lost(self._lock):
            raise RuntimeError("the interpreter has killed a thread that held the lock")
        with self._lock:
            if not self._decided:
                self._refresh()
            base = self.base if self.base and self._begun else self._begin()
            self._choose()
        self._catch_up()
        return self._prepared(base)

    def _notice_fork(self) -> None:
        """Do what Python's hooks do, if this process was forked without them."""
        if self._pid != os.getpid():
            self.after_fork_in_child()

    def _prepared(self, base: Pipeline) -> Pipeline:
        """Return the pipeline to use instead of this one; start the threads if it sends.

        A session begins after this. If the threads were started when it ends, the time that takes
        would look like the price of tracing in the session around it.
        """
        overrides = self.overrides
        if overrides:
            return overrides[-1].pipeline(base)
        if self._sends and base.config.enabled and not self._is_locked():
            self.guard.call(partial(base.delivery.start, older=False))
        return base

    def _is_locked(self) -> bool:
        """Return whether this thread holds the lock: a signal handler or `__del__` interrupted it.

        It must not wait for our other threads then, since a `__del__` in one of them may want the
        lock. What is left to do is done once the lock is released.
        """
        return is_owned(self._lock)

    def _catch_up(self) -> None:
        """Do what must not be done under the lock."""
        if self._is_locked():
            return
        self._routes.catch_up()
        if self._held and self._decided:
            with self._lock:
                held, self._held, base = self._held, [], self.base
            for record in held:
                self._accept(record, base)

    def _begin(self) -> Pipeline:
        self._begun = True
        config = resolve(self._arguments)
        if self.base is None or self.base.config != config:
            return self._install(config)
        return self.base

    def configure(self, settings: Mapping[str, object]) -> Config:
        with self._lock:
            merged = {**self._arguments, **settings}
            config = resolve(merged)
            self._arguments = fixed(merged, config)
            self._begun = False
            self._install(config)
        self._catch_up()
        return config

    def _install(self, config: Config) -> Pipeline:
        # If an exception from outside interrupts this, the next session does it again.
        self.base = None
        self._use(None)
        self._sides.clear()
        if not self._hooked:
            at_exit(self.exit)
            self._hooked = True
        rules.limits = config.limits
        self.off = not config.enabled
        self.rare = self.off or config.sample_rate < 1
        self.base = pipeline = self._make(config, self._routes.switch_to(config))
        self._choose()
        return pipeline

    def resolve(self, settings: Mapping[str, object]) -> Config:
        """Return the configuration with other settings on top."""
        return resolve({**self._arguments, **settings})

    def pipeline_of(self, tracer: object, settings: Mapping[str, object]) -> Pipeline:
        """Return the pipeline for a session of a tracer that starts now."""
        found = self._sides.get(tracer)
        if found is None:
            self._notice_fork()
            with self._lock:
                config = self.resolve(settings)
                found = self._make(config, self._routes.beside(config))
                if self._decided and not will_fork_unseen():
                    self._sides[tracer] = found
            self._catch_up()
        return self._prepared(found)

    def hold_trees(self) -> None:
        """From now on, let each session ask whether its tree is held, whatever its settings are."""
        with self._lock:
            self._holds = True
            for pipeline in filter(None, (self.base, *self._sides.values())):
                pipeline.special = True

    def push(self, override: Override) -> None:
        """Let this override choose the pipeline of new sessions from now on."""
        with self._lock:
            self._use(None)
            self.overrides.append(override)

    def pop(self, override: Override) -> None:
        """Remove an override, even if it is not the last one. Calling it twice is harmless."""
        with self._lock:
            self.overrides = [each for each in self.overrides if each is not override]
            self._choose()

    def refresh_processors(self) -> None:
        """Ask the pytest plugin again how to handle sessions that start from now on."""
        with self._lock:
            self._refresh()
        self._catch_up()

    def _refresh(self) -> None:
        self._sides.clear()
        if self.base:
            self.base = self._make(self.base.config, self.base.delivery)
            self._choose()

    def _make(self, config: Config, delivery: Delivery) -> Pipeline:
        """Return a pipeline. Under pytest, the plugin decides whether its sessions are sent."""
        rule = pytest_compat.rule()
        if rule is None and (self._decided or len(self._held) >= _MAX_HELD):
            rule = pytest_compat.SEND
        if rule is None:
            hold = self._hold
            return Pipeline(config, delivery, self.ids, [hold], self.exporters, updates=hold)
        self._decided = True
        self._sends = rule.sends
        self.processors = rule.processors
        last = [deliverer(config, delivery)] if rule.sends else []
        if rule.sends:
            load()
        # A record may only be emptied after encoding if no other processor keeps it.
        pipeline = Pipeline(
            config,
            delivery,
            self.ids,
            [*self.processors, *last],
            self.exporters,
            releases=not self.processors,
            updates=last[0] if last else None,
        )
        pipeline.special = pipeline.special or self._holds
        return pipeline

    def _accept(self, record: CallRecord, pipeline: Pipeline | None) -> None:
        """Accept a session that was held, by the pipeline of its own configuration."""
        own = cast("Pipeline", record.defaults)
        if pipeline is None or own.delivery is not pipeline.delivery:
            pipeline = self._make(own.config, own.delivery)
        if not isinstance(record, Update):
            pipeline.accept(record)
        elif pipeline.updates:
            pipeline.updates(record)

    def _hold(self, record: CallRecord) -> None:
        """Keep an ended session until pytest has decided whether it may leave the process."""
        self._held.append(record)
        self._catch_up()

    def _choose(self) -> None:
        chosen = self._decided and self._begun and not (self.overrides or will_fork_unseen())
        self._use(self.base if chosen else None)

    def _use(self, pipeline: Pipeline | None) -> None:
        self.pipeline = pipeline
        self.sampler = ALL_SAMPLED if pipeline is None else pipeline.sampler()

    def _is_strict(self) -> bool:
        return bool(self.overrides) and self.overrides[-1].is_strict()

    def deliver_beside(self, config: Config) -> Delivery:
        """Return an additional delivery, which is flushed and ended with the current one."""
        with self._lock:
            return self._routes.add(config)

    def new_id(self) -> bytes:
        """Return 16 random bytes, and draw more into `ids`, which is empty now.

        One system call draws many: a call for each would double the cost of starting a session.
        """
        drawn: list[bytes] = list(_split_ids(urandom(16 * _DRAWN_IDS)))
        last = drawn.pop()
        self.ids += drawn
        return last

    def flush(self, timeout: float | None) -> bool:
        self._notice_fork()
        return self._routes.flush(timeout)

    def shutdown(self, timeout: float | None) -> bool:
        self._notice_fork()
        return self._routes.shutdown(timeout)

    def exit(self) -> None:
        """Deliver the remaining sessions within the exit timeout; Ctrl-C ends this at once."""
        interrupted = is_interrupted()
        self._notice_fork()
        try:
            self.guard.call(self._end, self.base and self.base.config.exit_timeout)
        except KeyboardInterrupt:
            self.guard.call(self._end, 0)
        if interrupted:
            end_as_interrupted()

    def _end(self, timeout: float | None) -> bool:
        self.end_streams()
        if self._held:  # pytest has ended and never loaded our plugin
            with self._lock:
                self._decided = True
                self._refresh()
            self._catch_up()
        return self._routes.end(timeout)

    def end_streams(self) -> None:
        """End the sessions of streams that still run. The end of one may drop another."""
        for reference in list(self.suspended.values()):
            stream = reference()
            if stream is not None:
                stream.end()

    def stats(self) -> Stats:
        return self._routes.stats()

    def before_fork(self) -> None:
        self._lock.acquire()
        self._routes.before_fork()

    def after_fork_in_parent(self) -> None:
        self._routes.after_fork_in_parent()
        self._lock.release()

    def after_fork_in_child(self) -> None:
        """Start again with new ids, queue and threads, and without the parent's sessions."""
        self._pid = os.getpid()
        self._routes.after_fork_in_child()
        self.guard.clear()
        self.base = None
        self._use(None)
        self._sides = WeakKeyDictionary()
        self.ids = []
        self.suspended = {}
        self._held = []
        self._hooked = False
        self._lock = threading.RLock()


def load() -> None:
    """Under pytest, import the modules that the worker would import later.

    pytest rewrites the modules of a plugin's package when they are imported. Before Python 3.12
    this may fail if two threads do it at once.
    """
    if pytest_compat.rewrites_imports():
        import honeytrace._delivery.http.sender
        import honeytrace._delivery.local
        import honeytrace.local  # noqa: F401 - imported to be loaded


live = Live()
at_exit(live.exit)  # a first session that starts at exit would come too late for this

if hasattr(os, "register_at_fork"):  # pragma: no branch - there is no fork on Windows
    os.register_at_fork(
        before=live.before_fork,
        after_in_parent=live.after_fork_in_parent,
        after_in_child=live.after_fork_in_child,
    )
