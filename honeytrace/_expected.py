"""Expected sessions in a file beside the test: written on request, compared otherwise."""

from __future__ import annotations

import difflib
import json
import os
import re
from pathlib import Path
from typing import Any, NamedTuple

__tracebackhide__ = True  # pytest shows the line of the test, not ours

_NAME = re.compile(r"\w[\w.-]*")
_LONGEST = 200  # bytes; file systems take 255, with what is added
_ADDRESS = re.compile(r"\b0x[0-9a-f]+\b")


class Place(NamedTuple):
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
    place: Place
    test: str


_written: dict[Path, _Written] = {}
"""Module-level state: the files that this process has written, and for which tests."""


def compare(found: list[Any], place: Place, name: str) -> None:
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
