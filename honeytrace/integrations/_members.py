"""Find a member of a module by its path, replace it, and put it back."""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from operator import is_
from types import ModuleType
from typing import Any

_FOUND_ON_ACCESS = object()
"""Stands for the value of a name that a module makes on access, in its `__getattr__`."""


@dataclass(frozen=True, slots=True)
class Member:
    """A function, method or class where it is defined or inherited.

    Attributes:
        owner: the module or class whose attribute it is.
        name: the name of the attribute.
        value: the attribute as it stands there, so a `staticmethod` is still one.
        own: False if the owner inherits it, or makes it on access.
    """

    owner: Any
    name: str
    value: Any
    own: bool

    @property
    def in_class(self) -> bool:
        return isinstance(self.owner, type)

    def holds(self, value: object) -> bool:
        """Return whether the attribute is this very object now."""
        return vars(self.owner).get(self.name) is value

    def replace(self, value: object) -> None:
        """Set the attribute to a value. Raises `TypeError` or `AttributeError` if that fails."""
        setattr(self.owner, self.name, value)

    def restore(self) -> None:
        if self.own:
            setattr(self.owner, self.name, self.value)
        else:
            delattr(self.owner, self.name)


def find(module: ModuleType, path: str) -> Member | None:
    """Return the member at a dotted path inside a module; None if there is none."""
    *outer, name = path.split(".")
    owner: Any = module
    for each in outer:
        owner = getattr(owner, each, None)
    own = vars(owner) if hasattr(owner, "__dict__") else {}
    if name in own:
        return Member(owner, name, own[name], own=True)
    value = _inherited(owner, name)
    return None if value is _FOUND_ON_ACCESS else Member(owner, name, value, own=False)


def _inherited(owner: Any, name: str) -> Any:
    if isinstance(owner, type):
        return inspect.getattr_static(owner, name, _FOUND_ON_ACCESS)
    return getattr(owner, name, _FOUND_ON_ACCESS) if owner is not None else _FOUND_ON_ACCESS


def taken(member: Member) -> list[Member]:
    """Return the names by which other modules hold a function, as after `from shop import rank`."""
    found = []
    for module in list(sys.modules.values()):
        # Not `isinstance`: cffi's objects, which have no names, pretend to be modules.
        if not issubclass(type(module), ModuleType) or module is member.owner:
            continue
        names: dict[str, Any] = object.__getattribute__(module, "__dict__")  # loads no lazy module
        if any(map(partial(is_, member.value), list(names.values()))):
            held = [name for name, value in list(names.items()) if value is member.value]
            found += [Member(module, name, member.value, own=True) for name in held]
    return found


def overriding(member: Member, package: str) -> list[Member]:
    """Return the methods by which classes of a package override the one of their base class.

    Another tracer may have put such a method there, around the one that the base class had before.
    """
    seen: set[type] = set()
    waiting: list[type] = [member.owner]
    while waiting:
        below: set[type] = set(type.__subclasses__(waiting.pop())) - seen
        waiting += below
        seen |= below
    return [
        Member(each, member.name, vars(each)[member.name], own=True)
        for each in seen
        if member.name in vars(each) and each.__module__.partition(".")[0] == package
    ]


def as_function(member: Member) -> Any:
    """Return the value of a member in a form that can be traced as a method.

    A wrapper that another library has put on a class may work only if it is looked up on the
    object, as Python does for methods.
    """
    value = member.value
    if not member.in_class or isinstance(value, type) or type(value) in _KNOWN:
        return value
    return _looked_up(value) if hasattr(type(value), "__get__") and callable(value) else value


_KNOWN = (
    type(find),
    staticmethod,
    classmethod,
    property,
    functools.cached_property,
    functools.partialmethod,
)


def _looked_up(value: Any) -> Callable[..., Any]:
    def looked_up(self: Any, *args: Any, **kwargs: Any) -> Any:
        return value.__get__(self, type(self))(*args, **kwargs)

    async def awaited(self: Any, *args: Any, **kwargs: Any) -> Any:
        return await value.__get__(self, type(self))(*args, **kwargs)

    return functools.wraps(value)(awaited if inspect.iscoroutinefunction(value) else looked_up)
