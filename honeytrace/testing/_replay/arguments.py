"""Turn the inputs of a recorded session back into the arguments of a call."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from functools import partial
from inspect import Parameter, signature
from typing import Any

from honeytrace._session.session import Session, about, title_of
from honeytrace._tracing.signature import parameters
from honeytrace._utils.guard import try_call
from honeytrace._utils.json import Json
from honeytrace._utils.text import listed
from honeytrace.testing._replay.deserialize import rebuilt
from honeytrace.testing._replay.losses import losses

__tracebackhide__ = True  # pytest shows the line of the test, not ours

Arguments = tuple[list[Any], dict[str, Any]]
"""Positional and keyword arguments: `function(*arguments[0], **arguments[1])`."""

_ANYWHERE = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)
_NOT_BY_KEYWORD = (Parameter.POSITIONAL_ONLY, Parameter.VAR_POSITIONAL)
_STARS = (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD)
_INSTEAD = "give dataclasses.replace(session, inputs={…}) with your own inputs"


def rebind(session: Session, function: Callable[..., Any]) -> Arguments:
    """Return the arguments that give `function` the inputs of the session.

    Raises `ValueError` if the inputs are not complete, or do not fit the parameters.
    """
    _refuse(session, list(map(str, losses(session, "inputs"))))
    if about(session).get("stream", {}).get("completed") is False and not session.error:
        raise ValueError(
            f"{title_of(session)} cannot be replayed: its stream was not read to the end, "
            "so its outputs are incomplete; choose a session whose stream was"
        )
    known = _parameters(function)
    return _bound(session, known, _inputs(session, known))


def _refuse(session: Session, lost: list[str]) -> None:
    if lost:
        raise ValueError(
            f"{title_of(session)} cannot be called again with what was recorded: "
            f"{listed(lost)}; {_INSTEAD}"
        )


def _parameters(function: Callable[..., Any]) -> list[Parameter]:
    """Return the parameters, with string annotations evaluated if all of them can be."""
    found, _ = try_call(partial(signature, eval_str=True), function)
    return list(found.parameters.values()) if found else parameters(function)


def _inputs(session: Session, known: list[Parameter]) -> Json:
    """Return a copy of the inputs, converted to the annotated types.

    A copy, because the function may change what it gets.
    """
    kinds = {each.name: _kind(each) for each in known}
    others = next((each.annotation for each in known if each.kind is Parameter.VAR_KEYWORD), Any)
    tried = {
        name: try_call(rebuilt, f"inputs.{name}", value, kinds.get(name, others))
        for name, value in deepcopy(session.inputs).items()
    }
    _refuse(session, [str(fault) for _, fault in tried.values() if fault])
    return {name: value for name, (value, _) in tried.items()}


def _kind(parameter: Parameter) -> Any:
    if parameter.kind is Parameter.VAR_POSITIONAL:
        return list[parameter.annotation]  # type: ignore[name-defined] # known at run time alone
    return Any if parameter.kind is Parameter.VAR_KEYWORD else parameter.annotation


def _bound(session: Session, known: list[Parameter], left: Json) -> Arguments:
    """Undo what `_tracing.signature.binder` does."""
    stars = {each.kind: each.name for each in known if each.kind in _STARS}
    rest = _items(left, stars.get(Parameter.VAR_POSITIONAL))
    args: list[Any] = []
    kwargs: dict[str, Any] = {}
    missing = []
    for each in known:
        by_position = each.kind is Parameter.POSITIONAL_ONLY or (rest and each.kind in _ANYWHERE)
        if each.kind in _STARS:
            continue
        if each.name not in left and each.default is Parameter.empty:
            missing.append(each.name)
        elif by_position:
            args.append(left.pop(each.name, each.default))
        elif each.name in left:
            kwargs[each.name] = left.pop(each.name)
    if Parameter.VAR_KEYWORD in stars:
        only = {each.name for each in known if each.kind in _NOT_BY_KEYWORD}
        kwargs |= _others(left, stars[Parameter.VAR_KEYWORD], only)
        left = {}
    if missing or left:
        raise ValueError(f"{_unfit(session, missing, list(left))}; {_INSTEAD}")
    return [*args, *rest], kwargs


def _items(left: Json, name: str | None) -> list[Any]:
    """Take out the `*args`. A value that is not a list belonged to another parameter, and stays."""
    if name is None or not isinstance(left.get(name), list):
        return []
    items: list[Any] = left.pop(name)
    return items


def _others(left: Json, name: str, only: set[str]) -> Json:
    """Return the `**kwargs`.

    They are nested under their own name if one of them has the name of a positional-only
    parameter: `def f(x, /, **kwargs)` called as `f(1, x=2)`.
    """
    nested = left.get(name)
    if isinstance(nested, dict) and not only.isdisjoint(nested):
        return {key: value for key, value in left.items() if key != name} | nested
    return left


def _unfit(session: Session, missing: list[str], left: list[str]) -> str:
    parts = []
    if left:
        parts.append(f"it has no parameter {', '.join(map(repr, left))}, which the call had")
    if missing:
        parts.append(f"it needs {', '.join(map(repr, missing))}, which the session does not have")
    return f"{title_of(session)} does not fit the function: {', and '.join(parts)}"
