"""Make the rows of a store from the requests that bring sessions."""

from __future__ import annotations

from honeytrace._session import wire
from honeytrace._utils.json import Json, dumps, loads
from honeytrace.local._schema import Row
from honeytrace.local._summary import summarize

_WRAPPER = b'{"session":'
_REPLACED = "\ufffd".encode()


def row(body: bytes, fields: Json | None = None) -> Row:
    """Make the row for the body of a `startSession` request that `wire.encode` wrote.

    The row keeps the JSON of that body, so nothing is encoded again. If `fields`, the session
    object of the same request, is given, the body is not parsed either. Raises `ValueError` if
    honeytrace did not write the request.
    """
    if not (body.startswith(_WRAPPER) and body.endswith(b"}")):
        raise ValueError("the body is not one that honeytrace encoded")
    session = body[len(_WRAPPER) : -1]
    return _row(session, wire.received(body) if fields is None else fields)


def row_of(fields: Json) -> Row:
    """Make the row for a session object. Raises `ValueError` if it cannot be encoded as JSON."""
    return _row(dumps(fields), fields)


def _row(body: bytes, fields: Json) -> Row:
    # The body has U+FFFD for lone surrogates in the fields. A column cannot hold those either.
    return Row(body, summarize(loads(body) if _REPLACED in body else fields))
