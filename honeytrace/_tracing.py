"""`trace_session`: what may be decorated, and the variant that is picked for it, once."""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from types import TracebackType
from typing import Any, NoReturn, TypeVar, cast, overload

from honeytrace._arguments import binder, is_method, parameters
from honeytrace._capture import constant
from honeytrace._config import live
from honeytrace._faults import attempt
from honeytrace._recorder import Call, begin, end, innermost, make_current
from honeytrace._session import ABSENT, NOTHING, OBJECTS, ActiveSession, Json, Template
from honeytrace._snapshot import Snapshot
from honeytrace._wire import is_uuid

_F = TypeVar("_F", bound="Callable[..., Any] | staticmethod[..., Any] | classmethod[Any, ..., Any]")


@overload
def trace_session(function: _F, /) -> _F: ...


@overload
def trace_session(
    name: str | None = None,
    *,
    project: str | None = None,
    source: str | None = None,
    session_id: str | None = None,
    inputs: Mapping[str, Any] | None = None,
    config: Mapping[str, Any] | None = None,
    user_properties: Mapping[str, Any] | None = None,
    metrics: Mapping[str, Any] | None = None,
    feedback: Mapping[str, Any] | None = None,
    metadata: Mapping[str, Any] | None = None,
    config_args: Iterable[str] = (),
) -> TraceSession: ...


def trace_session(
    name: Any = None,
    *,
    project: str | None = None,
    source: str | None = None,
    session_id: str | None = None,
    config_args: Iterable[str] = (),
    **objects: Any,
) -> Any:
    """Records each call of a function, or a block of code, as a session.

        @trace_session
        def retrieve(question): ...

        @trace_session(name="answer", config_args=("model",))
        async def answer(question, model="gpt-4o"): ...

        with trace_session("pipeline", inputs={"question": question}) as session:
            session.outputs = {"answer": text}

    It decorates functions, coroutine functions, methods (above or below `staticmethod` and
    `classmethod`), partials and callable objects, and leaves result, exception and signature as
    they are. The inputs are the arguments by name, as they were when the call began; the outputs
    what it returned, under `result` unless that is a mapping. A session that starts inside
    another becomes its child.

    Args:
        name: the session's name; else the qualified name of the function.
        project, source: in place of the configured ones.
        session_id: a UUID, for a block only; a function makes a new one for each call.
        config, user_properties, metrics, feedback, metadata, inputs: mappings that go with every
            session; what is set while it runs wins.
        config_args: names of parameters whose values go to `config` too.

    Raises:
        TypeError, ValueError: at once, if an argument cannot be used or what it stands above
            cannot be decorated. A traced call raises nothing of ours.
    """
    if name is not None and not isinstance(name, str):
        return _decorate(name, Template(name=""))
    texts = {"name": name, "project": project, "source": source}
    for label, value in texts.items():
        if value is not None and (not isinstance(value, str) or not value.strip()):
            _refuse(label, value, "a string that is not empty", isinstance(value, str))
    if session_id is not None and not is_uuid(session_id):
        _refuse("session_id", session_id, "a UUID such as str(uuid.uuid4())", True)
    chosen = Template(
        name=name or "",
        project=project,
        source=source,
        session_id=session_id.lower() if session_id else None,
        fields=_fields(objects),
        config_args=_names(config_args),
    )
    return TraceSession(chosen)


def _fields(objects: Mapping[str, Any]) -> dict[str, Json]:
    """Copies of the mappings that were given."""
    fields: dict[str, Json] = {}
    for label, value in objects.items():
        if label not in OBJECTS:
            raise TypeError(
                f"trace_session() has no argument {label!r}; it takes name, project, source, "
                f"session_id, config_args, {', '.join(OBJECTS)}"
            )
        if value is None:
            continue
        given = attempt(_dict, value)[0] if isinstance(value, Mapping) else None
        if given is None:
            _refuse(label, value, "a mapping such as {'key': 'value'}")
        fields[label] = Snapshot().take(given, label)
    return fields


def _dict(value: Mapping[str, Any]) -> Json:
    return dict(value)


def _names(config_args: Iterable[str]) -> tuple[str, ...]:
    known = isinstance(config_args, (tuple, list, set, frozenset))
    if not known or not all(isinstance(name, str) for name in config_args):
        _refuse("config_args", config_args, "a tuple of parameter names such as ('model',)")
    return tuple(config_args)


def _refuse(label: str, value: object, wanted: str, right_type: bool = False) -> NoReturn:
    error = ValueError if right_type else TypeError
    raise error(f"trace_session({label}=…) cannot be {value!r}; give {wanted}")


class TraceSession:
    """What `trace_session(...)` returns: a decorator, and a context manager for `with` and
    `async with`. It may be entered again, nested or from several threads and tasks at once; each
    entry is a session of its own."""

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
    return _plain(name) if name != "<module>" else str(frame.f_globals.get("__name__", "module"))


# ---- Decoration


def _decorate(target: Any, template: Template, skip_first: bool | None = None) -> Any:
    if isinstance(target, staticmethod):
        return staticmethod(_decorate(target.__func__, template, False))
    if isinstance(target, classmethod):
        return classmethod(_decorate(target.__func__, template, True))
    _check(target)
    method = is_method(target) if skip_first is None else skip_first
    named = _named(target, template, method)
    traced = (_coroutine if _is_async(target) else _function)(target, named)
    if inspect.isfunction(target) or inspect.ismethod(target) or inspect.isbuiltin(target):
        return traced
    return _proxy(target, traced)


def _proxy(target: Any, traced: Callable[..., Any]) -> Any:
    """A callable object, a partial or a cached function, left what it is but for its calls."""
    # Here, since few need it and it takes longer than all the rest of `import honeytrace`.
    import wrapt

    def call(_: Any, instance: Any, args: Any, kwargs: Any) -> Any:
        return traced(*args, **kwargs) if instance is None else traced(instance, *args, **kwargs)

    return wrapt.FunctionWrapper(target, call)


def _check(target: Any) -> None:
    """`TypeError` or `ValueError` with the way out, for what cannot be decorated."""
    advice = None
    if isinstance(target, type):
        advice = "decorate its methods"
    elif isinstance(target, (property, functools.cached_property, functools.partialmethod)):
        advice = "put @trace_session below it, directly above the function"
    elif inspect.isgeneratorfunction(target) or inspect.isasyncgenfunction(target):
        advice = "it is a generator function: put `with trace_session(...)` around what uses it"
    elif not callable(target):
        advice = "it goes above a function, or around a block as `with trace_session('name'):`"
    if advice:
        raise TypeError(f"trace_session cannot decorate {target!r}; {advice}")


def _named(target: Any, template: Template, method: bool) -> Template:
    """The template with what the function itself tells."""
    code = getattr(target, "func", target)  # of a partial
    code = code if hasattr(code, "__qualname__") else type(code)
    known = parameters(target)
    names = sorted(each.name for each in known)
    open_ended = any(each.kind is each.VAR_KEYWORD for each in known)
    for name in template.config_args:
        if name not in names and not open_ended:
            raise ValueError(
                f"config_args names {name!r}, but {code.__qualname__}() has no such parameter; "
                f"it has {', '.join(names) or 'none'}"
            )
    return replace(
        template,
        name=template.name or _plain(code.__qualname__),
        function=f"{code.__module__}.{code.__qualname__}",
        kind="coroutine" if _is_async(target) else "function",
        bind=binder(target, method),
        method=method,
        at_once=not all(constant(each.default) for each in known if each.default is not each.empty),
    )


def _plain(qualname: str) -> str:
    return qualname.replace(".<locals>", "")


def _is_async(target: Any) -> bool:
    call = getattr(type(target), "__call__")  # noqa: B004, B009 - the method, of any callable
    return inspect.iscoroutinefunction(target) or inspect.iscoroutinefunction(call)


def _function(function: Callable[..., Any], template: Template) -> Any:
    @functools.wraps(function)
    def traced(*args: Any, **kwargs: Any) -> Any:
        if live.off:
            return function(*args, **kwargs)
        call = begin(template, args, kwargs)
        try:
            if call is not None:
                make_current(call)
            result = function(*args, **kwargs)
            end(call, result)
        except BaseException as error:
            end(call, ABSENT, error)
            raise
        return result

    return traced


def _coroutine(function: Callable[..., Any], template: Template) -> Any:
    @functools.wraps(function)
    async def traced(*args: Any, **kwargs: Any) -> Any:
        if live.off:
            return await function(*args, **kwargs)
        call = begin(template, args, kwargs)
        try:
            if call is not None:
                make_current(call)
            result = await function(*args, **kwargs)
            end(call, result)
        except BaseException as error:
            end(call, ABSENT, error)
            raise
        return result

    return traced
