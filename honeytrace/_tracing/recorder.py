"""Start and end sessions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from honeytrace._capture.deferred import Kept, arguments, keep
from honeytrace._capture.exceptions import failure
from honeytrace._capture.snapshot import Snapshot
from honeytrace._capture.streams import is_buffer
from honeytrace._config.live import live
from honeytrace._config.pipeline import Pipeline
from honeytrace._session import context
from honeytrace._session.active import NOTHING, ActiveSession
from honeytrace._session.context import make_current
from honeytrace._session.record import ABSENT, CallRecord, Identity, TraceSpec
from honeytrace._session.scope import GivenParent, Scope, enclosing, find, running, shorten
from honeytrace._tracing.filters import chosen_inputs, chosen_outputs
from honeytrace._tracing.sampling import choose
from honeytrace._utils.json import Json

_guard = live.guard.call
_NO_KEYWORDS: dict[str, Any] = {}


class Call(CallRecord):
    """A call record whose `defaults` is a pipeline."""

    __slots__ = ()

    defaults: Pipeline


def _begin(
    spec: TraceSpec,
    args: tuple[Any, ...] = (),
    kwargs: dict[str, Any] | None = None,
    kept: Kept | None = None,
) -> Call | Scope | None:
    """Start a session; `begin` calls this under the guard.

    `kept` holds the arguments if the caller has kept them already.
    """
    pipeline = live.pipeline or live.start()
    if live.off:
        return None
    parent, scope = context.get(), None
    if parent is not None and parent.ended:
        parent, scope = enclosing(parent)
        if scope is not None and scope.is_silent():
            return None
    if spec.special or pipeline.special:
        if spec.parent is not None:
            parent, scope = find(spec.parent), GivenParent(spec.parent, context.get())
        if spec.tracer is not None:
            pipeline = spec.tracer.pipeline()
        if not pipeline.config.enabled:
            return None
        drawn = spec.session_id or _draw(pipeline)
        chosen = choose(spec, pipeline, parent, scope, drawn)
        if isinstance(chosen, Scope):
            return chosen
        pipeline = chosen
        captured, size, cuts = _captured(spec, pipeline, args, kwargs, kept)
    else:
        ids = pipeline.ids  # not `except IndexError`, which a signal handler may raise here, too
        drawn = ids.pop() if ids else live.new_id()
        captured, size, cuts = kept or arguments(args, kwargs or _NO_KEYWORDS, spec.bind)
    clock = pipeline.clock
    started, ticks = clock.time_ns(), clock.perf_counter_ns()
    identity: Identity = (drawn, started, ticks)
    call = Call(spec, pipeline, parent, identity, captured, started, ticks, size, cuts)
    if scope is not None:
        scope.place(call, parent)
    return call


def _captured(
    spec: TraceSpec,
    pipeline: Pipeline,
    args: tuple[Any, ...],
    kwargs: dict[str, Any] | None,
    kept: Kept | None,
) -> Kept:
    if spec.chosen or pipeline.choosy:
        return chosen_inputs(spec, pipeline, args, kwargs or {})
    return kept or arguments(args, kwargs or _NO_KEYWORDS, spec.bind)


def _draw(pipeline: Pipeline) -> bytes | str:
    return pipeline.ids.pop() if pipeline.ids else live.new_id()


def begin_unguarded(
    spec: TraceSpec, args: tuple[Any, ...], kept: Kept | None = None
) -> Call | None:
    """Do what `begin` does, for callers that are under the guard already.

    Returns None for a root that is not sampled, so it is only for sessions with nothing inside.
    """
    call = _begin(spec, args, None, kept)
    return None if isinstance(call, Scope) else call


begin = partial(_guard, _begin)
"""Starts a session inside the running one; returns None if that fails or tracing is off.

    begin(spec, args, kwargs) -> Call | Scope | None

A `Scope` stands for a root that is not sampled: it has to become current as well, so that nothing
inside is recorded.

The session is not current yet. The caller makes it current inside the `try` that ends it, so that
an interrupt cannot come in between.
"""


def _end(call: Call | None, returned: object, error: BaseException | None = None) -> None:
    """End a session; `end` calls this under the guard."""
    if call is None or call.ended:
        if isinstance(call, Scope) and context.get() is call:  # a root that is not sampled
            make_current(call.parent)
        return
    call.ended = True  # first: with little stack left, everything else may fail
    try:
        call.duration = max(call.defaults.clock.perf_counter_ns() - call.ticks, 0) / 1e6
        if error is not None and not issubclass(type(error), call.spec.ignore_exceptions):
            call.failure = failure(error)
        if returned is not ABSENT:
            _keep_result(call, returned)
        if call.given is not None:
            _freeze(call, call.given)
    finally:  # an error above loses a field, not the session
        if context.get() is call:
            make_current(call.parent)
        if call.parent is not None and call.parent.ended:
            shorten(call)
        call.defaults.accept(call)


end_unguarded = _end
"""`end` for callers that are under the guard already."""

end = partial(_guard, _end)
"""Ends a session and passes it to delivery. For None or an ended session it does nothing.

    end(call, result)
    end(call, ABSENT, error)
"""


def _keep_result(call: Call, returned: object) -> None:
    spec, pipeline = call.spec, call.defaults
    if (spec.chosen or pipeline.choosy) and call.exchange is None:
        returned = chosen_outputs(spec, pipeline, returned)
        if returned is ABSENT:
            return
    if is_buffer(returned):
        call.result, size, cuts = returned, returned.size, None
    else:
        call.result, size, cuts = keep(returned, "outputs")
    call.size += size
    if cuts:
        call.cuts = [*(call.cuts or ()), *cuts]


def _freeze(call: Call, given: dict[str, Json]) -> None:
    """Copy the values that the user set, since the user may change them later."""
    for name, value in given.items():
        taken = Snapshot()
        given[name] = taken.take(value, name)
        call.size += taken.size
        call.cuts = [*(call.cuts or ()), *taken.cuts] or None


def innermost(wanted: Callable[[CallRecord], bool]) -> CallRecord | None:
    """Return the innermost record of this context for which `wanted` is true."""
    record = context.get()
    while record is not None and not wanted(record):
        record = record.parent
    return record


def current_session() -> ActiveSession:
    """Return the running session of this context.

    Outside a session, or when tracing is off, this is the null session: it accepts everything,
    keeps nothing and is false in a condition.
    """
    record = running(context.get())
    return NOTHING if record is None else ActiveSession(record)


def enrich_session(
    *,
    inputs: Mapping[str, Any] | None = None,
    outputs: Mapping[str, Any] | None = None,
    config: Mapping[str, Any] | None = None,
    user_properties: Mapping[str, Any] | None = None,
    metrics: Mapping[str, Any] | None = None,
    feedback: Mapping[str, Any] | None = None,
    metadata: Mapping[str, Any] | None = None,
) -> bool:
    """Merge values into the running session, key by key; the later value wins. Does no I/O.

    Returns False if no session is running.

        honeytrace.enrich_session(feedback={"rating": 5}, metrics={"hits": 3})
    """
    given = {
        "inputs": inputs,
        "outputs": outputs,
        "config": config,
        "user_properties": user_properties,
        "metrics": metrics,
        "feedback": feedback,
        "metadata": metadata,
    }
    return bool(_guard(_enrich, current_session(), given))


def _enrich(session: ActiveSession, given: Mapping[str, Mapping[str, Any] | None]) -> bool:
    for name, value in given.items():
        if session and value is not None:
            copy = Snapshot().take(value, name)
            getattr(session, name).update(copy if type(copy) is dict else {"result": copy})
    return bool(session)


class on_error:  # noqa: N801 - used like `contextlib.suppress`
    """Call a function with the exception that leaves the block, if one does."""

    __slots__ = ("_call",)

    def __init__(self, call: Callable[[BaseException], object]) -> None:
        self._call = call

    def __enter__(self) -> None:
        """Begin; there is nothing to set up."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: object
    ) -> None:
        if error is not None:
            _guard(self._call, error)
