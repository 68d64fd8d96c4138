"""The public functions that concern the whole process: `configure`, `flush`, `stats` and so on."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from honeytrace._capture.rules import rules
from honeytrace._config.live import live
from honeytrace._config.settings import Config
from honeytrace._delivery.stats import Stats
from honeytrace._session.context import without_tracing
from honeytrace._utils.guard import try_call

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from honeytrace._config.settings import Settings

_T = TypeVar("_T")


def configure(**settings: Unpack[Settings]) -> Config:
    """Set the configuration of this process and return it.

    Only the settings that you name change. None resets a setting to the environment or its default.
    Sessions that began before are still sent under the earlier configuration. You need not
    call this at all: the environment and the defaults are enough. Environment variables are read
    again at the first session after the call.

        configure(project="Simple RAG Project", source="production")

    Raises `ConfigurationError`, which names the setting; then nothing has changed.

    Settings:
        api_key: the API key.
        server_url: address of the server, such as "https://api.honeyhive.ai".
        project: project of sessions whose `trace_session` names none.
        source: source of sessions whose `trace_session` names none.
        enabled: False switches tracing off.
        home: directory of the store on this machine.
        spool_dir: directory where sessions wait until the server has them, or "off".
        timeout: seconds that one request may take.
        exit_timeout: seconds that delivery may delay the end of the program.
        durable: True makes a traced call return only after its session is on disk.
        background: False makes a root call wait up to 1 s until its sessions are sent.
        capture_inputs: False leaves out arguments.
        capture_outputs: False leaves out results.
        sample_rate: the fraction of trees that are recorded, such as 0.01. The id of the root
            decides for the whole tree, in other threads and services too.
        keep: a function that gets the ended root of a tree that is not sampled, and returns True
            to keep the tree. Without a `sample_rate` it decides about every tree.
        redact: False keeps secrets. A function adds its own rules: it gets a path and a value, and
            returns the value to send.
        limits: how much of each field is recorded, such as `{"string": 1000}`: `chars`, `nodes`,
            `depth`, characters of a `string`, `items` of a list.
        store_size: bytes, or "500MB", above which the store deletes its oldest sessions.
        prices: US dollars per million tokens of a model, such as
            `{"gpt-4o": (2.5, 1.25, 10.0)}` for the prompt, its cached tokens, and the answer; a
            fourth number is for tokens written to a cache.
        store_age: seconds, or "30d", after which the store deletes sessions.
    """
    return live.configure(settings)


def flush(timeout: float | None = None) -> bool:
    """Wait until all sessions that have ended are delivered or rejected; return True if all are.

    `timeout` is in seconds. Without one, it waits as long as there is progress. If the server is
    down, it stops waiting once all sessions are on disk, where they stay until they are delivered.
    """
    return live.flush(_checked(timeout))


def shutdown(timeout: float | None = None) -> bool:
    """Flush, then stop the threads; return True if all sessions are delivered or rejected.

    `timeout` is in seconds. Sessions that are not delivered in time stay on disk; a later session,
    another process or `honeytrace resend` sends them. Without a spool they are dropped and counted.

    This runs by itself at exit, within the exit timeout. You may call it twice, and a session that
    ends later starts delivery again.
    """
    return live.shutdown(_checked(timeout))


def _checked(timeout: object) -> float | None:
    if timeout is None or (isinstance(timeout, (int, float)) and not isinstance(timeout, bool)):
        return timeout
    raise TypeError(f"timeout cannot be {timeout!r}; give a number of seconds, or None")


def stats() -> Stats:
    """Return counts of sessions and errors since the process started."""
    return live.stats()


def register(kind: type[_T], function: Callable[[_T], object] | None) -> None:
    """From now on, record `function(value)` instead of each value of this type or a subclass.

    The nearest class in the method resolution order counts. It does not apply to strings, numbers,
    booleans, dicts, lists, tuples and None themselves. None as the function removes it.

        honeytrace.register(Document, lambda document: {"id": document.id})

    The function runs on the caller's thread, and nothing that it calls is traced. If it raises, the
    value is not recorded, and `stats().errors` counts the error. Raises `TypeError` if `kind` is
    not a class or `function` cannot be called.
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
