"""The session server for this machine. Any WSGI server can run it: `honeytrace.local:app`."""

from typing import TYPE_CHECKING, Any

from honeytrace.local._app import App, app
from honeytrace.local._store import Store

if TYPE_CHECKING:
    from honeytrace.local._server import make_server

DEFAULT_PORT = 8787

__all__ = ["DEFAULT_PORT", "App", "Store", "app", "make_server"]


def __getattr__(name: str) -> Any:
    """Import the server when it is used: it needs `http.server`, which programs rarely do."""
    if name == "make_server":
        from honeytrace.local._server import make_server

        return make_server
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
