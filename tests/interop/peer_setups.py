"""The peers that record model calls, each set up as its documentation says.

From then on its finished spans arrive in a list, or, without one, at the server that the peer's
settings name, by its own delivery.
"""

from __future__ import annotations

import gc
import json
import os
import pathlib
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, NamedTuple

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "performance"))

Client = Any
Records = list[str]


class Ready(NamedTuple):
    """A peer that has been set up.

    Attributes:
        wrap: what a program has to do with each client.
        recording: adds the spans of a block to the records, unless they come by themselves.
    """

    wrap: Callable[[Client], Client] = lambda client: client
    recording: Callable[[], AbstractContextManager[Any]] = nullcontext


class Peer(NamedTuple):
    """A peer.

    Attributes:
        setup: sets it up.
        packages: what to install.
        imports: modules that change nothing by being imported.
    """

    setup: Callable[[Records | None], Ready]
    packages: tuple[str, ...]
    imports: tuple[str, ...]


def honeytrace(records: Records | None) -> Ready:
    import honeytrace as ours
    from honeytrace.testing import capture_sessions

    @contextmanager
    def recording() -> Iterator[None]:
        with capture_sessions() as sessions:
            yield
            gc.collect()
        for each in sessions:
            kept = (each.inputs, each.outputs, each.config, each.metadata, each.metrics, each.error)
            found.append(json.dumps(kept))

    ours.instrument()
    if records is None:
        return Ready()
    found = records
    return Ready(recording=recording)


def _processor(records: Records | None) -> Any:
    """A span processor that collects; without a list, one that exports."""
    from opentelemetry.sdk.trace.export import (
        BatchSpanProcessor,
        SimpleSpanProcessor,
        SpanExporter,
        SpanExportResult,
    )

    if records is None:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

        return BatchSpanProcessor(OTLPSpanExporter())

    class Collector(SpanExporter):
        def export(self, spans: Any) -> Any:
            for span in spans:
                if span.attributes.get("logfire.span_type") != "pending_span":
                    events = [[event.name, dict(event.attributes)] for event in span.events]
                    status = [span.status.status_code.name, span.status.description]
                    kept = [span.name, dict(span.attributes), events, status]
                    records.append(json.dumps(kept, default=str))
            return SpanExportResult.SUCCESS

    return SimpleSpanProcessor(Collector())


def langfuse(records: Records | None) -> Ready:
    from langfuse import Langfuse
    from opentelemetry.sdk.trace import TracerProvider

    if records is None:
        Langfuse()
    else:
        provider = TracerProvider()
        provider.add_span_processor(_processor(records))
        Langfuse(tracer_provider=provider)
    import langfuse.openai  # noqa: F401 - it replaces the methods of `openai`

    return Ready()


def langsmith(records: Records | None) -> Ready:
    from langsmith import Client as Service
    from langsmith.wrappers import wrap_anthropic, wrap_openai

    runs: dict[str, Any] = {}

    class Memory(Service):
        def create_run(self, *args: Any, **run: Any) -> None:
            runs[str(run["id"])] = run

        def update_run(self, run_id: Any, *args: Any, **run: Any) -> None:
            assert records is not None
            records.append(json.dumps([runs.pop(str(run_id)), run], default=str))

    service = Service() if records is None else Memory(auto_batch_tracing=False)

    def wrap(client: Client) -> Client:
        wrapper = wrap_openai if hasattr(client, "chat") else wrap_anthropic
        return wrapper(client, tracing_extra={"client": service})

    return Ready(wrap)


def logfire(records: Records | None) -> Ready:
    import logfire

    processors = [] if records is None else [_processor(records)]
    logfire.configure(
        send_to_logfire=records is None, console=False, additional_span_processors=processors
    )
    logfire.instrument_openai()
    logfire.instrument_anthropic()
    return Ready()


def openinference(records: Records | None) -> Ready:
    from openinference.instrumentation.anthropic import AnthropicInstrumentor
    from openinference.instrumentation.openai import OpenAIInstrumentor
    from opentelemetry.sdk.trace import TracerProvider

    provider = TracerProvider()
    provider.add_span_processor(_processor(records))
    for instrumentor in (OpenAIInstrumentor(), AnthropicInstrumentor()):
        instrumentor.instrument(tracer_provider=provider)
    return Ready()


_SDKS = ("openai", "anthropic[bedrock]")
_OPENINFERENCE = tuple(f"openinference-instrumentation-{sdk}" for sdk in ("openai", "anthropic"))
PEERS = {
    "honeytrace": Peer(honeytrace, _SDKS, ("honeytrace.testing", "honeytrace.integrations")),
    "langfuse": Peer(langfuse, ("langfuse", *_SDKS), ("langfuse",)),
    "langsmith": Peer(langsmith, ("langsmith", *_SDKS), ("langsmith.wrappers",)),
    "logfire": Peer(logfire, ("logfire", *_SDKS), ("logfire",)),
    "openinference": Peer(
        openinference,
        (*_OPENINFERENCE, "opentelemetry-exporter-otlp-proto-http", *_SDKS),
        tuple(name.replace("-", ".") for name in _OPENINFERENCE),
    ),
}


def settings(name: str, url: str) -> dict[str, str]:
    """Return the variables of the environment that point a peer to a server."""
    from peer_programs import PEERS as PROGRAMS

    program = next(PROGRAMS[each] for each in PROGRAMS if each.startswith(name))
    told = program.settings.format(url=url).split()
    return {**os.environ, **dict(each.split("=", 1) for each in told)}
