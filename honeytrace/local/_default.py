"""The application that any WSGI server can run: `honeytrace.local:app`."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from honeytrace.local._app import App
from honeytrace.local._store import Store

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

_apps: dict[str, App] = {}
"""One for each home that the environment has named so far: one, but for tests."""


def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """The session API over the store in `HONEYTRACE_HOME`, or else in `~/.honeytrace`."""
    home = os.environ.get("HONEYTRACE_HOME", "").strip() or "~/.honeytrace"
    found = _apps.get(home) or _apps.setdefault(home, App(Store(Path(home) / "sessions.db")))
    return found(environ, start_response)
