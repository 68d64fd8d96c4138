"""Lay out the rows of a tree: name, time and costs of each step, and when it ran."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from honeytrace._session.session import Session
from honeytrace._session.tree import Step, failure
from honeytrace.cli._steps import children_of, costs, duration_of, name_of, self_time
from honeytrace.cli._terminal import columns, fit, pad
from honeytrace.local import _format

_BARS = (16, 8, 0)  # characters of the time axis: as many as leave room for what follows it
_NAME = 48  # names are padded to at most so many characters, to align the columns
_ERROR = 30  # columns of an error that come before the bar
_ERROR_SIGN = 12  # columns that stay free for the sign of an error, however narrow the terminal
_GAP = "  "


@dataclass(slots=True)
class Row:
    """One line of a tree.

    Attributes:
        cells: what is always shown: name and duration.
        own_time: how long it ran by itself, such as `12 ms self`, or "".
        facts: what it took, such as `gpt-4o` and `1,200 → 85 tokens`.
        error: the error after its sign, or "".
        again: "(see above)" for a step that is drawn a second time, else "".
        left_out: the facts that the terminal has no room for.
    """

    step: Step
    cells: list[str]
    own_time: str
    facts: list[str]
    error: str
    again: str
    left_out: list[str] = field(default_factory=list)

    def text(self, bar: str = "") -> str:
        cells = (*self.cells, bar, self.own_time, *self.facts, self.error, self.again)
        return _GAP.join(filter(None, cells)).rstrip()

    def needs(self, bar: int) -> int:
        """Return how many columns the row needs with a bar of so many characters."""
        cells = (*self.cells, "━" * bar, self.own_time, *self.facts, fit(self.error, _ERROR))
        return columns(_GAP.join(filter(None, cells)))


def rows(steps: Sequence[Step], screen: int | None) -> Iterator[tuple[Row, str]]:
    """Yield a row and its text for each step; `screen` is the width of the terminal, if any."""
    found = list(_rows(steps, screen))
    root, bar = steps[0].session, _BARS[0] if screen is None else _bar_beside(found, screen)
    for row in found:
        if screen:
            _shrink(row, bar, screen)
        session = row.step.session
        yield row, row.text(_bar(session, root, bar) if session and root and bar else "")


def _shrink(row: Row, bar: int, screen: int) -> None:
    """Take out of a row what the terminal has no room for, the least important first."""
    if row.needs(bar) > screen:
        row.own_time = ""
    while row.facts and row.needs(bar) > screen:
        row.left_out.append(row.facts.pop(0))


def _bar_beside(found: Sequence[Row], screen: int) -> int:
    """Return the characters of the bar, which has to leave room for all that follows it."""
    return next((bar for bar in _BARS if all(row.needs(bar) <= screen for row in found)), 0)


def _rows(steps: Sequence[Step], screen: int | None) -> Iterator[Row]:
    heads = [f"{step.lead}{name_of(step)}" for step in steps]
    spans = [duration_of(step) for step in steps]
    widest, below = max(map(len, spans)), children_of(steps)
    if screen is not None:
        room = max(screen - widest - 2 * len(_GAP) - _ERROR_SIGN, _ERROR_SIGN)
        heads = [fit(head, room) for head in heads]
    width = min(max(map(columns, heads)), _NAME)
    for step, head, time in zip(steps, heads, spans, strict=True):
        cells = [pad(head, width), *([f"{time:>{widest}}"] if widest else [])]
        session = step.session
        if session is None:
            yield Row(step, cells, "", [], "", "")
            continue
        own_time = _own_time(session, below.get(session.session_id, []))
        error = failure(session.error) if session.error else ""
        again = "(see above)" if step.again else ""
        yield Row(step, cells, own_time, list(costs(session)), error, again)


def _own_time(session: Session, children: Sequence[Session]) -> str:
    if not children or session.duration is None:
        return ""
    return f"{_format.duration(self_time(session, children))} self"


def _bar(session: Session, root: Session, width: int) -> str:
    """Draw when a session ran, on the time axis of the root; "" if the times are not known."""
    if not root.duration or None in (root.start_time, session.start_time, session.duration):
        return ""
    assert root.start_time is not None  # noqa: S101 - for the type checker
    assert session.start_time is not None  # noqa: S101 - for the type checker
    assert session.duration is not None  # noqa: S101 - for the type checker
    begin = session.start_time - root.start_time
    ends = ((each / root.duration) * width for each in (begin, begin + session.duration))
    begin, end = (min(max(each, 0.0), width) for each in ends)  # they can be infinite
    first = min(round(begin), width - 1)
    last = max(round(end), first + 1)
    return f"{'·' * first}{'━' * (last - first)}{'·' * (width - last)}"
