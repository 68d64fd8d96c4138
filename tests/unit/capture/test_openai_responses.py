"""Events of OpenAI's Responses API."""

from __future__ import annotations

from llm_streams import CALLED, OPEN, RESPONSES, SAID, event, merge, part


def test_response_cut_short():
    """A response that never ended has the output so far."""
    early = merge(RESPONSES[:10])
    assert early == {**OPEN, "output": [SAID, {**CALLED, "arguments": "{"}]}
    assert merge(RESPONSES[:5])["output"][0]["content"] == [{"type": "output_text", "text": "Hel"}]


def test_deltas_only():
    """A generator may yield the deltas alone."""
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


def test_error():
    """An error in the stream stands in what it comes to."""
    error = {"code": "server_error", "message": "Overloaded"}
    assert merge([*RESPONSES[:6], {"type": "error", **error}])["error"] == error
