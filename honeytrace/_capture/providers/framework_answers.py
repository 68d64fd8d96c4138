"""Read the answers of models as frameworks for agents hand them on."""

from __future__ import annotations

from honeytrace._capture.providers.answer import Answer, dicts, make_answer, name_of
from honeytrace._capture.providers.messages import Message, read_message, read_parts
from honeytrace._capture.providers.tokens import tokens
from honeytrace._utils.json import Json


def langchain(found: Json) -> Answer | None:
    """Read LangChain's AIMessage."""
    about = found.get("response_metadata")
    if type(about) is not dict or "content" not in found:
        return None
    usage = found.get("usage_metadata") or about.get("token_usage") or about.get("usage")
    known = {"model": about.get("model_name") or about.get("model"), "id": about.get("id")}
    reason = next((about[name] for name in _REASONS if about.get(name)), None)
    return make_answer(
        {**known, "id": known["id"] or found.get("id")}, [read_message(found)], usage, reason
    )


_REASONS = ("finish_reason", "stop_reason", "done_reason", "stopReason")


def langchain_result(found: Json) -> Answer | None:
    """Read LangChain's LLMResult and ChatResult, and a single generation of them."""
    generations = found.get("generations", [found] if "generation_info" in found else None)
    if type(generations) is not list or not generations:
        return None
    nested = generations[0] if type(generations[0]) is list else generations
    first, *_ = [*dicts(nested), {}]
    about = found.get("llm_output") if type(found.get("llm_output")) is dict else {}
    message = first.get("message")
    answer = langchain(message) if type(message) is dict else None
    if answer is None:
        if type(first.get("text")) is not str:
            return None
        answer = Answer([Message(content=first["text"])])
        info = first.get("generation_info")
        info = info if type(info) is dict else first  # Cohere's text models have none
        answer.finish_reason = name_of(info.get("finish_reason"))
    answer.usage = answer.usage or tokens((about or {}).get("token_usage"))
    answer.model = answer.model or name_of((about or {}).get("model_name"))
    return answer


def haystack(found: Json) -> Answer | None:
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
    return make_answer(meta, [message], meta.get("usage"), meta.get("finish_reason"))


def haystack_message(found: Json) -> Answer | None:
    meta = found.get("_meta", found.get("meta"))
    if type(meta) is not dict or "usage" not in meta:
        return None
    if "embedding" in found or "documents" in found:
        return make_answer(meta, [], meta["usage"], None)
    return haystack({"replies": [found]}) if "_content" in found or "content" in found else None


def pydantic_ai(found: Json) -> Answer | None:
    """Read pydantic-ai's ModelResponse."""
    parts = found.get("parts")
    if type(parts) is not list or "model_name" not in found:
        return None
    known = {"model": found["model_name"], "id": found.get("provider_response_id")}
    return make_answer(known, [read_parts(parts)], found.get("usage"), found.get("finish_reason"))


def dspy(found: Json) -> Answer | None:
    """Read DSPy's Prediction, which counts the tokens by model."""
    by_model = found.get("_lm_usage")
    if type(by_model) is not dict:
        return None
    usage: dict[str, int] = {}
    for each in dicts(list(by_model.values())):
        for name, count in tokens(each).items():
            usage[name] = usage.get(name, 0) + count
    model = next(iter(by_model)) if len(by_model) == 1 else None
    return Answer(usage=usage, model=model) if usage else None
