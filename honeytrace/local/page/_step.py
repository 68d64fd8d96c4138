"""One step in full: the error, the conversation, what went in and what came out."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from typing import Any

from honeytrace._session.session import OBJECTS, RESERVED
from honeytrace._utils.json import Json, dumps
from honeytrace.local import _format
from honeytrace.local._messages import answered, is_conversation
from honeytrace.local._query import parse, understood
from honeytrace.local._summary import MARKS, mark_of
from honeytrace.local._trees import Step
from honeytrace.local._usual import MIN_RECENT, Usual
from honeytrace.local.page import _layout
from honeytrace.local.page._content import Content
from honeytrace.local.page._html import Markup, Node, tag
from honeytrace.local.page._requests import Request
from honeytrace.local.page._timeline import Timeline

_OTHERS = tuple(name for name in OBJECTS if name not in ("inputs", "outputs", "metadata"))
_MAX_CURL_CHARACTERS = 100_000
Section = tuple[str, str, Any]
"""The title of a section, the field it is from, and its value."""


def render(
    step: Step, session: Json | None, timeline: Timeline, usual: Usual | None, request: Request
) -> Markup:
    if session is None or step.summary is None:
        gone = tag("p", "This session was deleted a moment ago.")
        return tag("section", gone, class_="panel", id="step", tabindex="0")
    summary, timing = step.summary, timeline.timings[step.id]
    facts = [
        ("Duration", _format.duration(summary.duration)),
        ("Self", _format.duration(timing.self_time) if step.children else ""),
        ("Usual", _usual(usual)),
        ("Model", summary.model),
        ("Tokens", _format.tokens(summary.tokens_in, summary.tokens_out)),
        ("Cached", _format.count(summary.tokens_cached)),
        ("Cost", _format.cost(summary.cost)),
        ("Kind", summary.kind),
        ("Started", _layout.when(summary.start)),
    ]
    return tag(
        "section",
        tag("h2", summary.name, " ", _layout.status(summary.status)),
        tag(
            "dl",
            [tag("div", tag("dt", name), tag("dd", value)) for name, value in facts if value],
            class_="facts",
        ),
        _mark(step.id, session, request),
        _error(session),
        _body(session, request),
        _copies(session, summary.name),
        _recorded(session),
        class_="panel",
        id="step",
        tabindex="0",
        aria_label=f"Step {summary.name}",
        data_id=step.id,
    )


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
    for name in _OTHERS:
        if value := session.get(name):
            yield name.replace("_", " ").capitalize(), name, value
    metadata = {k: v for k, v in _object(session, "metadata").items() if k != RESERVED}
    if metadata:
        yield "Metadata", "metadata", metadata


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
    if not isinstance(details, dict) or depth > _MAX_CHAIN:
        return None
    frames = details.get("traceback")
    notes, members = details.get("notes"), details.get("exceptions")
    more = details.get("more_exceptions")  # further members, or ones that were shown above
    return (
        tag("p", tag("b", str(details.get("type"))), class_="type"),
        content.text(str(details.get("message", ""))),
        [tag("div", content.text(str(note)), class_="soft") for note in _list(notes)],
        content.text("\n".join(map(str, frames)), as_code=True)
        if isinstance(frames, list) and frames
        else None,
        [
            tag(
                "div",
                tag("h4", words),
                _exception(details[name], content, depth + 1),
                class_="related",
            )
            for name, words in _RELATED
            if name in details
        ],
        [
            tag(
                "div",
                tag("h4", f"Exception {at}"),
                _exception(each, content, depth + 1),
                class_="related",
            )
            for at, each in enumerate(_list(members), 1)
        ],
        tag("p", f"… {_format.plural(more, 'more exception')}", class_="soft")
        if isinstance(more, int)
        else None,
    )


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _copies(session: Json, name: str) -> Markup:
    """Show commands that start from this step."""
    commands = [("As curl", _curl(session)), ("As a pytest test", _pytest(session, name))]
    return tag(
        "details",
        tag("summary", "Run it again"),
        [
            tag(
                "section",
                tag("h3", title, tag("button", "Copy", type="button", class_="copy")),
                tag("pre", command),
            )
            for title, command in commands
            if command
        ],
        class_="again",
    )


def _pytest(session: Json, name: str) -> str:
    test = "".join(letter if letter.isalnum() else "_" for letter in name[:40]).lower()
    return f"honeytrace export --pytest {session['session_id']} > test_{test}.py"


def _curl(session: Json) -> str:
    """Return the command that sends the conversation to the model again."""
    said = next(filter(is_conversation, _object(session, "inputs").values()), None)
    config = _object(session, "config")
    if said is None or not isinstance(config.get("model"), str):
        return ""
    numbers = {k: v for k, v in config.items() if isinstance(v, (int, float)) and k != "timeout"}
    body = dumps({"model": config["model"], **numbers, "messages": said}).decode()
    if len(body) > _MAX_CURL_CHARACTERS:
        return ""
    lines = [
        'curl "${OPENAI_BASE_URL:-https://api.openai.com/v1}/chat/completions"',
        '-H "Authorization: Bearer $OPENAI_API_KEY" -H "Content-Type: application/json"',
        f"-d {shlex.quote(body)}",
    ]
    return " \\\n  ".join(lines)
