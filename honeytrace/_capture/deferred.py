"""Values in the form that costs the caller least, and the reading of it later.

Three forms. What cannot change is kept as it is. Small plain data becomes bytes: `marshal` copies
it five times as fast as Python code can, and the worker decodes it. All else is copied at once.
"""

from __future__ import annotations

import marshal
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from honeytrace._capture.snapshot import Snapshot, rules
from honeytrace._capture.stdlib_types import EXACT

Arguments = tuple[tuple[Any, ...], dict[str, Any]]
"""Positional and keyword arguments, as a call has them."""

Bind = Callable[[tuple[Any, ...], dict[str, Any]], dict[str, Any]]

_MOST = 64 * 1024  # bytes, by a rough estimate, up to which data is small
_EACH = 16  # bytes that count for a value, so that many small ones are not small
_DEEP = 8


def constant(value: object) -> bool:
    """Whether this can never change, and needs no copy."""
    kind = type(value)
    # `kind in (str, …)` would ask a class of the user's whether it equals one of these.
    return value is None or kind is str or kind is int or kind is bool or kind is float


class Copied(NamedTuple):
    """A value that was copied at once."""

    value: Any


class Inputs(NamedTuple):
    """Arguments that were named and copied at once, and those of them that go to `config`."""

    inputs: dict[str, Any]
    config: dict[str, Any]


Kept = tuple[Any, int, "list[str] | None"]
"""A form of a value, its size in bytes, and the paths that were cut."""


def arguments(args: tuple[Any, ...], kwargs: dict[str, Any], bind: Bind) -> Kept:
    """The arguments of a call, for `named`."""
    values = (*args, *kwargs.values()) if kwargs else args
    size = 0
    for value in values:
        kind = type(value)
        if kind is str:
            size += len(value)
        elif not (kind is int or value is None or kind is bool or kind is float):
            break
    else:
        if size <= rules.limits.string and size <= rules.limits.chars:
            return (args, kwargs), size, None
    packed = _pack((args, kwargs), values)
    if packed is not None:
        return packed, len(packed), None
    return copied(bind(args, kwargs), "inputs")


def named(captured: Any, bind: Bind) -> dict[str, Any]:
    """Return the arguments by name, as JSON data."""
    if type(captured) is Copied:
        return as_object(captured.value)
    args, kwargs = _loaded(captured)
    return as_object(_as_json(bind(args, kwargs), "inputs"))


def copied(value: object, at: str) -> Kept:
    """Any value, copied at once; `at` begins the paths of what is cut."""
    taken = Snapshot()
    copy = taken.take(value, at)
    return Copied(copy), taken.size, taken.cuts or None


def keep(value: object, at: str) -> Kept:
    """Any value in the form that costs least, for `read`."""
    size = len(value) if type(value) is str else 0
    if constant(value) and size <= rules.limits.string and size <= rules.limits.chars:
        return value, size, None
    packed = _pack(value, (value,))
    if packed is not None:
        return packed, len(packed), None
    return copied(value, at)


def read(kept: Any, at: str) -> Any:
    """Return the JSON data that a form stands for."""
    return kept.value if type(kept) is Copied else _as_json(_loaded(kept), at)


def _as_json(plain: Any, at: str) -> Any:
    """Return data of the forms above as JSON holds it; mostly that is what it is already."""
    return plain if is_json(plain) else Snapshot().take(plain, at)


def is_json(value: Any) -> bool:
    """Return whether a value is JSON data just as it is, and means the same to every parser."""
    kind = type(value)
    if kind is dict:
        for key, item in value.items():  # mostly texts; a call for each takes twice as long
            if type(key) is not str or (type(item) is not str and not is_json(item)):
                return False
        return True
    if kind is list:
        for item in value:  # noqa: SIM110 - `all` takes half as long again
            if type(item) is not str and not is_json(item):
                return False
        return True
    if kind is int:
        return bool(-EXACT <= value < EXACT)
    if kind is float:
        return bool(value - value == 0.0)  # neither infinite nor NaN
    return kind is str or value is None or kind is bool


def _loaded(kept: Any) -> Any:
    # Safe, since these bytes were made a moment ago by this process.
    return marshal.loads(kept) if type(kept) is bytes else kept  # noqa: S302


def as_object(copy: Any) -> dict[str, Any]:
    """A mapping with string keys or a record as it is, all else as `result`."""
    return copy if type(copy) is dict else {"result": copy}


def _pack(whole: Any, values: Iterable[Any]) -> bytes | None:
    """The bytes of small plain data; None for anything else, and if the limits are smaller still:
    what is cut has to be told at once."""
    limits = rules.limits
    if limits.string < _MOST or limits.chars < _MOST or limits.nodes < _MOST // _EACH:
        return None
    if limits.depth <= _DEEP + 1:
        return None
    try:
        return marshal.dumps(whole) if _weigh(values) <= _MOST else None
    except (ValueError, RuntimeError):  # a key that is not plain, a dict that another thread fills
        return None


def _weigh(values: Iterable[Any], depth: int = 0) -> int:
    """About the bytes in plain data; more than is small for what is not plain or too deep."""
    if depth > _DEEP:
        return _MOST + 1
    weight = 0
    for value in values:
        kind = type(value)
        if kind is str:
            weight += len(value)
        elif kind is dict:
            weight += _EACH * len(value)
            if weight > _MOST:
                break
            for item in value.values():  # mostly texts; a call for each takes twice as long
                if type(item) is str:
                    weight += len(item)
                elif not constant(item):
                    weight += _weigh((item,), depth + 1)
                    if weight > _MOST:
                        break
        elif kind is list or kind is tuple:
            weight += _EACH * len(value)
            if weight > _MOST or len(value) > rules.limits.items:
                return _MOST + 1
            weight += _weigh(value, depth + 1)
        elif not constant(value):
            return _MOST + 1
        if weight > _MOST:
            break
    return weight
