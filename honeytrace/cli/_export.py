"""The command `export`: write sessions as JSON lines, as a flame chart, or as tests."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator

from honeytrace._config.settings import Config
from honeytrace._session import wire
from honeytrace._session.session import Session
from honeytrace._session.tree import walk
from honeytrace._utils.json import Json
from honeytrace._utils.text import printable
from honeytrace.cli._output import Stop, json_line
from honeytrace.cli._reading import (
    Reader,
    is_stored,
    open_store,
    reader,
    session_of,
    store_reader,
)
from honeytrace.cli._sessions import enough, query_of
from honeytrace.local._query import is_condition
from honeytrace.testing._replay import export


def export_sessions(options: argparse.Namespace, config: Config) -> int:
    if options.pytest:
        return _export_tests(options, config)
    if options.format == "perfetto":
        events = {"traceEvents": list(_events(_sessions(options, config)))}
        _write(json_line(events).encode() + b"\n")
        return 0
    for fields in _sessions(options, config):
        _write(json_line(fields).encode() + b"\n")
    return 0


def _write(text: bytes) -> None:
    sys.stdout.flush()
    sys.stdout.buffer.write(text)  # always UTF-8, whatever the encoding of the terminal


def _sessions(options: argparse.Namespace, config: Config) -> Iterator[Json]:
    """Yield the named sessions, else all that match the query, each with its descendants."""
    if _names_sessions(options, config):
        with reader(options, config) as read:
            steps = [step for named in options.words for step in _tree(read, read.find(named))]
        for session in {each.session_id: each for each in steps}.values():
            yield _fields(session)
    elif query_of(options):
        yield from _matching_trees(options, config)
    else:
        yield from _matching(options, config)


def _names_sessions(options: argparse.Namespace, config: Config) -> bool:
    """Return True if the arguments are ids or names; otherwise they become the query.

    A server cannot look up names, nor search. There, whatever is not a condition has to be an id.
    """
    remote = not config.local and options.home is None
    store = open_store(config)
    named = [
        not is_condition(word) and (remote or not word.strip() or is_stored(store, word))
        for word in options.words
    ]
    if not all(named):
        options.query = options.words
    return bool(named) and all(named)


def _matching_trees(options: argparse.Namespace, config: Config) -> Iterator[Json]:
    read = store_reader(open_store(config))
    written: set[str] = set()
    for fields in _matching(options, config):
        if fields["session_id"] not in written:
            found = {each.session_id: each for each in _tree(read, session_of(fields))}
            yield from (_fields(found[each]) for each in found if each not in written)
            written |= found.keys()


def _tree(read: Reader, top: Session) -> Iterator[Session]:
    for step in walk(top, read.fetch, read.children):
        if step.session:
            yield step.session


def _fields(session: Session) -> Json:
    """Return the session object to write; add `parent_id` if its metadata does not have it."""
    fields = wire.payload(session)
    parent = session.extra.get("parent_id")
    return {**fields, "parent_id": parent} if parent and not wire.parent(fields) else fields


def _matching(options: argparse.Namespace, config: Config) -> Iterator[Json]:
    store, query, last = open_store(config), query_of(options), None
    while page := store.search(query, 500, children=True, after=last):
        last = page[-1].position
        yield from filter(None, (store.get(each.summary.id) for each in page))
    if last is None and options.query:
        words = (
            f"there is no session {printable(query)!r} in {store.path}, and none that matches it"
        )
        raise Stop(f"{words}; `honeytrace ls` lists them")


def _events(sessions: Iterable[Json]) -> Iterator[Json]:
    """Yield "complete" events of the Trace Event Format, in microseconds, one track per root."""
    tracks: dict[str, int] = {}
    for fields in sessions:
        about = fields.get("metadata", {}).get("honeytrace")
        root = about.get("root_id") if isinstance(about, dict) else None
        yield {
            "name": fields.get("session_name", "unknown"),
            "cat": fields.get("project", "unknown"),
            "ph": "X",
            "ts": fields.get("start_time", 0) * 1000,
            "dur": fields.get("duration", 0) * 1000,
            "pid": 1,
            "tid": tracks.setdefault(str(root or fields["session_id"]), len(tracks) + 1),
            "args": fields,
        }


def _export_tests(options: argparse.Namespace, config: Config) -> int:
    """Print tests made from the sessions; report why some sessions cannot become tests."""
    sessions = {found.session_id: found for found in _chosen(options, config)}
    cases = list(filter(None, map(_case, sessions.values())))
    if cases:
        _write(export.render(cases, enough(list(sessions))).encode())
    return int(len(cases) < len(sessions))


def _chosen(options: argparse.Namespace, config: Config) -> Iterator[Session]:
    """Yield the named sessions, or those that match the conditions; not what is inside them."""
    if _names_sessions(options, config):
        with reader(options, config) as read:
            yield from map(read.find, options.words)
    elif query_of(options):
        yield from map(session_of, _matching(options, config))
    else:
        raise Stop("--pytest needs sessions to make tests from; give their ids, or --marked bad")


def _case(session: Session) -> export.Case | None:
    try:
        return export.case(session)
    except ValueError as error:
        print(f"honeytrace: {printable(str(error), 2_000)}", file=sys.stderr)
        return None
