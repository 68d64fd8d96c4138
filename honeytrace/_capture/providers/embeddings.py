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
    if type(vectors) is list:  # of Ollama
        body["embeddings"] = _described(vectors)
    elif type(vectors) is dict:  # of Cohere, by type
        body["embeddings"] = {
            name: _described(each) if type(each) is list else each for name, each in vectors.items()
        }
    return body


def _described(vectors: list[Any]) -> list[Any]:
    return [
        describe_vector(each, at < _MAX_DESCRIBED) if type(each) is list else each
        for at, each in enumerate(vectors)
    ]


def describe_vector(vector: Any, norm: bool = True) -> Any:
    """Return the length and the norm of an embedding, which may be base64 as OpenAI sends it.

    Return anything else as it is. The norm of a list that capture has cut is not known.
    """
    try:
        if type(vector) is list and vector and (cut := _CUT.fullmatch(str(vector[-1]))):
            return {"length": len(vector) - 1 + int(cut[1])}
        if type(vector) is str:
            vector = array("f", base64.b64decode(vector, validate=True))
        described = {"length": len(vector)}
        return {**described, "norm": round(math.hypot(*vector), 6)} if norm else described
    except (TypeError, ValueError):  # not numbers
        return vector
