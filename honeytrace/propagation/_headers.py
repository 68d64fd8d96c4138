"""Carry the current session in headers, to services and to other processes.

`traceparent`, `tracestate` and `baggage` are W3C standards. HoneyHive's SDK reads its keys from the
baggage. Our own header has the whole id of the parent, which a `traceparent` has no space for.
"""

from __future__ import annotations

import os
import re
import uuid
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from itertools import islice
from typing import Any, NamedTuple, TypeVar
from urllib.parse import quote, unquote

from honeytrace._config.live import live
from honeytrace._session import context
from honeytrace._session.record import CallRecord, format_id
from honeytrace._session.scope import Scope, enclosing, find, innermost, make_known
from honeytrace._session.wire import is_uuid
from honeytrace._utils.guard import try_call

TRACEPARENT = "traceparent"
BAGGAGE = "baggage"
PARENT = "honeytrace-parent"
NAMES = (TRACEPARENT, BAGGAGE, PARENT)
"""The headers that `extract` reads and `inject` writes."""

_OUR_MEMBERS = ("session_id", "project", "source", "parent_id")
_MAX_CHARACTERS = 8_192  # of the baggage; the standard lets receivers cut it there
_MAX_MEMBERS = 64  # of the baggage, likewise
_MAX_NAME_CHARACTERS = 256  # of a project or source in the baggage
_MAX_HEADERS = 1_000  # looked at in a carrier

_TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-([0-9a-f]{2})(?:-.*)?")
_Headers = TypeVar("_Headers", bound=MutableMapping[str, str])


def inject(headers: _Headers) -> _Headers:
    """Add the current session to headers, so that sessions elsewhere become its children.

        httpx.post(url, headers=inject({}))

    The dict can also be sent in a message or passed to another process; `extract` reads it there.
    Outside a session nothing is added. Existing baggage is kept, except for our keys, and so is
    `tracestate`. Only call this for services that you trust with the ids, the project and the
    source.

    Raises `TypeError` if headers cannot be added to the object.
    """
    if not isinstance(headers, MutableMapping):
        raise TypeError(
            f"inject() adds to a mapping, such as a dict of headers, not to {headers!r}"
        )
    link = current_link()
    if link is not None:
        names = {name.lower(): name for name in headers if isinstance(name, str)}
        for name, value in _written(link, str(headers.get(names.get(BAGGAGE, BAGGAGE), ""))):
            headers[names.get(name, name)] = value
    return headers


class Link(NamedTuple):
    """A session that others may become children of.

    Attributes:
        parent_id: its id.
        root_id: the id of the outermost session.
        record: the session itself if it runs in this process.
    """

    parent_id: str
    root_id: str
    record: CallRecord | None = None


def current_link() -> Link | None:
    """Return the parent of sessions that would start here; without an id if none is recorded."""
    parent, scope = enclosing(context.get())
    if scope is not None and scope.is_silent():
        return Link("", "")
    if parent is not None:
        return Link(make_known(parent), format_id(parent.root_id), parent)
    if scope is not None and scope.linked:
        return Link(format_id(scope.id), format_id(scope.root_id))
    return None


def _written(link: Link, baggage: str) -> Iterator[tuple[str, str]]:
    if not link.parent_id:  # the tree is not recorded, here and elsewhere
        yield TRACEPARENT, f"00-{uuid.uuid4().hex}-{os.urandom(8).hex()}-00"
        return
    trace = link.root_id.replace("-", "")
    yield TRACEPARENT, f"00-{trace}-{link.parent_id.replace('-', '')[16:]}-01"
    yield BAGGAGE, _joined(_members(link), baggage)
    yield PARENT, link.parent_id


def _members(link: Link) -> dict[str, str]:
    members = {"session_id": link.root_id, "parent_id": link.parent_id}
    if link.record is not None:
        spec, defaults = link.record.spec, link.record.defaults
        members["project"] = spec.project or defaults.project
        members["source"] = spec.source or defaults.source
    return members


def _joined(ours: Mapping[str, str], baggage: str) -> str:
    """Return a baggage: our members first, then as many of the others as are allowed."""
    members = [
        f"{name}={quote(ours[name][:_MAX_NAME_CHARACTERS], safe='')}"
        for name in _OUR_MEMBERS
        if name in ours
    ]
    size = sum(map(len, members)) + len(members)
    for member in baggage[: 2 * _MAX_CHARACTERS].split(","):
        name = member.partition("=")[0].strip()
        size += len(member) + 1
        if size > _MAX_CHARACTERS or len(members) == _MAX_MEMBERS:
            break
        if name and name not in _OUR_MEMBERS:
            members.append(member.strip())
    return ",".join(members)


@contextmanager
def extract(headers: Any) -> Iterator[None]:
    """Let the sessions that start inside become children of the one that `inject` has added.

        with extract(request.headers):
            answer(question)

    It takes a mapping, or pairs of a name and a value, as texts or bytes. It uses only
    the ids, and whether the tree is recorded at all; never a project, source, address or key. If
    the headers have no valid ids, it changes nothing.
    """
    scope = scope_of(headers)
    outer = context.get()
    if scope is not None:
        context.make_current(scope)
    try:
        yield
    finally:
        if scope is not None and context.get() is scope:
            context.make_current(outer)


def scope_of(headers: Any) -> Scope | None:
    """Return a scope for sessions below the one that these headers name; None without one."""
    found, _ = try_call(_read, headers)
    if not found:
        return None
    inner = innermost(context.get())
    tags = inner.tags if inner is not None else None
    parent_id, _ = found
    if not parent_id:
        live.rare = True
        return Scope(tags=tags, silent=True)
    return Scope(find(parent_id), link=found, tags=tags)


def _read(headers: Any) -> tuple[str, str] | None:
    """Return the ids of the parent and the root; empty ones if their tree is not recorded.

    Other tracers send a `traceparent`, too. Most of their ids are not version 4 UUIDs, as ours are.
    """
    values = _values(headers)
    trace = _TRACEPARENT.fullmatch(values.get(TRACEPARENT, ""))
    members = _parsed(values.get(BAGGAGE, ""))
    root = _uuid(members.get("session_id")) or (_uuid_of_trace(trace[1]) if trace else "")
    parent = _uuid(values.get(PARENT)) or _uuid(members.get("parent_id")) or root
    if not parent:
        return None
    is_recorded = trace is None or int(trace[2], 16) & 1
    return (parent, root or parent) if is_recorded else ("", "")


def _values(headers: Any) -> dict[str, str]:
    """Return the headers that we read, by their names in lower case; too long ones are left out."""
    pairs = headers.items() if isinstance(headers, Mapping) else headers
    found: dict[str, str] = {}
    for name, value in islice(pairs, _MAX_HEADERS):
        key = _text(name).lower()
        text = _text(value) if key in NAMES else ""
        if text:
            found[key] = f"{found[key]},{text}" if key in found and key == BAGGAGE else text
    return {key: text.strip() for key, text in found.items() if len(text) <= _MAX_CHARACTERS}


def _text(value: Any) -> str:
    if not isinstance(value, (str, bytes)) or len(value) > _MAX_CHARACTERS:
        return ""
    return value if isinstance(value, str) else value.decode("latin-1")


def _parsed(baggage: str) -> dict[str, str]:
    """Return the members of a baggage that are ours, without their properties."""
    found = {}
    for member in baggage.split(",")[:_MAX_MEMBERS]:
        name, _, value = member.partition(";")[0].partition("=")
        if name.strip() in _OUR_MEMBERS:
            found[name.strip()] = unquote(value.strip())
    return found


def _uuid(text: str | None) -> str:
    """Return a UUID in lower case; empty if the text is not one."""
    return text.lower() if text is not None and is_uuid(text) else ""


def _uuid_of_trace(digits: str) -> str:
    """Return the id of a trace as a version 4 UUID; empty if it is not one."""
    if digits[12] != "4" or digits[16] not in "89ab":
        return ""
    return str(uuid.UUID(digits))


def withdraw(headers: MutableMapping[str, str]) -> None:
    """Remove what `inject` has added to headers with names in lower case."""
    headers.pop(PARENT, None)
    headers.pop(TRACEPARENT, None)
    others = [member for member in headers.pop(BAGGAGE, "").split(",") if not _is_ours(member)]
    if any(others):
        headers[BAGGAGE] = ",".join(others)


def _is_ours(member: str) -> bool:
    return member.partition("=")[0].strip() in _OUR_MEMBERS
