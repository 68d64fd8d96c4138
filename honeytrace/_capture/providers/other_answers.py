"""Read the answers of models that do not chat: embeddings, rankings, images, speech and others."""

from __future__ import annotations

from honeytrace._capture.providers.answer import Answer, dicts, make_answer
from honeytrace._capture.providers.embeddings import embedded_tokens
from honeytrace._utils.json import Json


def ranked(found: Json) -> Answer | None:
    """Read embeddings and rankings of Voyage and Jina, which count nothing but a total."""
    usage, entries = found.get("usage", found), found.get("data", found.get("results"))
    vectors = found.get("embeddings")
    known = [each for each in dicts(entries) if "embedding" in each or "relevance_score" in each]
    if type(usage) is not dict or not (known or type(vectors) is list or entries == []):
        return None
    total = usage.get("total_tokens")
    if type(total) is not int or "prompt_tokens" in usage:
        return None
    return make_answer(found, [], {"prompt_tokens": total, "total_tokens": total}, None)


def embeddings(found: Json) -> Answer | None:
    """Read embeddings of OpenAI and those who follow it, of Titan and of Gemini."""
    entries = dicts(found.get("data"))
    if entries and "embedding" in entries[0]:
        return make_answer(found, [], found.get("usage"), None)
    count = embedded_tokens(found)
    return None if count is None else Answer(usage={"prompt_tokens": count, "total_tokens": count})


def images(found: Json) -> Answer | None:
    """Read OpenAI's images."""
    entries = dicts(found.get("data"))
    known = entries and any(name in entries[0] for name in ("b64_json", "revised_prompt"))
    return make_answer(found, [], found.get("usage"), None) if known else None


def transcription(found: Json) -> Answer | None:
    """Read OpenAI's transcriptions, which count tokens or the seconds of the audio."""
    usage = found.get("usage")
    if type(usage) is not dict or type(found.get("text")) is not str:
        return None
    answer = make_answer(found, [], usage, None)
    seconds = usage.get("seconds")
    if usage.get("type") == "duration" and (type(seconds) is float or type(seconds) is int):
        answer.seconds = float(seconds)
    return answer if usage.get("type") in ("duration", "tokens") else None


def moderation(found: Json) -> Answer | None:
    """Read moderations of OpenAI and Mistral."""
    first, *_ = [*dicts(found.get("results")), {}]
    return make_answer(found, [], None, None) if "categories" in first else None


def pages(found: Json) -> Answer | None:
    """Read the pages that Mistral's OCR has recognized."""
    known = type(found.get("pages")) is list and type(found.get("usage_info")) is dict
    return make_answer(found, [], None, None) if known else None
