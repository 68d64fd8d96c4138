"""Addresses in the form that httpcore takes: the server's, and the proxy's on the way to it."""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import SplitResult, quote, unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

import httpcore

PORTS = {"http": 80, "https": 443, "socks5": 1080, "socks5h": 1080}
_PATH = "%/:@!$&'()*+,;=-._~"  # what stays as it is


def parsed(address: str) -> httpcore.URL:
    """Raises `ValueError`."""
    return _parsed(urlsplit(address))


def _parsed(parts: SplitResult) -> httpcore.URL:
    scheme, target = parts.scheme.encode(), quote(parts.path or "/", safe=_PATH).encode()
    port = None if parts.port == PORTS.get(parts.scheme) else parts.port
    return httpcore.URL(scheme=scheme, host=_host(parts), port=port, target=target)


def _host(parts: SplitResult) -> bytes:
    host = parts.hostname or ""
    return host.encode("ascii") if host.isascii() else host.encode("idna")


def netloc(url: httpcore.URL) -> bytes:
    """For the header `Host`."""
    host = b"[%s]" % url.host if b":" in url.host else url.host
    return host if url.port is None else b"%s:%d" % (host, url.port)


class Proxy(NamedTuple):
    """`auth` is the user's name and the password."""

    url: httpcore.URL
    auth: tuple[bytes, bytes] | None


def proxy(address: str) -> Proxy | None:
    """The proxy that the environment names for this address. Raises `ValueError` for nonsense."""
    url = parsed(address)
    known = getproxies()
    found = known.get(url.scheme.decode()) or known.get("all")
    if not found or proxy_bypass(netloc(url).decode()):
        return None
    parts = urlsplit(found if "://" in found else f"http://{found}")
    if parts.scheme not in PORTS:
        raise ValueError(f"a proxy cannot be reached by {parts.scheme}://")
    user = (unquote(parts.username or "").encode(), unquote(parts.password or "").encode())
    return Proxy(_parsed(parts), user if any(user) else None)
