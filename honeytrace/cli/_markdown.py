"""Print a session and everything inside it as a page of Markdown, to paste into an issue."""

from __future__ import annotations

import re
from collections.abc import Iterator

from honeytrace._session.session import Session
from honeytrace._session.tree import failure, walk
from honeytrace._utils.json import READABLE, Json, dumps
from honeytrace._utils.text import printable
from honeytrace.cli._errors import error_lines
from honeytrace.cli._notes import details, notes
from honeytrace.cli._output import print_text, started
from honeytrace.cli._reading import Reader
from honeytrace.cli._steps import costs, duration_of, name_of, sums
from honeytrace.local import _format


def print_markdown(session: Session, read: Reader) -> None:
    steps = list(walk(session, read.fetch, read.children))
    print_text(f"# {_plain_title(session)}\n")
    print_text(", ".join(filter(None, (_facts(session), sums(steps)))))
    print_text("\n```text")
    for step in steps:
        parts = [name_of(step), duration_of(step), *(_told(step.session) if step.session else ())]
        print_text(f"{step.lead}{'  '.join(filter(None, parts))}")
    print_text("```")
    for step in steps:
        if step.session and not step.again:
            for line in _section(step.session):
                print_text(line)


def _told(session: Session) -> Iterator[str]:
    """Yield the model of a step, what it cost, its error, and what was special about it."""
    yield from costs(session)
    if session.error:
        yield failure(session.error)
    yield notes(session)


def _section(session: Session) -> Iterator[str]:
    yield f"\n## {_plain_title(session)}\n\n`{session.session_id}`"
    if session.error:
        lines = (session.error, *error_lines(session, full=True))
        yield f"\n**Error**\n\n{_fenced(chr(10).join(lines), 'text')}"
    objects = {
        "inputs": session.inputs,
        "outputs": session.outputs,
        "feedback": session.feedback,
        **details(session),
    }
    for name, value in objects.items():
        if value:
            title = name.replace("_", " ").capitalize()
            yield f"\n**{title}**\n\n{_fenced(_readable(value), 'json')}"


def _readable(value: Json) -> str:
    return dumps(value, READABLE).decode()


def _fenced(text: str, kind: str) -> str:
    """Return a Markdown code block; its fence is longer than any fence in the text."""
    longest = max((len(found) for found in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    lines = "\n".join(printable(line, len(line)) for line in text.split("\n"))
    return f"{fence}{kind}\n{lines}\n{fence}"


def _plain_title(session: Session) -> str:
    """Return the name with the special characters of Markdown escaped."""
    return re.sub(r"([\\`*_\[\]<>#|])", r"\\\1", printable(session.session_name))


def _facts(session: Session) -> str:
    facts = [f"project {printable(session.project)}", f"source {printable(session.source)}"]
    facts.append(f"started {started(session.start_time).strip()}")
    if session.duration is not None:
        facts.append(f"took {_format.duration(session.duration)}")
    facts.append(f"session {session.session_id}")
    return ", ".join(facts)
