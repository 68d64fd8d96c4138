"""The session server for this machine. Any WSGI server can run it: `honeytrace.local:app`."""

from honeytrace.local._app import App, app
from honeytrace.local._doors import LOOPBACK
from honeytrace.local._query import Query, parse
from honeytrace.local._query import seconds as span_seconds
from honeytrace.local._schema import Row
from honeytrace.local._server import make_server
from honeytrace.local._store import Found, Store, row
from honeytrace.local._summary import Summary

DEFAULT_PORT = 8787

__all__ = [
    "DEFAULT_PORT",
    "LOOPBACK",
    "App",
    "Found",
    "Query",
    "Row",
    "Store",
    "Summary",
    "app",
    "make_server",
    "parse",
    "row",
    "span_seconds",
]
