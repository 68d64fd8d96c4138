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
    """Captured sessions in the order in which they ended: a list with queries."""

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
        """The sessions that were not started inside another one, in the order of their ends."""
        known = {session.session_id for session in self}
        return [session for session in self if _about(session).get("parent_id") not in known]

    def all(self, name: str | None = None, **fields: Any) -> list[Session]:
        """Return the sessions with this name and these fields, in the order of their ends.

        In objects only the given keys are compared, at any depth: `inputs={"question": "q"}`
        matches whatever the other inputs are. Raises `TypeError` for a name that is not a field.
        """
        wanted = _wanted(name, fields)
        return [session for session in self if _match.fits(session, wanted)]

    def one(self, name: str | None = None, **fields: Any) -> Session:
        """Return the only session that matches, as `all` finds it.

        Raises `AssertionError` if none or several match; it names those, or the nearest one.
        """
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
        """Return all sessions as text, each root with its children. `repr` shortens a long one."""
        known = {session.session_id: session for session in self}
        return "\n".join(tree(root, known.get, "not captured") for root in self.roots)

    def assert_no_errors(self) -> None:
        """Raise `AssertionError` if a session has an error."""
        failed = [session for session in self if session.error]
        if failed:
            words = _match.have_errors(self, failed)
            raise AssertionError(_match.with_tree(words, self.tree()))

    def assert_matches(
        self, name: str, *, only: Iterable[str] = (), ignore: Iterable[str] = ()
    ) -> None:
        """Compare with the file `name`.json beside the test. Raises `AssertionError` with a diff.

        The file is in `__honeytrace__/<test file>/`; `pytest --honeytrace-update` writes it. It
        holds what `plain` returns for the same arguments.

            sessions.assert_matches("tea", only=("inputs", "outputs"), ignore=("outputs.usage",))
        """
        if self.place is None:
            raise TypeError("assert_matches() needs the fixture honeytrace_sessions of the plugin")
        compare(self.plain(only=only, ignore=ignore), self.place, name)

    def plain(self, *, only: Iterable[str] = (), ignore: Iterable[str] = ()) -> list[Json]:
        """Return the parts that are the same in every run, as JSON data.

        The list holds the roots, each with its `children`. Ids, times, versions and empty values
        are left out.

        Args:
            only: names of the fields to keep; all by default. The name is always there.
            ignore: names of fields to leave out, or paths below them. In a list of hits,
                `outputs.hits.id` means the id of each hit.
        """
        known = {session.session_id: session for session in self}
        return comparable(self.roots, known, Choice(only, ignore))


def _wanted(name: str | None, fields: dict[str, Any]) -> dict[str, Any]:
    _match.check(fields)
    return fields if name is None else {"session_name": name, **fields}


def _about(session: Session) -> Json:
    about: Json = session.metadata[RESERVED]
    return about
