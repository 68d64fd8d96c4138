"""A session and those below it, as text: a line for each, with its duration and error."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from honeytrace._session import Session

Fetch = Callable[[str], Session | None]
"""Finds a session by its id; None if there is none."""


def tree(session: Session, fetch: Fetch) -> str:
    """The session with its children, in start order, indented below it."""
    return "\n".join(_lines(session, fetch, "", frozenset({session.session_id})))


def _lines(session: Session, fetch: Fetch, indent: str, above: frozenset[str]) -> Iterator[str]:
    yield label(session)
    # An id that stands above already would go round in circles.
    children = [child for child in session.children_ids if child not in above]
    for child in children:
        last = child is children[-1]
        found = fetch(child)
        branch, below = ("└─ ", "   ") if last else ("├─ ", "│  ")
        if found is None:
            yield f"{indent}{branch}{child} (not stored)"
            continue
        lines = _lines(found, fetch, indent + below, above | {child})
        yield f"{indent}{branch}{next(lines)}"
        yield from lines


def label(session: Session) -> str:
    """`answer  12.3 ms  ValueError: boom`."""
    parts = [session.session_name]
    if session.duration is not None:
        parts.append(span(session.duration))
    if session.error:
        parts.append(f"✗ {session.error.splitlines()[0][:200]}")
    return "  ".join(parts)


def span(milliseconds: float) -> str:
    """A duration with the unit that suits it: `820 µs`, `12.3 ms`, `4.05 s`."""
    if milliseconds < 1:
        return f"{milliseconds * 1000:.0f} µs"
    if milliseconds < 1000:
        return f"{milliseconds:.1f} ms"
    return f"{milliseconds / 1000:.2f} s"
