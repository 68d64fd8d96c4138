"""Sessions in tests: caught where they would be sent, and looked at.

with capture_sessions() as sessions:
    answer("what does yield do?")
assert sessions.one(name="answer").outputs == {"result": "…"}
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from importlib import import_module
from typing import TYPE_CHECKING, Any, overload

from honeytrace._config import finished, live
from honeytrace._diff import diff
from honeytrace._record import Record
from honeytrace._session import Session
from honeytrace._tree import tree

if TYPE_CHECKING:
    from honeytrace._replay import Replay, replay

__all__ = ["CapturedSessions", "Replay", "capture_sessions", "diff", "replay"]


def __getattr__(name: str) -> Any:
    if name in ("Replay", "replay"):  # made of what is here, so it cannot be imported before
        return getattr(import_module("honeytrace._replay"), name)
    raise AttributeError(f"module 'honeytrace.testing' has no attribute {name!r}")


class CapturedSessions(Sequence[Session]):
    """Sessions in the order of their ends. A list that can be asked, and that prints as trees."""

    def __init__(self) -> None:
        self._sessions: list[Session] = []

    @overload
    def __getitem__(self, index: int) -> Session: ...

    @overload
    def __getitem__(self, index: slice) -> list[Session]: ...

    def __getitem__(self, index: int | slice) -> Session | list[Session]:
        return self._sessions[index]

    def __len__(self) -> int:
        return len(self._sessions)

    def __repr__(self) -> str:
        return self.tree() or "<no sessions>"

    @property
    def roots(self) -> list[Session]:
        """Those that were started in none of the others, in the order of their ends."""
        known = {session.session_id for session in self}
        return [session for session in self if _about(session).get("parent_id") not in known]

    def all(self, name: str | None = None, **fields: Any) -> list[Session]:
        """Those of this name and with these fields; of objects the keys that are given count."""
        wanted = fields if name is None else {"session_name": name, **fields}
        return [session for session in self if _fits(session, wanted)]

    def one(self, name: str | None = None, **fields: Any) -> Session:
        """The one that `all` would give. Raises `AssertionError` if there is none, or several."""
        found = self.all(name, **fields)
        if len(found) != 1:
            raise AssertionError(f"{len(found)} sessions fit\n{self!r}")
        return found[0]

    def tree(self) -> str:
        """All of them as text, each root with what it started."""
        known = {session.session_id: session for session in self}
        return "\n".join(tree(root, known.get) for root in self.roots)

    def assert_no_errors(self) -> None:
        """Raises `AssertionError` if one of them has an error."""
        failed = [session for session in self if session.error]
        if failed:
            raise AssertionError(f"{len(failed)} sessions have errors\n{self!r}")


def _about(session: Session) -> dict[str, Any]:
    about: dict[str, Any] = session.metadata.get("honeytrace", {})
    return about


def _fits(session: Session, wanted: dict[str, Any]) -> bool:
    return all(_equal(getattr(session, name), value) for name, value in wanted.items())


def _equal(value: Any, wanted: Any) -> bool:
    if isinstance(wanted, dict) and isinstance(value, dict):
        return all(key in value and _equal(value[key], wanted[key]) for key in wanted)
    return bool(value == wanted)


# ---- Catching them


class _Capture:
    def __init__(self, outer: _Capture | None) -> None:
        self.outer = outer
        self.sessions = CapturedSessions()


_here: ContextVar[_Capture | None] = ContextVar("honeytrace_capture", default=None)
_open: list[_Capture] = []
_lock = threading.RLock()


@contextmanager
def capture_sessions() -> Iterator[CapturedSessions]:
    """Catches the sessions that start inside, in tasks and threads too, and sends none of them."""
    with _lock:
        capture = _Capture(_here.get() or (_open[-1] if _open else None))
        _open.append(capture)
        live.divert(_take)
    outer = _here.get()
    _here.set(capture)
    try:
        yield capture.sessions
    finally:
        _here.set(outer)
        with _lock:
            _open.remove(capture)
            if not _open:
                live.divert(None)


def _take(record: Record) -> None:
    """Gives an ended session to the captures around its end."""
    capture = _here.get() or (_open[-1] if _open else None)
    session = finished(record)
    while capture is not None:
        capture.sessions._sessions.append(session)
        capture = capture.outer
