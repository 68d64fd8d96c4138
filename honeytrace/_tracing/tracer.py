"""`Tracer`, a `trace_session` with settings of its own."""

from __future__ import annotations

import sys
import uuid
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar, overload

from honeytrace._config.live import live
from honeytrace._config.pipeline import Pipeline
from honeytrace._config.settings import fixed
from honeytrace._tracing.registration import UNREGISTERED_BARE
from honeytrace._tracing.trace_session import TraceSession, trace
from honeytrace._tracing.updates import update

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from honeytrace._config.settings import Config, Settings
    from honeytrace._tracing.options import Options

_F = TypeVar("_F", bound="Callable[..., Any]")


class Tracer:
    """A `trace_session` with settings of its own, for several projects in one process.

        search = Tracer(project="search", api_key="…")

        @search.trace_session
        def retrieve(question): ...

    It takes the settings of `configure`. What it does not set comes from `configure()`, the
    environment and the defaults. `flush`, `shutdown` and `stats` cover it, too. A session below one
    of another tracer is its child and still goes to its own project.

    Raises `ConfigurationError`, which names the setting.
    """

    def __init__(self, **settings: Unpack[Settings]) -> None:
        self._settings = fixed(settings, live.resolve(settings))

    def __repr__(self) -> str:
        return f"<Tracer {', '.join(self._settings)}>" if self._settings else "<Tracer>"

    @property
    def config(self) -> Config:
        """The settings in force."""
        return live.resolve(self._settings)

    @overload
    def trace_session(
        self, function: _F, /, *, name: str | None = None, **options: Unpack[Options]
    ) -> _F: ...

    @overload
    def trace_session(
        self,
        name: str | None = None,
        *,
        session_id: str | uuid.UUID | None = None,
        **options: Unpack[Options],
    ) -> TraceSession: ...

    def trace_session(self, target: Any = None, /, **options: Any) -> Any:  # type: ignore[misc] # as the function does
        """Record a function or a block with the settings of this tracer; see `trace_session`."""
        references = sys.getrefcount(target) - UNREGISTERED_BARE
        return trace(target, options, references, sys._getframe(1), self)

    def update_session(
        self,
        session_id: str | uuid.UUID,
        *,
        feedback: Mapping[str, Any] | None = None,
        metrics: Mapping[str, Any] | None = None,
        metadata: Mapping[str, Any] | None = None,
        outputs: Mapping[str, Any] | None = None,
        user_properties: Mapping[str, Any] | None = None,
        config: Mapping[str, Any] | None = None,
        inputs: Mapping[str, Any] | None = None,
    ) -> bool:
        """Merge values into a session that went to this tracer's server; see `update_session`."""
        given = {
            "feedback": feedback,
            "metrics": metrics,
            "metadata": metadata,
            "outputs": outputs,
            "user_properties": user_properties,
            "config": config,
            "inputs": inputs,
        }
        return update(session_id, given, self.pipeline)

    def pipeline(self) -> Pipeline:
        return live.pipeline_of(self, self._settings)
