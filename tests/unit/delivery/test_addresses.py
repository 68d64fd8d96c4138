"""Addresses, held against what httpx makes of them."""

from __future__ import annotations

import httpx
import pytest

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
    """In words that do not repeat the password."""
    monkeypatch.setenv("http_proxy", "ftp://user:secret@127.0.0.1")
    with pytest.raises(ValueError, match=r"^a proxy cannot be reached by ftp://$"):
        proxy("http://honeyhive.test")
