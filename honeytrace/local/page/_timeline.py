"""Place the steps of a tree on a common axis of time, and find where the time went."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from honeytrace.local._trees import Step, Tree

_ROUNDING = 1.5  # milliseconds: starts are whole milliseconds
_TICKS = 3
_AXIS = 0.75  # of the axis has marks: what is written beside the last one needs the rest
_MAX_MILLISECONDS = 1e15  # 30,000 years: sums of longer times could overflow

Piece = tuple[float, float]
"""Begin and end, in milliseconds after the start of the tree."""


@dataclass(slots=True)
class Timing:
    """When a step ran.

    Attributes:
        begin: milliseconds after the start of the tree.
        end: milliseconds after the start of the tree.
        own: the pieces in between in which none of its children ran.
        critical: True if the tree would have ended sooner without a part of it.
    """

    begin: float
    end: float
    own: list[Piece]
    critical: bool = False

    @property
    def self_time(self) -> float:
        return sum(end - begin for begin, end in self.own)


@dataclass(frozen=True, slots=True)
class Timeline:
    """The steps of a tree in time.

    Attributes:
        total: length of the axis in milliseconds.
        timings: by the id of the step; those that are not stored have none.
    """

    total: float
    timings: dict[str, Timing]


def timeline(tree: Tree) -> Timeline:
    top = tree.top.summary
    zero = top.start if top else 0.0
    timings = {step.id: _timing(step, zero) for step in tree.steps if step.summary}
    for step in tree.steps:
        if step.summary:
            inner = [timings[child.id] for child in step.children if child.id in timings]
            timings[step.id].own = list(_outside(timings[step.id], inner))
    for step_id in _critical(tree.top, timings):
        timings[step_id].critical = True
    return Timeline(max([1e-6, *(timing.end for timing in timings.values())]), timings)


def _timing(step: Step, zero: float) -> Timing:
    assert step.summary  # noqa: S101 - for the type checker
    begin, length = step.summary.start - zero, step.summary.duration or 0.0
    begin, length = (min(max(each, 0.0), _MAX_MILLISECONDS) for each in (begin, length))
    return Timing(begin, begin + length, [])


def _outside(timing: Timing, inner: Iterable[Timing]) -> Iterator[Piece]:
    """Yield the pieces of a step in which none of the inner ones ran."""
    at = timing.begin
    for each in sorted(inner, key=lambda each: each.begin):
        if at < min(each.begin, timing.end):
            yield at, min(each.begin, timing.end)
        at = max(at, each.end)
    if at < timing.end:
        yield at, timing.end


def _critical(top: Step, timings: dict[str, Timing]) -> Iterator[str]:
    """Yield the steps that something waited for, from the end of the tree backwards."""
    waiting = [top] if top.id in timings else []
    while waiting:
        step = waiting.pop()
        yield step.id
        at = timings[step.id].end + _ROUNDING
        known = [child for child in step.children if child.id in timings]
        for child in sorted(known, key=lambda child: -timings[child.id].end):
            if timings[child.id].end <= at:
                waiting.append(child)
                at = timings[child.id].begin + _ROUNDING


def ticks(total: float) -> Iterator[float]:
    """Yield round numbers of milliseconds for the axis, such as 0, 200, 400."""
    rough = total / _TICKS
    power = 1.0
    while power > rough:
        power /= 10
    while power * 10 <= rough:
        power *= 10
    step = next(factor * power for factor in (1, 2, 4, 5, 10) if factor * power >= rough)
    at = 0
    while at * step < total * _AXIS:
        yield at * step
        at += 1
