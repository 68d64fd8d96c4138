"""Bring the messages of all providers into one form: a role, a content and tool calls.

The form is that of OpenAI's chat, which HoneyHive shows.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from honeytrace._utils.json import Json, spell


@dataclass(slots=True)
class Message:
    """One message of a model.

    Attributes:
        role: who speaks, such as "assistant".
        content: the text, or a list of parts if not all of them are text.
        tool_calls: the tools that it wants called, each `{"id", "type", "function"}`.
        reasoning: the text of its reasoning, "" if there is none.
        refusal: why it does not answer; "" if it does.
        annotations: the sources that it names, each as its provider gives it.
    """

    role: str = "assistant"
    content: Any = None
    tool_calls: list[Json] = field(default_factory=list)
    reasoning: str = ""
    refusal: str = ""
    annotations: list[Json] = field(default_factory=list)

    def as_object(self) -> Json:
        found: Json = {"role": self.role, "content": self.content}
        for name in ("tool_calls", "reasoning", "refusal", "annotations"):
            if value := getattr(self, name):
                found[name] = value
        return found


def read_message(message: Json) -> Message:
    """Read a message of any provider, as plain data."""
    given = message.get("content", message.get("parts", message.get("blocks")))
    found = read_parts(given) if type(given) is list else Message(content=given)
    found.role = _role(message.get("role"))
    calls = message.get("tool_calls")
    if type(calls) is list:
        found.tool_calls += [call for call in map(read_call, calls) if call]
    if type(call := message.get("function_call")) is dict:
        found.tool_calls.append(_call(None, call.get("name"), call.get("arguments")))
    for name in ("reasoning_content", "reasoning", "thinking"):
        if type(text := message.get(name)) is str:
            found.reasoning = found.reasoning or text
    found.refusal = _text(message.get("refusal")) or found.refusal
    found.annotations += _annotations(message)
    if found.content is None and type(audio := message.get("audio")) is dict:
        found.content = audio.get("transcript")  # what was spoken
    return found


def read_parts(parts: list[Any]) -> Message:
    """Read the parts of a content; keep parts that are not text, reasoning or a call."""
    found = Message()
    texts: list[str] = []
    others = False
    for part in parts:
        if type(part) is str:
            texts.append(part)
        elif type(part) is not dict:
            others = True
        elif call := read_call(part):
            found.tool_calls.append(call)
        elif reasoning := _reasoning(part):
            found.reasoning += reasoning
        elif part.get("type") == "refusal":
            found.refusal += _text(part.get("refusal"))
        elif type(text := part.get("text", part.get("content"))) is str:
            texts.append(text)
            found.annotations += _annotations(part)
        else:
            others = others or part.get("type") not in _SILENT
    found.content = parts if others else "".join(texts) if texts else None
    return found


_SILENT = ("redacted_thinking", "thinking", "reasoning")


def read_call(part: Any) -> Json | None:
    """Return a tool call in OpenAI's form; None if it is not a tool call."""
    if type(part) is not dict:
        return None
    if type(part.get("function")) is dict:  # already in this form; Ollama's arguments are objects
        function = part["function"]
        return _call(part.get("id"), function.get("name"), function.get("arguments"))
    if type(part.get("custom")) is dict:  # a tool of OpenAI's chat that takes a text
        return _call(part.get("id"), part["custom"].get("name"), part["custom"].get("input"))
    if part.get("type") in ("tool_use", "server_tool_use", "mcp_tool_use"):
        return _call(part.get("id"), part.get("name"), part.get("input"))
    if part.get("type") in ("function_call", "custom_tool_call", "function.call"):
        call_id = part.get("call_id", part.get("tool_call_id", part.get("id")))
        return _call(call_id, part.get("name"), part.get("arguments", part.get("input")))
    if part.get("part_kind") == "tool-call":  # pydantic-ai
        return _call(part.get("tool_call_id"), part.get("tool_name"), part.get("args"))
    for name in ("toolUse", "function_call", "functionCall"):  # Bedrock, Gemini
        if type(call := part.get(name)) is dict:
            arguments = call.get("input", call.get("args"))
            return _call(call.get("toolUseId", call.get("id")), call.get("name"), arguments)
    if type(part.get("tool_call")) is dict:  # Haystack
        part = part["tool_call"]
    for name, arguments in _NAMES_OF_CALLS:
        if arguments in part and type(part.get(name)) is str:
            return _with_output(_call(part.get("id"), part[name], part[arguments]), part)
    kind = part.get("type")
    if type(kind) is str and kind.endswith("_call") and type(part.get("id")) is str:
        given = {
            name: value
            for name, value in part.items()
            if name not in _NO_ARGUMENTS and value is not None
        }
        name = kind.removesuffix("_call")
        return _with_output(_call(part.get("call_id") or part["id"], name, given), part)
    return None


def _with_output(call: Json, part: Json) -> Json:
    """Add what a tool has returned, if it is one that OpenAI calls itself."""
    kind = part.get("type")
    if type(kind) is str and kind.endswith("_call") and kind != "tool_call":
        output = next((part[name] for name in _OUTPUTS if part.get(name) is not None), None)
        return call if output is None else {**call, "output": output}
    return call


_OUTPUTS = ("output", "outputs", "results", "result", "error")
_NO_ARGUMENTS = ("id", "type", "status", "call_id", *_OUTPUTS)

_NAMES_OF_CALLS = (
    ("name", "args"),  # LangChain
    ("name", "parameters"),  # Cohere
    ("name", "arguments"),  # Cloudflare
    ("tool_name", "arguments"),  # Haystack
)
"""How a tool and its arguments are called, where nothing else tells that this is a call."""


def _call(call_id: object, name: object, arguments: Any) -> Json:
    spelled = arguments if type(arguments) is str else spell(arguments, ", ", ": ")
    call: Json = {"type": "function", "function": {"name": name, "arguments": spelled}}
    return {"id": call_id, **call} if call_id else call


def _annotations(part: Json) -> list[Json]:
    """Return the sources in a message or a part of one."""
    named = part.get("annotations") or part.get("citations")
    return [each for each in named if type(each) is dict] if type(named) is list else []


def _reasoning(part: Json) -> str:
    """Return the text of a part with reasoning; "" for any other part."""
    kind = part.get("type", part.get("part_kind"))
    if kind in ("thinking", "reasoning", "thought"):
        for name in ("thinking", "content", "text", "summary"):
            if found := _joined(part.get(name)):
                return found
    if part.get("thought") is True:  # Gemini
        return _text(part.get("text"))
    inside = part.get("reasoningContent")  # Bedrock
    inside = inside.get("reasoningText") if type(inside) is dict else None
    return _text(inside.get("text")) if type(inside) is dict else ""


def _joined(text: object) -> str:
    """Return a text, or the texts of a list of parts; "" for anything else."""
    parts = text if type(text) is list else [{"text": text}]
    return "".join(_text(part.get("text")) for part in parts if type(part) is dict)


def _role(role: object) -> str:
    """Return the role; Gemini calls the assistant "model", and xAI "ROLE_ASSISTANT"."""
    name = _text(role).removeprefix("ROLE_")
    name = name if name == role else name.lower()
    return name if name not in ("", "model", "ai") else "assistant"


def _text(value: object) -> str:
    return value if type(value) is str else ""
