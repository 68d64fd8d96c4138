"""Chunks of the real clients are merged into the same answer as the clients make."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from llm_streams import CHAT, EVENTS, RESPONSES, merge

from honeytrace._capture.snapshot import Snapshot

MESSAGES = [{"role": "user", "content": "Hi"}]


@pytest.fixture(scope="module")
def url():
    """A server that streams these answers."""
    bodies = {"chat/completions": CHAT, "messages": EVENTS, "responses": RESPONSES}

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            self.rfile.read(int(self.headers["content-length"]))
            events = bodies[self.path.removeprefix("/v1/")]
            lines = [f"event: {e['type']}\n" if "type" in e else "" for e in events]
            data = [f"data: {json.dumps(e)}\n\n" for e in events]
            body = "".join(a + b for a, b in zip(lines, data, strict=True))
            body += "data: [DONE]\n\n" if events is CHAT else ""
            self.send_response(200)
            self.send_header("content-type", "text/event-stream")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def client(module, **settings):
    sdk = pytest.importorskip(module)
    return getattr(sdk, {"openai": "OpenAI", "anthropic": "Anthropic"}[module])(
        api_key="k", **settings
    )


def taken(items):
    return merge([Snapshot().take(each, "outputs") for each in items])


def lacking(value, whole):
    """Return what `value` lacks of `whole`.

    The nulls that SDKs add, and the index that OpenAI's leaves in a tool call, do not count.
    """
    if isinstance(value, dict) and isinstance(whole, dict):
        added = {"index"} if "function" in whole else set()
        gone = [whole[key] for key in {*whole} - {*value} - added if whole[key] is not None]
        extra = list({*value} - {*whole})
        return (
            gone
            + extra
            + [x for key in {*value} & {*whole} for x in lacking(value[key], whole[key])]
        )
    if isinstance(value, list) and isinstance(whole, list) and len(value) == len(whole):
        return [x for a, b in zip(value, whole, strict=True) for x in lacking(a, b)]
    return [] if value == whole else [(value, whole)]


def final(stream, ask):
    """Return the result of the SDK's own accumulator, and ours for its events."""
    with stream as events:
        return taken(events), Snapshot().take(getattr(events, ask)(), "outputs")


def test_openai_chat(url):
    """OpenAI's client streams chunks that come to what its own accumulator makes of them."""
    with client("openai", base_url=f"{url}/v1") as openai:
        completions = openai.chat.completions
        merged = taken(completions.create(model="m", messages=MESSAGES, stream=True))
        told, whole = final(
            completions.stream(model="m", messages=MESSAGES), "get_final_completion"
        )
    assert lacking(merged, whole) == []
    assert told == merged


def test_openai_responses(url):
    """The same for the events of the Responses API."""
    with client("openai", base_url=f"{url}/v1") as openai:
        merged = taken(openai.responses.create(model="m", input="Hi", stream=True))
        told, whole = final(openai.responses.stream(model="m", input="Hi"), "get_final_response")
    assert lacking(merged, whole) == []
    assert lacking(told, whole) == []


def test_anthropic(url):
    """The same for Anthropic's messages."""
    with client("anthropic", base_url=url) as anthropic:
        ask = {"model": "m", "max_tokens": 9, "messages": MESSAGES}
        merged = taken(anthropic.messages.create(**ask, stream=True))
        told, whole = final(anthropic.messages.stream(**ask), "get_final_message")
    assert lacking(merged, whole) == []
    assert told == merged
