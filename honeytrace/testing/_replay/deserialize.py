"""Recorded data made again what a function says that it takes: a dataclass of an object, say."""

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
"""What is recorded as a list."""
_BY_VALUE = (
    *(enum.Enum, uuid.UUID, decimal.Decimal, pathlib.PurePath, complex),
    *(str, int, float, list, dict),  # subclasses of them
)
"""What a call of the class makes of what is recorded: a text, or the value of an enum's member."""
_BY_ISO_TEXT = (datetime.date, datetime.time)  # `datetime` is a `date`
_NUMBERS: dict[Any, re.Pattern[str]] = {
    float: re.compile("NaN|-?Infinity"),
    int: re.compile("-?[0-9]{19,}"),
}
"""What is recorded as text of numbers that JSON lacks, or that a parser may round."""


class UnclearError(ValueError):
    """It cannot be told what a value was. The message begins with its path."""


def rebuilt(at: str, value: Any, kind: Any) -> Any:
    """The value at this path as the annotation `kind` has it.

    What fits already and what is annotated as plain data stays as it is. Raises `UnclearError`
    where the function got something else that cannot be made again without a doubt.
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
    # No classes are Literal, type variables, and names that could not be looked up.
    return _instance(at, value, base, parts) if isinstance(base, type) else value


def _untold(at: str, value: Any) -> Any:
    """Data of which nothing is said is what it is, but for what hardly is a text."""
    if isinstance(value, list):
        return [_untold(f"{at}[{index}]", each) for index, each in enumerate(value)]
    if isinstance(value, dict):
        return {key: _untold(f"{at}.{key}", each) for key, each in value.items()}
    if _is_number(value, float):
        raise UnclearError(f"{at} may be a float or the text {value!r}, and no annotation tells")
    return value


def _is_number(value: Any, kind: Any) -> bool:
    """Whether this is the text of such a number."""
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
    """Keys are recorded as texts."""
    path = f"the key {at}.{key}"
    return _made(path, int, partial(int, key)) if kind is int else rebuilt(path, key, kind)


def _typed(at: str, value: Any, kind: Any) -> Any:
    """A typed dict is a dict; its values may be more than plain data."""
    hints = try_call(typing.get_type_hints, kind)[0] or {}
    if not isinstance(value, dict):
        return value
    return {key: rebuilt(f"{at}.{key}", each, hints.get(key, Any)) for key, each in value.items()}


def _record(at: str, value: Any, kind: Any) -> Any:
    """A dataclass, a model of pydantic or such, from its fields."""
    if hasattr(kind, "__pydantic_fields__"):
        return _same(at, kind, value, _made(at, kind, partial(_validated, kind, value)))
    names = _names(kind)
    hints, fault = try_call(typing.get_type_hints, kind)
    if names is None or hints is None or fault:
        raise UnclearError(f"{at} was an instance of {kind.__name__}, recorded as mere data")
    if not isinstance(value, dict) or value.keys() != names.keys():
        raise UnclearError(f"{at} does not have the fields of {kind.__name__}")
    parts = {
        given: rebuilt(f"{at}.{name}", value[name], hints.get(name, Any))
        for name, given in names.items()
        if given is not None
    }
    return _same(at, kind, value, _made(at, kind, partial(kind, **parts)))


def _names(kind: Any) -> dict[str, str | None] | None:
    """The fields, and the arguments that set them; None for those that are set otherwise."""
    if dataclasses.is_dataclass(kind):
        return {each.name: each.name if each.init else None for each in dataclasses.fields(kind)}
    if hasattr(kind, "__attrs_attrs__"):
        return {each.name: each.alias if each.init else None for each in kind.__attrs_attrs__}
    names = getattr(kind, "__struct_fields__", tuple_names(kind))  # of msgspec
    return {name: name for name in names} if names else None


def _validated(kind: Any, value: Any) -> Any:
    """By the names of the fields, not their aliases; before pydantic 2.11 the class says which."""
    made, fault = try_call(partial(kind.model_validate, by_name=True, by_alias=False), value)
    return kind.model_validate(value) if fault else made


def _made(at: str, kind: type, make: Callable[[], Any]) -> Any:
    made, fault = try_call(without_tracing, make)
    if fault:
        raise UnclearError(f"{at} gives no {kind.__name__} ({type(fault).__name__})")
    return made


def _same(at: str, kind: type, value: Any, made: Any) -> Any:
    """What was made, if it would be recorded as the value that it was made of."""
    if _ordered(Snapshot().take(made, "inputs")) != _ordered(value):
        raise UnclearError(f"{at} gives another {kind.__name__} than it was")
    return made


def _ordered(value: Any) -> Any:
    """With lists in one order: inputs may be written by hand, and sets in any order."""
    if isinstance(value, dict):
        return {key: _ordered(each) for key, each in value.items()}
    return sorted(map(_ordered, value), key=repr) if isinstance(value, list) else value


def _one_of(at: str, value: Any, kinds: tuple[Any, ...]) -> Any:
    """As the only one of the kinds that it can be. A text that may be a text is one."""
    if type(value) in kinds and not isinstance(value, (dict, list)):
        return value
    tried = [try_call(rebuilt, at, value, kind) for kind in kinds if _may_be(value, kind)]
    found = [made for made, fault in tried if fault is None]
    if not found:
        raise UnclearError(f"{at} is none of {_said(kinds)}")
    if any(type(each) is not type(found[0]) or each != found[0] for each in found):
        raise UnclearError(f"{at} may be more than one of {_said(kinds)}")
    return found[0]


def _may_be(value: Any, kind: Any) -> bool:
    """Whether plain data, if this is such a kind, is of this kind."""
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
