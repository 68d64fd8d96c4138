"""Tools that the provider calls itself, and the sources that an answer names."""

from __future__ import annotations

import base64
import json

import anthropic
import openai
import pytest
from model_server import ModelServer

import honeytrace
from honeytrace.testing import capture_sessions

PNG = base64.b64encode(b"\x89PNG" + bytes(range(256)) * 20).decode()
USAGE = {"input_tokens": 10, "output_tokens": 5, "total_tokens": 15}
SEARCH = {"type": "search", "query": "tea"}
ASKED = [{"role": "user", "content": "Hi"}]


@pytest.fixture
def server():
    honeytrace.instrument("openai", "anthropic")
    with ModelServer() as server:
        yield server
    honeytrace.uninstrument()


def respond(server, *items):
    server.raw = json.dumps(
        {"id": "r", "object": "response", "model": "gpt-5", "output": items, "usage": USAGE}
    ).encode()
    http_client = openai.DefaultHttpxClient(verify=False)
    client = openai.OpenAI(base_url=server.openai_url, api_key="k", http_client=http_client)
    with client, capture_sessions() as sessions:
        client.responses.create(model="gpt-5", input="Hi")
    return sessions.one().outputs


@pytest.mark.parametrize(
    ("item", "name", "arguments", "output"),
    [
        ({"type": "web_search_call", "action": SEARCH}, "web_search", {"action": SEARCH}, None),
        (
            {"type": "file_search_call", "queries": ["tea"], "results": [{"text": "green"}]},
            "file_search",
            {"queries": ["tea"]},
            [{"text": "green"}],
        ),
        (
            {"type": "code_interpreter_call", "code": "1+1", "outputs": [{"logs": "2"}]},
            "code_interpreter",
            {"code": "1+1"},
            [{"logs": "2"}],
        ),
        (
            {"type": "image_generation_call", "result": PNG},
            "image_generation",
            {},
            "<base64: 5124 bytes>",
        ),
        (
            {"type": "mcp_call", "name": "roll", "arguments": '{"n": 2}', "output": "7"},
            "roll",
            {"n": 2},
            "7",
        ),
    ],
)
def test_openai(server, item, name, arguments, output):
    """Each is a tool call of the answer, with what it has returned."""
    outputs = respond(server, {"id": "t-1", "status": "completed", **item})
    (call,) = outputs["tool_calls"]
    assert (call["id"], call["function"]["name"]) == ("t-1", name)
    assert json.loads(call["function"]["arguments"]) == arguments
    assert call.get("output") == output


def test_call_with_an_id_of_its_own(server):
    action = {"type": "exec", "command": ["ls"]}
    item = {"type": "local_shell_call", "id": "t-1", "call_id": "c-1", "action": action}
    (call,) = respond(server, item)["tool_calls"]
    assert (call["id"], call["function"]["name"]) == ("c-1", "local_shell")


CITED = {"type": "url_citation", "url": "https://tea.example", "title": "Tea"}


def test_sources_of_a_response(server):
    text = {"type": "output_text", "text": "Green", "annotations": [CITED]}
    outputs = respond(server, {"type": "message", "role": "assistant", "content": [text]})
    assert (outputs["content"], outputs["annotations"]) == ("Green", [CITED])


def test_sources_of_a_chat(server):
    message = {"role": "assistant", "content": "Green", "annotations": [CITED]}
    server.raw = json.dumps({"choices": [{"index": 0, "message": message}]}).encode()
    client = openai.OpenAI(base_url=server.openai_url, api_key="k")
    with client, capture_sessions() as sessions:
        client.chat.completions.create(model="gpt-4o", messages=ASKED)
    assert sessions.one().outputs["annotations"] == [CITED]


def test_sources_of_anthropic(server):
    cited = {"type": "char_location", "cited_text": "tea is green", "document_index": 0}
    texts = [
        {"type": "text", "text": "It is "},
        {"type": "text", "text": "green", "citations": [cited]},
    ]
    body = {"type": "message", "role": "assistant", "model": "claude", "content": texts}
    server.raw = json.dumps({**body, "usage": USAGE, "stop_reason": "end_turn"}).encode()
    client = anthropic.Anthropic(base_url=server.url, api_key="k")
    with client, capture_sessions() as sessions:
        client.messages.create(model="claude", max_tokens=9, messages=ASKED)
    outputs = sessions.one().outputs
    assert outputs == {"role": "assistant", "content": "It is green", "annotations": [cited]}
