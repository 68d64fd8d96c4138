"""Read the answers of models that chat, as their providers' servers and SDKs give them."""

from __future__ import annotations

from honeytrace._capture.providers.answer import Answer, dicts, make_answer, name_of, text_of
from honeytrace._capture.providers.layouts import read_layout
from honeytrace._capture.providers.messages import Message, read_message, read_parts
from honeytrace._utils.json import Json


def openai_chat(found: Json) -> Answer | None:
    """Read OpenAI's chat and completions, and the many servers that answer in the same way."""
    choices = dicts(found.get("choices"))
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
    return make_answer(found, messages, usage, reason)


def openai_response(found: Json) -> Answer | None:
    """Read OpenAI's Responses API."""
    items = dicts(found.get("output"))
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
            message.annotations += part.annotations
            message.tool_calls += part.tool_calls
        elif kind == "reasoning":
            parts = dicts(item.get("summary")) or dicts(item.get("content"))
            message.reasoning += "".join(text_of(part.get("text")) for part in parts)
        else:
            message.tool_calls += read_parts([item]).tool_calls
    message.content = "".join(texts) or None
    why = found.get("incomplete_details")
    reason = why.get("reason") if type(why) is dict else found.get("status")
    return make_answer(found, [message], found.get("usage"), reason)


def anthropic(found: Json) -> Answer | None:
    if found.get("type") == "message" and type(found.get("content")) is list:
        return make_answer(
            found, [read_message(found)], found.get("usage"), found.get("stop_reason")
        )
    if type(found.get("completion")) is str and "stop_reason" in found:  # before Messages
        message = Message(content=found["completion"])
        return make_answer(found, [message], found.get("usage"), found["stop_reason"])
    return None


def gemini(found: Json) -> Answer | None:
    candidates = dicts(found.get("candidates"))
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
    return make_answer(known, [read_message(each) for each in contents], usage, reason)


_GEMINI_REASONS = (None, "STOP", "MAX_TOKENS", "SAFETY", "RECITATION", "OTHER")


def bedrock(found: Json) -> Answer | None:
    """Read Bedrock's Converse API."""
    output = found.get("output")
    if type(output) is not dict or "stopReason" not in found:
        return None
    message = output.get("message")
    messages = [read_message(message)] if type(message) is dict else []
    answer = make_answer(found, messages, found.get("usage"), found["stopReason"])
    about = found.get("ResponseMetadata")
    answer.request_id = name_of(about.get("RequestId")) if type(about) is dict else None
    return answer


def ollama(found: Json) -> Answer | None:
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
    return make_answer(found, messages, counts, found.get("done_reason"))


def cohere(found: Json) -> Answer | None:
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
    return make_answer(found, messages, whole, found.get("finish_reason"))


def layout(found: Json) -> Answer | None:
    read = read_layout(found)
    return None if read is None else make_answer(found, [read.message], read.usage, read.reason)


def hugging_face(found: Json) -> Answer | None:
    """Read text generation of Hugging Face's servers."""
    text, about = found.get("generated_text"), found.get("details")
    if type(text) is not str or type(about) is not dict:
        return None
    answer = make_answer({}, [Message(content=text)], None, about.get("finish_reason"))
    if type(count := about.get("generated_tokens")) is int:
        answer.usage = {"completion_tokens": count}
    return answer
