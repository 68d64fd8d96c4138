"""The list of sessions: `/`. It reads summaries, never bodies."""

from __future__ import annotations

from honeytrace.local import _format
from honeytrace.local._query import split
from honeytrace.local.page import _facets, _layout
from honeytrace.local.page._html import Markup, Node, tag
from honeytrace.local.page._list_rows import table
from honeytrace.local.page._listing import Listing, written
from honeytrace.local.page._requests import Request, link


def render(listing: Listing, request: Request) -> bytes:
    title = f"{listing.query} – sessions" if listing.query else "Sessions"  # noqa: RUF001 - a dash
    return _layout.document(
        title,
        tag("h1", "Sessions", class_="unseen"),
        _news(listing),
        _facets.chips(listing.query),
        _unfinished(listing),
        _facets.facets(listing),
        _content(listing, request) if listing.rows else _empty(listing),
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


def _content(listing: Listing, request: Request) -> Markup:
    return tag(
        "form",
        table(listing),
        tag(
            "p",
            tag("button", "Compare the two that are ticked", class_="compare")
            if len(listing.rows) > 1
            else None,
            _pages(listing, request),
            class_="after",
        ),
        _sums(listing),
        _as_tests(listing.query),
        action="/compare",
    )


def _sums(listing: Listing) -> Node:
    """Add up what the sessions of this page took, each with everything inside."""
    totals = [total for _, total in listing.rows if total]
    tokens = [each for total in totals for each in (total.tokens_in, total.tokens_out)]
    costs = [total.cost for total in totals if total.cost is not None]
    known = [each for each in tokens if each is not None]
    words = [
        f"{_format.count(sum(known))} tokens" if known else "",
        _format.cost(sum(costs)) if costs else "",
    ]
    if len(totals) < 2 or not any(words):
        return None
    shown = f"These {len(totals)} sessions: {', '.join(filter(None, words))}"
    return tag("p", shown, class_="soft sums")


def _stopped(listing: Listing, request: Request) -> Node:
    """Say how far the search went, if it stopped before the page was full."""
    if listing.end is None:
        return None
    further = tag("a", "Search further back", href=request.link(after=written(listing.end)))
    reached = _layout.when(listing.end[0])
    return tag("p", "Searched back to ", reached, ". ", further, class_="soft", role="status")


def _pages(listing: Listing, request: Request) -> Node:
    newest = tag("a", "Newest", href=request.link(after=None), rel="first")
    older = listing.older and tag(
        "a", "Older", href=request.link(after=written(listing.older)), rel="next"
    )
    if not (request.get("after") or older):
        return None
    return tag("span", newest if request.get("after") else None, " ", older, class_="pages")


def _as_tests(query: str) -> Node:
    """Say how the marked sessions become tests."""
    marks = [word.partition(":")[2] for word in split(query) if word.startswith("marked:")]
    if not marks:
        return None
    command = f"honeytrace export --pytest --marked {marks[0]} --import MODULE -o test_marked.py"
    words = ", where MODULE is the module of yours that defines what was called."
    return tag("p", "Make tests of them: ", tag("code", command), words, class_="soft")


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
    ('"not found"', "the words one after the other"),
    ("error", "failed; error:timeout by the words of the error"),
    ("slower:2s", "took at least so long"),
    ("since:1h", "started since then; also since:2026-01-31"),
    ("name:answer", "by name; also project: source: user: model: kind:"),
    ("cost:>0.01", "by cost in dollars, with everything inside; also tokens:>1000"),
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
