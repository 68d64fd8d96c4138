"""Read the messages of a conversation, in the shapes of the usual APIs."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from honeytrace._utils.json import dumps, loads

_CALLS = ("function_call", "tool_use", "tool_call")
_RESULTS = ("function_call_output", "tool_result")

_LANGCHAIN_ROLES = {
    "human": "user",
    "ai": "assistant",
    "AIMessageChunk": "assistant",
    "system": "system",
    "tool": "tool",
}
"""LangChain's messages have a type instead of a role."""

_DESCRIBED = re.compile(r"<[\w.+-]+(?:/[\w.+-]+)?: \d+ bytes>\Z")
_FILE_NAMES = ("filename", "title", "name")
_MAX_DEPTH = 4  # of objects in a part that describes a file


@dataclass(slots=True)
class Call:
    """A tool call, with its result if there is one."""

    name: str
    arguments: Any
    result: Any = None
    has_result: bool = False

    def __str__(self) -> str:
        """Return the call as Python would write it, such as `find_order(number="48213")`."""
        arguments = self.arguments
        if isinstance(arguments, str):
            with suppress(ValueError):
                arguments = loads(arguments)
        if isinstance(arguments, dict):
            pairs = (f"{name}={_written(value)}" for name, value in arguments.items())
            return f"{self.name}({', '.join(pairs)})"
        return f"{self.name}({'' if arguments is None else _written(arguments)})"


@dataclass(frozen=True, slots=True)
class Image:
    """An image in a message."""

    address: str


@dataclass(slots=True)
class Message:
    """One message: the role, and texts, images, calls and other JSON."""

    role: str
    parts: list[Any] = field(default_factory=list)


def is_message(value: Any) -> bool:
    """Return True for a message of a chat or LangChain, or an item of OpenAI's Responses API."""
    if not isinstance(value, dict):
        return False
    kind = value.get("type")
    if isinstance(value.get("role"), str):
        return "content" in value or "tool_calls" in value or "parts" in value
    return kind in _CALLS or kind in _RESULTS or is_of_langchain(value)


def is_of_langchain(value: Mapping[str, Any]) -> bool:
    kind = value.get("type")
    return type(kind) is str and kind in _LANGCHAIN_ROLES and "response_metadata" in value


def _role(item: Mapping[str, Any]) -> str:
    named = _LANGCHAIN_ROLES.get(str(item.get("type"))) if is_of_langchain(item) else None
    return named or str(item.get("role") or "assistant")


def _written(value: Any) -> str:
    return dumps(value).decode()


def is_conversation(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(map(is_message, value))


def answered(outputs: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the message that a model answered, if the outputs are an answer."""
    found: Any = outputs.get("result", outputs) if len(outputs) == 1 else outputs
    if isinstance(found, dict):
        choices = found.get("choices")
        first = choices[0] if isinstance(choices, list) and choices else None
        if isinstance(first, dict):
            found = first.get("message")
    return found if is_message(found) else None


def messages(items: list[Any]) -> list[Message]:
    """Return the messages. The result of a tool call is attached to its call."""
    calls: dict[str, Call] = {}
    found: list[Message] = []
    for item in items:
        message = Message(_role(item))
        for part in _parts(item):
            _add(message, part, calls)
        if message.parts:
            found.append(message)
    return found


def _add(message: Message, part: Any, calls: dict[str, Call]) -> None:
    """Add a part to a message; a result goes to its call."""
    if isinstance(part, _Result):
        call = calls.get(part.call_id)
        if call is None or call.has_result:
            message.parts.append(part.value)
        else:
            call.result, call.has_result = part.value, True
        return
    if isinstance(part, _Called):
        calls[part.call_id] = part.call
        message.parts.append(part.call)
        return
    message.parts.append(part)


@dataclass(frozen=True, slots=True)
class _Called:
    call_id: str
    call: Call


@dataclass(frozen=True, slots=True)
class _Result:
    call_id: str
    value: Any


def _parts(item: Mapping[str, Any]) -> Iterator[Any]:
    if item.get("type") in (*_CALLS, *_RESULTS):
        yield _part(item)
        return
    content = item.get("content", item.get("parts"))
    if _role(item) == "tool":
        yield _Result(str(item.get("tool_call_id")), content)
        return
    yield from _beside(item, "reasoning", "reasoning_content")
    if isinstance(content, list):
        yield from map(_part, content)
    elif content not in (None, ""):
        yield content
    calls = item.get("tool_calls")
    for call in calls if isinstance(calls, list) else []:
        yield _part({"type": "tool_call", **call} if isinstance(call, dict) else call)
    yield from _beside(item, "refusal", "annotations", "error")


def _beside(item: Mapping[str, Any], *names: str) -> Iterator[dict[str, Any]]:
    """Return what a message says besides its content, each under its name."""
    for name in names:
        if item.get(name):
            yield {name: _sources(item[name]) if name == "annotations" else item[name]}


def _sources(annotations: Any) -> Any:
    """Return the titles and addresses of sources, a line each; others as they are."""
    listed = annotations if isinstance(annotations, list) else [None]
    found = [each.get("url_citation", each) if isinstance(each, dict) else {} for each in listed]
    if not all(isinstance(each, dict) and isinstance(each.get("url"), str) for each in found):
        return annotations
    return "\n".join(" ".join(filter(None, (each.get("title"), each["url"]))) for each in found)


def _part(part: Any) -> Any:
    """Return a text, an image, a call, a result, or the part as it is."""
    if not isinstance(part, dict):
        return part
    kind = part.get("type")
    if kind in _RESULTS:
        value = part.get("output", part.get("content"))
        return _Result(str(part.get("call_id") or part.get("tool_use_id")), _plain(value))
    if kind in _CALLS or isinstance(part.get("function"), dict):
        return _called(part)
    if found := _file(part):
        return found
    if address := _address(part):
        return Image(address)
    text = part.get("text")
    return text if isinstance(text, str) and not part.keys() - {"type", "text"} else part


def _called(part: Mapping[str, Any]) -> _Called:
    function = part.get("function")
    about = function if isinstance(function, dict) else part
    name = about.get("name")
    arguments = about.get("arguments", about.get("input", about.get("args")))
    call = Call(name if isinstance(name, str) else "tool", arguments)
    if "output" in part:  # of a tool that the provider calls itself
        call.result, call.has_result = part["output"], True
    return _Called(str(part.get("call_id") or part.get("id")), call)


def _plain(value: Any) -> Any:
    """Return the text of a result that has only one text."""
    if isinstance(value, list) and len(value) == 1 and isinstance(value[0], dict):
        text = value[0].get("text")
        return text if isinstance(text, str) else value
    return value


def _file(part: Mapping[str, Any], depth: int = 0) -> str:
    """Return the name and description of a file that was recorded without its data; else ""."""
    if depth > _MAX_DEPTH or isinstance(part.get("text"), str):
        return ""
    for value in part.values():
        found = _file(value, depth + 1) if isinstance(value, dict) else value
        if isinstance(found, str) and _DESCRIBED.search(found):
            names = (part[name] for name in _FILE_NAMES if isinstance(part.get(name), str))
            return " ".join([*islice(names, 1), found])
    return ""


def _address(part: Mapping[str, Any]) -> str | None:
    """Return the address of an image, as OpenAI or Anthropic write one."""
    image = part.get("image_url")
    if isinstance(image, dict):
        image = image.get("url")
    source = part.get("source")
    if isinstance(source, dict) and source.get("type") == "base64":
        image = f"data:{source.get('media_type')};base64,{source.get('data')}"
    return image if isinstance(image, str) else None
