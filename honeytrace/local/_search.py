"""Find the sessions that match a query.

A list is read in the order of its index, and stops as soon as it is full. With texts there are two
ways: walk along the list and drop what does not match, which is fast for common words, or sort all
matches, which is fast for rare ones. We do not know which a word is, so we walk a part of the list
first, and sort only if that does not fill it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from math import inf
from typing import TYPE_CHECKING, Any

from honeytrace._utils.json import dumps
from honeytrace.local import _schema
from honeytrace.local._query import Query

if TYPE_CHECKING:
    import sqlite3

SCANNED = 20_000
"""The newest sessions, which a text search without an index reads."""

_WALKED = 20_000  # sessions of the list that are walked along in search of texts
_MATCHES = "s.number IN (SELECT rowid FROM words WHERE words MATCH ?)"
_NUMBERS = "SELECT min(number), max(number) FROM summaries WHERE start BETWEEN ? AND ?"
_MATCHES_BETWEEN = f"{_MATCHES[:-1]} AND rowid BETWEEN ? AND ?)"

Position = tuple[float, int]
"""The place of a session in a list: its start, and its number for those of the same time."""


def find(
    connection: sqlite3.Connection,
    query: Query,
    columns: Iterable[str],
    limit: int,
    after: Position | None = None,
    newer: bool = False,
    reach: int | None = None,
) -> list[Any]:
    """Return number and columns of the sessions that follow a position in the list of a query.

    newer: False for the list from the newest on, True for the other direction.
    reach: without texts, look through so many sessions of the store at most.
    """
    query, expression = _split_texts(connection, query)
    sign, order = (">", "ASC") if newer else ("<", "DESC")
    if after is not None:
        query = _with(query, f"(s.start, s.number) {sign} (?, ?)", *after)
    names = ", ".join(f"s.{name}" for name in ("number", *columns))
    ordered = f"ORDER BY s.start {order}, s.number {order} LIMIT ?"

    def select(query: Query) -> list[Any]:
        where = " AND ".join(query.conditions) or "true"
        statement = f"SELECT {names} FROM {query.tables} WHERE {where} {ordered}"  # noqa: S608 - no values
        return connection.execute(statement, (*query.parameters, limit)).fetchall()

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
    return found if len(found) == limit else select(_with(query, _MATCHES, expression))


def matching(connection: sqlite3.Connection, query: Query, numbers: Sequence[int]) -> set[int]:
    """Return those of the sessions with these numbers that match a query."""
    query, expression = _split_texts(connection, query)
    query = _with(query, f"s.number IN ({', '.join('?' * len(numbers))})", *numbers)
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
