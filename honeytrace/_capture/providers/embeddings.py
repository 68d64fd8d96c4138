"""Describe embeddings by their length and norm, because nobody can read their numbers."""

from __future__ import annotations

import base64
import math
import re
from array import array
from typing import Any

_CUT = re.compile(r"\[(\d+) more items\]")
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
