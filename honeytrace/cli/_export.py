"""The command `export`: write sessions as JSON lines, as a flame chart, or as tests."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import replace
from itertools import chain, islice
from pathlib import Path

from honeytrace._config.settings import Config
from honeytrace._session import wire
from honeytrace._session.session import Session, about
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
from honeytrace.local._origin import maker
from honeytrace.local._query import is_condition
from honeytrace.testing._replay import export


def export_sessions(options: argparse.Namespace, config: Config) -> int:
    if options.pytest:
        return _export_tests(options, config)
    sessions = _sessions(options, config)
    if options.format == "perfetto":
        lines = iter([json_line({"traceEvents": list(_events(sessions))})])
    else:
        lines = map(json_line, sessions)
    _write((line.encode() + b"\n" for line in lines), options.output)
    return 0


def _write(pieces: Iterator[bytes], output: str | None) -> None:
    """Write to a file, or to stdout. A file is not touched before there is a first piece."""
    first = list(islice(pieces, 1))
    if output is not None:
        try:
            with Path(output).open("wb") as file:
                file.writelines(chain(first, pieces))
        except OSError as error:
            raise Stop(f"{output!r} cannot be written ({error.strerror})") from None
        return
    sys.stdout.flush()
    for piece in chain(first, pieces):  # always UTF-8, whatever the encoding of the terminal
        sys.stdout.buffer.write(piece)


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
    """Write tests made from the sessions; report why some sessions cannot become tests."""
    named = _names_sessions(options, config)
    here = nullcontext(store_reader(open_store(config)))  # a query is only answered by the store
    with reader(options, config) if named else here as read:
        sessions = {found.session_id: found for found in _chosen(options, config, read, named)}
        tried = [_case(read, session, options.modules) for session in sessions.values()]
    cases = list(filter(None, tried))
    if cases:
        text = export.render(cases, enough(list(sessions)))
        _write(iter([text.encode()]), options.output)
    return int(len(cases) < len(sessions))


def _chosen(
    options: argparse.Namespace, config: Config, read: Reader, named: bool
) -> Iterator[Session]:
    """Yield the named sessions, or those that match the conditions; not what is inside them."""
    if named:
        yield from map(read.find, options.words)
    elif query_of(options):
        yield from map(session_of, _matching(options, config))
    else:
        raise Stop("--pytest needs sessions to make tests from; give their ids, or --marked bad")


def _case(read: Reader, session: Session, modules: Sequence[str]) -> export.Case | None:
    above = None if about(session).get("function") else _maker(read, session)
    try:
        made = export.case(session, modules, above)
    except ValueError as error:
        print(f"honeytrace: {printable(str(error), 2_000)}", file=sys.stderr)
        return None
    return replace(made, asks_model=_asks_model(read, session))


def _maker(read: Reader, session: Session) -> str | None:
    """Return the id of the nearest session above this one that is the call of a function."""

    def get(session_id: str) -> Json | None:
        found = read.fetch(session_id)
        return _fields(found) if found else None

    found = maker(_fields(session), get)
    return str(found["session_id"]) if found else None


def _asks_model(read: Reader, session: Session) -> bool:
    """Return whether a model was called in this session or below it."""
    steps = (step.session for step in walk(session, read.fetch, read.children))
    return any(about(each).get("step") == "model" for each in steps if each)
