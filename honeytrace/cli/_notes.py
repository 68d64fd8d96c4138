"""Tell what was recorded about a call beside its inputs and outputs."""

from __future__ import annotations

from honeytrace._capture.providers.usage import shown
from honeytrace._session.session import RESERVED, Session, about
from honeytrace._utils.json import Json
from honeytrace._utils.text import printable
from honeytrace.local import _format
from honeytrace.local._format import plural
from honeytrace.local._streams import words_for

_ORDINARY_ENDS = (
    *("stop", "tool_calls", "function_call"),  # of OpenAI
    *("end_turn", "tool_use", "stop_sequence"),  # of Anthropic and Bedrock
    *("complete", "completed", "tool_call", "eos", "eos_token", "finished"),  # of others
)


def notes(session: Session) -> str:
    """Return what was special about a call, such as `finish: length, first token 321 ms`, or ""."""
    facts = session.metadata
    found = (
        "" if session.error else _unfinished(session),
        _attempts(facts.get("status_code"), facts.get("retries")),
        _end(facts.get("finish_reason")),
        _first_item(session),
    )
    return ", ".join(filter(None, found))


def _unfinished(session: Session) -> str:
    """Return "not read" or "stopped early" for a stream that was not read to its end, else ""."""
    stream = about(session).get("stream")
    if not isinstance(stream, dict) or stream.get("completed") is not False:
        return ""
    return words_for(session.metrics.get("chunks"))


def _attempts(status: object, retries: object) -> str:
    """Return `HTTP 500 after 2 retries` for a failed call, else how often it was retried, or ""."""
    count = retries if isinstance(retries, int) else 0
    if isinstance(status, int):
        return f"HTTP {status}" + (f" after {plural(count, 'retry', 'retries')}" if count else "")
    return f"retried {count}×" if count else ""  # noqa: RUF001 - times


def _end(reason: object) -> str:
    """Return why a model ended its answer, unless it had simply come to the end of it."""
    if not isinstance(reason, str) or reason.lower() in _ORDINARY_ENDS:
        return ""
    return f"finish: {printable(reason)}"


def _first_item(session: Session) -> str:
    """Return how long a stream kept its reader waiting, such as `first token 321 ms`, or ""."""
    waited = session.metrics.get("ttft_ms")
    if isinstance(waited, bool) or not isinstance(waited, (int, float)):
        return ""
    what = "token" if "time_to_first_token_ms" in session.metadata else "item"
    return f"first {what} {_format.duration(waited)}"


def details(session: Session) -> dict[str, Json]:
    """Return the user's other fields, each without what another field says as well."""
    repeated = shown(session.metrics, is_model_call=True)
    return {
        "config": _without(session.config, session.inputs),
        "metrics": session.metrics,
        "user_properties": session.user_properties,
        "metadata": _without(session.metadata, {**repeated, RESERVED: about(session)}),
    }


def _without(fields: Json, repeated: Json) -> Json:
    return {
        name: value
        for name, value in fields.items()
        if name not in repeated or repeated[name] != value
    }
