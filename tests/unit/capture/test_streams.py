"""Merge the items of a stream."""

from __future__ import annotations

import copy
import json
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from llm_streams import (
    CHAT,
    COMPLETION,
    EVENTS,
    LEGACY,
    MESSAGE,
    OPEN,
    RESPONSE,
    RESPONSES,
    STREAMS,
    chunk,
    delta,
    event,
    fed,
    merge,
    part,
    start,
)

from honeytrace._capture.accumulator import StreamAccumulator
from honeytrace._capture.snapshot import Snapshot


@pytest.mark.parametrize("name", STREAMS)
def test_whole_stream(name):
    """A stream comes to what a call that does not stream returns; its items stay as they are."""
    items, whole = STREAMS[name]
    before = copy.deepcopy(items)
    assert merge(items) == whole
    assert items == before


@pytest.mark.parametrize("name", STREAMS)
def test_split_anywhere(name):
    """A result in the middle of a stream, even of a tool call, holds what came so far.

    The rest of the stream is still merged afterwards.
    """
    items, whole = STREAMS[name]
    accumulator = StreamAccumulator()
    for at, each in enumerate(items):
        assert fed(accumulator, [each]) == merge(items[: at + 1])
    assert accumulator.result() == whole


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
        [None, None],
        ["a", None, 1],
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
    """Whole answers, and items that only look like chunks, become a list unchanged."""
    assert merge(items) == items


@pytest.mark.parametrize("name", ["chat", "anthropic", "responses"])
def test_malformed(name):
    """An item that fits no more ends the run, and is not lost."""
    items = STREAMS[name][0][:3]
    for odd in ({"type": "content_block_delta"}, {"choices": 3}, ["x"], {"type": {}}, None):
        assert merge([*items, odd]) == [merge(items), odd]


@pytest.mark.parametrize(
    "items",
    [
        ["", "It ", "is ", None],
        [None, "It is ", None],
        ["It ", None, "is "],
        [None] * 1500 + ["It is "],
    ],
)
def test_none_among_strings(items):
    """What `delta.content` gives, None at the start and the end included, is one text."""
    accumulator = StreamAccumulator()
    assert fed(accumulator, items) == "It is "
    assert not accumulator.cut


def test_none_after_growing_text():
    """None does not end a text that grows."""
    assert merge(["It", "It is", "It is so", None, "It is so."]) == "It is so."


def test_many_nones():
    """Without a string, the items that were None are a list."""
    accumulator = StreamAccumulator()
    merged = fed(accumulator, [None] * 1500)
    assert merged == [None] * 1000 + ["[500 more items]"]
    assert accumulator.dropped == 500


def test_long_text():
    """A string of more than a mebibyte says how much it lacks."""
    accumulator = StreamAccumulator()
    merged = fed(accumulator, ["ab" * 300_000, "cd" * 300_000, "e"])
    assert merged == "ab" * 300_000 + "cd" * 224_288 + "… [151425 more characters]"
    assert accumulator.cut


def test_many_strings():
    """Many strings make one that is whole; as a list, they are the first thousand."""
    accumulator = StreamAccumulator()
    assert fed(accumulator, ["ab"] * 5000) == "ab" * 5000
    assert not accumulator.cut
    assert fed(accumulator, [1]) == ["ab"] * 1000 + ["[4001 more items]"]
    assert accumulator.cut


def test_many_items():
    """Of other items the first are kept, as many as a list or a field may have."""
    accumulator = StreamAccumulator()
    assert fed(accumulator, list(range(2500))) == [*range(1000), "[1500 more items]"]
    assert accumulator.cut
    items = merge([["x" * 2**20]] * 5)
    assert [type(each) for each in items] == [list, list, list, str]
    assert merge([["x" * 2**22], *CHAT]) == [COMPLETION, "[1 more items]"]


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
    accumulator = StreamAccumulator()
    fed(accumulator, [item(at) for at in range(2_000)])
    before = size(accumulator)
    fed(accumulator, [item(at) for at in range(2_000, 20_000)])
    assert size(accumulator) < before + 80_000


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
    accumulator = StreamAccumulator()
    early = fed(accumulator, items[:at])
    kept = json.dumps(early, allow_nan=False)
    assert fed(accumulator, items[at:]) == merge(items)
    assert json.dumps(merge(items), allow_nan=False)
    assert (json.dumps(items), json.dumps(early)) == (before, kept)
