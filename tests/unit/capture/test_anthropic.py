"""Events of Anthropic's messages."""

from __future__ import annotations

from llm_streams import BEGUN, CITATION, EVENTS, delta, merge, start


def test_message_cut_short():
    """The input of a tool that is half told is the text so far."""
    assert merge(EVENTS[:15])["content"][2]["input"] == '{"ci'


def test_deltas_only():
    """A generator may yield the deltas alone."""
    assert merge([each for each in EVENTS if each["type"] == "content_block_delta"])["content"] == [
        {"type": "thinking", "thinking": "hm", "signature": "EqQ="},
        {"type": "text", "text": "Hi you", "citations": [CITATION]},
        {"type": "tool_use", "input": {"city": "Rome"}},
        {"type": "tool_use"},
    ]


def test_error():
    """An error in the stream stands in what it comes to."""
    error = {"type": "overloaded_error", "message": "Overloaded"}
    assert merge([*EVENTS[:10], {"type": "error", "error": error}])["error"] == error


def test_bounded_message():
    """A message has at most a thousand blocks."""
    blocks = [start(at, type="tool_use") for at in range(1500)]
    blocks += [delta(at, "input_json", partial_json="{}") for at in range(1500)]
    assert len(merge([*EVENTS[:1], *blocks])["content"]) == 1000


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
    """Usage that is not an object is replaced by a later one that is."""
    begun = {"type": "message_start", "message": {**BEGUN, "usage": "?"}}
    assert merge([begun, EVENTS[-2]])["usage"] == {"output_tokens": 42}
    assert "usage" not in merge([{"type": "message_delta", "delta": {"stop_reason": "x"}}])
