"""The commands that read sessions: `ls`, `show` and `export`."""

from __future__ import annotations

import argparse
import datetime
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import cast

from honeytrace._client import Client
from honeytrace._config.settings import Config
from honeytrace._session import wire
from honeytrace._session.session import Session
from honeytrace._session.tree import Fetch, failure, tree
from honeytrace._utils.errors import SDKError, SessionNotFoundError
from honeytrace._utils.json import READABLE, Json, dumps
from honeytrace._utils.paths import store_path
from honeytrace._utils.text import printable, span
from honeytrace.cli._output import Stop, print_json, print_text
from honeytrace.local import Store
from honeytrace.testing._replay import export


def list_sessions(options: argparse.Namespace, config: Config) -> None:
    store = open_store(config)
    found = store.recent(options.n, children=options.all)
    sessions = [_session(fields) for fields in found]
    if options.json:
        for session in sessions:
            print_json(session)
    elif sessions:
        print_text(_table(sessions))
    else:
        elsewhere = "" if config.local else f" New ones go to {config.server_url}."
        print_text(f"No sessions in {store.path} yet.{elsewhere}")


def _table(sessions: Sequence[Session]) -> str:
    """Id, start, duration, project and name with the error, in columns."""
    size = _enough([session.session_id for session in sessions])
    spans = ["" if s.duration is None else span(s.duration) for s in sessions]
    projects = [printable(session.project, 30) for session in sessions]
    widest, broadest = max(map(len, spans)), max(map(len, projects))
    rows = zip(sessions, spans, projects, strict=True)
    return "\n".join(
        f"{session.session_id[:size]}  {_start(session)}  {time:>{widest}}  "
        f"{project:{broadest}}  {_title(session)}"
        for session, time, project in rows
    )


def _enough(ids: Sequence[str]) -> int:
    """How many characters tell these ids apart."""
    return next(size for size in (8, 13, 18, 23, 36) if len({i[:size] for i in ids}) == len(ids))


def _title(session: Session) -> str:
    name = printable(session.session_name, 60)
    return f"{name}  {failure(session.error)}" if session.error else name


def _start(session: Session) -> str:
    if session.start_time is None:
        return f"{'-':19}"
    try:
        start = datetime.datetime.fromtimestamp(session.start_time / 1000).astimezone()
    except (OverflowError, OSError, ValueError):  # a time that no calendar has
        return f"{'?':19}"
    return f"{start:%Y-%m-%d %H:%M:%S}"


def show_session(options: argparse.Namespace, config: Config) -> None:
    with _reader(options, config) as (find, fetch):
        _print_session(find(options.id), fetch, options.json)


@contextmanager
def _reader(
    options: argparse.Namespace, config: Config
) -> Iterator[tuple[Callable[[str], Session], Fetch]]:
    """Where sessions are read from: one by what the user typed, and one by its whole id."""
    if config.local or options.home is not None:
        store = open_store(config)
        yield partial(_pick, store), partial(_from_store, store)
    else:
        with Client.configured(config) as client:
            yield partial(_ask, client, config.home), partial(_from_server, client)


def _print_session(session: Session, fetch: Fetch, as_json: bool) -> None:
    if as_json:
        print_json(session, READABLE)
    else:
        print_text(f"{session.session_id}\n{tree(session, fetch)}")


def _pick(store: Store, prefix: str) -> Session:
    """The one session whose id begins with this."""
    try:
        return _session(cast("Json", store.get(store.whole(prefix))))
    except LookupError as error:
        raise Stop(str(error)) from None


def _from_store(store: Store, session_id: str) -> Session | None:
    fields = store.get(session_id)
    return _session(fields) if fields else None


def _ask(client: Client, home: Path, session_id: str) -> Session:
    """The session of this id; no server can be asked for the beginning of one."""
    url, here = client.server_url, f"or look on this machine, with --home {home}"
    if not wire.is_uuid(session_id):
        raise Stop(f"{session_id!r} is no whole id, which {url} needs; give all of it, {here}")
    session = _from_server(client, session_id)
    if session is None:
        words = f"there is no session {session_id!r} at {url}; check the id and HH_API_URL"
        raise Stop(f"{words}, {here}")
    return session


def _from_server(client: Client, session_id: str) -> Session | None:
    if not wire.is_uuid(session_id):  # a child's id can be any text
        return None
    try:
        return client.get_session(session_id).session
    except SessionNotFoundError:
        return None
    except SDKError as error:
        raise Stop(f"{error}; check HH_API_KEY and HH_API_URL") from None


def export_tests(options: argparse.Namespace, config: Config) -> int:
    """Prints the tests of those sessions that can be tested, and says why the others cannot."""
    with _reader(options, config) as (find, _):
        sessions = {found.session_id: found for found in map(find, options.ids)}
    cases = list(filter(None, map(_case, sessions.values())))
    if cases:
        text = export.render(cases, _enough(list(sessions)))
        sys.stdout.flush()
        sys.stdout.buffer.write(text.encode())  # Python reads UTF-8, whatever the terminal speaks
    return int(len(cases) < len(sessions))


def _case(session: Session) -> export.Case | None:
    try:
        return export.case(session)
    except ValueError as error:
        print(f"honeytrace: {printable(str(error), 2_000)}", file=sys.stderr)
        return None


def open_store(config: Config) -> Store:
    return Store(store_path(config.home))


def _session(fields: Json) -> Session:
    return wire.decode(dumps(wire.event(fields)))
