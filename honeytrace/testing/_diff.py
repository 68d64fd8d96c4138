"""Compare two sessions, or two of their objects, in one line per difference."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from honeytrace._capture.rules import Limits
from honeytrace._capture.snapshot import Snapshot
from honeytrace._session.session import RESERVED, SEARCHED, Session
from honeytrace._utils.json import Json
from honeytrace._utils.text import start_near_difference

__tracebackhide__ = True  # pytest shows the line of the test, not ours

_ALL = Limits(chars=2**60, nodes=2**60, depth=200, string=2**60, items=2**60)
_NOT_COMPARED = ("children_ids", "extra")  # ids are new in each run
_FIELDS = tuple(name for name in SEARCHED if name not in _NOT_COMPARED)
# Differs from run to run: ids, durations, our version, the lines of a traceback.
_VOLATILE = re.compile(
    rf"metrics\.ttft_ms|metadata\.{RESERVED}\.(?:version|parent_id|root_id|exception\..*traceback"
    r"|stream\.(?:setup|teardown)_ms)"
)
_ABSENT = object()
_MAX_VALUE_CHARS = 60  # shown of a value


def diff(old: Session | Json, new: Session | Json) -> str:
    """Return what has changed, one line per difference; an empty string if nothing has.

        outputs.text: 'a' -> 'b'
        outputs.hits[2]: absent -> 'doc-7'

    Ids, times, durations and versions differ from run to run and are not compared. Two dicts are
    compared as they would be recorded, under the name `outputs`. Raises `TypeError` for anything
    else.
    """
    if isinstance(old, Session) and isinstance(new, Session):
        return "\n".join(line for name in _FIELDS for line in of_field(name, old, new))
    if isinstance(old, dict) and isinstance(new, dict):
        return "\n".join(_changes("outputs", _plain(old), _plain(new)))
    raise TypeError(
        "diff takes two sessions, or two dicts such as their outputs, not "
        f"{type(old).__name__} and {type(new).__name__}"
    )


def of_field(name: str, old: Session, new: Session) -> Iterator[str]:
    """Yield the differences in one field of two sessions."""
    return _changes(name, _plain(getattr(old, name)), _plain(getattr(new, name)))


def _plain(value: Any) -> Any:
    return Snapshot(_ALL).take(value, "outputs")


def _changes(at: str, old: Any, new: Any) -> Iterator[str]:
    if _VOLATILE.fullmatch(at):
        return
    if type(old) is dict and type(new) is dict:
        for key in old | new:
            yield from _changes(f"{at}.{key}", old.get(key, _ABSENT), new.get(key, _ABSENT))
    elif type(old) is list and type(new) is list:
        for index in range(max(len(old), len(new))):
            yield from _changes(f"{at}[{index}]", _item(old, index), _item(new, index))
    elif old != new or (type(old) is bool) != (type(new) is bool):  # True == 1
        yield _line(at, old, new)


def _item(items: list[Any], index: int) -> Any:
    return items[index] if index < len(items) else _ABSENT


def _line(at: str, old: Any, new: Any) -> str:
    texts = type(old) is str and type(new) is str
    start = start_near_difference(old, new, _MAX_VALUE_CHARS) if texts else 0
    place = f"{at}, from character {start}" if start else at
    return f"{place}: {_shown(old, start)} -> {_shown(new, start)}"


def _shown(value: Any, start: int) -> str:
    if value is _ABSENT:
        return "absent"
    if type(value) is str:
        more = "…" if len(value) > start + _MAX_VALUE_CHARS else ""
        return repr(value[start : start + _MAX_VALUE_CHARS]) + more
    text = repr(value)
    return text if len(text) <= _MAX_VALUE_CHARS else f"{text[:_MAX_VALUE_CHARS]}…"
