"""The request for a page, and the addresses of pages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, quote, urlencode

if TYPE_CHECKING:
    from threading import Semaphore

    from _typeshed.wsgi import WSGIEnvironment

STREAMS = "honeytrace.streams"
"""The key in `environ` of the semaphore that limits the streams of our server."""

_MAX_QUERY_CHARACTERS = 8_000
_MAX_PARAMETERS = 50


@dataclass(frozen=True)
class Request:
    """A request for a page.

    Attributes:
        path: the path, with `.json` taken off.
        parameters: the parameters in the address; of several with one name, the last.
        picks: the values of the parameter "pick", which can be there several times.
        wants_json: True if the client asks for the data of the page instead of HTML.
        form: the fields of the form that was sent.
        known: the ETag of what the client has already.
        streams: the semaphore for answers that do not end; None on a server without them.
    """

    method: str
    path: str
    parameters: Mapping[str, str] = field(default_factory=dict)
    wants_json: bool = False
    form: Mapping[str, str] = field(default_factory=dict)
    picks: tuple[str, ...] = ()
    known: str = ""
    streams: Semaphore | None = None

    def get(self, name: str) -> str:
        """Return a parameter; "" if it is missing."""
        return self.parameters.get(name, "")

    def link(self, path: str | None = None, **changes: str | None) -> str:
        """Return the address of this page with other parameters; None removes one."""
        kept = {**self.parameters, **changes}
        return link(self.path if path is None else path, **kept)


def link(path: str, **parameters: str | None) -> str:
    """Return the address of a page of ours, with the parameters that have a value."""
    query = urlencode({name: value for name, value in parameters.items() if value}, quote_via=quote)
    return f"{quote(path, safe='/')}?{query}" if query else quote(path, safe="/")


def request_of(environ: WSGIEnvironment) -> Request:
    path = environ.get("PATH_INFO", "").encode("latin-1").decode("utf-8", "replace")
    bare = path.removesuffix(".json")
    query = environ.get("QUERY_STRING", "")
    return Request(
        "GET" if environ["REQUEST_METHOD"] == "HEAD" else environ["REQUEST_METHOD"],
        "/" if bare == "/index" else bare,
        parameters(query),
        bare != path or _prefers_json(environ.get("HTTP_ACCEPT", "")),
        picks=tuple(value for name, value in _pairs(query) if name == "pick"),
        known=environ.get("HTTP_IF_NONE_MATCH", ""),
        streams=environ.get(STREAMS),
    )


def parameters(text: str) -> dict[str, str]:
    """Read the parameters of an address or of a form; those beyond the bounds are left out."""
    return dict(_pairs(text))


def _pairs(text: str) -> list[tuple[str, str]]:
    return parse_qsl(text[:_MAX_QUERY_CHARACTERS], errors="replace")[:_MAX_PARAMETERS]


def _prefers_json(accept: str) -> bool:
    return "application/json" in accept and "text/html" not in accept
