"""Read sessions for the commands, from the store on this machine or from the server."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from honeytrace._client import Client
from honeytrace._config.settings import Config
from honeytrace._session import wire
from honeytrace._session.session import Session
from honeytrace._session.tree import Children, Fetch, children_ids
from honeytrace._utils.errors import SDKError, SessionNotFoundError
from honeytrace._utils.json import Json, dumps
from honeytrace._utils.paths import store_path
from honeytrace._utils.text import printable
from honeytrace.cli._output import Stop
from honeytrace.local import Store
from honeytrace.local._query import Query
from honeytrace.local._trees import latest, totals


@dataclass(frozen=True, slots=True)
class Reader:
    """Functions that read sessions from one source.

    Attributes:
        find: returns the session that the user named; raises `Stop` if there is none.
        fetch: returns the session with a complete id; None if there is none.
        children: returns the ids of a session's children.
        totals: returns the sums over everything inside a session; None for a session that is inside
            another one, and if it is not in the store on this machine.
    """

    find: Callable[[str | None], Session]
    fetch: Fetch
    children: Children
    totals: Callable[[Session], Json | None]


@contextmanager
def reader(options: argparse.Namespace, config: Config) -> Iterator[Reader]:
    if config.local or options.home is not None:
        yield store_reader(open_store(config))
    else:
        with Client.configured(config) as client:
            find = partial(_ask, client, config.home)
            yield Reader(find, partial(_from_server, client), children_ids, lambda _: None)


def store_reader(store: Store) -> Reader:
    return Reader(
        partial(_pick, store),
        partial(_from_store, store),
        partial(_children, store),
        partial(totals_of, store),
    )


def totals_of(store: Store, session: Session) -> Json | None:
    """Return the sums over a tree, as the page's JSON has them; None for what is not a root."""
    if wire.parent({**wire.payload(session), **session.extra}):
        return None
    return asdict(store.read(totals, session.session_id.lower()))


def open_store(config: Config) -> Store:
    return Store(store_path(config.home))


def session_of(fields: Json) -> Session:
    """Make a `Session` from a stored session object."""
    return wire.decode(dumps(wire.event(fields)))


def _pick(store: Store, named: str | None) -> Session:
    """Find a session by the beginning of its id or by its name; None finds the latest."""
    if named is None:
        latest = store.search(limit=1)
        if not latest:
            raise Stop(f"there are no sessions in {store.path} yet")
        named = latest[0].summary.id
    try:
        session_id = store.whole(named)
    except LookupError as error:
        found = _latest_of(store, named)
        if found is None:
            raise Stop(str(error)) from None
        session_id = found
    found_session = _from_store(store, session_id)
    if found_session is None:
        raise Stop(f"the session {session_id!r} was deleted a moment ago")
    return found_session


def is_stored(store: Store, named: str) -> bool:
    """Return True for the beginning of an id, and for the name of a session."""
    return bool(store.find(named, 1)) or _latest_of(store, named) is not None


def _latest_of(store: Store, name: str) -> str | None:
    """Return the id of the latest session with exactly this name; None if there is none.

    A session that is inside another one is found only if no other has this name.
    """
    for _ in store.catch_up(Query()):
        pass
    return store.read(latest, name)


def _from_store(store: Store, session_id: str) -> Session | None:
    fields = store.get(session_id)
    return session_of(fields) if fields else None


def _children(store: Store, session: Session) -> Sequence[str]:
    """Return the children that a session lists, and the sessions that name it as their parent.

    A child in a forked process, or one that began after its parent was sent, is not in that list.
    """
    return list(dict.fromkeys([*session.children_ids, *store.children(session.session_id)]))


def _ask(client: Client, home: Path, session_id: str | None) -> Session:
    """Ask the server for a session. It needs a complete id, and cannot look up a name."""
    url, here = client.server_url, f"or look on this machine, with --home {home}"
    if session_id is None:
        raise Stop(f"{url} cannot tell which session is the latest; give an id, {here}")
    if not wire.is_uuid(session_id):
        shown = repr(printable(session_id))
        raise Stop(f"{shown} is not a complete session id; {url} needs all of it, {here}")
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
