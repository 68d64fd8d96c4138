"""The arguments of a call by the names of the parameters.

What can be known at decoration is done there: `inspect.signature(f).bind` at each call would cost
thirty times as much.
"""

from __future__ import annotations

import inspect
import math
import types
from collections.abc import Callable, Sequence
from inspect import Parameter
from typing import Any

from honeytrace._utils.guard import try_call

Binder = Callable[[tuple[Any, ...], dict[str, Any]], dict[str, Any]]
"""From the arguments of a call to `{parameter: value}`; takes a wrong call as it is."""

_UNTOLD = [Parameter("args", Parameter.VAR_POSITIONAL), Parameter("kwargs", Parameter.VAR_KEYWORD)]
_BY_KEYWORD = (Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY)
_NOT_BY_KEYWORD = (Parameter.POSITIONAL_ONLY, Parameter.VAR_POSITIONAL)
_OF_TYPES = (types.MethodDescriptorType, types.WrapperDescriptorType)
_BOUND = ("self", "cls", "mcs", "mcls", "metacls")


def parameters(function: Callable[..., Any]) -> list[Parameter]:
    """The parameters; of a builtin that does not tell them, `*args` and `**kwargs`."""
    signature, _ = try_call(inspect.signature, function)
    return list(signature.parameters.values()) if signature else _UNTOLD


def is_method(function: Callable[..., Any]) -> bool:
    """Whether this is defined in a class and begins with the bound object, by its usual names.

    A method of a type in C is a function like any other to those who call it by the type.
    """
    if isinstance(function, _OF_TYPES):
        return False
    names = list(parameters(function))
    name, _ = try_call(getattr, function, "__qualname__")
    scope = name.rpartition(".")[0] if isinstance(name, str) else ""
    in_class = bool(scope) and not scope.endswith("<locals>")
    return in_class and bool(names) and names[0].name in _BOUND


def binder(known: Sequence[Parameter]) -> Binder:
    """Binds as Python does: by position, by keyword, defaults, `**kwargs` merged by their names."""
    by_position = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)
    names = tuple(each.name for each in known if each.kind in by_position)
    by_keyword = {each.name for each in known if each.kind in _BY_KEYWORD}
    only = {each.name for each in known if each.kind in _NOT_BY_KEYWORD}
    kinds = {each.kind: each.name for each in known}
    rest = kinds.get(Parameter.VAR_POSITIONAL, "args")
    others = kinds.get(Parameter.VAR_KEYWORD, "kwargs")
    # With `**kwargs`, the number of inputs does not tell whether all defaults are among them.
    total = math.inf if Parameter.VAR_KEYWORD in kinds else len(known)
    defaults = [(each.name, each.default) for each in known if each.default is not Parameter.empty]
    most = len(names)

    def bind(args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
        inputs = dict(zip(names, args))  # noqa: B905 - they may differ, and `strict` costs 80 ns
        if len(args) > most:
            inputs[rest] = args[most:]
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

    return bind
