"""Scopes stand in the context between sessions: a tag, the parent in another process, and so on."""

from __future__ import annotations

import sys
from types import FrameType
from typing import cast
from weakref import WeakValueDictionary

from honeytrace._session.record import CallRecord, Defaults, Identity, TraceSpec, format_id
from honeytrace._utils.json import Json

Tags = dict[str, Json]
_NO_SPEC = TraceSpec(name="")


class Scope(CallRecord):
    """Passes something on to the sessions that start inside. It is not a session itself.

    It counts as ended, so a search for a running session passes over it.

    Attributes:
        parent: the session of this process that it was entered in.
        linked: True if `id` and `root_id` are those of a session that may have ended or belong to
            another process; sessions become its children unless `parent` is running.
        silent: True if sessions that start inside are not recorded.
    """

    __slots__ = ("linked", "silent")

    def __init__(
        self,
        parent: CallRecord | None = None,
        *,
        link: tuple[Identity, Identity] | None = None,
        tags: Tags | None = None,
        silent: bool = False,
    ) -> None:
        super().__init__(_NO_SPEC, cast("Defaults", None), None, "", None)
        self.parent = parent
        self.linked = link is not None
        self.id, self.root_id = link or ("", "")
        self.tags = tags
        self.silent = silent
        self.ended = True
        if parent is not None:
            self.defaults = parent.defaults

    def is_silent(self) -> bool:
        """Return True if nothing that starts in this scope is recorded."""
        return self.silent

    def place(self, record: CallRecord, parent: CallRecord | None) -> None:
        """Put a new record into this scope; `parent` is what `enclosing` found."""
        record.parent = self
        self.hand_on(record, parent)

    def hand_on(self, record: CallRecord, parent: CallRecord | None) -> None:
        record.tags = self.tags
        if parent is None and self.linked:
            record.parent_id, record.root_id = self.id, self.root_id


class GivenParent(Scope):
    """The scope of one session whose parent was given by its id; `parent` is the outer context."""

    __slots__ = ()

    def __init__(self, parent_id: str, outer: CallRecord | None) -> None:
        inner = innermost(outer)
        tags = inner.tags if inner is not None else None
        super().__init__(outer, link=(parent_id, parent_id), tags=tags)

    def place(self, record: CallRecord, parent: CallRecord | None) -> None:
        record.parent = self.parent
        self.hand_on(record, parent)


_known: WeakValueDictionary[str, CallRecord] = WeakValueDictionary()


def make_known(record: CallRecord) -> str:
    """Return the id of a record; `find` then finds it while it runs in this process."""
    session_id = format_id(record.id)
    if not record.ended:
        _known[session_id] = record
    return session_id


def find(session_id: str) -> CallRecord | None:
    """Return the running session with an id that `make_known` has given out."""
    record = _known.get(session_id)
    return None if record is None or record.ended else record


QUIET = Scope(silent=True)
"""The current record while we call a user's function, so that nothing it calls is recorded."""


class _OwnWork(Scope):
    """The scope of the work of delivery: of our threads, and of the program's thread at the end.

    The program can trace functions that this work calls, for example with
    `patch("httpcore:HTTPConnection.request")`. If they were recorded here, sending one session
    would start the next one, for ever. Finalizers of the program's objects may run here as well;
    what they call is recorded.
    """

    __slots__ = ()

    def is_silent(self) -> bool:
        frame: FrameType | None = sys._getframe(1)
        while frame is not None:
            if frame.f_code.co_name == "__del__" or frame.f_globals.get("__name__") == "weakref":
                return False
            frame = frame.f_back
        return True


OWN_WORK = _OwnWork()


def innermost(record: CallRecord | None) -> CallRecord | None:
    """Return the record if it is running or a scope; else the nearest such record around it."""
    while record is not None and record.ended and not isinstance(record, Scope):
        record = record.parent
    return record


def running(record: CallRecord | None) -> CallRecord | None:
    """Return the record, or its nearest ancestor that has not ended."""
    while record is not None and record.ended:
        record = record.parent
    return record


def enclosing(record: CallRecord | None) -> tuple[CallRecord | None, Scope | None]:
    """Return the running session, and the scope inside it, that a new session would start in."""
    inner = innermost(record)
    return (_parent_in(inner), inner) if isinstance(inner, Scope) else (inner, None)


def _parent_in(scope: Scope) -> CallRecord | None:
    """Return the running session around a scope; None if the scope is linked and that one ended."""
    parent = scope.parent
    if parent is None or not parent.ended:
        return parent
    return None if scope.linked else running(parent)


def shorten(record: CallRecord) -> None:
    """Drop ended sessions from the chain above an ended record, which tasks may keep for long."""
    parent = record.parent = innermost(record.parent)
    if isinstance(parent, Scope):
        parent.parent = _parent_in(parent)


def carried(record: CallRecord | None) -> CallRecord | None:
    """Return what another thread has to make current to start sessions below the same parent.

    They become children of the innermost session even if that has ended by then.
    """
    inner = innermost(record)
    session = inner.parent if isinstance(inner, Scope) else inner
    if inner is None or session is None or (isinstance(inner, Scope) and inner.linked):
        return inner
    return Scope(session, link=(session.id, session.root_id), tags=inner.tags)


def tagged(record: CallRecord | None, tags: Tags) -> Scope:
    """Return a scope inside this context that adds tags; they win over those of the context."""
    inner = outer = innermost(record)
    while outer is not None and not isinstance(outer, Scope):
        outer = outer.parent
    inside = isinstance(inner, Scope)
    return Scope(
        inner.parent if inner is not None and inside else inner,
        link=(outer.id, outer.root_id) if outer is not None and outer.linked else None,
        tags=merged(inner.tags if inner is not None else None, tags),
        silent=outer is not None and outer.is_silent() and inside,
    )


def merged(outer: Tags | None, inner: Tags) -> Tags:
    """Merge tags key by key; the inner ones win."""
    outer = outer or {}
    return {name: {**outer.get(name, {}), **inner.get(name, {})} for name in {**outer, **inner}}


def is_outermost(record: CallRecord) -> bool:
    """Return True if no running session with the same configuration encloses the record.

    A session of the process that this one was forked from has another configuration.
    """
    parent = running(record.parent)
    return parent is None or parent.defaults is not record.defaults
