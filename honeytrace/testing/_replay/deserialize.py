"""Convert recorded JSON to the types that a function is annotated with."""

from __future__ import annotations

import collections
import dataclasses
import datetime
import decimal
import enum
import pathlib
import re
import types
import typing
import uuid
from collections.abc import Callable
from functools import partial
from inspect import Parameter
from typing import Any

from honeytrace._capture.records import tuple_names
from honeytrace._capture.snapshot import Snapshot
from honeytrace._session.context import without_tracing
from honeytrace._utils.guard import try_call

_PLAIN = (str, int, float, bool, list, dict)
_LISTS = (tuple, set, frozenset, collections.deque)
"""Types that are recorded as a list."""
_BY_VALUE = (
    *(enum.Enum, uuid.UUID, decimal.Decimal, pathlib.PurePath, complex),
    *(str, int, float, list, dict),  # subclasses of them
)
"""Types that are made by calling the class with the recorded value."""
_BY_ISO_TEXT = (datetime.date, datetime.time)  # `datetime` is a `date`
_NUMBERS: dict[Any, re.Pattern[str]] = {
    float: re.compile("NaN|-?Infinity"),
    int: re.compile("-?[0-9]{19,}"),
}
"""Numbers that are recorded as text, because JSON lacks them or a parser may round them."""


class UnclearError(ValueError):
    """The original value cannot be determined. The message begins with its path."""


def rebuilt(at: str, value: Any, kind: Any) -> Any:
    """Return the value at the path `at`, converted to the annotation `kind`.

    A value that has the type already, or is annotated as plain JSON data, is returned unchanged.
    Raises `UnclearError` if it cannot be converted without doubt.
    """
    origin, parts = typing.get_origin(kind), typing.get_args(kind)
    if kind is Any or kind is Parameter.empty:
        return _untold(at, value)
    if value is None:
        return value
    if origin is typing.Annotated:
        return rebuilt(at, value, parts[0])
    if isinstance(kind, typing.NewType):
        return rebuilt(at, value, kind.__supertype__)
    if origin in (typing.Union, types.UnionType):
        return _one_of(at, value, parts)
    if typing.is_typeddict(kind):
        return _typed(at, value, kind)
    base = origin or kind
    # Literal, type variables and names that could not be evaluated are not classes.
    return _instance(at, value, base, parts) if isinstance(base, type) else value


def _untold(at: str, value: Any) -> Any:
    """Return data without an annotation unchanged, unless it may be a number recorded as text."""
    if isinstance(value, list):
        return [_untold(f"{at}[{index}]", each) for index, each in enumerate(value)]
    if isinstance(value, dict):
        return {key: _untold(f"{at}.{key}", each) for key, each in value.items()}
    if _is_number(value, float):
        raise UnclearError(f"{at} may be a float or the text {value!r}, and there is no annotation")
    return value


def _is_number(value: Any, kind: Any) -> bool:
    """Return whether this is the recorded text of such a number."""
    return isinstance(value, str) and kind in _NUMBERS and bool(_NUMBERS[kind].fullmatch(value))


def _instance(at: str, value: Any, kind: type, parts: tuple[Any, ...]) -> Any:
    fits = bool(try_call(isinstance, value, kind)[0])
    if isinstance(value, list) and (fits or kind in _LISTS):
        items = _items(at, value, kind, parts)
        return items if fits else _made(at, kind, partial(kind, items))
    if type(value) is dict and fits:
        each = parts if len(parts) == 2 else (Any, Any)
        return {
            _key(at, key, each[0]): rebuilt(f"{at}.{key}", value[key], each[1]) for key in value
        }
    if _is_number(value, kind):
        return kind(value)
    if fits or kind in _PLAIN:
        return value
    if issubclass(kind, _BY_ISO_TEXT):
        return _same(at, kind, value, _made(at, kind, partial(kind.fromisoformat, value)))
    if issubclass(kind, _BY_VALUE):
        return _same(at, kind, value, _made(at, kind, partial(kind, value)))
    return _record(at, value, kind)


def _items(at: str, value: list[Any], kind: type, parts: tuple[Any, ...]) -> list[Any]:
    each = parts[0] if parts else Any
    if kind is not tuple or not parts or parts[1:] == (...,):
        kinds = [each] * len(value)
    elif len(parts) == len(value):
        kinds = list(parts)
    else:
        raise UnclearError(f"{at} has {len(value)} items, not the {len(parts)} of the tuple")
    pairs = enumerate(zip(value, kinds, strict=True))
    return [rebuilt(f"{at}[{index}]", *pair) for index, pair in pairs]


def _key(at: str, key: str, kind: Any) -> Any:
    """Convert a key, which is always recorded as text."""
    path = f"the key {at}.{key}"
    return _made(path, int, partial(int, key)) if kind is int else rebuilt(path, key, kind)


def _typed(at: str, value: Any, kind: Any) -> Any:
    """Convert the values of a typed dict, which itself stays a dict."""
    hints = try_call(typing.get_type_hints, kind)[0] or {}
    if not isinstance(value, dict):
        return value
    return {key: rebuilt(f"{at}.{key}", each, hints.get(key, Any)) for key, each in value.items()}


def _record(at: str, value: Any, kind: Any) -> Any:
    """Make a dataclass, a pydantic model or the like from its fields."""
    if hasattr(kind, "__pydantic_fields__"):
        return _same(at, kind, value, _made(at, kind, partial(_validated, kind, value)))
    names = _names(kind)
    hints, fault = try_call(typing.get_type_hints, kind)
    if names is None or hints is None or fault:
        raise UnclearError(
            f"{at} was an instance of {kind.__name__}, of which only data was recorded"
        )
    if not isinstance(value, dict) or value.keys() != names.keys():
        raise UnclearError(f"{at} does not have the fields of {kind.__name__}")
    parts = {
        given: rebuilt(f"{at}.{name}", value[name], hints.get(name, Any))
        for name, given in names.items()
        if given is not None
    }
    return _same(at, kind, value, _made(at, kind, partial(kind, **parts)))


def _names(kind: Any) -> dict[str, str | None] | None:
    """Map each field to the argument that sets it; None for a field that no argument sets."""
    if dataclasses.is_dataclass(kind):
        return {each.name: each.name if each.init else None for each in dataclasses.fields(kind)}
    if hasattr(kind, "__attrs_attrs__"):
        return {each.name: each.alias if each.init else None for each in kind.__attrs_attrs__}
    names = getattr(kind, "__struct_fields__", tuple_names(kind))  # of msgspec
    return {name: name for name in names} if names else None


def _validated(kind: Any, value: Any) -> Any:
    """Validate by field names, not aliases. Before pydantic 2.11, the class decides which."""
    made, fault = try_call(partial(kind.model_validate, by_name=True, by_alias=False), value)
    return kind.model_validate(value) if fault else made


def _made(at: str, kind: type, make: Callable[[], Any]) -> Any:
    made, fault = try_call(without_tracing, make)
    if fault:
        raise UnclearError(f"{at} cannot be turned into {kind.__name__} ({type(fault).__name__})")
    return made


def _same(at: str, kind: type, value: Any, made: Any) -> Any:
    """Return what was made, if it would be recorded as the same value again."""
    if _ordered(Snapshot().take(made, "inputs")) != _ordered(value):
        raise UnclearError(f"{at} gives a different {kind.__name__} than the recorded one")
    return made


def _ordered(value: Any) -> Any:
    """Sort all lists, because inputs may be written by hand, and sets have no order."""
    if isinstance(value, dict):
        return {key: _ordered(each) for key, each in value.items()}
    return sorted(map(_ordered, value), key=repr) if isinstance(value, list) else value


def _one_of(at: str, value: Any, kinds: tuple[Any, ...]) -> Any:
    """Convert to the only type of the union that fits. Text stays text if `str` is in the union."""
    if type(value) in kinds and not isinstance(value, (dict, list)):
        return value
    tried = [try_call(rebuilt, at, value, kind) for kind in kinds if _may_be(value, kind)]
    found = [made for made, fault in tried if fault is None]
    if not found:
        raise UnclearError(f"{at} fits none of {_said(kinds)}")
    if any(type(each) is not type(found[0]) or each != found[0] for each in found):
        raise UnclearError(f"{at} fits more than one of {_said(kinds)}")
    return found[0]


def _may_be(value: Any, kind: Any) -> bool:
    """Return whether the value may be of this type, as far as plain data shows."""
    if typing.get_origin(kind) is typing.Literal:
        return value in typing.get_args(kind)
    if typing.is_typeddict(kind):
        return isinstance(value, dict) and value.keys() <= kind.__annotations__.keys()
    base = typing.get_origin(kind) or kind
    if base is float and type(value) is int:
        return True
    return base not in _PLAIN or isinstance(value, base) or _is_number(value, base)


def _said(kinds: tuple[Any, ...]) -> str:
    return ", ".join(getattr(kind, "__name__", str(kind)) for kind in kinds)
