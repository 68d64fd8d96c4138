"""Every form of call that OpenAI's and Anthropic's SDKs offer, against a server on this machine.

Each form is written once and runs with the synchronous and the asynchronous client. As a program
this prints, for the SDKs of the interpreter that runs it, what is recorded of each form, and
whether the program and the server see the same as without honeytrace:

    python tests/interop/model_forms.py

`python tests/interop/model_matrix.py` runs it with many versions of the SDKs.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import pathlib
import sys
from dataclasses import dataclass
from typing import Any

EXAMPLES = pathlib.Path(__file__).resolve().parents[2] / "examples" / "model_calls"
sys.path[:0] = [str(EXAMPLES)]

import anthropic_forms  # noqa: E402, F401 - it registers its forms
import openai_forms  # noqa: E402, F401 - it registers its forms
from form_tools import ANSWERED, FILE, FORMS, Form, run_form  # noqa: E402
from model_server import ModelServer  # noqa: E402 - its folder is known from now on


def make_client(name: str, url: str, asynchronous: bool) -> Any:
    """Make a client. Raises `AttributeError` or `ImportError` if this version has none."""
    lead = "Async" if asynchronous else ""
    package = importlib.import_module("openai" if name in ("openai", "azure") else "anthropic")
    # Without certificates, which take longer to load than everything else here.
    http_client = getattr(package, f"Default{lead}HttpxClient")(verify=False)
    about: dict[str, Any] = {"http_client": http_client}
    if name == "openai":
        kind = package.AsyncOpenAI if asynchronous else package.OpenAI
        return kind(base_url=f"{url}/v1", api_key="k", **about)
    if name == "azure":
        kind = package.AsyncAzureOpenAI if asynchronous else package.AzureOpenAI
        return kind(azure_endpoint=url, api_key="k", api_version="2024-06-01", **about)
    if name == "anthropic":
        kind = package.AsyncAnthropic if asynchronous else package.Anthropic
        return kind(base_url=url, api_key="k", **about)
    if name == "bedrock":
        importlib.import_module("botocore")  # the SDK imports it at the first call
        kind = package.AsyncAnthropicBedrock if asynchronous else package.AnthropicBedrock
        keys = {"aws_access_key": "a", "aws_secret_key": "s", "aws_region": "r"}
        return kind(base_url=url, **keys, **about)
    kind = package.AsyncAnthropicVertex if asynchronous else package.AnthropicVertex
    where = {"region": "r", "project_id": "p", "access_token": "t"}
    return kind(base_url=f"{url}/v1", **where, **about)


@dataclass
class Run:
    """The outcome of one run of a form: for the program, and for the server."""

    seen: Any
    sent: Any


IGNORED = ("x-stainless-read-timeout", "idempotency-key", "host", "x-amz-date", "authorization")


def run(each_form: Form, server: ModelServer, asynchronous: bool) -> Run:
    server.requests.clear()
    server.failures[:] = each_form.failures
    server.broken, server.last, server.cut = each_form.broken, each_form.last, each_form.cut
    client = make_client(each_form.client, server.url, asynchronous)
    result = run_form(each_form, client, asynchronous)
    sent = [
        (path, {name: value for name, value in headers.items() if name not in IGNORED}, body)
        for path, headers, body in server.requests
    ]
    return Run(result, sent)


def is_offered(each_form: Form) -> bool:
    """Return whether this version of the SDK has the form, and what the form needs."""
    try:
        client = make_client(each_form.client, "http://127.0.0.1:9", False)
    except (AttributeError, ImportError, TypeError):
        return False
    return "responses" not in each_form.name or hasattr(client, "responses")


def fault(each_form: Form, plain: Run, traced: Run, sessions: list[Any]) -> str:
    """Return what is wrong with a run; "" if nothing is."""
    if traced.seen != plain.seen:
        return "the program sees something else"
    if traced.sent != plain.sent:
        return "the server gets something else"
    if len(sessions) != each_form.sessions:
        return f"{len(sessions)} sessions"
    return next((words for each in sessions if (words := _missing(each_form, each))), "")


def _missing(each_form: Form, session: Any) -> str:
    whole = json.dumps(session.inputs) + json.dumps(session.config)
    if "Omit" in whole or "NotGiven" in whole or "NOT_GIVEN" in whole:
        return "records arguments that were not given"
    if FILE in whole or (each_form.holds == "file" and "png: 480 bytes>" not in whole):
        return "records a file itself"
    if not session.config.get("model") or not session.config.get("provider"):
        return "no model or provider"
    if not session.inputs:
        return "no inputs"
    if each_form.holds == "error":
        return "" if session.error and session.metadata.get("status_code") else "no error"
    if session.metadata.get("request_id") != "req_1":
        return "no request id"
    if session.metadata.get("retries") != len(each_form.failures):
        return "no retries"
    return _outputs_missing(each_form, session)


def _outputs_missing(each_form: Form, session: Any) -> str:
    outputs, stream = session.outputs, session.metadata["honeytrace"].get("stream", {})
    if each_form.holds == "nothing":
        return "" if not outputs else "outputs that nobody read"
    if each_form.holds == "part and error":
        told = session.error if each_form.cut else "Not now" in str(session.error)
        return "" if told and outputs["content"] else "not both"
    if each_form.holds == "part":
        return "" if stream == {"completed": False} and outputs["content"] else "not cut off"
    if stream and not (stream["completed"] and session.metrics["ttft_ms"] > 0):
        return "not completed"
    if each_form.holds == "tool":
        name = outputs.get("tool_calls", [{}])[0].get("function", {}).get("name")
        return "" if name == "weather" else "no tool call"
    if each_form.holds == "content" and outputs.get("content") not in (
        ANSWERED,
        '{"city": "Paris"}',
    ):
        return f"content {outputs.get('content')!r}"
    counted = session.metrics.get("prompt_tokens") or (stream and each_form.sdk == "openai")
    return "" if counted else "no tokens"


def main() -> None:
    os.environ.setdefault("HONEYTRACE_HOME", "/nonexistent")
    import honeytrace
    from honeytrace.testing import capture_sessions

    found = {}
    with ModelServer() as server:
        for each_form in FORMS:
            for asynchronous in (False, True):
                name = f"{each_form.sdk}: {each_form.name}{' (async)' * asynchronous}"
                try:
                    if not is_offered(each_form):
                        continue
                    plain = run(each_form, server, asynchronous)
                except (AttributeError, ImportError, TypeError) as error:
                    found[name] = f"not offered: {error}"
                    continue
                honeytrace.instrument()
                with capture_sessions() as sessions:
                    traced = run(each_form, server, asynchronous)
                    if "dropped" in each_form.name:
                        gc.collect()
                honeytrace.uninstrument()
                found[name] = fault(each_form, plain, traced, list(sessions))
    print(json.dumps(found))


if __name__ == "__main__":
    main()
