"""`trace_session`: a decorator and a context manager."""

from __future__ import annotations

import functools
import sys
import uuid
from collections.abc import Callable
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar, cast, overload

from honeytrace._session.active import NOTHING, ActiveSession
from honeytrace._session.context import make_current
from honeytrace._session.record import ABSENT, TraceSpec
from honeytrace._tracing.decorate import decorate
from honeytrace._tracing.options import parse_options
from honeytrace._tracing.recorder import Call, begin, end, innermost

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from honeytrace._tracing.options import Options

    # `staticmethod[...]` fails at run time. Quoted in place, it would be too long for one string,
    # and pyright cannot read a quoted type that is split into several.
    _Decoratable = (
        Callable[..., Any]
        | staticmethod[..., Any]
        | classmethod[Any, ..., Any]
        | property
        | functools.cached_property[Any]
        | functools.partialmethod[Any]
    )

_F = TypeVar("_F", bound="_Decoratable")


@overload
def trace_session(
    function: _F, /, *, name: str | None = None, **options: Unpack[Options]
) -> _F: ...


@overload
def trace_session(
    name: str | None = None,
    *,
    session_id: str | uuid.UUID | None = None,
    **options: Unpack[Options],
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
    tracer = TraceSession(parse_options(options))
    return tracer if target is None or isinstance(target, str) else tracer(target)


class TraceSession:
    """What `trace_session(...)` returns: a decorator, and a context manager for `with` and
    `async with`. It may be entered again, nested or from several threads and tasks at once; each
    entry is a session of its own, and a `session_id` that was given is that of the first."""

    __slots__ = ("_open", "_spec")

    def __init__(self, spec: TraceSpec) -> None:
        self._spec = spec
        self._open: list[Call] = []

    def __call__(self, function: _F) -> _F:
        if self._spec.session_id is not None:
            raise TypeError(
                "session_id is for `with trace_session(...)`; a decorated function makes a new "
                "one for each call, so leave it out here"
            )
        return cast("_F", decorate(function, self._spec))

    def __enter__(self) -> ActiveSession:
        spec = self._spec
        if not spec.name:
            spec = replace(spec, name=_scope())
        call = begin(spec)
        if call is None:
            return NOTHING
        if spec.session_id is not None:  # of one session: a further entry is another
            self._spec = replace(self._spec, session_id=None)
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
