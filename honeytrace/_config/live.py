"""The live pipeline: the settings in force and what follows from them.

`live` is one of two pieces of module-level state in the package; the other is the current session.
"""

from __future__ import annotations

import atexit
import os
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from contextvars import ContextVar
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from honeytrace._capture.snapshot import rules
from honeytrace._config.pipeline import Exporter, Pipeline, Processor, deliverer
from honeytrace._config.routes import Routes
from honeytrace._config.settings import Config, resolve
from honeytrace._delivery.stats import Stats
from honeytrace._delivery.worker import Delivery
from honeytrace._session.context import without_tracing
from honeytrace._session.record import CallRecord
from honeytrace._utils import pytest_compat
from honeytrace._utils.guard import ErrorGuard, try_call

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from honeytrace._config.settings import Settings

_T = TypeVar("_T")

_DRAWN_IDS = 256  # ids that are drawn at once
_MAX_HELD = 1_000  # sessions that wait until it is known whether pytest lets them leave


class Override(Protocol):
    """Changes where sessions begin as long as it is open, as a capture does."""

    def pipeline(self, base: Pipeline) -> Pipeline:
        """Return the pipeline for a session that starts now, in place of `base`."""

    def is_strict(self) -> bool:
        """Return whether an internal error on this thread is to be raised."""


class Live:
    """What is in force in this process. The environment is read at the first use, not at import.

    Attributes:
        guard: the one guard for internal errors.
        pipeline: where sessions begin; None while `start` has to choose it for each.
        off: whether tracing is switched off.
        base: the pipeline by the settings in force; None before the first use.
        ids: random ids that were drawn and not used yet.
        suspended: what ends each stream that still runs, by the `id` of the stream.
        processors: get each session that ends, captured or not; decided by the pytest plugin.
        exporters: get each finished session of the pipelines that are made from now on.
        overrides: those that are open; the last one is asked.
        override: the one of this context, if it has its own.
        in_pytest: whether pytest ran here when this was made.
    """

    def __init__(self) -> None:
        self.guard = ErrorGuard(strict=self._is_strict)
        self.pipeline: Pipeline | None = None
        self.off = False
        self.base: Pipeline | None = None
        self.ids: list[bytes] = []
        self.suspended: dict[int, Callable[[], None]] = {}
        self.processors: tuple[Processor, ...] = ()
        self.exporters: tuple[Exporter, ...] = ()
        self.overrides: list[Override] = []
        self.override: ContextVar[Override | None] = ContextVar("honeytrace_override", default=None)
        self.in_pytest = pytest_compat.is_running()
        self._arguments: dict[str, object] = {}
        self._routes = Routes(self.guard)
        self._lock = threading.RLock()
        self._decided = False  # whether it is known what becomes of sessions
        self._held: list[CallRecord] = []
        self._begun = False  # whether a session has started since the last `configure()`
        self._hooked = False

    def __reduce__(self) -> str:
        return "live"

    def start(self) -> Pipeline:
        """Return the pipeline for a session.

        For the first session the environment is read, also if `configure()` has read it before: a
        program may load its variables from a file in between.
        """
        with self._lock:
            if not self._decided:
                self.refresh_processors()
            base = self.base if self.base and self._begun else self._begin()
            self._choose()
            return self.overrides[-1].pipeline(base) if self.overrides else base

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
            self._arguments = merged
            self._begun = False
            self._install(config)
            return config

    def _install(self, config: Config) -> Pipeline:
        # What an exception from outside interrupts here is done by the next session.
        self.base = self.pipeline = None
        if not self._hooked:
            _at_exit(self.exit)
            self._hooked = True
        rules.limits = config.limits
        self.off = not config.enabled
        self.base = pipeline = self._make(config, self._routes.switch_to(config))
        self._choose()
        return pipeline

    def push(self, override: Override) -> None:
        """Let sessions begin where this says, from now on."""
        with self._lock:
            self.pipeline = None
            self.overrides.append(override)

    def pop(self, override: Override) -> None:
        """End an override, whether it is the last one or not; a second time does nothing."""
        with self._lock:
            self.overrides = [each for each in self.overrides if each is not override]
            self._choose()

    def refresh_processors(self) -> None:
        """Let sessions that start from now on go where the pytest plugin says by now."""
        with self._lock:
            if self.base:
                self.base = self._make(self.base.config, self.base.delivery)
                self._choose()

    def _make(self, config: Config, delivery: Delivery) -> Pipeline:
        """Return a pipeline; what its sessions go through is decided by pytest, if that runs."""
        rule = pytest_compat.rule()
        if rule is None and (self._decided or len(self._held) >= _MAX_HELD):
            rule = pytest_compat.SEND
        if rule is None:
            return Pipeline(config, delivery, self.ids, [self._hold])
        self._decided = True
        self.processors = rule.processors
        last = [deliverer(config, delivery)] if rule.sends else []
        if rule.sends:
            load()
        pipeline = Pipeline(config, delivery, self.ids, [*self.processors, *last], self.exporters)
        while self._held:
            pipeline.accept(self._held.pop(0))
        return pipeline

    def _hold(self, record: CallRecord) -> None:
        """Keep an ended session until it is known whether it may leave the process."""
        with self._lock:
            if not self._decided or self.base is None:
                self._held.append(record)
            else:
                self.base.accept(record)

    def _choose(self) -> None:
        chosen = self._decided and self._begun and not self.overrides
        self.pipeline = self.base if chosen else None

    def _is_strict(self) -> bool:
        return bool(self.overrides) and self.overrides[-1].is_strict()

    def deliver_beside(self, config: Config) -> Delivery:
        """Return one more delivery, which is flushed and ended with the one in force."""
        with self._lock:
            return self._routes.add(config)

    def new_id(self) -> bytes:
        """Return 16 random bytes and fill `ids`, which is empty.

        Many are drawn at once: a system call for each would double the cost of a start.
        """
        drawn = os.urandom(16 * _DRAWN_IDS)
        self.ids.extend(drawn[at : at + 16] for at in range(16, len(drawn), 16))
        return drawn[:16]

    def flush(self, timeout: float | None) -> bool:
        return self._routes.flush(timeout)

    def shutdown(self, timeout: float | None) -> bool:
        return self._routes.shutdown(timeout)

    def exit(self) -> None:
        """Deliver what there is within the exit timeout; Ctrl-C makes it give up at once."""
        interrupted = _is_interrupted()
        try:
            self.guard.call(self._end, self.base and self.base.config.exit_timeout)
        except KeyboardInterrupt:
            self.guard.call(self._end, 0)
        if interrupted:
            _end_as_interrupted()

    def _end(self, timeout: float | None) -> bool:
        for end in list(self.suspended.values()):
            end()
        if self._held:  # pytest has ended, and our plugin was not loaded
            self.refresh_processors()
        return self._routes.end(timeout)

    def stats(self) -> Stats:
        return self._routes.stats()

    def before_fork(self) -> None:
        self._lock.acquire()
        self._routes.before_fork()

    def after_fork_in_parent(self) -> None:
        self._routes.after_fork_in_parent()
        self._lock.release()

    def after_fork_in_child(self) -> None:
        """Start again with own ids, queue and threads, and none of the parent's sessions."""
        self._routes.after_fork_in_child()
        self.guard.clear()
        self.pipeline = self.base = None
        self.ids = []
        self.suspended = {}
        self._held = []
        self._hooked = False
        self._lock = threading.RLock()


def load() -> None:
    """Import under pytest what the worker would import.

    pytest rewrites the modules of a plugin's package when they are imported, and before Python 3.12
    two threads that do so at once may fail.
    """
    if pytest_compat.rewrites_imports():
        import honeytrace._delivery.http.sender
        import honeytrace._delivery.local
        import honeytrace.local._app  # noqa: F401 - see above


def _at_exit(end: Callable[[], None]) -> None:
    """Call `end` when the process ends; children of `multiprocessing` skip `atexit`."""
    atexit.unregister(end)  # a forked child has what its parent registered
    atexit.register(end)
    multiprocessing = sys.modules.get("multiprocessing")
    if multiprocessing and multiprocessing.parent_process():
        multiprocessing.util.Finalize(None, end, exitpriority=0)


def _is_interrupted() -> bool:
    """Return True if an uncaught Ctrl-C is what ends the program."""
    trace = getattr(sys, "last_traceback", None)  # of a prompt, too, where it ends nothing
    outermost = trace is not None and trace.tb_frame.f_back is None and not hasattr(sys, "ps1")
    return outermost and getattr(sys, "last_type", None) is KeyboardInterrupt


def _end_as_interrupted() -> None:
    """Let the interpreter end by SIGINT. It forgets that it should when code is run from text,
    as for the named tuples and dataclasses of modules that are imported at exit."""
    with suppress(KeyboardInterrupt):
        exec("raise KeyboardInterrupt")  # noqa: S102


live = Live()

if hasattr(os, "register_at_fork"):  # pragma: no branch - there is no fork on Windows
    os.register_at_fork(
        before=live.before_fork,
        after_in_parent=live.after_fork_in_parent,
        after_in_child=live.after_fork_in_child,
    )


def configure(**settings: Unpack[Settings]) -> Config:
    """Set the configuration of this process and return it.

    Only the settings that are named change; None resets one to the environment or its default.
    Sessions that were accepted earlier are still sent under the earlier configuration. There is no
    need to call this: the environment and the defaults are enough. Variables that are set after it
    still count, up to the first session.

        configure(project="Simple RAG Project", source="production")

    Settings: `api_key`, `server_url`, `project`, `source`, `enabled`, `home`, `spool_dir` (a
    directory, or "off"), `timeout` and `exit_timeout` (both in seconds), `durable`, `background`,
    `capture_inputs`, `capture_outputs`, `redact` (a switch, or a function of the path and the value
    that returns what to send in its place), `limits` (how much of one field is kept, as
    `{"string": 1000}`: `chars`, `nodes`, `depth`, characters of a `string`, `items` of a list),
    `store_size` (bytes, or "500MB") and `store_age` (seconds, or "30d"), beyond which the store on
    this machine deletes its oldest sessions.
    Raises `ConfigurationError` naming the setting, and then nothing has changed.
    """
    return live.configure(settings)


def flush(timeout: float | None = None) -> bool:
    """Wait until the sessions accepted so far are delivered or rejected; return whether all are.

    `timeout` is in seconds. Without one it waits for as long as there is progress, and stops
    waiting for a server that is down once everything is on disk. What is not delivered stays there.
    """
    return live.flush(timeout)


def shutdown(timeout: float | None = None) -> bool:
    """Flush, then stop the threads; return whether all sessions are delivered or rejected.

    What is not delivered in time stays on disk, for a later session or process or `honeytrace
    resend`. Without a spool it is dropped and counted.

    This runs by itself at exit, within the exit timeout. It is safe to call it twice; a session
    that ends later starts delivery again.
    """
    return live.shutdown(timeout)


def stats() -> Stats:
    """Return the counts of this process since its start."""
    return live.stats()


def register(kind: type[_T], function: Callable[[_T], object] | None) -> None:
    """Record `function(value)` in place of a value of this type or a subclass from now on.

    The nearest class in the method resolution order counts. Plain strings, numbers, booleans,
    dicts, lists, tuples and None stay as they are. None removes what was registered.

        honeytrace.register(Document, lambda document: {"id": document.id})

    It runs on the caller's thread, and nothing that it calls is traced. If it raises, the value is
    not recorded, and `stats().errors` counts it. Raises `TypeError` if the type is not a class or
    the function cannot be called.
    """
    rules.register(kind, partial(_registered, function) if callable(function) else function)


def _registered(function: Callable[[Any], object], value: Any) -> object:
    result, fault = try_call(without_tracing, function, value)
    if result is value:
        fault = ValueError("the function returned the object that it was given")
    if fault is not None:
        live.guard.user_function_failed("register", type(value).__qualname__, fault)
        raise fault
    return result
