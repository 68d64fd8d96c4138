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

SECURITY = (
    (
        "Content-Security-Policy",
        (
            "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; "
            "img-src 'self' data:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
        ),
    ),
    # With "no-referrer" browsers send `Origin: null` with our own forms.
    ("Referrer-Policy", "same-origin"),
    ("X-Content-Type-Options", "nosniff"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
)
"""Headers of every answer, also of JSON: a browser shows that as well, and it holds any text."""

_HOST = re.compile(r"\[([0-9a-fA-F:.]+)\](?::\d+)?|([^:/?#@\s]*)(?::\d+)?")


class RequestError(Exception):
    """Refuses a request: the answer has only this status and this message."""

    def __init__(self, status: HTTPStatus, message: str, *headers: tuple[str, str]) -> None:
        super().__init__(message)
        self.status = status
        self.headers = headers


def check_token(environ: WSGIEnvironment, token: str | None) -> None:
    """If the server has a token, refuse requests that do not send it as their API key."""
    if token is not None and not has_token(environ, token):
        raise RequestError(
            HTTPStatus.UNAUTHORIZED,
            "this server wants its token; set HH_API_KEY to it, or send it as "
            "'Authorization: Bearer TOKEN'",
            ("WWW-Authenticate", "Bearer"),
        )


def has_token(environ: WSGIEnvironment, token: str) -> bool:
    scheme, _, given = environ.get("HTTP_AUTHORIZATION", "").partition(" ")
    # A WSGI server hands the header's bytes over as Latin-1.
    right = same_text(given.encode("latin-1", "replace"), token.encode())
    return bool(right and scheme.lower() == "bearer")


def same_text(one: bytes, other: bytes) -> bool:
    """Compare two secrets in a time that does not tell where they differ."""
    return bool(hmac.compare_digest(one, other))


def cookie(token: str, port: str) -> tuple[str, str]:
    """Return name and value of the cookie that stands for the token in a browser.

    The token itself cannot be read from it. Browsers send cookies to every port of a host, so the
    port is in the name.
    """
    return f"honeytrace_{port}", hmac.new(token.encode(), b"page", "sha256").hexdigest()


def has_cookie(environ: WSGIEnvironment, token: str) -> bool:
    name, value = cookie(token, environ.get("SERVER_PORT", ""))
    given = (each.strip().partition("=") for each in environ.get("HTTP_COOKIE", "").split(";"))
    return any(
        key == name and same_text(found.encode("latin-1", "replace"), value.encode())
        for key, _, found in given
    )


def check_host(environ: WSGIEnvironment, hosts: Collection[str]) -> None:
    """Refuse requests for another host name; `hosts` are our names, and "*" stands for any."""
    host = environ.get("HTTP_HOST", "")
    found = _HOST.fullmatch(host)
    name = (found[1] or found[2]).lower().rstrip(".") if found else ""
    if not name or (name not in hosts and "*" not in hosts):
        raise RequestError(
            HTTPStatus.MISDIRECTED_REQUEST,
            f"this server does not answer to {host!r}; to allow it, start it with --allow-host",
        )


def check_origin(environ: WSGIEnvironment) -> None:
    """Refuse requests from pages of another origin."""
    origin = environ.get("HTTP_ORIGIN")
    foreign = origin is not None and not _is_ours(environ, origin)
    if foreign or environ.get("HTTP_SEC_FETCH_SITE", "none") not in ("same-origin", "none"):
        raise RequestError(
            HTTPStatus.FORBIDDEN,
            f"a page of another origin ({origin or 'unknown'!r}) cannot use this server",
        )


def _is_ours(environ: WSGIEnvironment, origin: str) -> bool:
    host: str = environ.get("HTTP_HOST", "")
    return origin.partition("://")[2].lower() == host.lower()


def opens_page(environ: WSGIEnvironment) -> bool:
    """Return True if a browser opens a page of ours in a tab, as a link on any page may do.

    The page that has the link can neither read what is shown nor put it into a frame.
    """
    kind = (environ.get("HTTP_SEC_FETCH_MODE"), environ.get("HTTP_SEC_FETCH_DEST"))
    return bool(environ["REQUEST_METHOD"] == "GET" and kind == ("navigate", "document"))


def check_form(environ: WSGIEnvironment) -> None:
    """Refuse a form that does not prove that it comes from a page of ours."""
    check_origin(environ)
    if "HTTP_ORIGIN" not in environ and environ.get("HTTP_SEC_FETCH_SITE") != "same-origin":
        raise RequestError(
            HTTPStatus.FORBIDDEN, "a form needs an Origin; use a browser that sends it"
        )
    kind = environ.get("CONTENT_TYPE", "").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        raise RequestError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"{kind!r} is not the type of a form")


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
