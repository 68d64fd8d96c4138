"""Turn values of the standard library's types into text, numbers, or data to copy instead.

No code of the value itself runs (`__repr__`, `__getattr__`, properties, iterators). So nothing
here calls `isinstance`, which asks for `__class__`, nor compares or hashes unknown classes and
keys; tables are keyed by the ids of classes.
"""

from __future__ import annotations

import collections
import datetime
import decimal
import enum
import gc
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

from honeytrace._utils.origin import let_through

_T = TypeVar("_T")

Read = Callable[[Any], Any]
"""Turns a value into the data to copy instead of it."""

EXACT = 2**63  # smaller integers are the same in any JSON parser with 64-bit integers
_MAX_INTEGER_BITS = 2048  # 617 digits; Python may refuse to print 640
_MAX_DECIMAL_CHARACTERS = 4096
_MAX_ATTRIBUTES = 20_000  # of one object
_PATHS = (
    pathlib.PosixPath,
    pathlib.PurePosixPath,
    pathlib.PureWindowsPath,
    pathlib.WindowsPath,
)

_SLOT, _DICT = types.MemberDescriptorType, types.GetSetDescriptorType

# Taken from `type` itself, so that no `__getattribute__` of a metaclass runs.
mro = type.__dict__["__mro__"].__get__
namespace = type.__dict__["__dict__"].__get__
qualname = type.__dict__["__qualname__"].__get__
_module = type.__dict__["__module__"].__get__
arguments_of = BaseException.__dict__["args"].__get__
_zone = datetime.datetime.tzinfo.__get__
_time_zone = datetime.time.tzinfo.__get__


def nearest(kind: type, name: str) -> Any:
    """Return the attribute of a class or its nearest parent; None if there is none."""
    return next((namespace(each)[name] for each in mro(kind) if name in namespace(each)), None)


def by_class(find: Callable[[type], _T]) -> Callable[[type], _T]:
    """Cache `find` by class. What it returns must not keep the class alive."""
    # By the id of the class, because its metaclass may define a hash.
    known: dict[int, tuple[weakref.ref[type], _T]] = {}

    def found(kind: type) -> _T:
        entry = known.get(id(kind))
        if entry is None or entry[0]() is not kind:
            forget = partial(known.pop, id(kind))
            entry = known[id(kind)] = weakref.ref(kind, forget), find(kind)
        return entry[1]

    return found


def first(values: Callable[[], Iterable[Any]], most: int) -> list[Any]:
    """Return the first items of a container that other threads may be changing."""
    while True:
        items = iter(values())
        try:
            return list(islice(items, most))
        except RuntimeError as error:  # it changed since the iterator was made
            let_through(error)


def describe(value: Any) -> str:
    """Name a value that is not copied: its type, and its own name if it is code."""
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
    """Return the name of a class as `module.qualname`."""
    try:
        module = _module(kind)
    except AttributeError as error:  # it was made in a namespace without `__name__`
        let_through(error, _module)
        module = None
    return _dotted(module, qualname(kind))


def _dotted(*parts: object) -> str:
    """Join the parts that are strings; formatting others would run their `__format__`."""
    return ".".join(part for part in parts if type(part) is str)


def whole(value: int) -> int | str:
    """Return an integer, as text if a JSON parser may round it, or its size if it is huge."""
    if -EXACT <= value < EXACT:
        return value
    bits = value.bit_length()
    return str(value) if bits < _MAX_INTEGER_BITS else f"<int of {bits} bits>"


def real(value: float) -> float | str:
    """Return a float, as text if JSON cannot hold it."""
    if value - value == 0.0:  # neither infinite nor NaN
        return value
    return "NaN" if value != value else ("Infinity" if value > 0 else "-Infinity")


def _bytes(value: bytes | bytearray) -> str:
    # Not with a hash: it would give away a short secret to anyone who can try all of them.
    return f"<bytes: {len(value)}>"


def _view(value: memoryview) -> str:
    return f"<bytes: {value.nbytes}>"


def _decimal(value: decimal.Decimal) -> str:
    text = str(value)
    return text if len(text) <= _MAX_DECIMAL_CHARACTERS else f"<Decimal of {len(text)} characters>"


def _range(value: range) -> str:
    return f"range({whole(value.start)}, {whole(value.stop)}, {whole(value.step)})"


def _moment(value: datetime.datetime) -> str:
    """Format as ISO 8601. A user-defined time zone is named, since its offset is user code."""
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
    """Return the standard library's `ZoneInfo` if the program has imported it."""
    module = sys.modules.get("zoneinfo")
    return module and module.ZoneInfo


def _path(value: pathlib.PurePath) -> str:
    """Return a standard path as text; other classes may compute it in their own code."""
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
"""Classes whose values become JSON at once; their subclasses do not."""


def state(value: object, kind: type) -> dict[str, Any]:
    """Return the attributes that an object holds itself: its slots and its `__dict__`."""
    found: dict[str, Any] = {}
    parents = mro(kind)
    for at, name in _members(kind):
        member = namespace(parents[at]).get(name)
        if type(member) is not _SLOT and type(member) is not _DICT:
            continue  # it was replaced after the class was made
        try:
            held = member.__get__(value, kind)
        except AttributeError as error:
            let_through(error)
            continue  # an empty slot
        if name == "__dict__":
            found.update(named(held))
        else:
            found[name] = held
    return found


@by_class
def _members(kind: type) -> list[tuple[int, str]]:
    """List the slots of a class and its parents, as index in the MRO and name.

    The descriptors themselves are not listed, because they would keep the class alive.
    """
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
    """Return the items whose keys can be names of attributes."""
    few = dict.__len__(items) <= _MAX_ATTRIBUTES
    pairs = dict.copy(items).items() if few else first(partial(dict.items, items), _MAX_ATTRIBUTES)
    return {name: item for name, item in pairs if type(name) is str}


def _held(name: str) -> Read:
    """Return a function that reads an attribute held by the object itself."""
    return lambda value: state(value, type(value))[name]


def _inner(value: types.MappingProxyType[Any, Any]) -> object:
    """Return the mapping behind a read-only view, whose own methods would ask that mapping."""
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
"""Maps the id of a class to the function that reads its values and those of subclasses."""

RECORDS: tuple[type, ...] = (BaseException, types.SimpleNamespace)
"""Classes whose values are copied by their `fields`, as records are."""

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
