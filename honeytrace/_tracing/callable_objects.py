"""Traced objects that must stay what they are: callable objects and cached functions."""

from __future__ import annotations

import copy
import inspect
import sys
import types
from collections.abc import Callable
from operator import attrgetter
from typing import Any

import wrapt

from honeytrace._utils.guard import try_call

# Without wrapt's C extension there is no such descriptor, and wrapt copies the annotations.
_ANNOTATIONS: Any = vars(wrapt.FunctionWrapper.__mro__[-2]).get("__annotations__") or property(
    attrgetter("__wrapped__.__annotations__"), lambda *_: None
)


# wrapt is typed from 2.0 on
class TracedObject(wrapt.FunctionWrapper):  # type: ignore[misc, type-arg, unused-ignore]
    """Behaves like the object, except that calls go to `traced(object, None, args, kwargs)`.

    A copy or pickle holds a copy of the object, which `again(object, *how)` traces again.
    """

    # Without this, code that reads the annotations of the class, as `isinstance` does for a
    # protocol, would hide the object's annotations behind an empty dict.
    __annotations__ = _ANNOTATIONS

    def __init__(
        self, target: Any, traced: Callable[..., Any], again: Callable[..., Any], *how: Any
    ) -> None:
        super().__init__(target, traced)
        self._self_again = again
        self._self_how = how

    def _self_show_call(self, call: types.MethodType) -> None:
        """Show this method as the object's own `__call__`, by which servers tell the kind."""
        super().__setattr__("__call__", call)

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        """Return the traced method, for an object that is a descriptor.

        A cached function becomes a method. Other descriptors return an object of their own, which
        is traced if it can be called.
        """
        target = self.__wrapped__
        if not hasattr(type(target), "__get__"):
            return self
        bound = target.__get__(instance, owner)
        if bound is target:
            return self
        if type(bound) is types.MethodType and bound.__func__ is target:
            return types.MethodType(self, bound.__self__)
        return self._self_again(bound, *self._self_how) if callable(bound) else bound

    def __set_name__(self, owner: type, name: str) -> None:
        target: Any = self.__wrapped__
        if hasattr(type(target), "__set_name__"):
            target.__set_name__(owner, name)

    @property
    def __signature__(self) -> inspect.Signature:
        """Return the signature of `__call__`, for code that does not follow `__wrapped__`."""
        target = self.__wrapped__
        if not inspect.isfunction(type(target).__call__):
            raise AttributeError("__signature__")
        return inspect.signature(target)

    def __repr__(self) -> str:
        return repr(self.__wrapped__)

    def __copy__(self) -> Any:
        return self._self_like(copy.copy(self.__wrapped__))

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        return self._self_like(copy.deepcopy(self.__wrapped__, memo))

    def __reduce_ex__(self, protocol: Any) -> Any:
        name = _global_name(self)
        if name is not None:  # as a function is; what comes back is the traced object itself
            return name
        reduced = self.__wrapped__.__reduce_ex__(protocol)
        if isinstance(reduced, str):  # pickled by name, which now leads to the traced object
            return reduced
        return self._self_again, (self.__wrapped__, *self._self_how)

    def __reduce__(self) -> Any:
        return self.__reduce_ex__(0)

    def _self_like(self, other: Any) -> Any:
        return self if other is self.__wrapped__ else self._self_again(other, *self._self_how)


def _global_name(traced: TracedObject) -> str | None:
    """Return the name by which a module that others can import knows the object."""
    name, home = (try_call(getattr, traced, each)[0] for each in ("__qualname__", "__module__"))
    if type(name) is not str or type(home) is not str or home == "__main__":
        return None
    return name if try_call(attrgetter(name), sys.modules.get(home))[0] is traced else None
