"""A small server that answers like a model: OpenAI's and Anthropic's protocols, on this machine.

The examples beside it start it, so that they need no account. It repeats the last question in
capitals. If a request offers tools, it calls the first one before it answers.

    with ModelServer() as server:
        client = OpenAI(base_url=server.openai_url, api_key="none")
"""

# pyright: basic
# (JSON of any shape goes in and out.)

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from model_events import amazon_frame, events

Json = dict[str, Any]


class ModelServer:
    """Runs the server in a thread.

    Attributes:
        requests: the requests so far, each as path, headers and body.
        failures: the statuses with which the next requests are refused.
        raw: if it is set, the bytes of the body that every answer has.
        usage: the counts of tokens to tell, by key, instead of the counted words.
        broken: if it is True, streams end in the middle, without a last event.
        last: the bytes of an event with which a broken stream ends.
        cut: if it is True, a broken stream ends together with its connection.
        stalled: if it is True, streams wait in the middle until `released` is set.
    """

    def __init__(self) -> None:
        self.requests: list[tuple[str, dict[str, str], Any]] = []
        self.failures: list[int] = []
        self.raw: bytes | None = None
        self.usage: Json = {}
        self.broken = False
        self.last = b""
        self.cut = False
        self.stalled = False
        self.released = threading.Event()
        self._http = _Http(("127.0.0.1", 0), _handler(self))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_port}"

    @property
    def openai_url(self) -> str:
        return f"{self.url}/v1"

    def __enter__(self) -> ModelServer:
        threading.Thread(target=self._http.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._http.server_close()


class _Http(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Print nothing if a client hangs up."""


def _handler(server: ModelServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            text = self.rfile.read(int(self.headers["Content-Length"] or 0))
            body = json.loads(text) if text.startswith(b"{") else text
            headers = {name.lower(): value for name, value in self.headers.items()}
            server.requests.append((self.path, headers, body))
            if server.failures:
                status = server.failures.pop(0)
                kind = "rate_limit_error" if status == 429 else "invalid_request_error"
                refusal = {"type": kind, "message": "Not now"}
                self.answer(status, json.dumps({"type": "error", "error": refusal}).encode())
            elif server.raw is not None:
                self.answer(200, server.raw)
            elif isinstance(body, dict) and (answer := _answer(self.path, body)) is not None:
                self.reply(body, answer)
            else:
                self.answer(404, b'{"error": {"message": "no such path", "type": "not_found"}}')

        def reply(self, body: Json, answer: Json) -> None:
            answer["usage"] = _recounted(answer["usage"], server.usage)
            streamed = body.get("stream") or "stream" in self.path.rpartition(":")[2].lower()
            if not streamed:
                self.answer(200, json.dumps(answer).encode())
                return
            of_amazon = self.path.endswith("-response-stream")
            media_type = "application/vnd.amazon.eventstream" if of_amazon else "text/event-stream"
            self.begin(200, media_type, {"Transfer-Encoding": "chunked"})
            sent = list(events(answer, body))
            middle = len(sent) // 2
            if server.broken:
                sent[middle:] = [server.last] * bool(server.last)
            for at, event in enumerate(map(amazon_frame, sent) if of_amazon else sent):
                if server.stalled and at == middle:
                    server.released.wait(30)
                self.wfile.write(b"%x\r\n%s\r\n" % (len(event), event))
            self.close_connection = server.broken and server.cut
            if not self.close_connection:
                self.wfile.write(b"0\r\n\r\n")

        def answer(self, status: int, body: bytes) -> None:
            more = {"Content-Length": str(len(body)), "Retry-After-Ms": "1"}
            self.begin(status, "application/json", more)
            self.wfile.write(body)

        def begin(self, status: int, media_type: str, more: dict[str, str]) -> None:
            self.send_response(status)
            known = {"Content-Type": media_type, "x-request-id": "req_1", "request-id": "req_1"}
            for name, value in {**known, **more}.items():
                self.send_header(name, value)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    return Handler


def _answer(path: str, body: Json) -> Json | None:
    """Return the answer to a request, as it is without a stream; None for an unknown path."""
    end = path.partition("?")[0].rpartition("/")[2]
    if end == "embeddings":
        return _embeddings(body)
    if end == "responses":
        return _response(body)
    if end == "completions":
        return _chat(body) if "messages" in body else _completion(body)
    return _message(body) if end == "messages" or "messages" in body else None


def _question(body: Json) -> str:
    """Return the text of the last message."""
    given = body.get("messages", body.get("input", body.get("prompt", "")))
    last = given[-1] if isinstance(given, list) and given else given
    content = last.get("content", last.get("output")) if isinstance(last, dict) else last
    if isinstance(content, list):
        parts = [part.get("text") or part.get("content") or "" for part in content]
        content = " ".join(map(str, parts))
    return str(content)


def _tool(body: Json) -> tuple[str, Json] | None:
    """Return the name and arguments of the tool to call; None if there is an answer already."""
    tools = body.get("tools") or []
    history = body.get("messages") or body.get("input") or []
    last = history[-1] if isinstance(history, list) and history else {}
    kinds = [part.get("type") for part in last.get("content") or [] if isinstance(part, dict)]
    done = last.get("role") == "tool" or last.get("type") == "function_call_output"
    if not tools or done or "tool_result" in kinds:
        return None
    tool = tools[0].get("function", tools[0])
    schema = tool.get("parameters") or tool.get("input_schema") or {}
    return tool["name"], dict.fromkeys(schema.get("properties", {}), "Paris")


def _usage(body: Json, text: str) -> tuple[int, int]:
    """Count a token for each word."""
    return len(json.dumps(body).split()), len(text.split()) or 1


def _recounted(usage: Json, counts: Json) -> Json:
    return {
        key: _recounted(value, counts) if isinstance(value, dict) else counts.get(key, value)
        for key, value in usage.items()
    }


def _chat(body: Json) -> Json:
    message: Json = {"role": "assistant", "content": _question(body).upper()}
    reason = "stop"
    if call := _tool(body):
        function = {"name": call[0], "arguments": json.dumps(call[1])}
        calls = [{"id": "call_1", "type": "function", "function": function}]
        message = {"role": "assistant", "content": None, "tool_calls": calls}
        reason = "tool_calls"
    elif "response_format" in body:
        message["content"] = json.dumps({"city": "Paris"})
    sent, made = _usage(body, str(message["content"]))
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": f"{body['model']}-2026-01-01",
        "choices": [
            {"index": index, "message": message, "finish_reason": reason, "logprobs": None}
            for index in range(body.get("n") or 1)
        ],
        "usage": {
            "prompt_tokens": sent,
            "completion_tokens": made,
            "total_tokens": sent + made,
            "prompt_tokens_details": {"cached_tokens": 2},
            "completion_tokens_details": {"reasoning_tokens": 1},
        },
    }


def _completion(body: Json) -> Json:
    text = _question(body).upper()
    sent, made = _usage(body, text)
    return {
        "id": "cmpl-1",
        "object": "text_completion",
        "created": 1,
        "model": body["model"],
        "choices": [{"index": 0, "text": text, "finish_reason": "stop", "logprobs": None}],
        "usage": {"prompt_tokens": sent, "completion_tokens": made, "total_tokens": sent + made},
    }


def _embeddings(body: Json) -> Json:
    given = body["input"] if isinstance(body["input"], list) else [body["input"]]
    vector: Any = [0.6, 0.8]
    if body.get("encoding_format") == "base64":
        vector = "mpkZP83MTD8="
    data = [{"object": "embedding", "index": at, "embedding": vector} for at in range(len(given))]
    usage = {"prompt_tokens": len(given), "total_tokens": len(given)}
    return {"object": "list", "model": body["model"], "data": data, "usage": usage}


def _response(body: Json) -> Json:
    text = _question(body).upper()
    if (body.get("text") or {}).get("format", {}).get("type") == "json_schema":
        text = json.dumps({"city": "Paris"})
    item: Json = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "status": "completed",
        "content": [{"type": "output_text", "text": text, "annotations": []}],
    }
    if call := _tool(body):
        item = {
            "id": "fc_1",
            "type": "function_call",
            "call_id": "call_1",
            "name": call[0],
            "arguments": json.dumps(call[1]),
            "status": "completed",
        }
    sent, made = _usage(body, text)
    return {
        "id": "resp_1",
        "object": "response",
        "created_at": 1,
        "status": "completed",
        "model": f"{body['model']}-2026-01-01",
        "output": [item],
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "usage": {
            "input_tokens": sent,
            "input_tokens_details": {"cached_tokens": 2},
            "output_tokens": made,
            "output_tokens_details": {"reasoning_tokens": 1},
            "total_tokens": sent + made,
        },
    }


def _message(body: Json) -> Json:
    content: list[Json] = [{"type": "text", "text": _question(body).upper()}]
    reason = "end_turn"
    if "thinking" in body:
        content.insert(0, {"type": "thinking", "thinking": "Well.", "signature": "c2lnbg=="})
    if call := _tool(body):
        content = [{"type": "tool_use", "id": "toolu_1", "name": call[0], "input": call[1]}]
        reason = "tool_use"
    sent, made = _usage(body, str(content))
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": f"{body.get('model', 'claude')}-2026-01-01",
        "content": content,
        "stop_reason": reason,
        "stop_sequence": None,
        "usage": {
            "input_tokens": sent,
            "cache_read_input_tokens": 2,
            "cache_creation_input_tokens": 0,
            "output_tokens": made,
        },
    }
