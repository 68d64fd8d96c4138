"""The limits of a copied field, and the functions that users register for their types."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

from honeytrace._capture.stdlib_types import mro, qualname

_T = TypeVar("_T")

_MAX_DEPTH_LIMIT = 200  # each level is a recursion


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of the copy of one field. Each cut leaves a note in the data, and its path is listed.

    Attributes:
        chars: the number of characters in all texts together.
        nodes: the number of values in all containers together.
        depth: the number of levels of containers.
        string: the number of characters of one text.
        items: the number of items of one list.
    """

    chars: int = 4 * 2**20
    nodes: int = 20_000
    depth: int = 32
    string: int = 2**20
    items: int = 1_000

    @classmethod
    def of(cls, given: Mapping[str, int]) -> Limits:
        """Return the defaults changed as given, e.g. `{"string": 1000}`. Raises `ValueError`."""
        if not isinstance(given, Mapping):
            raise ValueError(
                f"limits cannot be {given!r}; give a mapping such as {{'string': 1000}}"
            )
        names = asdict(cls())
        for name, value in given.items():
            if name not in names:
                raise ValueError(f"there is no limit {name!r}; the limits are {', '.join(names)}")
            if type(value) is not int or value < 1:
                raise ValueError(f"limits: {name} is {value!r}; it has to be a positive integer")
            if name == "depth" and value > _MAX_DEPTH_LIMIT:
                raise ValueError(f"limits: depth is {value}; it can be {_MAX_DEPTH_LIMIT} at most")
        return cls(**given)


class Rules:
    """The limits of copies, and the functions that users registered."""

    def __init__(self) -> None:
        self.limits = Limits()
        # Keyed by the id of the class, since its metaclass may define a hash. The class is kept,
        # so that no other class gets its id. Each change is one dict operation: no lock needed.
        self._types: dict[int, tuple[type, Callable[[Any], object]]] = {}

    def register(self, kind: type[_T], function: Callable[[_T], object] | None) -> None:
        """From now on copy `function(value)` instead of a value of `kind`.

        It also applies to subclasses. The function of the nearest class is used, before built-in
        ways of copying. A function for `object` applies to values that would otherwise only be
        named. Plain strings, numbers, booleans, dicts, lists, tuples and None stay as they are;
        their subclasses can be registered. Passing None removes a function. Raises `TypeError`.

            honeytrace.register(Document, lambda document: {"id": document.id})
        """
        if not issubclass(type(kind), type):
            raise TypeError(f"register() takes a class first, not {kind!r}")
        if function is None:
            self._types.pop(id(kind), None)
        elif callable(function):
            self._types[id(kind)] = (kind, function)
        else:
            raise TypeError(
                f"register({qualname(kind)}, …) takes a function of one value, or None to "
                f"remove the registered one, not {function!r}"
            )

    def taught(self, kind: type) -> Callable[[Any], object] | None:
        """Return the function registered for this class or a parent, except for `object`."""
        if not self._types:
            return None
        found = (self._types.get(id(parent)) for parent in mro(kind)[:-1])
        return next((entry[1] for entry in found if entry is not None), None)

    def fallback(self) -> Callable[[Any], object] | None:
        entry = self._types.get(id(object))
        return entry and entry[1]


rules = Rules()
"""The rules for copies in this process. Module-level state."""
