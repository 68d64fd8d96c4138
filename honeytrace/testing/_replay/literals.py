"""Write values as Python source, laid out as formatters do it."""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterator
from decimal import Decimal
from math import isfinite
from pathlib import Path
from typing import Any
from uuid import UUID

MAX_LINE_CHARS = 88  # the default of formatters
INDENT = "    "
_PLAIN = (str, int, float, bool, type(None))
STANDARD: dict[type, str] = {
    datetime.date: "import datetime",
    datetime.datetime: "import datetime",
    datetime.time: "import datetime",
    Decimal: "from decimal import Decimal",
    type(Path()): "from pathlib import Path",
    UUID: "from uuid import UUID",
}
"""Types of the standard library that can be written down, and the import that each needs."""
_BRACKETS: dict[Any, tuple[str, str]] = {list: ("[", "]"), tuple: ("(", ")"), set: ("{", "}")}


def leaves(value: Any) -> Iterator[Any]:
    """Yield the values inside containers."""
    if isinstance(value, dict):
        value = [*value, *value.values()]
    if type(value) in _BRACKETS:
        for each in value:
            yield from leaves(each)
    else:
        yield value


def is_writable(value: Any) -> bool:
    """Return whether a value that is not a container can be written down."""
    return type(value) in (*_PLAIN, *STANDARD)


def literal(value: Any, indent: int = 0, used: int = 0) -> str:
    """Return a value as Python source, laid out as formatters do it.

    It is one line if that fits after `used` characters, otherwise one item per line.
    """
    flat = _flat(value)
    if (
        indent + used + len(flat) <= MAX_LINE_CHARS
        or type(value) not in (dict, *_BRACKETS)
        or not value
    ):
        return flat
    inner = indent + len(INDENT)
    if isinstance(value, dict):
        keys = {key: f"{_flat(key)}: " for key in value}
        items = [f"{keys[key]}{literal(value[key], inner, len(keys[key]) + 1)}" for key in value]
        return spread("{", items, "}", indent)
    start, end = _BRACKETS[type(value)]
    return spread(start, [literal(item, inner, 1) for item in _listed(value)], end, indent)


def _listed(value: Any) -> list[Any]:
    return sorted(value, key=repr) if isinstance(value, set) else list(value)


def spread(start: str, items: list[str], end: str, indent: int) -> str:
    lines = [f"{' ' * indent}{INDENT}{item},\n" for item in items]
    return f"{start}\n{''.join(lines)}{' ' * indent}{end}"


def _flat(value: Any) -> str:
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, dict):
        return f"{{{', '.join(f'{_flat(key)}: {_flat(item)}' for key, item in value.items())}}}"
    if type(value) in STANDARD:
        return _standard(value)
    if type(value) is float and not isfinite(value):
        return f'float("{value}")'
    if type(value) not in _BRACKETS or value == set():
        return repr(value)
    start, end = _BRACKETS[type(value)]
    comma = "," if isinstance(value, tuple) and len(value) == 1 else ""
    return f"{start}{', '.join(map(_flat, _listed(value)))}{comma}{end}"


def _standard(value: Any) -> str:
    if isinstance(value, (datetime.date, datetime.time)):
        return repr(value)
    name = "Path" if isinstance(value, Path) else type(value).__name__
    return f"{name}({_text(str(value))})"


def _text(text: str) -> str:
    """Quote a text. JSON escapes mean the same in Python; invisible characters are escaped too."""
    spelled = json.dumps(text, ensure_ascii=False)
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in spelled)
