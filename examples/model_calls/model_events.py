"""The events of the streams that `model_server.py` answers with, in each protocol."""

# pyright: basic
# (JSON of any shape goes in and out.)

from __future__ import annotations

import base64
import json
import struct
import zlib
from collections.abc import Iterator
from typing import Any

Json = dict[str, Any]


def events(answer: Json, body: Json) -> Iterator[bytes]:
    """Yield the events of a stream: the answer, a few characters at a time."""
    if answer.get("type") == "message":
        yield from _message_events(answer)
    elif answer.get("object") == "response":
        yield from _response_events(answer)
    else:
        yield from _chat_events(
            answer, bool((body.get("stream_options") or {}).get("include_usage"))
        )


def _event(data: Json) -> bytes:
    name = f"event: {data['type']}\n" if "type" in data else ""
    return f"{name}data: {json.dumps(data)}\n\n".encode()


def amazon_frame(event: bytes) -> bytes:
    """Return an event as Amazon Bedrock sends it: in binary, with check sums."""
    data = base64.b64encode(event.partition(b"data: ")[2].strip()).decode()
    payload = json.dumps({"bytes": data}).encode()
    told = {":event-type": "chunk", ":content-type": "application/json", ":message-type": "event"}
    headers = b"".join(
        struct.pack(f"!B{len(name)}sBH{len(value)}s", len(name), name, 7, len(value), value)
        for name, value in ((name.encode(), value.encode()) for name, value in told.items())
    )
    begin = struct.pack("!II", len(headers) + len(payload) + 16, len(headers))
    frame = begin + struct.pack("!I", zlib.crc32(begin)) + headers + payload
    return frame + struct.pack("!I", zlib.crc32(frame))


def _pieces(text: str) -> list[str]:
    return [text[at : at + 4] for at in range(0, len(text), 4)]


def _chat_events(answer: Json, counted: bool) -> Iterator[bytes]:
    head = {name: answer[name] for name in ("id", "created", "model")}
    legacy = answer["object"] == "text_completion"
    head["object"] = "text_completion" if legacy else "chat.completion.chunk"
    for choice in answer["choices"]:
        message = choice.get("message", {})
        text = choice["text"] if legacy else message["content"] or ""
        deltas: list[Json] = [] if legacy else [{"role": "assistant", "content": ""}]
        deltas += [{"content": piece} for piece in _pieces(text)]
        for call in message.get("tool_calls", ()):
            empty = {**call, "function": {**call["function"], "arguments": ""}}
            deltas.append({"tool_calls": [{"index": 0, **empty}]})
            for piece in _pieces(call["function"]["arguments"]):
                deltas.append({"tool_calls": [{"index": 0, "function": {"arguments": piece}}]})
        for delta in deltas:
            one = {"text": delta["content"]} if legacy else {"delta": delta}
            chunk = {"index": choice["index"], "finish_reason": None, **one}
            yield _event({**head, "choices": [chunk]})
        last: Json = {"text": ""} if legacy else {"delta": {}}
        end = {"index": choice["index"], "finish_reason": choice["finish_reason"], **last}
        yield _event({**head, "choices": [end]})
    if counted:
        yield _event({**head, "choices": [], "usage": answer["usage"]})
    yield b"data: [DONE]\n\n"


def _message_events(answer: Json) -> Iterator[bytes]:
    usage = {**answer["usage"], "output_tokens": 1}
    start = {**answer, "content": [], "stop_reason": None, "usage": usage}
    yield _event({"type": "message_start", "message": start})
    yield _event({"type": "ping"})
    for index, block in enumerate(answer["content"]):
        kind = block["type"]
        empty, deltas = _BLOCKS[kind](block)
        yield _event({"type": "content_block_start", "index": index, "content_block": empty})
        for delta in deltas:
            yield _event({"type": "content_block_delta", "index": index, "delta": delta})
        yield _event({"type": "content_block_stop", "index": index})
    delta = {"stop_reason": answer["stop_reason"], "stop_sequence": None}
    usage = {"output_tokens": answer["usage"]["output_tokens"]}
    yield _event({"type": "message_delta", "delta": delta, "usage": usage})
    yield _event({"type": "message_stop"})


def _text_block(block: Json) -> tuple[Json, list[Json]]:
    deltas = [{"type": "text_delta", "text": piece} for piece in _pieces(block["text"])]
    return {"type": "text", "text": ""}, deltas


def _thinking_block(block: Json) -> tuple[Json, list[Json]]:
    said: list[Json] = [
        {"type": "thinking_delta", "thinking": piece} for piece in _pieces(block["thinking"])
    ]
    signed = {"type": "signature_delta", "signature": block["signature"]}
    return {"type": "thinking", "thinking": "", "signature": ""}, [*said, signed]


def _tool_block(block: Json) -> tuple[Json, list[Json]]:
    pieces = _pieces(json.dumps(block["input"]))
    return {**block, "input": {}}, [
        {"type": "input_json_delta", "partial_json": piece} for piece in pieces
    ]


_BLOCKS = {"text": _text_block, "thinking": _thinking_block, "tool_use": _tool_block}


def _response_events(answer: Json) -> Iterator[bytes]:
    events: list[Json] = []
    begun = {**answer, "status": "in_progress", "output": [], "usage": None}
    events.append({"type": "response.created", "response": begun})
    for at, item in enumerate(answer["output"]):
        where = {"output_index": at, "item_id": item["id"]}
        if item["type"] == "message":
            text = item["content"][0]["text"]
            part: Json = {"type": "output_text", "text": "", "annotations": []}
            begun = {**item, "content": [], "status": "in_progress"}
            added = {"type": "response.output_item.added", "output_index": at, "item": begun}
            events += [added, {"type": "response.content_part.added", **where, "content_index": 0}]
            events[-1]["part"] = part
            delta = {"type": "response.output_text.delta", **where, "content_index": 0}
            events += [{**delta, "logprobs": [], "delta": piece} for piece in _pieces(text)]
            done = {"type": "response.output_text.done", **where, "content_index": 0}
            events.append({**done, "logprobs": [], "text": text})
        else:
            begun = {**item, "arguments": "", "status": "in_progress"}
            added = {"type": "response.output_item.added", "output_index": at, "item": begun}
            events.append(added)
            delta = {"type": "response.function_call_arguments.delta", **where}
            events += [{**delta, "delta": piece} for piece in _pieces(item["arguments"])]
            done = {"type": "response.function_call_arguments.done", **where}
            events.append({**done, "name": item["name"], "arguments": item["arguments"]})
        done = {"type": "response.output_item.done", "output_index": at, "item": item}
        events.append(done)
    events.append({"type": "response.completed", "response": answer})
    for number, event in enumerate(events):
        yield _event({**event, "sequence_number": number})
