"""What of a call is kept: the lists and functions that its `trace_session` was given, and what is
registered for the types of values."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from honeytrace._capture import Inputs, Kept, as_object, copied
from honeytrace._config import live
from honeytrace._current import quietly
from honeytrace._faults import attempt
from honeytrace._items import Items
from honeytrace._pipeline import Pipeline
from honeytrace._record import ABSENT, Template
from honeytrace._snapshot import rules

_T = TypeVar("_T")


def chosen_inputs(
    template: Template, pipeline: Pipeline, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Kept:
    """The inputs that are wanted, as `Inputs`, through `process_inputs`."""
    bound = template.bind(args, kwargs)
    config = {name: bound[name] for name in template.config_args if name in bound}
    inputs: Any = {}
    if _first(template.capture_inputs, pipeline.config.capture_inputs):
        inputs = {name: value for name, value in bound.items() if _is_wanted(name, template)}
        if template.process_inputs:
            inputs = _applied(template, "process_inputs", template.process_inputs, inputs)
    inputs, size, cuts = copied(inputs, "inputs")
    config, more, further = copied(config, "config")
    both = [*(cuts or ()), *(further or ())]
    return Inputs(as_object(inputs.value), as_object(config.value)), size + more, both or None


def chosen_outputs(template: Template, pipeline: Pipeline, returned: object) -> object:
    """What a call returned, through `reduce` and `process_outputs`; ABSENT if it is not wanted."""
    if not wants_outputs(template, pipeline):
        return ABSENT
    if template.reduce and type(returned) is Items:
        returned = _applied(template, "reduce", template.reduce, returned.value())
    if template.process_outputs:
        value = returned.value() if type(returned) is Items else returned
        returned = _applied(template, "process_outputs", template.process_outputs, value)
    return returned


def wants_outputs(template: Template, pipeline: Pipeline) -> bool:
    return _first(template.capture_outputs, pipeline.config.capture_outputs)


def _first(given: bool | None, configured: bool) -> bool:
    return configured if given is None else given


def _is_wanted(name: str, template: Template) -> bool:
    # What `**kwargs` takes in has names of its own, and that of the parameter.
    names = {name} if name in template.named or not template.rest else {name, template.rest}
    ignored, only = names.intersection(template.ignore), names.intersection(template.only)
    return not ignored and bool(only or not template.only)


def _applied(template: Template, label: str, function: Callable[[Any], Any], value: Any) -> Any:
    """What a function of the user's makes of a value; a mark if it raises, which is counted."""
    result, fault = attempt(quietly, function, value)
    if fault is None:
        return result
    live.faults.blame(label, template.function or template.name, fault)
    return f"[{label} raised {type(fault).__qualname__}]"


def register(kind: type[_T], function: Callable[[_T], object] | None) -> None:
    """From now on `function(value)` is recorded in place of a value of this type or a subclass.

    The nearest class in the order of inheritance counts. Plain strings, numbers, booleans, dicts,
    lists, tuples and None stay as they are. None takes back what was registered.

        honeytrace.register(Document, lambda document: {"id": document.id})

    It runs on the caller's thread, and nothing that it calls is traced. One that raises costs its
    value, and is counted in `stats().errors`. Raises `TypeError` for what is no class or function.
    """
    rules.register(kind, partial(_registered, function) if callable(function) else function)


def _registered(function: Callable[[Any], object], value: Any) -> object:
    result, fault = attempt(quietly, function, value)
    if result is value:
        fault = ValueError("the function returned the very object that it was given")
    if fault is not None:
        live.faults.blame("register", type(value).__qualname__, fault)
        raise fault
    return result
