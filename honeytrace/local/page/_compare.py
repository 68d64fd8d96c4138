"""Compare two sessions step by step: `/d/A/B`.

Steps are aligned by their path of names, such as `answer/retrieve/search`; steps that have the same
path are aligned in the order of their start.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from honeytrace._utils.json import READABLE, Json, dumps
from honeytrace.local import _format, _trees
from honeytrace.local._messages import answered
from honeytrace.local._store import Store
from honeytrace.local._summary import Summary
from honeytrace.local._trees import Step, Totals, Tree
from honeytrace.local.page import _layout
from honeytrace.local.page._html import Markup, Node, tag, visible
from honeytrace.local.page._requests import Request, link

_MAX_READ = 200  # pairs whose outputs are read; of further pairs only the numbers are compared
_MAX_WORDS = 2000  # of each output in a word by word comparison
_MAX_CHARACTERS = 40_000
_MAX_RUNS = 200  # earlier sessions of a name that are looked through for the same inputs
_WORD = re.compile(r"\s+|[^\s\w]|\w+")

Path = tuple[str, int]
"""The names on the way to a step, and its number among the steps with the same path."""


@dataclass(frozen=True, slots=True)
class Pair:
    """Two steps that are at the same place of the two trees; one of them may be missing.

    Attributes:
        state: "same", "changed", "only left" or "only right".
    """

    path: Path
    depth: int
    left: Summary | None
    right: Summary | None
    state: str

    @property
    def name(self) -> str:
        return next(each.name for each in (self.left, self.right) if each)


@dataclass(frozen=True, slots=True)
class Comparison:
    """The contents of the page.

    Attributes:
        left, right: the outputs of the chosen pair.
        inputs: what went into both steps of the chosen pair.
        alike: whether both sessions were given the same inputs.
    """

    trees: tuple[Tree, Tree]
    totals: tuple[Totals, Totals]
    pairs: list[Pair]
    chosen: Pair
    left: str
    right: str
    inputs: tuple[str, str]
    alike: bool


def load(store: Store, request: Request, one: str, other: str) -> Comparison | None:
    """Read two trees and align them; None if one of the sessions is not stored."""
    tops = store.read(_trees.find, one), store.read(_trees.find, other)
    if tops[0] is None or tops[1] is None:
        return None
    left, right = store.read(_trees.load, tops[0]), store.read(_trees.load, tops[1])
    pairs = list(_pairs(store, left, right))
    chosen = next((pair for pair in pairs if _key(pair) == request.get("step")), pairs[0])
    return Comparison(
        (left, right),
        (_total(left), _total(right)),
        pairs,
        chosen,
        _output(store, chosen.left),
        _output(store, chosen.right),
        (_input(store, chosen.left), _input(store, chosen.right)),
        _inputs(store, left.top) == _inputs(store, right.top),
    )


def _inputs(store: Store, step: Step) -> Any:
    return (store.get(step.id) or {}).get("inputs")


def _input(store: Store, summary: Summary | None) -> str:
    """Return what went into a session as text."""
    fields = (store.get(summary.id) if summary else None) or {}
    return dumps(fields.get("inputs") or {}, READABLE).decode()[:_MAX_CHARACTERS]


def _total(tree: Tree) -> Totals:
    summaries = [step.summary for step in tree.steps if step.summary]
    return _trees.total(summaries, partial=tree.unread > 0)


def _pairs(store: Store, left: Tree, right: Tree) -> Iterator[Pair]:
    """Yield the steps of both trees in the order of the left one, each right one in its place."""
    one, other = dict(_paths(left)), dict(_paths(right))
    read = 0
    for path in _merged(list(one), list(other)):
        a, b = one.get(path), other.get(path)
        state = "only left" if b is None else "only right"
        if a and b:
            read += 1
            changed = read <= _MAX_READ and not _same(store, a, b)
            state = "changed" if changed else "same"
        depth = next(step.depth for step in (a, b) if step)
        yield Pair(path, depth, a.summary if a else None, b.summary if b else None, state)


def _paths(tree: Tree) -> Iterator[tuple[Path, Step]]:
    """Yield each stored step with its path; the name of the top does not count."""
    counts: dict[str, int] = {}
    paths = {tree.top.id: ""}
    for step in tree.steps:
        path = paths[step.id]
        for child in step.children:
            name = child.summary.name if child.summary else ""
            paths[child.id] = f"{path}/{name}"
        if step.summary:
            counts[path] = counts.get(path, 0) + 1
            yield (path, counts[path]), step


def _merged(one: Sequence[Path], other: Sequence[Path]) -> Iterator[Path]:
    """Yield the paths of both in an order that suits both; each once."""
    matcher = difflib.SequenceMatcher(None, one, other, autojunk=False)
    seen = set()
    for _, i1, i2, j1, j2 in matcher.get_opcodes():
        for path in (*one[i1:i2], *other[j1:j2]):
            if path not in seen:
                seen.add(path)
                yield path


def _same(store: Store, left: Step, right: Step) -> bool:
    one, other = (store.get(each.id) or {} for each in (left, right))
    return all(one.get(name) == other.get(name) for name in ("outputs", "error"))


def _key(pair: Pair) -> str:
    return f"{pair.path[0]}#{pair.path[1]}"


def _output(store: Store, summary: Summary | None) -> str:
    """Return what a session answered, or why it failed, as text."""
    fields = (store.get(summary.id) if summary else None) or {}
    error = fields.get("error")
    return (str(error) if error else _text(fields.get("outputs") or {}))[:_MAX_CHARACTERS]


def _text(outputs: Json) -> str:
    message = answered(outputs)
    value: Any = message["content"] if message and message.get("content") else outputs
    if isinstance(value, dict) and len(value) == 1:
        (value,) = value.values()
    return value if isinstance(value, str) else dumps(value, READABLE).decode()


def previous(store: Store, session_id: str) -> str | None:
    """Return the session before this one that has the same name and the same inputs.

    If there is none, return the one before it with the same name; None if there is none either.
    """
    this = store.read(_trees.find, session_id)
    if this is None or this.summary is None:
        return None
    position = (this.summary.start, this.number)
    name = this.summary.name.replace('"', "")
    found = store.search(f'name:"={name}"', _MAX_RUNS, children=True, after=position, wait=False)
    inputs = _inputs(store, this)
    for each in found:
        likely = _given(each.summary) == _given(this.summary)  # so that few bodies are read
        if likely and (store.get(each.summary.id) or {}).get("inputs") == inputs:
            return each.summary.id
    return found[0].summary.id if found else None


def _given(summary: Summary) -> str:
    """Return the first line of what went in."""
    return summary.preview.partition(" → ")[0]


def picked(picks: Sequence[str]) -> str | None:
    """Return the address that compares two ticked sessions; the lower one in the list is older."""
    return link(f"/d/{picks[1]}/{picks[0]}") if len(picks) == 2 else None


def as_json(comparison: Comparison) -> Json:
    return {
        "left": comparison.trees[0].top.id,
        "right": comparison.trees[1].top.id,
        "steps": [
            {
                "path": pair.path[0],
                "number": pair.path[1],
                "state": pair.state,
                "left": pair.left._asdict() if pair.left else None,
                "right": pair.right._asdict() if pair.right else None,
            }
            for pair in comparison.pairs
        ],
        "chosen": _key(comparison.chosen),
        "outputs": [comparison.left, comparison.right],
    }


def render(comparison: Comparison, request: Request) -> bytes:
    left, right = (tree.top for tree in comparison.trees)
    exchanged = request.link(f"/d/{right.id}/{left.id}")
    return _layout.document(
        "Compare",
        tag("p", tag("a", "Sessions", href="/", rel="up"), class_="crumbs"),
        tag("h1", "Compare"),
        tag(
            "div",
            _side("Left", left, comparison.totals[0]),
            _side("Right", right, comparison.totals[1]),
            tag("a", "Swap sides", href=exchanged, class_="button"),
            class_="sides",
        ),
        None if comparison.alike else tag("p", _OTHER_INPUTS, class_="soft"),
        _table(comparison, request),
        _input_section(comparison),
        _outputs(comparison),
        header=_layout.header(""),
        kind="compare",
    )


def _side(title: str, top: Step, totals: Totals) -> Markup:
    summary = top.summary
    assert summary  # noqa: S101 - for the type checker
    facts = [
        _layout.when(summary.start),
        _format.duration(summary.duration),
        _format.plural(totals.steps, "step"),
        ", ".join(totals.models),
        _format.cost(totals.cost),
    ]
    return tag(
        "div",
        tag("span", title, class_="soft"),
        " ",
        tag("a", summary.name, href=link(f"/s/{top.id}"), class_="name"),
        " ",
        _layout.status(summary.status),
        tag("p", summary.preview, class_="preview", dir="auto") if summary.preview else None,
        tag("p", [tag("span", fact) for fact in facts if fact], class_="facts"),
    )


_OTHER_INPUTS = (
    "These two sessions had different inputs, so their outputs may differ for that reason."
)
_COLUMNS = ("Step", "", "Duration", "Change", "Tokens", "Change", "Cost", "Change")


def _table(comparison: Comparison, request: Request) -> Markup:
    titles = [tag("th", title, scope="col") if title else tag("td") for title in _COLUMNS]
    rows = [_row(pair, pair is comparison.chosen, request) for pair in comparison.pairs]
    return _layout.numbers(titles, [*rows, _sums(*comparison.totals)])


def _row(pair: Pair, chosen: bool, request: Request) -> Markup:
    address, here = request.link(step=_key(pair)), "true" if chosen else None
    name = tag("a", pair.name, href=address, aria_current=here)
    state = tag("span", pair.state, class_=f"status {pair.state}")
    return tag(
        "tr",
        tag("td", tag("span", name, class_=f"d{min(pair.depth, 14)} indent"), class_="what"),
        tag("td", state if pair.state != "same" else None),
        _cells(_each(pair, lambda one: one.duration), _format.duration),
        _cells(_each(pair, _tokens), _format.count),
        _cells(_each(pair, lambda one: one.cost), _format.cost),
        class_="chosen" if chosen else None,
    )


def _sums(left: Totals, right: Totals) -> Node:
    """Return a row with what the whole trees cost."""
    tokens, cost = (_tokens(left), _tokens(right)), (left.cost, right.cost)
    if not any(each is not None for each in (*tokens, *cost)):
        return None
    return tag(
        "tr",
        tag("th", "All steps", scope="row", class_="what"),
        [tag("td")] * 3,
        _cells(tokens, _format.count),
        _cells(cost, _format.cost),
        class_="total",
    )


def _tokens(one: Summary | Totals) -> float | None:
    known = [each for each in (one.tokens_in, one.tokens_out) if each is not None]
    return sum(known) if known else None


_Values = tuple[float | None, float | None]
_Shown = Callable[[float | None], str]


def _each(pair: Pair, value: Callable[[Summary], float | None]) -> _Values:
    left, right = (value(each) if each else None for each in (pair.left, pair.right))
    return left, right


def _cells(values: _Values, shown: _Shown) -> Node:
    """Show both values in one cell, and in the next how much larger the right one is."""
    left, right = values
    both = " → ".join("–" if each is None else shown(each) for each in values)  # noqa: RUF001 - a dash
    return (
        tag("td", shown(left) if left == right else both, class_="number"),
        tag("td", _change(left, right, shown), class_="number"),
    )


def _change(left: float | None, right: float | None, shown: _Shown) -> str:
    if left is None or right is None or left == right:
        return ""
    sign = "+" if right > left else "−"  # noqa: RUF001 - a minus
    share = f" ({sign}{abs(right - left) / left:.0%})" if left > 0 else ""
    return f"{sign}{shown(abs(right - left))}{share}"


def _input_section(comparison: Comparison) -> Node:
    """Show what went into the chosen pair, if that differs."""
    left, right = comparison.inputs
    pair = comparison.chosen
    if left == right or not (pair.left and pair.right):
        return None
    return _both("Input of ", pair, left, right)


def _outputs(comparison: Comparison) -> Markup:
    return _both("Output of ", comparison.chosen, comparison.left, comparison.right)


def _both(title: str, pair: Pair, one: str, other: str) -> Markup:
    """Show two texts of a pair side by side, with the words that differ marked."""
    left, right = differences(visible(one), visible(other))
    return tag(
        "section",
        tag("h2", title, pair.name),
        tag(
            "div",
            _output_side("Left", left, pair.left),
            _output_side("Right", right, pair.right),
            class_="both",
        ),
    )


def _output_side(title: str, words: Node, summary: Summary | None) -> Markup:
    missing = tag("p", "This side has no such step.", class_="soft")
    shown = tag("pre", words, dir="auto") if summary else missing
    return tag("div", tag("h3", title), tag("div", shown, class_="text"))


def differences(left: str, right: str) -> tuple[Node, Node]:
    """Mark the words that only one of two texts has; long texts are compared line by line."""
    one, other = _WORD.findall(left), _WORD.findall(right)
    if max(len(one), len(other)) > _MAX_WORDS:
        one, other = left.splitlines(keepends=True), right.splitlines(keepends=True)
    if max(len(one), len(other)) > _MAX_WORDS:
        return left, right
    marked: tuple[list[Node], list[Node]] = ([], [])
    matcher = difflib.SequenceMatcher(None, one, other, autojunk=False)
    for kind, i1, i2, j1, j2 in matcher.get_opcodes():
        removed, added = "".join(one[i1:i2]), "".join(other[j1:j2])
        same = kind == "equal"
        marked[0].append(removed if same or not removed else tag("del", removed))
        marked[1].append(added if same or not added else tag("ins", added))
    return marked
