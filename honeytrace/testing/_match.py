"""Which sessions are those that a test asks for, and in words why there is none, or several."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from difflib import SequenceMatcher
from typing import Any, NamedTuple

from honeytrace._session.record import ABSENT
from honeytrace._session.session import Session
from honeytrace._session.tree import label
from honeytrace._utils.text import closest

__tracebackhide__ = True  # pytest shows the line of the test, not ours

FIELDS = tuple(each.name for each in fields(Session))

_LONG = 200  # characters of two texts that are compared for their likeness
_NEAR = 0.6  # how like a name has to be to be taken for a slip
_WIDE = 80  # characters of a value that are shown
_LEAD = 20  # of them before the first that differs
_SOME = 3  # differences
_MANY = 10  # sessions
_LINES = 30  # of a tree, from its beginning and before its end


def check(names: Iterable[str]) -> None:
    """Raises `TypeError` for what is no field of a session."""
    for name in names:
        if name not in FIELDS:
            near = closest(name, ("name", *FIELDS))
            meant = f"did you mean {near!r}? It" if near else "it"
            raise TypeError(
                f"a session has no field {name!r}; {meant} has name, {', '.join(FIELDS)}"
            )


class Difference(NamedTuple):
    """A value of a session that is not as wanted."""

    path: str
    value: Any
    wanted: Any


def fits(session: Session, wanted: Mapping[str, Any]) -> bool:
    return next(differences(session, wanted), None) is None


def differences(session: Session, wanted: Mapping[str, Any]) -> Iterator[Difference]:
    """By the names of fields: of objects the wanted keys count, of lists all items."""
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
    """Why no session is what was wanted: the nearest, and where it differs."""
    if not sessions:
        return "no session was caught"
    name = wanted.get("session_name")
    rest = {field: value for field, value in wanted.items() if field != "session_name"}
    near = max(sessions, key=lambda each: (_likeness(each, name), -_distance(each, rest)))
    likeness = _likeness(near, name)
    head = "no session fits" if likeness == 1 else f"no session has name {name!r}"
    if likeness < _NEAR:
        return head
    differing = [_said(each) for each in differences(near, rest)]
    more = f" and {len(differing) - _SOME} more differ" if len(differing) > _SOME else ""
    whose = f", whose {'; '.join(differing[:_SOME])}" if differing else ""
    return f"{head}; the nearest is {near.session_name!r}{whose}{more}"


def _likeness(session: Session, name: Any) -> float:
    """1 for the name that was wanted, or if none was."""
    return 1 if name is None else _alike(session.session_name, str(name))


def _distance(session: Session, wanted: Mapping[str, Any]) -> float:
    return sum(_weight(*each) for each in differences(session, wanted))


def _weight(_: str, value: Any, wanted: Any) -> float:
    """Near texts are less of a difference, and what is absent is more of one."""
    if value is ABSENT:
        return 2
    return 1 - _alike(value, wanted) / 2 if _both_texts(value, wanted) else 1


def _alike(text: str, other: str) -> float:
    """0 to 1, by the beginnings: to compare long texts takes long."""
    return SequenceMatcher(None, text[:_LONG], other[:_LONG]).ratio()


def several_fit(sessions: Sequence[Session], found: Sequence[Session]) -> str:
    """Those of the sessions that were found, by their places, with their inputs."""
    places = [at for at, each in enumerate(sessions) if any(each is one for one in found)]
    lines = [
        f"  [{at}] {label(sessions[at])}  inputs {_short(sessions[at].inputs)}"
        for at in places[:_MANY]
    ]
    more = [f"  … and {len(places) - _MANY} more"] if len(places) > _MANY else []
    return "\n".join([f"{len(found)} sessions fit, not one:", *lines, *more])


def have_errors(sessions: Sequence[Session], failed: Sequence[Session]) -> str:
    names = [repr(each.session_name) for each in failed[:_SOME]]
    more = f" and {len(failed) - _SOME} more" if len(failed) > _SOME else ""
    return f"{len(failed)} of {len(sessions)} sessions ended in an error: {', '.join(names)}{more}"


def with_tree(words: str, tree: str) -> str:
    """A sentence, and the tree below it as far as it can be taken in."""
    return f"{words}\n\n{cut(tree)}" if tree else words


def cut(tree: str) -> str:
    """Of a long tree the beginning and the end."""
    lines = tree.split("\n")
    left = len(lines) - 2 * _LINES
    if left > 1:
        lines[_LINES:-_LINES] = [f"… {left} more …"]
    return "\n".join(lines)


def _said(each: Difference) -> str:
    path, value, wanted = each
    if value is ABSENT:
        return f"{path} is absent, not {_short(wanted)}"
    at = _parting(value, wanted) if _both_texts(value, wanted) else 0
    return f"{path} is {_short(value, at)}, not {_short(wanted, at)}"


def _both_texts(value: Any, wanted: Any) -> bool:
    return isinstance(value, str) and isinstance(wanted, str)


def _parting(value: str, wanted: str) -> int:
    """Where two long texts are to be shown from: shortly before they part."""
    if max(len(value), len(wanted)) <= _WIDE:
        return 0
    pairs = enumerate(zip(value, wanted, strict=False))
    same = next((at for at, (one, other) in pairs if one != other), min(len(value), len(wanted)))
    return max(same - _LEAD, 0)


def _short(value: Any, at: int = 0) -> str:
    text = "…" + repr(value[at:]) if at else repr(value)
    return text if len(text) <= _WIDE else f"{text[:_WIDE]}…"
