"""The table of the list: one row for each session, with the sums over its tree."""

from __future__ import annotations

from collections.abc import Sequence

from honeytrace._utils.text import shorten
from honeytrace.local import _format
from honeytrace.local._store import Found
from honeytrace.local._summary import Summary
from honeytrace.local._trees import Totals
from honeytrace.local.page import _layout
from honeytrace.local.page._html import Markup, Node, tag
from honeytrace.local.page._listing import Listing
from honeytrace.local.page._requests import link

_TOP_CHARACTERS = 40


def table(listing: Listing) -> Markup:
    columns = _columns(listing)
    longest = max((found.summary.duration or 0 for found, _ in listing.rows), default=0)
    head = [tag("th", tag("span", "Compare", class_="unseen"), class_="pick")]
    head += [tag("th", title, scope="col", class_=name) for name, title in columns]
    body = [_row(listing, found, totals, columns, longest) for found, totals in listing.rows]
    return tag("table", tag("thead", tag("tr", head)), tag("tbody", body), class_="sessions")


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
    listing: Listing,
    found: Found,
    totals: Totals | None,
    columns: Sequence[tuple[str, str]],
    longest: float,
) -> Markup:
    summary = found.summary
    tokens, cost = _spent(found, totals)
    cells: dict[str, Node] = {
        "when": _layout.when(summary.start),
        "what": _what(listing, found, totals),
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


def _what(listing: Listing, found: Found, totals: Totals | None) -> Node:
    summary = found.summary
    error = tag("span", summary.error, class_="why") if summary.error else None
    words = (error, " " if error else None, summary.preview)
    inner = bool(totals and totals.failed and summary.status == "ok")
    return (
        tag(
            "a",
            _layout.breakable(summary.name),
            href=link(f"/s/{summary.id}", q=listing.query),
            class_="name",
        ),
        " ",
        _layout.spaced(
            _layout.kind(summary.kind),
            _layout.status(summary.status),
            _layout.mark(summary.marked),
        ),
        tag("span", "a step failed", class_="status error") if inner else None,
        tag("span", _place(listing, summary), class_="status other") if summary.parent else None,
        tag("span", words, class_="preview", dir="auto") if any(words) else None,
    )


def _place(listing: Listing, summary: Summary) -> str:
    """Say that this is a step, and of what."""
    top = listing.tops.get(summary.root)
    return f"a step of {shorten(top, _TOP_CHARACTERS)}" if top else "a step"


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
