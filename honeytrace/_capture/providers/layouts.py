"""Read the answers of further providers: a table says where each of them keeps what.

An entry of the table is enough for an answer whose text, tokens and reason have fixed places.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from honeytrace._capture.providers.messages import Message, read_message, read_parts
from honeytrace._utils.json import Json


class Layout(NamedTuple):
    """The places in one provider's answer, each a path such as `output.choices.0.message`.

    Attributes:
        needs: the places that an answer of this kind has.
        text: the text, or a list of its pieces.
        message: a whole message, in place of the text.
        parts: a list of the parts of a message, in place of the text.
        reason: the finish reason.
        usage: the counts of tokens; "" if they stand in the answer itself.
        prompt, completion: the counts, where they stand apart.
        calls: the calls of tools, beside the text.
    """

    needs: tuple[str, ...]
    text: str = ""
    message: str = ""
    parts: str = ""
    reason: str = ""
    usage: str = "usage"
    prompt: str = ""
    completion: str = ""
    calls: str = "tool_calls"


_LAYOUTS = (
    Layout(  # DashScope
        ("output.choices.0.message",),
        message="output.choices.0.message",
        reason="output.choices.0.finish_reason",
    ),
    Layout(("output.text", "usage"), text="output.text", reason="output.finish_reason"),
    Layout(("response", "usage"), text="response"),  # Cloudflare
    Layout(("output", "urls", "metrics"), text="output", reason="status", usage="metrics"),
    Layout(  # Vertex AI's older models
        ("predictions", "metadata.tokenMetadata"),
        text="predictions.0.content",
        prompt="metadata.tokenMetadata.inputTokenCount.totalTokens",
        completion="metadata.tokenMetadata.outputTokenCount.totalTokens",
    ),
    Layout(  # xAI
        ("outputs.0.message", "usage"),
        message="outputs.0.message",
        reason="outputs.0.finish_reason",
    ),
    Layout(  # vLLM
        ("outputs.0.text", "usage"), text="outputs.0.text", reason="outputs.0.finish_reason"
    ),
    Layout(("outputs.0.type", "usage"), parts="outputs", reason="status"),  # Mistral's agents
    Layout(  # Gemini's interactions
        ("steps.0.type", "usage.total_input_tokens"), parts="steps", reason="status"
    ),
    Layout(("generation",), text="generation", reason="stop_reason", usage=""),  # Llama
    Layout(  # Mistral on Bedrock
        ("outputs.0.text",),
        text="outputs.0.text",
        reason="outputs.0.stop_reason",
    ),
    Layout(  # Titan
        ("results.0.outputText",),
        text="results.0.outputText",
        reason="results.0.completionReason",
        prompt="inputTextTokenCount",
        completion="results.0.tokenCount",
    ),
    Layout(  # watsonx
        ("results.0.generated_text",),
        text="results.0.generated_text",
        reason="results.0.stop_reason",
        usage="results.0",
    ),
    Layout(  # AI21's Jurassic
        ("completions.0.data.text",),
        text="completions.0.data.text",
        reason="completions.0.finishReason.reason",
    ),
    Layout(  # llama.cpp
        ("content", "tokens_evaluated"), text="content", reason="stop_type", usage=""
    ),
)
"""The first that fits counts."""

KEYS = "output response predictions outputs steps generation results completions tokens_evaluated"
"""Each layout needs a value under one of these keys."""


class Read(NamedTuple):
    """What a layout finds."""

    message: Message
    usage: object
    reason: object


def read_layout(found: Json) -> Read | None:
    """Read an answer by the first layout that fits; return None if none does."""
    fit = (each for each in _LAYOUTS if all(at(found, path) is not None for path in each.needs))
    layout = next(fit, None)
    message = None if layout is None else _message(found, layout)
    if layout is None or message is None:
        return None
    usage = at(found, layout.usage)
    if layout.prompt:
        counts = {"prompt_tokens": layout.prompt, "completion_tokens": layout.completion}
        usage = {name: at(found, path) for name, path in counts.items()}
    return Read(message, usage, at(found, layout.reason))


def _message(found: Json, layout: Layout) -> Message | None:
    if layout.message:
        whole = at(found, layout.message)
        return read_message(whole) if type(whole) is dict else None
    if layout.parts:
        return _of_parts(at(found, layout.parts))
    text = at(found, layout.text)
    if type(text) is list and all(type(piece) is str for piece in text):
        text = "".join(text)
    if type(text) is not str:
        return None
    return read_message({"content": text, "tool_calls": at(found, layout.calls)})


def _of_parts(parts: Any) -> Message | None:
    if type(parts) is not list:
        return None
    inner: list[Any] = []
    for part in parts:  # a step of Gemini's holds the parts of its message
        content = part.get("content") if type(part) is dict else None
        inner += content if type(content) is list else [part]
    return read_parts(inner)


def at(found: Any, path: str) -> Any:
    """Return the value at a path; None if there is none. The path "" is that of `found`."""
    for name in path.split(".") if path else ():
        if type(found) is list:
            found = found[int(name)] if name.isdecimal() and int(name) < len(found) else None
        else:
            found = found.get(name) if type(found) is dict else None
    return found
