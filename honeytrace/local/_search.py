"""Find the sessions that match a query.

A list is read in the order of its index, and stops as soon as it is full. For texts there are two
ways. To walk along the list and drop what does not match is fast for common words. To sort all
matches is fast for rare ones. We do not know which a word is, so we walk a part of the list first,
and sort only if that does not fill the page. If even that would take too long, the walk is all.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from math import inf
from typing import TYPE_CHECKING, Any, NamedTuple

from honeytrace._utils.json import dumps
from honeytrace.local import _schema
from honeytrace.local._query import Query

if TYPE_CHECKING:
    import sqlite3

SCANNED = 20_000
"""The newest sessions, which a text search without an index reads."""

MANY = 20_000
"""Matches of a text. If there are more, a page looks through the newest sessions only."""

_WALKED = 20_000  # sessions of the list that are walked along in search of texts
_LAST_NUMBER = (1 << 63) - 1  # SQLite has no higher one
_NEAR = 1_000  # sessions before and after one, in which its neighbours are looked for first
_MATCHES = "s.number IN (SELECT rowid FROM words WHERE words MATCH ?)"
_NUMBERS = "SELECT min(number), max(number) FROM summaries WHERE start BETWEEN ? AND ?"
_ROWS_BETWEEN = "SELECT rowid FROM words WHERE words MATCH ? AND rowid BETWEEN ? AND ?"
_ANOTHER_MATCH = "SELECT 1 FROM words WHERE words MATCH ? LIMIT 1 OFFSET ?"
_AMONG = "number IN (SELECT value FROM json_each(?))"
_MATCHES_BETWEEN = f"{_MATCHES[:-1]} AND rowid BETWEEN ? AND ?)"

Position = tuple[float, int]
"""The place of a session in a list: its start, and its number among those with the same start."""


def find(
    connection: sqlite3.Connection,
    query: Query,
    columns: Iterable[str],
    limit: int,
    after: Position | None = None,
    newer: bool = False,
    reach: int | None = None,
    above: int | None = None,
) -> list[Any]:
    """Return number and columns of the sessions that follow a position in the list of a query.

    newer: False for the list from the newest on, True for the other direction.
    above: only look at the sessions with a higher number, each of them.
    reach: look through so many sessions of the store at most, for conditions or common texts.
    """
    query, expression = _split_texts(connection, query)
    sign, order = (">", "ASC") if newer else ("<", "DESC")
    if after is not None:
        query = _with(query, f"(s.start, s.number) {sign} (?, ?)", *after)
    names = ", ".join(f"s.{name}" for name in ("number", *columns))
    # The sign + keeps SQLite from walking along the list, which is long, when few are looked at.
    start = "s.start" if above is None else "+s.start"
    ordered = f"ORDER BY {start} {order}, s.number {order} LIMIT ?"

    def select(query: Query) -> list[Any]:
        where = " AND ".join(query.conditions) or "true"
        statement = f"SELECT {names} FROM {query.tables} WHERE {where} {ordered}"  # noqa: S608 - no values
        return connection.execute(statement, (*query.parameters, limit)).fetchall()

    if above is not None:
        query = _with(query, "s.number > ?", above)
        if expression:
            query = _with(query, _MATCHES_BETWEEN, expression, above + 1, _LAST_NUMBER)
        return select(query)
    if not expression:
        end = end_of_walk(connection, after, newer, reach) if reach else None
        return select(query if end is None else _with(query, "s.start >= ?", end))
    # The sign + keeps SQLite from sorting all matches.
    end = end_of_walk(connection, after, newer, _WALKED)
    if end is None:
        return select(_with(query, f"+{_MATCHES}", expression))
    first, last = sorted((end, after[0] if after else -inf if newer else inf))
    numbers = connection.execute(_NUMBERS, (first, last)).fetchone()
    walk = _with(query, f"+{_MATCHES_BETWEEN}", expression, *numbers)
    found = select(_with(walk, "s.start BETWEEN ? AND ?", first, last))
    if len(found) == limit or (reach and _is_common(connection, expression)):
        return found
    return select(_with(query, _MATCHES, expression))


def end_of_reach(
    connection: sqlite3.Connection, query: Query, after: Position | None, reach: int
) -> float | None:
    """Return the start of the session at which `find` stops; None if it stops nowhere."""
    query, expression = _split_texts(connection, query)
    if not expression:
        return end_of_walk(connection, after, False, reach) if query.conditions else None
    if _is_common(connection, expression):
        return end_of_walk(connection, after, False, _WALKED)
    return None


def _is_common(connection: sqlite3.Connection, expression: str) -> bool:
    """Return True if a text has too many matches to sort them all."""
    return connection.execute(_ANOTHER_MATCH, (expression, MANY)).fetchone() is not None


class Around(NamedTuple):
    """The surroundings of a session in the list of a query.

    Attributes:
        newer, older: number and columns of the sessions beside it; None at an end of the list.
        hits: the numbers of the given sessions that match.
    """

    newer: Any
    older: Any
    hits: set[int]


def around(
    connection: sqlite3.Connection,
    query: Query,
    condition: str,
    columns: Sequence[str],
    position: Position,
    numbers: Sequence[int],
) -> Around:
    """Look around a position in the list of a query.

    condition: holds for the sessions in the list, but need not hold for those in `numbers`.
    numbers: the sessions that may match.

    Texts are looked up in the index once for all of it: that is what takes the time.
    """
    plain, expression = _split_texts(connection, query)
    near = _near(connection, expression, position) if expression else None

    def beside(newer: bool) -> Any:
        found = []
        if near is not None:
            close = _with(plain, f"{condition} AND s.{_AMONG}", dumps(near.numbers).decode())
            found = find(connection, close, columns, 1, position, newer)
        if not found and (near is None or not near.is_all):
            found = find(connection, _with(query, condition), columns, 1, position, newer, _WALKED)
        return next(iter(found), None)

    if near is None or not all(near.first <= number <= near.last for number in numbers):
        hits = matching(connection, query, numbers)
    else:
        hits = matching(connection, plain, list(set(near.numbers) & set(numbers)))
    return Around(beside(True), beside(False), hits)


class _Near(NamedTuple):
    """The matches of a text among the sessions from the number `first` to `last`.

    Attributes:
        is_all: True if these are all sessions of the store.
    """

    first: int
    last: int
    numbers: list[int]
    is_all: bool


def _near(connection: sqlite3.Connection, expression: str, position: Position) -> _Near:
    ends = [end_of_walk(connection, position, newer, _NEAR) for newer in (False, True)]
    start, end = (-inf if ends[0] is None else ends[0]), (inf if ends[1] is None else ends[1])
    first, last = connection.execute(_NUMBERS, (start, end)).fetchone()
    found = connection.execute(_ROWS_BETWEEN, (expression, first, last))
    return _Near(first, last, [number for (number,) in found], ends == [None, None])


def matching(connection: sqlite3.Connection, query: Query, numbers: Sequence[int]) -> set[int]:
    """Return which of the sessions with these numbers match a query."""
    query, expression = _split_texts(connection, query)
    query = _with(query, f"s.{_AMONG}", dumps(list(numbers)).decode())
    if expression:
        query = _with(query, _MATCHES_BETWEEN, expression, min(numbers), max(numbers))
    where = " AND ".join(query.conditions)
    statement = f"SELECT s.number FROM {query.tables} WHERE {where}"  # noqa: S608 - no values
    return {number for (number,) in connection.execute(statement, query.parameters)}


def _with(query: Query, condition: str, *parameters: object) -> Query:
    return replace(
        query,
        conditions=[*query.conditions, condition],
        parameters=[*query.parameters, *parameters],
    )


def _split_texts(connection: sqlite3.Connection, query: Query) -> tuple[Query, str]:
    """Return the query without its texts, and the expression that finds them in the index.

    Texts that the index cannot find are looked for in the newest bodies.
    """
    indexed = _schema.has_words(connection)
    scanned = [text for text in query.texts if not indexed or not _has_letters(text)]
    expression = _schema.expression(text for text in query.texts if text not in scanned)
    query = replace(query, texts=[])
    if scanned:
        query = _with(query, "s.number > (SELECT max(number) FROM summaries) - ?", SCANNED)
        query.look_in_bodies()
    for text in scanned:
        words = dumps(text).decode()[1:-1]
        query = _with(query, "instr(lower(b.body), lower(?)) > 0", words)
    return query, expression


def _has_letters(text: str) -> bool:
    """Return True if the index of words can find a text: it needs a letter or a digit."""
    return any(character.isalnum() for character in text)


def end_of_walk(
    connection: sqlite3.Connection, after: Position | None, newer: bool, sessions: int
) -> float | None:
    """Return the start of the session that ends a walk; None if the list ends before."""
    begin = "true" if after is None else f"start {'>=' if newer else '<='} ?"
    order = "ASC" if newer else "DESC"
    found = connection.execute(
        f"SELECT start FROM summaries WHERE {begin} ORDER BY start {order} LIMIT 1 OFFSET ?",  # noqa: S608 - no values
        (*(() if after is None else after[:1]), sessions),
    ).fetchone()
    return found[0] if found else None
