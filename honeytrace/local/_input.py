"""Read the body of a request, up to a bound."""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import TYPE_CHECKING

from honeytrace.local._doors import RequestError

if TYPE_CHECKING:
    from _typeshed.wsgi import InputStream, WSGIEnvironment

MAX_BODY_BYTES = 64 * 1024 * 1024
_PIECE_BYTES = 1024 * 1024


def read_body(environ: WSGIEnvironment, most: int = MAX_BODY_BYTES) -> bytearray:
    """Read the whole body.

    Raises `RequestError` if it is compressed, too long, cut short or badly framed.
    """
    _check_encoding(environ)
    given = environ.get("CONTENT_LENGTH") or ""
    length = _length(given) if given else most + 1
    if given and length > most:
        raise too_large()
    # Without a length, a read would block unless the server marks the end of the body.
    if not (given or environ.get("wsgi.input_terminated") or "HTTP_TRANSFER_ENCODING" in environ):
        return bytearray()
    body = _read(environ["wsgi.input"], length)
    if len(body) > most:
        raise too_large()
    if given and len(body) < length:
        message = f"the body ended after {len(body)} of {length} bytes; send all of it"
        raise RequestError(HTTPStatus.BAD_REQUEST, message)
    return body


def _check_encoding(environ: WSGIEnvironment) -> None:
    """Refuse a body that is not sent as it is."""
    encoding = environ.get("HTTP_CONTENT_ENCODING", "").strip().lower()
    if encoding not in ("", "identity"):
        raise RequestError(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            f"Content-Encoding is {encoding!r}; send the body without compression",
            ("Accept-Encoding", "identity"),
        )


def _length(given: str) -> int:
    if not re.fullmatch("[0-9]{1,18}", given):
        message = f"Content-Length is {given!r}; it has to be a number of bytes"
        raise RequestError(HTTPStatus.BAD_REQUEST, message)
    return int(given)


def _read(source: InputStream, length: int) -> bytearray:
    """Read up to `length` bytes. Raises `RequestError` if the framing is wrong."""
    body = bytearray()
    try:
        while length and (piece := source.read(min(length, _PIECE_BYTES))):
            body += piece
            length -= len(piece)
    except ValueError as error:
        raise RequestError(HTTPStatus.BAD_REQUEST, str(error)) from error
    return body


def too_large(words: str = f"the body is over {MAX_BODY_BYTES >> 20} MiB") -> RequestError:
    words = f"{words}; lower the limits of what is captured"
    return RequestError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, words)
