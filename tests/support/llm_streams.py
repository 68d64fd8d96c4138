"""Streams of answers as the providers send them, and what they come to."""

from __future__ import annotations

from honeytrace._capture.accumulator import StreamAccumulator


def fed(accumulator, items):
    for item in items:
        (accumulator.text if type(item) is str else accumulator.add)(item)
    return accumulator.result()


def merge(items):
    """Return the merged value of these items."""
    return fed(StreamAccumulator(), items)


# ---- OpenAI's completions


def chunk(delta=None, index=0, end=None, **more):
    choice = {"index": index, "delta": delta or {}, "logprobs": None, "finish_reason": end}
    head = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "gpt-4o"}
    return {**head, "choices": [choice], "usage": None, **more}


def call(index, arguments, **more):
    entry = {"index": index, "function": {"arguments": arguments}}
    if more:
        entry |= {"id": more["id"], "type": "function"}
        entry["function"]["name"] = more["name"]
    return chunk({"tool_calls": [entry]})


COUNTS = {"prompt_tokens": 5, "completion_tokens": 7, "total_tokens": 12}

CHAT = [
    chunk({"role": "assistant", "content": "", "refusal": None}, obfuscation="x"),
    chunk({"content": "Hel"}),
    chunk({"role": "assistant", "content": ""}, 1),
    chunk({"content": "lo", "reasoning_content": "h"}),
    chunk({"content": "Other", "reasoning_content": None}, 1),
    chunk({"content": None, "reasoning_content": "m"}),
    call(0, "", id="call_1", name="weather"),
    call(0, '{"city"'),
    call(1, "{", id="call_2", name="time"),
    call(0, ': "Rome"}'),
    call(1, "}"),
    chunk(end="tool_calls"),
    chunk(index=1, end="stop"),
    chunk(choices=[], usage=COUNTS),
]


def function(call, name, arguments):
    return {"id": call, "type": "function", "function": {"name": name, "arguments": arguments}}


COMPLETION = {
    "id": "c1",
    "object": "chat.completion",
    "created": 1,
    "model": "gpt-4o",
    "choices": [
        {
            "index": 0,
            "message": {
                "role": "assistant",
                "content": "Hello",
                "refusal": None,
                "reasoning_content": "hm",
                "tool_calls": [
                    function("call_1", "weather", '{"city": "Rome"}'),
                    function("call_2", "time", "{}"),
                ],
            },
            "logprobs": None,
            "finish_reason": "tool_calls",
        },
        {
            "index": 1,
            "message": {"role": "assistant", "content": "Other", "reasoning_content": None},
            "logprobs": None,
            "finish_reason": "stop",
        },
    ],
    "usage": COUNTS,
}


def legacy(text, end=None, index=0):
    choice = {"index": index, "text": text, "logprobs": None, "finish_reason": end}
    return {"id": "l1", "object": "text_completion", "model": "davinci", "choices": [choice]}


LEGACY = [legacy("Once"), legacy("Or", index=1), legacy(" upon"), legacy("", "stop")]

TEXTS = {
    "id": "l1",
    "object": "text_completion",
    "model": "davinci",
    "choices": [
        {"index": 0, "text": "Once upon", "logprobs": None, "finish_reason": "stop"},
        {"index": 1, "text": "Or", "logprobs": None, "finish_reason": None},
    ],
}


# ---- Anthropic's messages


def start(index, **block):
    return {"type": "content_block_start", "index": index, "content_block": block}


def delta(index, kind, **values):
    delta = {"type": f"{kind}_delta", **values}
    return {"type": "content_block_delta", "index": index, "delta": delta}


def stop(index):
    return {"type": "content_block_stop", "index": index}


BEGUN = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude",
    "content": [],
    "stop_reason": None,
    "stop_sequence": None,
    "usage": {"input_tokens": 10, "cache_read_input_tokens": 4, "output_tokens": 1},
}
CITATION = {
    "type": "char_location",
    "cited_text": "x",
    "document_index": 0,
    "document_title": "t",
    "start_char_index": 0,
    "end_char_index": 1,
    "file_id": None,
}

EVENTS = [
    {"type": "message_start", "message": BEGUN},
    {"type": "ping"},
    start(0, type="thinking", thinking="", signature=""),
    delta(0, "thinking", thinking="h"),
    delta(0, "thinking", thinking="m"),
    delta(0, "signature", signature="EqQ="),
    stop(0),
    start(1, type="text", text=""),
    delta(1, "text", text="Hi "),
    delta(1, "text", text="you"),
    delta(1, "citations", citation=CITATION),
    stop(1),
    start(2, type="tool_use", id="tu_1", name="weather", input={}),
    delta(2, "input_json", partial_json=""),
    delta(2, "input_json", partial_json='{"ci'),
    delta(2, "input_json", partial_json='ty": "Rome"}'),
    stop(2),
    start(3, type="tool_use", id="tu_2", name="time", input={}),
    delta(3, "input_json", partial_json=""),
    stop(3),
    {
        "type": "message_delta",
        "delta": {"stop_reason": "tool_use", "stop_sequence": None},
        "usage": {"output_tokens": 42, "input_tokens": None},
    },
    {"type": "message_stop"},
]

MESSAGE = {
    **BEGUN,
    "content": [
        {"type": "thinking", "thinking": "hm", "signature": "EqQ="},
        {"type": "text", "text": "Hi you", "citations": [CITATION]},
        {"type": "tool_use", "id": "tu_1", "name": "weather", "input": {"city": "Rome"}},
        {"type": "tool_use", "id": "tu_2", "name": "time", "input": {}},
    ],
    "stop_reason": "tool_use",
    "usage": {"input_tokens": 10, "cache_read_input_tokens": 4, "output_tokens": 42},
}


# ---- OpenAI's responses


def event(kind, **values):
    return {"type": f"response.{kind}", **values}


def item(kind, index, item):
    return event(f"output_item.{kind}", output_index=index, item=item)


def part(kind, text, index=0, **values):
    where = {"output_index": index, "content_index": 0, "item_id": "m1"}
    return event(f"{kind}.delta", **where, delta=text, **values)


SAID = {
    "id": "m1",
    "type": "message",
    "role": "assistant",
    "status": "completed",
    "content": [{"type": "output_text", "text": "Hello", "annotations": []}],
}
CALLED = {"id": "f1", "type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}
OPEN = {"id": "r1", "object": "response", "model": "gpt-4o", "status": "in_progress", "output": []}
RESPONSE = {
    **OPEN,
    "status": "completed",
    "output": [SAID, CALLED],
    "usage": {"input_tokens": 3, "output_tokens": 4, "total_tokens": 7},
}

RESPONSES = [
    event("created", response=OPEN),
    event("in_progress", response=OPEN),
    item("added", 0, {**SAID, "content": [], "status": "in_progress"}),
    event(
        "content_part.added",
        output_index=0,
        content_index=0,
        item_id="m1",
        part={"type": "output_text", "text": "", "annotations": []},
    ),
    part("output_text", "Hel", logprobs=[]),
    part("output_text", "lo", logprobs=[]),
    event("output_text.done", output_index=0, content_index=0, item_id="m1", text="Hello"),
    item("done", 0, SAID),
    item("added", 1, {**CALLED, "arguments": ""}),
    event("function_call_arguments.delta", output_index=1, item_id="f1", delta="{"),
    event("function_call_arguments.delta", output_index=1, item_id="f1", delta="}"),
    item("done", 1, CALLED),
    event("completed", response=RESPONSE),
]

STREAMS = {
    "chat": (CHAT, COMPLETION),
    "legacy": (LEGACY, TEXTS),
    "anthropic": (EVENTS, MESSAGE),
    "responses": (RESPONSES, RESPONSE),
    "text": (["Hel", "lo", ""], "Hello"),
}
