"""JSON as it travels: compact, strict, and independent of a patched `json` module."""

from __future__ import annotations

import json
import math
from typing import Any, NoReturn

Json = dict[str, Any]
"""A JSON object: string keys, and values that `json.dumps` takes as they are."""
_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))
READABLE = json.JSONEncoder(ensure_ascii=False, allow_nan=False, indent=2)


def dumps(value: object, encoder: json.JSONEncoder = _ENCODER) -> bytes:
    """Strict JSON in UTF-8: no NaN, and a lone surrogate becomes U+FFFD. Raises `ValueError`."""
    try:
        text = encoder.encode(value)
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"this cannot be sent as JSON ({error}); convert it first") from error
    try:
        return text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").encode()


def loads(body: bytes | str) -> Any:
    """Decode strict JSON: what Python alone understands (NaN, `1e999`) is a `ValueError` too."""
    text = body
    if not isinstance(text, str):
        text = text.decode(json.detect_encoding(text), "surrogatepass")
    return parse(text, _STRICT)


def parse(text: str, decoder: json.JSONDecoder | None = None) -> Any:
    """Decode JSON as Python understands it, NaN and `1e999` too. Raises `ValueError`."""
    try:
        return (decoder or _LENIENT).decode(text)
    except RecursionError:
        raise ValueError("the JSON is nested too deeply") from None


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError(f"{text} is out of range")
    return number


# Made here, so that a program that patches `json` does not reach them.
_LENIENT = json.JSONDecoder()
_STRICT = json.JSONDecoder(parse_constant=_no_constant, parse_float=_finite)
