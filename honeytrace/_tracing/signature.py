"""Name the arguments of a call after the parameters.

Most of the work is done at decoration: calling `inspect.signature(f).bind` for each call would cost
thirty times as much.
"""

from __future__ import annotations

import inspect
import math
import types
from collections.abc import Callable, Sequence
from inspect import Parameter
from typing import Any

from honeytrace._capture.stdlib_types import qualname
from honeytrace._utils.guard import try_call

Binder = Callable[[tuple[Any, ...], dict[str, Any]], dict[str, Any]]
"""Maps the arguments of a call to `{parameter: value}`; accepts wrong calls too."""

_UNKNOWN = [Parameter("args", Parameter.VAR_POSITIONAL), Parameter("kwargs", Parameter.VAR_KEYWORD)]
_BY_KEYWORD = (Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY)
_NOT_BY_KEYWORD = (Parameter.POSITIONAL_ONLY, Parameter.VAR_POSITIONAL)
_METHODS_IN_C = (types.MethodDescriptorType, types.WrapperDescriptorType)
_BOUND_NAMES = ("self", "cls", "mcs", "mcls", "metacls")


def parameters(function: Callable[..., Any]) -> list[Parameter]:
    """Return the parameters; `*args` and `**kwargs` for a builtin without a signature."""
    signature, _ = try_call(inspect.signature, function)
    return list(signature.parameters.values()) if signature else _UNKNOWN


def is_method(function: Callable[..., Any]) -> bool:
    """Return whether this is defined in a class and its first parameter is called `self` or `cls`.

    A method of a type in C does not count, because its object is an argument like the others.
    """
    if isinstance(function, _METHODS_IN_C):
        return False
    names = list(parameters(function))
    name, _ = try_call(getattr, function, "__qualname__")
    scope = name.rpartition(".")[0] if isinstance(name, str) else ""
    in_class = bool(scope) and not scope.endswith("<locals>")
    return in_class and bool(names) and names[0].name in _BOUND_NAMES


def binder(known: Sequence[Parameter]) -> Binder:
    """Return a function that binds arguments as Python does, with `**kwargs` merged by name."""
    by_position = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)
    names = tuple(each.name for each in known if each.kind in by_position)
    by_keyword = {each.name for each in known if each.kind in _BY_KEYWORD}
    only = {each.name for each in known if each.kind in _NOT_BY_KEYWORD}
    kinds = {each.kind: each.name for each in known}
    rest = kinds.get(Parameter.VAR_POSITIONAL, "args")
    others = kinds.get(Parameter.VAR_KEYWORD, "kwargs")
    # With `**kwargs`, the number of inputs does not show whether defaults are missing.
    omitted = {each.name for each in known if is_omitted(each.default)}
    total = math.inf if Parameter.VAR_KEYWORD in kinds else len(known) - len(omitted)
    # A method of an SDK that marks what was not given means the same by None, as in `extra_body`.
    left_out = (Parameter.empty, None) if omitted else (Parameter.empty,)
    defaults = [
        (each.name, each.default)
        for each in known
        if each.name not in omitted and not any(each.default is value for value in left_out)
    ]
    max_positional = len(names)

    def bind(args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
        inputs = dict(zip(names, args))  # noqa: B905 - lengths may differ; `strict` costs 80 ns
        if len(args) > max_positional:
            inputs[rest] = args[max_positional:]
        if kwargs:
            if only and not only.isdisjoint(kwargs):  # def f(x, /, **kwargs) called f(1, x=2)
                named = {name: kwargs[name] for name in kwargs if name in by_keyword}
                extra = {name: kwargs[name] for name in kwargs if name not in by_keyword}
                kwargs = {**named, others: extra}
            inputs.update(kwargs)
        if len(inputs) < total:
            for name, default in defaults:
                inputs.setdefault(name, default)
        return inputs

    return _without_omitted(bind, defaults) if omitted else bind


def _without_omitted(bind: Binder, defaults: Sequence[tuple[str, object]]) -> Binder:
    """Return a function that binds arguments in the same way, and leaves out omitted ones."""

    def bind_given(args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
        inputs = bind(args, kwargs)
        for name, default in defaults:  # the number of inputs does not show what is missing
            inputs.setdefault(name, default)
        return {name: inputs[name] for name in inputs if not is_omitted(inputs[name])}

    return bind_given


def is_omitted(value: object) -> bool:
    """Return whether this is the object by which an SDK marks an argument that was not given."""
    return qualname(type(value)) in ("NotGiven", "Omit")
