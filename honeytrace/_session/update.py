"""Facts about a session that come after its end, such as the rating of a user."""

from __future__ import annotations

from typing import Any

from honeytrace._capture.providers.usage import shown
from honeytrace._session.record import CallRecord, Defaults, TraceSpec
from honeytrace._session.session import Session
from honeytrace._utils.json import Json

_SPEC = TraceSpec(name="update")
_BYTES = 200  # roughly the memory of one value


class Update(CallRecord):
    """Fields to merge into a session. They are queued, stored and sent like a session."""

    __slots__ = ()

    def __init__(self, defaults: Defaults, session_id: str, fields: dict[str, Json]) -> None:
        super().__init__(_SPEC, defaults, None, session_id, ((), {}))
        also = shown(fields.get("metrics", {}), is_model_call=False)
        self.given = (
            {**fields, "metadata": {**also, **fields.get("metadata", {})}} if also else fields
        )
        self.size = _BYTES * sum(map(len, fields.values()))
        self.ended = True


def as_session(update: Update) -> Session:
    """Return the fields as a session, in which redaction can look for secrets."""
    fields: dict[str, Any] = update.given or {}
    defaults = update.defaults
    return Session(
        project=defaults.project,
        session_name=update.spec.name,
        source=defaults.source,
        session_id=str(update.id),
        **fields,
    )
