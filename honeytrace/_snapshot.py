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
import json
import pathlib
import sys
import types
import uuid
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
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
_KEYS = Limits(chars=4096, nodes=64, depth=4)

_JSON = json.JSONEncoder(ensure_ascii=False)  # our own: a program may have patched `json`
_LONG = 128  # characters of a key; what is longer counts as text does
_SMALL = 16 * 1024
_EXACT = 2**63
_HASHED = 64 * 1024
_LISTED = 20
_BITS = 2048  # of an integer that is spelled out: 617 digits, and Python may refuse from 640 on
_DIGITS = 4096  # of a Decimal that is
_RECORDS = (
    "__dataclass_fields__",
    "__attrs_attrs__",
    "__pydantic_fields__",
    "__fields__",  # pydantic 1
    "__struct_fields__",
)
_PATHS = (
    pathlib.PosixPath,
    pathlib.PurePosixPath,
    pathlib.PureWindowsPath,
    pathlib.WindowsPath,
)

# Taken off `type` itself, so that no `__getattribute__` of a metaclass is asked. For the same
# reason nothing here says `isinstance`, which asks for `__class__`, or compares or hashes classes
# and keys that are not known.
_mro = type.__dict__["__mro__"].__get__
_module = type.__dict__["__module__"].__get__
_namespace = type.__dict__["__dict__"].__get__
_qualname = type.__dict__["__qualname__"].__get__
_arguments = BaseException.__dict__["args"].__get__
_zone = datetime.datetime.tzinfo.__get__
_time_zone = datetime.time.tzinfo.__get__


class Snapshot:
    """The copy of one field, as it is being made."""

    __slots__ = ("_chars", "_limits", "_nodes", "_open", "_small", "cuts")

    def __init__(self, limits: Limits = LIMITS) -> None:
        self._limits = limits
        self._nodes = limits.nodes
        self._chars = limits.chars
        self._small = _SMALL if limits.string >= _SMALL else limits.string
        self._open: set[int] = set()
        self.cuts: list[str] = []

    @property
    def size(self) -> int:
        """About how many bytes of memory the copy holds."""
        return self._limits.chars - self._chars + 64 * (self._limits.nodes - self._nodes)

    def take(self, value: object, at: str) -> Any:
        """The copy of `value`; `at` is the name that begins the paths in `cuts`."""
        return self._value(value, (None, at), 0)

    def _value(self, value: Any, path: Path, depth: int) -> Any:
        kind = type(value)
        if kind is str:
            return self._text(value, path)
        if kind is dict:
            return self._container(value, path, depth, self._dict)
        if kind is list or kind is tuple:
            return self._container(value, path, depth, self._list)
        if kind is int:
            return _int(value)
        if kind is float:
            return _float(value)
        plain = _PLAIN.get(kind) if type(kind) is type else None
        try:
            return self._foreign(value, kind, path, depth) if plain is None else plain(value)
        # A view that was released, an object half made, a call that is nearly too deep already.
        except (AttributeError, ValueError, RecursionError):
            return describe(value)

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
        size = dict.__len__(value)
        if size > self._nodes or type(value) is not dict:
            copy = self._begun(value, path)
        else:
            copy = value.copy()
        self._nodes -= len(copy)
        odd = False
        for key, item in copy.items():
            kind = type(item)
            if type(key) is not str or len(key) > _LONG:
                odd = True
            elif kind is str and len(item) < self._small <= self._chars:
                self._chars -= len(item)
            elif kind is not bool and item is not None:
                copy[key] = self._value(item, (path, key), depth)
        if odd:
            copy = self._renamed(copy, path, depth)
        if size > len(copy):
            copy["…"] = f"[{size - len(copy)} more keys]"
        return copy

    def _begun(self, value: dict[Any, Any], path: Path) -> dict[str, Any]:
        """As much of a dict as the budget allows, read past the methods of its class."""
        pairs = _first(partial(dict.items, value), self._nodes)
        if dict.__len__(value) > len(pairs):
            self._cut(path, "")
        return {key if type(key) is str else _key(key): item for key, item in pairs}

    def _renamed(self, copy: dict[Any, Any], path: Path, depth: int) -> dict[str, Any]:
        """The items with odd keys, copied now, under names for these; the others as they are."""
        renamed = {}
        for key, item in copy.items():
            if type(key) is str and len(key) <= _LONG:
                renamed[key] = item
            else:
                name = self._text(_key(key), path)
                renamed[name] = self._value(item, (path, name), depth)
        return renamed

    def _list(
        self, value: list[Any] | tuple[Any, ...], path: Path, depth: int, size: int | None = None
    ) -> list[Any]:
        """The first items; `size` is their number where `value` does not hold all of them."""
        most = min(self._limits.items, self._nodes)
        if size is None:
            size = len(value)
        copy = list(value) if size <= most else list(islice(value, most))
        self._nodes -= len(copy)
        for index, item in enumerate(copy):
            if type(item) is str and len(item) < self._small <= self._chars:
                self._chars -= len(item)
            else:
                copy[index] = self._value(item, (path, index), depth)
        if size > len(copy):
            copy.append(self._cut(path, f"[{size - len(copy)} more items]"))
        return copy

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
        if issubclass(kind, dict):
            return self._container(value, path, depth, self._dict)
        if issubclass(kind, (list, tuple, set, frozenset, deque)):
            return self._container(value, path, depth, self._items)
        if issubclass(kind, BaseException) or _is_record(kind):
            return self._container(value, path, depth, self._record)
        return describe(value)

    def _items(self, value: Any, path: Path, depth: int) -> Any:
        """A named tuple as an object; what else holds items, of a subclass too, as a list."""
        kind = type(value)
        names = _names(kind) if issubclass(kind, tuple) else ()
        if names:
            return self._dict(dict(zip(names, tuple.__iter__(value), strict=False)), path, depth)
        base = next(b for b in (list, tuple, set, frozenset, deque) if issubclass(kind, b))
        most = min(self._limits.items, self._nodes)
        items = _first(partial(base.__iter__, value), most)
        return self._list(items, path, depth, base.__len__(value))

    def _record(self, value: Any, path: Path, depth: int) -> dict[str, Any]:
        """An object by its public fields, an exception by its arguments."""
        kind = type(value)
        if issubclass(kind, BaseException):
            return self._dict({"type": _qualname(kind), "args": _arguments(value)}, path, depth)
        public = {k: v for k, v in _state(value, kind).items() if not k.startswith("_")}
        return self._dict(public, path, depth)

    def _cut(self, path: Path, mark: str) -> str:
        if len(self.cuts) < _LISTED:
            self.cuts.append(_spell(path))
        return mark


def _first(values: Callable[[], Iterable[Any]], most: int) -> list[Any]:
    """The first items of a container that other threads may be changing."""
    while True:
        items = iter(values())
        try:
            return list(islice(items, most))
        except RuntimeError:  # it was changed since the iterator was made
            continue


def describe(value: Any) -> str:
    """A name for a value that is not copied: its type, and its own name if it is code."""
    kind = type(value)
    if issubclass(kind, type):
        return f"<{_qualname(kind)} {_called(value)}>"
    if kind is types.FunctionType or kind is types.BuiltinFunctionType:
        return f"<{kind.__name__} {_dotted(value.__module__, value.__qualname__)}>"
    if kind is types.ModuleType:
        return f"<module {_dotted(value.__dict__.get('__name__'))}>"
    return f"<{_called(kind)}>"


def _called(kind: Any) -> str:
    """A class as `module.qualname`."""
    try:
        module = _module(kind)
    except AttributeError:  # made where there was no `__name__`
        module = None
    return _dotted(module, _qualname(kind))


def _dotted(*parts: object) -> str:
    """The parts that are texts; to format another would run its `__format__`."""
    return ".".join(part for part in parts if type(part) is str)


def _int(value: int) -> int | str:
    if -_EXACT <= value < _EXACT:
        return value
    bits = value.bit_length()
    return str(value) if bits < _BITS else f"<int of {bits} bits>"


def _float(value: float) -> float | str:
    if value - value == 0.0:  # neither infinite nor NaN
        return value
    return "NaN" if value != value else ("Infinity" if value > 0 else "-Infinity")


def _bytes(value: bytes | bytearray) -> str:
    size = len(value)
    if size > _HASHED:
        return f"<bytes: {size}>"
    return f"<bytes: {size}, sha256 {hashlib.sha256(value).hexdigest()[:16]}>"


def _decimal(value: decimal.Decimal) -> str:
    text = str(value)
    return text if len(text) <= _DIGITS else f"<Decimal of {len(text)} characters>"


def _range(value: range) -> str:
    return f"range({_int(value.start)}, {_int(value.stop)}, {_int(value.step)})"


def _moment(value: datetime.datetime) -> str:
    """ISO 8601; a time zone of the user's is not asked for its offset, only named."""
    zone = _zone(value)
    if _is_known(zone):
        return datetime.datetime.isoformat(value)
    day, time = datetime.datetime.date(value), datetime.datetime.time(value)
    return f"{day.isoformat()}T{time.isoformat()} {describe(zone)}"


def _time(value: datetime.time) -> str:
    return datetime.time.isoformat(value) if _is_known(_time_zone(value)) else describe(value)


def _is_known(zone: object) -> bool:
    return zone is None or type(zone) is datetime.timezone or type(zone) is _zone_info()


def _zone_info() -> object:
    """The standard's `ZoneInfo`, if anybody has imported it."""
    module = sys.modules.get("zoneinfo")
    return module and module.ZoneInfo


def _path(value: pathlib.PurePath) -> str:
    """A path of the standard's as text: those of other classes may work it out in their own way."""
    return str(value) if any(type(value) is own for own in _PATHS) else describe(value)


def _key(key: object) -> str:
    """A key of a JSON object: text as it is, any other as the JSON of its copy."""
    copy = Snapshot(_KEYS).take(key, "") if type(key) is not str else key
    return copy if type(copy) is str else _JSON.encode(copy)


def _names(kind: type) -> tuple[str, ...]:
    """The fields of a named tuple, else nothing."""
    names = next((_namespace(k)["_fields"] for k in _mro(kind) if "_fields" in _namespace(k)), ())
    named = type(names) is tuple and all(type(name) is str for name in names)
    return names if named else ()


def _is_record(kind: type) -> bool:
    return any(mark in _namespace(parent) for parent in _mro(kind) for mark in _RECORDS)


def _state(value: object, kind: type) -> dict[str, Any]:
    """The attributes that an object holds itself: its slots and its `__dict__`."""
    found: dict[str, Any] = {}
    for parent in reversed(_mro(kind)):
        for name, member in list(_namespace(parent).items()):
            if type(member) is types.MemberDescriptorType:
                try:
                    found[name] = member.__get__(value, kind)
                except AttributeError:
                    continue  # a slot that was never filled
            elif name == "__dict__" and type(member) is types.GetSetDescriptorType:
                own = list(dict.items(member.__get__(value, kind)))
                found.update({key: item for key, item in own if type(key) is str})
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
    range: _range,
    datetime.timedelta: str,
    decimal.Decimal: _decimal,
    uuid.UUID: str,
}

_BASES: tuple[tuple[type, Callable[[Any], Any]], ...] = (
    (str, lambda value: "".join((value,))),
    (int, int.__int__),
    (float, float.__float__),
    (datetime.datetime, _moment),
    (datetime.date, datetime.date.isoformat),
    (datetime.time, _time),
    (pathlib.PurePath, _path),
)
