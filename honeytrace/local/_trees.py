"""Read trees of sessions from their summaries; of the bodies, only the ids of children are read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeVar

from honeytrace._utils.json import dumps, loads
from honeytrace.local._summary import Summary

if TYPE_CHECKING:
    import sqlite3

MAX_STEPS = 1000
"""Steps of a tree that are read at once; a tree can have any number of them."""

_MAX_DEPTH_ABOVE = 100
_MAX_COUNTED = 300
_BATCH = 400  # parameters of one statement; SQLite allows 999 or more
_COLUMNS = ", ".join(f"s.{name}" for name in Summary._fields)
_BELOW = "FROM summaries s WHERE s.parent IN ({})"
_LISTED = """
SELECT id, CASE WHEN json_valid(body) AND json_type(body, '$.children_ids') = 'array'
    THEN json_extract(body, '$.children_ids') END
FROM sessions WHERE number IN ({})
"""
_BY_ID = f"""
SELECT s.number, {_COLUMNS} FROM sessions b JOIN summaries s ON s.number = b.number
WHERE b.id IN ({{}})
"""  # noqa: S608 - names of columns
_SPENDING = """
SELECT id, parent, tokens_in, tokens_out, cost FROM summaries WHERE root = ? ORDER BY start LIMIT ?
"""
_COUNTED = f"SELECT {_COLUMNS} FROM summaries s WHERE s.root = ? ORDER BY s.start LIMIT ?"  # noqa: S608 - names of columns
_INSIDE = """
SELECT model, count(DISTINCT root), sum(status <> 'ok' AND parent IS NOT NULL) FROM (
    SELECT root, parent, model, status FROM summaries
    WHERE root IN (SELECT value FROM json_each(?)) LIMIT ?
) GROUP BY model
"""
_MAX_STEPS_INSIDE = 20_000
_DECIMALS = 12  # of a sum; a token costs more than a millionth of a cent


_LATEST = """
SELECT id FROM summaries WHERE name = ? AND (parent IS NULL) = ?
ORDER BY start DESC, number DESC LIMIT 1
"""


_ORPHANS = """
SELECT count(*) FROM (SELECT root, parent FROM summaries ORDER BY start DESC LIMIT ?) AS newest
WHERE parent IS NOT NULL AND NOT EXISTS (SELECT 1 FROM sessions b WHERE b.id = newest.root)
"""
_MAX_ORPHANS_AMONG = 5_000  # sessions, the newest ones


@dataclass(slots=True, eq=False)
class Step:
    """One session in a tree.

    Attributes:
        number: its number in the store; 0 if it is not stored.
        summary: its columns; None if its parent lists it, but it is not stored.
        depth: 0 for the top of the tree.
        children: the sessions inside it, in start order.
    """

    id: str
    number: int = 0
    summary: Summary | None = None
    depth: int = 0
    children: list[Step] = field(default_factory=list)

    @property
    def parent(self) -> str | None:
        return self.summary.parent if self.summary else None

    @property
    def name(self) -> str:
        return self.summary.name if self.summary else self.id

    @property
    def failed(self) -> bool:
        return self.summary is not None and self.summary.status == "error"


@dataclass(slots=True)
class Tree:
    """A session with everything inside it.

    Attributes:
        steps: all that was read, from top to bottom.
        unread: number of steps, at least, that are below these and were not read.
    """

    steps: list[Step]
    unread: int

    @property
    def top(self) -> Step:
        return self.steps[0]


def find(connection: sqlite3.Connection, session_id: str) -> Step | None:
    """Return one session without its children."""
    return next(_by_id(connection, [session_id.lower()]), None)


def latest(connection: sqlite3.Connection, name: str) -> str | None:
    """Return the id of the latest session with this name, if possible of one that is a root."""
    rows = (connection.execute(_LATEST, (name, root)).fetchone() for root in (True, False))
    return next((row[0] for row in rows if row), None)


def count_orphans(connection: sqlite3.Connection) -> int:
    """Count the steps, among the newest sessions, of which the outermost call is not stored."""
    (found,) = connection.execute(_ORPHANS, (_MAX_ORPHANS_AMONG,)).fetchone()
    return int(found)


def names(connection: sqlite3.Connection, ids: Iterable[str]) -> dict[str, str]:
    """Return the names of the sessions with these ids, of those that are stored."""
    return {step.id: step.name for step in _by_id(connection, list(dict.fromkeys(ids)))}


def above(connection: sqlite3.Connection, step: Step) -> list[Step]:
    """Return the sessions that a session is inside of, the outermost first."""
    found: list[Step] = []
    seen = {step.id}
    while len(found) < _MAX_DEPTH_ABOVE and step.parent:
        parent = find(connection, step.parent)
        if parent is None or parent.id in seen:
            break
        found.insert(0, parent)
        seen.add(parent.id)
        step = parent
    return found


def load(connection: sqlite3.Connection, top: Step, most: int = MAX_STEPS) -> Tree:
    """Read the tree below a session, level by level, up to so many steps."""
    seen, level = {top.id}, [top]
    while level and len(seen) < most:
        level = _fill(connection, level, seen, most - len(seen))
    steps = list(_in_order(top))
    if len(seen) < most:
        return Tree(steps, 0)
    read = sum(step.parent in seen for step in steps)
    return Tree(steps, _count_below(connection, list(seen)) - read)


def _fill(
    connection: sqlite3.Connection, level: Sequence[Step], seen: set[str], room: int
) -> list[Step]:
    """Give the steps of one level their children, and return these. A cycle is left out."""
    owners = {step.id: step for step in level}
    added: list[Step] = []
    for owner, child in chain(
        _naming(connection, list(owners), room), _listed(connection, level, seen, room)
    ):
        if child.id not in seen and len(added) < room:
            seen.add(child.id)
            child.depth = owners[owner].depth + 1
            owners[owner].children.append(child)
            added.append(child)
    for step in level:
        step.children.sort(key=_start)
    return added


def _start(step: Step) -> tuple[float, int]:
    return (step.summary.start if step.summary else float("inf"), step.number)


def _naming(
    connection: sqlite3.Connection, ids: Sequence[str], most: int
) -> Iterator[tuple[str, Step]]:
    """Yield the sessions that name one of these as their parent, each with the parent's id."""
    for batch in _batches(ids):
        found = connection.execute(
            f"SELECT s.number, {_COLUMNS} {_BELOW.format(_marks(batch))} "
            "ORDER BY s.start, s.number LIMIT ?",
            (*batch, most),
        )
        yield from ((str(step.parent), step) for step in map(_step, found))


def _listed(
    connection: sqlite3.Connection, level: Sequence[Step], seen: set[str], most: int
) -> Iterator[tuple[str, Step]]:
    """Yield the sessions that these list as their children, also those that are not stored."""
    owners: dict[str, str] = {}
    for batch in _batches([step.number for step in level]):
        for owner, listed in connection.execute(_LISTED.format(_marks(batch)), batch):
            for child in loads(listed or "[]"):
                if isinstance(child, str) and child.lower() not in seen and len(owners) < most:
                    owners.setdefault(child.lower(), owner)
    known = {step.id: step for step in _by_id(connection, list(owners))}
    yield from ((owner, known.get(child) or Step(child)) for child, owner in owners.items())


def _by_id(connection: sqlite3.Connection, ids: Sequence[str]) -> Iterator[Step]:
    for batch in _batches(ids):
        yield from map(_step, connection.execute(_BY_ID.format(_marks(batch)), batch))


def _batches(values: Sequence[object]) -> Iterator[list[object]]:
    for at in range(0, len(values), _BATCH):
        yield list(values[at : at + _BATCH])


def _marks(values: Sequence[object]) -> str:
    return ",".join("?" * len(values))


def _step(row: Sequence[Any]) -> Step:
    number, *columns = row
    summary = Summary(*columns)
    return Step(summary.id, number, summary)


def _count_below(connection: sqlite3.Connection, ids: Sequence[str]) -> int:
    counts = (
        connection.execute(f"SELECT count(*) {_BELOW.format(_marks(batch))}", batch).fetchone()[0]
        for batch in _batches(ids)
    )
    return sum(counts)


def _in_order(top: Step) -> Iterator[Step]:
    waiting = [top]
    while waiting:
        step = waiting.pop()
        yield step
        waiting += reversed(step.children)


@dataclass(frozen=True, slots=True)
class Totals:
    """The sums over a tree.

    Tokens and cost are those of the innermost steps that have any: a parent often repeats the
    tokens of its children, and they must not count twice.

    Attributes:
        steps: number of sessions, with the top.
        failed: how many of them failed.
        models: the models in it; those that wrote something come first, before embeddings.
        partial: True if only the first steps were counted.
    """

    steps: int
    failed: int
    tokens_in: float | None
    tokens_out: float | None
    cost: float | None
    models: tuple[str, ...]
    partial: bool = False


def totals(connection: sqlite3.Connection, root: str) -> Totals:
    """Return the totals of a tree; of a large one, those of its first steps."""
    rows = connection.execute(_COUNTED, (root, _MAX_COUNTED + 1)).fetchall()
    summaries = [Summary(*row) for row in rows[:_MAX_COUNTED]]
    return total(summaries, partial=len(rows) > _MAX_COUNTED)


def spent(connection: sqlite3.Connection, root: str, what: str) -> float | None:
    """Return the "cost" or the "tokens" of a tree, as `totals` does. SQL calls it in conditions."""
    rows = connection.execute(_SPENDING, (root, _MAX_COUNTED))
    counted = innermost([_Spent(*row) for row in rows])
    if what == "cost":
        return _sum(each.cost for each in counted)
    return _sum(tokens for each in counted for tokens in (each.tokens_in, each.tokens_out))


def count_inside(
    connection: sqlite3.Connection, roots: Sequence[str]
) -> tuple[dict[str, int], int]:
    """Count in how many of these trees each model was used, and how many steps failed in them.

    Large trees are not read to the end.
    """
    found = connection.execute(_INSIDE, (dumps(list(roots)).decode(), _MAX_STEPS_INSIDE)).fetchall()
    models = {model: trees for model, trees, _ in found if model is not None}
    return models, sum(failed for _, _, failed in found)


def total(summaries: Sequence[Summary], partial: bool = False) -> Totals:
    counted = innermost(summaries)
    models = sorted(
        (each for each in summaries if each.model), key=lambda each: each.tokens_out is None
    )
    return Totals(
        len(summaries),
        sum(each.status == "error" for each in summaries),
        _sum(each.tokens_in for each in counted),
        _sum(each.tokens_out for each in counted),
        _sum(each.cost for each in counted),
        tuple(dict.fromkeys(str(each.model) for each in models)),
        partial,
    )


class Spending(Protocol):
    """The columns of a session that `innermost` reads."""

    @property
    def id(self) -> str: ...
    @property
    def parent(self) -> str | None: ...
    @property
    def tokens_in(self) -> float | None: ...
    @property
    def tokens_out(self) -> float | None: ...
    @property
    def cost(self) -> float | None: ...


class _Spent(NamedTuple):
    id: str
    parent: str | None
    tokens_in: float | None
    tokens_out: float | None
    cost: float | None


_Spending = TypeVar("_Spending", bound=Spending)


def innermost(summaries: Sequence[_Spending]) -> list[_Spending]:
    """Return the sessions with tokens or a cost, without those that have such sessions inside."""
    parents = {each.id: each.parent for each in summaries}
    spent = [each for each in summaries if _has_spent(each)]
    outer: set[str] = set()
    for each in spent:
        parent = each.parent
        while parent is not None and parent not in outer:
            outer.add(parent)
            parent = parents.get(parent)
    return [each for each in spent if each.id not in outer]


def _has_spent(summary: Spending) -> bool:
    return not (summary.tokens_in is None and summary.tokens_out is None and summary.cost is None)


def _sum(numbers: Iterable[float | None]) -> float | None:
    """Add up the numbers that are known, without rounding errors: three times 0.1 is 0.3."""
    known = [number for number in numbers if number is not None]
    return round(sum(known), _DECIMALS) if known else None
