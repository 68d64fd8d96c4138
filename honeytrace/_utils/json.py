"""Encode and decode JSON: compact, strict, and unaffected by a patched `json` module."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any, NoReturn

Json = dict[str, Any]
"""A JSON object: string keys, and values that `json.dumps` can encode."""

READABLE = json.JSONEncoder(ensure_ascii=False, allow_nan=False, indent=2)
"""Strict JSON on several lines, for people."""

Scan = Callable[[str, int], tuple[Any, int]]
"""Decode the value that begins at an index; return it and the index after it."""

# Programs patch the functions of `json` and the methods of its classes, such as `default`. So take
# the functions that do the actual work, once, at import.
_make_encoder: Any = getattr(json.encoder, "c_make_encoder", None)
_quote = json.encoder.encode_basestring
_detect_encoding = json.detect_encoding
_JSON_SPACE = " \t\n\r"


def dumps(value: object, encoder: json.JSONEncoder | None = None, is_tree: bool = False) -> bytes:
    """Encode strict JSON in UTF-8: no NaN, and a lone surrogate becomes U+FFFD.

    `is_tree` promises that no container contains itself, and skips that check. Raises `ValueError`
    if the value cannot be encoded.
    """
    try:
        text = encoder.encode(value) if encoder else spell(value, is_tree=is_tree)
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"this cannot be sent as JSON ({error}); convert it first") from error
    try:
        return text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").encode()


def spell(value: object, item: str = ",", colon: str = ":", is_tree: bool = False) -> str:
    """Encode strict JSON as text, with these separators. Raises the errors of `json.dumps`."""
    if _make_encoder is None:  # pragma: no cover - Python without its C extension
        return json.JSONEncoder(
            ensure_ascii=False, allow_nan=False, separators=(item, colon)
        ).encode(value)
    circles: dict[int, object] | None = None if is_tree else {}
    encode = _make_encoder(circles, _refuse, _quote, None, colon, item, False, False, False)
    return "".join(encode(value, 0))


def _refuse(value: object) -> NoReturn:
    raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")


def loads(body: bytes | str) -> Any:
    """Decode strict JSON. Raises `ValueError`, also for Python's extensions (NaN, `1e999`)."""
    text = body
    if not isinstance(text, str):
        text = text.decode(_detect_encoding(text), "surrogatepass")
    return parse(text, _STRICT)


def parse(text: str, scan: Scan | None = None) -> Any:
    """Decode JSON, including Python's extensions (NaN, `1e999`). Raises `ValueError`."""
    text = text.strip(_JSON_SPACE)
    scan = scan or _LENIENT
    try:
        value, end = scan(text, 0)
    except StopIteration as stop:
        raise json.JSONDecodeError("Expecting value", text, stop.value) from None
    except RecursionError:
        raise ValueError("the JSON is nested too deeply") from None
    if end != len(text):
        raise json.JSONDecodeError("Extra data", text, end)
    return value


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError(f"{text} is out of range")
    return number


_LENIENT: Scan = vars(json.JSONDecoder())["scan_once"]
_STRICT: Scan = vars(json.JSONDecoder(parse_constant=_no_constant, parse_float=_finite))[
    "scan_once"
]
