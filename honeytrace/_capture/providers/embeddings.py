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
    entries = body.get("data") if type(body) is dict else None
    if type(entries) is not list:
        return body
    for at, entry in enumerate(entries):
        if type(entry) is dict and type(entry.get("embedding")) in (str, list):
            entry["embedding"] = describe_vector(entry["embedding"], at < _MAX_DESCRIBED)
    return body


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
