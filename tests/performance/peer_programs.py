"""The packages that `peers.py` measures, and the programs that it runs with each of them."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]


class Peer(NamedTuple):
    """The packages, the settings (`{url}` is the server's), the code for `trace` and `flush`."""

    install: str
    settings: str
    imports: str
    setup: str


PEERS = {
    "honeytrace": Peer(
        str(ROOT),
        "HH_API_KEY=key HH_API_URL={url}",
        "from honeytrace import trace_session as trace",
        "from honeytrace import flush",
    ),
    "honeyhive": Peer(
        "honeyhive",
        "HH_API_KEY=key HH_API_URL={url} HH_PROJECT=p HH_TELEMETRY=false",
        "from honeyhive import HoneyHiveTracer, trace",
        "flush = HoneyHiveTracer.init().force_flush",
    ),
    "langfuse": Peer(
        "langfuse",
        "LANGFUSE_PUBLIC_KEY=pk-lf-1 LANGFUSE_SECRET_KEY=sk-lf-1 LANGFUSE_BASE_URL={url}",
        "from langfuse import get_client, observe",
        "trace, flush = observe(), get_client().flush",
    ),
    "langsmith": Peer(
        "langsmith",
        # The server of `peers.py` cannot read zstd, so the compression is turned off.
        "LANGSMITH_TRACING=true LANGSMITH_API_KEY=lsv2_key LANGSMITH_ENDPOINT={url} "
        "LANGSMITH_DISABLE_RUN_COMPRESSION=true",
        "from langsmith import Client, traceable",
        "client = Client()\ntrace, flush = traceable(client=client), client.flush",
    ),
    "logfire": Peer(
        "logfire",
        "LOGFIRE_TOKEN=key LOGFIRE_BASE_URL={url} LOGFIRE_CONSOLE=false",
        "import logfire",
        "logfire.configure()\n"
        "trace, flush = logfire.instrument('call', record_return=True), logfire.force_flush",
    ),
    "openinference-instrumentation": Peer(
        "openinference-instrumentation opentelemetry-exporter-otlp-proto-http",
        "OTEL_EXPORTER_OTLP_ENDPOINT={url}",
        "from openinference.instrumentation import TracerProvider\n"
        "from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter\n"
        "from opentelemetry.sdk.trace.export import BatchSpanProcessor",
        "provider = TracerProvider()\n"
        "provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))\n"
        "trace, flush = provider.get_tracer('peers').chain, provider.force_flush",
    ),
}

# Each program runs after the imports and the setup of a package.

CALLS = """
import contextvars, uuid
from collections import deque

chat = [{"role": "user" if i % 2 == 0 else "assistant", "content": "x" * 480} for i in range(8)]
current, queue = contextvars.ContextVar("current", default=None), deque(maxlen=1000)

def bare(question, k=3):
    return k

def limit(question, k=3):  # the least that tracing needs, written by hand
    started, ticks = time.time_ns(), time.perf_counter_ns()
    token = current.set(started)
    try:
        result = bare(question, k)
    finally:
        current.reset(token)
    inputs = {"question": question, "k": k}
    queue.append({"id": str(uuid.uuid4()), "inputs": inputs, "outputs": {"result": result},
                  "start_time": started, "duration": time.perf_counter_ns() - ticks})
    return result

def best(function, argument, calls=100, bursts=30):
    found = []
    for _ in range(bursts):
        flush()
        started = time.perf_counter_ns()
        for _ in range(calls):
            function(argument, 3)
        found.append((time.perf_counter_ns() - started) / calls)
    return min(found)

traced = trace(bare)
print([best(limit, "q"), best(traced, "q"), best(traced, chat)])
"""
START = """
@trace
def ask(question):
    return "answer"

ask("q")
print([imported - began, time.perf_counter() - began])
"""
SECRET = """
@trace
def ask(question, api_key):
    return "PlainAnswer7"

ask("PlainQuestion7", api_key="PlainSecret7")
flush()
"""
TWENTY = """
import sys

@trace
def ask(question):
    return "answer"

for number in range(20):
    ask(f"{sys.argv[1]}Call{number:02}")
"""
THEN_WAIT = "flush()\ntime.sleep(1)"
