"""One decorator that records the calls of an LLM application as HoneyHive sessions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from honeytrace._choice import register
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

if TYPE_CHECKING:
    from honeytrace._client import (
        AsyncClient,
        Client,
        GetSessionResponse,
        StartSessionResponse,
    )

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
    "trace_session",
]

_FROM_CLIENT = {"AsyncClient", "Client", "GetSessionResponse", "StartSessionResponse"}


def __getattr__(name: str) -> Any:
    # The client needs httpx, which takes longer to import than all the rest together.
    if name in _FROM_CLIENT:
        from honeytrace import _client

        return getattr(_client, name)
    raise AttributeError(f"module 'honeytrace' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
