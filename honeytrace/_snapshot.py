"""Any value as a bounded, detached copy of plain JSON data.

One pass over exact types: containers are copied, strings shared, everything else described. It
runs no code of the value's own (`__repr__`, `__getattr__`, properties, iterators), so that what is
captured can neither change nor stall the traced call.
"""

from __future__ import annotations

import datetime
import decimal
import enum
import hashlib
import pathlib
import types
import uuid
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import islice
from typing import Any

Path = tuple[Any, Any]
"""Where a value stands: (the path of its container or None, its key)."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How much of one field is kept; what is over is marked in place and its path listed."""

    chars: int = 4 * 2**20
    nodes: int = 20_000
    depth: int = 32
    string: int = 2**20
    items: int = 1_000


LIMITS = Limits()

_SMALL = 16 * 1024
_EXACT = 2**63
_HASHED = 64 * 1024
_LISTED = 20
_FEW = 16
_DIGITS = 4000
_RECORDS = ("__dataclass_fields__", "__attrs_attrs__", "__pydantic_fields__", "__struct_fields__")


class Snapshot:
    """The copy of one field, as it is being made."""

    __slots__ = ("_chars", "_limits", "_nodes", "_open", "cuts")

    def __init__(self, limits: Limits = LIMITS) -> None:
        self._limits = limits
        self._nodes = limits.nodes
        self._chars = limits.chars
        self._open: set[int] = set()
        self.cuts: list[str] = []

    @property
    def size(self) -> int:
        """About how many bytes of memory the copy holds."""
        return self._limits.chars - self._chars + 64 * (self._limits.nodes - self._nodes)

    def take(self, value: object, at: str) -> Any:
        """The copy of `value`; `at` is the name that begins the paths in `cuts`."""
        return self._value(value, (None, at), 0)

    def fill(self, values: dict[str, Any], at: str) -> None:
        """Puts copies in the place of the values, in a dict that is the caller's own."""
        for name, value in values.items():
            values[name] = self._value(value, ((None, at), name), 1)

    def _value(self, value: Any, path: Path, depth: int) -> Any:
        kind = type(value)
        if kind is str:
            return self._text(value, path)
        if kind is dict:
            return self._container(value, path, depth, self._dict)
        if kind is list or kind is tuple:
            return self._container(value, path, depth, self._list)
        plain = _PLAIN.get(kind)
        if plain is not None:
            return plain(value)
        return self._foreign(value, kind, path, depth)

    def _container(self, value: Any, path: Path, depth: int, copy: Callable[..., Any]) -> Any:
        """Copies a container, unless it is open already, too deep, or over the budget."""
        if id(value) in self._open:
            return self._cut(path, "[circular]")
        if depth >= self._limits.depth:
            return self._cut(path, f"[deeper than {self._limits.depth} levels]")
        if self._nodes <= 0:
            return self._cut(path, "[over the budget of the field]")
        self._open.add(id(value))
        try:
            return copy(value, path, depth + 1)
        finally:
            self._open.discard(id(value))

    def _dict(self, value: dict[Any, Any], path: Path, depth: int) -> dict[str, Any]:
        size = len(value)
        if size > self._nodes:
            copy = dict(islice(dict.items(value), self._nodes))
            self._cut(path, "")
        else:
            copy = dict.copy(value)
        self._nodes -= len(copy)
        odd = False
        for key, item in copy.items():
            kind = type(item)
            if type(key) is not str:
                odd = True
            if kind is str and len(item) < _SMALL <= self._chars:
                self._chars -= len(item)
            elif kind is not bool and item is not None:
                copy[key] = self._value(item, (path, key), depth)
        if odd:
            copy = {_key(key): item for key, item in copy.items()}
        if size > len(copy):
            copy["…"] = f"[{size - len(copy)} more keys]"
        return copy

    def _list(self, value: Iterable[Any], path: Path, depth: int) -> list[Any]:
        most = min(self._limits.items, self._nodes)
        size = len(value)  # type: ignore[arg-type]
        copy = list(value) if size <= most else list(islice(value, most))
        self._nodes -= len(copy)
        rows = self._rows(copy)
        if rows is None:
            rows = copy
            for index, item in enumerate(copy):
                if type(item) is str and len(item) < _SMALL <= self._chars:
                    self._chars -= len(item)
                else:
                    rows[index] = self._value(item, (path, index), depth)
        if size > len(rows):
            rows.append(self._cut(path, f"[{size - len(rows)} more items]"))
        return rows

    def _rows(self, items: list[Any]) -> list[Any] | None:
        """Copies of small dicts that hold nothing but short texts, such as the messages of a chat.

        The general way would come to the same; without its calls this takes a third of the time.
        """
        rows, nodes, chars = [], 0, 0
        for item in items:
            if type(item) is not dict or len(item) > _FEW:
                return None
            row = item.copy()
            for key, value in row.items():
                if type(value) is not str or type(key) is not str:
                    return None
                chars += len(value)
            nodes += len(row)
            rows.append(row)
        if chars > min(self._chars, self._limits.string) or nodes > self._nodes:
            return None
        self._nodes -= nodes
        self._chars -= chars
        return rows

    def _text(self, value: str, path: Path) -> str:
        most = max(0, min(self._limits.string, self._chars))
        if len(value) <= most:
            self._chars -= len(value)
            return value
        self._chars -= most
        return value[:most] + self._cut(path, f"… [{len(value) - most} more characters]")

    def _foreign(self, value: Any, kind: type, path: Path, depth: int) -> Any:
        """Subclasses by what they hold, records by their fields, the rest by its type's name."""
        if issubclass(kind, enum.Enum):
            return self._value(_state(value, kind).get("_value_"), path, depth)
        for base, read in _BASES:
            if issubclass(kind, base):
                return self._value(read(value), path, depth)
        if kind in (set, frozenset, deque):
            return self._container(value, path, depth, self._list)
        if any(mark in parent.__dict__ for parent in kind.__mro__ for mark in _RECORDS):
            public = {k: v for k, v in _state(value, kind).items() if not k.startswith("_")}
            # The record is what may be circular; the dict of its fields is new each time.
            return self._container(value, path, depth, lambda _, *rest: self._dict(public, *rest))
        return describe(value)

    def _cut(self, path: Path, mark: str) -> str:
        if len(self.cuts) < _LISTED:
            self.cuts.append(_spell(path))
        return mark


def flat(values: dict[Any, Any]) -> int:
    """The characters in a dict of short texts and plain values; -1 for any other dict.

    What is flat is its own snapshot, but for the copy of the dict itself.
    """
    chars = 0
    for key, value in values.items():
        kind = type(value)
        if kind is str:
            chars += len(value)
        elif kind is int:
            if not -_EXACT <= value < _EXACT:
                return -1
        elif value is not None and kind is not bool:
            return -1
        if type(key) is not str:
            return -1
    return chars if chars <= _SMALL else -1


def plain(value: object) -> bool:
    """Whether this is its own snapshot: a short text, a number that JSON keeps, a truth value."""
    kind = type(value)
    if kind is str:
        return len(value) <= _SMALL  # type: ignore[arg-type]
    return value is None or kind is bool or (kind is int and -_EXACT <= value < _EXACT)  # type: ignore[operator]


def describe(value: object) -> str:
    """A name for a value that is not copied: its type, and its own name if it is code."""
    kind = type(value)
    if isinstance(value, (type, types.FunctionType, types.BuiltinFunctionType)):
        return f"<{kind.__name__} {value.__module__}.{value.__qualname__}>"
    if kind is types.ModuleType:
        return f"<module {value.__dict__.get('__name__')}>"
    return f"<{kind.__module__}.{kind.__qualname__}>"


def _int(value: int) -> int | str:
    if -_EXACT <= value < _EXACT:
        return value
    bits = value.bit_length()
    return str(value) if bits < _DIGITS else f"<int of {bits} bits>"


def _float(value: float) -> float | str:
    if value - value == 0.0:  # neither infinite nor NaN
        return value
    return "NaN" if value != value else ("Infinity" if value > 0 else "-Infinity")


def _bytes(value: bytes | bytearray | memoryview) -> str:
    size = len(value)
    if size > _HASHED:
        return f"<bytes: {size}>"
    return f"<bytes: {size}, sha256 {hashlib.sha256(value).hexdigest()[:16]}>"


def _key(key: object) -> str:
    """A key of a JSON object: `str` as it is, what is plain as JSON would write it."""
    if isinstance(key, str):
        return str.__str__(key)
    plain = _PLAIN.get(type(key))
    return describe(key) if plain is None else str(plain(key))


def _state(value: object, kind: type) -> dict[str, Any]:
    """The attributes that an object holds itself: its slots and its `__dict__`."""
    found: dict[str, Any] = {}
    for parent in reversed(kind.__mro__):
        for name, member in parent.__dict__.items():
            if type(member) is types.MemberDescriptorType:
                try:
                    found[name] = member.__get__(value, kind)
                except AttributeError:
                    continue  # a slot that was never filled
            elif name == "__dict__" and type(member) is types.GetSetDescriptorType:
                found.update(member.__get__(value, kind))
    return found


def _spell(path: Path | None) -> str:
    """`((None, "inputs"), "messages"), 3)` as `inputs.messages[3]`."""
    parts: list[str] = []
    while path is not None:
        path, key = path
        parts.append(f"[{key}]" if type(key) is int else f".{_key(key)}")
    return "".join(reversed(parts)).removeprefix(".")


_PLAIN: dict[type, Callable[[Any], Any]] = {
    bool: lambda value: value,
    type(None): lambda value: value,
    int: _int,
    float: _float,
    complex: str,
    bytes: _bytes,
    bytearray: _bytes,
    memoryview: lambda value: f"<bytes: {value.nbytes}>",
    range: str,
    datetime.timedelta: str,
    decimal.Decimal: str,
    uuid.UUID: str,
}

_BASES: tuple[tuple[type, Callable[[Any], Any]], ...] = (
    (str, lambda value: "".join((value,))),
    (int, int.__int__),
    (float, float.__float__),
    (dict, dict.copy),
    (list, lambda value: list.__getitem__(value, slice(None))),
    (tuple, lambda value: _tuple(value)),
    (datetime.datetime, datetime.datetime.isoformat),
    (datetime.date, datetime.date.isoformat),
    (datetime.time, datetime.time.isoformat),
    (pathlib.PurePath, pathlib.PurePath.__str__),
    (BaseException, lambda value: {"type": type(value).__name__, "args": _arguments(value)}),
)


def _tuple(value: tuple[Any, ...]) -> Any:
    """A named tuple as an object, any other as a list."""
    kinds = type(value).__mro__
    names = next((kind.__dict__["_fields"] for kind in kinds if "_fields" in kind.__dict__), ())
    items = tuple.__getitem__(value, slice(None))
    return dict(zip(names, items, strict=False)) if names else list(items)


def _arguments(error: BaseException) -> object:
    return BaseException.__dict__["args"].__get__(error)
