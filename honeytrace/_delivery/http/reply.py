"""An answer of the server, and a fast parser for complete, ordinary answers."""

from __future__ import annotations

import enum
import re
from collections.abc import Iterable
from contextlib import suppress
from typing import NamedTuple

from honeytrace._utils.json import loads

MAX_REPLY_BYTES = 64 * 1024  # of a body; the rest is not needed


def join_headers(headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Return headers as the lines of a head."""
    return b"\r\n".join(b"%b: %b" % each for each in headers)


class Reply(NamedTuple):
    """An answer to one request.

    Attributes:
        status: the HTTP status.
        head: the lines of its headers, separated by CR LF.
        body: the body as sent, not decompressed, at most 64 KiB; less if the answer broke off.
        complete: whether the body was read to its end.
    """

    status: int
    head: bytes
    body: bytes
    complete: bool = True

    def header(self, name: bytes) -> str | None:
        """Return the first header with this name, given in lower case."""
        for line in self.head.split(b"\r\n"):
            key, _, value = line.partition(b":")
            if key.lower() == name:
                return value.strip(b" \t").decode("utf-8", "replace")
        return None


# Headers that decide how a body is framed, or what becomes of the connection, are left to h11.
_NAME = rb"(?!(?i:content-length|transfer-encoding|connection|upgrade):)[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_HEADERS = rb"(?:%b:[ -~\t]*\r\n)*" % _NAME
_PLAIN = re.compile(
    rb"HTTP/1\.1 (?!204|304)([2-5]\d\d)(?: [ -~\t]*)?\r\n"
    rb"(%b)[Cc]ontent-[Ll]ength:[ \t]*(\d{1,5})[ \t]*\r\n(%b)\r\n" % (_HEADERS, _HEADERS)
)


def read_plain(data: bytes) -> Reply | None:
    """Parse an ordinary answer; return None for any other, which is left to h11.

    An ordinary answer arrived in one piece and has HTTP/1.1, a status with a body, one
    `Content-Length`, and nothing else that h11 would act on. The regular expression takes linear
    time, because it never has to backtrack.
    """
    found = _PLAIN.match(data)
    if found is None or len(data) - found.end() != int(found[3]):
        return None
    head = data[found.start(2) : found.end() - 4]
    return Reply(int(found[1]), head, data[found.end() :])


class Receipt(enum.Enum):
    """The fate of a session according to an answer with a 2xx status."""

    NAMED = "a JSON object that names a session, or nothing at all"
    UNNAMED = "a JSON object that names no session"
    NONE = "something else, such as a login page: the session API has not seen the session"


_NAMED = re.compile(rb'\{\s*"(?:session_id|event_id)"\s*:\s*"[^"\\]*"\s*[,}]')
_BEGINNING = re.compile(rb"\s*\{\s*(?:\"|\Z)")


def read_receipt(reply: Reply) -> Receipt:
    """Judge the body of an answer with a 2xx status.

    If the body is long, cut off or compressed, its beginning or its type decides.
    """
    body = reply.body
    if _NAMED.match(body) and body.endswith(b"}"):
        return Receipt.NAMED
    body = body.removeprefix(b"\xef\xbb\xbf").strip()
    if not body and reply.complete:
        return Receipt.NAMED
    if not body or reply.header(b"content-encoding") not in (None, "identity"):
        kind = (reply.header(b"content-type") or "").partition(";")[0].strip().lower()
        return Receipt.NAMED if kind == "application/json" else Receipt.NONE
    if not reply.complete or len(body) >= MAX_REPLY_BYTES:
        return Receipt.NAMED if _BEGINNING.match(body) else Receipt.NONE
    found: object = None
    with suppress(ValueError):
        found = loads(body)
    if not isinstance(found, dict):
        return Receipt.NONE
    return Receipt.NAMED if _names_session(found) else Receipt.UNNAMED


def _names_session(found: dict[str, object]) -> bool:
    """Return whether there is a session id, at the top or in the event inside."""
    inner = found.get("session") or found.get("event")
    ids = {"session_id", "event_id"}
    return bool(ids & found.keys() or (isinstance(inner, dict) and ids & inner.keys()))
