"""`instrument`: which SDKs it takes, how it is undone, and what it does with odd ones."""

from __future__ import annotations

import asyncio
import importlib
import inspect
import json
import sys
import types

import anthropic
import openai
import pydantic
import pytest
import wrapt
from model_server import ModelServer

import honeytrace
from honeytrace._config.live import live
from honeytrace.integrations import _instrument
from honeytrace.testing import capture_sessions

ASKED = [{"role": "user", "content": "good morning"}]


@pytest.fixture
def server():
    with ModelServer() as server:
        yield server
    honeytrace.uninstrument()


def ask(server, **options):
    http_client = openai.DefaultHttpxClient(verify=False)
    with openai.OpenAI(
        base_url=server.openai_url, api_key="k", max_retries=0, http_client=http_client
    ) as client:
        answer = client.chat.completions.create(model="gpt-4o", messages=ASKED, **options)
        return list(answer) if "stream" in options else answer


def methods():
    return [
        getattr(getattr(sys.modules[part.module], part.path.split(".")[0]), part.path.split(".")[1])
        for name in ("openai", "anthropic")
        for part in _instrument.PRESETS[name].parts
    ]


def test_undo():
    """Afterwards each method is the one that it was."""
    before = methods()
    honeytrace.instrument()
    honeytrace.instrument("openai")
    assert not set(map(id, before)) & set(map(id, methods()))
    honeytrace.uninstrument("openai")
    honeytrace.uninstrument()
    assert methods() == before


def test_only_named(server):
    honeytrace.instrument("anthropic")
    with capture_sessions() as sessions:
        ask(server)
    assert list(sessions) == []


def test_child_of_a_traced_function(server):
    honeytrace.instrument("openai")
    with capture_sessions() as sessions, honeytrace.trace_session("agent"):
        ask(server)
        ask(server)
    agent, one, two = (sessions.one("agent"), *sessions.all("openai.chat.completions"))
    assert agent.children_ids == [one.session_id, two.session_id]


def test_inside_itself(server):
    """A call of a model that another one makes is not a session, one of a tool inside is."""
    honeytrace.instrument("openai")

    def nested(request):
        ask(server)
        ask(server, stream=True)
        with honeytrace.trace_session("hook"):
            ask(server)

    http_client = openai.DefaultHttpxClient(event_hooks={"request": [nested]})
    client = openai.OpenAI(base_url=server.openai_url, api_key="k", http_client=http_client)
    asked = [{"role": "user", "content": "hello"}]
    with client, capture_sessions() as sessions, honeytrace.tag(metadata={"a": 1}):
        client.chat.completions.create(model="gpt-4o", messages=asked)
    assert len(server.requests) == 4
    names = ["hook", "openai.chat.completions", "openai.chat.completions"]
    assert sorted(each.session_name for each in sessions) == names
    assert [each.metadata["a"] for each in sessions] == [1, 1, 1]
    outer = next(each for each in sessions if each.inputs == {"chat_history": asked})
    assert outer.children_ids == [sessions.one("hook").session_id]
    assert outer.outputs["content"] == "HELLO"


def test_refused_inside_itself(server):
    """An error of a call inside another one leaves the session of the other as it is."""
    honeytrace.instrument("openai")

    def nested(_):
        server.failures[:] = [400]
        with pytest.raises(openai.BadRequestError):
            ask(server)

    http_client = openai.DefaultHttpxClient(event_hooks={"request": [nested]})
    client = openai.OpenAI(base_url=server.openai_url, api_key="k", http_client=http_client)
    with client, capture_sessions() as sessions:
        client.chat.completions.create(model="gpt-4o", messages=ASKED)
    assert (sessions.one().error, "status_code" in sessions.one().metadata) == (None, False)


def test_wrapped_since(server):
    """A wrapper of another library stays; our wrapper inside it does nothing."""
    base = sys.modules["openai._base_client"].SyncAPIClient
    before = base.request
    honeytrace.instrument("openai")
    inside = base.request
    base.request = lambda self, *args, **kwargs: inside(self, *args, **kwargs)
    try:
        honeytrace.uninstrument("openai")
        with capture_sessions() as sessions:
            ask(server)
        assert list(sessions) == []
        assert base.request is not inside
        honeytrace.instrument("openai")
        with capture_sessions() as sessions:
            ask(server)
        assert sessions.one().metadata["request_id"] == "req_1"
    finally:
        honeytrace.uninstrument("openai")
        base.request = before


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("kind", [openai.OpenAI, openai.AsyncOpenAI])
def test_wrapped_before(server, kind, stream):
    """A wrapper that another library has put on the client's class before does not hide its calls.

    The library has taken the method of the base class, as it was before, for that of the client.
    """
    passed = []

    def note(wrapped, instance, args, kwargs):
        passed.append(type(instance))
        return wrapped(*args, **kwargs)

    async def call():
        client = kind(base_url=server.openai_url, api_key="k")
        answer = client.chat.completions.create(model="gpt-4o", messages=ASKED, stream=stream)
        answer = await answer if inspect.isawaitable(answer) else answer
        if stream and kind is openai.OpenAI:
            list(answer)
        elif stream:
            [each async for each in answer]
        closing = client.close()
        if closing is not None:
            await closing

    wrapt.wrap_function_wrapper("openai", f"{kind.__name__}.request", note)
    theirs = vars(kind)["request"]
    try:
        honeytrace.instrument("openai")
        with capture_sessions() as sessions:
            asyncio.run(call())
        assert (sessions.one().outputs["content"], passed) == ("GOOD MORNING", [kind])
        honeytrace.uninstrument("openai")
        assert vars(kind)["request"] is theirs
    finally:
        honeytrace.uninstrument("openai")
        del kind.request


@pytest.mark.parametrize("arguments", [(), (object, 1), (object,)])
def test_wrong_call(server, arguments):
    """A call that does not fit the SDK's method is not recorded, and not a fault of ours."""
    honeytrace.instrument("openai")
    before = honeytrace.stats().errors
    with (
        openai.OpenAI(base_url=server.openai_url, api_key="k") as client,
        capture_sessions() as sessions,
        pytest.raises((TypeError, AttributeError)),
    ):
        client.request(*arguments)
    assert (len(sessions), honeytrace.stats().errors) == (0, before)


def test_left_by_another_library(server):
    """Our method stays where another library has put it back; a new `instrument` replaces it."""
    honeytrace.instrument("openai")
    openai.OpenAI.request = openai.OpenAI.request
    try:
        honeytrace.uninstrument("openai")
        honeytrace.instrument("openai")
        with capture_sessions() as sessions:
            ask(server)
        assert sessions.one().metadata["request_id"] == "req_1"
    finally:
        honeytrace.uninstrument("openai")
        del openai.OpenAI.request


def test_switched_off(server, monkeypatch):
    monkeypatch.setenv("HONEYTRACE_ENABLED", "false")
    honeytrace.instrument("openai")
    honeytrace.configure()
    before = honeytrace.stats().accepted
    try:
        assert ask(server).choices[0].message.content == "GOOD MORNING"
        assert honeytrace.stats().accepted == before
    finally:
        monkeypatch.delenv("HONEYTRACE_ENABLED")
        honeytrace.configure()


@pytest.mark.parametrize("setting", ["capture_inputs", "capture_outputs"])
def test_nothing_captured(server, setting):
    """Without contents, the model and the tokens are known still."""
    honeytrace.instrument("openai")
    honeytrace.configure(**{setting: False})
    try:
        with capture_sessions() as sessions:
            ask(server)
    finally:
        honeytrace.configure(**{setting: None})
    session = sessions.one()
    assert getattr(session, setting.removeprefix("capture_")) == {}
    assert (session.config["model"], session.metrics["completion_tokens"]) == ("gpt-4o", 2)


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/images/generations", "openai.images.generations"),
        ("/files", None),
        ("/odd", "openai.odd"),
    ],
)
def test_other_requests(server, path, name):
    """Other requests are plain sessions, and those that no model answers are none."""
    honeytrace.instrument("openai")
    server.raw = b'{"data": [{"url": "u"}]}'
    client = openai.OpenAI(base_url=server.openai_url, api_key="k")
    with client, capture_sessions() as sessions:
        client.post(path, body={"prompt": "a cat"}, cast_to=object)
    found = [(each.session_name, each.inputs, each.outputs) for each in sessions]
    answer = {"data": [{"url": "u"}]}
    assert found == ([(name, {"prompt": "a cat"}, answer)] if name else [])


def test_body_that_is_not_json(server):
    honeytrace.instrument("openai")
    server.raw = b"\x00\x01mp3"
    client = openai.OpenAI(base_url=server.openai_url, api_key="k")
    with client, capture_sessions() as sessions:
        client.audio.speech.create(model="tts", voice="alloy", input="good morning")
    assert sessions.one().outputs == {"media_type": "application/json", "bytes": 5}


def test_body_changed_while_the_call_runs(server):
    """The inputs are what was sent, whatever the program does with its body meanwhile and later."""
    honeytrace.instrument("openai")
    body = {"model": "gpt-4o", "messages": [dict(ASKED[0])]}
    running = []

    def change(_):
        running.append(dict(honeytrace.current_session().inputs))
        body["messages"].append({"role": "user", "content": "late"})
        body["n"] = 2

    http_client = openai.DefaultHttpxClient(event_hooks={"request": [change]})
    client = openai.OpenAI(base_url=server.openai_url, api_key="k", http_client=http_client)
    with client, capture_sessions() as sessions:
        client.post("/chat/completions", body=body, cast_to=object)
        body["messages"][0]["content"] = "later"
    session = sessions.one()
    assert running == [{"chat_history": ASKED}]
    assert session.inputs == {"chat_history": ASKED}
    assert session.config == {"model": "gpt-4o", "provider": "openai"}


def test_long_text_in_a_body(server):
    """A text that exceeds the limits is cut, and listed among the values that are."""
    honeytrace.instrument("openai")
    honeytrace.configure(limits={"string": 10})
    try:
        with capture_sessions() as sessions:
            ask(server)
    finally:
        honeytrace.configure(limits=None)
    session = sessions.one()
    assert session.inputs["chat_history"][0]["content"] == "good morni… [2 more characters]"
    assert session.metadata["honeytrace"]["truncated"] == ["inputs.messages[0].content"]


def test_without_the_response(server, monkeypatch):
    """If an SDK does not show us the response, the inputs are those that were given."""
    base = sys.modules["openai._base_client"].SyncAPIClient
    original = base._process_response
    honeytrace.instrument("openai")
    monkeypatch.setattr(base, "_process_response", original)
    with capture_sessions() as sessions:
        ask(server)
    session = sessions.one()
    assert session.inputs == {"chat_history": ASKED}
    assert session.outputs["content"] == "GOOD MORNING"


def test_form_body(server):
    """A form with a file is recorded by the fields that were given, and the file by its size."""
    honeytrace.instrument("openai")
    server.raw = b'{"text": "good morning"}'
    client = openai.OpenAI(base_url=server.openai_url, api_key="k")
    with client, capture_sessions() as sessions:
        client.audio.transcriptions.create(model="whisper-1", file=("a.wav", b"RIFF"))
    session = sessions.one()
    assert session.inputs == {"files": [{"field": "file", "name": "a.wav", "bytes": 4}]}
    assert session.config["model"] == "whisper-1"


def test_body_of_the_program(server):
    """A body that the program encodes in another way is recorded by its size."""
    honeytrace.instrument("openai")
    client = openai.OpenAI(base_url=server.openai_url, api_key="k")
    server.raw = b"{}"
    with client, capture_sessions() as sessions:
        client.post("/odd", content='{"a": 1}'.encode("utf-16-le"), cast_to=object)
    assert sessions.one().inputs == {"bytes": 16}


def test_server_that_cannot_be_reached():
    honeytrace.instrument("openai")
    try:
        client = openai.OpenAI(base_url="http://127.0.0.1:9/v1", api_key="k", max_retries=1)
        with client, capture_sessions() as sessions, pytest.raises(openai.APIConnectionError):
            client.chat.completions.create(model="gpt-4o", messages=ASKED)
    finally:
        honeytrace.uninstrument()
    session = sessions.one()
    assert session.error.startswith("APIConnectionError")
    assert (session.config["model"], session.metadata["retries"]) == ("gpt-4o", 1)


def test_nonsense_in_a_stream(server):
    """An error of the SDK while the stream is read is the session's error."""
    honeytrace.instrument("openai")
    server.raw = b'data: {"choices": [{"index": 0, "delta": {"content": "So"}}]}\n\ndata: {nons\n\n'
    with capture_sessions() as sessions, pytest.raises(ValueError, match="property name"):
        ask(server, stream=True)
    session = sessions.one()
    assert session.error.startswith("JSONDecodeError")
    assert session.outputs["content"] == "So"


def test_answer_that_the_program_refuses(server):
    """The answer and its tokens are known although the SDK raises, since it fits no `City`."""
    honeytrace.instrument("openai")
    City = type("City", (pydantic.BaseModel,), {"__annotations__": {"zip": int}})  # noqa: N806 - a class
    client = openai.OpenAI(base_url=server.openai_url, api_key="k")
    with client, capture_sessions() as sessions, pytest.raises(pydantic.ValidationError):
        client.chat.completions.parse(model="gpt-4o", messages=ASKED, response_format=City)
    session = sessions.one()
    assert session.error.startswith("ValidationError")
    assert session.outputs["content"] == '{"city": "Paris"}'
    assert session.metrics["total_tokens"] > 0


def test_error_in_a_stream(server):
    honeytrace.instrument("openai")
    server.raw = b'data: {"error": {"message": "overloaded", "type": "server_error"}}\n\n'
    with capture_sessions() as sessions, pytest.raises(openai.APIError, match="overloaded"):
        ask(server, stream=True)
    assert sessions.one().error == "APIError: overloaded"


def test_error_in_the_middle_of_a_stream(server):
    """What came before the error is the answer, and the error stands beside it."""
    honeytrace.instrument("openai")
    chunk = (
        b'{"id": "c-1", "model": "gpt-4o-1", "choices": [{"index": 0, "delta": {"content": "A"}}]}'
    )
    server.raw = b"data: %s\n\ndata: %s\n\n" % (chunk, b'{"error": {"message": "overloaded"}}')
    with capture_sessions() as sessions, pytest.raises(openai.APIError, match="overloaded"):
        ask(server, stream=True)
    session = sessions.one()
    assert session.outputs["content"] == "A"
    assert session.outputs["error"] == {"message": "overloaded"}
    assert session.metadata["response_model"] == "gpt-4o-1"


def test_failed_response(server):
    """An answer that says that it failed raises nothing; the session has what it says."""
    honeytrace.instrument("openai")
    failed = {"code": "server_error", "message": "overloaded"}
    response = {"id": "r-1", "object": "response", "status": "failed", "output": []}
    server.raw = json.dumps({**response, "error": failed}).encode()
    http_client = openai.DefaultHttpxClient(verify=False)
    with (
        capture_sessions() as sessions,
        openai.OpenAI(base_url=server.openai_url, api_key="k", http_client=http_client) as client,
    ):
        client.responses.create(model="gpt-4o", input="Hi")
    assert sessions.one().outputs["error"] == failed


def test_not_sampled(server):
    honeytrace.instrument("openai")
    honeytrace.configure(sample_rate=0.0)
    try:
        with capture_sessions() as sessions:
            assert ask(server).choices[0].message.content == "GOOD MORNING"
    finally:
        honeytrace.configure(sample_rate=None)
    assert list(sessions) == []


def test_cancelled_while_waiting(server):
    """A consumer that is cancelled is not an error, and the session has what came until then."""

    async def read():
        async with openai.AsyncOpenAI(base_url=server.openai_url, api_key="k") as client:
            call = client.chat.completions.create
            stream = await call(model="gpt-4o", messages=ASKED, stream=True)
            async for _ in stream:
                arrived.set()

    async def cancel():
        task = asyncio.create_task(read())
        await arrived.wait()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        server.released.set()

    arrived = asyncio.Event()
    server.stalled = True
    honeytrace.instrument("openai")
    with capture_sessions() as sessions:
        asyncio.run(cancel())
    session = sessions.one()
    assert (session.error, session.metadata["honeytrace"]["status"]) == (None, "cancelled")
    assert session.metadata["honeytrace"]["stream"]["completed"] is False


def test_end_of_the_program(server):
    """A stream that is still being read ends with the program."""
    honeytrace.instrument("openai")
    client = openai.OpenAI(base_url=server.openai_url, api_key="k")
    with client, capture_sessions() as sessions:
        stream = client.chat.completions.create(model="gpt-4o", messages=ASKED, stream=True)
        next(stream)
        live.end_streams()
        stream.close()
    assert sessions.one().metadata["honeytrace"]["stream"] == {"completed": False}


def test_middleware(server):
    """Anthropic's middleware sees the answers that are refused and repeated, too."""
    honeytrace.instrument("anthropic")
    server.failures[:] = [429]
    seen = []

    def middleware(request, call_next):
        seen.append(request)
        return call_next(request)

    client = anthropic.Anthropic(base_url=server.url, api_key="k", middleware=[middleware])
    with client, capture_sessions() as sessions:
        stream = client.messages.create(model="claude-4", max_tokens=9, messages=ASKED, stream=True)
        assert len(list(stream)) > 3
    assert len(seen) == 2
    session = sessions.one()
    assert session.outputs["content"] == "GOOD MORNING"
    assert session.metadata["retries"] == 1


def test_huge_messages(server):
    """Long messages are recorded whole up to the limits, and the request goes out whole."""
    honeytrace.instrument("openai")
    text = "word " * 200_000
    client = openai.OpenAI(base_url=server.openai_url, api_key="k")
    with client, capture_sessions() as sessions:
        client.chat.completions.create(
            model="gpt-4o", messages=[{"role": "user", "content": text}], max_tokens=1
        )
    assert server.requests[0][2]["messages"][0]["content"] == text
    assert sessions.one().inputs["chat_history"][0]["content"] == text


def test_anthropic_alone(server):
    honeytrace.instrument("anthropic")
    client = anthropic.Anthropic(base_url=server.url, api_key="k")
    with client, capture_sessions() as sessions:
        client.messages.create(model="claude-4", max_tokens=9, messages=ASKED, system="Be kind")
    session = sessions.one("anthropic.messages")
    assert session.inputs["chat_history"][0] == {"role": "system", "content": "Be kind"}
    assert session.metadata["honeytrace"]["step"] == "model"
    assert session.metrics["cached_tokens"] == 2


@pytest.mark.parametrize(
    ("name", "error", "words"),
    [
        ("opanai", ValueError, "'opanai' is not an SDK.*; did you mean 'openai'"),
        ("OpenAI", ValueError, "did you mean 'openai'"),
        ("qqq", ValueError, "the known ones are openai, anthropic"),
        (openai, TypeError, "is not the name of an SDK; give one of openai"),
    ],
)
@pytest.mark.parametrize("function", [honeytrace.instrument, honeytrace.uninstrument])
def test_bad_name(function, name, error, words):
    with pytest.raises(error, match=words):
        function(name)


@pytest.mark.parametrize("names", [(), ("all",)])
def test_every_sdk(names):
    honeytrace.instrument(*names)
    active = [name for name, preset in _instrument.PRESETS.items() if preset.sdk.active]
    honeytrace.uninstrument(*names)
    assert active == list(_instrument.PRESETS)
    assert not any(preset.sdk.active for preset in _instrument.PRESETS.values())


def test_other_layout(caplog, monkeypatch):
    """An SDK of another layout is left alone, and it is said once."""
    monkeypatch.setitem(sys.modules, "openai._base_client", types.ModuleType("other"))
    monkeypatch.setitem(sys.modules, "openai._streaming", types.ModuleType("other"))
    honeytrace.instrument("openai")
    honeytrace.uninstrument("openai")
    assert caplog.text.count("cannot instrument openai") == 1
    assert "has no 'SyncAPIClient.request', so its calls are not recorded" in caplog.text


@pytest.fixture
def small_litellm(tmp_path, monkeypatch):
    """A module that is quick to import and to load again."""
    (tmp_path / "litellm.py").write_text("def completion(model): return model\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield importlib.import_module("litellm")
    honeytrace.uninstrument("litellm")
    monkeypatch.delitem(sys.modules, "litellm")


def test_reloaded(small_litellm):
    """A reload makes new functions, which a second `instrument` replaces."""
    honeytrace.instrument("litellm")
    module = importlib.reload(small_litellm)
    with capture_sessions() as sessions:
        module.completion("a")
        honeytrace.instrument("litellm")
        honeytrace.instrument("litellm")
        module.completion("b")
    assert sessions.one().outputs == {"result": "b"}


def test_half_imported(small_litellm, caplog):
    """A module that is still being imported is replaced by a second `instrument`."""
    completion = vars(small_litellm).pop("completion")
    small_litellm.__spec__._initializing = True
    honeytrace.instrument("litellm")
    small_litellm.__spec__._initializing = False
    assert "it is still being imported, so call instrument() again" in caplog.text
    small_litellm.completion = completion
    honeytrace.instrument("litellm")
    with capture_sessions() as sessions:
        small_litellm.completion("a")
    assert len(sessions) == 1


def test_undone_before_the_import(tmp_path, monkeypatch):
    """A module that is imported afterwards stays as it is."""
    (tmp_path / "litellm.py").write_text("def completion(): ...\n")
    monkeypatch.syspath_prepend(tmp_path)
    honeytrace.instrument("litellm")
    honeytrace.uninstrument("litellm")
    litellm = importlib.import_module("litellm")
    monkeypatch.delitem(sys.modules, "litellm")
    assert litellm.completion.__module__ == "litellm"
    assert not hasattr(litellm.completion, "__wrapped__")


PROGRAM = """
    import sys
    import honeytrace
    from honeytrace.testing import capture_sessions
    from model_server import ModelServer

    assert "openai" not in sys.modules
    with ModelServer() as server, capture_sessions() as sessions:
        import openai

        client = openai.OpenAI(base_url=server.openai_url, api_key="k")
        client.embeddings.create(model="e", input="a")
    print([each.session_name for each in sessions])
"""


def test_environment(program):
    """The variable does the same for SDKs that are imported later."""
    ran = program(PROGRAM, HONEYTRACE_INSTRUMENT="openai, anthropic")
    assert (ran.returncode, ran.stdout) == (0, "['openai.embeddings']\n"), ran.stderr


@pytest.mark.parametrize(
    ("value", "names"),
    [
        ("openai", ["openai"]),
        ("OpenAI, anthropic", ["openai", "anthropic"]),
        ("all", list(_instrument.PRESETS)),
        ("true", list(_instrument.PRESETS)),
        ("off", []),
        ("", []),
        ("none", []),
        (" , ", []),
        ("opanai", []),
        ("opanai,anthropic", ["anthropic"]),
    ],
)
def test_values_in_the_environment(value, names, monkeypatch, caplog):
    monkeypatch.setenv("HONEYTRACE_INSTRUMENT", value)
    _instrument.instrument_from_environment()
    active = [name for name, preset in _instrument.PRESETS.items() if preset.sdk.active]
    honeytrace.uninstrument()
    assert sorted(active) == sorted(names)
    warned = "HONEYTRACE_INSTRUMENT=opanai: 'opanai' is not an SDK" in caplog.text
    assert warned is (value == "opanai")
