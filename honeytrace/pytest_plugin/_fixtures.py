"""Captures for the fixtures, and session trees for reports. PYTEST_DONT_REWRITE"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest

from honeytrace._config.live import live
from honeytrace._config.pipeline import finish
from honeytrace._session.record import CallRecord
from honeytrace._session.session import Session
from honeytrace._session.tree import tree
from honeytrace.testing import _match
from honeytrace.testing._capture import CaptureContext, capture_sessions
from honeytrace.testing._golden import GoldenDir
from honeytrace.testing._sessions import CapturedSessions


class FixtureCaptures:
    """Holds the captures that the fixtures return.

    A capture begins before all fixtures of the first test that asks for it, whatever their order,
    and ends after them.
    """

    def __init__(self) -> None:
        self._open: dict[str, tuple[CaptureContext, CapturedSessions]] = {}
        self._used: set[str] = set()

    def begin(self, names: Iterable[str]) -> None:
        for name in names:
            if name not in self._open:
                opening = capture_sessions()
                self._open[name] = opening, opening.__enter__()

    @contextmanager
    def by(
        self, name: str, request: pytest.FixtureRequest, ended: Iterable[CallRecord]
    ) -> Iterator[CapturedSessions]:
        """Yield the capture for a fixture.

        `ended` holds the earlier sessions of a test that asks for the fixture while it runs.
        """
        early = name in self._open
        self.begin([name])
        sessions = self._open[name][1]
        if not early and request.scope == "function":
            sessions._sessions.extend(map(finish, ended))
        path = request.node.path
        file = path / "all" if request.scope == "session" else path
        sessions.place = GoldenDir(file, request.config.option.honeytrace_update)
        self._used.add(name)
        yield sessions
        self._used.remove(name)

    def end_unused(self) -> None:
        """End the captures whose fixture is not set up, or is torn down."""
        for name in [name for name in self._open if name not in self._used]:
            self._open.pop(name)[0].__exit__(None, None, None)


def show(
    report: pytest.TestReport, records: Iterable[CallRecord], error: BaseException | None
) -> None:
    """Add the trees of ended sessions, unless the failed assertion shows them already."""
    trees = live.guard.call(_trees, [*records]) or "they cannot be shown"
    if not (type(error) is AssertionError and str(error).endswith(f"\n\n{trees}")):
        report.sections.append(("honeytrace sessions", trees))


def _trees(records: Sequence[CallRecord]) -> str:
    sessions = {session.session_id: session for session in map(finish, records)}
    roots = (each for each in sessions.values() if _parent(each) not in sessions)
    return _match.cut("\n".join(tree(root, sessions.get, "not caught") for root in roots))


def _parent(session: Session) -> Any:
    return session.metadata["honeytrace"].get("parent_id")
