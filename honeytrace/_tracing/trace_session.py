"""`trace_session`, the decorator and context manager."""

from __future__ import annotations

import functools
import sys
import uuid
from collections.abc import Callable
from dataclasses import replace
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Any, TypeVar, cast, overload

from honeytrace._config.live import live
from honeytrace._session import context
from honeytrace._session.active import NOTHING, ActiveSession
from honeytrace._session.context import make_current
from honeytrace._session.record import ABSENT, CallRecord, TraceSpec
from honeytrace._session.scope import Scope, tagged
from honeytrace._tracing.decorate import decorate
from honeytrace._tracing.options import parse_options
from honeytrace._tracing.recorder import Call, begin, end, innermost
from honeytrace._tracing.registration import (
    UNREGISTERED,
    UNREGISTERED_BARE,
    warn_if_registered,
)

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

_guard = live.guard.call
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
    """Record each call of a function, or a block of code, as a session.

        @trace_session
        def retrieve(question): ...

        @trace_session(name="answer", config_args=("model",))
        async def answer(question, model="gpt-4o"): ...

        with trace_session("pipeline", inputs={"question": question}) as session:
            session.outputs = {"answer": text}

    It decorates functions, coroutine functions, generators, async generators, methods, partials,
    callable objects, and classes (their public methods, in place). It may stand above or below
    `staticmethod`, `classmethod`, `property`, `cached_property` and `partialmethod`. Results,
    exceptions and the signature stay as they are. Put it directly above the `def`: a
    decorator that registers the function, such as `@app.get("/")`, has to stand above it.

    The inputs are the arguments by name, as they were when the call began. The outputs are what the
    call returned, under `result` unless that is a mapping. A session that starts inside another
    one becomes its child.

    The session of a generator starts with the first step and ends with the last one, an error,
    `close` or collection. Its outputs are the items: strings are joined, chunks of OpenAI's and
    Anthropic's streams are merged, and anything else is the list of the first 1,000 items.

    If a plain function returns a coroutine, or a future or task of asyncio, its session lasts until
    that has ended.

    Args:
        name: the session's name, which may be the first argument; by default the function's
            qualified name.
        project, source: override the configured ones.
        step: what the call is in your application: "model", "tool", "retriever", "agent", "chain",
            "embedding", "reranker", "prompt", "guardrail" or "evaluator".
        session_id: a UUID for the first entry of a block. A decorated function makes a new one for
            each call.
        parent: the id of the parent, if it is not the running session. An empty id, which a session
            that is not recorded has, counts as none; so it does for `session_id`.
        sample_rate: the fraction of these sessions that are recorded when they are a root.
        config, user_properties, metrics, feedback, metadata, inputs: mappings that go into every
            session; values that are set while it runs win.
        capture_inputs, capture_outputs: override the configured ones; False records none.
        ignore: names of parameters to leave out of the inputs.
        only: names of the only parameters to record.
        config_args: names of parameters whose values also go into `config`.
        process_inputs: a function that gets the inputs by name and returns those to record.
        process_outputs: a function that gets the returned value and returns what to record.
        reduce: a function that gets the list of the first 1,000 items of a generator and returns
            what to record.
        ignore_exceptions: classes of exceptions that are not errors.
        methods: the names of the methods of a class to trace; by default all public ones.

        The three functions run on the caller's thread. If one raises, its field is lost but not the
        call, and `stats().errors` counts it. Nothing that they call is traced.

    Raises:
        TypeError, ValueError: at decoration, if an argument cannot be used or the target cannot be
            decorated. Traced calls raise no exceptions of honeytrace's own.
    """
    references = sys.getrefcount(target) - UNREGISTERED_BARE
    return trace(target, options, references, sys._getframe(1))


def trace(
    target: Any, options: dict[str, Any], references: int, frame: FrameType, tracer: Any = None
) -> Any:
    """Do what `trace_session` does, for a `Tracer` or, without one, by the configuration.

    references: the number of references to the target besides those of a bare decorator.
    frame: the frame that called `trace_session`.
    """
    if isinstance(target, str):
        if "name" in options:
            raise TypeError(f"trace_session({target!r}, name=…) has two names; give one")
        options["name"] = target
    traced = TraceSession(replace(parse_options(options), tracer=tracer))
    if target is None or isinstance(target, str):
        return traced
    _guard(warn_if_registered, target, references, frame)
    return traced._decorate(target)


class TraceSession:
    """The result of `trace_session(...)`: a decorator and a context manager.

    It works in `with` and `async with`, and may be entered again, nested or from several threads
    and tasks at once. Each entry is a session of its own; a given `session_id` applies to the first
    entry.
    """

    __slots__ = ("_open", "_spec")

    def __init__(self, spec: TraceSpec) -> None:
        self._spec = spec
        # Each entry and what was current around it. None is an entry that is not recorded.
        self._open: dict[CallRecord | None, CallRecord | None] = {}

    def __reduce__(self) -> tuple[type[TraceSession], tuple[TraceSpec]]:
        """Copy or pickle it without its open blocks."""
        return TraceSession, (self._spec,)

    def __call__(self, function: _F) -> _F:
        references = sys.getrefcount(function) - UNREGISTERED
        _guard(warn_if_registered, function, references, sys._getframe(1))
        return self._decorate(function)

    def _decorate(self, function: _F) -> _F:
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
        if not isinstance(call, Call):
            self._enter_unrecorded(call)
            return NOTHING
        if spec.session_id is not None:  # the next entry is another session
            self._spec = replace(self._spec, session_id=None)
        self._open[call] = None  # its parent becomes current again
        make_current(call)
        return ActiveSession(call)

    def _enter_unrecorded(self, scope: Scope | None) -> None:
        """Note an entry that is not recorded, so that its exit ends no other entry's session."""
        outer = context.get()
        if scope is not None:
            scope = Scope(silent=True)  # the one that was given may be shared by all roots
        elif self._open:
            scope = tagged(outer, {})
        self._open[scope] = outer
        if scope is not None:
            make_current(scope)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if not self._open:
            return
        # Usually the innermost session of this context, but a block may end in another context.
        call = innermost(self._open.__contains__)
        if call is None and None not in self._open:
            call = list(self._open)[-1]
        outer = self._open.pop(call, None)
        if isinstance(call, Call):
            end(call, ABSENT, error)
        elif call is not None and context.get() is call:
            make_current(outer)

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
    """Return the name of the function or module that contains the block."""
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_globals is globals():
        frame = frame.f_back
    name: str = getattr(frame.f_code, "co_qualname", frame.f_code.co_name)
    return (
        name.replace(".<locals>", "")
        if name != "<module>"
        else str(frame.f_globals.get("__name__", "module"))
    )
