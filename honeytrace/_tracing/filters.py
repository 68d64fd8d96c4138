"""Apply the options of a call and the configuration to what is recorded of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from honeytrace._capture.deferred import Encoded, Inputs, Kept, as_object, copied
from honeytrace._capture.streams import is_buffer
from honeytrace._config.live import live
from honeytrace._config.pipeline import Pipeline
from honeytrace._session.context import without_tracing
from honeytrace._session.record import ABSENT, TraceSpec
from honeytrace._utils.guard import try_call


def chosen_inputs(
    spec: TraceSpec, pipeline: Pipeline, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Kept:
    """Return the wanted inputs, after `process_inputs`, as `Inputs`."""
    bound = spec.bind(args, kwargs)
    config = {name: bound[name] for name in spec.config_args if name in bound}
    inputs: Any = {}
    if _first(spec.capture_inputs, pipeline.config.capture_inputs):
        inputs = {name: value for name, value in bound.items() if _is_wanted(name, spec)}
        if spec.process_inputs:
            inputs = _applied(spec, "process_inputs", spec.process_inputs, inputs)
    inputs, size, cuts = copied(inputs, "inputs")
    config, more, further = copied(config, "config")
    both = [*(cuts or ()), *(further or ())]
    return Inputs(as_object(inputs.value), as_object(config.value)), size + more, both or None


def chosen_outputs(spec: TraceSpec, pipeline: Pipeline, returned: object) -> object:
    """Return the outputs after `reduce` and `process_outputs`; ABSENT if they are not wanted."""
    if not wants_outputs(spec, pipeline):
        return ABSENT
    if spec.reduce and is_buffer(returned):
        returned = _applied(spec, "reduce", spec.reduce, returned.value())
    if spec.process_outputs:
        unread = is_buffer(returned) or type(returned) is Encoded
        value = returned.value() if unread else returned  # type: ignore[attr-defined] # both have
        returned = _applied(spec, "process_outputs", spec.process_outputs, value)
    return returned


def wants_outputs(spec: TraceSpec, pipeline: Pipeline) -> bool:
    return _first(spec.capture_outputs, pipeline.config.capture_outputs)


def _first(given: bool | None, configured: bool) -> bool:
    return configured if given is None else given


def _is_wanted(name: str, spec: TraceSpec) -> bool:
    # An argument collected by `**kwargs` can be named by itself or by the parameter.
    names = {name} if name in spec.named or not spec.rest else {name, spec.rest}
    ignored, only = names.intersection(spec.ignore), names.intersection(spec.only)
    return not ignored and bool(only or not spec.only)


def _applied(spec: TraceSpec, label: str, function: Callable[[Any], Any], value: Any) -> Any:
    """Return the result of a user's function; if it raises, a text that says so."""
    result, fault = try_call(without_tracing, function, value)
    if fault is None:
        return result
    live.guard.user_function_failed(label, spec.function or spec.name, fault)
    return f"[{label} raised {type(fault).__qualname__}]"
