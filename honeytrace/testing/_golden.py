"""Compare sessions with a file beside the test, and write that file on request."""

from __future__ import annotations

import difflib
import json
import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from honeytrace._session.session import OBJECTS, RESERVED, Session
from honeytrace._utils.json import Json

__tracebackhide__ = True  # pytest shows the line of the test, not ours

_NAME = re.compile(r"\w[\w.-]*")
_MAX_NAME_BYTES = 200  # file systems take 255, including what is added to the name
_ADDRESS = re.compile(r"\b0x[0-9a-f]+\b")


class GoldenDir(NamedTuple):
    """The directory with the expected sessions of one test file.

    Attributes:
        test: the test file.
        update: write the expected sessions instead of comparing with them.
    """

    test: Path
    update: bool

    def file(self, name: str) -> Path:
        """Return the path for a name. Raises `ValueError` if the name cannot name a file."""
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise ValueError(
                f"assert_matches({name!r}): give a name of letters, digits, '_', '-' and '.'; "
                "it becomes the name of a file"
            )
        if len(name.encode()) > _MAX_NAME_BYTES:
            raise ValueError(
                f"assert_matches({name[:20] + '…'!r}): the name has {len(name)} characters; it "
                f"becomes the name of a file, so give one of {_MAX_NAME_BYTES} bytes at most"
            )
        return self.test.parent / "__honeytrace__" / self.test.stem / f"{name}.json"


class _Written(NamedTuple):
    text: str
    place: GoldenDir
    test: str


_written: dict[Path, _Written] = {}
"""The files that this process has written, and for which tests."""


def compare(found: list[Any], place: GoldenDir, name: str) -> None:
    """Compare with the file, or write it when updating. Raises `AssertionError` with a diff."""
    file = place.file(name)
    text = _ADDRESS.sub("0x…", json.dumps(found, indent=2, ensure_ascii=False, sort_keys=True))
    if place.update:
        _note(file, _Written(text, place, _current_test()), name)
        _write(file, f"{text}\n")
    elif not file.is_file():
        raise AssertionError(f"{file} does not exist; `pytest --honeytrace-update` writes it")
    elif (expected := file.read_text("utf-8").rstrip("\n")) != text:
        lines = difflib.unified_diff(
            expected.splitlines(), text.splitlines(), str(file), "these sessions", lineterm=""
        )
        shown = "\n".join(lines)
        raise AssertionError(
            "the sessions differ from the expected ones; if they are right, "
            f"`pytest --honeytrace-update` writes them\n{shown}"
        )


def _note(file: Path, new: _Written, name: str) -> None:
    """Remember what is written, and refuse to write one file twice with different sessions.

    A test may be repeated, so an earlier run of the same test does not count. Raises
    `AssertionError`.
    """
    old = _written.setdefault(file, new)
    if old.text != new.text and (old.test != new.test or old.place is new.place):
        raise AssertionError(
            f"{name!r} was already written with other sessions by {old.test}; each call needs its "
            f'own name, so put what differs into it: assert_matches(f"{name}-{{parameter}}")'
        )
    _written[file] = new


def _current_test() -> str:
    """Return the id of the running test, with its parameters, which pytest puts here."""
    return os.environ.get("PYTEST_CURRENT_TEST", "").rpartition(" ")[0]


def _write(file: Path, text: str) -> None:
    """Write a file completely or not at all, because another process may read it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_suffix(f".{os.getpid()}")
    draft.write_text(text, "utf-8")
    draft.replace(file)


_AT_ADDRESS = re.compile(r"\bat 0x[0-9a-fA-F]+")
_FIELDS = ("name", "status", "error", *OBJECTS)
_VOLATILE = ("metrics.ttft_ms", f"metadata.{RESERVED}")


class Choice:
    """The fields that are compared, and the paths below them that are ignored.

    Raises `TypeError` for a name that is not a field.
    """

    def __init__(self, only: Iterable[str], ignore: Iterable[str]) -> None:
        self._only = _paths("only", only, "('inputs', 'outputs')")
        self._ignored = {*_VOLATILE, *_paths("ignore", ignore, "('metadata', 'outputs.usage')")}

    def of(self, fields: Json) -> Json:
        """Return the chosen fields without ignored and empty values. The name always stays."""
        wanted = {"name", *self._only} if self._only else fields
        names = [name for name in fields if name in wanted and name not in self._ignored]
        return {name: left for name in names if (left := self._left(name, fields[name]))}

    def _left(self, at: str, value: Any) -> Any:
        """Return a value without the ignored paths below it; in a list, below each item."""
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


def comparable(roots: Sequence[Session], known: dict[str, Session], choice: Choice) -> list[Json]:
    """Return the roots, each with its children in start order. Removes them from `known`."""
    return [_comparable(root, known, choice) for root in roots]


def _comparable(session: Session, known: dict[str, Session], choice: Choice) -> Json:
    known.pop(session.session_id, None)
    below = [known[child] for child in session.children_ids if child in known]
    found: Json = {name: getattr(session, name) for name in OBJECTS}
    found["name"] = session.session_name
    found["status"] = session.metadata[RESERVED]["status"]
    found["error"] = session.error and _AT_ADDRESS.sub("at 0x…", session.error)
    children = [
        _comparable(each, known, choice) for each in below if known.get(each.session_id) is each
    ]
    return choice.of(found) | ({"children": children} if children else {})
