"""A session while it runs."""

from __future__ import annotations

import uuid
import weakref
from collections.abc import Callable
from copy import deepcopy
from typing import Any, cast

from honeytrace._capture.snapshot import Snapshot
from honeytrace._session.build import objects
from honeytrace._session.record import CallRecord, Defaults, Identity, TraceSpec, format_id
from honeytrace._utils.json import Json


class _Object:
    """An attribute of `ActiveSession` that holds one of the JSON objects."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, session: ActiveSession, owner: type) -> Json:
        return session._object(self._name)

    def __set__(self, session: ActiveSession, value: object) -> None:
        session._replace(self._name, value)


class ActiveSession:
    """A running session. What is set here is sent with it when it ends.

    The seven objects can be changed in place (`session.metrics["hits"] = 3`) or replaced
    (`session.outputs = answer` copies; a value that is not a dict becomes `{"result": value}`).
    After the end nothing is taken any more. The null session, outside of any session, takes
    everything, keeps nothing and is false in a condition.
    """

    __slots__ = ("__weakref__", "_record")

    config = _Object()
    inputs = _Object()
    outputs = _Object()
    user_properties = _Object()
    metrics = _Object()
    feedback = _Object()
    metadata = _Object()

    def __new__(cls, record: CallRecord | None) -> ActiveSession:
        """Return the handle of a record, of which there is one at a time."""
        handle = record.handle() if record is not None and record.handle else None
        return super().__new__(cls) if handle is None else handle

    def __init__(self, record: CallRecord | None) -> None:
        self._record = record
        if record is not None:
            record.handle = weakref.ref(self)

    def __bool__(self) -> bool:
        return self._record is not None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ActiveSession) and self._record is other._record

    def __hash__(self) -> int:
        return hash(self._record and self._record.id)

    def __copy__(self) -> ActiveSession:
        return self

    def __deepcopy__(self, _: object) -> ActiveSession:
        return self

    def __reduce__(self) -> str | tuple[Callable[..., ActiveSession], tuple[Any, ...]]:
        """In another process the session has its ids and its name, but takes nothing."""
        record = self._record
        if record is None:
            return "NOTHING"
        return _elsewhere, (record.spec.name, record.id, record.parent_id, record.root_id)

    def __repr__(self) -> str:
        if self._record is None:
            return "<no session>"
        state = "ended" if self._record.ended else "running"
        return f"<ActiveSession {self.session_name!r} {self.session_id} {state}>"

    @property
    def session_id(self) -> str:
        """The UUID, known from the start; empty for the null session."""
        return format_id(self._record.id) if self._record else ""

    @property
    def session_name(self) -> str:
        return self._record.spec.name if self._record else ""

    @property
    def parent_id(self) -> str | None:
        """The id of the session inside which this one was started."""
        record = self._record
        return format_id(record.parent_id) if record and record.parent_id else None

    @property
    def root_id(self) -> str:
        """The id of the outermost session; its own if it is the outermost."""
        return format_id(self._record.root_id) if self._record else ""

    @property
    def children_ids(self) -> list[str]:
        """The ids of the sessions started directly inside so far, in start order."""
        return [format_id(child) for child in (self._record and self._record.children) or ()]

    def add_child(self, session_id: str | uuid.UUID) -> None:
        """Add a session that was started elsewhere, such as in another process, as a child."""
        record = self._record
        if record is not None and not record.ended:
            record.children = [*(record.children or ()), str(session_id)]

    def _object(self, name: str) -> Json:
        record = self._record
        if record is None:
            return {}
        if record.ended:
            found = objects(record)[name]
            # Meanwhile the worker may have released the record and given this one a copy.
            return found if self._record is record else self._object(name)
        if record.given is None:
            record.given = {}
        if name not in record.given:  # plain data, in part shared by all calls of a function
            record.given[name] = deepcopy(objects(record)[name])
        return record.given[name]

    def _replace(self, name: str, value: object) -> None:
        record = self._record
        if record is None or record.ended:
            return
        # Copied here: to ask a foreign object whether it is a mapping would run its code.
        copy = Snapshot().take(value, name)
        record.given = record.given or {}
        record.given[name] = copy if type(copy) is dict else {"result": copy}
        record.replaced = (record.replaced or set()) | {name}


def _elsewhere(
    name: str, identity: Identity, parent_id: Identity | None, root_id: Identity
) -> ActiveSession:
    record = CallRecord(TraceSpec(name), cast("Defaults", None), None, identity, ((), {}))
    record.parent_id, record.root_id, record.ended = parent_id, root_id, True
    return ActiveSession(record)


NOTHING = ActiveSession(None)
"""The null session."""
