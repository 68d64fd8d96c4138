"""The live pipeline: the settings in force, and what is set by them. Module-level state of the
whole process lives here, in `live`."""

from __future__ import annotations

import atexit
import os
import sys
import threading
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from honeytrace._capture.snapshot import rules
from honeytrace._config.pipeline import Pipeline
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

_POOL = 256  # ids that are drawn at once

Detour = Callable[[Pipeline], Pipeline]
"""Gives the pipeline that a session begins in, in place of the one that is in force."""


class Live:
    """What is in force in this process. The environment is read at the first use, not at import.

    Attributes:
        base: the pipeline in force; None before the first use.
        pipeline: the one that sessions begin in; None while `start` has to choose it for each.
    """

    def __init__(self) -> None:
        self.guard = ErrorGuard()
        self.pipeline: Pipeline | None = None
        self.off = False
        self.base: Pipeline | None = None
        self._arguments: dict[str, object] = {}
        self._routes = Routes(self.guard)
        self._lock = threading.RLock()
        self.ids: list[bytes] = []
        self.suspended: dict[int, Callable[[], None]] = {}  # what ends streams that still run
        self._detours: list[Detour] = []
        self._early = False
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
            if self._early:
                self.refresh_pytest_state()
            base = self.base if self.base and self._begun else self._begin()
            return self._detours[-1](base) if self._detours else base

    def _begin(self) -> Pipeline:
        self._begun = True
        config = resolve(self._arguments)
        if self.base is None or self.base.config != config:
            return self._install(config)
        self._choose()
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
        pipeline = self.base = self._through(config, self._routes.switch_to(config))
        self._choose()
        rules.limits = config.limits
        self.off = not config.enabled
        if not self._hooked:
            self._hooked = True
            _at_exit(self.exit)
        return pipeline

    def push(self, detour: Detour) -> None:
        """From now on sessions begin in the pipeline that this gives; the last one is asked."""
        with self._lock:
            self._detours.append(detour)
            self._choose()

    def pop(self, detour: Detour) -> None:
        """Ends a detour, be it the last one or not; a second time does nothing."""
        with self._lock:
            self._detours = [each for each in self._detours if each != detour]
            self._choose()

    def refresh_pytest_state(self) -> None:
        """Sessions that start from now on go where `_sending` says by now."""
        with self._lock:
            if self.base:
                self.base = self._through(self.base.config, self.base.delivery)
                self._choose()

    def _through(self, config: Config, delivery: Delivery) -> Pipeline:
        self._early = pytest_compat.early()
        leaves = pytest_compat.allowed and not self._early
        if leaves:
            load()
        return Pipeline(config, delivery, self.ids, None if leaves else _discard)

    def _choose(self) -> None:
        chosen = self._begun and not self._detours and not self._early
        self.pipeline = self.base if chosen else None

    def also(self, delivery: Delivery, config: Config) -> None:
        """One more delivery that is flushed and ended with the others."""
        with self._lock:
            self._routes.also(config, delivery)

    def new_id(self) -> bytes:
        """16 random bytes, when `ids` has run out of those that were drawn before.

        They are drawn many at once: a system call for each would double the cost of a start.
        """
        drawn = os.urandom(16 * _POOL)
        self.ids.extend(drawn[at : at + 16] for at in range(16, len(drawn), 16))
        return drawn[:16]

    def flush(self, timeout: float | None) -> bool:
        return self._routes.flush(timeout)

    def shutdown(self, timeout: float | None) -> bool:
        return self._routes.shutdown(timeout)

    def exit(self) -> None:
        """Delivers what there is within the exit timeout; Ctrl-C makes it give up at once."""
        try:
            self.guard.call(self._end, self.base and self.base.config.exit_timeout)
        except KeyboardInterrupt:
            self.guard.call(self._end, 0)

    def _end(self, timeout: float | None) -> bool:
        for end in list(self.suspended.values()):
            end()
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
        """Begins anew: own ids, own queue, own threads, and none of the parent's sessions."""
        self._routes.after_fork_in_child()
        self.guard.clear()
        self.pipeline = self.base = None
        self.ids = []
        self.suspended = {}
        self._hooked = False
        self._lock = threading.RLock()


def load() -> None:
    """Imports under pytest what the worker would import. pytest parses the modules of a plugin's
    package, and before Python 3.12 two threads that do so at once may fail."""
    if "_pytest.assertion.rewrite" in sys.modules:
        import honeytrace._delivery.http.sender
        import honeytrace.local._app  # noqa: F401 - see above


def _discard(record: CallRecord) -> None:
    """Where nothing may be sent, and nobody wants it."""


def _at_exit(end: Callable[[], None]) -> None:
    """Has this called when the process ends, also by `multiprocessing`, which skips `atexit`."""
    atexit.unregister(end)  # a forked child has what its parent registered
    atexit.register(end)
    multiprocessing = sys.modules.get("multiprocessing")
    if multiprocessing and multiprocessing.parent_process():
        multiprocessing.util.Finalize(None, end, exitpriority=0)


live = Live()

if hasattr(os, "register_at_fork"):  # pragma: no branch - there is no fork on Windows
    os.register_at_fork(
        before=live.before_fork,
        after_in_parent=live.after_fork_in_parent,
        after_in_child=live.after_fork_in_child,
    )


def configure(**settings: Unpack[Settings]) -> Config:
    """Sets the configuration of this process and returns it.

    Only what is named changes; None puts a setting back to the environment or its default.
    Sessions that were accepted before go out under the configuration of then. It need not be
    called: the environment and the defaults serve. Variables that are set after it still count, up
    to the first session.

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


def register(kind: type[_T], function: Callable[[_T], object] | None) -> None:
    """From now on `function(value)` is recorded in place of a value of this type or a subclass.

    The nearest class in the order of inheritance counts. Plain strings, numbers, booleans, dicts,
    lists, tuples and None stay as they are. None takes back what was registered.

        honeytrace.register(Document, lambda document: {"id": document.id})

    It runs on the caller's thread, and nothing that it calls is traced. One that raises costs its
    value, and is counted in `stats().errors`. Raises `TypeError` for what is no class or function.
    """
    rules.register(kind, partial(_registered, function) if callable(function) else function)


def _registered(function: Callable[[Any], object], value: Any) -> object:
    result, fault = try_call(without_tracing, function, value)
    if result is value:
        fault = ValueError("the function returned the very object that it was given")
    if fault is not None:
        live.guard.user_function_failed("register", type(value).__qualname__, fault)
        raise fault
    return result
