"""The session server of this machine, for any WSGI server: `honeytrace.local:app`."""

from honeytrace.local._app import App, app
from honeytrace.local._server import make_server
from honeytrace.local._store import Row, Store, row

DEFAULT_PORT = 8787

__all__ = ["DEFAULT_PORT", "App", "Row", "Store", "app", "make_server", "row"]
