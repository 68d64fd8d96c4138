"""The frame of every page: head, search box, navigation."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from hashlib import sha256
from http import HTTPStatus
from importlib.resources import files

from honeytrace.local import _format
from honeytrace.local.page._html import Markup, Node, join, tag
from honeytrace.local.page._requests import link

_HERE = files(__package__)  # may be inside a zip file
FILES = {
    "/style.css": ("text/css; charset=utf-8", _HERE.joinpath("style.css").read_bytes()),
    "/script.js": ("text/javascript; charset=utf-8", _HERE.joinpath("script.js").read_bytes()),
}
"""Path, type and content of the files that every page needs."""

_HINT = 'Words, "a phrase", error, slower:2s, name:answer, since:1h …'


def version(path: str) -> str:
    """Return a text that changes when the file changes, for its address."""
    return sha256(FILES[path][1]).hexdigest()[:12]


_VERSIONS = {path: version(path) for path in FILES}


def document(title: str, *content: Node, header: Node = None, kind: str = "") -> bytes:
    """Return a whole page.

    header: what stands above the content; None for nothing.
    kind: the class of the body, for the style sheet and the script.
    """
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("title", f"{title} · honeytrace"),
        tag("link", rel="icon", href=_ICON),
        tag("link", rel="stylesheet", href=link("/style.css", v=_VERSIONS["/style.css"])),
        tag("script", src=link("/script.js", v=_VERSIONS["/script.js"]), defer=True),
    )
    body = tag("body", header, tag("main", *content, id="main"), class_=kind or None)
    return f"<!doctype html>\n{tag('html', head, body, lang='en')}\n".encode()


def failure(status: HTTPStatus, words: str) -> bytes:
    """Return the page that tells why a request failed."""
    return document(
        status.phrase,
        tag("h1", status.phrase),
        tag("p", f"{words[:1].upper()}{words[1:]}."),
        tag("p", tag("a", "All sessions", href="/")),
        header=header(""),
        kind="failure",
    )


_ICON = (  # four bars of a timeline, as PNG
    "data:image/png;base64,"
    "iVBORw0KGgoAAAANSUhEUgAAABAAAAAQCAYAAAAf8/9hAAAAKUlEQVR42mNgoBR4Z/X/pwRTbsDgARQ7"
    "c4j4k5rpg/YGDJ0woZ8BuAAAWPenXxn31T0AAAAASUVORK5CYII="
)


def header(query: str, here: str = "", action: str = "/") -> Markup:
    """Return the top of a page: name, search box, navigation.

    here: the page of the navigation that this is. action: the page that a query leads to.
    """
    search = tag(
        "form",
        tag("label", "Search sessions", for_="q", class_="unseen"),
        tag(
            "input",
            type="search",
            id="q",
            name="q",
            value=query,
            placeholder=_HINT,
            autocomplete="off",
            spellcheck="false",
        ),
        tag("button", "Search"),
        role="search",
        action=action,
    )
    pages = [("Sessions", "/"), ("Stats", "/stats")]
    nav = tag(
        "nav",
        [
            tag("a", name, href=path, aria_current="page" if path == here else None)
            for name, path in pages
        ],
        aria_label="Pages",
    )
    skip = tag("a", "Skip to the content", href="#main", class_="skip")
    return tag(
        "header", skip, tag("a", "honeytrace", href="/", class_="brand"), search, nav, class_="top"
    )


def when(milliseconds: float | None, now: datetime.datetime | None = None) -> Markup:
    """Show a moment briefly: the time if it is today, the day if it is not."""
    found = _format.moment(milliseconds)
    if found is None:
        return tag("span", "?")
    today = now or datetime.datetime.now().astimezone()
    words = f"{found:%Y-%m-%d}"
    if found.date() == today.date():
        words = f"{found:%H:%M:%S}"
    elif found.year == today.year:
        words = f"{found:%b} {found.day}, {found:%H:%M}"
    return tag(
        "time",
        words,
        datetime=found.isoformat(timespec="milliseconds"),
        title=f"{found:%Y-%m-%d %H:%M:%S.%f}"[:-3],
    )


def bar(*pieces: tuple[float, float, str], label: str | None = None) -> Markup:
    """Draw pieces of a bar; each is its start and length from 0 to 1, and its class."""
    drawn = [
        tag("rect", x=f"{100 * x:.2f}%", width=f"{max(100 * width, 0.4):.2f}%", class_=kind)
        for x, width, kind in pieces
    ]
    names: dict[str, str | None] = (
        {"role": "img", "aria_label": label} if label else {"aria_hidden": "true"}
    )
    return tag("svg", drawn, class_="bar", **names)


def numbers(titles: Sequence[Node], rows: Sequence[Node]) -> Markup:
    """Return a table of numbers, which can be moved sideways where it is too wide."""
    head, body = tag("thead", tag("tr", titles)), tag("tbody", rows)
    return tag("div", tag("table", head, body, class_="numbers"), class_="wide", tabindex="0")


def status(name: str) -> Node:
    """Show a status that is not "ok"."""
    return None if name == "ok" else tag("span", name, class_=f"status {_kind_of(name)}")


def mark(name: str | None) -> Node:
    """Show that somebody marked a session as good or bad."""
    return tag("span", f"marked {name}", class_=f"status {name}") if name else None


def kind(name: str) -> Node:
    """Show the kind of a step, such as "model" or "tool", but not the kind of a function."""
    return None if name in _FUNCTIONS else tag("span", name, class_="kind")


_FUNCTIONS = {"session", "block", "function", "coroutine", "generator", "async generator"}


def _kind_of(name: str) -> str:
    return name if name in ("error", "cancelled") else "other"


def breakable(name: str) -> Node:
    """Show a name that may go on in the next line after a dot, rather than within a word."""
    first, *others = name.split(".")
    return [first, [(".", tag("wbr"), each) for each in others]]


def spaced(*nodes: Node) -> Markup:
    """Join the nodes that are not empty with a space."""
    return join([[node, " "] for node in nodes if node])
