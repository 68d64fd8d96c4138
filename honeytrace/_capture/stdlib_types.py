"""What one value of a known kind becomes: a text, a number, or other data to be copied for it.

No code of the value's own is run (`__repr__`, `__getattr__`, properties, iterators), so nothing
here says `isinstance`, which asks for `__class__`, or compares or hashes classes and keys that are
not known; tables have the ids of classes.
"""

from __future__ import annotations

import collections
import datetime
import decimal
import enum
import gc
import hashlib
import pathlib
import re
import sys
import types
import uuid
import weakref
from collections.abc import Callable, Iterable
from functools import partial
from itertools import islice
from typing import Any, TypeVar

_T = TypeVar("_T")

Read = Callable[[Any], Any]
"""From a value to what is copied in its place."""

EXACT = 2**63  # integers below are the same in any JSON parser that knows 64 bits
_HASHED = 64 * 1024
_BITS = 2048  # of an integer that is spelled out: 617 digits, and Python may refuse from 640 on
_DIGITS = 4096  # of a Decimal that is
_MOST = 20_000  # attributes of one object
_PATHS = (
    pathlib.PosixPath,
    pathlib.PurePosixPath,
    pathlib.PureWindowsPath,
    pathlib.WindowsPath,
)

_SLOT, _DICT = types.MemberDescriptorType, types.GetSetDescriptorType

# Taken off `type` itself, so that no `__getattribute__` of a metaclass is asked.
mro = type.__dict__["__mro__"].__get__
namespace = type.__dict__["__dict__"].__get__
qualname = type.__dict__["__qualname__"].__get__
_module = type.__dict__["__module__"].__get__
arguments_of = BaseException.__dict__["args"].__get__
_zone = datetime.datetime.tzinfo.__get__
_time_zone = datetime.time.tzinfo.__get__


def nearest(kind: type, name: str) -> Any:
    """Return what a class or its nearest parent has under this name; None if there is nothing."""
    return next((namespace(each)[name] for each in mro(kind) if name in namespace(each)), None)


def by_class(find: Callable[[type], _T]) -> Callable[[type], _T]:
    """Remembers what `find` finds of a class, which must not keep the class alive."""
    # By the id of the class, since its metaclass may have a hash of its own.
    known: dict[int, tuple[weakref.ref[type], _T]] = {}

    def found(kind: type) -> _T:
        entry = known.get(id(kind))
        if entry is None or entry[0]() is not kind:
            forget = partial(known.pop, id(kind))
            entry = known[id(kind)] = weakref.ref(kind, forget), find(kind)
        return entry[1]

    return found


def first(values: Callable[[], Iterable[Any]], most: int) -> list[Any]:
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
        return f"<{qualname(kind)} {called(value)}>"
    if kind is types.FunctionType or kind is types.BuiltinFunctionType:
        return f"<{kind.__name__} {_dotted(value.__module__, value.__qualname__)}>"
    if kind is types.MethodType and type(value.__func__) is types.FunctionType:
        return f"<method {_dotted(value.__func__.__module__, value.__func__.__qualname__)}>"
    if kind is types.ModuleType:
        return f"<module {_dotted(value.__dict__.get('__name__'))}>"
    return f"<{called(kind)}>"


def called(kind: Any) -> str:
    """A class as `module.qualname`."""
    try:
        module = _module(kind)
    except AttributeError:  # made where there was no `__name__`
        module = None
    return _dotted(module, qualname(kind))


def _dotted(*parts: object) -> str:
    """The parts that are texts; to format another would run its `__format__`."""
    return ".".join(part for part in parts if type(part) is str)


def whole(value: int) -> int | str:
    """An integer; as text if a JSON parser may lose digits, by its size if it is huge."""
    if -EXACT <= value < EXACT:
        return value
    bits = value.bit_length()
    return str(value) if bits < _BITS else f"<int of {bits} bits>"


def real(value: float) -> float | str:
    """A float; those that JSON lacks by name."""
    if value - value == 0.0:  # neither infinite nor NaN
        return value
    return "NaN" if value != value else ("Infinity" if value > 0 else "-Infinity")


def _bytes(value: bytes | bytearray) -> str:
    size = len(value)
    if size > _HASHED:
        return f"<bytes: {size}>"
    return f"<bytes: {size}, sha256 {hashlib.sha256(value).hexdigest()[:16]}>"


def _view(value: memoryview) -> str:
    if value.nbytes > _HASHED:
        return f"<bytes: {value.nbytes}>"
    return _bytes(value.tobytes())


def _decimal(value: decimal.Decimal) -> str:
    text = str(value)
    return text if len(text) <= _DIGITS else f"<Decimal of {len(text)} characters>"


def _range(value: range) -> str:
    return f"range({whole(value.start)}, {whole(value.stop)}, {whole(value.step)})"


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


PLAIN: dict[type, Read] = {
    bool: lambda value: value,
    type(None): lambda value: value,
    int: whole,
    float: real,
    complex: str,
    bytes: _bytes,
    bytearray: _bytes,
    memoryview: _view,
    range: _range,
    decimal.Decimal: _decimal,
    uuid.UUID: str,
}
"""Classes, not their subclasses, whose values become JSON at once."""


def state(value: object, kind: type) -> dict[str, Any]:
    """The attributes that an object holds itself: its slots and its `__dict__`."""
    found: dict[str, Any] = {}
    parents = mro(kind)
    for at, name in _members(kind):
        member = namespace(parents[at]).get(name)
        if type(member) is not _SLOT and type(member) is not _DICT:
            continue  # it was replaced since
        try:
            held = member.__get__(value, kind)
        except AttributeError:
            continue  # a slot that was never filled
        if name == "__dict__":
            found.update(named(held))
        else:
            found[name] = held
    return found


@by_class
def _members(kind: type) -> list[tuple[int, str]]:
    """What there is to ask for the state of a class's values: the place of a parent, and a name of
    its. Not what this parent has there, which would keep the class alive."""
    found: list[tuple[int, str]] = []
    for at, parent in reversed([*enumerate(mro(kind))]):
        names = namespace(parent)
        slots = names.get("__slots__", ())
        named = [name for name in (slots if type(slots) is tuple else names) if type(name) is str]
        members = [name for name in named if type(names.get(name)) is _SLOT]
        own = type(names.get("__dict__")) is _DICT
        if own or parent is types.SimpleNamespace:
            members.append("__dict__")
        found += [(at, name) for name in members]
    return found


def named(items: dict[Any, Any]) -> dict[str, Any]:
    """The items whose keys may be names of attributes."""
    few = dict.__len__(items) <= _MOST
    pairs = dict.copy(items).items() if few else first(partial(dict.items, items), _MOST)
    return {name: item for name, item in pairs if type(name) is str}


def _held(name: str) -> Read:
    """What an object holds under this name."""
    return lambda value: state(value, type(value))[name]


def _inner(value: types.MappingProxyType[Any, Any]) -> object:
    """The mapping behind a read-only view: the view's own methods would ask that mapping."""
    return gc.get_referents(value)[0]


_VALUES: dict[type, Read] = {
    str: lambda value: "".join((value,)),
    int: int.__int__,
    float: float.__float__,
    enum.Enum: _held("_value_"),
    datetime.datetime: _moment,
    datetime.date: datetime.date.isoformat,
    datetime.time: _time,
    datetime.timedelta: datetime.timedelta.__str__,
    datetime.timezone: str,
    pathlib.PurePath: _path,
    re.Pattern: lambda value: value.pattern,
    types.MappingProxyType: _inner,
    collections.UserDict: _held("data"),
    collections.UserList: _held("data"),
    collections.UserString: _held("data"),
    collections.ChainMap: _held("maps"),
    type: describe,
    types.FunctionType: describe,
    types.ModuleType: describe,
}
VALUES = {id(kind): read for kind, read in _VALUES.items()}
"""By the id of a class: what its values, and those of its subclasses, are copied as."""

RECORDS: tuple[type, ...] = (BaseException, types.SimpleNamespace)
"""What is copied by its `fields`, like that which `is_record`."""

LISTS: tuple[type, ...] = (
    list,
    tuple,
    set,
    frozenset,
    collections.deque,
    type({}.keys()),
    type({}.values()),
    type({}.items()),
)
