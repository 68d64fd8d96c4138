"""The decorator that the suite tests, and three small ones for comparison."""

from __future__ import annotations

import functools
import importlib
import os
from collections.abc import Callable
from typing import Any

Decorator = Callable[[Any], Any]

DEFAULT = "honeytrace:trace_session"
_CHOSEN = "CONFORMANCE_DECORATOR"


def load(spec: str) -> Decorator:
    """The decorator that `module:expression` means, such as `langfuse:observe` or
    `logfire:instrument()`."""
    module, _, expression = spec.partition(":")
    return eval(f"module.{expression}", {"module": importlib.import_module(module)})


def choose(spec: str) -> Decorator:
    """Loads a decorator, and keeps in the environment which: child processes need it, too."""
    os.environ[_CHOSEN] = spec
    return load(spec)


def spec_of(decorate: Decorator) -> str:
    """Return what a child process has to load."""
    return "decorators:identity" if decorate is identity else os.environ[_CHOSEN]


def identity(target: Any) -> Any:
    """No decorator at all: what everything is compared with."""
    return target


def wraps(target: Any) -> Any:
    """The closure that the manual of Python shows."""

    @functools.wraps(target)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return target(*args, **kwargs)

    return wrapper


def wrapt(target: Any) -> Any:
    """The wrapper that the manual of wrapt shows."""
    import wrapt

    @wrapt.decorator
    def wrapper(wrapped: Any, instance: Any, args: Any, kwargs: Any) -> Any:
        return wrapped(*args, **kwargs)

    return wrapper(target)


def opentelemetry(target: Any) -> Any:
    """A span of OpenTelemetry's SDK, as its manual shows it; nothing is exported."""
    from opentelemetry.sdk.trace import TracerProvider

    return TracerProvider().get_tracer("conformance").start_as_current_span("call")(target)


def logfire(target: Any) -> Any:
    """logfire's decorator; nothing is printed or sent."""
    return _logfire().instrument()(target)


@functools.cache
def _logfire() -> Any:
    import logfire

    logfire.configure(send_to_logfire=False, console=False)
    return logfire
