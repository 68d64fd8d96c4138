"""Write JSON schemas, and the tools that a model may call, on one line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from honeytrace._utils.json import dumps

_SCHEMAS = ("parameters", "input_schema", "inputSchema")
_MAX_CHOICES = 4
_MAX_DEPTH = 3


class Tool(NamedTuple):
    """A tool that a model may call: `weather(city: string)`, and what it is for."""

    signature: str
    description: str


def read_tool(value: Mapping[str, Any]) -> Tool | None:
    """Read the description of a tool, as the usual APIs want one; None for anything else."""
    inside = value.get("function")
    about = inside if isinstance(inside, dict) else value
    name, words = about.get("name"), about.get("description")
    schema = next((about[each] for each in _SCHEMAS if isinstance(about.get(each), dict)), None)
    if not isinstance(name, str) or schema is None:
        return None
    fields = _fields(schema, 0)
    return Tool(f"{name}({', '.join(fields)})", words if isinstance(words, str) else "")


def read_schema(value: Mapping[str, Any]) -> str | None:
    """Return a JSON schema of an object on one line; None for anything else."""
    is_schema = value.get("type") == "object" and "properties" in value
    return _type(value, 0) if is_schema else None


def _fields(schema: Mapping[str, Any], depth: int) -> list[str]:
    properties = schema.get("properties")
    known = properties.items() if isinstance(properties, dict) else ()
    types = ((name, _type(each, depth + 1)) for name, each in known)
    return [f"{name}: {kind}" if kind else name for name, kind in types]


def _type(schema: Any, depth: int) -> str:
    """Return the type that a schema stands for, such as `string[]`; "" if it does not say."""
    if not isinstance(schema, dict):
        return ""
    choices = schema.get("enum")
    if isinstance(choices, list) and choices:
        more = " | …" if len(choices) > _MAX_CHOICES else ""
        return " | ".join(dumps(each).decode() for each in choices[:_MAX_CHOICES]) + more
    either = schema.get("anyOf", schema.get("oneOf"))
    if isinstance(either, list):
        return " | ".join(filter(None, (_type(each, depth) for each in either[:_MAX_CHOICES])))
    kind = schema.get("type")
    if isinstance(kind, list):
        return " | ".join(map(str, kind))
    if kind == "array":
        return f"{_type(schema.get('items'), depth) or 'any'}[]"
    if kind == "object" and (fields := _fields(schema, depth)) and depth < _MAX_DEPTH:
        return f"{{{', '.join(fields)}}}"
    return kind if isinstance(kind, str) else ""
