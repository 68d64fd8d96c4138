"""A session that has ended, and the lists of its fields."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field, fields
from reprlib import Repr

from honeytrace._utils.json import Json

RESERVED = "honeytrace"
"""The one key of `metadata` that belongs to honeytrace."""

_short = Repr()
_short.maxstring = _short.maxother = 60
_repr = _short.repr


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One finished call of an LLM application, as HoneyHive's API takes it.

    A field that is None is left out of the request.

    Attributes:
        project: the HoneyHive project.
        session_name: the name given to `trace_session`, or the function's qualified name.
        source: the environment, such as "dev" or "production".
        session_id: a UUID.
        children_ids: ids of the sessions started directly inside this one, in start order.
        config: model and settings of the call.
        inputs: the call's arguments by name.
        outputs: what the call returned, always as an object.
        error: type and message of the exception, None for a call that succeeded.
        duration: milliseconds.
        user_properties: facts about the user.
        metrics: numbers about the call, such as token counts.
        feedback: what users said about the call.
        metadata: anything else; what honeytrace noted is under the key `honeytrace`.
        start_time: milliseconds since 1970, UTC.
        end_time: milliseconds since 1970, UTC.
        extra: keys of a server's answer that are not fields of a session (`parent_id`,
            `event_type` and whatever else it adds). Never sent.
    """

    project: str
    session_name: str
    source: str
    session_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    children_ids: list[str] = field(default_factory=list)
    config: Json = field(default_factory=dict)
    inputs: Json = field(default_factory=dict)
    outputs: Json = field(default_factory=dict)
    error: str | None = None
    duration: float | None = None
    user_properties: Json = field(default_factory=dict)
    metrics: Json = field(default_factory=dict)
    feedback: Json = field(default_factory=dict)
    metadata: Json = field(default_factory=dict)
    start_time: float | None = None
    end_time: int | None = None
    extra: Json = field(default_factory=dict)

    def __repr__(self) -> str:
        """One line with long values cut, because failing assertions show it."""
        shown = {"inputs": self.inputs, "outputs": self.outputs, "error": self.error}
        parts = [f"{name}={_repr(value)}" for name, value in shown.items() if value]
        return f"<Session {' '.join([_repr(self.session_name), self.session_id, *parts])}>"


# Every list of fields is derived from the class, so that a new field is in all of them. What is
# exempt from one stands here by name.
_NOT_SENT = ("extra",)
_CANNOT_HOLD_SECRETS = ("session_id", "duration", "start_time", "end_time")
_NOT_ENTERED = ("outputs",)

TYPES: dict[str, str] = {each.name: str(each.type) for each in fields(Session)}
"""The annotation of each field, as written in the class."""

SENT = tuple(name for name in TYPES if name not in _NOT_SENT)
"""The fields that travel to the API."""

OBJECTS = tuple(name for name in SENT if TYPES[name] == "Json")
"""The fields that hold a JSON object of the user's."""

ENTERED = tuple(name for name in OBJECTS if name not in _NOT_ENTERED)
"""The JSON objects that `trace_session` takes as arguments; outputs come from the call."""

SEARCHED = tuple(name for name in TYPES if name not in _CANNOT_HOLD_SECRETS)
"""The fields that redaction has to look through: all except ids of ours, times and durations."""

TEXTS = tuple(name for name in SEARCHED if TYPES[name] in ("str", "str | None"))
"""Those of `SEARCHED` that hold a text."""


def about(session: Session) -> Json:
    """Return what honeytrace noted of the call; empty for a session that others recorded."""
    found = session.metadata.get(RESERVED)
    return found if isinstance(found, dict) else {}


def title_of(session: Session) -> str:
    """Return `session 'answer' (6a1f…)`, as messages name a session."""
    return f"session {session.session_name!r} ({session.session_id})"
