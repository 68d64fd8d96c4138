"""All exceptions that honeytrace raises. A traced call never raises any of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from honeytrace._utils.text import mask

if TYPE_CHECKING:
    import httpx


_SHOWN = 500


class HoneytraceError(Exception):
    """The base class of all exceptions of honeytrace."""


class ConfigurationError(HoneytraceError, ValueError):
    """A setting is unknown or cannot be used; the message names it."""


class StoreError(HoneytraceError, OSError):
    """The store on this machine cannot be opened, read or written."""


class TransportError(HoneytraceError, ConnectionError):
    """The server could not be reached, or did not answer in time."""


class SDKError(HoneytraceError):
    """The server answered with an error, or with something that cannot be understood.

    Attributes:
        status_code: the HTTP status.
        body: the complete text of the answer, with the API key masked.
        raw_response: the `httpx.Response`.
    """

    def __init__(self, message: str, raw_response: httpx.Response) -> None:
        self.status_code = raw_response.status_code
        self.body = mask(raw_response.text, raw_response.request.headers.get("Authorization"))
        self.raw_response = raw_response
        shown = self.body if len(self.body) <= _SHOWN else f"{self.body[:_SHOWN]}…"
        super().__init__(f"{message}: status {self.status_code}, body {shown!r}")


class SessionNotFoundError(SDKError, LookupError):
    """The server has no session with this id (status 404)."""
