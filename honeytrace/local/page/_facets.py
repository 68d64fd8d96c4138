"""The conditions of a list: those it has, and what each further one would find."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from honeytrace.local import _format
from honeytrace.local._query import split
from honeytrace.local.page._html import Node, tag
from honeytrace.local.page._listing import COUNTED, Listing
from honeytrace.local.page._requests import link

_MAX_FACETS = 6
_MAX_CHIPS = 30  # each has a link with all other words


def chips(query: str) -> Node:
    """Show the words of the query, each with a link that removes it."""
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
        for at, word in enumerate(words[:_MAX_CHIPS])
    ]
    return tag("ul", chips, class_="chips", aria_label="Conditions")


def facets(listing: Listing) -> Node:
    """Count the newest matches by status, model and name; each count is a link."""
    if not listing.counted:
        return None
    summaries = [each.summary for each in listing.counted]
    names = Counter(each.name for each in summaries)
    marks = Counter(each.marked for each in summaries if each.marked)
    return tag(
        "p",
        tag("span", _found(listing)),
        _facet(listing.query, _failed(listing), "failed"),
        _facet(
            listing.query,
            [(f"marked:{m}", f"marked {m}", _format.count(n)) for m, n in marks.items()],
        ),
        _facet(listing.query, _most("model", listing.models)),
        _facet(listing.query, _most("name", names)),
        class_="facets",
    )


def _found(listing: Listing) -> str:
    """Say how many sessions and how many steps of others were found."""
    if len(listing.counted) == COUNTED:
        return f"latest {COUNTED:,}"
    steps = sum(each.summary.parent is not None for each in listing.counted)
    roots = len(listing.counted) - steps
    found = [(roots, "session"), (steps, "step")]
    return " and ".join(_format.plural(number, noun) for number, noun in found if number)


def _failed(listing: Listing) -> Iterator[tuple[str, str, str]]:
    counts = [_format.count(listing.failed)] if listing.failed else []
    if listing.failed_inside:
        counts.append(_format.plural(listing.failed_inside, "step"))
    if counts:
        yield "error", "failed", " + ".join(counts)


def _most(condition: str, counts: Counter[str]) -> Iterator[tuple[str, str, str]]:
    if len(counts) > 1:
        for value, number in counts.most_common(_MAX_FACETS):
            quoted = value.replace('"', "")
            yield f'{condition}:"={quoted}"', value, _format.count(number)


def _facet(query: str, links: Iterable[tuple[str, str, str]], kind: str = "") -> Node:
    made = [
        tag(
            "a",
            tag("b", words[:60]),
            f" {number}",
            href=link("/", q=f"{query} {condition}".strip()),
            class_=kind or None,
        )
        for condition, words, number in links
        if condition not in split(query)
    ]
    return tag("span", made) if made else None
