"""The handle that a program has of a running session."""

from __future__ import annotations

import uuid
import weakref
from collections.abc import Callable
from copy import deepcopy
from typing import Any, cast

from honeytrace._capture.snapshot import Snapshot
from honeytrace._session.build import objects
from honeytrace._session.record import CallRecord, Defaults, Identity, TraceSpec, format_id
from honeytrace._session.scope import make_known
from honeytrace._utils.json import Json


class _Object:
    """Makes one of the JSON objects an attribute of `ActiveSession`."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, session: ActiveSession, owner: type) -> Json:
        return session._object(self._name)

    def __set__(self, session: ActiveSession, value: object) -> None:
        session._replace(self._name, value)


class ActiveSession:
    """A running session. Values that you set here are sent with it when it ends.

    Seven JSON objects can be changed in place (`session.metrics["hits"] = 3`) or replaced
    (`session.outputs = answer`). A replacement is copied; one that is not a dict becomes
    `{"result": value}`. Changes made after the session has ended are ignored.

    Outside of any session, the null session stands in. It accepts the same calls, keeps nothing,
    and is false in a condition.
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
        """Return the existing handle of the record, or make one: there is one at a time."""
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
        """Pickle only the ids and the name: in another process the session cannot be changed."""
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
        """Return the UUID, known from the start; empty for the null session."""
        return make_known(self._record) if self._record else ""

    @property
    def session_name(self) -> str:
        return self._record.spec.name if self._record else ""

    @property
    def parent_id(self) -> str | None:
        """Return the id of the session inside which this one started; None for a root."""
        record = self._record
        return format_id(record.parent_id) if record and record.parent_id else None

    @property
    def root_id(self) -> str:
        """Return the id of the outermost session; empty for the null session."""
        return format_id(self._record.root_id) if self._record else ""

    @property
    def children_ids(self) -> list[str]:
        """Return the ids of the sessions started directly inside so far, in start order."""
        return [format_id(child) for child in (self._record and self._record.children) or ()]

    def add_child(self, session_id: str | uuid.UUID) -> None:
        """Add a session that started elsewhere, for example in another process, as a child."""
        record = self._record
        if record is not None and not record.ended:
            if record.children is None:
                record.children = []
            record.children.append(str(session_id))

    def _object(self, name: str) -> Json:
        record = self._record
        if record is None:
            return {}
        if record.ended:
            found = objects(record)[name]
            # The worker may have released the record meanwhile and given this handle a copy of it.
            return found if self._record is record else self._object(name)
        if record.given is None:
            record.given = {}
        if name not in record.given:  # JSON data that the calls of a function may share
            record.given[name] = deepcopy(objects(record)[name])
        return record.given[name]

    def _replace(self, name: str, value: object) -> None:
        record = self._record
        if record is None or record.ended:
            return
        # Copy first: asking a foreign object whether it is a mapping would run its code.
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
"""The null session, which is current outside of any session."""
