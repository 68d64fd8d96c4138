"""`trace_session`: the context manager, and what it decorates how."""

from __future__ import annotations

import functools
import inspect
import sys
import types
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from types import TracebackType
from typing import Any, TypeVar, cast, overload

from honeytrace import _current, _fixtures, _options, _partial, _variants
from honeytrace._arguments import binder, is_method, parameters
from honeytrace._capture import constant
from honeytrace._config import live
from honeytrace._current import make_current
from honeytrace._faults import attempt
from honeytrace._record import ABSENT, Template
from honeytrace._recorder import Call, begin, end, innermost
from honeytrace._session import NOTHING, ActiveSession
from honeytrace._streams import UNTRACED, close_stream, open_stream

_F = TypeVar(
    "_F",
    bound="Callable[..., Any] | staticmethod[..., Any] | classmethod[Any, ..., Any] | property"
    " | functools.cached_property[Any] | functools.partialmethod[Any]",
)


@overload
def trace_session(function: _F, /) -> _F: ...


@overload
def trace_session(
    name: str | None = None,
    *,
    project: str | None = None,
    source: str | None = None,
    session_id: str | uuid.UUID | None = None,
    inputs: Mapping[str, Any] | None = None,
    config: Mapping[str, Any] | None = None,
    user_properties: Mapping[str, Any] | None = None,
    metrics: Mapping[str, Any] | None = None,
    feedback: Mapping[str, Any] | None = None,
    metadata: Mapping[str, Any] | None = None,
    capture_inputs: bool | None = None,
    capture_outputs: bool | None = None,
    ignore: Iterable[str] = (),
    only: Iterable[str] = (),
    config_args: Iterable[str] = (),
    process_inputs: Callable[[dict[str, Any]], Any] | None = None,
    process_outputs: Callable[[Any], Any] | None = None,
    reduce: Callable[[list[Any]], Any] | None = None,
    ignore_exceptions: type[BaseException] | Iterable[type[BaseException]] = (),
    methods: Iterable[str] = (),
) -> TraceSession: ...


def trace_session(target: Any = None, /, **options: Any) -> Any:
    """Records each call of a function, or a block of code, as a session.

        @trace_session
        def retrieve(question): ...

        @trace_session(name="answer", config_args=("model",))
        async def answer(question, model="gpt-4o"): ...

        with trace_session("pipeline", inputs={"question": question}) as session:
            session.outputs = {"answer": text}

    It decorates functions, coroutine functions, generators and async generators, methods, in either
    order with `staticmethod`, `classmethod`, `property`, `cached_property` and `partialmethod`,
    classes (their public methods, in place), partials and callable objects, and leaves result,
    exception and signature as they are. The inputs are the arguments by name, as they were when the
    call began; the outputs what it returned, under `result` unless that is a mapping. A session
    that starts inside another becomes its child.

    The session of a generator begins with the first step and ends with the last one, an error,
    `close` or collection. Its outputs are the items: texts joined, chunks of OpenAI's and
    Anthropic's streams merged, else the list of the first 1,000.

    Args:
        name: the session's name, which may stand first; else the qualified name of the function.
        project, source: in place of the configured ones.
        session_id: a UUID, for a block only and its first entry; a function makes a new one for
            each call.
        config, user_properties, metrics, feedback, metadata, inputs: mappings that go with every
            session; what is set while it runs wins.
        capture_inputs, capture_outputs: in place of the configured ones; False records none.
        ignore, only: names of parameters that are no inputs; of those that alone are.
        config_args: names of parameters whose values go to `config` too.
        process_inputs: gets the inputs by name and returns those to record.
        process_outputs: gets what was returned and returns what to record.
        reduce: gets the list of the items that a generator yielded, the first 1,000 of them, and
            returns what to record.
        ignore_exceptions: classes of exceptions that are no errors.
        methods: of a class, the names of the methods to trace; else all that are public.

        The three functions run on the caller's thread. One that raises costs its field, not the
        call; `stats().errors` counts it. Nothing that they call is traced.

    Raises:
        TypeError, ValueError: at once, if an argument cannot be used or what it stands above
            cannot be decorated. A traced call raises nothing of ours.
    """
    if isinstance(target, str):
        if "name" in options:
            raise TypeError(f"trace_session({target!r}, name=…) has two names; give one")
        options["name"] = target
    tracer = TraceSession(_options.template(options))
    return tracer if target is None or isinstance(target, str) else tracer(target)


class TraceSession:
    """What `trace_session(...)` returns: a decorator, and a context manager for `with` and
    `async with`. It may be entered again, nested or from several threads and tasks at once; each
    entry is a session of its own, and a `session_id` that was given is that of the first."""

    __slots__ = ("_open", "_template")

    def __init__(self, template: Template) -> None:
        self._template = template
        self._open: list[Call] = []

    def __call__(self, function: _F) -> _F:
        if self._template.session_id is not None:
            raise TypeError(
                "session_id is for `with trace_session(...)`; a decorated function makes a new "
                "one for each call, so leave it out here"
            )
        return cast("_F", _decorate(function, self._template))

    def __enter__(self) -> ActiveSession:
        template = self._template
        if not template.name:
            template = replace(template, name=_scope())
        call = begin(template)
        if call is None:
            return NOTHING
        if template.session_id is not None:  # of one session: a further entry is another
            self._template = replace(self._template, session_id=None)
        self._open.append(call)
        make_current(call)
        return ActiveSession(call)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if not self._open:
            return
        # Usually the innermost of this context; a block may be left in another one, though.
        call = innermost(lambda record: record in self._open) or self._open[-1]
        self._open.remove(cast("Call", call))
        end(call, ABSENT, error)

    async def __aenter__(self) -> ActiveSession:
        return self.__enter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.__exit__(kind, error, trace)


def _scope() -> str:
    """The name of the code that holds the block: its function, or its module."""
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_globals is globals():
        frame = frame.f_back
    name: str = getattr(frame.f_code, "co_qualname", frame.f_code.co_name)
    return (
        name.replace(".<locals>", "")
        if name != "<module>"
        else str(frame.f_globals.get("__name__", "module"))
    )


# ---- Decoration


def _decorate(target: Any, template: Template, skip_first: bool | None = None) -> Any:
    """What stands in for `target`; `skip_first` says whether a function gets a bound object first,
    where that is known."""
    for base, remake in _REMADE:
        if issubclass(type(target), base):  # a proxy only says that it is one
            return remake(target, template)
    if fixture := _fixtures.parts(target):
        declare, function = fixture
        return declare(_decorate(function, template, skip_first))
    if type(target) is functools.partial:
        return _partial_function(target, template)
    if not callable(target):
        raise TypeError(f"trace_session cannot decorate {target!r}; {_advice(target)}")
    method = is_method(target) if skip_first is None else skip_first
    kind = _variants.kind(target)
    named = _named(target, kind, template, method)
    if isinstance(target, types.FunctionType):
        return _variants.for_function(target, kind, method, _given(kind, named))
    # Here, since few need it and wrapt takes longer than all the rest of `import honeytrace`.
    from honeytrace._proxies import TracedObject

    bound = parameters(target)[0].name if method else None
    traced = _variants.for_object(target, kind, bound, _given(kind, named))
    return TracedObject(target, traced, _decorate, template, skip_first)


def _advice(target: Any) -> str:
    if hasattr(type(target), "__get__"):
        return "put @trace_session below it, directly above the function"
    return "it goes above a function, or around a block as `with trace_session('name'):`"


def _static(target: Any, template: Template) -> Any:
    return _like(target, type(target)(_decorate(target.__func__, template, False)))


def _class_method(target: Any, template: Template) -> Any:
    return _like(target, type(target)(_decorate(target.__func__, template, True)))


def _bound_method(target: Any, template: Template) -> Any:
    return types.MethodType(_decorate(target.__func__, template, True), target.__self__)


def _property(target: Any, template: Template) -> Any:
    """A property anew, its getter, setter and deleter traced."""
    parts = (target.fget, target.fset, target.fdel)
    traced = [each and _decorate(each, template, True) for each in parts]
    inherited = target.fget is not None and target.__doc__ == target.fget.__doc__
    return type(target)(*traced, None if inherited else target.__doc__)


def _cached_property(target: Any, template: Template) -> Any:
    anew = type(target)(_decorate(target.func, template, True))
    anew.attrname = target.attrname
    return _like(target, anew)


def _partial_method(target: Any, template: Template) -> Any:
    skip_first = None if isinstance(target.func, (staticmethod, classmethod)) else True
    traced = _decorate(target.func, template, skip_first)
    return _like(target, type(target)(traced, *target.args, **target.keywords))


def _like(target: Any, anew: Any) -> Any:
    """What was set on a descriptor goes on to the one in its place."""
    for name, value in vars(target).items():
        vars(anew).setdefault(name, value)
    return anew


def _partial_function(target: Any, template: Template) -> Any:
    return _partial.traced(target, _decorate(target.func, template), _decorate, template)


def _class(target: type, template: Template) -> type:
    """The class itself, its public methods traced in place, or those that `methods` names."""
    if target.__flags__ & _IMMUTABLE:
        raise TypeError(
            f"trace_session cannot change the class {target.__qualname__}; put it above a "
            "subclass, or above the function that calls it"
        )
    for name in template.methods:
        if not _is_function(vars(target).get(name)):
            raise ValueError(
                f"methods names {name!r}, but {target.__qualname__} defines no such method; "
                "name those that stand in the class itself"
            )
    wanted = template.methods or [name for name in vars(target) if not name.startswith("_")]
    found = {name: vars(target)[name] for name in wanted if _is_function(vars(target)[name])}
    if not found:
        words = "there is no public method to trace in the class %s; name some in methods=(…)"
        live.faults.warn(f"methods of {target.__qualname__}", words, target.__qualname__)
    for name, member in found.items():
        if not is_traced(member):
            setattr(target, name, _decorate(member, _of_method(template, name, member)))
    return target


def _is_function(member: object) -> bool:
    return inspect.isfunction(member) or isinstance(member, (staticmethod, classmethod))


def is_traced(member: Any) -> bool:
    """Whether this function, or the one of this method, is a stand-in of ours."""
    function = getattr(member, "__func__", member)
    return inspect.isfunction(function) and _variants.is_ours(function.__code__)


def _of_method(template: Template, name: str, member: Any) -> Template:
    """What a class was decorated with, as far as it concerns one of its methods."""
    known = {each.name for each in parameters(getattr(member, "__func__", member))}
    ignore, only, config_args = (
        tuple(name for name in names if name in known)
        for names in (template.ignore, template.only, template.config_args)
    )
    nothing = bool(template.only) and not only
    return replace(
        template,
        name=f"{template.name}.{name}" if template.name else "",
        capture_inputs=False if nothing else template.capture_inputs,
        ignore=ignore,
        only=only,
        config_args=config_args,
    )


_IMMUTABLE = 1 << 8
"""Of `__flags__`: the class is defined in C, and nothing can be set on it."""

_REMADE: tuple[tuple[type, Callable[[Any, Template], Any]], ...] = (
    (staticmethod, _static),
    (classmethod, _class_method),
    (types.MethodType, _bound_method),
    (property, _property),
    (functools.cached_property, _cached_property),
    (functools.partialmethod, _partial_method),
    (type, _class),
)


def _given(kind: _variants.Kind, template: Template) -> dict[str, object]:
    """What the function that stands in works with."""
    given: dict[str, object] = {"live": live, "template": template, "put": _current.put}
    given |= {"put_safely": _current.put_safely, "collecting": _current.collecting}
    if kind.streams:
        return {**given, "open": open_stream, "close": close_stream, "untraced": UNTRACED}
    return {**given, "begin": begin, "end": end, "absent": ABSENT}


def _named(target: Any, kind: _variants.Kind, template: Template, method: bool) -> Template:
    """The template with what the function itself tells."""
    module, name = _titles(target)
    known = parameters(target)
    _check_names(name, known, template)
    rest = next((each.name for each in known if each.kind is each.VAR_KEYWORD), None)
    defaults = [each.default for each in known if each.default is not each.empty]
    return replace(
        template,
        named=tuple(each.name for each in known if each.name != rest),
        rest=rest,
        name=template.name or name.replace(".<locals>", ""),
        function=f"{module}.{name}",
        kind=kind.name,
        bind=binder(known[method:]),
        # A default may change until the worker looks at it, unless it is handed on as an argument.
        at_once=not (_variants.is_exact(target) or all(map(constant, defaults))),
    )


def _titles(target: Any) -> tuple[str, str]:
    """The module and the qualified name; those of its type for an object that has none."""
    module, name = (attempt(getattr, target, label)[0] for label in ("__module__", "__qualname__"))
    kind = type(target)
    if not isinstance(name, str):
        return kind.__module__, kind.__qualname__
    return module if isinstance(module, str) else kind.__module__, name


def _check_names(function: str, known: list[inspect.Parameter], template: Template) -> None:
    """Names that are no parameters are a slip."""
    names = sorted(each.name for each in known)
    if any(each.kind is each.VAR_KEYWORD for each in known):
        return
    for label in ("config_args", "ignore", "only"):
        for name in getattr(template, label):
            if name not in names:
                raise ValueError(
                    f"{label} names {name!r}, but {function}() has no such parameter; "
                    f"it has {', '.join(names) or 'none'}"
                )
