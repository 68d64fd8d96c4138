"""`update_session`, for facts that come after the end of a session, such as a user's rating."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from typing import Any

from honeytrace._config.live import live
from honeytrace._config.pipeline import Pipeline
from honeytrace._session.active import ActiveSession
from honeytrace._session.scope import find
from honeytrace._session.wire import is_uuid
from honeytrace._tracing.options import json_object
from honeytrace._utils.json import Json

_guard = live.guard.call


def update_session(
    session_id: str | uuid.UUID,
    *,
    feedback: Mapping[str, Any] | None = None,
    metrics: Mapping[str, Any] | None = None,
    metadata: Mapping[str, Any] | None = None,
    outputs: Mapping[str, Any] | None = None,
    user_properties: Mapping[str, Any] | None = None,
    config: Mapping[str, Any] | None = None,
    inputs: Mapping[str, Any] | None = None,
) -> bool:
    """Merge values into a session that has ended, key by key, from any process; no I/O.

        honeytrace.update_session(session_id, feedback={"rating": 5})

    The update waits in the queue and the spool as sessions do. A thread of ours reads the session,
    merges the values and sends it again under its id. If the session has not arrived yet, the
    update waits for it.

    Returns False if nothing can be sent: tracing is off, or the id is the empty one of a session
    that was not recorded.

    Raises `ValueError` for an id that is not a UUID, or without values; `TypeError` for a value
    that is not a mapping.
    """
    given = {
        "feedback": feedback,
        "metrics": metrics,
        "metadata": metadata,
        "outputs": outputs,
        "user_properties": user_properties,
        "config": config,
        "inputs": inputs,
    }
    return update(session_id, given)


def update(
    session_id: str | uuid.UUID,
    given: Mapping[str, Mapping[str, Any] | None],
    pipeline: Callable[[], Pipeline] | None = None,
) -> bool:
    """Do what `update_session` does, with the pipeline of the process or of a `Tracer`."""
    fields = {
        name: json_object(name, value, "update_session")
        for name, value in given.items()
        if value is not None
    }
    text = str(session_id) if isinstance(session_id, uuid.UUID) else session_id
    if text == "":  # what `current_session().session_id` is for a session that is not recorded
        return False
    if not is_uuid(text):
        raise ValueError(
            f"update_session({session_id!r}) needs a complete session id, a UUID such as "
            "session.session_id"
        )
    if not any(fields.values()):
        raise ValueError(
            f"update_session({text!r}) has no values; give some, such as feedback={{'rating': 5}}"
        )
    return bool(_guard(_update, text.lower(), fields, pipeline))


def _update(
    session_id: str, fields: dict[str, Json], pipeline: Callable[[], Pipeline] | None
) -> bool:
    usual = live.pipeline or live.start()
    if live.off:
        return False
    record = find(session_id)
    if record is None:
        return (pipeline() if pipeline else usual).update(session_id, fields)
    session = ActiveSession(record)  # it is still running in this process
    for name, values in fields.items():
        getattr(session, name).update(values)
    return True
