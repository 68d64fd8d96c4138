"""Describe embeddings by their length and norm, because nobody can read their numbers."""

from __future__ import annotations

import base64
import math
import re
from array import array
from typing import Any

_CUT = re.compile(r"\[(\d+) more items\]")
MIN_DIMENSIONS = 128  # of an embedding that is known by its numbers alone
_MAX_DIMENSIONS = 16_384
_MIN_MADE = 8  # numbers of an embedding that a function for embeddings makes
_MAX_COMPONENT = 0.8
_MAX_LOOKED_AT = 8  # numbers, before all of them
_TOLERANCE = 0.01  # of the norm; numbers of 16 bits are that exact
_MAX_DESCRIBED = 8  # of one answer; of further ones only the length is recorded


def without_vectors(body: Any) -> Any:
    """Return the body of an answer with short descriptions instead of the embeddings in it."""
    if type(body) is not dict:
        return body
    entries, vectors = body.get("data"), body.get("embeddings")
    for at, entry in enumerate(entries if type(entries) is list else ()):
        if type(entry) is dict and type(entry.get("embedding")) in (str, list):
            entry["embedding"] = describe_vector(entry["embedding"], at < _MAX_DESCRIBED)
    by_type = body.get("embeddingsByType")
    if type(body.get("embedding")) is list:  # of Titan on Bedrock
        body["embedding"] = describe_vector(body["embedding"])
    if type(by_type) is dict:
        body["embeddingsByType"] = {name: describe_vector(each) for name, each in by_type.items()}
    if type(vectors) is list:  # of Ollama and Gemini
        body["embeddings"] = _described(vectors)
    elif type(vectors) is dict:  # of Cohere, by type
        body["embeddings"] = {
            name: _described(each) if type(each) is list else each for name, each in vectors.items()
        }
    return body


def is_embeddings(body: Any) -> bool:
    """Return whether this is an answer with embeddings, even without a count of tokens."""
    vectors, kind = body.get("embeddings"), body.get("response_type")
    if type(kind) is str and kind.startswith("embeddings"):  # of Cohere
        return True
    first = vectors[0] if type(vectors) is list and vectors else None
    return type(first) is dict and type(first.get("values")) in (list, dict)


def is_embedding(path: Any) -> bool:
    """Return whether this path, as `((None, "outputs"), "embedding")`, is that of an embedding."""
    names: list[str] = []
    while path is not None and len(names) < 2:
        path, key = path
        names += [key] if type(key) is str else []
    if names[:1] == ["values"]:  # of Gemini
        del names[0]
    return names[:1] in (["embedding"], ["embeddings"])


def embedded_tokens(body: Any) -> int | None:
    """Return the tokens that Titan or Gemini counts beside its embeddings; None without a count."""
    if "embedding" in body and "inputTextTokenCount" in body:
        counts = [body["inputTextTokenCount"]]
    else:
        vectors = body.get("embeddings")
        counts = list(map(_counted, vectors)) if type(vectors) is list else []
    known = [int(n) for n in counts if type(n) is int or type(n) is float]
    return sum(known) if known and len(known) == len(counts) else None


def _counted(vector: Any) -> Any:
    about = vector.get("statistics") if type(vector) is dict and "values" in vector else None
    return about.get("token_count", about.get("tokenCount")) if type(about) is dict else None


def _described(vectors: list[Any]) -> list[Any]:
    return [_entry(each, at < _MAX_DESCRIBED) for at, each in enumerate(vectors)]


def _entry(vector: Any, norm: bool) -> Any:
    if type(vector) is dict and type(vector.get("values")) is list:
        return {**vector, "values": describe_vector(vector["values"], norm)}
    return describe_vector(vector, norm) if type(vector) is list else vector


def plain_embedding(vector: list[Any]) -> Described | None:
    """Return the length and the norm of a list that is an embedding; None for any other list.

    Nobody would make such numbers but a model: at least 128 floats of both signs, none of them
    large, and the length of the vector is 1. Samples, scores and probabilities stay as they are.
    """
    if not MIN_DIMENSIONS <= len(vector) <= _MAX_DIMENSIONS:
        return None
    first = vector[:_MAX_LOOKED_AT]
    if any(type(each) is not float or not abs(each) < _MAX_COMPONENT for each in first):
        return None
    numbers = list(vector)
    if set(map(type, numbers)) != {float}:
        return None
    norm = math.hypot(*numbers)
    if not abs(norm - 1) < _TOLERANCE:
        return None
    low, high = min(numbers), max(numbers)
    if low >= 0 or low < -_MAX_COMPONENT or high > _MAX_COMPONENT:
        return None
    return Described(length=len(numbers), norm=round(norm, 6))


class Described(dict[str, Any]):
    """The description of a list, which `as_object` tells from an object that a user returned."""


def may_hold_embeddings(kept: object) -> bool:
    """Return whether what was kept of a call may hold an embedding.

    Most of it is marshalled, where a "g" begins each float.
    """
    return type(kept) is not bytes or kept.count(b"g") >= MIN_DIMENSIONS


def without_embeddings(value: Any, of_embedder: bool = False) -> Any:
    """Return JSON data with descriptions instead of the lists that are embeddings.

    Any longer list of floats is one in what `of_embedder`, a function that makes them, returns.
    """
    kind = type(value)
    if kind is Described:
        return dict(value)
    if kind is list:
        if described := plain_embedding(value):
            return dict(described)
        if of_embedder and len(value) >= _MIN_MADE and type(value[0]) is float:
            return describe_vector(value)
    if kind is not list and kind is not dict:
        return value
    changed: dict[Any, Any] = {}
    for key, item in value.items() if kind is dict else enumerate(value):
        of = type(item)
        if of is dict or of is list or of is Described:
            new = without_embeddings(item, of_embedder)
            if new is not item:
                changed[key] = new
    if not changed:
        return value
    if kind is dict:
        return {**value, **changed}
    return [changed.get(at, item) for at, item in enumerate(value)]


def describe_vector(vector: Any, norm: bool = True) -> Any:
    """Return the length and the norm of an embedding, which may be base64 as OpenAI sends it.

    Return anything else as it is. The norm of a list that capture has cut is not known.
    """
    try:
        if type(vector) is list and vector and (cut := _CUT.fullmatch(str(vector[-1]))):
            return {"length": len(vector) - 1 + int(cut[1])}
        if type(vector) is str:
            vector = array("f", base64.b64decode(vector, validate=True))
        size = math.hypot(*vector) if norm else math.nan
        described = {"length": len(vector)}
        return {**described, "norm": round(size, 6)} if math.isfinite(size) else described
    except (TypeError, ValueError):  # not numbers
        return vector
