"""Addresses of servers: which can be used, and how one that cannot is shown."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

_MAX_SHOWN = 200  # characters of an address that cannot be used
_LIKE_A_KEY = re.compile(r"[\w-]{16,}")


def checked_url(text: str) -> str:
    """Return the address of a server without a slash at its end. Raises `ValueError`."""
    text = text.strip()
    try:
        parts = urlsplit(text)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # its words may repeat a password
        usable = False
    if not usable or not text.isprintable() or " " in text:
        raise ValueError("give an http:// or https:// address, as 'https://api.honeyhive.ai'")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ValueError("give it without user name, password, query and fragment")
    return text.rstrip("/")


def why_unusable(text: str) -> str | None:
    """Return why nothing can be sent to this address; None if it can be used."""
    try:
        checked_url(text)
    except ValueError as error:
        return str(error)
    return None


def printable_url(text: str) -> str:
    """Return an address that cannot be used as it may be shown and stored: without secrets.

    Passwords and queries are left out, and so is all of it if somebody pasted an API key. What is
    returned cannot be used either.
    """
    text = text.strip()
    before, at, after = text.rpartition("@")
    if at:
        scheme, slashes, _ = before.partition("//")
        text = f"{scheme}{slashes}…@{after}" if slashes else f"…@{after}"
    text = re.sub(r"[?#].*", "?…", text, flags=re.DOTALL)
    if _LIKE_A_KEY.fullmatch(text):
        return "…"
    # The blank keeps what is left from being an address that can be used.
    return text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]} …"
