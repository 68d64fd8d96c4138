"""Chunks of completions, as OpenAI and others send them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from llm_streams import CHAT, COMPLETION, COUNTS, chunk, fed, function, merge

from honeytrace._capture.accumulator import StreamAccumulator
from honeytrace._capture.providers.usage import usage


def test_chat_cut_short():
    """Half a tool call has half its arguments."""
    message = merge(CHAT[:8])["choices"][0]["message"]
    assert message["tool_calls"] == [function("call_1", "weather", '{"city"')]


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
    assert usage(merged)[:2] == (COUNTS, {"model": "gpt-4o"})


def test_azure():
    """A chunk of the content filter has neither id nor delta, but belongs to the completion."""
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
    """The last value wins if it is not a text, list or object, or if its kind changes."""
    deltas = [{"a": 1, "b": {"c": "x"}, "d": "s"}, {"a": 2, "b": {"c": "y"}, "d": 3}, {"b": None}]
    assert message(deltas) == {"a": 2, "b": {"c": "xy"}, "d": 3}
    assert message([{"tool_calls": "?"}, {"tool_calls": [1]}]) == {"tool_calls": ["?", 1]}
    assert message([{"tool_calls": [{"n": 1}]}, {"tool_calls": [2]}]) == {"tool_calls": [2]}


def test_bounded_completion():
    """A completion has at most a thousand choices, calls and log probabilities, and its end."""
    accumulator = StreamAccumulator()
    many = [chunk({"tool_calls": [{"index": at, "id": "x"}]}, 0) for at in range(1500)]
    many += [chunk({"content": "x"}, at) for at in range(1500)]
    many += [chunk({f"key{at}": at}, **{f"key{at}": at}) for at in range(1500)]
    merged = fed(accumulator, [*many, chunk({"content": "y" * 2**21}), *CHAT[-3:]])
    assert len(merged["choices"]) == len(merged["choices"][0]["message"]["tool_calls"]) == 1000
    assert len(merged) <= 1002
    assert merged["usage"] == COUNTS
    assert merged["choices"][0]["finish_reason"] == "tool_calls"
    assert accumulator.cut


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
