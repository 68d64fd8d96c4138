"""One step in full: the error, the conversation, what went in and what came out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from honeytrace._session.session import OBJECTS, RESERVED
from honeytrace._utils.json import Json
from honeytrace.local import _format
from honeytrace.local._messages import answered, is_conversation
from honeytrace.local._query import parse, understood
from honeytrace.local._summary import MARKS, Summary, mark_of
from honeytrace.local._trees import Step
from honeytrace.local._usual import MIN_RECENT, Usual
from honeytrace.local.page import _again, _layout
from honeytrace.local.page._content import Content
from honeytrace.local.page._html import Markup, Node, tag
from honeytrace.local.page._requests import Request
from honeytrace.local.page._timeline import Timeline

_OTHERS = tuple(name for name in OBJECTS if name not in ("inputs", "outputs", "metadata"))
_SHOWN_FIRST = ("metrics", "feedback", "config")  # what is short comes before what may be long
_IN_METRICS = {"time_to_first_token_ms": "ttft_ms"}
"""Names in the metadata of what the metrics call otherwise. HoneyHive reads both."""
Section = tuple[str, str, Any]
"""The title of a section, the field it is from, and its value."""


def render(
    step: Step,
    session: Json | None,
    timeline: Timeline,
    usual: Usual | None,
    request: Request,
    maker: Json | None = None,
) -> Markup:
    """Show a step; `maker` is the step, or the nearest one above it, that called a function."""
    if session is None or step.summary is None:
        gone = tag("p", "This session was deleted a moment ago.")
        return tag("section", gone, class_="panel", id="step", tabindex="0")
    name = step.summary.name
    title = tag(
        "h2",
        _layout.breakable(name),
        " ",
        _layout.status(step.summary.status),
        _unfinished(session),
    )
    return tag(
        "section",
        title,
        _facts(step, step.summary, session, timeline, usual),
        _mark(step.id, session, request),
        _error(session),
        _body(session, request),
        _again.render(session, maker),
        _recorded(session),
        class_="panel",
        id="step",
        tabindex="0",
        aria_label=f"Step {name}",
        data_id=step.id,
    )


def _facts(
    step: Step, summary: Summary, session: Json, timeline: Timeline, usual: Usual | None
) -> Markup:
    """List what is known of a step in short, without what is not known."""
    facts = [
        ("Duration", _format.duration(summary.duration)),
        ("Self", _format.duration(timeline.timings[step.id].self_time) if step.children else ""),
        ("Usual", _usual(usual)),
        ("Model", summary.model),
        ("Tokens", _format.tokens(summary.tokens_in, summary.tokens_out)),
        ("Cached", _format.count(summary.tokens_cached)),
        ("Cost", _format.cost(summary.cost)),
        *_call_facts(session),
        ("Kind", summary.kind),
        ("Started", _layout.when(summary.start)),
    ]
    shown = [tag("div", tag("dt", name), tag("dd", value)) for name, value in facts if value]
    return tag("dl", shown, class_="facts")


def _call_facts(session: Json) -> list[tuple[str, str]]:
    """Return what is known of a model call: how it went, and how it ended."""
    metadata, metrics = _object(session, "metadata"), _object(session, "metrics")
    retries, first = metadata.get("retries"), metrics.get("ttft_ms")
    first_of = "First token" if "time_to_first_token_ms" in metadata else "First item"
    reason, code = metadata.get("finish_reason"), metadata.get("status_code")
    return [
        ("HTTP", str(code) if isinstance(code, int) else ""),
        ("Retried", f"{retries}×" if isinstance(retries, int) and retries else ""),  # noqa: RUF001 - times
        (first_of, _format.duration(first) if isinstance(first, (int, float)) else ""),
        ("Finish", reason if isinstance(reason, str) else ""),
    ]


def _unfinished(session: Json) -> Node:
    """Say that a stream was not read to its end."""
    stream = _object(_object(session, "metadata"), RESERVED).get("stream")
    stopped = isinstance(stream, dict) and stream.get("completed") is False
    if not stopped or session.get("error"):
        return None
    unread = _object(session, "metrics").get("chunks") == 0
    words = "not read" if unread else "stopped early"
    return tag("span", words, class_="status other")


def _mark(step_id: str, session: Json, request: Request) -> Markup:
    """Return the form to mark a step as good or bad, with a note."""
    marked = mark_of(session)
    note = _object(session, "feedback").get("note") if marked else None
    kept = [(name, request.get(name)) for name in ("q", "fold", "view")]
    buttons = [
        tag(
            "button",
            f"{mark.capitalize()}",
            name="mark",
            value=mark,
            class_=mark,
            aria_pressed="true" if mark == marked else "false",
        )
        for mark in MARKS
    ]
    return tag(
        "form",
        [tag("input", type="hidden", name=name, value=value) for name, value in kept if value],
        buttons,
        tag("label", "Note", for_="note", class_="unseen"),
        tag(
            "input",
            type="text",
            id="note",
            name="note",
            value=str(note or ""),
            placeholder="Note: what is good or bad about it?",
            autocomplete="off",
        ),
        tag("button", "Remove mark", name="mark", value="") if marked else None,
        method="post",
        action=f"/s/{step_id}/mark",
        class_="mark",
    )


def _usual(usual: Usual | None) -> str:
    if usual is None or usual.number < MIN_RECENT:
        return ""
    return f"{_format.duration(usual.p50)}, 95% below {_format.duration(usual.p95)}"


def _body(session: Json, request: Request) -> Node:
    as_json = request.get("view") == "json"
    views = [("Formatted", None, not as_json), ("JSON", "json", as_json)]
    content = Content(parse(understood(request.get("q")), 0).texts)
    return (
        tag(
            "p",
            [
                tag("a", name, href=request.link(view=view), aria_current="true" if here else None)
                for name, view, here in views
            ],
            tag("a", "Raw", href=f"/session/{session['session_id']}"),
            class_="views",
        ),
        [
            _section(title, field, content.json(value) if as_json else content.value(value))
            for title, field, value in (_raw(session) if as_json else _sections(session))
        ],
    )


def _section(title: str, field: str, shown: Node) -> Markup:
    button = tag("button", "Copy", type="button", class_="copy", data_field=field)
    return tag("section", tag("h3", title, button), shown, class_=f"field {field}")


def _raw(session: Json) -> Iterator[Section]:
    for name in ("inputs", "outputs", *_OTHERS, "metadata"):
        if session.get(name):
            yield name.replace("_", " ").capitalize(), name, session[name]


def _sections(session: Json) -> Iterator[Section]:
    """Yield what there is to show: what people look for first, then the rest.

    The answer of a model ends its conversation.
    """
    inputs, outputs = _object(session, "inputs"), _object(session, "outputs")
    said = [value for value in inputs.values() if is_conversation(value)]
    answer = answered(outputs)
    rest = {name: value for name, value in inputs.items() if not is_conversation(value)}
    if said:
        talk = [message for messages in said for message in messages]
        yield "Conversation", "inputs", talk + ([answer] if answer else [])
    elif rest:
        yield "Input", "inputs", _single(rest)
    if outputs and not (said and answer):
        yield "Output", "outputs", [answer] if answer else _single(outputs)
    if said and rest:
        yield "Other inputs", "inputs", rest
    for name in dict.fromkeys((*_SHOWN_FIRST, *_OTHERS)):
        if value := session.get(name):
            yield name.replace("_", " ").capitalize(), name, value
    if metadata := _metadata(session):
        yield "Metadata", "metadata", metadata


def _metadata(session: Json) -> Json:
    """Return the metadata without what stands in the head of the step or in the metrics."""
    metrics, facts = _object(session, "metrics"), dict(_call_facts(session))
    return {
        name: value
        for name, value in _object(session, "metadata").items()
        if name != RESERVED
        and not facts.get(_FACTS.get(name, ""))
        and (value is None or metrics.get(_IN_METRICS.get(name, name)) != value)
    }


_FACTS = {"status_code": "HTTP", "retries": "Retried", "finish_reason": "Finish"}
"""The labels in the head of the step, by the key in the metadata."""


def _single(value: Mapping[str, Any]) -> Any:
    """Return the value itself if it is the only result of a call."""
    return value["result"] if value.keys() == {"result"} else value


def _recorded(session: Json) -> Node:
    """Show what honeytrace itself recorded, except the error, which has its own section."""
    ours = _object(_object(session, "metadata"), RESERVED)
    known = {"session_id": session["session_id"], **ours}
    shown = {name: value for name, value in known.items() if name != "exception"}
    return tag(
        "details", tag("summary", "Recorded by honeytrace"), Content().value(shown), class_="again"
    )


def _object(session: Json, name: str) -> Json:
    found = session.get(name)
    return found if isinstance(found, dict) else {}


def _error(session: Json) -> Node:
    """Show the error with its notes, its causes, the members of a group, and the traceback."""
    details = _object(_object(session, "metadata"), RESERVED).get("exception")
    error = session.get("error")
    if not error and not details:
        return None
    content = Content(characters=100_000)
    known = isinstance(details, dict) and {"type", "message"} <= details.keys()
    shown = _exception(details, content, 0) if known else content.text(str(error))
    return tag("section", tag("h3", "Error"), shown, class_="field error")


_RELATED = (("cause", "Caused by"), ("context", "While handling"))
_MAX_CHAIN = 20


def _exception(details: Any, content: Content, depth: int) -> Node:
    """Show an exception, its notes, its members, and the exceptions that led to it."""
    if not isinstance(details, dict) or depth > _MAX_CHAIN:
        return None
    frames, notes = details.get("traceback"), _list(details.get("notes"))
    more = details.get("more_exceptions")  # further members, or ones that were shown above
    related = [(words, details[name]) for name, words in _RELATED if name in details]
    members = enumerate(_list(details.get("exceptions")), 1)
    related += [(f"Exception {at}", each) for at, each in members]
    return (
        tag("p", tag("b", str(details.get("type"))), class_="type"),
        content.text(str(details.get("message", ""))),
        [tag("div", content.text(str(note)), class_="soft") for note in notes],
        content.text("\n".join(map(str, frames)), as_code=True)
        if isinstance(frames, list) and frames
        else None,
        [
            tag("div", tag("h4", words), _exception(each, content, depth + 1), class_="related")
            for words, each in related
        ],
        tag("p", f"… {_format.plural(more, 'more exception')}", class_="soft")
        if isinstance(more, int)
        else None,
    )


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
