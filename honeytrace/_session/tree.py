"""Draw a session and those below it as text: a line for each, with its duration and error."""

from __future__ import annotations

from collections.abc import Callable

from honeytrace._session.session import Session
from honeytrace._utils.text import first_line, printable, span

Fetch = Callable[[str], Session | None]
"""Finds a session by its id; returns None if there is none."""


def tree(session: Session, fetch: Fetch, missing: str = "not stored") -> str:
    """Return the session with its children, in start order, indented below it.

    A session's children are shown once: ids may come up again, or go round in circles.
    """
    lines = [label(session)]
    shown = {session.session_id}
    waiting = _branches(session, "")
    while waiting:
        line, below, child = waiting.pop()
        found = fetch(child)
        if found is None:
            lines.append(f"{line}{printable(child)} ({missing})")
        elif found.session_id not in shown:
            shown.add(found.session_id)
            lines.append(line + label(found))
            waiting += _branches(found, below)
        else:
            above = "  (see above)" if found.children_ids else ""
            lines.append(line + label(found) + above)
    return "\n".join(lines)


def _branches(session: Session, indent: str) -> list[tuple[str, str, str]]:
    """Return each child's indent, the indent of its children, and its id; the first child last."""
    ids = session.children_ids
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
    """Return the first line of an error, after the sign of one."""
    return f"✗ {printable(first_line(error))}"
