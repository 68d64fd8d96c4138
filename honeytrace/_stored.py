"""`sessions`, which finds sessions in the store on this machine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from functools import partial

from honeytrace._config.live import live
from honeytrace._session import wire
from honeytrace._session.session import Session
from honeytrace._session.tree import tree
from honeytrace._utils.json import Json, dumps
from honeytrace._utils.paths import store_path
from honeytrace.local import Store


class StoredSession(Session):
    """A session from the store on this machine.

    It is a copy: changing it changes nothing in the store; `update_session` does. One that was
    copied or pickled reads from the configured store.
    """

    __slots__ = ("_store",)  # not a field, which would be compared, copied and turned into a dict

    _store: Store

    @property
    def children(self) -> list[StoredSession]:
        """The sessions directly below this one: those it lists, and those that name it."""
        store = _store_of(self)
        found = (_read(store, child) for child in _children(store, self))
        return [each for each in found if each is not None]

    def tree(self) -> str:
        """Return the session as text, with the sessions below it indented in start order."""
        store = _store_of(self)
        return tree(self, partial(_read, store), children=partial(_children, store))


def sessions(query: str = "", *, limit: int = 100, children: bool = False) -> list[StoredSession]:
    """Return the sessions in the store on this machine that match a query, newest first.

        for session in honeytrace.sessions("error since:1h name:answer"):
            print(session.tree())

    The query is in the language of `honeytrace ls`. Sessions that wait in this process are stored
    first. With `children`, sessions below a root are returned even if the query does not ask for
    single steps.

    Raises `ValueError`, which names the word that cannot be understood or the limit, and
    `StoreError`.
    """
    if not isinstance(query, str):
        raise TypeError(f"sessions() takes a query such as 'error since:1h', not {query!r}")
    if type(limit) is not int or limit < 1:
        raise ValueError(f"sessions(limit={limit!r}) is not a number of sessions; give 1 or more")
    config = live.start().config
    live.flush(config.timeout)
    store = _configured_store()
    found = store.search(query, limit, children=children)
    read = (_read(store, each.summary.id) for each in found)
    return [each for each in read if each is not None]


def _store_of(session: StoredSession) -> Store:
    return getattr(session, "_store", None) or _configured_store()


def _configured_store() -> Store:
    return Store(store_path(live.start().config.home))


def _read(store: Store, session_id: str) -> StoredSession | None:
    stored: Json | None = store.get(session_id)
    if stored is None:
        return None
    session = wire.decode(dumps(wire.event(stored)))
    values = {each.name: getattr(session, each.name) for each in fields(Session)}
    found = StoredSession(**values)
    object.__setattr__(found, "_store", store)  # the class is frozen
    return found


def _children(store: Store, session: Session) -> Sequence[str]:
    return list(dict.fromkeys([*session.children_ids, *store.children(session.session_id)]))
