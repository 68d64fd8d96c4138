"""The request for a page, and the addresses of pages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, quote, urlencode

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

_MAX_QUERY_CHARACTERS = 8_000
_MAX_PARAMETERS = 50


@dataclass(frozen=True)
class Request:
    """A request for a page.

    Attributes:
        path: the path, with `.json` taken off.
        parameters: the parameters in the address; of several with one name, the last.
        wants_json: True if the client asks for the data of the page instead of HTML.
    """

    method: str
    path: str
    parameters: Mapping[str, str] = field(default_factory=dict)
    wants_json: bool = False

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
    return Request(
        "GET" if environ["REQUEST_METHOD"] == "HEAD" else environ["REQUEST_METHOD"],
        "/" if bare == "/index" else bare,
        parameters(environ.get("QUERY_STRING", "")),
        bare != path or _prefers_json(environ.get("HTTP_ACCEPT", "")),
    )


def parameters(text: str) -> dict[str, str]:
    """Read the parameters of an address or of a form; those beyond the bounds are left out."""
    pairs = parse_qsl(text[:_MAX_QUERY_CHARACTERS], errors="replace", separator="&")
    return dict(pairs[:_MAX_PARAMETERS])


def wants_page(environ: WSGIEnvironment) -> bool:
    """Return True if the client would show a page: a browser that opens an address."""
    return "text/html" in environ.get("HTTP_ACCEPT", "")


def _prefers_json(accept: str) -> bool:
    return "application/json" in accept and "text/html" not in accept
