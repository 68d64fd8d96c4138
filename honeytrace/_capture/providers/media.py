"""Describe images, audio and files by their type and size where messages hold them as base64."""

from __future__ import annotations

import re
from typing import Any

_MIN_CHARACTERS = 256  # shorter texts stay as they are
_LOOK = 200  # characters by which base64 is recognized
_BASE64 = re.compile(rf"[A-Za-z0-9+/_-]{{{_LOOK}}}")
_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/_-"
_RUNS = bytes(ord("x") if byte in _ALPHABET else ord(" ") for byte in range(256))
_RUN = b"x" * _LOOK
_URL = re.compile(
    r"data:(?P<type>[\w.+-]+/[\w.+-]+)?(?:;[\w.+=-]+)*;base64,"
    rf"(?P<data>[A-Za-z0-9+/_=-]{{{_LOOK},}})(?:… \[(?P<more>\d+) more characters\])?"
)
_CUT = re.compile(r"… \[(\d+) more characters\]\Z")

_KEYS = frozenset(
    (
        *("b64_json", "partial_image_b64", "file_data", "base64", "bytesBase64Encoded", "blob"),
        *("bytes", "image", "images", "audio", "video"),
        *("image_bytes", "imageBytes", "video_bytes", "videoBytes", "audio_bytes", "audioBytes"),
    )
)
"""Keys whose value is a file if it looks like base64."""

_TYPED_KEYS = ("data", "result")
"""Keys whose value is a file if it looks like base64, and one of `_TYPES` stands beside it."""

_TYPES = ("media_type", "mime_type", "mimeType", "format", "output_format", "transcript")
"""Keys that give the type of a file, or that only files have beside them."""


def may_hold_media(kept: object) -> bool:
    """Return whether what was kept of a call may hold a file.

    Most of it is marshalled, and a file is a long run of letters and digits in that.
    """
    if type(kept) is not bytes:
        return True
    runs = kept.translate(_RUNS)
    at = runs.find(_RUN)
    while at >= 0:
        if not kept[at : at + _LOOK].islower():
            return True
        end = runs.find(b" ", at)
        at = runs.find(_RUN, end) if end > 0 else -1
    return False


def without_media(value: Any) -> Any:
    """Return JSON data with descriptions instead of files; the data itself if there is none."""
    kind = type(value)
    if kind is str:
        return _without_urls(value)
    if kind is dict:
        return _of_dict(value)
    return _of_list(value, None, {}) if kind is list else value


def _of_dict(value: dict[str, Any]) -> dict[str, Any]:
    changed = {}
    for key, item in value.items():
        kind = type(item)
        if kind is str:
            new = item if len(item) < _MIN_CHARACTERS else media(key, item, value)
        elif kind is list:
            new = _of_list(item, key, value)
        elif kind is dict:
            new = _of_dict(item)
        else:
            continue
        if new is not item:
            changed[key] = new
    return {**value, **changed} if changed else value


def _of_list(value: list[Any], key: str | None, beside: dict[str, Any]) -> list[Any]:
    """Look through a list that is the value of a key, such as `images`."""
    changed = {}
    for at, item in enumerate(value):
        kind = type(item)
        if kind is str:
            new = item if len(item) < _MIN_CHARACTERS else media(key, item, beside)
        elif kind is dict or kind is list:
            new = without_media(item)
        else:
            continue
        if new is not item:
            changed[at] = new
    return [changed.get(at, item) for at, item in enumerate(value)] if changed else value


def media(key: object, text: str, beside: dict[Any, Any]) -> str:
    """Return the description of a file that is the value of a key; another text as it is.

    Args:
        key: the key, or that of the list which the text stands in.
        text: the value.
        beside: the object that has the key.
    """
    if _may_be_file(key, beside) and _BASE64.match(text):
        return _description(_type(beside), text)
    return _without_urls(text)


def long_media(key: object, text: str, beside: dict[Any, Any]) -> str:
    """Do the same for a long text at once, without a search through the whole text."""
    if text.startswith("data:") or (_may_be_file(key, beside) and _BASE64.match(text)):
        return media(key, text, beside)
    return text


def described_files(files: Any) -> list[dict[str, Any]]:
    """Return the fields, names and sizes of the files of a form, which are not read."""
    pairs = files.items() if type(files) is dict else files if type(files) is list else ()
    return [_described_file(*pair) for pair in pairs if type(pair) is tuple and len(pair) == 2]


def _described_file(field: Any, file: Any) -> dict[str, Any]:
    name, content, *_ = file if type(file) is tuple and len(file) > 1 else (None, file)
    found = {
        "field": field if type(field) is str else None,
        "name": name if type(name) is str else None,
        "bytes": len(content) if type(content) is bytes else None,
    }
    return {key: value for key, value in found.items() if value is not None}


def _may_be_file(key: object, beside: dict[Any, Any]) -> bool:
    if type(key) is not str:
        return False
    if key in _KEYS:
        return True
    typed = beside.get("type") == "image_generation_call" or any(name in beside for name in _TYPES)
    return key in _TYPED_KEYS and typed


def _type(beside: dict[Any, Any]) -> str:
    found = [beside[name] for name in _TYPES[:-1] if type(beside.get(name)) is str]
    return found[0] if found and len(found[0]) < _LOOK else "base64"


def _without_urls(text: str) -> str:
    """Replace data URLs, also in the middle of a text such as Markdown."""
    if ";base64," not in text:
        return text
    return _URL.sub(_of_url, text)


def _of_url(found: re.Match[str]) -> str:
    data = found["data"]
    more = f"… [{found['more']} more characters]" if found["more"] else ""
    return _description(found["type"] or "base64", data + more)


def _description(kind: str, text: str) -> str:
    cut = _CUT.search(text, max(0, len(text) - 64))
    characters = len(text) if cut is None else cut.start() + int(cut[1])
    padding = text.count("=", max(0, len(text) - 2))
    return f"<{kind}: {characters * 3 // 4 - padding} bytes>"
