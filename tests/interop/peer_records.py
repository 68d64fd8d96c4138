"""What the spans of a model call tell, whatever their format: looked for in their text."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, NamedTuple

from form_tools import Form

COUNTS = {
    **dict.fromkeys(("prompt_tokens", "input_tokens"), 11017),
    **dict.fromkeys(("completion_tokens", "output_tokens"), 22037),
    "total_tokens": 33054,
    **dict.fromkeys(("cached_tokens", "cache_read_input_tokens"), 3307),
    "reasoning_tokens": 4403,
}
"""The counts that the server tells: numbers that mean nothing else."""
_PROMPT = r"\b(11017|14324)\b"  # without and with those from Anthropic's cache


class Call(NamedTuple):
    """A call that was made.

    Attributes:
        name: that of the form.
        path: the last part of the path that was asked for.
        streamed: whether it was a stream.
        counted: whether the server told the tokens.
    """

    form: Form
    path: str
    streamed: bool
    counted: bool

    @property
    def name(self) -> str:
        return self.form.name

    @property
    def holds(self) -> str:
        return self.form.holds

    @property
    def complete(self) -> bool:
        return self.holds in ("content", "tool", "usage", "file")

    @property
    def speaks(self) -> bool:
        """Whether it is a conversation, not an embedding or a completion."""
        return self.path not in ("embeddings", "completions") or "chat" in self.name


def made(form: Form, requests: list[Any]) -> Call:
    path, _, body = requests[-1]
    path = path.partition("?")[0]
    told = body.get("stream_options") or {}
    streamed = bool(body.get("stream") or "stream" in path.rpartition(":")[2].lower())
    counted = not (streamed and path.endswith("completions")) or bool(told.get("include_usage"))
    return Call(form, path.rpartition("/")[2], streamed, counted)


class Fact(NamedTuple):
    """Something to know about a call.

    Attributes:
        name: what it is.
        of: whether a call has it.
        patterns: what has to stand in the text of its spans.
    """

    name: str
    of: Callable[[Call], bool]
    patterns: tuple[str, ...]


_ANSWERS = "GOOD MORNING TO YOU|Paris"
_REASONS = "stop|tool_calls|end_turn|tool_use|completed"
FACTS = (
    Fact("question", lambda call: call.path != "embeddings", ("good morning to you",)),
    Fact("system prompt", lambda call: call.name in ("messages", "responses"), ("Be kind",)),
    Fact("files in it", lambda call: call.holds == "file", ("image",)),
    Fact("tools offered", lambda call: call.holds == "tool", ("weather", "properties")),
    Fact("answer", lambda call: call.holds in ("content", "file"), (_ANSWERS,)),
    Fact("call of a tool", lambda call: call.holds == "tool", ("Paris", "call_1|toolu_1")),
    Fact("part of an answer", lambda call: "part" in call.holds, ("GOOD",)),
    Fact("model asked for", lambda call: True, (r"\b(gpt-4o|claude-4|e-3|d-2)(?!-2026)\b",)),
    Fact(
        "model that answered",
        lambda call: call.speaks and call.complete,
        (r"(gpt-4o|claude-4|claude)-2026-01-01",),
    ),
    Fact("tokens in", lambda call: call.complete and call.counted, (_PROMPT,)),
    Fact(
        "tokens out",
        lambda call: call.complete and call.counted and call.path != "embeddings",
        (r"\b22037\b",),
    ),
    Fact(
        "cached tokens",
        lambda call: call.complete and call.counted and call.speaks,
        (r"\b3307\b",),
    ),
    Fact(
        "reasoning tokens",
        lambda call: call.complete and call.counted and call.speaks and call.form.sdk == "openai",
        (r"\b4403\b",),
    ),
    Fact(
        "finish reason",
        lambda call: call.complete and call.path != "embeddings",
        (rf"(finish|stop)_?reasons?\W{{1,12}}({_REASONS})|status\W{{1,8}}completed",),
    ),
    Fact("request id", lambda call: call.holds != "error", (r"\breq_1\b",)),
    Fact("retries", lambda call: "retried" in call.name, (r"(?i)retr(y|ies)\w*\W{1,6}[12]\b",)),
    Fact(
        "time of the first token",
        lambda call: call.streamed and call.complete,
        (r"(?i)ttft|first.?(token|chunk)|completion_start_time|new_token",),
    ),
    Fact(
        "that it was left early",
        lambda call: call.holds == "part" and "broken" not in call.name,
        (r"(?i)completed\W{1,4}false|GeneratorExit|cancel|incomplete|abandon|closed early",),
    ),
    Fact(
        "error",
        lambda call: "error" in call.holds,
        (r"Not now|RemoteProtocolError|APIConnectionError|peer closed|incomplete chunked",),
    ),
)


def known(call: Call, records: list[str]) -> dict[str, bool]:
    """Return of each fact that the call has whether the spans tell it."""
    text = "".join(records).replace("\\", "")
    return {
        fact.name: all(re.search(pattern, text) for pattern in fact.patterns)
        for fact in FACTS
        if fact.of(call)
    }
