"""The list of sessions: `/`. It reads summaries, never bodies."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field

from honeytrace._utils.json import Json
from honeytrace.local import _format, _trees
from honeytrace.local._query import split
from honeytrace.local._search import Position
from honeytrace.local._store import Found, Store
from honeytrace.local._trees import Totals
from honeytrace.local.page import _layout
from honeytrace.local.page._html import Markup, Node, tag
from honeytrace.local.page._requests import Request, link

_SHOWN = 50
_COUNTED = 500  # newest matches, of which the counts are taken
_REACH = 50_000  # sessions that one page looks through for conditions that no index knows
_MAX_FACETS = 6
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
        unfinished: number of sessions that the search does not know yet.
        last: number of the last session that was stored.
    """

    query: str
    rows: list[tuple[Found, Totals | None]]
    counted: list[Found]
    older: Position | None
    end: Position | None = None
    models: Counter[str] = field(default_factory=Counter)
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
    counted = store.search(query, _COUNTED, wait=False, reach=_REACH)
    found = counted
    if after is not None:
        found = store.search(query, _SHOWN + 1, after=after, wait=False, reach=_REACH)
    rows = [(each, _totals(store, each)) for each in found[:_SHOWN]]
    is_full = len(found) > _SHOWN
    end = None if is_full else store.end_of_reach(query, after, _REACH)
    older = found[_SHOWN - 1].position if is_full else end
    models = _count_models(store, counted)
    return Listing(query, rows, counted, older, end, models, unfinished=unfinished, last=last)


def _count_models(store: Store, counted: Sequence[Found]) -> Counter[str]:
    """Count the models of steps, and in how many trees of roots each was used."""
    summaries = [each.summary for each in counted]
    models = Counter(each.model for each in summaries if each.model and each.parent)
    roots = [each.root for each in summaries if not each.parent]
    models.update(store.read(_trees.models, roots) if roots else {})
    return models


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
        "after": _written(listing.older) if listing.older else None,
    }


def _written(position: Position) -> str:
    return f"{position[0]!r},{position[1]}"


def render(listing: Listing, request: Request) -> bytes:
    title = f"{listing.query} – sessions" if listing.query else "Sessions"  # noqa: RUF001 - a dash
    return _layout.document(
        title,
        tag("h1", "Sessions", class_="unseen"),
        _news(listing),
        _chips(listing.query),
        _unfinished(listing),
        _facets(listing),
        _table(listing, request) if listing.rows else _empty(listing),
        _stopped(listing, request),
        header=_layout.header(listing.query, here="/"),
        kind="list",
    )


def _news(listing: Listing) -> Node:
    """Leave an element in which the script shows how many new sessions there are."""
    if listing.error:
        return None
    link_to_new = tag("a", "", href=link("/", q=listing.query))
    return tag("p", link_to_new, class_="news", role="status", hidden=True, data_after=listing.last)


def _unfinished(listing: Listing) -> Node:
    if not listing.unfinished:
        return None
    left = _format.plural(listing.unfinished, "session")
    return tag(
        "p", f"{left} are still being prepared; reload to see them.", class_="soft", role="status"
    )


def _chips(query: str) -> Node:
    """Show each word of the query with a link that removes it."""
    words = split(query)
    if not words:
        return None
    chips = [
        tag(
            "li",
            tag("span", word),
            tag(
                "a",
                "×",  # noqa: RUF001 - the sign for closing
                href=link("/", q=" ".join(words[:at] + words[at + 1 :])),
                aria_label=f"Remove {word}",
            ),
        )
        for at, word in enumerate(words)
    ]
    return tag("ul", chips, class_="chips", aria_label="Conditions")


def _facets(listing: Listing) -> Node:
    """Count the newest matches by status, model and name; each count is a link."""
    if not listing.counted:
        return None
    summaries = [each.summary for each in listing.counted]
    failed = sum(each.status == "error" for each in summaries)
    names = Counter(each.name for each in summaries)
    marks = Counter(each.marked for each in summaries if each.marked)
    total = len(summaries)
    words = f"latest {_COUNTED:,}" if total == _COUNTED else _format.plural(total, "session")
    return tag(
        "p",
        tag("span", words),
        _facet(listing.query, [("error", "failed", failed)] if failed else [], "failed"),
        _facet(listing.query, [(f"marked:{m}", f"marked {m}", n) for m, n in marks.items()]),
        _facet(listing.query, _most("model", listing.models)),
        _facet(listing.query, _most("name", names)),
        class_="facets",
    )


def _most(condition: str, counts: Counter[str]) -> Iterator[tuple[str, str, int]]:
    if len(counts) > 1:
        for value, number in counts.most_common(_MAX_FACETS):
            quoted = value.replace('"', "")
            yield f'{condition}:"={quoted}"', value, number


def _facet(query: str, links: Iterable[tuple[str, str, int]], kind: str = "") -> Node:
    made = [
        tag(
            "a",
            tag("b", words[:60]),
            f" {_format.count(number)}",
            href=link("/", q=f"{query} {condition}".strip()),
            class_=kind or None,
        )
        for condition, words, number in links
        if condition not in split(query)
    ]
    return tag("span", made) if made else None


def _empty(listing: Listing) -> Markup:
    if listing.error:
        return tag("div", tag("p", listing.error), _HELP, class_="empty", role="alert")
    if listing.query:
        return tag("div", tag("p", "No session matches."), _HELP, class_="empty")
    if listing.counted:
        newest = tag("a", "Newest", href="/")
        return tag("div", tag("p", "No session is older. ", newest), class_="empty")
    if listing.last:
        steps = tag("a", "List the steps", href=link("/", q="slower:0s"))
        words = "All sessions here are steps of others, which are not stored. "
        return tag("div", tag("p", words, steps), class_="empty")
    return tag(
        "div",
        tag("h2", "No sessions yet"),
        tag("p", "Decorate a function, call it, and reload this page:"),
        tag("pre", _FIRST_STEPS),
        tag(
            "p",
            "Programs that use another home or server: set ",
            tag("code", "HH_API_URL"),
            " to this address.",
        ),
        class_="empty",
    )


_FIRST_STEPS = """from honeytrace import trace_session

@trace_session
def answer(question: str) -> str:
    return "42"

answer("What is the answer?")"""

_CONDITIONS = [
    ("timeout", "the text, in inputs, outputs and errors"),
    ("error", "failed; error:timeout by the words of the error"),
    ("slower:2s", "took at least so long"),
    ("since:1h", "started since then; also since:2026-01-31"),
    ("name:answer", "by name; also project: source: user: model: kind:"),
    ("cost:>0.01", "by cost in dollars"),
    ("marked:bad", "that you have marked"),
    ("meta.team=search", "by a value in the metadata"),
]
_HELP = tag(
    "dl",
    [
        (tag("dt", tag("a", word, href=link("/", q=word))), tag("dd", words))
        for word, words in _CONDITIONS
    ],
    class_="help",
)


def _table(listing: Listing, request: Request) -> Markup:
    columns = _columns(listing)
    longest = max((found.summary.duration or 0 for found, _ in listing.rows), default=0)
    head = [tag("th", tag("span", "Compare", class_="unseen"), class_="pick")]
    head += [tag("th", title, scope="col", class_=name) for name, title in columns]
    body = [_row(found, totals, columns, longest, listing.query) for found, totals in listing.rows]
    return tag(
        "form",
        tag("table", tag("thead", tag("tr", head)), tag("tbody", body), class_="sessions"),
        tag(
            "p",
            tag("button", "Compare the two that are ticked", class_="compare"),
            _pages(listing, request),
            class_="after",
        ),
        _as_tests(listing.query),
        action="/compare",
    )


def _as_tests(query: str) -> Node:
    """Say how the marked sessions become tests."""
    marks = [word.partition(":")[2] for word in split(query) if word.startswith("marked:")]
    if not marks:
        return None
    command = f"honeytrace export --pytest --marked {marks[0]} > test_marked.py"
    return tag("p", "Make tests of them: ", tag("code", command), class_="soft")


def _stopped(listing: Listing, request: Request) -> Node:
    """Say how far the search went, if it stopped before the page was full."""
    if listing.end is None:
        return None
    further = tag("a", "Search further back", href=request.link(after=_written(listing.end)))
    reached = _layout.when(listing.end[0])
    return tag("p", "Searched back to ", reached, ". ", further, class_="soft", role="status")


def _columns(listing: Listing) -> list[tuple[str, str]]:
    """Return class and title of the columns; a column that would be empty is left out."""
    rows = listing.rows
    summaries = [found.summary for found, _ in rows]
    wanted = [
        ("when", "Time", True),
        ("what", "Session", True),
        ("steps", "Steps", any(totals and totals.steps > 1 for _, totals in rows)),
        ("took", "Duration", True),
        ("tokens", "Tokens", any(_spent(*row)[0] for row in rows)),
        ("cost", "Cost", any(_spent(*row)[1] for row in rows)),
        ("model", "Model", any(_models(*row) for row in rows)),
        ("user", "User", any(each.user for each in summaries)),
        ("project", "Project", len({each.project for each in summaries}) > 1),
    ]
    return [(name, title) for name, title, shown in wanted if shown]


def _row(
    found: Found,
    totals: Totals | None,
    columns: Sequence[tuple[str, str]],
    longest: float,
    query: str,
) -> Markup:
    summary = found.summary
    tokens, cost = _spent(found, totals)
    cells: dict[str, Node] = {
        "when": _layout.when(summary.start),
        "what": _what(found, totals, query),
        "steps": _steps(totals),
        "took": (
            _format.duration(summary.duration),
            _bar(summary.duration, longest, summary.status),
        ),
        "tokens": tokens,
        "cost": cost,
        "model": _models(found, totals),
        "user": summary.user,
        "project": summary.project,
    }
    box = tag(
        "input",
        type="checkbox",
        name="pick",
        value=summary.id,
        aria_label=f"Compare {summary.name}",
    )
    made = [tag("td", cells[name], class_=name, data_title=title) for name, title in columns]
    return tag("tr", tag("td", box, class_="pick"), made, class_=_class(summary.status))


def _class(status: str) -> str | None:
    return "failed" if status == "error" else None


def _what(found: Found, totals: Totals | None, query: str) -> Node:
    summary = found.summary
    error = tag("span", summary.error, class_="why") if summary.error else None
    words = (error, " " if error else None, summary.preview)
    inner = bool(totals and totals.failed and summary.status == "ok")
    return (
        tag("a", summary.name, href=link(f"/s/{summary.id}", q=query), class_="name"),
        " ",
        _layout.spaced(_layout.status(summary.status), _layout.mark(summary.marked)),
        tag("span", "a step failed", class_="status error") if inner else None,
        tag("span", "a step", class_="status other") if summary.parent else None,
        tag("span", words, class_="preview", dir="auto") if any(words) else None,
    )


def _steps(totals: Totals | None) -> str:
    if totals is None or totals.steps < 2:
        return ""
    return f"{_format.count(totals.steps)}{'+' if totals.partial else ''}"


def _bar(duration: float | None, longest: float, status: str) -> Node:
    if not (duration and longest):
        return None
    return _layout.bar((0.0, duration / longest, "failed" if status == "error" else "whole"))


def _spent(found: Found, totals: Totals | None) -> tuple[str, str]:
    """Return tokens and cost of a tree, or of a single step, as text."""
    one = totals or found.summary
    more = "+" if totals and totals.partial else ""
    tokens, cost = _format.tokens(one.tokens_in, one.tokens_out), _format.cost(one.cost)
    return (tokens and tokens + more, cost and cost + more)


def _models(found: Found, totals: Totals | None) -> str:
    models = totals.models if totals else filter(None, (found.summary.model,))
    return ", ".join(models)


def _pages(listing: Listing, request: Request) -> Node:
    newest = tag("a", "Newest", href=request.link(after=None), rel="first")
    older = listing.older and tag(
        "a", "Older", href=request.link(after=_written(listing.older)), rel="next"
    )
    if not (request.get("after") or older):
        return None
    return tag("span", newest if request.get("after") else None, " ", older, class_="pages")
