"""Every form of call that OpenAI's and Anthropic's SDKs offer, against a server on this machine.

Each form is written once and runs with the synchronous and the asynchronous client. As a program
this prints, for the SDKs of the interpreter that runs it, what is recorded of each form, and
whether the program and the server see the same as without honeytrace:

    python tests/interop/model_forms.py

`python tests/interop/model_matrix.py` runs it with many versions of the SDKs.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import importlib
import inspect
import json
import os
import pathlib
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

EXAMPLES = pathlib.Path(__file__).resolve().parents[2] / "examples" / "model_calls"
sys.path[:0] = [str(EXAMPLES)]

from model_server import ModelServer  # noqa: E402 - its folder is known from now on

ASKED = [{"role": "user", "content": "good morning to you"}]
ANSWERED = "GOOD MORNING TO YOU"
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
OPENAI_TOOLS = [{"type": "function", "function": {"name": "weather", "parameters": SCHEMA}}]
RESPONSE_TOOLS = [{"type": "function", "name": "weather", "parameters": SCHEMA, "strict": False}]
ANTHROPIC_TOOLS = [{"name": "weather", "input_schema": SCHEMA}]
FILE = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAAB" * 20
TEXT = {"type": "text", "text": "good morning to you"}
CHAT = {"model": "gpt-4o", "messages": ASKED}
RESPONSE = {"model": "gpt-4o", "input": "good morning to you"}
CLAUDE = {"model": "claude-4", "max_tokens": 2000, "messages": ASKED}


@dataclass
class Form:
    """One form of call.

    Attributes:
        run: makes the call; returns what the program sees of it.
        sdk: the package.
        sessions: how many sessions it is.
        holds: what the sessions hold: "content", "tool", "usage", "file" (in the inputs), "error",
            "nothing".
    """

    name: str
    run: Callable[..., Any]
    sdk: str
    client: str = ""
    sessions: int = 1
    holds: str = "content"
    failures: list[int] = field(default_factory=list)
    broken: bool = False


FORMS: list[Form] = []


def form(sdk: str, client: str = "", **about: Any) -> Callable[[Callable[..., Any]], Any]:
    def add(run: Callable[..., Any]) -> Callable[..., Any]:
        name = run.__name__.removeprefix(f"{sdk}_").replace("_", " ")
        FORMS.append(Form(name, run, sdk, client or sdk, **about))
        return run

    return add


# Whether the running form has an asynchronous client. The objects of a tracer do not tell it: some
# have the methods of both kinds.
_asynchronous = False


async def got(value: Any) -> Any:
    return await value if _asynchronous and inspect.isawaitable(value) else value


async def each(values: Any) -> AsyncIterator[Any]:
    if _asynchronous:
        async for value in values:
            yield value
    else:
        for value in values:
            yield value


@contextlib.asynccontextmanager
async def within(manager: Any) -> AsyncIterator[Any]:
    if _asynchronous:
        async with manager as value:
            yield value
    else:
        with manager as value:
            yield value


TYPE, CLASS = "type(result)", "result.__class__"


def seen(value: Any, *more: Any) -> dict[str, Any]:
    """Return what a program sees of a result; `__class__` is what `isinstance` looks at."""
    return {
        TYPE: _name(type(value)),
        CLASS: _name(value.__class__),
        "content": value.model_dump(mode="json") if hasattr(value, "model_dump") else None,
        "closed": getattr(getattr(value, "response", None), "is_closed", None),
        "more": more,
    }


def _name(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


def chunk_text(chunk: Any) -> str:
    return "".join(
        str(getattr(choice, "delta", choice).content or "")
        if hasattr(choice, "delta")
        else choice.text
        for choice in chunk.choices
    )


# OpenAI: chat


@form("openai")
async def openai_chat(client):
    return seen(await got(client.chat.completions.create(**CHAT, temperature=0.5)))


@form("openai", holds="tool")
async def openai_chat_with_tools(client):
    return seen(await got(client.chat.completions.create(**CHAT, tools=OPENAI_TOOLS)))


@form("openai", holds="file")
async def openai_chat_with_image_and_audio(client):
    image = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{FILE}"}}
    audio = {"type": "input_audio", "input_audio": {"data": FILE, "format": "wav"}}
    asked = [{"role": "user", "content": [TEXT, image, audio]}]
    return seen(await got(client.chat.completions.create(model="gpt-4o", messages=asked)))


@form("openai")
async def openai_two_choices(client):
    return seen(await got(client.chat.completions.create(**CHAT, n=2)))


@form("openai")
async def openai_extra_body(client):
    call = client.with_options(timeout=9).chat.completions.create
    return seen(await got(call(**CHAT, extra_body={"top_k": 3}, extra_headers={"x-a": "b"})))


@form("openai")
async def openai_chat_stream(client):
    stream = await got(client.chat.completions.create(**CHAT, stream=True))
    return seen(stream, [chunk.model_dump() async for chunk in each(stream)])


@form("openai")
async def openai_chat_stream_with_usage(client):
    options = {"include_usage": True}
    stream = await got(client.chat.completions.create(**CHAT, stream=True, stream_options=options))
    return seen(stream, [chunk.model_dump() async for chunk in each(stream)])


@form("openai")
async def openai_chat_stream_in_with(client):
    stream = await got(client.chat.completions.create(**CHAT, stream=True))
    async with within(stream) as inside:
        text = "".join([chunk_text(chunk) async for chunk in each(inside)])
    return seen(stream, text, inside is stream, stream.response.status_code)


@form("openai", holds="tool")
async def openai_chat_stream_with_tools(client):
    call = client.chat.completions.create
    stream = await got(call(**CHAT, stream=True, tools=OPENAI_TOOLS))
    return seen(stream, [chunk.model_dump() async for chunk in each(stream)])


@form("openai", holds="part")
async def openai_chat_stream_closed_early(client):
    stream = await got(client.chat.completions.create(**CHAT, stream=True))
    texts = []
    async for chunk in each(stream):
        texts.append(chunk_text(chunk))
        if len(texts) == 3:
            break
    await got(stream.close())
    await got(stream.close())
    return seen(stream, texts, stream.response.is_closed)


@form("openai", holds="part")
async def openai_chat_stream_dropped(client):
    stream = await got(client.chat.completions.create(**CHAT, stream=True))
    texts = []
    async for chunk in each(stream):
        texts.append(chunk_text(chunk))
        if len(texts) == 3:
            break
    del stream
    gc.collect()
    await asyncio.sleep(0)
    return texts


@form("openai", holds="nothing")
async def openai_chat_stream_never_read(client):
    stream = await got(client.chat.completions.create(**CHAT, stream=True))
    await got(stream.close())
    return seen(stream)


@form("openai", holds="part", broken=True)
async def openai_chat_stream_broken_off(client):
    stream = await got(client.chat.completions.create(**CHAT, stream=True))
    return seen(stream, "".join([chunk_text(chunk) async for chunk in each(stream)]))


@form("openai")
async def openai_chat_stream_helper(client):
    chat = client.chat.completions
    chat = chat if hasattr(chat, "stream") else client.beta.chat.completions
    async with within(chat.stream(**CHAT)) as stream:
        kinds = [event.type async for event in each(stream)]
        final = await got(stream.get_final_completion())
    return seen(final, kinds)


@form("openai")
async def openai_chat_parse(client):
    from pydantic import BaseModel

    City = type("City", (BaseModel,), {"__annotations__": {"city": str}})  # noqa: N806 - a class
    chat = client.chat.completions
    chat = chat if hasattr(chat, "parse") else client.beta.chat.completions
    answer = await got(chat.parse(**CHAT, response_format=City))
    return [type(answer).__qualname__, answer.choices[0].message.parsed.city]


@form("openai")
async def openai_chat_raw(client):
    raw = await got(client.chat.completions.with_raw_response.create(**CHAT))
    return seen(raw, raw.headers["x-request-id"], seen(await got(raw.parse())))


@form("openai")
async def openai_chat_raw_never_parsed(client):
    raw = await got(client.chat.completions.with_raw_response.create(**CHAT))
    return seen(raw, raw.status_code)


@form("openai")
async def openai_chat_raw_stream(client):
    raw = await got(client.chat.completions.with_raw_response.create(**CHAT, stream=True))
    stream = await got(raw.parse())
    return seen(raw, seen(stream), [chunk.model_dump() async for chunk in each(stream)])


@form("openai")
async def openai_chat_streaming_response(client):
    async with within(client.chat.completions.with_streaming_response.create(**CHAT)) as raw:
        return seen(raw, seen(await got(raw.parse())))


@form("openai")
async def openai_chat_streaming_response_lines(client):
    call = client.chat.completions.with_streaming_response.create
    async with within(call(**CHAT, stream=True)) as raw:
        return seen(raw, [line async for line in each(raw.iter_lines())])


@form("openai")
async def openai_chat_streaming_response_stream(client):
    call = client.chat.completions.with_streaming_response.create
    async with within(call(**CHAT, stream=True)) as raw:
        stream = await got(raw.parse())
        return seen(raw, seen(stream), [chunk.model_dump() async for chunk in each(stream)])


@form("openai", holds="nothing")
async def openai_chat_streaming_response_never_read(client):
    async with within(client.chat.completions.with_streaming_response.create(**CHAT)) as raw:
        return seen(raw, raw.status_code)


@form("openai", holds="error", failures=[400])
async def openai_chat_refused(client):
    try:
        await got(client.chat.completions.create(**CHAT))
    except Exception as error:
        return [type(error).__qualname__, str(error), error.status_code]


@form("openai", failures=[429, 500])
async def openai_chat_retried(client):
    return seen(await got(client.chat.completions.create(**CHAT)))


@form("openai")
async def openai_chat_at_once(client):
    calls = [got(client.chat.completions.create(**CHAT)) for _ in range(1)]
    return [seen(answer) for answer in await asyncio.gather(*calls)]


@form("openai")
async def openai_post(client):
    return await got(client.post("/chat/completions", body=dict(CHAT), cast_to=object))


# OpenAI: responses, embeddings, completions, Azure


@form("openai")
async def openai_responses(client):
    return seen(await got(client.responses.create(**RESPONSE, instructions="Be kind")))


@form("openai", holds="file")
async def openai_responses_with_image(client):
    image = {"type": "input_image", "image_url": f"data:image/png;base64,{FILE}"}
    asked = [{"role": "user", "content": [{**TEXT, "type": "input_text"}, image]}]
    return seen(await got(client.responses.create(model="gpt-4o", input=asked)))


@form("openai", holds="tool")
async def openai_responses_with_tools(client):
    return seen(await got(client.responses.create(**RESPONSE, tools=RESPONSE_TOOLS)))


@form("openai")
async def openai_responses_stream(client):
    stream = await got(client.responses.create(**RESPONSE, stream=True))
    return seen(stream, [event.model_dump() async for event in each(stream)])


@form("openai")
async def openai_responses_stream_helper(client):
    async with within(client.responses.stream(**RESPONSE)) as stream:
        kinds = [event.type async for event in each(stream)]
        return seen(await got(stream.get_final_response()), kinds)


@form("openai", holds="part")
async def openai_responses_stream_closed_early(client):
    stream = await got(client.responses.create(**RESPONSE, stream=True))
    kinds = []
    async for event in each(stream):
        kinds.append(event.type)
        if len(kinds) == 5:
            break
    await got(stream.close())
    return seen(stream, kinds)


@form("openai", holds="usage")
async def openai_embeddings(client):
    return seen(await got(client.embeddings.create(model="e-3", input=["a", "b"])))


@form("openai", holds="usage")
async def openai_embeddings_as_floats(client):
    call = client.embeddings.create
    return seen(await got(call(model="e-3", input="a", encoding_format="float")))


@form("openai")
async def openai_completions(client):
    return seen(await got(client.completions.create(model="d-2", prompt="good morning to you")))


@form("openai")
async def openai_completions_stream(client):
    call = client.completions.create
    stream = await got(call(model="d-2", prompt="good morning to you", stream=True))
    return seen(stream, "".join([chunk_text(chunk) async for chunk in each(stream)]))


@form("openai", "azure")
async def openai_azure(client):
    return seen(await got(client.chat.completions.create(**CHAT)))


@form("openai", "azure")
async def openai_azure_stream(client):
    stream = await got(client.chat.completions.create(**CHAT, stream=True))
    return seen(stream, "".join([chunk_text(chunk) async for chunk in each(stream)]))


# Anthropic


@form("anthropic")
async def anthropic_messages(client):
    return seen(await got(client.messages.create(**CLAUDE, system="Be kind")))


@form("anthropic", holds="tool")
async def anthropic_messages_with_tools(client):
    return seen(await got(client.messages.create(**CLAUDE, tools=ANTHROPIC_TOOLS)))


@form("anthropic", holds="file")
async def anthropic_messages_with_image(client):
    source = {"type": "base64", "media_type": "image/png", "data": FILE}
    asked = [{"role": "user", "content": [TEXT, {"type": "image", "source": source}]}]
    return seen(await got(client.messages.create(**{**CLAUDE, "messages": asked})))


@form("anthropic")
async def anthropic_messages_with_thinking(client):
    thinking = {"type": "enabled", "budget_tokens": 1024}
    return seen(await got(client.messages.create(**CLAUDE, extra_body={"thinking": thinking})))


@form("anthropic")
async def anthropic_messages_stream(client):
    stream = await got(client.messages.create(**CLAUDE, stream=True))
    return seen(stream, [event.model_dump() async for event in each(stream)])


@form("anthropic", holds="part")
async def anthropic_messages_stream_closed_early(client):
    stream = await got(client.messages.create(**CLAUDE, stream=True))
    kinds = []
    async for event in each(stream):
        kinds.append(event.type)
        if len(kinds) == 4:
            break
    await got(stream.close())
    return seen(stream, kinds, stream.response.is_closed)


@form("anthropic")
async def anthropic_stream_helper(client):
    async with within(client.messages.stream(**CLAUDE)) as stream:
        texts = [text async for text in each(stream.text_stream)]
    return seen(stream, texts)


@form("anthropic", holds="tool")
async def anthropic_stream_helper_with_tools(client):
    async with within(client.messages.stream(**CLAUDE, tools=ANTHROPIC_TOOLS)) as stream:
        return seen(await got(stream.get_final_message()))


@form("anthropic", holds="part", broken=True)
async def anthropic_stream_broken_off(client):
    stream = await got(client.messages.create(**CLAUDE, stream=True))
    return seen(stream, [event.type async for event in each(stream)])


@form("anthropic")
async def anthropic_beta(client):
    return seen(await got(client.beta.messages.create(**CLAUDE)))


@form("anthropic")
async def anthropic_beta_stream(client):
    stream = await got(client.beta.messages.create(**CLAUDE, stream=True))
    return seen(stream, [event.type async for event in each(stream)])


@form("anthropic")
async def anthropic_raw(client):
    raw = await got(client.messages.with_raw_response.create(**CLAUDE))
    return seen(raw, seen(await got(raw.parse())))


@form("anthropic")
async def anthropic_raw_stream(client):
    raw = await got(client.messages.with_raw_response.create(**CLAUDE, stream=True))
    stream = await got(raw.parse())
    return seen(raw, seen(stream), [event.type async for event in each(stream)])


@form("anthropic")
async def anthropic_streaming_response(client):
    async with within(client.messages.with_streaming_response.create(**CLAUDE)) as raw:
        return seen(raw, seen(await got(raw.parse())))


@form("anthropic")
async def anthropic_streaming_response_lines(client):
    call = client.messages.with_streaming_response.create
    async with within(call(**CLAUDE, stream=True)) as raw:
        return seen(raw, [line async for line in each(raw.iter_lines())])


@form("anthropic", holds="error", failures=[400])
async def anthropic_refused(client):
    try:
        await got(client.messages.create(**CLAUDE))
    except Exception as error:
        return [type(error).__qualname__, str(error), error.status_code]


@form("anthropic", failures=[429])
async def anthropic_retried(client):
    return seen(await got(client.messages.create(**CLAUDE)))


@form("anthropic", sessions=0)
async def anthropic_count_tokens(client):
    try:
        await got(client.messages.count_tokens(model="claude-4", messages=ASKED))
    except Exception as error:
        return type(error).__qualname__


@form("anthropic", "vertex")
async def anthropic_vertex(client):
    return seen(await got(client.messages.create(**CLAUDE)))


@form("anthropic", "vertex")
async def anthropic_vertex_stream(client):
    stream = await got(client.messages.create(**CLAUDE, stream=True))
    return seen(stream, [event.type async for event in each(stream)])


# Running them


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
    kind = package.AsyncAnthropicVertex if asynchronous else package.AnthropicVertex
    where = {"region": "r", "project_id": "p", "access_token": "t"}
    return kind(base_url=f"{url}/v1", **where, **about)


@dataclass
class Run:
    """The outcome of one run of a form: for the program, and for the server."""

    seen: Any
    sent: Any


async def _run(each_form: Form, server: ModelServer, asynchronous: bool) -> Run:
    global _asynchronous
    _asynchronous = asynchronous
    server.requests.clear()
    server.failures[:] = each_form.failures
    server.broken = each_form.broken
    client = make_client(each_form.client, server.url, asynchronous)
    async with within(client):
        result = await each_form.run(client)
    ignored = ("x-stainless-read-timeout", "idempotency-key", "host")
    sent = [
        (path, {name: value for name, value in headers.items() if name not in ignored}, body)
        for path, headers, body in server.requests
    ]
    return Run(result, sent)


def run(each_form: Form, server: ModelServer, asynchronous: bool) -> Run:
    return asyncio.run(_run(each_form, server, asynchronous))


def is_offered(each_form: Form) -> bool:
    """Return whether this version of the SDK has the form."""
    client = make_client(each_form.client, "http://127.0.0.1:9", False)
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
