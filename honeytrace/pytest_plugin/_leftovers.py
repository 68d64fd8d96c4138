"""End sessions and captures that a test leaves open. PYTEST_DONT_REWRITE"""

from __future__ import annotations

from typing import Any

from honeytrace._session import context
from honeytrace._session.record import ABSENT, CallRecord
from honeytrace._tracing.recorder import end
from honeytrace.testing._capture import open_captures


class Leftovers:
    """Ends the sessions and captures that a test leaves open.

    Those that were open before the test go on, as do those of fixtures that other tests share.
    """

    def __init__(self) -> None:
        self._before: list[object] = []
        self._held: list[tuple[Any, object]] = []

    def running(self) -> list[object]:
        """Return the running sessions of this context and the open captures."""
        found: list[object] = [*open_captures()]
        record = context.get()
        while record is not None:
            found.append(record)
            record = record.parent
        return found

    def begin(self) -> None:
        self._before = self.running()

    def hold(self, fixture: Any, before: list[object]) -> None:
        """Keep open what a fixture has opened: what was not open `before` its set-up."""
        self._held += [(fixture, each) for each in self.running() if each not in before]

    def end(self, test: str) -> None:
        """End everything that must not go on, once `test` is torn down."""
        past = [each for fixture, each in self._held if fixture.cached_result is None]
        self._held = [each for each in self._held if each[0].cached_result is not None]
        fine = [each for _, each in self._held]
        fine += [each for each in self._before if each not in past]
        record: CallRecord | None = context.get()
        while record is not None and record not in fine:
            end(record, ABSENT, RuntimeError(f"{test} left it running"))
            record = record.parent
        context.make_current(record)
        for capture in open_captures():
            if capture not in fine:
                capture.end()
