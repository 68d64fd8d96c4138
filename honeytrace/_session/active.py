"""The object by which a program reads and changes a running session."""

from __future__ import annotations

import uuid
import weakref
from collections.abc import Callable
from copy import deepcopy
from functools import partial
from typing import Any, cast

from honeytrace._capture.deferred import as_object
from honeytrace._capture.snapshot import Snapshot
from honeytrace._session.build import objects, objects_and_read
from honeytrace._session.record import CallRecord, Defaults, Identity, TraceSpec, format_id
from honeytrace._session.scope import make_known
from honeytrace._session.wire import is_uuid
from honeytrace._utils.guard import log_safely
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

    The JSON objects can be changed in place (`session.metrics["hits"] = 3`) or replaced
    (`session.outputs = answer`). A replacement is copied; one that is not a dict becomes
    `{"result": value}`. What you set after the session has ended is sent as an update, as
    `update_session` does.

    Outside of any session, the null session stands in. It accepts the same calls, keeps nothing,
    and is false in a condition.
    """

    __slots__ = ("__weakref__", "_late", "_record")

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
        self._late: dict[str, Json] | None = getattr(self, "_late", None)
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
        """Add a session that started elsewhere, for example in another process, as a child.

        An empty id, which a session that is not recorded has, is ignored. One that is not a UUID
        causes a warning, since nothing can be found by it.
        """
        record = self._record
        if record is None or session_id == "":
            return
        text = str(session_id)
        if is_uuid(text):
            text = text.lower()
        else:  # it may be a secret, so it is not logged
            log_safely(
                "add_child() got something that is not the id of a session (%s); give a UUID, such "
                "as session.session_id",
                type(session_id).__name__,
            )
        if record.ended:
            log_safely(
                "the session %s has ended and cannot get the child %s; start the child "
                "with trace_session(parent=%r)",
                self.session_id,
                text,
                self.session_id,
            )
            return
        if record.children is None:
            record.children = []
        record.children.append(text)

    def _object(self, name: str) -> Json:
        record = self._record
        if record is None:
            return {}
        if record.ended:
            found = {**objects(record)[name], **(self._late or {}).get(name, {})}
            # The worker may have released the record meanwhile and given this handle a copy of it.
            if self._record is not record:
                return self._object(name)
            return LateObject(found, partial(self._update, name))
        if record.given is None:
            record.given = {}
        if name not in record.given:  # JSON data that the calls of a function may share
            found, read = objects_and_read(record)
            record.read = {**(record.read or {}), name: read.get(name, {})}
            record.given[name] = deepcopy(found[name])
        return record.given[name]

    def _replace(self, name: str, value: object) -> None:
        record = self._record
        if record is None:
            return
        # Copy first: asking a foreign object whether it is a mapping would run its code.
        copy = as_object(Snapshot().take(value, name))
        if record.ended:
            self._update(name, copy)
            return
        record.given = record.given or {}
        record.given[name] = copy
        record.read = {**(record.read or {}), name: {}}
        record.replaced = (record.replaced or set()) | {name}

    def _update(self, name: str, fields: Json) -> None:
        """Send what is set after the end as an update, or warn that this is impossible."""
        record = self._record
        assert record is not None  # noqa: S101 - the null session has no late objects
        fields = as_object(Snapshot().take(fields, name))
        defaults = cast("Defaults | None", record.defaults)
        if defaults is not None and defaults.update(format_id(record.id), {name: fields}):
            late = self._late = self._late or {}
            late[name] = {**late.get(name, {}), **fields}
            return
        log_safely(
            "the %s of a session that has ended cannot be changed here; "
            "use honeytrace.update_session(%r, %s=…)",
            name,
            format_id(record.id),
            name,
        )


class LateObject(Json):
    """An object of a session that has ended. What is set in it is sent as an update."""

    def __init__(self, found: Json, send: Callable[[Json], None]) -> None:
        super().__init__(found)
        self._send = send

    def __setitem__(self, key: str, value: Any) -> None:
        self.update({key: value})

    def __ior__(self, other: Any) -> LateObject:  # type: ignore[override,misc]
        self.update(other)
        return self

    def update(self, *args: Any, **kwargs: Any) -> None:
        fields = dict(*args, **kwargs)
        super().update(fields)
        self._send(fields)

    def __delitem__(self, key: str) -> None:
        self._cannot_remove()

    def pop(self, key: str, default: Any = None) -> Any:
        self._cannot_remove()
        return self.get(key, default)

    def popitem(self) -> tuple[str, Any]:
        self._cannot_remove()
        return next(reversed(self.items()))

    def clear(self) -> None:
        self._cannot_remove()

    def _cannot_remove(self) -> None:
        log_safely(
            "nothing can be removed from a session that has ended; set the key to "
            "another value, such as None"
        )

    def setdefault(self, key: str, default: Any = None) -> Any:
        if key not in self:
            self[key] = default
        return self[key]

    def __reduce__(self) -> tuple[type[Json], tuple[Json]]:
        """Copy or pickle it as a plain dict."""
        return dict, (dict(self),)


def _elsewhere(
    name: str, identity: Identity, parent_id: Identity | None, root_id: Identity
) -> ActiveSession:
    record = CallRecord(TraceSpec(name), cast("Defaults", None), None, identity, ((), {}))
    record.parent_id, record.root_id, record.ended = parent_id, root_id, True
    return ActiveSession(record)


NOTHING = ActiveSession(None)
"""The null session, which is current outside of any session."""
