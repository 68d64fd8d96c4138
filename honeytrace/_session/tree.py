"""Draw a session and its descendants as text: one line each, with duration and error."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from honeytrace._session.session import Session
from honeytrace._utils.text import first_line, printable, span

Fetch = Callable[[str], Session | None]
"""Find a session by its id; return None if there is none."""

Children = Callable[[Session], Sequence[str]]
"""Return the ids of a session's children, in start order."""


class Step(NamedTuple):
    """One line of a tree.

    Attributes:
        lead: text before the name, such as `│  └─ `.
        below: text before the lines below it, such as `│     `.
        session_id: id of the session.
        session: the session; None if it was not found.
        again: True if it was drawn before, so its children are not drawn a second time.
    """

    lead: str
    below: str
    session_id: str
    session: Session | None
    again: bool = False


def children_ids(session: Session) -> Sequence[str]:
    return session.children_ids


def walk(session: Session, fetch: Fetch, children: Children = children_ids) -> Iterator[Step]:
    """Yield the steps of a tree from top to bottom, each session's children in start order.

    The children of a session are yielded only once: an id may occur twice, or form a cycle.
    """
    yield Step("", "", session.session_id, session)
    shown = {session.session_id}
    waiting = _branches(children(session), "")
    while waiting:
        lead, below, session_id = waiting.pop()
        found = fetch(session_id)
        if found is None:
            yield Step(lead, below, session_id, None)
        elif found.session_id in shown:
            yield Step(lead, below, session_id, found, again=bool(children(found)))
        else:
            shown.add(found.session_id)
            yield Step(lead, below, session_id, found)
            waiting += _branches(children(found), below)


def tree(
    session: Session,
    fetch: Fetch,
    missing: str = "not stored",
    children: Children = children_ids,
) -> str:
    """Return the session as text, with its children indented below it in start order."""
    lines = []
    for step in walk(session, fetch, children):
        if step.session is None:
            lines.append(f"{step.lead}{printable(step.session_id)} ({missing})")
        else:
            above = "  (see above)" if step.again else ""
            lines.append(f"{step.lead}{label(step.session)}{above}")
    return "\n".join(lines)


def _branches(ids: Sequence[str], indent: str) -> list[tuple[str, str, str]]:
    """Return for each child its lead, the indent below it, and its id; the first child last."""
    branches = [(f"{indent}├─ ", f"{indent}│  ", child) for child in ids[:-1]]
    branches += [(f"{indent}└─ ", f"{indent}   ", child) for child in ids[-1:]]
    return branches[::-1]


def label(session: Session) -> str:
    """Return the line of a session, such as `answer  12.3 ms  ✗ ValueError: boom`."""
    parts = [printable(session.session_name)]
    if session.duration is not None:
        parts.append(span(session.duration))
    if session.error:
        parts.append(failure(session.error))
    return "  ".join(parts)


def failure(error: str) -> str:
    """Return the first line of an error after the sign `✗`."""
    return f"✗ {printable(first_line(error))}"
