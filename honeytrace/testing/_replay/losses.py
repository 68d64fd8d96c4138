"""Where a session does not hold what there was: what was cut, redacted, or only named."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from honeytrace._session.session import Session, about

REDACTED = re.compile(r"\[REDACTED:\w+\]")
# What stands for a value that is not copied, see `_kinds.describe` and `_libraries`.
_DESCRIBED = re.compile(
    r"<(?:bytes: \d[^>]*|int of \d+ bits|Decimal of \d+ characters|module [\w.]+"
    r"|(?:[\w-]+ )?\w+(?:\.(?:[\w-]+|<\w+>))+(?: [^>]*)?)>"
)


class Loss(NamedTuple):
    """A path, and what happened to the value there."""

    path: str
    how: str

    @property
    def is_hashed(self) -> bool:
        """Whether what stands there is the same for the same value only: bytes, by their hash."""
        return "sha256" in self.how

    def __str__(self) -> str:
        return f"{self.path} {self.how}"


def losses(session: Session, field: str) -> list[Loss]:
    """What was lost of one field, or below it."""
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
            yield Loss(at, f"is no plain data but {value}")
