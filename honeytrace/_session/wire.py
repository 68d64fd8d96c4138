"""Translate sessions into the requests and answers of the API, and back.

No other module knows the names used on the wire. We learned from the traffic of the official
clients what they send and accept: `startSession` is `POST /session/start` with
`{"session": {...}}`; `getSession` is `GET /session/{id}` and answers with an event.
"""

from __future__ import annotations

import math
import re
import sys
import uuid
from collections.abc import Callable, Mapping
from dataclasses import astuple, replace
from typing import Any

from honeytrace._capture.rules import Limits, rules
from honeytrace._capture.snapshot import Snapshot
from honeytrace._session.session import OBJECTS, RESERVED, SENT, TYPES, Session
from honeytrace._utils.json import Json, dumps, loads
from honeytrace._utils.text import did_you_mean
from honeytrace._utils.version import __version__

SESSION = "/session/"
START = f"{SESSION}start"

_UUID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}", re.IGNORECASE)
_RENAMED = {"project": "project_id", "session_name": "event_name"}
_MAX_SHOWN_CHARACTERS = 200
_TEXTS = {"project_id", "event_name", "parent_id", "org_id", "workspace_id"}
_REQUIRED = ("project", "session_name", "source")
_CONTAINERS = {*OBJECTS, "children_ids"}
_UPDATE = b'{"update":'
_ID = b'"session_id":"'


def path(session_id: str) -> str:
    """Return the path of `getSession`. Only a UUID is accepted, so no id can change the path."""
    if not is_uuid(session_id):
        raise ValueError(f"session_id is {session_id!r}; give a UUID, as start_session returned it")
    return f"{SESSION}{session_id.lower()}"


def headers(api_key: str | None) -> dict[str, str]:
    """Return the headers of every request; `Authorization` only if there is a key."""
    common = {
        "Accept": "application/json",
        "Content-Type": "application/json",
        "User-Agent": f"honeytrace/{__version__}",
    }
    if api_key:
        common["Authorization"] = api_key if api_key.startswith("Bearer ") else f"Bearer {api_key}"
    return common


def is_uuid(value: object) -> bool:
    return isinstance(value, str) and _UUID.fullmatch(value) is not None


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value)


def _is_number(value: object) -> bool:
    """Return True for a number that fits into a double; an integer may be too large."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    return abs(value) <= sys.float_info.max


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and _is_number(value)


def _are_texts(value: object) -> bool:
    return isinstance(value, (list, tuple)) and all(isinstance(item, str) for item in value)


def _is_object(value: object) -> bool:
    return isinstance(value, Mapping)


_Rule = tuple[Callable[[object], bool], str]
_RULE_OF_TYPE: dict[str, _Rule] = {
    "str": (_is_text, "a string that is not empty"),
    "str | None": (lambda value: isinstance(value, str), "a string"),
    "list[str]": (_are_texts, "a list of strings"),
    "Json": (_is_object, "an object with string keys"),
}
_RULE_OF_FIELD: dict[str, _Rule] = {
    "session_id": (is_uuid, "a UUID"),
    "duration": (_is_number, "a number of milliseconds"),
    "start_time": (_is_number, "a number of milliseconds since 1970"),
    "end_time": (_is_whole, "a whole number of milliseconds since 1970"),
}
_RULES = {name: _RULE_OF_FIELD.get(name) or _RULE_OF_TYPE[TYPES[name]] for name in SENT}


def _check(payload: Mapping[str, Any]) -> None:
    """Raise `ValueError` if a known field has the wrong type. Unknown fields are ignored."""
    for name in payload.keys() & _RULES.keys():
        fits, what = _RULES[name]
        if not fits(payload[name]):
            raise ValueError(f"{name} is {_shown(payload[name])}; it has to be {what}")


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _MAX_SHOWN_CHARACTERS else f"{text[:_MAX_SHOWN_CHARACTERS]}…"


def _refuse_unknown(names: Mapping[str, Any]) -> None:
    for name in names.keys() - _RULES.keys():
        hint = did_you_mean(str(name), _RULES, f"the fields are {', '.join(_RULES)}")
        raise ValueError(f"a session has no field {name!r}; {hint}")


def payload(session: Session) -> Json:
    """Return the session object of a request; fields that are None are left out."""
    return {name: value for name in SENT if (value := getattr(session, name)) is not None}


def encode(session: Session, *, sparse: bool = False) -> bytes:
    """Return the body of `startSession` for a session that honeytrace recorded.

    sparse: leave out empty objects, so that they replace nothing in a session that exists already.
    """
    fields = payload(session)
    if sparse:
        fields = {name: value for name, value in fields.items() if value or name not in _CONTAINERS}
    return dumps({"session": fields}, is_tree=True)


def encode_update(session_id: str, fields: Json) -> bytes:
    """Return the body of an update, which waits in the queue and the spool as sessions do.

    It is never sent as it is: the sender reads the session, merges the fields and starts it again.
    """
    return dumps({"update": {"session_id": session_id, **fields}})


def update_of(body: bytes) -> Json | None:
    """Return the id and the fields of an update; None if the body is that of a session."""
    if not body.startswith(_UPDATE):
        return None
    found: Json = loads(body)["update"]
    return found


def merge(stored: Mapping[str, Any], fields: Mapping[str, Any]) -> Json:
    """Merge fields into a session: objects key by key, lists of children as a union.

    The new values win.
    """
    merged: Json = {**stored, **fields}
    for name in _CONTAINERS & stored.keys() & fields.keys():
        old, new = stored[name], fields[name]
        if name == "children_ids":
            merged[name] = list(dict.fromkeys([*old, *new]))
        else:
            merged[name] = {**old, **new}
    return merged


def updated(event: bytes, update: Json) -> bytes:
    """Return the body of `startSession` for a session as `getSession` answered it, with an update.

    Raises `ValueError` if the answer is not a session.
    """
    return dumps({"session": merge(payload(decode(event)), update)})


def id_of(body: bytes) -> str:
    """Return the id in a body that `encode` wrote, without parsing it.

    No object and no list comes before the id, and in texts the quotation marks are escaped.
    """
    at = body.find(_ID)
    return body[at + len(_ID) :][:36].decode("ascii", "replace") if at >= 0 else ""


def started_again(event: bytes, body: bytes) -> bytes:
    """Return the body for a session that exists already, as `getSession` answered it.

    If `body` is of the same call, it was sent before, and what the session got since then wins.
    If it is of a block that was opened again under the same id, its own values win.

    Raises `ValueError` if the answer is not a session.
    """
    stored, session = payload(decode(event)), loads(body)["session"]
    is_same = all(stored.get(name) == session.get(name) for name in ("start_time", "duration"))
    merged = merge(session, stored) if is_same else merge(stored, session)
    return dumps({"session": merged})


def shrunk(body: bytes) -> bytes:
    """Return a smaller body of `startSession`, cut to half of the capture limits.

    Texts are cut further if half of the body's own size is less than those limits.
    """
    half = Limits(*(number // 2 for number in astuple(rules.limits)))
    limits = replace(
        half, chars=min(half.chars, len(body) // 2), string=min(half.string, len(body) // 4)
    )
    session = loads(body)["session"]
    about = session["metadata"].pop(RESERVED)
    for name in session.keys() & set(OBJECTS):
        snapshot = Snapshot(limits)
        session[name] = snapshot.take(session[name], name)
        about.setdefault("truncated", []).extend(snapshot.cuts)
    session["metadata"][RESERVED] = about
    return dumps({"session": session})


def request(session: Session | Mapping[str, Any]) -> tuple[str, bytes]:
    """Return the id and the body of `startSession` for a session that the user made.

    Values of a mapping that are None are left out; the others are sent unchanged. Raises
    `ValueError` if a field is missing, unknown or of the wrong type.
    """
    if isinstance(session, Session):
        fields = payload(session)
    elif not isinstance(session, Mapping):
        raise ValueError(f"a session cannot be {_shown(session)}; give a Session or a mapping")
    else:
        _refuse_unknown(session)
        fields = {name: value for name, value in session.items() if value is not None}
    for name in _REQUIRED:
        if name not in fields:
            raise ValueError(f"a session needs a {name}; give it as a string")
    _check(fields)
    session_id = str(fields.get("session_id") or uuid.uuid4()).lower()
    return session_id, dumps({"session": {**fields, "session_id": session_id}})


def started_id(body: bytes) -> str:
    """Return the session_id from an answer to `startSession`. Raises `ValueError` without one."""
    found = loads(body)
    if not isinstance(found, dict) or not _is_text(found.get("session_id")):
        raise ValueError("no session_id in it")
    return str(found["session_id"])


def decode(body: bytes) -> Session:
    """Return the session from an answer to `getSession`.

    Null counts as absent, and a fractional `end_time` is rounded. Unknown keys, and fields of the
    wrong type, are kept in `extra`. Raises `ValueError` if the answer is not an object or has no
    id.
    """
    found = loads(body)
    if not isinstance(found, dict):
        raise ValueError("it is not a JSON object")
    fields: Json = dict.fromkeys(_REQUIRED, "unknown")
    for name, (fits, _) in _RULES.items():
        key = _RENAMED.get(name, name)
        value = _rounded(found.get(key)) if name == "end_time" else found.get(key)
        if value is not None and fits(value):
            fields[name] = value
            del found[key]
    if "session_id" not in fields:
        raise ValueError("no session_id in it")
    fields["session_id"] = fields["session_id"].lower()
    extra = {key: value for key, value in found.items() if value is not None}
    return Session(**fields, extra=extra)


def message(body: str) -> str:
    """Return the `message` of an error answer if it is a JSON object, else the whole text."""
    try:
        found = loads(body)
    except ValueError:
        return body
    words = found.get("message") if isinstance(found, dict) else None
    return words if isinstance(words, str) else body


def _rounded(value: object) -> object:
    return round(value) if isinstance(value, float) and math.isfinite(value) else value


def received(body: bytes | str) -> Json:
    """Return the session object of a `startSession` request, ready to be stored.

    It accepts all that the official clients send. Names may be missing or empty; the id may be
    missing or in upper case; times may have a fraction. The object may be a JSON-encoded string.
    Unknown keys are kept. Raises `ValueError` if the body cannot be used.
    """
    found = _parsed(body)
    session = found.get("session") if isinstance(found, dict) else None
    if isinstance(session, str):
        session = _parsed(session)
    if not isinstance(session, dict):
        raise ValueError('the body has to be {"session": {...}}')
    fields = {name: value for name, value in session.items() if value is not None}
    for name in _REQUIRED:
        if fields.get(name) == "":
            del fields[name]
    if "end_time" in fields:
        fields["end_time"] = _rounded(fields["end_time"])
    start = fields.get("start_time")
    if isinstance(start, float) and start.is_integer():  # Python clients write whole times this way
        fields["start_time"] = int(start)
    _check(fields)
    for name in fields.keys() & _TEXTS:
        if not isinstance(fields[name], str):
            raise ValueError(f"{name} is {_shown(fields[name])}; it has to be a string")
    fields["session_id"] = str(fields.get("session_id") or uuid.uuid4()).lower()
    return fields


def _parsed(body: bytes | str) -> Any:
    try:
        return loads(body)
    except ValueError as error:
        raise ValueError(f"the body is not JSON ({error}); send it in UTF-8") from error


def parent(fields: Mapping[str, Any]) -> str | None:
    """Return the parent's id that the client recorded in a stored session, if any."""
    ours = fields.get("metadata", {}).get(RESERVED)
    found = fields.get("parent_id") or (ours.get("parent_id") if isinstance(ours, dict) else None)
    return found if isinstance(found, str) else None


def event(fields: Mapping[str, Any]) -> Json:
    """Return the answer to `getSession`: a stored session with its fields renamed to an event's.

    Only `parent_id` may be null: the TypeScript client 1.x refuses null in any other key.
    """
    named = {name: value for name, value in fields.items() if name not in _RENAMED}
    for name in fields.keys() & _RENAMED.keys():
        named[_RENAMED[name]] = fields[name]
    return {
        "project_id": "unknown",
        "event_name": "unknown",
        "source": "unknown",
        "children_ids": [],
        **named,
        "parent_id": parent(fields),
        "event_type": "session",
        "event_id": fields["session_id"],
    }


def started(fields: Mapping[str, Any]) -> Json:
    """Return the answer to `startSession`: the event, plus keys that the newest clients need."""
    return {"org_id": "local", "workspace_id": "local", **event(fields)}
