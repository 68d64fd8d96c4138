"""What the items of a stream come to."""

from __future__ import annotations

import copy
import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from hypothesis import given
from hypothesis import strategies as st

from honeytrace._chunks import Merger, merge
from honeytrace._snapshot import Snapshot
from honeytrace._usage import usage

# ---- Streams as the providers send them


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


@pytest.mark.parametrize("name", STREAMS)
def test_whole_stream(name):
    """A stream comes to what a call that does not stream returns; its items stay as they are."""
    items, whole = STREAMS[name]
    before = copy.deepcopy(items)
    assert merge(items) == whole
    assert items == before


def fed(merger, items):
    for item in items:
        (merger.text if type(item) is str else merger.add)(item)
    return merger.result()


@pytest.mark.parametrize("name", STREAMS)
def test_split_anywhere(name):
    """A result asked for in the middle, of a tool call too, is of what came; the rest still fits.

    That is: it is a fold, and an early end gives what was there.
    """
    items, whole = STREAMS[name]
    merger = Merger()
    for at, each in enumerate(items):
        assert fed(merger, [each]) == merge(items[: at + 1])
    assert merger.result() == whole


# ---- Early ends


def test_chat_cut_short():
    """Half a tool call has half its arguments."""
    message = merge(CHAT[:8])["choices"][0]["message"]
    assert message["tool_calls"] == [function("call_1", "weather", '{"city"')]


def test_message_cut_short():
    """The input of a tool that is half told is the text so far."""
    assert merge(EVENTS[:15])["content"][2]["input"] == '{"ci'


def test_response_cut_short():
    """A response that never ended has the output so far."""
    early = merge(RESPONSES[:10])
    assert early == {**OPEN, "output": [SAID, {**CALLED, "arguments": "{"}]}
    assert merge(RESPONSES[:5])["output"][0]["content"] == [{"type": "output_text", "text": "Hel"}]


def test_some_events_only():
    """A generator may yield the deltas alone."""
    assert merge([each for each in EVENTS if each["type"] == "content_block_delta"])["content"] == [
        {"type": "thinking", "thinking": "hm", "signature": "EqQ="},
        {"type": "text", "text": "Hi you", "citations": [CITATION]},
        {"type": "tool_use", "input": {"city": "Rome"}},
        {"type": "tool_use"},
    ]
    assert merge([part("refusal", "I "), part("refusal", "won't")]) == {
        "object": "response",
        "output": [{"type": "message", "content": [{"type": "refusal", "refusal": "I won't"}]}],
    }


def test_other_deltas_of_a_response():
    """Reasoning has its parts by their index; other texts stand in the item itself."""
    summary = {"output_index": 0, "summary_index": 1}
    output = merge(
        [
            event("created", response={**OPEN, "output": None}),
            event("reasoning_summary_text.delta", **summary, delta="be"),
            event("reasoning_summary_text.delta", **{**summary, "summary_index": 0}, delta="a"),
            event("code_interpreter_call_code.delta", output_index=1, delta="1+1"),
            part("output_text", "x", 2) | {"content_index": None},
            event("web_search_call.searching", output_index=3),
            event("queued"),
        ]
    )["output"]
    assert output == [
        {
            "type": "reasoning",
            "summary": [{"type": "summary_text", "text": t} for t in ("a", "be")],
        },
        {"type": "code_interpreter_call", "code": "1+1"},
        {"type": "message", "content": [{"type": "output_text", "text": "x"}]},
        {},
    ]


@pytest.mark.parametrize("stream", [EVENTS[:10], RESPONSES[:6]])
def test_error(stream):
    """An error in the stream stands in what it comes to."""
    error = {"type": "overloaded_error", "message": "Overloaded"}
    assert merge([*stream, {"type": "error", "error": error}])["error"] in (
        error,
        {"error": error},
    )


# ---- What others send


def message(deltas):
    return merge([chunk(each) for each in deltas])["choices"][0]["message"]


def test_repeated():
    """Roles, ids and names that come with each chunk are not joined."""
    each = {"role": "assistant", "content": "a"}
    piece = {"index": 0, "id": "call_1", "function": {"name": "f", "arguments": "1"}}
    assert message([{**each, "tool_calls": [piece]}] * 2) == {
        "role": "assistant",
        "content": "aa",
        "tool_calls": [{"id": "call_1", "function": {"name": "f", "arguments": "11"}}],
    }
    assert message([{"role": "assistant"}, {"role": ""}]) == {"role": "assistant"}


def test_tool_calls_without_index():
    """A tool call that has no index is the next if it has an id, else more of the last."""
    pieces = [{"id": "a", "n": "x"}, {"n": "y"}, {"id": "b", "index": None, "n": "z"}]
    calls = message([{"tool_calls": [piece]} for piece in pieces])["tool_calls"]
    assert calls == [{"id": "a", "n": "xy"}, {"id": "b", "n": "z"}]


def test_mistral():
    """A content that is a list first and then text keeps both; the chunk is the event's data."""
    thought = {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}
    deltas = [{"content": ""}, {"content": [thought]}, {"content": "4"}, {"content": "2"}]
    merged = merge([{"data": chunk(each)} for each in deltas])
    assert merged["choices"][0]["message"]["content"] == [thought, "42"]
    assert message([{"content": "a"}, {"content": [thought, "b"]}])["content"] == [
        "a",
        thought,
        "b",
    ]


def test_groq():
    """Usage that only Groq's own key has is found."""
    merged = merge([*CHAT[:3], chunk(end="stop", x_groq={"usage": COUNTS})])
    assert usage(merged) == (COUNTS, {"model": "gpt-4o"})


def test_azure():
    """What the content filter says has neither id nor delta, and belongs to the completion."""
    empty = {"id": "", "object": "", "created": 0, "model": ""}
    before = {**empty, "choices": [], "prompt_filter_results": [{"prompt_index": 0}]}
    choice = {"index": 0, "finish_reason": None, "content_filter_results": {"hate": 0}}
    merged = merge([before, *CHAT, {**empty, "choices": [choice]}])
    assert [merged[key] for key in ("id", "object", "created")] == ["c1", "chat.completion", 1]
    assert merged["choices"][0]["content_filter_results"] == {"hate": 0}
    assert merged["choices"][0]["finish_reason"] == "tool_calls"


def test_openai_helper():
    """The events of OpenAI's own accumulator hold the chunks, and tell again what is in them."""
    told = {"type": "content.delta", "delta": "x", "snapshot": "xx"}
    events = [{"type": "chunk", "chunk": each, "snapshot": {}} for each in CHAT]
    assert merge([events[0], told, *events[1:], told]) == COMPLETION
    assert merge([told, events[0]]) == [told, merge(CHAT[:1])]


def test_no_object():
    """Chunks that do not say what they are, but have deltas, make a completion."""
    merged = merge([{"choices": [{"delta": {"content": each}}]} for each in "ab"])
    choice = {"index": 0, "message": {"content": "ab"}}
    assert merged == {"object": "chat.completion", "choices": [choice]}


def test_id_of_each_chunk():
    """A server that gives each chunk another id still streams one completion."""
    merged = merge([{**each, "id": f"c{at}"} for at, each in enumerate(CHAT)])
    assert {**merged, "id": "c1"} == COMPLETION


def test_repeated_in_the_choice():
    """A choice that has its delta as text or as message too, has it once."""
    first = chunk({"content": "a"})
    first["choices"][0] |= {"text": "a", "message": {"content": "a"}}
    choice = merge([first, first])["choices"][0]
    assert choice["message"] == {"content": "aa"}
    assert "text" not in choice


def test_legacy_list():
    """Log probabilities are one list in the end."""
    first, second = chunk({"content": "a"}), chunk({"content": "b"})
    first["choices"][0]["logprobs"] = {"content": [{"token": "a"}]}
    second["choices"][0]["logprobs"] = {"content": [{"token": "b"}]}
    logprobs = merge([first, second])["choices"][0]["logprobs"]
    assert logprobs == {"content": [{"token": "a"}, {"token": "b"}]}


def test_unknown_keys():
    """Of what is no text, list or object, and of what changes its kind, the last value wins."""
    deltas = [{"a": 1, "b": {"c": "x"}, "d": "s"}, {"a": 2, "b": {"c": "y"}, "d": 3}, {"b": None}]
    assert message(deltas) == {"a": 2, "b": {"c": "xy"}, "d": 3}
    assert message([{"tool_calls": "?"}, {"tool_calls": [1]}]) == {"tool_calls": ["?", 1]}
    assert message([{"tool_calls": [{"n": 1}]}, {"tool_calls": [2]}]) == {"tool_calls": [2]}


# ---- Other streams


def test_several_answers():
    """The answers of an agent's turns, one after the other, are not mixed."""
    turns = [
        *CHAT,
        *[{**each, "id": "c2"} for each in CHAT],
        *EVENTS,
        *EVENTS,
        *RESPONSES,
        event("created", response={**OPEN, "id": "r2"}),
    ]
    assert merge(turns) == [
        COMPLETION,
        {**COMPLETION, "id": "c2"},
        MESSAGE,
        MESSAGE,
        RESPONSE,
        {**OPEN, "id": "r2"},
    ]


def test_mixed():
    """Chunks among other items are merged where they stand; strings among them are as they came."""
    done = {"done": True}
    assert merge(["a", "b", *CHAT, done, "c", "d"]) == ["a", "b", COMPLETION, done, "c", "d"]


@pytest.mark.parametrize(
    "items",
    [
        [],
        [None],
        [1, 2.5, True],
        ["a", None, "b"],
        [{"type": "x"}, {"type": ["x"]}, {"type": None}, {}],
        [{"choices": []}, {"choices": ["a", "b"], "question": "?"}],
        [{"choices": [{"text": "a"}]}, {"choices": [{"index": -1, "delta": {}}]}],
        [{"choices": [{"index": "0", "delta": {}}]}, {"choices": [{"delta": "x"}]}],
        [{"type": "ping"}, {"type": "message_stop"}, {"type": "error", "error": "x"}],
        [{"type": "message_start", "message": "hello"}, {"type": "message_delta", "delta": 1}],
        [{"type": "content_block_start"}, start(0) | {"content_block": None}],
        [delta(-1, "text", text=""), {"type": "content_block_delta", "index": 0, "delta": "x"}],
        [delta(0, "input_json", partial_json=1)],
        [{"type": "responses"}],
        [COMPLETION, COMPLETION],
        [MESSAGE, RESPONSE],
    ],
)
def test_no_chunks(items):
    """What only looks like chunks, and whole answers, are a list as they are."""
    assert merge(items) == items


@pytest.mark.parametrize("name", ["chat", "anthropic", "responses"])
def test_malformed(name):
    """An item that fits no more ends the run, and is not lost."""
    items = STREAMS[name][0][:3]
    for odd in ({"type": "content_block_delta"}, {"choices": 3}, ["x"], {"type": {}}, None):
        assert merge([*items, odd]) == [merge(items), odd]


# ---- Bounds


def test_long_text():
    """A string of more than a mebibyte says how much it lacks."""
    merger = Merger()
    merged = fed(merger, ["ab" * 300_000, "cd" * 300_000, "e"])
    assert merged == "ab" * 300_000 + "cd" * 224_288 + "… [151425 more characters]"
    assert merger.cut


def test_many_strings():
    """Many strings make one that is whole; as a list, they are the first thousand."""
    merger = Merger()
    assert fed(merger, ["ab"] * 5000) == "ab" * 5000
    assert not merger.cut
    assert fed(merger, [1]) == ["ab"] * 1000 + ["[4001 more items]"]
    assert merger.cut


def test_many_items():
    """Of other items the first are kept, as many as a list or a field may have."""
    merger = Merger()
    assert fed(merger, list(range(2500))) == [*range(1000), "[1500 more items]"]
    assert merger.cut
    items = merge([["x" * 2**20]] * 5)
    assert [type(each) for each in items] == [list, list, list, str]
    assert merge([["x" * 2**22], *CHAT]) == [COMPLETION, "[1 more items]"]


def test_bounded_completion():
    """A completion has at most a thousand choices, calls and log probabilities, and its end."""
    merger = Merger()
    many = [chunk({"tool_calls": [{"index": at, "id": "x"}]}, 0) for at in range(1500)]
    many += [chunk({"content": "x"}, at) for at in range(1500)]
    many += [chunk({f"key{at}": at}, **{f"key{at}": at}) for at in range(1500)]
    merged = fed(merger, [*many, chunk({"content": "y" * 2**21}), *CHAT[-3:]])
    assert len(merged["choices"]) == len(merged["choices"][0]["message"]["tool_calls"]) == 1000
    assert len(merged) <= 1002
    assert merged["usage"] == COUNTS
    assert merged["choices"][0]["finish_reason"] == "tool_calls"
    assert merger.cut


def test_bounded_lists():
    """Entries of a list are kept as long as there is room for them."""
    first = chunk()
    first["choices"][0]["logprobs"] = {"content": [{"token": "x" * 1000}] * 900}
    merged = merge([*[first] * 10, *CHAT[-3:]])
    assert len(merged["choices"][0]["logprobs"]["content"]) == 1000
    first["choices"][0]["logprobs"] = {"content": [{"token": "x" * 10_000}] * 900}
    merged = merge([*[first] * 10, *CHAT[-3:]])
    assert len(merged["choices"][0]["logprobs"]["content"]) < 420
    assert merge([*[first] * 10, chunk({"k" * 20_000: 1})])["choices"][0]["message"] == {}
    assert merged["usage"] == COUNTS


def test_bounded_message():
    """A message has at most a thousand blocks."""
    blocks = [start(at, type="tool_use") for at in range(1500)]
    blocks += [delta(at, "input_json", partial_json="{}") for at in range(1500)]
    assert len(merge([*EVENTS[:1], *blocks])["content"]) == 1000


def size(value):
    """The bytes of all that a value holds, once each."""
    seen, waiting, total = set(), [value], 0
    while waiting:
        each = waiting.pop()
        if id(each) in seen or isinstance(each, type):
            continue
        seen.add(id(each))
        total += sys.getsizeof(each)
        if isinstance(each, dict):
            waiting += [*each, *each.values()]
        elif isinstance(each, (list, tuple)):
            waiting += each
        for name in getattr(type(each), "__slots__", ()):
            waiting.append(getattr(each, name))
        waiting += [getattr(each, "__dict__", None)]
    return total


@pytest.mark.parametrize(
    "item",
    [
        lambda at: chunk({"content": "a", "tool_calls": [{"index": 0, "id": f"x{at}"}]}),
        lambda at: delta(0, "text", text="a"),
        lambda at: part("output_text", "a"),
        lambda at: f"{at % 1000:03}",
        lambda at: {"at": at},
    ],
)
def test_constant_memory(item):
    """A stream of 20,000 items holds little more than one of 2,000, beside its text."""
    merger = Merger()
    fed(merger, [item(at) for at in range(2_000)])
    before = size(merger)
    fed(merger, [item(at) for at in range(2_000, 20_000)])
    assert size(merger) < before + 80_000


def test_input_is_bounded():
    """A tool's input is plain JSON whatever it says, or the text of it."""
    for spelled, value in [("1e999", "Infinity"), ("NaN", "NaN"), ("[" * 100_000, "[" * 100_000)]:
        merged = merge([*EVENTS[:1], delta(0, "input_json", partial_json=spelled)])
        assert merged["content"][0]["input"] == value


def test_unknown_delta():
    """A delta of a kind that is not known yet grows its block as the others do."""
    events = [start(0, type="new"), delta(0, "new", said="a"), delta(0, "new", said="b")]
    assert merge(events)["content"] == [{"type": "new", "said": "ab"}]


def test_usage_that_is_none():
    """Usage that is no object is replaced by one that is."""
    begun = {"type": "message_start", "message": {**BEGUN, "usage": "?"}}
    assert merge([begun, EVENTS[-2]])["usage"] == {"output_tokens": 42}
    assert "usage" not in merge([{"type": "message_delta", "delta": {"stop_reason": "x"}}])


# ---- Any stream

KEYS = [
    "id",
    "object",
    "choices",
    "index",
    "delta",
    "text",
    "content",
    "tool_calls",
    "type",
    "data",
]
KEYS += ["function", "arguments", "finish_reason", "usage", "message", "content_block", "response"]
KEYS += ["output_index", "item", "partial_json", "citation", "error", "output", "x_groq", "name"]
WORDS = ["", "c1", "chat.completion.chunk", "text_completion", "chunk", "text_delta"]
WORDS += ["input_json_delta", "citations_delta", "stop", *{each["type"] for each in EVENTS}]
WORDS += [each["type"] for each in RESPONSES]
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-1, 3) | st.floats() | st.sampled_from(WORDS),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=5)
    ),
    max_leaves=12,
)
REAL = st.sampled_from([*CHAT, *LEGACY, *EVENTS, *RESPONSES, "text"])


@st.composite
def twisted(draw):
    """A real item in which some values have become others."""
    item = copy.deepcopy(draw(REAL))
    for _ in range(draw(st.integers(0, 2))):
        node = item
        while isinstance(node, (dict, list)) and node:
            key = draw(st.sampled_from([*node] if isinstance(node, dict) else range(len(node))))
            if not isinstance(node[key], (dict, list)) or draw(st.booleans()):
                node[key] = draw(PLAIN)
                break
            node = node[key]
    return item


@given(st.lists(twisted() | PLAIN, max_size=12), st.integers(0, 12))
def test_any_stream(items, at):
    """Whatever comes, nothing raises or changes, the result is JSON, and asking for it is free."""
    items = [Snapshot().take(each, "outputs") for each in items]
    before = json.dumps(items)
    merger = Merger()
    early = fed(merger, items[:at])
    kept = json.dumps(early, allow_nan=False)
    assert fed(merger, items[at:]) == merge(items)
    assert json.dumps(merge(items), allow_nan=False)
    assert (json.dumps(items), json.dumps(early)) == (before, kept)


@given(st.lists(st.text(max_size=5), min_size=1), st.data())
def test_any_pieces(texts, data):
    """Texts that come in any pieces, of several choices in any order, come out whole."""
    pieces = []
    for index, text in enumerate(texts):
        at = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=3)))
        cuts = zip([0, *at], [*at, None], strict=True)
        pieces.append([chunk({"content": text[a:b]}, index) for a, b in cuts])
    turns = data.draw(st.permutations([n for n, each in enumerate(pieces) for _ in each]))
    merged = merge([pieces[turn].pop(0) for turn in turns])
    assert [each["message"]["content"] for each in merged["choices"]] == texts


# ---- The real clients

MESSAGES = [{"role": "user", "content": "Hi"}]


@pytest.fixture(scope="module")
def url():
    """A server that streams the chunks above."""
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
    """What `whole` has and `value` has not, but for what the SDKs add: nulls, and the index that
    OpenAI's leaves in a tool call."""
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
    """What the SDK's own accumulator comes to, and what its events do here."""
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
