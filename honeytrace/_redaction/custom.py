"""Apply the user's rule, which gets each value of a session with its path."""

from __future__ import annotations

import dataclasses
import marshal
from collections.abc import Callable
from typing import Any

from honeytrace._capture.snapshot import Snapshot
from honeytrace._redaction.fields import OBJECTS, OURS, failed
from honeytrace._redaction.marker import mark
from honeytrace._session.session import RESERVED, TEXTS, Session
from honeytrace._utils.guard import try_call
from honeytrace._utils.json import Json

Custom = Callable[[str, Any], Any]
"""The user's rule: it gets a path and a value, and returns the value or its replacement."""

_DESTINATIONS = ("project", "source")  # they say where a session goes
_ASKED_TEXTS = tuple(name for name in TEXTS if name not in _DESTINATIONS)


def customized(session: Session, custom: Custom) -> Session:
    """Return the session as the user's rule leaves it. The rule gets neither ids nor destinations.

    It gets a container before the values inside. If it raises for a value, that is replaced.
    """
    fields: Json = {}
    for name in _ASKED_TEXTS:
        text = getattr(session, name)
        if text is not None:
            new = _asked(custom, name, text)
            fields[name] = new if type(new) is str and new else mark("custom")
    for name in OBJECTS:
        visit = _metadata if name == "metadata" else _visited
        value = getattr(session, name)
        new, fault = try_call(visit, custom, name, value)
        fields[name] = failed(name, value) if fault else new
    changed = {name: new for name, new in fields.items() if new is not getattr(session, name)}
    return dataclasses.replace(session, **changed) if changed else session


def _asked(custom: Custom, path: str, value: Any) -> Any:
    """Return what the rule makes of one value, as plain data."""
    new, fault = try_call(_taken, custom, path, value)
    return mark("error") if fault else new


def _taken(custom: Custom, path: str, value: Any) -> Any:
    new = custom(path, value)
    return new if new is value else Snapshot().take(new, path)


def _visited(custom: Custom, path: str, value: Any) -> Json:
    # The rule gets a copy, because it may change a value in place, and records are shared.
    new = _object(_visit(custom, path, _copy(value)))
    return value if new == value else new


def _object(value: Any) -> Json:
    return value if type(value) is dict else {"redacted": value}


def _copy(value: Any) -> Any:
    """Return a copy of plain data. Raises `ValueError` for anything else."""
    return marshal.loads(marshal.dumps(value))  # noqa: S302 - our own bytes


def _metadata(custom: Custom, path: str, value: Json) -> Json:
    """Apply the rule to the metadata, except to the ids and the status in it."""
    if type(value.get(RESERVED)) is not dict:
        return _visited(custom, path, value)
    copy = _copy(value)
    ours = copy.pop(RESERVED)
    new = _object(_visit(custom, path, copy))
    for key in ours.keys() - OURS:
        ours[key] = _visit(custom, f"{path}.{RESERVED}.{key}", ours[key])
    new[RESERVED] = ours
    return value if new == value else new


def _visit(custom: Custom, path: str, value: Any) -> Any:
    value = _asked(custom, path, value)
    if type(value) is dict:
        for key, item in list(value.items()):
            value[key] = _visit(custom, f"{path}.{key}", item)
    elif type(value) is list:
        for index, item in enumerate(value):
            value[index] = _visit(custom, f"{path}[{index}]", item)
    return value
