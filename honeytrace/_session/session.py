"""A session that has ended, and the lists of its fields."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field, fields
from reprlib import Repr

from honeytrace._utils.json import Json

RESERVED = "honeytrace"
"""The key of `metadata` that honeytrace keeps for itself."""

STEPS = (
    *("agent", "chain", "embedding", "evaluator", "guardrail", "model", "prompt", "reranker"),
    *("retriever", "tool"),
)
"""The kinds of steps in an application, as `trace_session(step=…)` takes them."""

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
        error: type and message of the exception; None if the call succeeded.
        duration: milliseconds.
        user_properties: facts about the user.
        metrics: numbers about the call, such as counts of tokens.
        feedback: what users said about the call.
        metadata: anything else; honeytrace adds its own details under the key `honeytrace`.
        start_time: milliseconds since 1970, UTC.
        end_time: milliseconds since 1970, UTC.
        extra: keys of a server's answer that are not fields of a session, such as `parent_id` and
            `event_type`. Never sent.
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
        """Return one line with long values cut, because failing assertions show it."""
        shown = {"inputs": self.inputs, "outputs": self.outputs, "error": self.error}
        parts = [f"{name}={_repr(value)}" for name, value in shown.items() if value]
        return f"<Session {' '.join([_repr(self.session_name), self.session_id, *parts])}>"


# Every list of fields is derived from the class, so a new field is in all of them. Exceptions are
# named here. A new JSON object is also listed by hand in `ActiveSession`, `enrich_session`, `tag`,
# `update_session`, `Options`, the docstring of `trace_session` and the help on the pytest marker.
_NOT_SENT = ("extra",)
_CANNOT_HOLD_SECRETS = ("session_id", "duration", "start_time", "end_time")
_NOT_ENTERED = ("outputs",)

TYPES: dict[str, str] = {each.name: str(each.type) for each in fields(Session)}
"""The annotation of each field, as written in the class."""

SENT = tuple(name for name in TYPES if name not in _NOT_SENT)
"""The fields that are sent to the API."""

OBJECTS = tuple(name for name in SENT if TYPES[name] == "Json")
"""The fields that hold the user's JSON objects."""

ENTERED = tuple(name for name in OBJECTS if name not in _NOT_ENTERED)
"""The JSON objects that `trace_session` takes as arguments: all except the outputs."""

SEARCHED = tuple(name for name in TYPES if name not in _CANNOT_HOLD_SECRETS)
"""The fields that redaction searches: all except the session's id, its times and its duration."""

TEXTS = tuple(name for name in SEARCHED if TYPES[name] in ("str", "str | None"))
"""The fields in `SEARCHED` that hold a text."""


def about(session: Session) -> Json:
    """Return the details that honeytrace recorded; empty for a session from another client."""
    found = session.metadata.get(RESERVED)
    return found if isinstance(found, dict) else {}


def title_of(session: Session) -> str:
    """Return the session's title for messages, such as `session 'answer' (6a1f…)`."""
    return f"session {session.session_name!r} ({session.session_id})"
