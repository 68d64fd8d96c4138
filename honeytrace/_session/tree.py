"""A session and those below it, as text: a line for each, with its duration and error."""

from __future__ import annotations

from collections.abc import Callable

from honeytrace._session.session import Session
from honeytrace._utils.text import plain, span

Fetch = Callable[[str], Session | None]
"""Finds a session by its id; None if there is none."""


def tree(session: Session, fetch: Fetch, missing: str = "not stored") -> str:
    """The session with its children, in start order, indented below it.

    What stands below a session is shown once: ids may meet again, or go round in circles.
    """
    lines = [label(session)]
    shown = {session.session_id}
    waiting = _branches(session, "")
    while waiting:
        line, below, child = waiting.pop()
        found = fetch(child)
        if found is None:
            lines.append(f"{line}{plain(child)} ({missing})")
        elif found.session_id not in shown:
            shown.add(found.session_id)
            lines.append(line + label(found))
            waiting += _branches(found, below)
        else:
            above = "  (see above)" if found.children_ids else ""
            lines.append(line + label(found) + above)
    return "\n".join(lines)


def _branches(session: Session, indent: str) -> list[tuple[str, str, str]]:
    """A child's own indent, the indent of what is below it, and its id; the first child last."""
    ids = session.children_ids
    branches = [(f"{indent}├─ ", f"{indent}│  ", child) for child in ids[:-1]]
    branches += [(f"{indent}└─ ", f"{indent}   ", child) for child in ids[-1:]]
    return branches[::-1]


def label(session: Session) -> str:
    """`answer  12.3 ms  ✗ ValueError: boom`."""
    parts = [plain(session.session_name)]
    if session.duration is not None:
        parts.append(span(session.duration))
    if session.error:
        parts.append(mark(session.error))
    return "  ".join(parts)


def mark(error: str) -> str:
    """The first line of an error, marked as one."""
    return f"✗ {plain(error.strip().partition(chr(10))[0])}"
