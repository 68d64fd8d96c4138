"""What of a call is kept: the lists and functions that its `trace_session` was given, and what is
registered for the types of values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from honeytrace._capture.deferred import Inputs, Kept, as_object, copied
from honeytrace._capture.streams import Items
from honeytrace._config.live import live
from honeytrace._config.pipeline import Pipeline
from honeytrace._session.context import quietly
from honeytrace._session.record import ABSENT, Template
from honeytrace._utils.guard import attempt


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
