"""Show the cost and the duration of calls, by name and by day: `/stats`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from honeytrace._utils.json import Json
from honeytrace.local import _format
from honeytrace.local._query import parse
from honeytrace.local._store import Store
from honeytrace.local._trees import innermost
from honeytrace.local._usual import quantile
from honeytrace.local.page import _layout
from honeytrace.local.page._html import Markup, Node, tag
from honeytrace.local.page._requests import Request, link

_COUNTED = 5_000  # newest sessions that match
_MAX_NAMES = 100
_QUARTER = 900_000.0  # milliseconds: midnight is at a quarter of an hour in every time zone
_MAX_DAYS = 60
_SPANS = [("1 hour", "1h"), ("1 day", "1d"), ("7 days", "7d"), ("30 days", "30d"), ("All", "all")]


class Call(NamedTuple):
    """The columns of a session that the statistics read."""

    id: str
    parent: str | None
    name: str
    start: float
    status: str
    duration: float | None
    tokens_in: float | None
    tokens_out: float | None
    cost: float | None


@dataclass(frozen=True, slots=True)
class Line:
    """The sums of some sessions.

    Attributes:
        p50, p95: milliseconds that half, and 95%, of them did not exceed; None if not known.
        longest: milliseconds of the longest; None if not known.
        slowest: the id of that session.
        tokens, cost: of these sessions with everything inside; None if there are none.
    """

    title: str
    calls: int
    failed: int
    p50: float | None
    p95: float | None
    longest: float | None
    slowest: str | None
    tokens: float | None
    cost: float | None

    @property
    def cost_each(self) -> float | None:
        return None if self.cost is None or not self.calls else self.cost / self.calls


@dataclass(frozen=True, slots=True)
class Stats:
    """The contents of the page.

    Attributes:
        days: the sessions at the top, by day: quick steps would hide how long whole runs take.
        partial: True if only the newest sessions were counted.
    """

    query: str
    since: str
    names: list[Line]
    days: list[Line]
    total: Line
    partial: bool
    error: str | None = None


def load(store: Store, request: Request) -> Stats:
    query, since = request.get("q").strip(), request.get("since") or "7d"
    whole = query if since == "all" else f"{query} since:{since}"
    try:
        parse(query, 0)  # so that an error does not quote the condition that was added
        store.catch_up_soon(whole)
        rows = store.select(whole, Call._fields, _COUNTED)
    except ValueError as error:
        return Stats(query, since, [], [], _line("All", [], []), False, str(error))
    calls = [Call(*columns) for _, *columns in rows]
    around = calls
    if query:  # what is inside the sessions need not match
        more = "" if since == "all" else f"since:{since}"
        around = [Call(*columns) for _, *columns in store.select(more, Call._fields, _COUNTED)]
    spent = _spent(calls, {each.id: each for each in (*around, *calls)})
    known = {each.id for each in calls}
    tops = [each for each in calls if each.parent not in known]
    day_of = _Days()
    names = _grouped((each.name, each) for each in calls)
    days = _grouped((day_of[each.start // _QUARTER], each) for each in tops)
    spent_on = _grouped((day_of[each.start // _QUARTER], each) for each, _ in spent)
    spent_in = _grouped((name, each) for each, inside in spent for name in inside)
    by_calls = sorted(names.items(), key=lambda item: -len(item[1]))[:_MAX_NAMES]
    return Stats(
        query,
        since,
        [_line(name, some, spent_in.get(name, [])) for name, some in by_calls],
        [
            _line(day, some, spent_on.get(day, []))
            for day, some in sorted(days.items())[-_MAX_DAYS:]
        ],
        _line("All", tops, [each for each, _ in spent]),
        len(calls) == _COUNTED,
    )


def _grouped(pairs: Iterable[tuple[str, Call]]) -> dict[str, list[Call]]:
    found: dict[str, list[Call]] = {}
    for name, each in pairs:
        found.setdefault(name, []).append(each)
    return found


def _spent(calls: Sequence[Call], around: dict[str, Call]) -> list[tuple[Call, set[str]]]:
    """Return what spent tokens or money in these calls, and the names of those it was inside of.

    around: the calls and others, by id. None of what is returned is inside another.
    """
    known, found = {each.id for each in calls}, []
    for each in innermost(list(around.values())):
        names: set[str] = set()
        seen: set[str] = set()
        at: Call | None = each
        while at is not None and at.id not in seen:
            seen.add(at.id)
            names |= {at.name} if at.id in known else set()
            at = around.get(at.parent or "")
        if names:
            found.append((each, names))
    return found


class _Days(dict[float, str]):
    """The local day of each quarter of an hour since 1970, looked up once."""

    def __missing__(self, quarter: float) -> str:
        found = _format.moment(quarter * _QUARTER)
        self[quarter] = f"{found:%Y-%m-%d}" if found else "?"
        return self[quarter]


def _line(title: str, calls: Sequence[Call], spent: Sequence[Call]) -> Line:
    """Sum up sessions; tokens and cost only of those in `spent`, so that none counts twice."""
    timed = sorted((each.duration, each.id) for each in calls if each.duration is not None)
    durations = [duration for duration, _ in timed]
    longest, slowest = timed[-1] if timed else (None, None)
    return Line(
        title,
        len(calls),
        sum(each.status == "error" for each in calls),
        quantile(durations, 0.5) if durations else None,
        quantile(durations, 0.95) if durations else None,
        longest,
        slowest,
        _sum([each.tokens_in, each.tokens_out] for each in spent),
        _sum([each.cost] for each in spent),
    )


def _sum(numbers: Iterable[list[float | None]]) -> float | None:
    known = [number for some in numbers for number in some if number is not None]
    return sum(known) if known else None


def as_json(stats: Stats) -> Json:
    return {
        "query": stats.query,
        "since": stats.since,
        "error": stats.error,
        "partial": stats.partial,
        "total": _line_as_json(stats.total),
        "names": [_line_as_json(line) for line in stats.names],
        "days": [_line_as_json(line) for line in stats.days],
    }


def _line_as_json(line: Line) -> Json:
    return {**{name: getattr(line, name) for name in Line.__slots__}, "cost_each": line.cost_each}


def render(stats: Stats) -> bytes:
    spans = [
        tag(
            "a",
            title,
            href=link("/stats", q=stats.query, since=since),
            aria_current="true" if since == stats.since else None,
        )
        for title, since in _SPANS
    ]
    words = f"The latest {_COUNTED:,} sessions of this time." if stats.partial else None
    return _layout.document(
        "Stats",
        tag("h1", "Stats"),
        tag("p", spans, class_="views"),
        tag("p", words, class_="soft") if words else None,
        _content(stats),
        header=_layout.header(stats.query, here="/stats", action="/stats"),
        kind="stats",
    )


def _content(stats: Stats) -> Node:
    if stats.error or not stats.names:
        words = stats.error or "No sessions in this time."
        return tag("div", tag("p", words), class_="empty", role="alert" if stats.error else None)
    days = [_Row(line, line.title, stats.days) for line in stats.days]
    names = [_Row(line, _link(line, stats), stats.names) for line in stats.names]
    return (
        tag("p", _EXPLANATION, class_="soft"),
        tag("h2", "By name"),
        _layout.numbers(_titles("Name", "Calls"), [row.render() for row in names]),
        tag("h2", "By day"),
        _layout.numbers(
            _titles("Day", "Runs"),
            [*(row.render() for row in days), _Row(stats.total, "All", []).render()],
        ),
    )


_EXPLANATION = (
    "p50 is the median duration, the dark part of a bar. 95% of the calls took no longer than p95, "
    "the whole bar. Tokens and cost are those of a call with everything inside. By day, only whole "
    "runs are counted, not their steps."
)


def _titles(first: str, counted: str) -> list[Markup]:
    titles = (first, counted, "", "Failed", "p50", "p95", "Longest", "", "Tokens", "Cost", "Each")
    return [
        tag("th", title, scope="col") if title else tag("td", class_="drawn") for title in titles
    ]


def _link(line: Line, stats: Stats) -> Markup:
    """Link a name to the list of its sessions."""
    name = line.title.replace('"', "")
    words = [stats.query, f'name:"={name}"', "" if stats.since == "all" else f"since:{stats.since}"]
    return tag("a", line.title, href=link("/", q=" ".join(filter(None, words))))


class _Row:
    """Makes one row of a table; `beside` are the lines that its bars are compared with."""

    def __init__(self, line: Line, name: Node, beside: Sequence[Line]) -> None:
        self._line = line
        self._name = name
        self._calls = max((each.calls for each in beside), default=0)
        self._slowest = max((each.p95 or 0.0 for each in beside), default=0.0)

    def render(self) -> Markup:
        line = self._line
        share = f"{line.failed / max(line.calls, 1):.1%}".replace("100.0%", "100%")
        rate = f"{line.failed:,} ({share})" if line.failed else ""
        return tag(
            "tr",
            tag("th", self._name, scope="row", class_="what"),
            tag("td", _format.count(line.calls), class_="number"),
            tag("td", self._drawn_calls(), class_="drawn"),
            tag("td", rate, class_="number why"),
            tag("td", _format.duration(line.p50), class_="number"),
            tag("td", _format.duration(line.p95), class_="number"),
            tag("td", self._longest(), class_="number"),
            tag("td", self._drawn_times(), class_="drawn"),
            tag("td", _format.count(line.tokens), class_="number"),
            tag("td", _format.cost(line.cost), class_="number"),
            tag("td", _format.cost(line.cost_each), class_="number"),
            class_=None if self._calls else "total",
        )

    def _longest(self) -> Node:
        """Link to the slowest session."""
        line = self._line
        return line.slowest and tag(
            "a", _format.duration(line.longest), href=link(f"/s/{line.slowest}")
        )

    def _drawn_calls(self) -> Node:
        """Draw the calls; the part that failed is red."""
        if not self._calls:
            return None
        pieces = [(0.0, self._line.calls / self._calls, "whole")]
        if self._line.failed:
            pieces.append((0.0, self._line.failed / self._calls, "failed self"))
        return _layout.bar(*pieces)

    def _drawn_times(self) -> Node:
        """Draw the median over the 95th percentile."""
        p50, p95, slowest = self._line.p50, self._line.p95, self._slowest
        if p50 is None or p95 is None or not slowest:
            return None
        return _layout.bar((0.0, p95 / slowest, "all"), (0.0, p50 / slowest, "self"))
