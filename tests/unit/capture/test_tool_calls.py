"""Parallel tool calls in a stream, from servers that get their indices wrong or leave them out."""

from __future__ import annotations

import json

import pytest
from llm_streams import chunk, delta, event, merge, start

LEFT_OUT = ...  # its repr is the same in each worker of xdist, as ids of tests have to be


def tool(index, call_id=None, name=None, arguments=None):
    """A delta of one tool call; what is None is not in it."""
    function = {"name": name, "arguments": arguments}
    entry = {"function": {key: value for key, value in function.items() if value is not None}}
    if call_id is not None:
        entry["id"] = call_id
    return entry if index is LEFT_OUT else {"index": index, **entry}


def calls(*deltas):
    """The id, name and arguments of each call that the deltas come to."""
    merged = merge([chunk({"tool_calls": [each]}) for each in deltas])
    found = merged["choices"][0]["message"]["tool_calls"]
    return [(each.get("id"), *each["function"].values()) for each in found]


@pytest.mark.parametrize("index", [0, 3, None, LEFT_OUT, "0", 0.0, -1], ids=repr)
def test_whole_calls_at_one_index(index):
    """Their ids tell them apart, also when the functions are the same."""
    assert calls(
        tool(index, "a", "weather", '{"city":"Rome"}'),
        tool(index, "b", "weather", '{"city":"Oslo"}'),
        tool(index, "c", "time", ""),
    ) == [
        ("a", "weather", '{"city":"Rome"}'),
        ("b", "weather", '{"city":"Oslo"}'),
        ("c", "time", ""),
    ]


@pytest.mark.parametrize("index", [0, None, LEFT_OUT], ids=repr)
def test_calls_in_pieces_at_one_index(index):
    """A piece without an id goes on with the call begun last."""
    assert calls(
        tool(index, "a", "weather", '{"ci'),
        tool(index, arguments='ty":1}'),
        tool(index, "b", "time", ""),
        tool(index, arguments='{"tz"'),
        tool(index, arguments=":2}"),
    ) == [("a", "weather", '{"city":1}'), ("b", "time", '{"tz":2}')]


@pytest.mark.parametrize("index", [0, None, LEFT_OUT], ids=repr)
def test_an_id_in_every_piece(index):
    """Pieces of one id are one call, with or without its name; they may come in turn."""
    assert calls(
        tool(index, "a", "weather", '{"ci'),
        tool(index, "a", "weather", 'ty":'),
        tool(index, "a", None, "1}"),
    ) == [("a", "weather", '{"city":1}')]


def test_pieces_in_turn_without_an_index():
    """The id alone says which call a piece belongs to."""
    assert calls(
        tool(None, "a", "weather", "["),
        tool(None, "b", "time", "{"),
        tool(None, "a", None, "]"),
        tool(None, "b", None, "}"),
    ) == [("a", "weather", "[]"), ("b", "time", "{}")]


def test_a_new_id_in_every_piece():
    """Some servers make one up each time; a call begins with its name, and the index holds."""
    (call,) = calls(tool(0, "a", "weather", "{"), tool(0, "b", None, "}"))
    assert call[1:] == ("weather", "{}")


@pytest.mark.parametrize("index", [0, None, LEFT_OUT], ids=repr)
@pytest.mark.parametrize("call_id", [None, ""])
def test_calls_without_an_id(index, call_id):
    """Another name begins another call, and so do arguments after complete ones."""
    found = calls(
        tool(index, call_id, "weather", '{"city":1}'),
        tool(index, call_id, "weather", '{"city":2}'),
        tool(index, call_id, "time", ""),
        tool(index, call_id, "date", ""),
    )
    assert [each[1:] for each in found] == [
        ("weather", '{"city":1}'),
        ("weather", '{"city":2}'),
        ("time", ""),
        ("date", ""),
    ]


def test_arguments_that_are_objects():
    """They are whole in each delta."""
    found = calls(tool(0, None, "f", {"x": 1}), tool(0, None, "f", {"x": 2}))
    assert [each[2] for each in found] == [{"x": 1}, {"x": 2}]


def test_a_name_in_every_piece():
    """It is repeated while the arguments are not complete."""
    (call,) = calls(
        tool(0, None, "f", ""), tool(0, None, "f", '{"x"'), tool(0, None, "f", ":1}"),
        tool(0, None, "f", ""),
    )  # fmt: skip
    assert call[1:] == ("f", '{"x":1}')


def test_calls_at_indices_that_were_taken():
    """Each keeps to itself when a wrong index and right ones come together."""
    assert calls(
        tool(0, "a", "f", "1"),
        tool(0, "b", "g", "2"),
        tool(1, "c", "h", "3"),
        tool(1, arguments="3"),
        tool(0, arguments="2"),
    ) == [("a", "f", "1"), ("b", "g", "22"), ("c", "h", "33")]


def test_one_id_at_several_indices():
    """Different indices tell calls apart: Mistral's calls may all have the id "null"."""
    assert calls(tool(0, "null", "f", "1"), tool(1, "null", "g", "2")) == [
        ("null", "f", "1"),
        ("null", "g", "2"),
    ]


def test_many_calls_at_one_index():
    """A thousand are kept."""
    many = [tool(0, f"call {at}", "f", "{}") for at in range(1100)]
    assert len(calls(*many)) == 1000


@pytest.mark.parametrize("index", [0, None])
def test_blocks_of_anthropic_at_one_index(index):
    """A start begins a block, and a delta goes on with the one begun last."""
    content = merge(
        [
            start(index, type="text", text=""),
            delta(index, "text", text="Hi"),
            start(index, type="tool_use", id="a", name="weather", input={}),
            delta(index, "input_json", partial_json='{"city":'),
            delta(index, "input_json", partial_json="1}"),
            start(index, type="tool_use", id="b", name="time", input={}),
            delta(index, "input_json", partial_json='{"tz":2}'),
            start(index, type="tool_use", id="b", name="time", input={}),
        ]
    )["content"]
    assert content == [
        {"type": "text", "text": "Hi"},
        {"type": "tool_use", "id": "a", "name": "weather", "input": {"city": 1}},
        {"type": "tool_use", "id": "b", "name": "time", "input": {"tz": 2}},
    ]


def item(step, index, call_id, arguments=""):
    body = {"type": "function_call", "id": call_id, "name": "f", "arguments": arguments}
    return event(f"output_item.{step}", output_index=index, item=body)


def arguments(index, call_id, text):
    kind = "function_call_arguments.delta"
    return event(kind, output_index=index, item_id=call_id, delta=text)


@pytest.mark.parametrize("index", [0, None])
@pytest.mark.parametrize("ended", [False, True])
def test_items_of_a_response_at_one_index(index, ended):
    """The id of the item tells, in the order that they began."""
    events = [
        item("added", index, "a"),
        arguments(index, "a", "[1"),
        item("added", index, "b"),
        arguments(index, "b", "[2"),
        arguments(index, "a", "]"),
        arguments(index, "b", "]"),
    ]
    if ended:
        events += [item("done", index, "b", "[2]"), item("done", index, "a", "[1]")]
    output = merge(events)["output"]
    assert [(each["id"], each["arguments"]) for each in output] == [("a", "[1]"), ("b", "[2]")]


def test_items_that_only_end():
    """A server may send whole items alone, and one of them twice."""
    events = [item("done", 0, each, json.dumps(each)) for each in ("a", "b", "b")]
    assert [each["id"] for each in merge(events)["output"]] == ["a", "b"]


def test_a_new_id_in_every_event():
    """Some servers make one up each time; then the index holds."""
    events = [item("added", 0, "a"), arguments(0, "x", "[]"), item("done", 0, "y", "[]")]
    assert [each["id"] for each in merge(events)["output"]] == ["y"]
