"""Captured sessions: a list that can be queried and that prints as trees."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, overload

from honeytrace._config.live import live
from honeytrace._session.session import RESERVED, Session
from honeytrace._session.tree import tree
from honeytrace._utils.json import Json
from honeytrace.testing import _match
from honeytrace.testing._golden import Choice, GoldenDir, comparable, compare

__tracebackhide__ = True  # pytest shows the line of the test, not ours


class CapturedSessions(Sequence[Session]):
    """Sessions in the order of their ends. A list that can be asked, and that prints as trees."""

    __hash__ = None  # type: ignore[assignment] # as of a list

    def __init__(self) -> None:
        self._sessions: list[Session] = []
        self.place: GoldenDir | None = None  # set by the pytest plugin

    @overload
    def __getitem__(self, index: int) -> Session: ...

    @overload
    def __getitem__(self, index: slice) -> list[Session]: ...

    def __getitem__(self, index: int | slice) -> Session | list[Session]:
        return self._sessions[index]

    def __len__(self) -> int:
        return len(self._sessions)

    def __iter__(self) -> Iterator[Session]:
        return iter(self._sessions)

    def __eq__(self, other: object) -> bool:
        return self._sessions == (list(other) if isinstance(other, CapturedSessions) else other)

    def __repr__(self) -> str:
        return _match.cut(self.tree()) or "<no sessions>"

    @property
    def roots(self) -> list[Session]:
        """Those that were started in none of the others, in the order of their ends."""
        known = {session.session_id for session in self}
        return [session for session in self if _about(session).get("parent_id") not in known]

    def all(self, name: str | None = None, **fields: Any) -> list[Session]:
        """Those of this name and with these fields, in the order of their ends.

        Of objects the keys that are given count, at any depth: `inputs={"question": "q"}` fits
        whatever the other inputs are. Raises `TypeError` for what is no field of a session.
        """
        wanted = _wanted(name, fields)
        return [session for session in self if _match.fits(session, wanted)]

    def one(self, name: str | None = None, **fields: Any) -> Session:
        """The one that `all` would give. Raises `AssertionError` if there is none, or several."""
        found = self.all(name, **fields)
        if len(found) == 1:
            return found[0]
        if found:
            words = _match.several_fit(self, found)
        else:
            words = _match.none_fits(self, _wanted(name, fields))
            words += "; tracing is off (enabled=False)" if live.off and not self else ""
        raise AssertionError(_match.with_tree(words, self.tree()))

    def tree(self) -> str:
        """All of them as text, each root with what it started; `repr` cuts what is long."""
        known = {session.session_id: session for session in self}
        return "\n".join(tree(root, known.get, "not caught") for root in self.roots)

    def assert_no_errors(self) -> None:
        """Raises `AssertionError` if one of them has an error."""
        failed = [session for session in self if session.error]
        if failed:
            words = _match.have_errors(self, failed)
            raise AssertionError(_match.with_tree(words, self.tree()))

    def assert_matches(
        self, name: str, *, only: Iterable[str] = (), ignore: Iterable[str] = ()
    ) -> None:
        """Raises `AssertionError` if they are not as in the file `name`.json beside the test.

        It lies in `__honeytrace__`, in a directory for each test file; `--honeytrace-update` writes
        it. What `plain` with the same arguments gives is compared.

            sessions.assert_matches("tea", only=("inputs", "outputs"), ignore=("outputs.usage",))
        """
        if self.place is None:
            raise TypeError("assert_matches() needs the fixture honeytrace_sessions of the plugin")
        compare(self.plain(only=only, ignore=ignore), self.place, name)

    def plain(self, *, only: Iterable[str] = (), ignore: Iterable[str] = ()) -> list[Json]:
        """What is the same in each run, as JSON data: the roots, each with its `children`.

        Ids, times and versions are left out, and so is what is empty.

        Args:
            only: names of fields; else all count. The name of a session is always there.
            ignore: names of fields that do not count, or paths below them; `outputs.hits.id` is
                that of each item if the hits are a list.
        """
        known = {session.session_id: session for session in self}
        return comparable(self.roots, known, Choice(only, ignore))


def _wanted(name: str | None, fields: dict[str, Any]) -> dict[str, Any]:
    _match.check(fields)
    return fields if name is None else {"session_name": name, **fields}


def _about(session: Session) -> Json:
    about: Json = session.metadata[RESERVED]
    return about
