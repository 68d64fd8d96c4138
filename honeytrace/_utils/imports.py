"""Import a library although one of those that it can use is broken."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any

from honeytrace._utils.errors import TransportError
from honeytrace._utils.origin import let_through


def import_httpcore() -> None:
    """Import httpcore, without trio if trio cannot be imported.

    httpcore imports trio if it is installed, and expects nothing but an ImportError. Where gevent
    or eventlet has removed `select.epoll` or `select.kqueue`, trio raises an AttributeError or a
    NotImplementedError instead. We do not need trio.

    Raises `TransportError` if it cannot be imported at all, as in a Python without ssl.
    """
    try:
        import_module("httpcore")
        return
    except ImportError as error:
        let_through(error, import_module)
        raise TransportError(
            f"httpcore, which sends sessions, cannot be imported: {error}"
        ) from error
    except (AttributeError, NotImplementedError) as error:
        let_through(error, import_module)
    modules: dict[str, Any] = sys.modules
    modules["trio"] = None  # makes `import trio` raise an ImportError
    try:
        import_module("httpcore")
    finally:
        modules.pop("trio", None)
