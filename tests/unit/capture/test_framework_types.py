"""Values that frameworks for agents pass around are recorded in short forms.

The classes here have the names, places and attributes of the real ones.
"""

from __future__ import annotations

import dataclasses
import http
import sys
import types

import pydantic
import pytest

from honeytrace import trace_session
from honeytrace._capture.snapshot import Snapshot
from honeytrace.testing import capture_sessions


def home(monkeypatch, module, kind):
    """Put a class where its framework has it."""
    kind.__module__, kind.__qualname__ = module, kind.__name__
    made = sys.modules.get(module) or types.ModuleType(module)
    setattr(made, kind.__name__, kind)
    monkeypatch.setitem(sys.modules, module, made)
    return kind


def new(kind, /, **own):
    value = kind()
    vars(value).update(own)
    return value


def copy(value):
    return Snapshot().take(value, "inputs")


LONG = [{"role": "user", "content": "x" * 1000}] * 50


@pytest.fixture(params=["pydantic_ai", "agents"])
def context(request, monkeypatch):
    name = "RunContext" if request.param == "pydantic_ai" else "RunContextWrapper"

    @dataclasses.dataclass
    class Context:
        deps: object = None
        context: object = None
        model: object = None
        usage: object = None
        prompt: str = "Weather?"
        messages: list = dataclasses.field(default_factory=lambda: LONG)
        tool_name: str = "weather"
        retry: int = 0

    Context.__name__ = name
    return home(monkeypatch, request.param, Context)


def test_run_context(context):
    """A tool's context is what it is about, without the history and the client."""
    model = type("OpenAIModel", (), {})()
    model._model_name = "gpt-4o"
    deps = type("Deps", (), {})()
    found = copy(context(deps=deps, model=model, usage={"input_tokens": 3}))
    assert found.pop("deps").startswith("<")
    assert found.pop("model").endswith("OpenAIModel gpt-4o>")
    assert found == {
        "prompt": "Weather?",
        "tool_name": "weather",
        "retry": 0,
        "usage": {"input_tokens": 3},
    }
    assert copy(context(context="u-1"))["context"] == "u-1"


@pytest.mark.parametrize("module", ["agents", "pydantic_ai", "crewai"])
def test_agent(monkeypatch, module):
    kind = home(monkeypatch, module, type("Agent", (), {}))
    assert copy(new(kind, name="helper", tools=LONG)) == f"<{module}.Agent helper>"
    assert copy(new(kind)) == f"<{module}.Agent>"


def test_chat_model(monkeypatch):
    """A model of a framework is its class and the name of the model, not its client and key."""
    module = "langchain_core.language_models.chat_models"
    base = home(monkeypatch, module, type("BaseChatModel", (pydantic.BaseModel,), {}))
    kind = pydantic.create_model("ChatOpenAI", __base__=base, model=(str, "gpt-4o"), n=(int, 1))
    assert copy(kind()).endswith("ChatOpenAI gpt-4o>")


def test_run_result(monkeypatch):
    kind = home(monkeypatch, "agents", type("RunResult", (), {}))
    inside = types.SimpleNamespace(usage={"input_tokens": 3, "output_tokens": 4})
    result = new(kind, final_output="Sunny", raw_responses=LONG, context_wrapper=inside)
    with capture_sessions() as sessions:
        trace_session(lambda: result)()
    session = sessions.one()
    assert session.outputs["final_output"] == "Sunny"
    assert set(session.outputs) == {"final_output", "usage"}
    assert session.metrics["total_tokens"] == 7
    assert copy(new(kind, final_output="Sunny")) == {"final_output": "Sunny"}


@pytest.mark.parametrize("name", ["Prediction", "Example"])
def test_dspy(monkeypatch, name):
    kind = home(monkeypatch, "dspy", type(name, (), {}))
    assert copy(new(kind, _store={"answer": "Hi"}, _demos=LONG)) == {"answer": "Hi"}
    usage = {"gpt-4o": {"prompt_tokens": 3, "completion_tokens": 4}}
    with capture_sessions() as sessions:
        trace_session(lambda: new(kind, _store={"answer": "Hi"}, _lm_usage=usage))()
    assert sessions.one().outputs["answer"] == "Hi"
    assert sessions.one().metrics["total_tokens"] == 7
    assert copy(new(kind)) == {}


def test_retrieved_documents(monkeypatch):
    """A document is its text, its score and its metadata; an embedding is its length and norm."""
    schema = "llama_index.core.schema"
    node_kind = home(monkeypatch, schema, type("TextNode", (), {}))
    with_score = home(monkeypatch, schema, type("NodeWithScore", (), {}))
    resource = types.SimpleNamespace(text="Paris is big")
    about = {"id_": "1", "embedding": [0.1] * 1536, "metadata": {"page": 3}, "relationships": LONG}
    short = {"id": "1", "text": "Paris is big", "metadata": {"page": 3}}
    assert copy(new(node_kind, text="Paris is big", **about)) == short
    node = new(node_kind, text_resource=resource, **about)
    assert copy(new(with_score, node=node, score=0.5)) == {"score": 0.5, **short}
    assert copy(new(node_kind, **about))["text"] is None

    @dataclasses.dataclass
    class Document:
        content: str
        embedding: list | None = None
        score: float | None = None

    home(monkeypatch, "haystack", Document)
    vector = {"length": 2, "norm": 1.0}
    assert copy(Document("Hi", [0.6, 0.8])) == {"content": "Hi", "embedding": vector}
    assert copy(Document("Hi")) == {"content": "Hi"}


def test_other_classes_of_these_names():
    """A class of the user's with such a name is recorded as before."""

    @dataclasses.dataclass
    class Document:
        embedding: list

    assert copy(Document([0.5])) == {"embedding": [0.5]}


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("pydantic_ai.exceptions", "ModelRetry"),
        ("langgraph.errors", "GraphInterrupt"),
        ("celery.exceptions", "Retry"),
        ("airflow.sdk.exceptions", "AirflowSkipException"),
        ("tornado.web", "Finish"),
    ],
)
def test_exceptions_that_only_steer(module, name):
    """An exception that tells a framework what to do next is not an error."""
    kind = type(name, (Exception,), {"__module__": module})

    class Mine(kind):
        pass

    def raises(error):
        raise error

    with capture_sessions() as sessions:
        for error in (kind("again"), Mine("again")):
            with pytest.raises(kind):
                trace_session(raises)(error)
    assert [each.error for each in sessions] == [None, None]


@pytest.mark.parametrize(
    ("module", "codes", "error"),
    [
        ("starlette.exceptions", {"status_code": 307}, False),
        ("aiohttp.web_exceptions", {"status_code": http.HTTPStatus.FOUND}, False),
        ("werkzeug.exceptions", {"code": 308}, False),
        ("starlette.exceptions", {"status_code": 404}, True),
        ("werkzeug.exceptions", {"code": None}, True),
        ("shop.errors", {"status_code": 307}, True),
    ],
)
def test_redirects(module, codes, error):
    """An exception by which a web framework redirects the browser is not an error."""
    kind = type("HTTPException", (Exception,), {"__module__": module, **codes})
    own = type("Own", (kind,), {})()

    @trace_session
    def raises():
        raise own

    with capture_sessions() as sessions, pytest.raises(kind):
        raises()
    assert bool(sessions.one().error) is error


def test_errors_of_these_names():
    kind = type("Retry", (Exception,), {"__module__": "shop.errors"})

    @trace_session
    def raises():
        raise kind("again")

    with capture_sessions() as sessions, pytest.raises(kind):
        raises()
    assert sessions.one().error == "Retry: again"


@pytest.fixture
def protobuf(monkeypatch):
    """A class of messages of Protocol Buffers, as a package makes it."""
    json_format = types.ModuleType("google.protobuf.json_format")
    json_format.MessageToDict = lambda value, preserving_proto_field_name: dict(value.own)
    monkeypatch.setitem(sys.modules, "google.protobuf.json_format", json_format)

    class Message:
        def ByteSize(self):  # noqa: N802 - its name there
            return self.size

    return type("Answer", (home(monkeypatch, "google.protobuf.message", Message),), {"size": 9})


def test_protocol_buffers(protobuf):
    """A message is recorded by its fields; a large one by its size."""
    assert copy(new(protobuf, own={"id": "a"})) == {"id": "a"}
    assert copy(new(protobuf, own={}, size=2**21)).endswith(" 2097152 bytes>")


def field(name, message=None, enum=None):
    return types.SimpleNamespace(name=name, message_type=message, enum_type=enum)


def test_protocol_buffers_alone(protobuf, monkeypatch):
    """Not every SDK imports the module that turns messages into JSON; xAI's does not."""
    monkeypatch.delitem(sys.modules, "google.protobuf.json_format")
    protobuf.ListFields = lambda self: self.set
    stop = types.SimpleNamespace(number=1, name="REASON_STOP")
    enum = types.SimpleNamespace(values=[stop])
    options = types.SimpleNamespace(map_entry=False)
    message = types.SimpleNamespace(GetOptions=lambda: options)
    mapped = types.SimpleNamespace(GetOptions=lambda: types.SimpleNamespace(map_entry=True))
    inner = new(protobuf, set=[(field("content"), "Hi")])
    answer = new(
        protobuf,
        set=[
            (field("model"), "grok-4"),
            (field("outputs", message), [inner]),
            (field("reason", enum=enum), 1),
            (field("reasons", enum=enum), [1, 9]),
            (field("labels", mapped), {"team": "search"}),
        ],
    )
    assert copy(answer) == {
        "model": "grok-4",
        "outputs": [{"content": "Hi"}],
        "reason": "REASON_STOP",
        "reasons": ["REASON_STOP", 9],
        "labels": {"team": "search"},
    }


@pytest.mark.parametrize(
    ("module", "name", "attribute"),
    [
        ("proto.message", "Message", "_pb"),
        ("google.generativeai.types.generation_types", "GenerateContentResponse", "_result"),
        ("vertexai.generative_models._generative_models", "GenerationResponse", "_raw_response"),
        ("xai_sdk.chat", "_ResponseProtoDecorator", "_proto"),
        ("azure.ai.inference._model_base", "_MyMutableMapping", "_data"),
    ],
)
def test_wrapped_answers(module, name, attribute, protobuf, monkeypatch):
    """An SDK's object that only wraps the answer is recorded as the answer; so are subclasses."""
    kind = type("Response", (home(monkeypatch, module, type(name, (), {})),), {})
    inner = new(protobuf, own={"id": "a"})
    assert copy(new(kind, **{attribute: inner})) == {"id": "a"}
    assert copy(kind()).endswith("Response>")


def test_vllm(monkeypatch):
    """An answer of vLLM has lists of tokens, of which only the number is recorded."""
    kind = home(monkeypatch, "vllm.outputs", type("RequestOutput", (), {}))
    text = new(kind, index=0, text="Hi", token_ids=[1, 2], finish_reason="stop", logprobs=[{}])
    about = {"request_id": "1", "prompt_token_ids": [1, 2, 3], "num_cached_tokens": 1}
    with capture_sessions() as sessions:
        trace_session(lambda: [new(kind, outputs=[text], **about)])()
    session = sessions.one()
    counts = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5, "cached_tokens": 1}
    assert counts.items() <= session.metrics.items()
    assert session.metadata["finish_reason"] == "stop"
    assert "token_ids" not in str(session.outputs)


def test_voyage(monkeypatch):
    kind = home(monkeypatch, "voyageai.object.embeddings", type("EmbeddingsObject", (), {}))
    with capture_sessions() as sessions:
        trace_session(lambda: new(kind, embeddings=[[0.6, 0.8]], total_tokens=9))()
    assert sessions.one().metrics["prompt_tokens"] == 9
    assert sessions.one().outputs["embeddings"] == [{"length": 2, "norm": 1.0}]
