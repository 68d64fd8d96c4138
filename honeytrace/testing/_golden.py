"""Sessions compared with a file beside the test, which is written on request."""

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
_LONGEST = 200  # bytes; file systems take 255, with what is added
_ADDRESS = re.compile(r"\b0x[0-9a-f]+\b")


class GoldenDir(NamedTuple):
    """Where the expected sessions of a test file are, and whether they are to be written."""

    test: Path
    update: bool

    def file(self, name: str) -> Path:
        """Raises `ValueError` if the name is none for a file."""
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise ValueError(
                f"assert_matches({name!r}): give a name of letters, digits, '_', '-' and '.'; "
                "it becomes the name of a file"
            )
        if len(name.encode()) > _LONGEST:
            raise ValueError(
                f"assert_matches({name[:20] + '…'!r}): the name has {len(name)} characters; it "
                f"becomes the name of a file, so give one of {_LONGEST} bytes at most"
            )
        return self.test.parent / "__honeytrace__" / self.test.stem / f"{name}.json"


class _Written(NamedTuple):
    text: str
    place: GoldenDir
    test: str


_written: dict[Path, _Written] = {}
"""Module-level state: the files that this process has written, and for which tests."""


def compare(found: list[Any], place: GoldenDir, name: str) -> None:
    """Raises `AssertionError` with what differs from the file, unless it is to be written."""
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
    """Raises `AssertionError` if the file has other sessions by now, unless from a run before of
    the same test: then it is repeated."""
    old = _written.setdefault(file, new)
    if old.text != new.text and (old.test != new.test or old.place is new.place):
        raise AssertionError(
            f"{name!r} was written with other sessions by {old.test}; each call needs a name of "
            f'its own, so put what differs into it: assert_matches(f"{name}-{{parameter}}")'
        )
    _written[file] = new


def _current_test() -> str:
    """Its id, with the parameters, as pytest gives it to the program."""
    return os.environ.get("PYTEST_CURRENT_TEST", "").rpartition(" ")[0]


def _write(file: Path, text: str) -> None:
    """Whole or not at all: another process may read it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_suffix(f".{os.getpid()}")
    draft.write_text(text, "utf-8")
    draft.replace(file)


_AT_ADDRESS = re.compile(r"\bat 0x[0-9a-fA-F]+")
_FIELDS = ("name", "status", "error", *OBJECTS)
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


def comparable(roots: Sequence[Session], known: dict[str, Session], choice: Choice) -> list[Json]:
    """The roots, each with those below it in start order; all are taken out of `known`."""
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
