"""Understand the answer of a model by its shape, as plain data from a dict or an SDK's object.

Each function of `_SHAPES` knows one shape. It returns None for anything else. Their order matters:
shapes that contain others come first.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from itertools import islice
from typing import Any

from honeytrace._capture.providers import chat_answers as chat
from honeytrace._capture.providers import framework_answers as frameworks
from honeytrace._capture.providers import other_answers as others
from honeytrace._capture.providers.answer import Answer, make_answer, the_only
from honeytrace._capture.providers.bedrock import METRICS
from honeytrace._capture.providers.layouts import KEYS
from honeytrace._capture.providers.messages import Message, read_message
from honeytrace._capture.providers.tokens import tokens
from honeytrace._utils.json import Json


def read_answer(outputs: Json) -> Answer | None:
    """Read the outputs, or their `result`, as the answer of a model; None if they are not one.

    If they are not, they may hold one, such as a tuple of the answer and its duration, or a record
    of the answer and the documents that it is based on. The one nearest to the top counts.
    """
    result = outputs.get("result")
    whole = _read(outputs, alone=True) or _read(result, alone=True)
    if whole is not None and whole.says_something:
        return whole
    if type(result) is list and len(result) <= _MAX_LISTED:
        found = the_only(_read(each, alone=True) for each in result)
        if found is not None:
            return found
    return _held(outputs) or whole


_MAX_LISTED = 3  # entries of a list in which counts alone are taken for those of the function
_MAX_LEVELS = 6  # of objects and lists in one another, through which an answer is looked for
_MAX_LOOKED_AT = 64  # objects and lists


def has_usage(outputs: Json) -> bool:
    answer = read_answer(outputs)
    return answer is not None and bool(answer.usage)


def _held(outputs: Json) -> Answer | None:
    """Return the answer that the outputs hold; None if there are several at the same depth.

    Counts alone do not make an answer here: many objects have some, about something else.
    """
    level: list[Any] = [outputs]
    left = _MAX_LOOKED_AT
    for _ in range(_MAX_LEVELS):
        inside = (each for value in level for each in _containers(value))
        level = list(islice(inside, left))
        left -= len(level)
        if not level:
            break
        answers = [found for each in level if (found := _read(each))]
        if any(each.says_something for each in answers):
            # Of more answers than can be looked at, none is known to be the last.
            return the_only(answers) if left or len(answers) == 1 else None
    return None


def _containers(value: Any) -> list[Any]:
    if type(value) is dict:
        if value.get("type") == "message_start":  # of a stream, whose tokens are not counted yet
            return []
        value = value.values()
    return [each for each in value if type(each) is dict or type(each) is list]


def _read(found: Any, alone: bool = False) -> Answer | None:
    """Read an object as an answer; `alone` says whether counts alone make one."""
    if type(found) is not dict or _KEYS.isdisjoint(found):
        return None
    fitting = _fitting(_KEYS.intersection(found))
    answers = (shape(found) for shape in fitting if alone or shape is not _counted)
    answer = next((each for each in answers if each), None)
    if answer is not None and not answer.usage:
        answer.usage = tokens(found.get(METRICS))
    return answer


@lru_cache(maxsize=256)
def _fitting(keys: frozenset[str]) -> list[Shape]:
    return [shape for shape, names in _SHAPES if not keys.isdisjoint(names.split())]


def _llama_index(found: Json) -> Answer | None:
    """Read LlamaIndex's ChatResponse and CompletionResponse, which hold the provider's answer."""
    message, extra = found.get("message"), found.get("additional_kwargs")
    if "raw" not in found or not (type(message) is dict or type(found.get("text")) is str):
        return None
    answer = _read(found["raw"], alone=True) or Answer()
    if type(message) is dict:
        answer.messages = [read_message(message)]
    else:
        answer.messages = [Message(content=found["text"])]
    answer.usage = answer.usage or tokens(extra)
    return answer


def _counted(found: Json) -> Answer | None:
    """Read anything else that counts tokens: results of agents, items of a history."""
    for name in ("usage", "token_usage"):
        counts = found.get(name)
        if usage := tokens(counts):
            answer = make_answer(found, [], counts, found.get("finish_reason"))
            answer.usage = usage
            role, content = found.get("role"), found.get("content")
            if type(role) is str and content is not None:  # smolagents
                answer.messages = [read_message(found)]
            return answer
    return None


def _measured(found: Json) -> Answer | None:
    """Read any other answer of Bedrock beside which it counts the tokens."""
    usage = tokens(found.get(METRICS))
    return Answer(usage=usage) if usage else None


Shape = Callable[[Json], Answer | None]

_SHAPES: tuple[tuple[Shape, str], ...] = (
    (_llama_index, "raw"),
    (frameworks.langchain, "response_metadata"),
    (frameworks.langchain_result, "generations generation_info"),
    (frameworks.haystack, "replies"),
    (frameworks.haystack_message, "_meta meta"),
    (frameworks.pydantic_ai, "parts"),
    (chat.openai_chat, "choices"),
    (chat.anthropic, "type completion"),
    (chat.bedrock, "stopReason"),
    (chat.openai_response, "object output"),
    (chat.gemini, "candidates usage_metadata usageMetadata"),
    (chat.ollama, "done eval_count prompt_eval_count"),
    (chat.cohere, "usage meta generation_id"),
    (chat.layout, KEYS),
    (others.ranked, "data results embeddings"),
    (others.embeddings, "embedding embeddings data"),
    (others.images, "data"),
    (others.transcription, "usage"),
    (others.moderation, "results"),
    (others.pages, "usage_info"),
    (chat.hugging_face, "generated_text"),
    (frameworks.dspy, "_lm_usage"),
    (_counted, "usage token_usage"),
    (_measured, METRICS),
)
"""The shapes, each with the keys of which it has at least one."""

_KEYS = frozenset(name for _, names in _SHAPES for name in names.split())
