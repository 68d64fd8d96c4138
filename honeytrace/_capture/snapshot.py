"""Copy any value as bounded plain JSON data.

One pass over exact types: containers are copied, strings are shared, and everything else is
described. No code of the value itself runs (`__repr__`, `__getattr__`, properties, iterators), so
that capturing it can neither change nor stall the traced call.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import islice
from typing import Any

from honeytrace._capture.library_types import known
from honeytrace._capture.providers.answer_objects import is_answer
from honeytrace._capture.providers.embeddings import (
    MIN_DIMENSIONS,
    describe_vector,
    is_embedding,
    plain_embedding,
)
from honeytrace._capture.providers.media import long_media
from honeytrace._capture.records import fields, is_record, public, tuple_names
from honeytrace._capture.rules import Limits, rules
from honeytrace._capture.stdlib_types import (
    EXACT,
    LISTS,
    PLAIN,
    RECORDS,
    VALUES,
    Read,
    by_class,
    called,
    describe,
    first,
    mro,
    qualname,
    real,
    state,
    whole,
)
from honeytrace._utils.guard import ReraisedError, try_call
from honeytrace._utils.json import spell
from honeytrace._utils.origin import let_through

Path = tuple[Any, Any]
"""The position of a value: (path of its container or None, its key)."""

OUTPUTS = "outputs"
"""The name of the field in which embeddings are described, as nobody calls a function with them."""

_KEY_LIMITS = Limits(chars=4096, nodes=64, depth=4)

_MAX_KEY_CHARACTERS = 128  # longer keys are counted and cut like texts
_SMALL_TEXT_CHARACTERS = 16 * 1024
_MAX_CUTS = 20
_NODES_PER_OBJECT = 7  # more than for JSON data, because an object takes longer to copy
_OVER_BUDGET = "[over the budget of the field]"
_MORE = "…"  # the key of the note on missing items
_TOO_NEAR = "[too near the recursion limit]"


class Snapshot:
    """Makes the copy of one field."""

    __slots__ = (
        "_chars",
        "_inside",
        "_limits",
        "_nodes",
        "_odd",
        "_open",
        "_outputs",
        "_small",
        "cuts",
    )

    def __init__(self, limits: Limits | None = None) -> None:
        self._limits = limits = limits or rules.limits
        self._nodes = limits.nodes
        self._chars = limits.chars
        self._odd = limits.items
        self._small = (
            _SMALL_TEXT_CHARACTERS if limits.string >= _SMALL_TEXT_CHARACTERS else limits.string
        )
        self._open: set[int] = set()
        self._outputs = False  # whether this is that field
        self._inside = False  # whether this is inside a model's answer
        self.cuts: list[str] = []

    @property
    def size(self) -> int:
        """Return an estimate of the bytes of memory that the copy takes."""
        return self._limits.chars - self._chars + 64 * (self._limits.nodes - self._nodes)

    def take(self, value: object, at: str) -> Any:
        """Copy `value`; `at` is the name that begins the paths in `cuts`."""
        self._outputs = at == OUTPUTS
        try:
            return self._value(value, (None, at), 0)
        except RecursionError:
            return _TOO_NEAR
        except ReraisedError as strict:
            fault = strict.fault
        raise fault

    def _value(self, value: Any, path: Path, depth: int) -> Any:
        kind = type(value)
        if kind is str:
            return self._text(value, path)
        if kind is dict:
            return self._container(value, path, depth, self._dict)
        if kind is list or kind is tuple:
            return self._container(value, path, depth, self._list)
        if kind is int:
            return whole(value)
        if kind is float:
            return real(value)
        if value is None or kind is bool:
            return value
        try:
            return self._other(value, kind, path, depth)
        # A released view, an object whose __init__ never ran, or almost too deep a call stack.
        except (AttributeError, LookupError, ValueError, RecursionError) as error:
            let_through(error, self._other)
            return describe(value)

    def _container(self, value: Any, path: Path, depth: int, copy: Callable[..., Any]) -> Any:
        """Copy a container, unless it is inside itself, too deep, or over the budget."""
        if id(value) in self._open:
            return self._cut(path, "[circular]")
        if depth >= self._limits.depth:
            return self._cut(path, f"[deeper than {self._limits.depth} levels]")
        if self._nodes <= 0:
            return self._cut(path, _OVER_BUDGET)
        self._open.add(id(value))
        try:
            return copy(value, path, depth + 1)
        except RecursionError:
            return self._cut(path, _TOO_NEAR)
        finally:
            self._open.discard(id(value))

    def _dict(self, value: dict[Any, Any], path: Path, depth: int) -> dict[str, Any]:
        size = dict.__len__(value)
        fits = size <= self._nodes and type(value) is dict
        copy = value.copy() if fits else self._begun(value)
        self._nodes -= len(copy)
        odd = False
        for key, item in copy.items():
            kind = type(item)
            if type(key) is not str or len(key) > _MAX_KEY_CHARACTERS:
                odd = True
            elif kind is str and len(item) < self._small <= self._chars:
                self._chars -= len(item)
            elif kind is int and -EXACT <= item < EXACT:
                continue
            elif kind is str:
                copy[key] = self._text(long_media(key, item, copy), (path, key))
            elif kind is not bool and item is not None:
                copy[key] = self._value(item, (path, key), depth)
        if odd:
            copy = self._renamed(copy, path, depth)
        if size > len(copy):
            copy.pop(_MORE, None)
            copy[_MORE] = self._cut(path, f"[{size - len(copy)} more keys]")
        return copy

    def _begun(self, value: dict[Any, Any]) -> dict[str, Any]:
        """Copy as much of a dict as the budget allows, without calling methods of its class."""
        pairs = first(partial(dict.items, value), self._nodes)
        return {key if type(key) is str else self._name(key): item for key, item in pairs}

    def _renamed(self, copy: dict[Any, Any], path: Path, depth: int) -> dict[str, Any]:
        """Copy the items whose keys are not short strings, under new names; keep the others."""
        renamed: dict[str, Any] = {}
        for key, item in copy.items():
            odd = type(key) is not str or len(key) > _MAX_KEY_CHARACTERS
            name = self._text(self._name(key), path) if odd else key
            if name in renamed and name != _MORE:  # {1: "a", "1": "b"}
                name = f"{name} ({qualname(type(key))})"
            renamed[name] = self._value(item, (path, name), depth) if odd else item
        return renamed

    def _name(self, key: object) -> str:
        """Return the name for a key. Only a limited number of odd keys have a name of their own."""
        if type(key) is str:
            return key
        if type(key) is int:
            return str(key) if -EXACT <= key < EXACT else str(whole(key))
        self._odd -= 1
        return _key(key) if self._odd >= 0 else _MORE

    def _list(
        self, value: list[Any] | tuple[Any, ...], path: Path, depth: int, size: int | None = None
    ) -> Any:
        """Copy the first items; `size` is their number if `value` does not hold all of them.

        Of an embedding in the outputs, or one that would be cut, return the length and the norm.
        """
        most = min(self._limits.items, self._nodes)
        if size is None:
            size = len(value)
        if size >= MIN_DIMENSIONS and type(value) is list and (self._outputs or size > most):
            described = self._embedding(value, path, size > most)
            if described is not None and described is not value:
                return described
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

    def _embedding(self, value: list[Any], path: Path, is_cut: bool) -> Any:
        """Describe an embedding now, since the norm of a list that is cut is not known."""
        if is_cut and is_embedding(path):
            return describe_vector(value)
        described = plain_embedding(value)
        if described is not None and not self._outputs:
            self._cut(path, "")
        return described if described is None or path[0] is None else dict(described)

    def _text(self, value: str, path: Path) -> str:
        most = max(0, min(self._limits.string, self._chars))
        if len(value) <= most:
            self._chars -= len(value)
            return value
        self._chars -= most
        return value[:most] + self._cut(path, f"… [{len(value) - most} more characters]")

    def _other(self, value: Any, kind: type, path: Path, depth: int) -> Any:
        """Copy a value that is not plain data.

        The first way that fits is used: a registered function, the type it is derived from, its
        fields, the form of a model's answer, or else its name.
        """
        teach = rules.taught(kind)
        copy, read = _way(kind)
        if teach is not None or copy is None or copy is Snapshot._record:
            self._nodes -= _NODES_PER_OBJECT
            if self._nodes <= 0:
                return self._cut(path, _OVER_BUDGET)
        if teach is not None:
            return self._container(value, path, depth, partial(self._taught, teach))
        plain = PLAIN.get(kind) if type(kind) is type else None
        if plain is not None:
            return plain(value)
        if copy is not None:
            return self._container(value, path, depth, partial(copy, self))
        if read is not None:
            return self._replacement(value, read(value), path, depth)
        own = state(value, kind)
        if (self._inside and public(own)) or is_answer(own):
            return self._container(value, path, depth, self._answer)
        teach = rules.fallback()
        if teach is not None:
            return self._container(value, path, depth, partial(self._taught, teach))
        return describe(value)

    def _replacement(self, value: Any, found: Any, path: Path, depth: int) -> Any:
        """Copy the replacement of a value, which may contain the value itself."""
        kind = type(found)
        if kind is str or kind is int or kind is float or kind is bool or found is None:
            return self._value(found, path, depth)
        return self._container(value, path, depth, lambda _, *at: self._in_place(found, *at))

    def _record(self, value: Any, path: Path, depth: int) -> Any:
        return self._in_place(fields(value), path, depth)

    def _in_place(self, found: Any, path: Path, depth: int) -> Any:
        """Copy the replacement of a value at the depth of that value."""
        kind = type(found)
        if kind is dict:
            return self._dict(found, path, depth)
        if kind is list or kind is tuple:
            return self._list(found, path, depth)
        return self._value(found, path, depth)

    def _taught(self, teach: Read, value: Any, path: Path, depth: int) -> Any:
        found, fault = try_call(teach, value)
        if fault is None:
            return self._in_place(found, path, depth)
        return f"<{called(type(value))}: {qualname(type(fault))} in its registered function>"

    def _items(self, value: Any, path: Path, depth: int) -> Any:
        """Copy a named tuple as an object, and any other collection of items as a list.

        The items of a set are sorted.
        """
        kind = type(value)
        names = tuple_names(kind) if issubclass(kind, tuple) else ()
        if names and len(names) == tuple.__len__(value):
            return self._dict(dict(zip(names, tuple.__iter__(value), strict=True)), path, depth)
        base: Any = next(base for base in LISTS if issubclass(kind, base))
        most = min(self._limits.items, self._nodes)
        items = first(partial(base.__iter__, value), most)
        cuts = len(self.cuts)
        copy = self._list(items, path, depth, base.__len__(value))
        if (base is set or base is frozenset) and len(self.cuts) == cuts:  # cuts name positions
            _sort(copy)
        return copy

    def _answer(self, value: Any, path: Path, depth: int) -> Any:
        """Copy a model's answer and the objects inside by their public attributes."""
        outer, self._inside = self._inside, True
        try:
            return self._dict(public(state(value, type(value))), path, depth)
        finally:
            self._inside = outer

    def _cut(self, path: Path, note: str) -> str:
        if len(self.cuts) < _MAX_CUTS:
            self.cuts.append(_format_path(path))
        return note


_CONTAINERS: dict[int, Callable[..., Any]] = {
    id(dict): Snapshot._dict,
    **{id(kind): Snapshot._items for kind in LISTS},
    **{id(kind): Snapshot._record for kind in RECORDS},
}
"""Maps the id of a class to the function that copies its values and those of subclasses."""


@by_class
def _way(kind: type) -> tuple[Callable[..., Any] | None, Read | None]:
    """Return the function that copies values of a class, or else the one that reads them."""
    for parent in mro(kind):
        copy = _CONTAINERS.get(id(parent))
        read = VALUES.get(id(parent)) or known(parent)
        if copy is not None or read is not None:
            return copy, read
    return (Snapshot._record if is_record(kind) else None), None


def _sort(copy: list[Any]) -> None:
    """Sort the copies of a set's items, so that each run has the same order."""
    try:
        copy.sort()
    except TypeError as error:  # items of several types, or objects
        let_through(error)
        copy.sort(key=repr)


def _key(key: object) -> str:
    """Return a key as text: a string as it is, any other key as the JSON of its copy."""
    if type(key) is str:
        return key
    if type(key) is bytes and len(key) <= _MAX_KEY_CHARACTERS and key.isascii():  # e.g. a header
        return key.decode()
    copy = Snapshot(_KEY_LIMITS).take(key, "")
    return copy if type(copy) is str else spell(copy, ", ", ": ")


def _format_path(path: Path | None) -> str:
    """Format `(((None, "inputs"), "messages"), 3)` as `inputs.messages[3]`."""
    parts: list[str] = []
    while path is not None:
        path, key = path
        parts.append(f"[{key}]" if type(key) is int else f".{_key(key)}")
    return "".join(reversed(parts)).removeprefix(".")
