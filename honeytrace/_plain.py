"""Sessions as data that is the same in each run, to be compared with what is expected."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from honeytrace._record import Json
from honeytrace._session import RESERVED, Session

__tracebackhide__ = True  # pytest shows the line of the test, not ours

_ADDRESS = re.compile(r"\bat 0x[0-9a-fA-F]+")
_TAKEN = ("config", "inputs", "outputs", "feedback", "user_properties", "metrics", "metadata")
_FIELDS = ("name", "status", "error", *_TAKEN)
_VOLATILE = ("metrics.ttft_ms", f"metadata.{RESERVED}")


class Choice:
    """Which fields count, by their names, and which values below them do not, by their paths.

    Raises `TypeError` for what is no field.
    """

    def __init__(self, only: Iterable[str], ignore: Iterable[str]) -> None:
        self._only = _paths("only", only, "('inputs', 'outputs')")
        self._ignored = {*_VOLATILE, *_paths("ignore", ignore, "('metadata', 'outputs.usage')")}

    def of(self, fields: Json) -> Json:
        """The fields without what does not count and what is empty; the name always stays."""
        wanted = {"name", *self._only} if self._only else fields
        names = [name for name in fields if name in wanted and name not in self._ignored]
        return {name: left for name in names if (left := self._left(name, fields[name]))}

    def _left(self, at: str, value: Any) -> Any:
        """A value without what is ignored below it, in each item of a list."""
        if isinstance(value, list):
            return [self._left(at, each) for each in value]
        if isinstance(value, dict):
            kept = [key for key in value if f"{at}.{key}" not in self._ignored]
            return {key: self._left(f"{at}.{key}", value[key]) for key in kept}
        return value


def _paths(label: str, given: Iterable[str], such: str) -> tuple[str, ...]:
    if isinstance(given, str):
        raise TypeError(f"{label} cannot be {given!r}; give a tuple such as {such}")
    paths = tuple(given)
    for path in paths:
        field = path.partition(".")[0] if label == "ignore" else path
        if field not in _FIELDS:
            raise TypeError(f"{label}: there is no field {field!r}; it takes {', '.join(_FIELDS)}")
    return paths


def plain(roots: Sequence[Session], known: dict[str, Session], choice: Choice) -> list[Json]:
    """The roots, each with those below it in start order; all are taken out of `known`."""
    return [_plain(root, known, choice) for root in roots]


def _plain(session: Session, known: dict[str, Session], choice: Choice) -> Json:
    known.pop(session.session_id, None)
    below = [known[child] for child in session.children_ids if child in known]
    found: Json = {name: getattr(session, name) for name in _TAKEN}
    found["name"] = session.session_name
    found["status"] = session.metadata[RESERVED]["status"]
    found["error"] = session.error and _ADDRESS.sub("at 0x…", session.error)
    children = [_plain(each, known, choice) for each in below if known.get(each.session_id) is each]
    return choice.of(found) | ({"children": children} if children else {})
