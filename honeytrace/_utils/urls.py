"""Check the addresses of servers, and show unusable ones without secrets."""

from __future__ import annotations

import re
from urllib.parse import SplitResult, urlsplit

_MAX_SHOWN = 200  # characters of an address that cannot be used
_LIKE_A_KEY = re.compile(r"[\w-]{16,}")


def checked_url(text: str) -> str:
    """Return a server's address without a trailing slash. Raises `ValueError` if unusable."""
    text = text.strip()
    try:
        parts = urlsplit(text)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        encoded_host(parts)
    except ValueError:  # its message may repeat a password
        usable = False
    if not usable or not text.isprintable() or " " in text:
        raise ValueError("give an http:// or https:// address, as 'https://api.honeyhive.ai'")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ValueError("give it without user name, password, query and fragment")
    return text.rstrip("/")


def encoded_host(parts: SplitResult) -> bytes:
    """Return the host as it is looked up. Raises `ValueError` if that is impossible."""
    host = parts.hostname or ""
    return host.encode("ascii") if host.isascii() else host.encode("idna")


def why_unusable(text: str) -> str | None:
    """Return the reason why this address cannot be used; None if it can."""
    try:
        checked_url(text)
    except ValueError as error:
        return str(error)
    return None


def printable_url(text: str) -> str:
    """Return an unusable address without its secrets, so that it can be shown and stored.

    Passwords and queries are removed; if the whole text looks like an API key, nothing is left of
    it. The result is never a usable address.
    """
    text = text.strip()
    before, at, after = text.rpartition("@")
    if at:
        scheme, slashes, _ = before.partition("//")
        text = f"{scheme}{slashes}…@{after}" if slashes else f"…@{after}"
    text = re.sub(r"[?#].*", "?…", text, flags=re.DOTALL)
    if _LIKE_A_KEY.fullmatch(text):
        return "…"
    # The space ensures that the shortened text is not a usable address.
    return text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]} …"
