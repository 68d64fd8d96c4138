"""Tell what made a session: a function, a block, or the call of a model's SDK."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from honeytrace._session import wire
from honeytrace._session.session import RESERVED
from honeytrace._utils.json import Json

_SDKS = {"openai": "OpenAI", "anthropic": "Anthropic", "litellm": "LiteLLM"}
_MAX_DEPTH = 100


def function_of(fields: Mapping[str, Any]) -> str | None:
    """Return the path of the function that was called; None for a block or the call of an SDK."""
    found = _about(fields).get("function")
    return found if isinstance(found, str) else None


def sdk_of(name: str, about: Mapping[str, Any]) -> str | None:
    """Return whose SDK made the call, such as "OpenAI"; None if no SDK made it.

    The sessions of SDKs are of the kind "function", but no function of the program was called.
    """
    if about.get("kind") != "function" or about.get("function") is not None:
        return None
    package = name.partition(".")[0]
    return _SDKS.get(package, package)


def maker(fields: Mapping[str, Any], get: Callable[[str], Json | None]) -> Json | None:
    """Return this session, or the nearest one above it, that is the call of a function.

    get: returns the session with an id, or None.
    """
    found: Mapping[str, Any] | None = fields
    for _ in range(_MAX_DEPTH):
        if found is None or function_of(found):
            break
        parent = wire.parent(found)
        found = get(parent) if parent else None
    return dict(found) if found and function_of(found) else None


def _about(fields: Mapping[str, Any]) -> Json:
    metadata = fields.get("metadata")
    found = metadata.get(RESERVED) if isinstance(metadata, dict) else None
    return found if isinstance(found, dict) else {}
