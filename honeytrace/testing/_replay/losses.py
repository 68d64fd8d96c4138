"""Find what a session does not hold completely: values cut, redacted or only described."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from honeytrace._session.session import Session, about

REDACTED = re.compile(r"\[REDACTED:\w+\]")
# Stands for a value that was not copied, see `_capture/stdlib_types.py` and `library_types.py`.
_DESCRIBED = re.compile(
    r"<(?:bytes: \d[^>]*|int of \d+ bits|Decimal of \d+ characters|module [\w.]+"
    r"|(?:[\w-]+ )?\w+(?:\.(?:[\w-]+|<\w+>))+(?: [^>]*)?)>"
)


class Loss(NamedTuple):
    """A path and what happened to the value there."""

    path: str
    how: str

    def __str__(self) -> str:
        return f"{self.path} {self.how}"


def losses(session: Session, field: str) -> list[Loss]:
    """Return what is missing in one field, or below it."""
    cuts = about(session).get("truncated", ())
    cut = [path for path in cuts if re.match(rf"{field}(?![^.\[])", path)]
    return [*(Loss(path, "was cut") for path in cut), *_replaced(field, getattr(session, field))]


def _replaced(at: str, value: Any) -> Iterator[Loss]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _replaced(f"{at}.{key}", item)
            if REDACTED.search(key):
                yield Loss(at, "has a key that was redacted")
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _replaced(f"{at}[{index}]", item)
    elif isinstance(value, str):
        if REDACTED.search(value):
            yield Loss(at, "was redacted")
        elif _DESCRIBED.fullmatch(value):
            yield Loss(at, f"is not plain data but {value}")
