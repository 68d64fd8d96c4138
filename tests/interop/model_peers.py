"""Run every form of call with honeytrace and its peers: what changes, and what is recorded.

    python tests/interop/model_peers.py [directory for the environments]

Each peer has an environment of its own and is set up as its documentation says. Nothing is sent to
its service: its spans are kept in memory. The table has a line for each peer and kind of client.
Below it stands each form that changes, or of which something is missing. This takes minutes and
some hundred megabytes, so no test runs it.
"""

from __future__ import annotations

import gc
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, NamedTuple

import model_forms
from model_forms import CLASS, FORMS, TYPE, Form, Run
from model_matrix import ROOT, make
from model_server import ModelServer

Client = Any
Records = list[str]


class Peer(NamedTuple):
    """A peer that has been set up.

    Attributes:
        wrap: what a program has to do with each client.
        recording: adds the spans of a block to the records, unless they come by themselves.
    """

    wrap: Callable[[Client], Client] = lambda client: client
    recording: Callable[[], AbstractContextManager[Any]] = nullcontext


# Each of these sets a peer up. From then on its finished spans arrive in `records`.


def honeytrace(records: Records) -> Peer:
    import honeytrace as ours
    from honeytrace.testing import capture_sessions

    @contextmanager
    def recording() -> Iterator[None]:
        with capture_sessions() as sessions:
            yield
            gc.collect()
        for each in sessions:
            kept = (each.inputs, each.outputs, each.config, each.metadata, each.error)
            records.append(json.dumps(kept))

    ours.instrument()
    return Peer(recording=recording)


def _collector(records: Records) -> Any:
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult

    class Collector(SpanExporter):
        def export(self, spans: Any) -> Any:
            for span in spans:
                if span.attributes.get("logfire.span_type") != "pending_span":
                    events = [[event.name, dict(event.attributes)] for event in span.events]
                    kept = [span.name, dict(span.attributes), events]
                    records.append(json.dumps(kept, default=str))
            return SpanExportResult.SUCCESS

    return SimpleSpanProcessor(Collector())


def langfuse(records: Records) -> Peer:
    from langfuse import Langfuse
    from opentelemetry.sdk.trace import TracerProvider

    provider = TracerProvider()
    provider.add_span_processor(_collector(records))
    Langfuse(
        public_key="pk", secret_key="sk", base_url="http://127.0.0.1:9", tracer_provider=provider
    )
    import langfuse.openai  # noqa: F401 - it replaces the methods of `openai`

    return Peer()


def langsmith(records: Records) -> Peer:
    os.environ["LANGSMITH_TRACING"] = "true"
    from langsmith import Client as Service
    from langsmith.wrappers import wrap_anthropic, wrap_openai

    runs: dict[str, Any] = {}

    class Memory(Service):
        def create_run(self, *args: Any, **run: Any) -> None:
            runs[str(run["id"])] = run

        def update_run(self, run_id: Any, *args: Any, **run: Any) -> None:
            records.append(json.dumps([runs.pop(str(run_id)), run], default=str))

    memory = Memory(api_url="http://127.0.0.1:9", api_key="k", auto_batch_tracing=False)

    def wrap(client: Client) -> Client:
        of_openai = type(client).__module__.startswith("openai")
        return (wrap_openai if of_openai else wrap_anthropic)(
            client, tracing_extra={"client": memory}
        )

    return Peer(wrap)


def logfire(records: Records) -> Peer:
    import logfire

    logfire.configure(
        send_to_logfire=False, console=False, additional_span_processors=[_collector(records)]
    )
    logfire.instrument_openai()
    logfire.instrument_anthropic()
    return Peer()


def openinference(records: Records) -> Peer:
    from openinference.instrumentation.anthropic import AnthropicInstrumentor
    from openinference.instrumentation.openai import OpenAIInstrumentor
    from opentelemetry.sdk.trace import TracerProvider

    provider = TracerProvider()
    provider.add_span_processor(_collector(records))
    for instrumentor in (OpenAIInstrumentor(), AnthropicInstrumentor()):
        instrumentor.instrument(tracer_provider=provider)
    return Peer()


_SDKS = ("openai", "anthropic")
PEERS: dict[str, tuple[Callable[[Records], Peer], tuple[str, ...]]] = {
    "honeytrace": (honeytrace, _SDKS),
    "langfuse": (langfuse, ("langfuse", *_SDKS)),
    "langsmith": (langsmith, ("langsmith", *_SDKS)),
    "logfire": (logfire, ("logfire", *_SDKS)),
    "openinference": (
        openinference,
        (*(f"openinference-instrumentation-{sdk}" for sdk in _SDKS), *_SDKS),
    ),
}


# What a form is like with a peer


CHANGES = ("raises", "result", "class", "type", "body", "headers")
"""How a program can change: it raises, sees another result, an object of another class or, where
`isinstance` hides it, of another type, or the server gets another body or other headers."""


def changes(plain: Run, traced: Run) -> str:
    """Return the worst change; "" if there is none."""
    if traced.seen != plain.seen:
        if type(traced.seen) is Raised:
            return "raises"
        if _without(traced.seen, TYPE) == _without(plain.seen, TYPE):
            return "type"
        same = _without(traced.seen, TYPE, CLASS) == _without(plain.seen, TYPE, CLASS)
        return "class" if same else "result"
    if traced.sent == plain.sent:
        return ""
    bodies = [[(path, body) for path, _, body in each.sent] for each in (plain, traced)]
    return "headers" if bodies[0] == bodies[1] else "body"


class Raised(str):
    """An exception that left the form."""


def _without(seen: Any, *names: str) -> Any:
    if isinstance(seen, dict):
        return {name: _without(seen[name], *names) for name in seen if name not in names}
    return [_without(each, *names) for each in seen] if isinstance(seen, list | tuple) else seen


_TOKENS = re.compile(
    r"(?:(?:input|output|prompt|completion|total)_tokens|token_count\.\w+|usage_details\W+input)\W+[1-9]"
)
_MODEL = re.compile(r"\b(gpt-4o|claude-4|e-3|d-2)\b")
_ANSWERS = {
    "content": ("GOOD MORNING TO YOU", "Paris"),
    "tool": ("Paris",),
    "file": ("GOOD MORNING TO YOU",),
    "part": ("GOOD",),
    "error": ("Not now",),
}


def missing(form: Form, records: Records, streamed: bool) -> Iterator[str]:
    """Yield what the spans of a form do not hold. The server counts no tokens in some streams."""
    text = "".join(records)
    if not _MODEL.search(text):
        yield "model"
    if "embeddings" not in form.name and "good morning to you" not in text:
        yield "input"
    answers = _ANSWERS.get(form.holds, ("",))
    if not any(answer in text for answer in answers):
        yield "answer"
    if (
        form.holds in ("content", "tool", "usage", "file")
        and not streamed
        and not _TOKENS.search(text)
    ):
        yield "tokens"


def run(form: Form, server: ModelServer, asynchronous: bool) -> Run:
    try:
        return model_forms.run(form, server, asynchronous)
    except Exception as error:
        return Run(Raised(f"{type(error).__name__}: {error}"), None)


def report(name: str) -> dict[str, Any]:
    """Run the forms in this environment; return what each changes, makes and lacks."""
    offered = [form for form in FORMS if form.sessions and _is_offered(form)]
    cases = [(form, asynchronous) for form in offered for asynchronous in (False, True)]
    records: Records = []
    found = {}
    make_client = model_forms.make_client
    with ModelServer() as server:
        plain = [run(*case[:1], server, *case[1:]) for case in cases]
        peer = PEERS[name][0](records)
        model_forms.make_client = lambda *about: peer.wrap(make_client(*about))
        for (form, asynchronous), before in zip(cases, plain, strict=True):
            records.clear()
            with peer.recording():
                traced = run(form, server, asynchronous)
                gc.collect()
            spans = len(records)
            lacks = list(missing(form, records, _is_uncounted(server))) if spans else []
            title = f"{form.sdk}: {form.name}{' (async)' * asynchronous}"
            found[title] = [changes(before, traced), spans, lacks, str(traced.seen)[:200]]
    return found


def _is_offered(form: Form) -> bool:
    try:
        return model_forms.is_offered(form)
    except (AttributeError, ImportError, TypeError):
        return False


def _is_uncounted(server: ModelServer) -> bool:
    path, _, body = server.requests[-1]
    asked = body.get("stream") and not (body.get("stream_options") or {}).get("include_usage")
    return bool(asked) and path.partition("?")[0].endswith("completions")


def main() -> None:
    where = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else tempfile.mkdtemp())
    for name, (_, packages) in PEERS.items():
        done = subprocess.run(
            [make(where / name, packages), __file__, "--here", name],
            env={**os.environ, "PYTHONPATH": str(ROOT), "HONEYTRACE_HOME": "/nonexistent"},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            check=True,
        )
        show(name, json.loads(done.stdout.splitlines()[-1]))


def show(name: str, found: dict[str, Any]) -> None:
    changed = [each[0] for each in found.values()]
    parts = [f"{changed.count(each)} {each}" for each in CHANGES if each in changed]
    spans = [min(each[1], 2) for each in found.values()]
    full = [each for each in found.values() if each[1] and not each[2]]
    print(
        f"{name}: {len(found)} forms, {len(found) - changed.count('')} change"
        f" ({', '.join(parts) or 'none'}); spans: none {spans.count(0)}, one {spans.count(1)},"
        f" more {spans.count(2)}; everything recorded {len(full)}"
    )
    for form, (change, count, lacks, seen) in found.items():
        if change or count != 1 or lacks:
            words = [
                change,
                f"{count} spans" * (count != 1),
                f"no {', '.join(lacks)}" * bool(lacks),
            ]
            words.append(seen * (change == "raises"))
            print(f"    {form}: {'; '.join(filter(None, words))}")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--here"]:
        print(json.dumps(report(sys.argv[2])))
    else:
        main()
