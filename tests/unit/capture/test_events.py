"""The events of a streamed answer, as text from a server."""

from __future__ import annotations

import pytest

from honeytrace._capture.providers.events import EventReader
from honeytrace._capture.providers.exchange import Exchange


@pytest.fixture
def reader():
    return EventReader(0)


@pytest.mark.parametrize("data", ["[1]", "nonsense", '{"type": "ping"}', "[DONE]"])
def test_events_without_content(reader, data):
    assert (reader.read(data, 0), reader.count) == ([], 0)
    assert reader.complete is (data == "[DONE]")


def test_body(reader):
    """The body of a stream that the program has read by itself is decoded as a whole."""
    body = b'event: a\r\ndata: {"a": 1}\r\n\r\n: comment\r\n\r\ndata: {"b":\ndata: 2}\n\n'
    assert reader.read(body, 0) == [{"a": 1}, {"b": 2}]


@pytest.mark.parametrize(
    "last",
    [
        '{"type": "message_stop"}',
        '{"type": "response.completed"}',
        '{"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}',
    ],
)
def test_complete(reader, last):
    reader.read('{"choices": [{"index": 0, "delta": {"content": "a"}}]}', 0)
    assert reader.complete is False
    reader.read(last, 0)
    assert reader.complete is True


def test_time_to_the_first_token(reader):
    assert reader.ttft_ms is None
    for seconds, content in enumerate(("", "", "a", "b"), 1):
        reader.read(f'{{"choices": [{{"delta": {{"content": "{content}"}}}}]}}', seconds * 10**9)
        assert reader.ttft_ms == (1000.0 if seconds < 3 else 3000.0)


def test_embeddings_without_vectors():
    body = {"object": "list", "model": "e", "usage": {"prompt_tokens": 1, "total_tokens": 1}}
    outputs, metrics, config, _ = Exchange("openai", "embeddings").read(body)
    assert (outputs, metrics["total_tokens"], config) == (body, 1, {"model": "e"})


@pytest.mark.parametrize(
    ("operation", "body", "inputs"),
    [
        ("chat", {"messages": "odd"}, {"chat_history": "odd"}),
        ("messages", {"messages": "odd", "system": "Be kind"}, {"chat_history": "odd"}),
        ("responses", {"input": 5}, {"chat_history": 5}),
        ("responses", {"input": "a"}, {"chat_history": [{"role": "user", "content": "a"}]}),
        ("completions", {}, {}),
        ("", {"a": 1}, {"a": 1}),
    ],
)
def test_requests(operation, body, inputs):
    assert Exchange("openai", operation).split(body)[0] == inputs


@pytest.mark.parametrize(
    ("url", "provider"),
    [
        ("https://api.groq.com/openai/v1", "groq"),
        ("https://x.openai.azure.com", "azure"),
        ("https://example.com", "openai"),
        (None, "openai"),
    ],
)
def test_provider(url, provider):
    httpx = pytest.importorskip("httpx")
    where = httpx.URL(url) if url else None
    assert Exchange("openai", "chat", url=where).provider == provider
