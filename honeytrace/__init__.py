"""One decorator that records the calls of an LLM application as HoneyHive sessions.

PYTEST_DONT_REWRITE: without this word, pytest warns if the package is imported before our plugin.
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from honeytrace import propagation, testing
    from honeytrace._client import (
        AsyncClient,
        Client,
        GetSessionResponse,
        StartSessionResponse,
        get_session,
    )
    from honeytrace._config.process import configure, flush, register, shutdown, stats
    from honeytrace._config.settings import Config
    from honeytrace._delivery.stats import Stats
    from honeytrace._session.active import ActiveSession
    from honeytrace._session.session import Session
    from honeytrace._stored import sessions
    from honeytrace._tracing.recorder import current_session, enrich_session
    from honeytrace._tracing.tags import tag
    from honeytrace._tracing.trace_session import trace_session
    from honeytrace._tracing.tracer import Tracer
    from honeytrace._tracing.updates import update_session
    from honeytrace._utils.errors import (
        ConfigurationError,
        HoneytraceError,
        SDKError,
        SessionNotFoundError,
        StoreError,
        TransportError,
    )
    from honeytrace._utils.version import __version__
    from honeytrace.integrations import instrument, patch, uninstrument

__all__ = [
    "ActiveSession",
    "AsyncClient",
    "Client",
    "Config",
    "ConfigurationError",
    "GetSessionResponse",
    "HoneytraceError",
    "SDKError",
    "Session",
    "SessionNotFoundError",
    "StartSessionResponse",
    "Stats",
    "StoreError",
    "Tracer",
    "TransportError",
    "__version__",
    "configure",
    "current_session",
    "enrich_session",
    "flush",
    "get_session",
    "instrument",
    "patch",
    "propagation",
    "register",
    "sessions",
    "shutdown",
    "stats",
    "tag",
    "testing",
    "trace_session",
    "uninstrument",
    "update_session",
]

# Nothing is imported before it is used: pytest imports this package in every project that has it
# installed, and a program may never call what it decorated.
_ROOMS = {
    "_client": (
        "AsyncClient",
        "Client",
        "GetSessionResponse",
        "StartSessionResponse",
        "get_session",
    ),
    "_config.process": ("configure", "flush", "register", "shutdown", "stats"),
    "_config.settings": ("Config",),
    "_delivery.stats": ("Stats",),
    "_session.active": ("ActiveSession",),
    "_session.session": ("Session",),
    "_stored": ("sessions",),
    "_tracing.recorder": ("current_session", "enrich_session"),
    "_tracing.tags": ("tag",),
    "_tracing.trace_session": ("trace_session",),
    "_tracing.tracer": ("Tracer",),
    "_tracing.updates": ("update_session",),
    "_utils.errors": (
        "ConfigurationError",
        "HoneytraceError",
        "SDKError",
        "SessionNotFoundError",
        "StoreError",
        "TransportError",
    ),
    "_utils.version": ("__version__",),
    "integrations": ("instrument", "patch", "uninstrument"),
}
_ROOM = {name: room for room, names in _ROOMS.items() for name in names}


def __getattr__(name: str) -> Any:
    if name in ("propagation", "testing"):
        return import_module(f"honeytrace.{name}")
    if name not in _ROOM:
        raise AttributeError(f"module 'honeytrace' has no attribute {name!r}")
    value = getattr(import_module(f"honeytrace.{_ROOM[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__


if os.environ.get("HONEYTRACE_INSTRUMENT"):
    import_module("honeytrace.integrations._instrument").instrument_from_environment()
