"""Summarize a session in a few short columns, for lists and for the conditions of a query."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any, NamedTuple

from honeytrace._session import wire
from honeytrace._session.session import OBJECTS, RESERVED
from honeytrace._utils.json import Json
from honeytrace._utils.text import first_line
from honeytrace.local._preview import preview

_NAME_CHARACTERS = 500
_ERROR_CHARACTERS = 300
_WORDS_CHARACTERS = 2_000_000
_USER = ("user_id", "user", "id", "email")
_CONVERSATION = ("conversation_id", "conversation", "thread_id", "chat_id")


class Summary(NamedTuple):
    """The columns that are stored beside the body of a session.

    Attributes:
        id: the session's id, in lower case.
        start: start in milliseconds since 1970.
        root: id of the session at the top of its tree; its own id for a root.
        parent: id of the session that it started in; None for a root.
        kind: the kind of the step, such as "model" or "tool"; if that is not known, the kind of
            what was traced, such as "function" or "generator".
        status: "ok", "error" or "cancelled".
        duration: milliseconds.
        error: the first line of its error.
        tokens_in: number of tokens in the prompt.
        tokens_out: number of tokens in the completion.
        tokens_cached: number of prompt tokens that came from a cache.
        cost: US dollars, if the session has it.
        preview: the input and the output on one line; see `preview`.
        marked: "good" or "bad" if somebody marked it so; else None.
    """

    id: str
    start: float
    root: str
    parent: str | None
    name: str
    project: str
    source: str
    kind: str
    status: str
    duration: float | None
    error: str | None
    model: str | None
    tokens_in: float | None
    tokens_out: float | None
    tokens_cached: float | None
    cost: float | None
    user: str | None
    conversation: str | None
    preview: str
    marked: str | None


MARKS = ("good", "bad")
IN_SPENT = "coalesce({0}model, {0}tokens_in, {0}tokens_out, {0}cost) IS NOT NULL"
"""Which sessions the index of spending has. SQLite uses it only for queries with this condition.

`{0}` stands for the table, with a period after its name.
"""


def summarize(fields: Json) -> Summary:
    """Make the columns for a session object, as a request carries it."""
    metrics, metadata = fields.get("metrics") or {}, fields.get("metadata") or {}
    users, about = fields.get("user_properties") or {}, metadata.get(RESERVED)
    if not isinstance(about, dict):
        about = {}
    session_id, parent, error = fields["session_id"], wire.parent(fields), fields.get("error")
    start = fields.get("start_time")
    return Summary(
        session_id,
        time.time() * 1000 if start is None else float(start),
        _text(about.get("root_id")) or parent or session_id,
        parent,
        _text(fields.get("session_name")) or "unknown",
        _text(fields.get("project")) or "unknown",
        _text(fields.get("source")) or "unknown",
        _text(about.get("step")) or _text(about.get("kind")) or "session",
        _status(about, error),
        _number(fields.get("duration")),
        first_line(error, _ERROR_CHARACTERS) if error else None,
        _text((fields.get("config") or {}).get("model")),
        _number(metrics.get("prompt_tokens")),
        _number(metrics.get("completion_tokens")),
        _number(metrics.get("cached_tokens")),
        _number(metrics.get("cost", metadata.get("cost"))),
        _first(users, _USER) if users else None,
        _first(metadata, _CONVERSATION) or _first(users, _CONVERSATION),
        preview(fields),
        mark_of(fields),
    )


def mark_of(fields: Json) -> str | None:
    """Return how a session was marked: "good", "bad", or None."""
    found = _object(fields, "feedback").get("mark")
    return found if found in MARKS else None


def _status(about: Json, error: object) -> str:
    found = _text(about.get("status")) or "ok"
    return "error" if error and found == "ok" else found


def words(fields: Json) -> str:
    """Return all texts of a session that a search should find; keys are left out."""
    metadata = {k: v for k, v in _object(fields, "metadata").items() if k != RESERVED}
    parts = [fields.get("session_name"), fields.get("error"), metadata]
    parts += [fields.get(name) for name in OBJECTS if name != "metadata"]
    return "\n".join(_strings(parts))[:_WORDS_CHARACTERS]


def _strings(value: Any) -> Iterator[str]:
    waiting = [value]
    while waiting:
        value = waiting.pop()
        if isinstance(value, str):
            yield value
        elif isinstance(value, dict):
            waiting += value.values()
        elif isinstance(value, list):
            waiting += value


def _object(fields: Json, name: str) -> Json:
    found = fields.get(name)
    return found if isinstance(found, dict) else {}


def _text(value: object) -> str | None:
    return value[:_NAME_CHARACTERS] if isinstance(value, str) and value else None


def _number(value: object) -> float | None:
    """Return a number as SQLite can hold it; None for anything else."""
    if value is None or isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return value if abs(value) < 1 << 63 else float(value)


def _first(fields: Json, names: tuple[str, ...]) -> str | None:
    for name in names:
        value = fields.get(name)
        if value and isinstance(value, (str, int)):
            return str(value)[:_NAME_CHARACTERS]
    return None
