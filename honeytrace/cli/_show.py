"""The command `show`: print a session as a tree, with the inputs and outputs of each step."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence

from honeytrace._config.settings import Config
from honeytrace._session.session import Session, about
from honeytrace._session.tree import Step, walk
from honeytrace._utils.json import READABLE
from honeytrace._utils.text import printable
from honeytrace.cli._content import content, error_block, indented
from honeytrace.cli._markdown import print_markdown
from honeytrace.cli._notes import notes
from honeytrace.cli._output import print_json, print_text
from honeytrace.cli._reading import Reader, reader
from honeytrace.cli._steps import children_of, sums
from honeytrace.cli._terminal import fit, terminal_columns, with_color
from honeytrace.cli._tree_rows import Row, rows

_ALL_CHARACTERS = 1 << 40


def show_session(options: argparse.Namespace, config: Config) -> None:
    with reader(options, config) as read:
        session = read.find(" ".join(options.id) if options.id else None)
        if options.json or options.format == "json":
            print_json(session, read.totals(session), READABLE)
        elif options.format == "md":
            print_markdown(session, read)
        else:
            _print_tree(session, read, options)


def _print_tree(session: Session, read: Reader, options: argparse.Namespace) -> None:
    steps = list(walk(session, read.fetch, read.children))
    print_text(f"{session.session_id}  {sums(steps)}".rstrip())
    if place := _place(session, read):
        print_text(place)
    screen = None if options.full else terminal_columns()
    below = children_of(steps)
    outer = _failed_with(steps, below)
    for row, text in rows(steps, screen):
        line = text if screen is None else fit(text, screen)
        print_text(with_color(line))
        step = row.step
        if step.session and not step.again and not options.no_content:
            inside = below.get(step.session.session_id, [])
            rail = step.below + ("│  " if inside else "   ")
            room = screen and screen - len(rail)
            block = [*_about(row, options.full, room), *content(step.session, options.full, room)]
            if step.session.error and (
                options.full or all(each.error != step.session.error for each in inside)
            ):
                whole = line == text and _says_all(row, step.session.error)
                around = outer.get(step.session.session_id, [])
                block += error_block(step.session, options.full, room, around, not whole)
            for each in block:
                under = f"{rail}{each}".rstrip()
                print_text(under if screen is None else fit(under, screen))


def _about(row: Row, full: bool, room: int | None) -> Iterator[str]:
    """Yield what is to say about a step that its row does not say."""
    assert row.step.session is not None  # noqa: S101 - for the type checker
    facts = ", ".join(filter(None, [*row.left_out, notes(row.step.session)]))
    return indented(facts, full, room) if facts else iter(())


def _says_all(row: Row, error: str) -> bool:
    """Return True if the row has the whole message of the error."""
    return row.error == f"✗ {printable(error.strip(), _ALL_CHARACTERS)}"


def _failed_with(
    steps: Sequence[Step], below: dict[str, list[Session]]
) -> dict[str, list[Session]]:
    """Return for each session those around it that failed with the same error, innermost first."""
    known = {step.session_id: step.session for step in steps if step.session}
    found: dict[str, list[Session]] = {}
    for parent_id, children in below.items():
        parent = known.get(parent_id)
        for child in children:
            if parent and child.error and child.error == parent.error:
                found[child.session_id] = [parent, *found.get(parent_id, [])]
    return found


def _place(session: Session, read: Reader) -> str:
    """Return which session this one is a step of, so that one can look at that; "" for a root."""
    root_id = about(session).get("root_id")
    if not isinstance(root_id, str) or root_id == session.session_id:
        return ""
    root = read.fetch(root_id)
    return f"a step of {printable(root.session_name)}, {root.session_id}" if root else ""
