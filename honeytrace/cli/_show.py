"""The command `show`: print a session as a tree, with the inputs and outputs of each step."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterable, Iterator, Sequence

from honeytrace._config.settings import Config
from honeytrace._session import wire
from honeytrace._session.session import STEPS, Session, about
from honeytrace._session.tree import Step, failure, walk
from honeytrace._utils.json import READABLE, Json, dumps
from honeytrace._utils.text import printable
from honeytrace.cli._content import content, error_lines
from honeytrace.cli._output import print_json, print_text, started
from honeytrace.cli._reading import Reader, reader
from honeytrace.cli._terminal import columns, fit, pad, terminal_columns, with_color
from honeytrace.local import _format
from honeytrace.local._format import plural
from honeytrace.local._summary import Summary, summarize
from honeytrace.local._trees import total

_BAR = 16  # characters of the time axis
_MANY_STEPS = 5  # from here on, the slowest step is named: in fewer ones it is plain to see
_BAR_FITS = 60  # columns of a terminal, from which on the tree has bars
_NAME = 48  # names are padded to at most so many characters, to align the columns


def show_session(options: argparse.Namespace, config: Config) -> None:
    with reader(options, config) as read:
        session = read.find(" ".join(options.id) if options.id else None)
        if options.json or options.format == "json":
            print_json(session, READABLE)
        elif options.format == "md":
            _print_markdown(session, read)
        else:
            _print_tree(session, read, options)


def _print_tree(session: Session, read: Reader, options: argparse.Namespace) -> None:
    steps = list(walk(session, read.fetch, read.children))
    print_text(f"{session.session_id}  {_sums(steps)}".rstrip())
    if place := _place(session, read):
        print_text(place)
    heads = [f"{step.lead}{_name(step)}" for step in steps]
    width = min(max(map(columns, heads)), _NAME)
    spans = [_span(step) for step in steps]
    widest = max(map(len, spans))
    below = _children_of(steps)
    screen = None if options.full else terminal_columns()
    bars = screen is None or screen >= _BAR_FITS
    for step, head, time in zip(steps, heads, spans, strict=True):
        times = [f"{time:>{widest}}"] if widest else []
        bar = _bar(step.session, session) if bars and step.session else ""
        cells = [pad(head, width), *times, bar, *_facts_of(step, below)]
        _print_line("  ".join(filter(None, cells)), screen, colored=True)
        if step.session and not step.again and not options.no_content:
            rail = step.below + ("│  " if below.get(step.session.session_id) else "   ")
            inside = below.get(step.session.session_id, ())
            origin = all(each.error != step.session.error for each in inside)
            room = screen and screen - len(rail)
            for line in content(step.session, options.full, origin, room):
                _print_line(f"{rail}{line}", screen)


def _place(session: Session, read: Reader) -> str:
    """Return which session this one is a step of, so that one can look at that; "" for a root."""
    root_id = about(session).get("root_id")
    if not isinstance(root_id, str) or root_id == session.session_id:
        return ""
    root = read.fetch(root_id)
    return f"a step of {printable(root.session_name)}, {root.session_id}" if root else ""


def _print_line(line: str, screen: int | None, colored: bool = False) -> None:
    """Print a line, cut to the width of the terminal; `screen` is None to cut nothing."""
    line = line.rstrip() if screen is None else fit(line.rstrip(), screen)
    print_text(with_color(line) if colored else line)


def _sums(steps: Sequence[Step]) -> str:
    """Return the sums over a tree, such as `3 steps, 1 failed, gpt-4o, $0.0040`.

    It is "" for a session without any other inside.
    """
    if len(steps) == 1:
        return ""
    known = {step.session_id: step.session for step in steps if step.session}
    parents = {
        child.session_id: parent
        for parent, children in _children_of(steps).items()
        for child in children
    }
    sums = total([_summary(each)._replace(parent=parents.get(i)) for i, each in known.items()])
    facts = (
        plural(sums.steps, "step"),
        f"{sums.failed} failed" if sums.failed else "",
        _slowest(known.values(), _children_of(steps), known[steps[0].session_id]),
        ", ".join(map(printable, sums.models)),
        _spent(sums.tokens_in, sums.tokens_out, sums.cost),
    )
    return ", ".join(filter(None, facts))


def _slowest(sessions: Iterable[Session], below: dict[str, list[Session]], root: Session) -> str:
    """Return the step that took most of the time by itself, such as `slowest chat 1.20 s (80%)`."""
    timed = [
        (_self_time(each, below.get(each.session_id, ())), each)
        for each in sessions
        if each.duration
    ]
    if len(timed) < _MANY_STEPS or not root.duration:
        return ""
    longest, step = max(timed, key=lambda pair: pair[0])
    share = f" ({longest / root.duration:.0%})" if longest <= root.duration else ""
    return f"slowest {printable(step.session_name, _NAME)} {_format.duration(longest)}{share}"


def _summary(session: Session) -> Summary:
    return summarize(wire.payload(session))


def _spent(given: float | None, made: float | None, cost: float | None) -> str:
    """Return tokens and cost, such as `1,200 → 85 tokens, $0.0042`; "" if neither is known."""
    tokens = _format.tokens(given, made)
    return ", ".join(filter(None, (tokens and f"{tokens} tokens", _format.cost(cost))))


def _name(step: Step) -> str:
    if step.session is None:
        return f"{printable(step.session_id)} (not stored)"
    name, found = printable(step.session.session_name), about(step.session).get("step")
    return f"{name} [{found}]" if found in STEPS else name


def _span(step: Step) -> str:
    if step.session is None or step.session.duration is None:
        return ""
    return _format.duration(step.session.duration)


def _children_of(steps: Sequence[Step]) -> dict[str, list[Session]]:
    """Return the children of each session by its id.

    The depth of a step is known from its `lead`: that of a child is three characters longer.
    """
    found: dict[str, list[Session]] = {}
    above: list[tuple[int, str]] = []
    for step in steps:
        while above and len(step.lead) <= above[-1][0]:
            above.pop()
        if above and step.session:
            found.setdefault(above[-1][1], []).append(step.session)
        above.append((len(step.lead), step.session_id))
    return found


def _facts_of(step: Step, below: dict[str, list[Session]]) -> Iterator[str]:
    session = step.session
    if session is None:
        return
    children = below.get(session.session_id, [])
    if children and session.duration is not None:
        yield f"{_format.duration(_self_time(session, children))} self"
    yield from _told(session)
    if step.again:
        yield "(see above)"


def _told(session: Session) -> Iterator[str]:
    """Yield the model of a step, what it cost, and its error."""
    summary = _summary(session)
    if summary.model:
        yield printable(summary.model)
    if spent := _spent(summary.tokens_in, summary.tokens_out, summary.cost):
        yield spent
    if session.error:
        yield failure(session.error)


def _bar(session: Session, root: Session) -> str:
    """Draw when a session ran, on the time axis of the root; "" if the times are not known."""
    if not root.duration or None in (root.start_time, session.start_time, session.duration):
        return ""
    assert root.start_time is not None  # noqa: S101 - for the type checker
    assert session.start_time is not None  # noqa: S101 - for the type checker
    assert session.duration is not None  # noqa: S101 - for the type checker
    begin = session.start_time - root.start_time
    ends = ((each / root.duration) * _BAR for each in (begin, begin + session.duration))
    begin, end = (min(max(each, 0.0), _BAR) for each in ends)  # they can be infinite
    first = min(round(begin), _BAR - 1)
    last = max(round(end), first + 1)
    return f"{'·' * first}{'━' * (last - first)}{'·' * (_BAR - last)}"


def _self_time(session: Session, children: Sequence[Session]) -> float:
    """Return the milliseconds of a session during which none of its children ran."""
    left = total = session.duration or 0.0
    start, until = session.start_time or 0.0, 0.0
    for child in sorted(children, key=lambda each: each.start_time or start):
        begin = (child.start_time or start) - start
        end = min(begin + (child.duration or 0.0), total)
        left -= max(end - max(begin, until), 0.0)
        until = max(until, end)
    return left


def _print_markdown(session: Session, read: Reader) -> None:
    steps = list(walk(session, read.fetch, read.children))
    print_text(f"# {_plain_title(session)}\n")
    print_text(", ".join(filter(None, (_facts(session), _sums(steps)))))
    print_text("\n```text")
    for step in steps:
        parts = [_name(step), _span(step), *(_told(step.session) if step.session else ())]
        print_text(f"{step.lead}{'  '.join(filter(None, parts))}")
    print_text("```")
    for step in steps:
        if step.session and not step.again:
            for line in _section(step.session):
                print_text(line)


def _section(session: Session) -> Iterator[str]:
    yield f"\n## {_plain_title(session)}\n\n`{session.session_id}`"
    if session.error:
        lines = (session.error, *error_lines(session, full=True))
        yield f"\n**Error**\n\n{_fenced(chr(10).join(lines), 'text')}"
    objects = {
        "Inputs": session.inputs,
        "Outputs": session.outputs,
        "Feedback": session.feedback,
    }
    for name, value in objects.items():
        if value:
            yield f"\n**{name}**\n\n{_fenced(_readable(value), 'json')}"


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
