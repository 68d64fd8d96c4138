"""Replace the target of `trace_session` by a traced stand-in."""

from __future__ import annotations

import contextlib
import functools
import inspect
import sys
import types
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from honeytrace._capture.deferred import constant
from honeytrace._capture.exceptions import is_ours
from honeytrace._session.record import TraceSpec
from honeytrace._tracing import wrappers
from honeytrace._tracing.classes import methods_to_trace, spec_of_method
from honeytrace._tracing.runtime import RUNTIME
from honeytrace._tracing.signature import binder, is_method, parameters
from honeytrace._tracing.templates import Kind
from honeytrace._utils import pytest_compat
from honeytrace._utils.guard import try_call

_Plain: Any = functools.partial  # generic for type checkers alone


class TracedPartial(_Plain):  # type: ignore[misc] # see _Plain
    __slots__ = ("_again",)

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        """Copy or pickle the plain partial, and trace the copy again."""
        again, *how = self._again
        return again, tuple(how)

    def __repr__(self) -> str:
        return repr(functools.partial(self.func, *self.args, **self.keywords))


# It looks like a plain partial; pickles do not name the class.
for _label in ("__name__", "__qualname__", "__module__", "__doc__"):
    setattr(TracedPartial, _label, getattr(_Plain, _label))


def traced_partial(target: Any, function: Any, again: Callable[..., Any], *how: Any) -> Any:
    """Return the partial `target` with this function in it.

    Copies are made by calling `again(target, *how)`, which traces a partial.
    """
    made = TracedPartial(function, *target.args, **target.keywords)
    made.__dict__.update(target.__dict__)
    made._again = (again, target, *how)
    return made


def decorate(target: Any, spec: TraceSpec, skip_first: bool | None = None) -> Any:
    """Return the stand-in for `target`.

    `skip_first` says whether the first argument of a function is the bound object; None means
    unknown.
    """
    for base, remake in _REMADE:
        if issubclass(type(target), base):  # `isinstance` believes what a proxy says
            return remake(target, spec)
    if fixture := pytest_compat.fixture_parts(target):
        declare, function = fixture
        return declare(decorate(function, spec, skip_first))
    if manager := _manager_parts(target):
        declare, function = manager
        return _like(target, declare(decorate(function, spec, skip_first)))
    # A partial of a class is an object that is called: to trace the class would change it for all.
    if type(target) is functools.partial and not isinstance(target.func, type):
        return _partial_function(target, spec)
    if not callable(target):
        raise TypeError(f"trace_session cannot decorate {target!r}; {_advice(target)}")
    method = is_method(target) if skip_first is None else skip_first
    kind = wrappers.kind(target)
    named = _named(target, kind, spec, method)
    if isinstance(target, types.FunctionType):
        return wrappers.for_function(target, kind, method, _given(kind, named))
    # Imported here because few need it and wrapt takes longer than the rest of `import honeytrace`.
    from honeytrace._tracing.callable_objects import TracedObject

    bound = parameters(target)[0].name if method else None
    traced, method_call = wrappers.for_object(target, kind, bound, _given(kind, named))
    made = TracedObject(target, traced, decorate, spec, skip_first)
    if method_call is not None:
        made._self_show_call(method_call)
    return made


def _advice(target: Any) -> str:
    if hasattr(type(target), "__get__"):
        return "put @trace_session below it, directly above the function"
    return "put it directly above a def, or around a block as `with trace_session('name'):`"


def _manager_parts(target: Any) -> tuple[Callable[[Any], Any], Any] | None:
    """Return contextlib's decorator and the generator function that it made a manager of.

    The call of the manager only makes an object. What the session is about happens in the steps of
    the generator.
    """
    if type(target) is types.FunctionType:
        for declare, code in _MANAGERS:
            if target.__code__ is code and "__wrapped__" in vars(target):
                return declare, vars(target)["__wrapped__"]
    return None


_MANAGERS: list[tuple[Callable[[Any], Any], types.CodeType]] = [
    (declare, declare(decorate).__code__)
    for declare in (contextlib.contextmanager, contextlib.asynccontextmanager)
]


def _static(target: Any, spec: TraceSpec) -> Any:
    return _like(target, type(target)(decorate(target.__func__, spec, False)))


def _class_method(target: Any, spec: TraceSpec) -> Any:
    return _like(target, type(target)(decorate(target.__func__, spec, True)))


def _bound_method(target: Any, spec: TraceSpec) -> Any:
    return types.MethodType(decorate(target.__func__, spec, True), target.__self__)


def _property(target: Any, spec: TraceSpec) -> Any:
    """Return a new property whose getter, setter and deleter are traced."""
    parts = (target.fget, target.fset, target.fdel)
    traced = [each and decorate(each, spec, True) for each in parts]
    inherited = target.fget is not None and target.__doc__ == target.fget.__doc__
    return type(target)(*traced, None if inherited else target.__doc__)


def _cached_property(target: Any, spec: TraceSpec) -> Any:
    traced = type(target)(decorate(target.func, spec, True))
    traced.attrname = target.attrname
    return _like(target, traced)


def _partial_method(target: Any, spec: TraceSpec) -> Any:
    skip_first = None if isinstance(target.func, (staticmethod, classmethod)) else True
    traced = decorate(target.func, spec, skip_first)
    return _like(target, type(target)(traced, *target.args, **target.keywords))


def _like(target: Any, traced: Any) -> Any:
    """Copy the attributes of a descriptor to the one that replaces it."""
    for name, value in vars(target).items():
        vars(traced).setdefault(name, value)
    return traced


def _partial_function(target: Any, spec: TraceSpec) -> Any:
    return traced_partial(target, decorate(target.func, spec), decorate, spec)


def _class(target: type, spec: TraceSpec) -> type:
    """Trace methods of a class in place and return the class itself."""
    for name, member in methods_to_trace(target, spec.methods).items():
        if not is_traced(member):
            setattr(target, name, decorate(member, spec_of_method(spec, name, member)))
    return target


def is_traced(member: Any) -> bool:
    """Return whether this function, or the function of this method, is a stand-in."""
    function = getattr(member, "__func__", member)
    if manager := _manager_parts(function):
        function = manager[1]
    return inspect.isfunction(function) and is_ours(function.__code__)


_REMADE: tuple[tuple[type, Callable[[Any, TraceSpec], Any]], ...] = (
    (staticmethod, _static),
    (classmethod, _class_method),
    (types.MethodType, _bound_method),
    (property, _property),
    (functools.cached_property, _cached_property),
    (functools.partialmethod, _partial_method),
    (type, _class),
)


def _given(kind: Kind, spec: TraceSpec) -> dict[str, object]:
    """Return the values that the source text of the stand-in uses."""
    given: dict[str, object] = {"runtime": RUNTIME, "spec": spec}
    return {**given, "in_tests": "_pytest.fixtures" in sys.modules} if kind.streams else given


def _named(target: Any, kind: Kind, spec: TraceSpec, method: bool) -> TraceSpec:
    """Return the spec completed by the names and parameters of the function."""
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
        ignore_exceptions=(*spec.ignore_exceptions, *_ENDS.get(name.rpartition(".")[2], ())),
        # A default may change until the worker reads it, unless it is passed on as an argument.
        at_once=not (wrappers.is_exact(target) or all(map(constant, defaults))),
    )


_ENDS: dict[str, tuple[type[Exception], ...]] = {
    "__next__": (StopIteration,),
    "__anext__": (StopAsyncIteration,),
}
"""The exceptions by which methods say that there are no more items, which is not an error."""


def _titles(target: Any) -> tuple[str, str]:
    """Return the module and qualified name of an object, or of its type if it has none."""
    if type(target) is functools.partial:
        target = target.func
    module, name = (try_call(getattr, target, label)[0] for label in ("__module__", "__qualname__"))
    kind = type(target)
    if not isinstance(name, str):
        return kind.__module__, kind.__qualname__
    return module if isinstance(module, str) else kind.__module__, name


def _check_names(function: str, known: list[inspect.Parameter], spec: TraceSpec) -> None:
    """Raise ValueError for names that are not parameters."""
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
