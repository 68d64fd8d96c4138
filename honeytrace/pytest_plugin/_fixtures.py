"""What the fixtures of the plugin give, and what the report of a failed test shows.
PYTEST_DONT_REWRITE"""

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
    """What the fixtures give. A capture begins before any fixture of the first test that asks for
    it, wherever it stands among them, and ends after all."""

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
        """For a fixture; `ended` is what the test has done before, if it asks in the middle."""
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
        """Ends those whose fixture is not set up, or not any more."""
        for name in [name for name in self._open if name not in self._used]:
            self._open.pop(name)[0].__exit__(None, None, None)


def show(
    report: pytest.TestReport, records: Iterable[CallRecord], error: BaseException | None
) -> None:
    """Adds the trees of sessions that have ended, unless the assertion that failed shows them."""
    trees = live.guard.call(_trees, [*records]) or "they cannot be shown"
    if not (type(error) is AssertionError and str(error).endswith(f"\n\n{trees}")):
        report.sections.append(("honeytrace sessions", trees))


def _trees(records: Sequence[CallRecord]) -> str:
    sessions = {session.session_id: session for session in map(finish, records)}
    roots = (each for each in sessions.values() if _parent(each) not in sessions)
    return _match.cut("\n".join(tree(root, sessions.get, "not caught") for root in roots))


def _parent(session: Session) -> Any:
    return session.metadata["honeytrace"].get("parent_id")
