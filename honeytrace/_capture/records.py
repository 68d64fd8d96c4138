"""Find the fields of records: of dataclasses, attrs, pydantic, msgspec, SQLAlchemy, exceptions.

The names of the fields are read from the notes that each library leaves in the class. As everywhere
in this package, no code of the class runs.
"""

from __future__ import annotations

import dataclasses
import uuid
from collections.abc import Iterator
from types import MemberDescriptorType
from typing import Any, NamedTuple

from honeytrace._capture.stdlib_types import (
    arguments_of,
    by_class,
    called,
    describe,
    mro,
    named,
    namespace,
    nearest,
    qualname,
    state,
)

HIDDEN = "[REDACTED:hidden_field]"
"""Replaces a field that its author hides with `repr=False`."""

_CLASS_ATTRIBUTES = (
    "__dataclass_fields__",
    "__attrs_attrs__",
    "__pydantic_fields__",
    "__fields__",  # pydantic 1
    "__struct_fields__",  # msgspec
    "_sa_class_manager",  # a class that SQLAlchemy maps to a table
)
_KEY_TYPES = (int, str, uuid.UUID)  # of primary keys that are shown
_RELATED = (
    "_sa_class_manager",
    "_sa_appender",
)  # marks of SQLAlchemy's rows and collections of rows


def is_record(kind: type) -> bool:
    """Return whether a class is one of dataclasses, attrs, pydantic, msgspec or SQLAlchemy."""
    return any(name in namespace(parent) for parent in mro(kind) for name in _CLASS_ATTRIBUTES)


def fields(value: object) -> Any:
    """Return the fields of a record, or the root value of a root model.

    The fields are the public attributes and the private ones that the constructor requires. If
    there are none, all private attributes are returned. An exception has its type and arguments.
    """
    kind = type(value)
    if issubclass(kind, BaseException):
        return {"type": qualname(kind), "args": arguments_of(value)}
    own = state(value, kind)
    row = own.pop("_sa_instance_state", None)
    if row is not None:
        return _loaded(own, kind) or _identity(row, kind)
    return _fields(own, kind)


def _fields(own: dict[str, Any], kind: type) -> Any:
    """Return the fields of a record that has these attributes."""
    extra = own.get("__pydantic_extra__")
    if type(extra) is dict:
        own.update(named(extra))
    if "__root__" in own:  # pydantic 1
        return own["__root__"]
    if "root" in own and nearest(kind, "__pydantic_root_model__") is True:
        return own["root"]
    special = _special(kind)
    return _treated(own, kind, special) if special else public(own) or _all_private(own)


def _loaded(own: dict[str, Any], kind: type) -> Any:
    """Return the columns of a row that SQLAlchemy has loaded, and only the names of related rows.

    Related rows are left out because they lead to ever more rows. Other columns are not held by the
    object; asking for one would send a query.
    """
    for name, item in own.items():
        if any(nearest(type(item), mark) is not None for mark in _RELATED):
            own[name] = describe(item)
    return _fields(own, kind)


def _identity(row: Any, kind: type) -> str:
    """Name a row of which no column is loaded, as after a commit, by its class and primary key."""
    key = state(row, type(row)).get("key")
    parts = key[1] if type(key) is tuple and len(key) > 1 and type(key[1]) is tuple else ()
    texts = [str(part) for part in parts if any(type(part) is one for one in _KEY_TYPES)]
    return f"<{' '.join([called(kind), *texts])}>"


def _treated(own: dict[str, Any], kind: type, special: _Special) -> dict[str, Any]:
    """Return the fields of a record that has hidden, excluded or required private fields."""
    for name in special.on_class:
        own.setdefault(name, nearest(kind, name))
    found = public(own)
    if found:
        found |= {name: own[name] for name in special.required if name in own}
    else:
        found = _all_private(own)
    for name in special.excluded:  # as from `model_dump`
        found.pop(name, None)
    return {name: HIDDEN if name in special.hidden else found[name] for name in found}


def public(own: dict[str, Any]) -> dict[str, Any]:
    """Return the attributes whose names do not begin with an underscore."""
    return {name: item for name, item in own.items() if not name.startswith("_")}


def tuple_names(kind: type) -> tuple[str, ...]:
    """Return the fields of a named tuple; nothing for any other class."""
    names = nearest(kind, "_fields")
    return names if type(names) is tuple and all(type(name) is str for name in names) else ()


def _all_private(own: dict[str, Any]) -> dict[str, Any]:
    """Return the private attributes, without those of Python and pydantic itself."""
    inside = own.get("__pydantic_private__")  # the private attributes of pydantic 2
    own = {**own, **named(inside)} if type(inside) is dict else own
    return {name: item for name, item in own.items() if not name.startswith("__")}


class _Field(NamedTuple):
    """The properties of one field, as its library noted them.

    Attributes:
        required: whether the constructor needs its value.
        hidden: whether it has `repr=False`.
        excluded: whether it has pydantic's `exclude=True`.
        on_class: whether the class holds the value instead of its objects.
    """

    name: str
    required: bool
    hidden: bool = False
    excluded: bool = False
    on_class: bool = False


class _Special(NamedTuple):
    """The names of those fields of a class that need special treatment."""

    required: list[str]  # private ones
    hidden: list[str]
    excluded: list[str]
    on_class: list[str]


@by_class
def _special(kind: type) -> _Special | None:
    """Return the special fields of a class; None if there are none, as in most classes."""
    found = [each for read in _LIBRARIES for each in read(kind) if type(each.name) is str]
    special = _Special(
        [each.name for each in found if each.required and each.name.startswith("_")],
        [each.name for each in found if each.hidden],
        [each.name for each in found if each.excluded],
        [each.name for each in found if each.on_class],
    )
    return special if any(special) else None


def _of_dataclass(kind: type) -> Iterator[_Field]:
    found = nearest(kind, "__dataclass_fields__")
    for name, each in _items(found):
        if type(each) is dataclasses.Field:
            no_default = each.default is dataclasses.MISSING
            required = each.init and no_default and each.default_factory is dataclasses.MISSING
            # A field that `__init__` does not take may have its default only in the class.
            on_class = not each.init and not no_default and nearest(kind, name) is each.default
            yield _Field(name, required, each.repr is False, on_class=on_class)


def _of_attrs(kind: type) -> Iterator[_Field]:
    for each in _sequence(nearest(kind, "__attrs_attrs__")):
        own = state(each, type(each))
        required = own.get("init") is True and qualname(type(own.get("default"))) == "_Nothing"
        yield _Field(own.get("name", ""), required, own.get("repr") is False)


def _of_pydantic(kind: type) -> Iterator[_Field]:
    for noted in ("__pydantic_fields__", "model_fields", "__fields__"):
        for name, each in _items(nearest(kind, noted)):
            own = state(each, type(each))
            about = own.get("field_info")  # pydantic 1
            if about is not None:
                own = state(about, type(about))
            yield _Field(name, False, own.get("repr") is False, own.get("exclude") is True)


def _of_msgspec(kind: type) -> Iterator[_Field]:
    names, defaults = (_of_metaclass(kind, f"__struct_{what}__") for what in ("fields", "defaults"))
    for at, name in enumerate(names):
        yield _Field(name, at < len(names) - len(defaults))


def _of_metaclass(kind: type, name: str) -> tuple[Any, ...]:
    """Return a tuple that a class holds in a slot of its metaclass."""
    member = nearest(type(kind), name)
    return _sequence(member.__get__(kind)) if type(member) is MemberDescriptorType else ()


_LIBRARIES = (_of_dataclass, _of_attrs, _of_pydantic, _of_msgspec)


def _items(found: Any) -> list[tuple[str, Any]]:
    return list(named(found).items()) if type(found) is dict else []


def _sequence(found: Any) -> tuple[Any, ...]:
    return tuple(tuple.__iter__(found)) if issubclass(type(found), tuple) else ()
