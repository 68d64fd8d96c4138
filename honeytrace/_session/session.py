"""A session that has ended."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from reprlib import Repr

from honeytrace._utils.json import Json


def about(session: Session) -> Json:
    """What we noted of the call; anything else may have come back from a server."""
    found = session.metadata.get(RESERVED)
    return found if isinstance(found, dict) else {}


OBJECTS = ("config", "inputs", "outputs", "user_properties", "metrics", "feedback", "metadata")
"""The fields of a session that hold a JSON object of the user's."""

RESERVED = "honeytrace"
"""The one key of `metadata` that is ours."""

_short = Repr()
_short.maxstring = _short.maxother = 60
_repr = _short.repr


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """What happened: one call of an LLM application, as HoneyHive's API takes it.

    `duration` is in milliseconds; `start_time` and `end_time` are milliseconds since 1970, UTC.
    A value that is None is left out of the request.
    `extra` holds the keys of an answer that are no field of a session (`parent_id`,
    `event_type` and whatever the server adds).
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
        """One line, long values cut: it stands in failing assertions."""
        told = {"inputs": self.inputs, "outputs": self.outputs, "error": self.error}
        parts = [f"{name}={_repr(value)}" for name, value in told.items() if value]
        return f"<Session {' '.join([_repr(self.session_name), self.session_id, *parts])}>"
