"""The commands `ls` and `tail`: list the sessions on this machine, one per line."""

from __future__ import annotations

import argparse
import re
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress

from honeytrace._config.settings import Config
from honeytrace._session.session import STEPS
from honeytrace._utils.text import printable
from honeytrace.cli._output import Stop, print_json, print_text, rewrite, started
from honeytrace.cli._reading import open_store, session_of, totals_of
from honeytrace.cli._terminal import (
    PIPE_COLUMNS,
    columns,
    fit,
    pad,
    terminal_columns,
    with_color,
)
from honeytrace.local import Store, _format
from honeytrace.local._format import plural
from honeytrace.local._query import Query, parse
from honeytrace.local._store import Found
from honeytrace.local._streams import unfinished
from honeytrace.local._summary import Summary
from honeytrace.local._trees import Totals, count_orphans, total, totals

_POLL_SECONDS = 0.5
_HEADER = ("ID", "STARTED", "DURATION", "TOKENS", "COST", "PROJECT", "NAME", "", "")
_STARTED, _TOKENS, _COST, _PROJECT, _NAME = 1, 3, 4, 5, 6  # positions of columns
_NUMBERS = (2, _TOKENS, _COST)  # columns that are aligned at the right
_SPENT = (_TOKENS, _COST)  # columns that are left out if they are empty
_LEFT_OUT = (_PROJECT, _TOKENS, _COST, _STARTED)  # on a narrow terminal, in this order
_MAX_SHARE = 0.6  # of the width that the columns before the name may take
_MARKS_WIDTH = 17  # columns that a long name leaves for the error, or for "(a step failed)"
_NAME_WIDTH = 12  # columns of a name that they do not take
_TAIL_WIDTHS = (8, 11, 8, 14, 9, 7)  # columns at least: `tail` does not know what will come
_NARROW = 100  # columns of a terminal, below which the start has neither year nor seconds
_OPTIONS = (
    *("name", "project", "source", "user", "model", "kind"),
    *("slower", "cost", "tokens", "since", "marked"),
)


def list_sessions(options: argparse.Namespace, config: Config) -> None:
    store, query = open_store(config), query_of(options)
    _catch_up(store, query)
    found = store.search(query, options.n, children=options.all)
    if options.json:
        _print_as_json(store, found)
    else:
        for line in _table(store, found, header=True) if found else ():
            print_text(line)
        for line in _below(store, query, options, config, bool(found)):
            print_text(line)
    if _parsed(query).texts and not store.searches_all():
        print("honeytrace: only the newest sessions were searched for text", file=sys.stderr)


def _below(
    store: Store, query: str, options: argparse.Namespace, config: Config, found: bool
) -> Iterator[str]:
    """Yield what to say below the list, or instead of it."""
    orphans = 0 if query or options.all else store.read(count_orphans)
    if query and not found:
        yield f"No session in {store.path} matches {printable(query)!r}."
    elif orphans:
        head = plural(orphans, "step") if found else f"All sessions in {store.path} are steps"
        yield f"{head} of calls that are still running or were killed: honeytrace ls --all"
    elif not found:
        yield f"No sessions in {store.path} yet."
    if not (config.local or options.home):
        yield f"This is the store on this machine; new sessions go to {config.server_url}."


def tail_sessions(options: argparse.Namespace, config: Config) -> None:
    """Print the latest sessions, then new ones as they are stored, until Ctrl-C."""
    store, query = open_store(config), query_of(options)
    _catch_up(store, query)
    last = store.last_number()
    latest = store.search(query, options.n, children=options.all)[::-1]
    _print_found(store, latest, options.json, header=True)
    with suppress(KeyboardInterrupt):
        while True:
            time.sleep(_POLL_SECONDS)
            if store.last_number() < last:  # the store was emptied, and counts from 1 again
                last = 0
            found = store.search(query, 1000, children=options.all, above=last)
            last = max([last, *(each.number for each in found)])
            _print_found(store, found[::-1], options.json)


def _print_found(store: Store, found: Sequence[Found], as_json: bool, header: bool = False) -> None:
    if as_json:
        _print_as_json(store, found)
    else:
        for line in _table(store, found, header, at_least=_TAIL_WIDTHS):
            print_text(line)
    sys.stdout.flush()


def _print_as_json(store: Store, found: Sequence[Found]) -> None:
    for fields in filter(None, (store.get(each.summary.id) for each in found)):
        session = session_of(fields)
        print_json(session, totals_of(store, session))


def query_of(options: argparse.Namespace) -> str:
    """Turn the words and options that the user typed into a text of the query language."""
    words = [_quoted(word) for word in options.query]
    for name in _OPTIONS:
        value = getattr(options, name)
        if value is not None:
            words.append(_quoted(f"{name}:{value}"))
    if options.error:
        words.append("error")
    query = " ".join(words)
    _parsed(query)
    return query


def _quoted(word: str) -> str:
    """Quote a word that has spaces; of a condition such as `name:a b`, quote only the value."""
    if '"' in word or not re.search(r"\s", word):
        return word
    head = re.match(r"[a-z]+:|(?:meta|feedback)\.[^\s=]+=|", word)
    assert head is not None  # noqa: S101 - for the type checker: it matches anything
    return f'{head[0]}"{word[head.end() :]}"'


def _parsed(query: str) -> Query:
    try:
        return parse(query, time.time() * 1000)
    except ValueError as error:
        raise Stop(str(error)) from None


def _catch_up(store: Store, query: str) -> None:
    for left in store.catch_up(_parsed(query)):
        rewrite(f"Preparing {left} sessions for the search" if left else "")


def _table(
    store: Store, found: Sequence[Found], header: bool, at_least: Sequence[int] = ()
) -> Iterator[str]:
    """Yield one line per session, in columns, cut to the width of the terminal.

    at_least: widths of the columns, so that other rows stand below them; then none is left out
        because it is empty.
    """
    width = terminal_columns() or PIPE_COLUMNS
    size = enough([each.summary.id for each in found])
    when = slice(5, 16) if width < _NARROW else slice(None)
    ends = store.read(unfinished, [each.number for each in found])
    rows = [
        _row(each.summary, _totals(store, each.summary), size, when, ends.get(each.number, ""))
        for each in found
    ]
    filled = [
        at for at in range(_NAME) if at_least or at not in _SPENT or any(row[at] for row in rows)
    ]
    rows = [_HEADER, *rows] if header else rows
    widths = [max([columns(row[at]) for row in rows] + [0]) for at in range(_NAME)]
    if at_least:
        widths = list(map(max, widths, at_least))
        widths[_STARTED] = 11 if width < _NARROW else 19
    shown = _shown(filled, widths, width)
    for row in rows:
        cells = [pad(row[at], widths[at], right=at in _NUMBERS) for at in shown]
        room = width - sum(columns(cell) + 2 for cell in cells)
        yield with_color(fit("  ".join([*cells, _named(*row[_NAME:], room=room)]), width))


def _named(name: str, marks: str, preview: str, *, room: int) -> str:
    """Return the last column, in which the end of a long name makes room for the marks."""
    left = max(room - min(columns(marks), _MARKS_WIDTH), _NAME_WIDTH)
    return f"{fit(name, left)}{marks}{preview if columns(name) + columns('  …') <= left else ''}"


def _shown(filled: Sequence[int], widths: Sequence[int], width: int) -> list[int]:
    """Return which columns to show before the name: all that are filled, if there is room."""
    shown = list(filled)
    for column in _LEFT_OUT:
        if sum(widths[at] + 2 for at in shown) < width * _MAX_SHARE:
            break
        if column in shown:
            shown.remove(column)
    return shown


def _totals(store: Store, summary: Summary) -> Totals:
    """Return the sums over the tree of a root, and those of a step without what is inside."""
    if summary.parent:
        return total([summary])
    return store.read(totals, summary.root)


def _row(summary: Summary, sums: Totals, size: int, when: slice, end: str) -> tuple[str, ...]:
    name, preview = printable(summary.name, 60), printable(summary.preview)
    if summary.kind in STEPS:
        name += f" [{summary.kind}]"
    marks = "".join(f" ({each})" for each in ("a step failed" if sums.failed else "", end) if each)
    if summary.error:
        marks, preview = f"  ✗ {printable(summary.error)}", ""
    return (
        summary.id[:size],
        started(summary.start)[when],
        _format.duration(summary.duration),
        _format.tokens(sums.tokens_in, sums.tokens_out),
        _format.cost(sums.cost),
        printable(summary.project, 30),
        name,
        marks,
        f"  {preview}" if preview else "",
    )


def enough(ids: Sequence[str]) -> int:
    """Return how many characters of these ids are enough to tell them apart."""
    return next(size for size in (8, 13, 18, 23, 36) if len({i[:size] for i in ids}) == len(ids))
