"""Find the sessions that a test asks for, and explain why none or several were found."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from difflib import SequenceMatcher
from typing import Any, NamedTuple

from honeytrace._session.record import ABSENT
from honeytrace._session.session import Session
from honeytrace._session.tree import label
from honeytrace._utils.text import closest, start_near_difference

__tracebackhide__ = True  # pytest shows the line of the test, not ours

FIELDS = tuple(each.name for each in fields(Session))

_MAX_COMPARED_CHARS = 200  # of two texts, to tell how similar they are
_MIN_SIMILARITY = 0.6  # from here on, a wrong name counts as a typing error
_MAX_VALUE_CHARS = 80  # shown of a value
_MAX_DIFFERENCES = 3
_MAX_SESSIONS = 10
_END_LINES = 30  # shown of a long tree at its beginning, and again at its end


def check(names: Iterable[str]) -> None:
    """Raise `TypeError` for a name that is not a field of a session."""
    for name in names:
        if name not in FIELDS:
            near = closest(name, ("name", *FIELDS))
            meant = f"did you mean {near!r}? It" if near else "it"
            raise TypeError(
                f"a session has no field {name!r}; {meant} has name, {', '.join(FIELDS)}"
            )


class Difference(NamedTuple):
    """A value of a session that is not the wanted one."""

    path: str
    value: Any
    wanted: Any


def fits(session: Session, wanted: Mapping[str, Any]) -> bool:
    return next(differences(session, wanted), None) is None


def differences(session: Session, wanted: Mapping[str, Any]) -> Iterator[Difference]:
    """Compare field by field. In objects only the wanted keys count, in lists all items."""
    for name, value in wanted.items():
        yield from _differ(name, getattr(session, name), value)


def _differ(path: str, value: Any, wanted: Any) -> Iterator[Difference]:
    if isinstance(wanted, Mapping) and isinstance(value, dict):
        for key, each in wanted.items():
            yield from _differ(f"{path}.{key}", value.get(key, ABSENT), each)
    elif _both_lists(value, wanted) and len(value) == len(wanted):
        for at, pair in enumerate(zip(value, wanted, strict=True)):
            yield from _differ(f"{path}[{at}]", *pair)
    elif value is ABSENT or value != wanted:
        yield Difference(path, value, wanted)


def _both_lists(value: Any, wanted: Any) -> bool:
    return isinstance(value, list) and isinstance(wanted, (list, tuple))


def none_fits(sessions: Sequence[Session], wanted: Mapping[str, Any]) -> str:
    """Explain that no session matches: name the nearest one and where it differs."""
    if not sessions:
        return "no session was captured"
    name = wanted.get("session_name")
    rest = {field: value for field, value in wanted.items() if field != "session_name"}
    near = max(sessions, key=lambda each: (_similarity(each, name), -_distance(each, rest)))
    similarity = _similarity(near, name)
    head = "no session matches" if similarity == 1 else f"no session has name {name!r}"
    if similarity < _MIN_SIMILARITY:
        return head
    differing = [_in_words(each) for each in differences(near, rest)]
    more = (
        f" and {len(differing) - _MAX_DIFFERENCES} more differ"
        if len(differing) > _MAX_DIFFERENCES
        else ""
    )
    whose = f", whose {'; '.join(differing[:_MAX_DIFFERENCES])}" if differing else ""
    return f"{head}; the nearest is {near.session_name!r}{whose}{more}"


def _similarity(session: Session, name: Any) -> float:
    """Return how similar the name is, from 0 to 1; 1 if no name was asked for."""
    return 1 if name is None else _ratio(session.session_name, str(name))


def _distance(session: Session, wanted: Mapping[str, Any]) -> float:
    return sum(_weight(*each) for each in differences(session, wanted))


def _weight(_: str, value: Any, wanted: Any) -> float:
    """Weigh a difference: similar texts count less, an absent value counts more."""
    if value is ABSENT:
        return 2
    return 1 - _ratio(value, wanted) / 2 if _both_texts(value, wanted) else 1


def _ratio(text: str, other: str) -> float:
    """Return a similarity from 0 to 1. It looks at the beginnings, because long texts take long."""
    return SequenceMatcher(None, text[:_MAX_COMPARED_CHARS], other[:_MAX_COMPARED_CHARS]).ratio()


def several_fit(sessions: Sequence[Session], found: Sequence[Session]) -> str:
    """List the sessions that match, with their index and inputs."""
    places = [at for at, each in enumerate(sessions) if any(each is one for one in found)]
    lines = [
        f"  [{at}] {label(sessions[at])}  inputs {_short(sessions[at].inputs)}"
        for at in places[:_MAX_SESSIONS]
    ]
    more = [f"  … and {len(places) - _MAX_SESSIONS} more"] if len(places) > _MAX_SESSIONS else []
    return "\n".join([f"{len(found)} sessions match, not one:", *lines, *more])


def have_errors(sessions: Sequence[Session], failed: Sequence[Session]) -> str:
    names = [repr(each.session_name) for each in failed[:_MAX_DIFFERENCES]]
    more = f" and {len(failed) - _MAX_DIFFERENCES} more" if len(failed) > _MAX_DIFFERENCES else ""
    return f"{len(failed)} of {len(sessions)} sessions ended in an error: {', '.join(names)}{more}"


def with_tree(words: str, tree: str) -> str:
    """Return a sentence with the tree below it, shortened if it is long."""
    return f"{words}\n\n{cut(tree)}" if tree else words


def cut(tree: str) -> str:
    """Return a tree; of a long one the beginning and the end."""
    lines = tree.split("\n")
    left = len(lines) - 2 * _END_LINES
    if left > 1:
        lines[_END_LINES:-_END_LINES] = [f"… {left} more …"]
    return "\n".join(lines)


def _in_words(each: Difference) -> str:
    path, value, wanted = each
    if value is ABSENT:
        return f"{path} is absent, not {_short(wanted)}"
    texts = _both_texts(value, wanted)
    at = start_near_difference(value, wanted, _MAX_VALUE_CHARS) if texts else 0
    return f"{path} is {_short(value, at)}, not {_short(wanted, at)}"


def _both_texts(value: Any, wanted: Any) -> bool:
    return isinstance(value, str) and isinstance(wanted, str)


def _short(value: Any, at: int = 0) -> str:
    text = "…" + repr(value[at:]) if at else repr(value)
    return text if len(text) <= _MAX_VALUE_CHARS else f"{text[:_MAX_VALUE_CHARS]}…"
