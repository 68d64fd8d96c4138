"""Understand the answer of a model by its shape, as plain data from a dict or an SDK's object.

Each function below knows one shape. It returns None for anything else. The order of `_SHAPES`
matters: shapes that contain others come first.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from honeytrace._capture.providers.answer import Answer, only_counted
from honeytrace._capture.providers.bedrock import METRICS
from honeytrace._capture.providers.embeddings import embedded_tokens
from honeytrace._capture.providers.layouts import KEYS, read_layout
from honeytrace._capture.providers.messages import Message, read_message, read_parts
from honeytrace._capture.providers.tokens import tokens
from honeytrace._utils.json import Json


def read_answer(outputs: Json) -> Answer | None:
    """Read the outputs, or their `result`, as the answer of a model; None if they are not one.

    A short list may hold it, such as a tuple of the answer and its duration, and so may a small
    dict, such as LangChain's of the answer as `raw` and the data parsed from it.
    """
    result = outputs.get("result")
    for found in (outputs, result, outputs.get("raw") if "parsed" in outputs else None):
        if answer := _read(found):
            return answer
    if type(result) is list and len(result) <= _MAX_LISTED:
        return only_counted(list(map(_read, result)))
    held = result if type(result) is dict else outputs
    # Counts alone are not enough here: many objects have some, about something else.
    values = held.values() if len(held) <= _MAX_KEYS else ()
    return only_counted([each for each in map(_read, values) if each and each.messages])


_MAX_LISTED = 3  # entries of a list in which one answer is looked for
_MAX_KEYS = 8  # keys of a dict in which one answer is looked for


def has_usage(outputs: Json) -> bool:
    return only_counted([read_answer(outputs)]) is not None


def _read(found: Any) -> Answer | None:
    if type(found) is not dict or _KEYS.isdisjoint(found):
        return None
    answer = next((answer for shape, _ in _SHAPES if (answer := shape(found))), None)
    if answer is not None and not answer.usage:
        answer.usage = tokens(found.get(METRICS))
    return answer


def _openai_chat(found: Json) -> Answer | None:
    """Read OpenAI's chat and completions, and the many servers that answer in the same way."""
    choices = _dicts(found.get("choices"))
    if not choices:
        return None
    messages = [
        read_message(each["message"])
        if type(each.get("message")) is dict
        else Message(content=each.get("text"))
        for each in choices
        if type(each.get("message")) is dict or type(each.get("text")) is str
    ]
    if not messages:
        return None
    groq = found.get("x_groq")
    usage = found.get("usage") or (groq.get("usage") if type(groq) is dict else None)
    reason = choices[0].get("finish_reason") or choices[0].get("stop_reason")  # of Bedrock
    return _answer(found, messages, usage, reason)


def _openai_response(found: Json) -> Answer | None:
    """Read OpenAI's Responses API."""
    items = _dicts(found.get("output"))
    if found.get("object") != "response" and not (items and "usage" in found):
        return None
    message = Message()
    texts: list[str] = []
    for item in items:
        kind = item.get("type")
        if kind == "message":
            part = read_message(item)
            texts.append(part.content if type(part.content) is str else "")
            message.refusal += part.refusal
            message.tool_calls += part.tool_calls
        elif kind == "reasoning":
            parts = _dicts(item.get("summary")) or _dicts(item.get("content"))
            message.reasoning += "".join(_text(part.get("text")) for part in parts)
        else:
            message.tool_calls += read_parts([item]).tool_calls
    message.content = "".join(texts) or None
    why = found.get("incomplete_details")
    reason = why.get("reason") if type(why) is dict else found.get("status")
    return _answer(found, [message], found.get("usage"), reason)


def _anthropic(found: Json) -> Answer | None:
    if found.get("type") == "message" and type(found.get("content")) is list:
        return _answer(found, [read_message(found)], found.get("usage"), found.get("stop_reason"))
    if type(found.get("completion")) is str and "stop_reason" in found:  # before Messages
        message = Message(content=found["completion"])
        return _answer(found, [message], found.get("usage"), found["stop_reason"])
    return None


def _langchain(found: Json) -> Answer | None:
    """Read LangChain's AIMessage."""
    about = found.get("response_metadata")
    if type(about) is not dict or "content" not in found:
        return None
    usage = found.get("usage_metadata") or about.get("token_usage") or about.get("usage")
    known = {"model": about.get("model_name") or about.get("model"), "id": about.get("id")}
    reason = next((about[name] for name in _REASONS if about.get(name)), None)
    return _answer(
        {**known, "id": known["id"] or found.get("id")}, [read_message(found)], usage, reason
    )


_REASONS = ("finish_reason", "stop_reason", "done_reason", "stopReason")


def _langchain_result(found: Json) -> Answer | None:
    """Read LangChain's LLMResult and ChatResult, and a single generation of them."""
    generations = found.get("generations", [found] if "generation_info" in found else None)
    if type(generations) is not list or not generations:
        return None
    nested = generations[0] if type(generations[0]) is list else generations
    first, *_ = [*_dicts(nested), {}]
    about = found.get("llm_output") if type(found.get("llm_output")) is dict else {}
    message = first.get("message")
    answer = _langchain(message) if type(message) is dict else None
    if answer is None:
        if type(first.get("text")) is not str:
            return None
        answer = Answer([Message(content=first["text"])])
        info = first.get("generation_info")
        info = info if type(info) is dict else first  # Cohere's text models have none
        answer.finish_reason = _name(info.get("finish_reason"))
    answer.usage = answer.usage or tokens((about or {}).get("token_usage"))
    answer.model = answer.model or _name((about or {}).get("model_name"))
    return answer


def _gemini(found: Json) -> Answer | None:
    candidates = _dicts(found.get("candidates"))
    usage = found.get("usage_metadata") or found.get("usageMetadata")
    if not candidates and not usage:
        return None
    if not usage and not any("content" in each for each in candidates):
        return None
    first = candidates[0] if candidates else {}
    contents = [each["content"] for each in candidates if type(each.get("content")) is dict]
    known = {
        "model": found.get("model_version") or found.get("modelVersion"),
        "id": found.get("response_id") or found.get("responseId"),
    }
    reason = first.get("finish_reason") or first.get("finishReason")
    if type(reason) is int:  # of `to_dict` in google-generativeai
        reason = dict(enumerate(_GEMINI_REASONS)).get(reason)
    blocked = found.get("prompt_feedback") or found.get("promptFeedback")
    if not reason and type(blocked) is dict:
        reason = blocked.get("block_reason") or blocked.get("blockReason")
    return _answer(known, [read_message(each) for each in contents], usage, reason)


_GEMINI_REASONS = (None, "STOP", "MAX_TOKENS", "SAFETY", "RECITATION", "OTHER")


def _bedrock(found: Json) -> Answer | None:
    """Read Bedrock's Converse API."""
    output = found.get("output")
    if type(output) is not dict or "stopReason" not in found:
        return None
    message = output.get("message")
    messages = [read_message(message)] if type(message) is dict else []
    answer = _answer(found, messages, found.get("usage"), found["stopReason"])
    about = found.get("ResponseMetadata")
    answer.request_id = _name(about.get("RequestId")) if type(about) is dict else None
    return answer


def _ollama(found: Json) -> Answer | None:
    if "done" not in found and "eval_count" not in found and "prompt_eval_count" not in found:
        return None
    message, text = found.get("message"), found.get("response")
    if type(message) is dict:
        messages = [read_message(message)]
    elif type(text) is str:
        messages = [read_message({"content": text, "thinking": found.get("thinking")})]
    elif type(found.get("embeddings")) is list:
        messages = []
    else:
        return None
    counts = found if messages else {**found, "eval_count": found.get("eval_count") or 0}
    return _answer(found, messages, counts, found.get("done_reason"))


def _cohere(found: Json) -> Answer | None:
    message, text = found.get("message"), found.get("text")
    about = found.get("usage") if type(message) is dict else found.get("meta")
    if about is None and type(text) is str and "generation_id" in found:  # on Bedrock
        about = {"tokens": {}}
    if type(about) is not dict:
        return None
    counts = about.get("tokens") or about.get("billed_units", about.get("tokens"))
    if type(counts) is not dict:
        return None
    whole = {key: int(n) if type(n) is float and n.is_integer() else n for key, n in counts.items()}
    if "embeddings" in found or "results" in found:  # a ranking has results
        messages = []
        whole = {"input_tokens": whole.get("input_tokens"), "output_tokens": 0}
    elif type(message) is dict:
        messages = [read_message(message)]
    else:
        messages = [read_message({"content": text, "tool_calls": found.get("tool_calls")})]
    cached = about.get("cached_tokens")
    if type(cached) is int or type(cached) is float:
        whole["cache_read_tokens"] = int(cached)
    return _answer(found, messages, whole, found.get("finish_reason"))


def _llama_index(found: Json) -> Answer | None:
    """Read LlamaIndex's ChatResponse and CompletionResponse, which hold the provider's answer."""
    message, extra = found.get("message"), found.get("additional_kwargs")
    if "raw" not in found or not (type(message) is dict or type(found.get("text")) is str):
        return None
    raw = found["raw"]
    answer = _read(raw) or Answer()
    if type(message) is dict:
        answer.messages = [read_message(message)]
    else:
        answer.messages = [Message(content=found["text"])]
    answer.usage = answer.usage or tokens(extra)
    return answer


def _haystack(found: Json) -> Answer | None:
    """Read Haystack's generators: messages with `meta` in them, or texts with `meta` beside."""
    replies, about = found.get("replies"), found.get("meta")
    if type(replies) is not list or not replies:
        return None
    first = replies[0]
    if type(first) is dict:
        meta = first.get("_meta", first.get("meta"))
        content = first.get("_content", first.get("content"))
        role = first.get("_role", first.get("role"))
        message = read_message({"content": content, "role": role})
    else:
        meta = about[0] if type(about) is list and about else about
        message = Message(content=first)
    if type(meta) is not dict:
        return None
    return _answer(meta, [message], meta.get("usage"), meta.get("finish_reason"))


def _haystack_message(found: Json) -> Answer | None:
    meta = found.get("_meta", found.get("meta"))
    if type(meta) is not dict or "usage" not in meta:
        return None
    if "embedding" in found or "documents" in found:
        return _answer(meta, [], meta["usage"], None)
    return _haystack({"replies": [found]}) if "_content" in found or "content" in found else None


def _pydantic_ai(found: Json) -> Answer | None:
    """Read pydantic-ai's ModelResponse."""
    parts = found.get("parts")
    if type(parts) is not list or "model_name" not in found:
        return None
    known = {"model": found["model_name"], "id": found.get("provider_response_id")}
    return _answer(known, [read_parts(parts)], found.get("usage"), found.get("finish_reason"))


def _layout(found: Json) -> Answer | None:
    read = read_layout(found)
    return None if read is None else _answer(found, [read.message], read.usage, read.reason)


def _ranked(found: Json) -> Answer | None:
    """Read embeddings and rankings of Voyage and Jina, which count nothing but a total."""
    usage, entries = found.get("usage", found), found.get("data", found.get("results"))
    vectors = found.get("embeddings")
    known = [each for each in _dicts(entries) if "embedding" in each or "relevance_score" in each]
    if type(usage) is not dict or not (known or type(vectors) is list or entries == []):
        return None
    total = usage.get("total_tokens")
    if type(total) is not int or "prompt_tokens" in usage:
        return None
    return _answer(found, [], {"prompt_tokens": total, "total_tokens": total}, None)


def _embeddings(found: Json) -> Answer | None:
    count = embedded_tokens(found)
    return None if count is None else Answer(usage={"prompt_tokens": count, "total_tokens": count})


def _measured(found: Json) -> Answer | None:
    """Read any other answer of Bedrock beside which it counts the tokens."""
    usage = tokens(found.get(METRICS))
    return Answer(usage=usage) if usage else None


def _hugging_face(found: Json) -> Answer | None:
    """Read text generation of Hugging Face's servers."""
    text, about = found.get("generated_text"), found.get("details")
    if type(text) is not str or type(about) is not dict:
        return None
    answer = _answer({}, [Message(content=text)], None, about.get("finish_reason"))
    if type(count := about.get("generated_tokens")) is int:
        answer.usage = {"completion_tokens": count}
    return answer


def _counted(found: Json) -> Answer | None:
    """Read anything else that counts tokens: embeddings, results of agents, items of a history."""
    for name in ("usage", "token_usage"):
        counts = found.get(name)
        if usage := tokens(counts):
            answer = _answer(found, [], counts, found.get("finish_reason"))
            answer.usage = usage
            role, content = found.get("role"), found.get("content")
            if type(role) is str and content is not None:  # smolagents
                answer.messages = [read_message(found)]
            return answer
    by_model: Any = found.get("_lm_usage")
    usage = _by_model(by_model)
    model = next(iter(by_model)) if usage and len(by_model) == 1 else None
    return Answer(usage=usage, model=model) if usage else None


def _by_model(counts: object) -> dict[str, int]:
    """Return the tokens of DSPy's usage, which is by model."""
    total: dict[str, int] = {}
    for each in _dicts(list(counts.values())) if type(counts) is dict else []:
        for name, count in tokens(each).items():
            total[name] = total.get(name, 0) + count
    return total


_SHAPES: tuple[tuple[Callable[[Json], Answer | None], str], ...] = (
    (_llama_index, "raw"),
    (_langchain, "response_metadata"),
    (_langchain_result, "generations generation_info"),
    (_haystack, "replies"),
    (_haystack_message, "_meta meta"),
    (_pydantic_ai, "parts"),
    (_openai_chat, "choices"),
    (_anthropic, "type completion"),
    (_bedrock, "stopReason"),
    (_openai_response, "object output"),
    (_gemini, "candidates usage_metadata usageMetadata"),
    (_ollama, "done eval_count prompt_eval_count"),
    (_cohere, "usage meta generation_id"),
    (_layout, KEYS),
    (_ranked, "data results embeddings"),
    (_embeddings, "embedding embeddings"),
    (_hugging_face, "generated_text"),
    (_counted, "usage token_usage _lm_usage"),
    (_measured, METRICS),
)
"""The shapes, each with the keys of which it has at least one."""

_KEYS = frozenset(key for _, keys in _SHAPES for key in keys.split())


def _answer(found: Json, messages: list[Message], usage: object, reason: object) -> Answer:
    return Answer(
        messages=messages,
        model=_name(found.get("model")) or _name(found.get("model_id")),  # watsonx
        finish_reason=_name(reason),
        usage=tokens(usage),
        cost=_cost(found, usage),
        answer_id=_name(found.get("id")),
        request_id=_name(found.get("_request_id")),
    )


def _cost(found: Json, usage: object) -> float | None:
    """Return the cost that a gateway such as OpenRouter, or DSPy, gives beside the counts."""
    for holder in (usage, found):
        cost = holder.get("cost") if type(holder) is dict else None
        if type(cost) is int or type(cost) is float:
            return float(cost)
    return None


def _dicts(value: object) -> list[Json]:
    return [each for each in value if type(each) is dict] if type(value) is list else []


def _name(value: object) -> str | None:
    return value if type(value) is str and value else None


def _text(value: object) -> str:
    return value if type(value) is str else ""
