"""Every exception that honeytrace raises. None of them ever comes out of a traced call."""

from __future__ import annotations

from typing import TYPE_CHECKING

from honeytrace._utils.text import mask

if TYPE_CHECKING:
    import httpx


_SHOWN = 500


class HoneytraceError(Exception):
    """The root of all exceptions of honeytrace."""


class ConfigurationError(HoneytraceError, ValueError):
    """A setting is unknown or cannot be used; the sentence names the setting."""


class StoreError(HoneytraceError, OSError):
    """The store on this machine cannot be opened, read or written."""


class TransportError(HoneytraceError, ConnectionError):
    """No answer came: the server was not reached, or not in time."""


class SDKError(HoneytraceError):
    """The server answered, but with a failure or with something that is no answer.

    Attributes:
        status_code: the HTTP status.
        body: the text of the answer, whole but for the API key.
        raw_response: the `httpx.Response`.
    """

    def __init__(self, message: str, raw_response: httpx.Response) -> None:
        self.status_code = raw_response.status_code
        self.body = mask(raw_response.text, raw_response.request.headers.get("Authorization"))
        self.raw_response = raw_response
        shown = self.body if len(self.body) <= _SHOWN else f"{self.body[:_SHOWN]}…"
        super().__init__(f"{message}: status {self.status_code}, body {shown!r}")


class SessionNotFoundError(SDKError, LookupError):
    """The server knows no session of this id (status 404)."""
