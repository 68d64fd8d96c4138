"""Addresses in the form that httpcore takes: the server's, and the proxy's on the way to it."""

from __future__ import annotations

import re
from importlib.util import find_spec
from ipaddress import ip_address, ip_network
from typing import NamedTuple
from urllib.parse import SplitResult, quote, unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

import httpcore

from honeytrace._utils.errors import ConfigurationError
from honeytrace._utils.urls import encoded_host

PORTS = {"http": 80, "https": 443, "socks5": 1080}
_SAME = {"socks": "socks5", "socks5h": "socks5"}  # for both, the proxy looks up the names
_ADVICE = "use http://, https:// or socks5://, or name the server in NO_PROXY"
_PATH = "%/:@!$&'()*+,;=-._~"  # characters that stay as they are
_ENTRY = re.compile(
    r"(?:[a-z0-9]+://)?"
    r"(?:\[(?P<six>[0-9a-f:./]+)\]|(?P<name>[^\[\]:]+|[0-9a-f.]*:[0-9a-f.]*:[0-9a-f:./]*))"
    r"(?::(?P<port>\d{1,5}))?"
)


def parsed(address: str) -> httpcore.URL:
    """Return an address as httpcore takes it. Raises `ValueError`."""
    return _parsed(urlsplit(address))


def _parsed(parts: SplitResult) -> httpcore.URL:
    scheme, target = parts.scheme.encode(), quote(parts.path or "/", safe=_PATH).encode()
    port = None if parts.port == PORTS.get(parts.scheme) else parts.port
    return httpcore.URL(scheme=scheme, host=encoded_host(parts), port=port, target=target)


def is_numeric(host: bytes) -> bool:
    """Return whether a host is an IP address, or `localhost`, which is looked up in a file."""
    try:
        ip_address(host.decode())
    except ValueError:
        return host.lower() == b"localhost"
    return True


def netloc(url: httpcore.URL) -> bytes:
    """Return the value of the header `Host`."""
    host = b"[%s]" % url.host if b":" in url.host else url.host
    return host if url.port is None else b"%s:%d" % (host, url.port)


class Proxy(NamedTuple):
    """A proxy on the way to the server.

    Attributes:
        url: its address, without user name and password. The scheme is http, https or socks5.
        auth: the user name and the password; None without them.
    """

    url: httpcore.URL
    auth: tuple[bytes, bytes] | None


def proxy(address: str) -> Proxy | None:
    """Return the proxy that the environment names for this address, or None.

    Raises `ConfigurationError` for a proxy that cannot be used.
    """
    url = parsed(address)
    known = getproxies()
    found = known.get(url.scheme.decode()) or known.get("all")
    if not found or _bypassed(url, known.get("no", "")) or proxy_bypass(netloc(url).decode()):
        return None
    return _proxy(found.strip())


def _proxy(found: str) -> Proxy:
    try:
        parts = urlsplit(found if "://" in found else f"http://{found}")
        parts = parts._replace(scheme=_SAME.get(parts.scheme, parts.scheme))
        usable = bool(encoded_host(parts)) and parts.port != 0
    except ValueError:  # its message may repeat a password
        usable = False
    if not usable:
        raise ConfigurationError(f"the proxy of the environment is not an address; {_ADVICE}")
    if parts.scheme not in PORTS:
        words = f"a proxy cannot be reached by {parts.scheme}://; {_ADVICE}"
        raise ConfigurationError(words)
    user = (unquote(parts.username or "").encode(), unquote(parts.password or "").encode())
    return Proxy(_parsed(parts), user if any(user) else None)


def require_socks(proxy: Proxy | None) -> None:
    """Raise `ConfigurationError` if this is a SOCKS proxy and its package is not installed."""
    if proxy and proxy.url.scheme == b"socks5" and find_spec("socksio") is None:
        words = "a SOCKS proxy needs the package socksio; install 'httpx[socks]'"
        raise ConfigurationError(words)


def _bypassed(url: httpcore.URL, no_proxy: str) -> bool:
    """Return whether NO_PROXY names the host in a form that the standard library ignores.

    These forms are IPv6 addresses with and without brackets, networks such as 10.0.0.0/8, and names
    such as *.internal.
    """
    host, port = url.host.decode(), url.port or PORTS[url.scheme.decode()]
    entries = (entry.lower().rstrip("/") for entry in no_proxy.replace(",", " ").split())
    return any(_names(entry, host, port) for entry in entries)


def _names(entry: str, host: str, port: int) -> bool:
    found = _ENTRY.fullmatch(entry)
    if found is None or (found["port"] and int(found["port"]) != port):
        return False
    name = found["six"] or found["name"]
    try:
        return ip_address(host) in ip_network(name, strict=False)
    except ValueError:  # one of them is a name
        suffix = name.removeprefix("*").removeprefix(".")
        return bool(suffix) and (host == suffix or host.endswith(f".{suffix}"))
