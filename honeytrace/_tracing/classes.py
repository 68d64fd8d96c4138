"""Select the methods of a decorated class to trace, and their options."""

from __future__ import annotations

import inspect
import types
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from honeytrace._config.live import live
from honeytrace._session.record import TraceSpec
from honeytrace._tracing.signature import parameters
from honeytrace._utils.guard import try_call

_IMMUTABLE = 1 << 8
"""The bit of `__flags__` that is set for classes defined in C, which cannot be changed."""


def methods_to_trace(target: type, names: tuple[str, ...]) -> dict[str, Any]:
    """Return the named methods of a class, or else the public ones that its body defines.

    Raises:
        TypeError: if the class cannot be changed.
        ValueError: if the class itself does not define one of the names.
    """
    if target.__flags__ & _IMMUTABLE:
        raise TypeError(
            f"trace_session cannot change the class {target.__qualname__}; put it above a "
            "subclass, or above the function that calls it"
        )
    members = vars(target)
    for name in names:
        if not _is_method(members.get(name)):
            raise ValueError(
                f"methods names {name!r}, but {target.__qualname__} defines no such method; "
                "name methods that the class itself defines"
            )
    wanted = names or [name for name, member in members.items() if _is_public(name, member, target)]
    if not wanted:
        words = "the class %s has no public method to trace; name some in methods=(…)"
        live.guard.warn(f"methods of {target.__qualname__}", words, target.__qualname__)
    return {name: members[name] for name in wanted}


def _is_method(member: object) -> bool:
    return inspect.isfunction(member) or isinstance(member, (staticmethod, classmethod))


def _is_public(name: str, member: Any, owner: type) -> bool:
    return not name.startswith("_") and _is_method(member) and _is_own(member, owner)


def _is_own(member: Any, owner: type) -> bool:
    """Return whether the user wrote this method in the class body.

    Metaclasses and class decorators add methods too, as pydantic does for private attributes. Those
    come from another module and wrap no function of the class.
    """
    scope = f"{owner.__qualname__}."
    for function in _functions_in(getattr(member, "__func__", member)):
        module, name = (
            try_call(getattr, function, label)[0] for label in ("__module__", "__qualname__")
        )
        if module == owner.__module__ or str(name).startswith(scope):
            return True
    return False


def _functions_in(function: Any) -> Iterator[Any]:
    """Yield a function and those that it wraps, with or without `functools.wraps`."""
    waiting, known = [function], set[int]()
    while waiting:
        each = waiting.pop()
        if id(each) in known:
            continue
        known.add(id(each))
        yield each
        if type(each) is types.FunctionType:
            contents = [
                try_call(getattr, cell, "cell_contents")[0] for cell in each.__closure__ or ()
            ]
            inside = [*contents, vars(each).get("__wrapped__")]
            waiting += [one for one in inside if type(one) is types.FunctionType]


def spec_of_method(spec: TraceSpec, name: str, member: Any) -> TraceSpec:
    """Return the options of a class that apply to one of its methods."""
    known = {each.name for each in parameters(getattr(member, "__func__", member))}
    ignore, only, config_args = (
        tuple(name for name in names if name in known)
        for names in (spec.ignore, spec.only, spec.config_args)
    )
    nothing = bool(spec.only) and not only
    return replace(
        spec,
        name=f"{spec.name}.{name}" if spec.name else "",
        capture_inputs=False if nothing else spec.capture_inputs,
        ignore=ignore,
        only=only,
        config_args=config_args,
    )
