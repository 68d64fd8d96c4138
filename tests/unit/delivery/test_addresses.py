"""Addresses, held against what httpx makes of them."""

from __future__ import annotations

import httpx
import pytest

from honeytrace import ConfigurationError
from honeytrace._delivery.http.addresses import netloc, parsed, proxy

ADDRESSES = [
    "http://localhost",
    "http://localhost:80/",
    "https://api.honeyhive.ai:443/base/session/start",
    "https://EXAMPLE.org:8443/a b/%20/é?",
    "http://127.0.0.1:8787/session/start",
    "http://[::1]:8787/a",
    "https://[2001:db8::1]",
    "https://bücher.example/x",
    "http://a.b/~user/x;y=1,2/$&'()*+!",
]


@pytest.mark.parametrize("address", ADDRESSES)
def test_an_address_is_what_httpx_makes_of_it(address):
    """Scheme, host, port, target and the header, to the byte."""
    url, known = parsed(address.rstrip("?")), httpx.URL(address.rstrip("?"))
    assert (url.scheme, url.host, url.port) == (known.raw_scheme, known.raw_host, known.port)
    assert (url.target, netloc(url)) == (known.raw_path, known.netloc)


@pytest.mark.parametrize(
    "address", ["http://u:p%40@proxy.test:3128", "http://proxy.test", "socks5://u@127.0.0.1:9"]
)
def test_a_proxy_is_what_httpx_makes_of_it(address, monkeypatch):
    """Its address without the user, and what tells who that is."""
    monkeypatch.setenv("all_proxy", address)
    found, known = proxy("https://honeyhive.test"), httpx.Proxy(address)
    assert (found.url.host, found.url.port) == (known.url.raw_host, known.url.port)
    assert found.auth == known.raw_auth


def test_nonsense_for_a_proxy_is_refused(monkeypatch):
    """In words that do not repeat the password, and that say what to do."""
    monkeypatch.setenv("http_proxy", "ftp://user:secret@127.0.0.1")
    with pytest.raises(ConfigurationError, match=r"^a proxy cannot be reached by ftp://; use "):
        proxy("http://honeyhive.test")


@pytest.mark.parametrize(
    "value", ["http://", "http://u:secret@h:port", "http://[::1", "socks5://:9"]
)
def test_a_proxy_without_a_usable_address_is_refused(value, monkeypatch):
    """Also in words of our own."""
    monkeypatch.setenv("all_proxy", value)
    with pytest.raises(ConfigurationError, match=r"^the proxy of the environment is not an add"):
        proxy("http://honeyhive.test")


@pytest.mark.parametrize("scheme", ["socks", "socks5h", "SOCKS5", "socks5"])
def test_a_socks_proxy_has_several_names(scheme, monkeypatch):
    """Desktops and curl write them, and all mean the same to us."""
    monkeypatch.setenv("ALL_PROXY", f"{scheme}://127.0.0.1:9")
    found = proxy("https://honeyhive.test")
    assert (found.url.scheme, found.url.port) == (b"socks5", 9)


BYPASSED = [
    ("http://[::1]:8787", "[::1]"),
    ("http://[::1]:8787", "::1"),
    ("http://[::1]:8787", "[::1]:8787"),
    ("http://[::1]", "localhost, 127.0.0.1, ::1"),
    ("http://[2001:db8::5]", "2001:db8::/32"),
    ("http://[2001:db8::5]", "[2001:db8::/32]"),
    ("http://[2001:db8:0:0::5]", "2001:db8::5"),
    ("http://10.1.2.3", "10.0.0.0/8"),
    ("http://10.1.2.3:81", "10.1.2.3:81"),
    ("https://hh.internal", "*.internal"),
    ("https://hh.internal", ".INTERNAL"),
    ("https://HH.internal", "internal"),
    ("https://hh.internal", "https://hh.internal/"),
    ("https://hh.internal", "hh.internal:443"),
    ("https://hh.internal", "a b,hh.internal"),
    ("https://hh.internal", "*"),
]
PROXIED = [
    ("http://[::1]:8787", "[::2]"),
    ("http://[::1]:8787", "[::1]:8788"),
    ("http://[::1]:8787", "::1.example"),
    ("http://10.1.2.3", "11.0.0.0/8"),
    ("http://10.1.2.3", "10.1.2.300/99"),
    ("http://10.1.2.3:81", "10.1.2.3:82"),
    ("https://hhinternal", "*.internal"),
    ("https://internal.test", "internal"),
    ("https://hh.internal", "[,:,]"),
    ("https://hh.internal", ".,*."),
    ("https://hh.internal", ""),
]


@pytest.mark.parametrize(
    ("address", "pattern", "bypassed"),
    [*((*each, True) for each in BYPASSED), *((*each, False) for each in PROXIED)],
)
def test_no_proxy_is_understood_in_every_form(address, pattern, bypassed, monkeypatch):
    """As curl and Go understand it, too: addresses of IPv6, networks, wildcards."""
    monkeypatch.setenv("all_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", pattern)
    assert (proxy(address) is None) is bypassed
