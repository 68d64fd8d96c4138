"""Read from the store what the list of sessions shows: `Listing`. No bodies are read."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field

from honeytrace._utils.json import Json
from honeytrace.local import _trees
from honeytrace.local._query import parse
from honeytrace.local._search import Position
from honeytrace.local._store import Found, Store
from honeytrace.local._trees import Totals
from honeytrace.local.page._requests import Request

COUNTED = 500
"""The newest matches, of which the counts are taken."""

_SHOWN = 50
_REACH = 50_000  # sessions that one page looks through for conditions that no index knows
_AFTER = re.compile(r"(-?[0-9.]{1,24}(?:e[+-]?[0-9]{1,3})?),([0-9]{1,18})")


@dataclass(frozen=True, slots=True)
class Listing:
    """The contents of the list.

    Attributes:
        error: why the query cannot be understood; None if it can.
        rows: the sessions of this page; each with the totals of its tree if it is a root.
        counted: the newest matches, which the counts are taken from.
        older: position after which the next page begins; None on the last page.
        end: position at which the search stopped, if it did so before the page was full.
        models: in how many of `counted` each model was used.
        failed: how many of `counted` failed.
        failed_inside: how many steps failed in their trees, if the query finds no steps.
        tops: the names of the sessions at the top of the steps in `rows`, by id.
        unfinished: number of sessions that the search does not know yet.
        last: number of the last session that was stored.
    """

    query: str
    rows: list[tuple[Found, Totals | None]]
    counted: list[Found]
    older: Position | None
    end: Position | None = None
    models: Counter[str] = field(default_factory=Counter)
    failed: int = 0
    failed_inside: int = 0
    tops: Mapping[str, str] = field(default_factory=dict)
    error: str | None = None
    unfinished: int = 0
    last: int = 0


def load(store: Store, request: Request) -> Listing:
    query, after = request.get("q").strip(), _position(request.get("after"))
    last = store.last_number()
    try:
        unfinished = store.catch_up_soon(query)
    except ValueError as error:
        return Listing(query, [], [], None, error=str(error))
    counted = store.search(query, COUNTED, wait=False, reach=_REACH)
    found = counted
    if after is not None:
        found = store.search(query, _SHOWN + 1, after=after, wait=False, reach=_REACH)
    rows = [(each, _totals(store, each)) for each in found[:_SHOWN]]
    is_full = len(found) > _SHOWN
    end = None if is_full else store.end_of_reach(query, after, _REACH)
    older = found[_SHOWN - 1].position if is_full else end
    models, failed_inside = _count_inside(store, query, counted)
    return Listing(
        query,
        rows,
        counted,
        older,
        end,
        models,
        sum(each.summary.status != "ok" for each in counted),
        failed_inside,
        store.read(_trees.names, [each.summary.root for each, _ in rows if each.summary.parent]),
        unfinished=unfinished,
        last=last,
    )


def _count_inside(store: Store, query: str, counted: Sequence[Found]) -> tuple[Counter[str], int]:
    """Count what the conditions `model:` and `error` would find among these sessions.

    Returns in how many each model was used, and how many steps failed that are not listed.
    """
    summaries = [each.summary for each in counted]
    models = Counter(each.model for each in summaries if each.model and each.parent)
    roots = [each.root for each in summaries if not each.parent]
    inside, failed = store.read(_trees.count_inside, roots) if roots else ({}, 0)
    models.update(inside)
    return models, 0 if parse(query, 0).steps else failed


def _position(text: str) -> Position | None:
    found = _AFTER.fullmatch(text)
    return (float(found[1]), int(found[2])) if found else None


def _totals(store: Store, found: Found) -> Totals | None:
    return None if found.summary.parent else store.read(_trees.totals, found.summary.root)


def as_json(listing: Listing) -> Json:
    return {
        "query": listing.query,
        "error": listing.error,
        "unfinished": listing.unfinished,
        "sessions": [
            {**found.summary._asdict(), "totals": asdict(totals) if totals else None}
            for found, totals in listing.rows
        ],
        "after": written(listing.older) if listing.older else None,
    }


def written(position: Position) -> str:
    return f"{position[0]!r},{position[1]}"
