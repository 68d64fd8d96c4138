"""Tell about the steps of a tree: their names, times and costs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from honeytrace._session import wire
from honeytrace._session.session import STEPS, Session, about
from honeytrace._session.tree import Step
from honeytrace._utils.text import printable
from honeytrace.local import _format
from honeytrace.local._format import plural
from honeytrace.local._summary import Summary, summarize
from honeytrace.local._trees import total

_MANY_STEPS = 5  # from here on, the slowest step is named: in fewer ones it is plain to see
_NAME_CHARACTERS = 48


def sums(steps: Sequence[Step]) -> str:
    """Return the sums over a tree, such as `3 steps, 1 failed, gpt-4o, $0.0040`.

    It is "" for a session without any other inside.
    """
    if len(steps) == 1:
        return ""
    known = {step.session_id: step.session for step in steps if step.session}
    below = children_of(steps)
    parents = {child.session_id: parent for parent, inside in below.items() for child in inside}
    summaries = [summary(each)._replace(parent=parents.get(i)) for i, each in known.items()]
    found = total(summaries)
    cancelled = sum(each.status == "cancelled" for each in summaries)
    facts = (
        plural(found.steps, "step"),
        f"{found.failed} failed" if found.failed else "",
        f"{cancelled} cancelled" if cancelled else "",
        _slowest(known.values(), below, known[steps[0].session_id]),
        ", ".join(map(printable, found.models)),
        spent(found.tokens_in, found.tokens_out, found.cost),
    )
    return ", ".join(filter(None, facts))


def _slowest(sessions: Iterable[Session], below: dict[str, list[Session]], root: Session) -> str:
    """Return the step that took most of the time by itself, such as `slowest chat 1.20 s (80%)`."""
    timed = [
        (self_time(each, below.get(each.session_id, ())), each)
        for each in sessions
        if each.duration
    ]
    if len(timed) < _MANY_STEPS or not root.duration:
        return ""
    longest, step = max(timed, key=lambda pair: pair[0])
    share = f" ({longest / root.duration:.0%})" if longest <= root.duration else ""
    name = printable(step.session_name, _NAME_CHARACTERS)
    return f"slowest {name} {_format.duration(longest)}{share}"


def summary(session: Session) -> Summary:
    return summarize(wire.payload(session))


def spent(given: float | None, made: float | None, cost: float | None) -> str:
    """Return tokens and cost, such as `1,200 → 85 tokens, $0.0042`; "" if neither is known."""
    tokens = _format.tokens(given, made)
    return ", ".join(filter(None, (tokens and f"{tokens} tokens", _format.cost(cost))))


def name_of(step: Step) -> str:
    if step.session is None:
        return f"{printable(step.session_id)} (not stored)"
    name, found = printable(step.session.session_name), about(step.session).get("step")
    return f"{name} [{found}]" if found in STEPS else name


def duration_of(step: Step) -> str:
    if step.session is None or step.session.duration is None:
        return ""
    return _format.duration(step.session.duration)


def children_of(steps: Sequence[Step]) -> dict[str, list[Session]]:
    """Return the children of each session by its id.

    The depth of a step is known from its `lead`: that of a child is three characters longer.
    """
    found: dict[str, list[Session]] = {}
    above: list[tuple[int, str]] = []
    for step in steps:
        while above and len(step.lead) <= above[-1][0]:
            above.pop()
        if above and step.session:
            found.setdefault(above[-1][1], []).append(step.session)
        above.append((len(step.lead), step.session_id))
    return found


def self_time(session: Session, children: Sequence[Session]) -> float:
    """Return the milliseconds of a session during which none of its children ran."""
    left = total = session.duration or 0.0
    start, until = session.start_time or 0.0, 0.0
    for child in sorted(children, key=lambda each: each.start_time or start):
        begin = (child.start_time or start) - start
        end = min(begin + (child.duration or 0.0), total)
        left -= max(end - max(begin, until), 0.0)
        until = max(until, end)
    return left


def costs(session: Session) -> Iterator[str]:
    """Yield the model of a step, and what it cost."""
    found = summary(session)
    if found.model:
        yield printable(found.model)
    if words := spent(found.tokens_in, found.tokens_out, found.cost):
        yield words
