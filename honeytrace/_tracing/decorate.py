"""Put a traced stand-in in the place of whatever `trace_session` is applied to."""

from __future__ import annotations

import functools
import inspect
import types
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from honeytrace._capture.deferred import constant
from honeytrace._capture.exceptions import is_ours
from honeytrace._config.live import live
from honeytrace._session import context
from honeytrace._session.record import ABSENT, TraceSpec
from honeytrace._tracing import wrappers
from honeytrace._tracing.generators import UNTRACED, close_stream, open_stream
from honeytrace._tracing.recorder import begin, end
from honeytrace._tracing.signature import binder, is_method, parameters
from honeytrace._utils import pytest_compat
from honeytrace._utils.guard import try_call

_Plain: Any = functools.partial  # generic for type checkers alone


class TracedPartial(_Plain):  # type: ignore[misc] # see _Plain
    __slots__ = ("_again",)

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        """Copies and pickles are those of the plain partial, traced again."""
        again, *how = self._again
        return again, tuple(how)

    def __repr__(self) -> str:
        return repr(functools.partial(self.func, *self.args, **self.keywords))


# So it shows as what it is; pickles do not name the class.
for _label in ("__name__", "__qualname__", "__module__", "__doc__"):
    setattr(TracedPartial, _label, getattr(_Plain, _label))


def traced_partial(target: Any, function: Any, again: Callable[..., Any], *how: Any) -> Any:
    """What the partial `target` is, but with this function; `again(target, *how)` traces it."""
    made = TracedPartial(function, *target.args, **target.keywords)
    made.__dict__.update(target.__dict__)
    made._again = (again, target, *how)
    return made


def decorate(target: Any, spec: TraceSpec, skip_first: bool | None = None) -> Any:
    """What stands in for `target`; `skip_first` says whether a function gets a bound object first,
    where that is known."""
    for base, remake in _REMADE:
        if issubclass(type(target), base):  # a proxy only says that it is one
            return remake(target, spec)
    if fixture := pytest_compat.fixture_parts(target):
        declare, function = fixture
        return declare(decorate(function, spec, skip_first))
    if type(target) is functools.partial:
        return _partial_function(target, spec)
    if not callable(target):
        raise TypeError(f"trace_session cannot decorate {target!r}; {_advice(target)}")
    method = is_method(target) if skip_first is None else skip_first
    kind = wrappers.kind(target)
    named = _named(target, kind, spec, method)
    if isinstance(target, types.FunctionType):
        return wrappers.for_function(target, kind, method, _given(kind, named))
    # Here, since few need it and wrapt takes longer than all the rest of `import honeytrace`.
    from honeytrace._tracing.callable_objects import TracedObject

    bound = parameters(target)[0].name if method else None
    traced = wrappers.for_object(target, kind, bound, _given(kind, named))
    return TracedObject(target, traced, decorate, spec, skip_first)


def _advice(target: Any) -> str:
    if hasattr(type(target), "__get__"):
        return "put @trace_session below it, directly above the function"
    return "it goes above a function, or around a block as `with trace_session('name'):`"


def _static(target: Any, spec: TraceSpec) -> Any:
    return _like(target, type(target)(decorate(target.__func__, spec, False)))


def _class_method(target: Any, spec: TraceSpec) -> Any:
    return _like(target, type(target)(decorate(target.__func__, spec, True)))


def _bound_method(target: Any, spec: TraceSpec) -> Any:
    return types.MethodType(decorate(target.__func__, spec, True), target.__self__)


def _property(target: Any, spec: TraceSpec) -> Any:
    """A property anew, its getter, setter and deleter traced."""
    parts = (target.fget, target.fset, target.fdel)
    traced = [each and decorate(each, spec, True) for each in parts]
    inherited = target.fget is not None and target.__doc__ == target.fget.__doc__
    return type(target)(*traced, None if inherited else target.__doc__)


def _cached_property(target: Any, spec: TraceSpec) -> Any:
    anew = type(target)(decorate(target.func, spec, True))
    anew.attrname = target.attrname
    return _like(target, anew)


def _partial_method(target: Any, spec: TraceSpec) -> Any:
    skip_first = None if isinstance(target.func, (staticmethod, classmethod)) else True
    traced = decorate(target.func, spec, skip_first)
    return _like(target, type(target)(traced, *target.args, **target.keywords))


def _like(target: Any, anew: Any) -> Any:
    """What was set on a descriptor goes on to the one in its place."""
    for name, value in vars(target).items():
        vars(anew).setdefault(name, value)
    return anew


def _partial_function(target: Any, spec: TraceSpec) -> Any:
    return traced_partial(target, decorate(target.func, spec), decorate, spec)


def _class(target: type, spec: TraceSpec) -> type:
    """The class itself, its public methods traced in place, or those that `methods` names."""
    if target.__flags__ & _IMMUTABLE:
        raise TypeError(
            f"trace_session cannot change the class {target.__qualname__}; put it above a "
            "subclass, or above the function that calls it"
        )
    for name in spec.methods:
        if not _is_function(vars(target).get(name)):
            raise ValueError(
                f"methods names {name!r}, but {target.__qualname__} defines no such method; "
                "name those that stand in the class itself"
            )
    wanted = spec.methods or [name for name in vars(target) if not name.startswith("_")]
    found = {name: vars(target)[name] for name in wanted if _is_function(vars(target)[name])}
    if not found:
        words = "there is no public method to trace in the class %s; name some in methods=(…)"
        live.guard.warn(f"methods of {target.__qualname__}", words, target.__qualname__)
    for name, member in found.items():
        if not is_traced(member):
            setattr(target, name, decorate(member, _of_method(spec, name, member)))
    return target


def _is_function(member: object) -> bool:
    return inspect.isfunction(member) or isinstance(member, (staticmethod, classmethod))


def is_traced(member: Any) -> bool:
    """Whether this function, or the one of this method, is a stand-in of ours."""
    function = getattr(member, "__func__", member)
    return inspect.isfunction(function) and is_ours(function.__code__)


def _of_method(spec: TraceSpec, name: str, member: Any) -> TraceSpec:
    """What a class was decorated with, as far as it concerns one of its methods."""
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


_IMMUTABLE = 1 << 8
"""Of `__flags__`: the class is defined in C, and nothing can be set on it."""
_REMADE: tuple[tuple[type, Callable[[Any, TraceSpec], Any]], ...] = (
    (staticmethod, _static),
    (classmethod, _class_method),
    (types.MethodType, _bound_method),
    (property, _property),
    (functools.cached_property, _cached_property),
    (functools.partialmethod, _partial_method),
    (type, _class),
)


def _given(kind: wrappers.Kind, spec: TraceSpec) -> dict[str, object]:
    """What the function that stands in works with."""
    given: dict[str, object] = {"live": live, "spec": spec, "put": context.put}
    given |= {"put_safely": context.put_safely, "collecting": context.collecting}
    if kind.streams:
        return {**given, "open": open_stream, "close": close_stream, "untraced": UNTRACED}
    return {**given, "begin": begin, "end": end, "absent": ABSENT}


def _named(target: Any, kind: wrappers.Kind, spec: TraceSpec, method: bool) -> TraceSpec:
    """The spec with what the function itself tells."""
    module, name = _titles(target)
    known = parameters(target)
    _check_names(name, known, spec)
    rest = next((each.name for each in known if each.kind is each.VAR_KEYWORD), None)
    defaults = [each.default for each in known if each.default is not each.empty]
    return replace(
        spec,
        named=tuple(each.name for each in known if each.name != rest),
        rest=rest,
        name=spec.name or name.replace(".<locals>", ""),
        function=f"{module}.{name}",
        kind=kind.name,
        bind=binder(known[method:]),
        # A default may change until the worker looks at it, unless it is handed on as an argument.
        at_once=not (wrappers.is_exact(target) or all(map(constant, defaults))),
    )


def _titles(target: Any) -> tuple[str, str]:
    """The module and the qualified name; those of its type for an object that has none."""
    module, name = (try_call(getattr, target, label)[0] for label in ("__module__", "__qualname__"))
    kind = type(target)
    if not isinstance(name, str):
        return kind.__module__, kind.__qualname__
    return module if isinstance(module, str) else kind.__module__, name


def _check_names(function: str, known: list[inspect.Parameter], spec: TraceSpec) -> None:
    """Names that are no parameters are a slip."""
    names = sorted(each.name for each in known)
    if any(each.kind is each.VAR_KEYWORD for each in known):
        return
    for label in ("config_args", "ignore", "only"):
        for name in getattr(spec, label):
            if name not in names:
                raise ValueError(
                    f"{label} names {name!r}, but {function}() has no such parameter; "
                    f"it has {', '.join(names) or 'none'}"
                )
