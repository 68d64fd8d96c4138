"""The tier that served a call, on which its price depends."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import anthropic
import openai
import pytest
from model_server import ModelServer

import honeytrace
from honeytrace.testing import capture_sessions

ASKED: Any = [{"role": "user", "content": "Hi"}]
CHOICE = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "Hi"}}
COUNTS = {"input_tokens": 1, "output_tokens": 1}
CHAT = {"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": [CHOICE]}
RESPONSE = {"id": "r", "object": "response", "model": "m", "output": [], "usage": COUNTS}
TOLD = {**COUNTS, "service_tier": "priority"}
MESSAGE = {"id": "m", "type": "message", "role": "assistant", "content": [], "model": "m"}


@pytest.fixture
def server() -> Iterator[ModelServer]:
    honeytrace.instrument("openai", "anthropic")
    with ModelServer() as server:
        yield server
    honeytrace.uninstrument()


def ask(server: ModelServer, answer: Any) -> Any:
    server.raw = json.dumps(answer).encode()
    if answer.get("type") == "message":
        http = anthropic.DefaultHttpxClient(verify=False)
        with anthropic.Anthropic(base_url=server.url, api_key="k", http_client=http) as claude:
            return claude.messages.create(model="m", messages=ASKED, max_tokens=9)
    http_client = openai.DefaultHttpxClient(verify=False)
    with openai.OpenAI(base_url=server.openai_url, api_key="k", http_client=http_client) as client:
        if answer["object"] == "response":
            return client.responses.create(model="m", input="Hi")
        return client.chat.completions.create(model="m", messages=ASKED)


@pytest.mark.parametrize(
    ("answer", "tier"),
    [
        ({**CHAT, "service_tier": "flex"}, "flex"),
        ({**RESPONSE, "service_tier": "flex"}, "flex"),
        ({**MESSAGE, "stop_reason": "end_turn", "usage": TOLD}, "priority"),
        ({**CHAT, "service_tier": None}, None),
    ],
    ids=["chat", "response", "anthropic", "none"],
)
def test_service_tier(server: ModelServer, answer: Any, tier: str | None) -> None:
    """The metadata has the tier that the answer names, if it names one."""
    with capture_sessions() as sessions:
        ask(server, answer)
    assert sessions.one().metadata.get("service_tier") == tier
