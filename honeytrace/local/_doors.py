"""Decide who may use the session server: programs on this machine, or clients with the token.

A browser on this machine can reach the server on behalf of any web page that it shows. A page can
send requests without permission (a form, a script with `no-cors`), and by DNS rebinding it can even
read the answers. So we check the host name, the origin and the content type of each request.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Collection
from http import HTTPStatus
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

LOOPBACK = ("127.0.0.1", "localhost", "::1")

_HOST = re.compile(r"\[([0-9a-fA-F:.]+)\](?::\d+)?|([^:/?#@\s]*)(?::\d+)?")


class RequestError(Exception):
    """Refuses a request: the answer has only this status and this message."""

    def __init__(self, status: HTTPStatus, message: str, *headers: tuple[str, str]) -> None:
        super().__init__(message)
        self.status = status
        self.headers = headers


def check_token(environ: WSGIEnvironment, token: str | None) -> None:
    """If the server has a token, refuse requests that do not send it as their API key."""
    if token is None:
        return
    scheme, _, given = environ.get("HTTP_AUTHORIZATION", "").partition(" ")
    # A WSGI server hands the header's bytes over as Latin-1.
    right = hmac.compare_digest(given.encode("latin-1", "replace"), token.encode())
    if not right or scheme.lower() != "bearer":
        raise RequestError(
            HTTPStatus.UNAUTHORIZED,
            "this server wants its token; set HH_API_KEY to it, or send it as "
            "'Authorization: Bearer TOKEN'",
            ("WWW-Authenticate", "Bearer"),
        )


def check_browser(environ: WSGIEnvironment, hosts: Collection[str]) -> None:
    """Refuse requests from pages of another origin, and requests for another host name.

    `hosts` are the names of this server; "*" stands for any name.
    """
    host = environ.get("HTTP_HOST", "")
    found = _HOST.fullmatch(host)
    name = (found[1] or found[2]).lower().rstrip(".") if found else ""
    if not name or (name not in hosts and "*" not in hosts):
        raise RequestError(
            HTTPStatus.MISDIRECTED_REQUEST,
            f"this server is not {host!r}; if it should be, add --allow-host to `honeytrace serve`",
        )
    origin = environ.get("HTTP_ORIGIN")
    foreign = origin is not None and origin.partition("://")[2].lower() != host.lower()
    if foreign or environ.get("HTTP_SEC_FETCH_SITE", "none") not in ("same-origin", "none"):
        raise RequestError(
            HTTPStatus.FORBIDDEN,
            f"a page of another origin ({origin or 'unknown'!r}) cannot use this server",
        )


def check_type(environ: WSGIEnvironment) -> None:
    """Refuse a body that is not declared as JSON in UTF-8, since a form on any page can send it."""
    kind, _, parameters = environ.get("CONTENT_TYPE", "").partition(";")
    charset = re.search(r'charset\s*=\s*"?([^";\s]+)', parameters, re.IGNORECASE)
    if kind.strip().lower() != "application/json" or (charset and charset[1].lower() != "utf-8"):
        given = environ.get("CONTENT_TYPE", "")
        raise RequestError(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            f"Content-Type is {given!r}; send JSON in UTF-8 as 'application/json'",
        )
