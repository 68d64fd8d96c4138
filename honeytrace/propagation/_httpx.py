"""Hooks that add the current session to outgoing requests of httpx, and of httpx2 as well."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from fnmatch import fnmatchcase
from typing import Any

from honeytrace.propagation._headers import PARENT, inject, withdraw

_Hook = Callable[[Any], None]
_AsyncHook = Callable[[Any], Awaitable[None]]


def request_hook(*hosts: str) -> _Hook:
    """Return a hook for `httpx.Client` that adds the current session to requests to these hosts.

        hook = request_hook("search.internal", "*.example.com")
        httpx.Client(event_hooks={"request": [hook]})

    `*` stands for any part of a name. No other host gets the ids, not even by a redirect.

    Raises `TypeError` or `ValueError` without hosts, since the ids are not for everybody.
    """
    patterns = _checked(hosts)

    def add_session(request: Any) -> None:
        _add(request, patterns)

    return add_session


def async_request_hook(*hosts: str) -> _AsyncHook:
    """Return a hook for `httpx.AsyncClient`, as `request_hook` does for `httpx.Client`."""
    patterns = _checked(hosts)

    async def add_session(request: Any) -> None:
        _add(request, patterns)

    return add_session


def _checked(hosts: tuple[str, ...]) -> tuple[str, ...]:
    if not hosts:
        raise ValueError("name the hosts that may get the ids, such as 'search.internal'")
    for host in hosts:
        if not isinstance(host, str):
            raise TypeError(f"a host is a name such as 'search.internal', not {host!r}")
        if not host or "/" in host or (":" in host and not host.startswith("[")):
            raise ValueError(f"{host!r} is not a host; give its name without scheme, port and path")
    return tuple(host.lower().strip("[]") for host in hosts)


def _add(request: Any, patterns: tuple[str, ...]) -> None:
    """Add the session to a request, or take it out of one that was redirected elsewhere."""
    host = str(request.url.host).lower()
    if any(fnmatchcase(host, pattern) for pattern in patterns):
        inject(request.headers)
    elif PARENT in request.headers:
        withdraw(request.headers)
