"""One decorator that records the calls of an LLM application as HoneyHive sessions.

PYTEST_DONT_REWRITE: said to pytest, which would warn if this is imported before our plugin is.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from honeytrace import testing
    from honeytrace._choice import register
    from honeytrace._client import (
        AsyncClient,
        Client,
        GetSessionResponse,
        StartSessionResponse,
    )
    from honeytrace._config import configure, flush, get_session, shutdown, stats
    from honeytrace._errors import (
        ConfigurationError,
        HoneytraceError,
        SDKError,
        SessionNotFoundError,
        StoreError,
        TransportError,
    )
    from honeytrace._ledger import Stats
    from honeytrace._recorder import current_session, enrich_session
    from honeytrace._session import ActiveSession, Session
    from honeytrace._settings import Config
    from honeytrace._tracing import trace_session
    from honeytrace._version import __version__

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
    "TransportError",
    "__version__",
    "configure",
    "current_session",
    "enrich_session",
    "flush",
    "get_session",
    "register",
    "shutdown",
    "stats",
    "testing",
    "trace_session",
]

# Nothing is imported before it is used: pytest imports this package in every project that has it
# installed, and a program may never call what it decorated.
_ROOMS = {
    "_choice": ("register",),
    "_client": ("AsyncClient", "Client", "GetSessionResponse", "StartSessionResponse"),
    "_config": ("configure", "flush", "get_session", "shutdown", "stats"),
    "_errors": (
        "ConfigurationError",
        "HoneytraceError",
        "SDKError",
        "SessionNotFoundError",
        "StoreError",
        "TransportError",
    ),
    "_ledger": ("Stats",),
    "_recorder": ("current_session", "enrich_session"),
    "_session": ("ActiveSession", "Session"),
    "_settings": ("Config",),
    "_tracing": ("trace_session",),
    "_version": ("__version__",),
}
_ROOM = {name: room for room, names in _ROOMS.items() for name in names}


def __getattr__(name: str) -> Any:
    if name == "testing":
        return import_module("honeytrace.testing")
    if name not in _ROOM:
        raise AttributeError(f"module 'honeytrace' has no attribute {name!r}")
    value = getattr(import_module(f"honeytrace.{_ROOM[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
