"""A session: its tree beside its timeline, what failed, what was slow, what it cost: `/s/ID`.

The page of a step shows the whole tree that the step is in, with this step chosen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from honeytrace._utils.json import Json
from honeytrace.local import _format, _trees, _usual
from honeytrace.local._query import understood
from honeytrace.local._store import Found, Store
from honeytrace.local._summary import Summary
from honeytrace.local._trees import Step, Totals, Tree
from honeytrace.local._usual import Usual
from honeytrace.local.page import _layout, _step
from honeytrace.local.page._html import Markup, Node, join, tag
from honeytrace.local.page._requests import Request, link
from honeytrace.local.page._timeline import Timeline, Timing, ticks, timeline

_MAX_DEPTH = 14  # of indentation; deeper steps are not indented further
_MAX_PIECES = 30  # of one bar
_MIN_PIECE = 0.005  # of the axis; shorter ones cannot be seen
_UNFOLDED = 60  # a tree with more steps shows only what matters unfolded


@dataclass(frozen=True, slots=True)
class View:
    """The contents of the page of a session.

    Attributes:
        tree: the tree that the chosen step is in, or the part below it if that is too large.
        above: the sessions above the top of this tree.
        chosen: the step that is shown in full.
        hits: numbers of the steps that match the query.
        usual: how long steps of the same name take, by name.
        newer, older: the sessions beside this one in the list.
    """

    tree: Tree
    above: list[Step]
    chosen: Step
    timeline: Timeline
    totals: Totals
    query: str
    hits: set[int]
    usual: dict[str, Usual]
    newer: Found | None
    older: Found | None


def load(store: Store, request: Request, session_id: str) -> View | None:
    """Read what the page shows; None if there is no such session."""
    chosen = store.read(_trees.find, session_id)
    if chosen is None or chosen.summary is None:
        return None
    above = store.read(_trees.above, chosen)
    tree = store.read(_trees.load, above[0] if above else chosen)
    found = next((step for step in tree.steps if step.id == chosen.id), None)
    if found is None:  # it is too far down a large tree
        tree, found = store.read(_trees.load, chosen), chosen
    else:
        above = []
    summaries = [step.summary for step in tree.steps if step.summary]
    query = understood(request.get("q"))
    top = summaries[0]
    step, root = (chosen.summary.start, chosen.number), (top.start, tree.top.number)
    newer, older = store.beside(query, step, root)
    return View(
        tree,
        above,
        found,
        timeline(tree),
        _trees.total(summaries, partial=tree.unread > 0),
        query,
        store.matching(query, [step.number for step in tree.steps]) if query else set(),
        store.read(_usual.by_name, [each.name for each in summaries]),
        newer,
        older,
    )


def as_json(view: View) -> Json:
    return {
        "chosen": view.chosen.id,
        "totals": asdict(view.totals),
        "unread": view.tree.unread,
        "steps": [_step_as_json(view, step) for step in view.tree.steps],
    }


def _step_as_json(view: View, step: Step) -> Json:
    if step.summary is None:
        return {"id": step.id, "stored": False, "depth": step.depth}
    timing = view.timeline.timings[step.id]
    return {
        **step.summary._asdict(),
        "depth": step.depth,
        "self": timing.self_time,
        "critical": timing.critical,
        "matches": step.number in view.hits,
    }


def render(view: View, request: Request, session: Json | None) -> bytes:
    """Return the page; `session` is the chosen step in full, None if it was deleted."""
    top = view.tree.top.summary
    assert top  # noqa: S101 - for the type checker
    chosen = view.chosen.summary
    usual = view.usual.get(chosen.name) if chosen else None
    panel = _step.render(view.chosen, session, view.timeline, usual, request)
    tree = tag(
        "section", _toolbar(view, request), _grid(view, request), class_="steps", aria_label="Steps"
    )
    return _layout.document(
        top.name,
        tag("div", _head(view, top), _answers(view, request), class_="about"),
        tag("div", tree, panel, class_="split"),
        header=_layout.header(view.query),
        kind="session",
    )


def _head(view: View, top: Summary) -> Node:
    totals = view.totals
    facts = [
        _layout.when(top.start),
        _format.duration(top.duration),
        _format.plural(totals.steps, "step") + ("+" if totals.partial else ""),
        ", ".join(totals.models),
        _filter("user", top.user),
        _filter("conversation", top.conversation),
        f"project {top.project}",
        top.source,
    ]
    beside = [
        tag("a", f"← {name}", href=link(f"/s/{found.summary.id}", q=view.query), rel=rel)
        if rel == "prev"
        else tag("a", f"{name} →", href=link(f"/s/{found.summary.id}", q=view.query), rel=rel)
        for name, found, rel in (("Newer", view.newer, "prev"), ("Older", view.older, "next"))
        if found
    ]
    compare = tag(
        "a",
        "Compare with the run before",
        href=link(f"/s/{view.chosen.id}/previous"),
        rel="compare",
    )
    return (
        tag(
            "p",
            tag("a", "Sessions", href=link("/", q=view.query), rel="up"),
            [(" / ", tag("a", _name(step), href=link(f"/s/{step.id}"))) for step in view.above],
            tag("span", compare, beside, class_="pages"),
            class_="crumbs",
        ),
        tag("h1", top.name, " ", _layout.status(top.status)),
        tag("p", [tag("span", fact) for fact in facts if fact], class_="facts"),
    )


def _filter(condition: str, value: str | None) -> Node:
    """Link to all sessions of the same user or conversation."""
    if not value:
        return None
    bare = value.replace('"', "")
    return (f"{condition} ", tag("a", value, href=link("/", q=f'{condition}:"={bare}"')))


def _answers(view: View, request: Request) -> Node:
    """Answer at a glance: what failed, what was slow, what did it cost."""
    answers = [_failed(view, request), _slow(view, request), _spent(view)]
    return tag(
        "dl",
        [(tag("dt", name), tag("dd", words)) for name, words in filter(None, answers)],
        class_="answers",
    )


def _failed(view: View, request: Request) -> tuple[str, Node] | None:
    """Name the innermost step that failed: the others mostly repeat its error."""
    failed = [step for step in view.tree.steps if _status(step) == "error"]
    inner = [step for step in failed if not any(_status(each) == "error" for each in step.children)]
    if not inner:
        return None
    first = inner[0]
    more = f" and {_format.plural(len(inner) - 1, 'other step')}" if len(inner) > 1 else ""
    error = first.summary.error if first.summary else None
    return "Failed", (
        _link(first, request),
        more,
        ": " if error else None,
        tag("span", error, class_="why"),
    )


def _slow(view: View, request: Request) -> tuple[str, Node] | None:
    """Name the step that took most of the time by itself."""
    timings = view.timeline.timings
    slowest = max(timings, key=lambda step_id: timings[step_id].self_time, default=None)
    if slowest is None or len(timings) < 2:
        return None
    step = next(step for step in view.tree.steps if step.id == slowest)
    spent = timings[slowest].self_time
    share = spent / view.timeline.total
    return "Slowest", (_link(step, request), f" {_format.duration(spent)}, {share:.0%} of the time")


def _spent(view: View) -> tuple[str, Node] | None:
    totals = view.totals
    tokens = _format.tokens(totals.tokens_in, totals.tokens_out)
    words = ", ".join(filter(None, (_format.cost(totals.cost), tokens and f"{tokens} tokens")))
    if not words:
        return None
    return ("Cost" if totals.cost is not None else "Tokens"), words + (
        "+" if totals.partial else ""
    )


def _status(step: Step) -> str:
    return step.summary.status if step.summary else ""


def _name(step: Step) -> str:
    return step.summary.name if step.summary else step.id


def _address(step: Step, request: Request) -> str:
    return request.link(f"/s/{step.id}")


def _link(step: Step, request: Request) -> Markup:
    return tag("a", _name(step), href=_address(step, request), class_="step")


def _toolbar(view: View, request: Request) -> Node:
    if len(view.tree.steps) < 2:
        return None
    folds = [("Unfold all", "all"), ("Fold", "top")]
    hits = _format.plural(len(view.hits), "match", "matches")
    return tag(
        "p",
        [tag("a", name, href=request.link(fold=value), data_fold=value) for name, value in folds],
        tag("span", hits) if view.query else None,
        class_="toolbar",
    )


def _grid(view: View, request: Request) -> Node:
    """Show the tree; each row has the step's bar on the axis of the whole tree."""
    spent = [step.summary for step in view.tree.steps if step.summary]
    wanted = [
        ("took", "Duration", True),
        ("self", "Self", len(view.tree.steps) > 1),
        (
            "tokens",
            "Tokens",
            any(s.tokens_in is not None or s.tokens_out is not None for s in spent),
        ),
        ("cost", "Cost", any(s.cost is not None for s in spent)),
    ]
    columns = [(name, title) for name, title, shown in wanted if shown]
    kind = f"columns-{len(columns)}"
    return tag(
        "div",
        _axis(view.timeline.total, columns),
        tag(
            "ul",
            _Rows(view, request, [name for name, _ in columns]).row(view.tree.top),
            class_="tree",
        ),
        _unread(view),
        class_=f"grid {kind}",
    )


def _unread(view: View) -> Node:
    if not view.tree.unread:
        return None
    words = (
        f"{_format.plural(view.tree.unread, 'more step')} and what is inside are not shown here."
    )
    return tag("p", words, class_="soft")


def _axis(total: float, columns: Sequence[tuple[str, str]]) -> Markup:
    marks = [
        tag("text", _format.tick(at), x=f"{100 * at / total:.2f}%", y="12") for at in ticks(total)
    ]
    titles = [tag("span", title, class_=name) for name, title in columns]
    axis = tag("svg", marks, class_="axis", aria_hidden="true")
    return tag(
        "div",
        tag("span", "Step", class_="what"),
        axis,
        titles,
        class_="row head",
        aria_hidden="true",
    )


class _Rows:
    """Makes the rows of a tree."""

    def __init__(self, view: View, request: Request, columns: Sequence[str]) -> None:
        self._view = view
        self._request = request
        self._columns = columns
        self._open = _unfolded(view, request.get("fold"))
        self._hits = _hits_below(view)

    def row(self, top: Step) -> Markup:
        """Return the row of a step with all rows below it, without recursion: trees can be deep."""
        made: dict[str, list[Node]] = {}
        for step in reversed(self._view.tree.steps):
            below = [made.pop(child.id) for child in step.children]
            made[step.id] = [self._item(step, join(below))]
        return join(made[top.id])

    def _item(self, step: Step, below: Markup) -> Markup:
        row = self._row(step)
        if not below:
            return tag("li", row)
        count = _format.plural(len(step.children), "step")
        hits = self._hits.get(step.id, 0) - (step.number in self._view.hits)
        summary = tag(
            "summary",
            tag("span", f"{count} in {_name(step)}", class_="unseen"),
            tag("span", str(hits), class_="hits", title=f"{hits} matches inside") if hits else None,
            class_=_indent(step),
        )
        inner = tag("details", summary, tag("ul", below), open=step.id in self._open)
        return tag("li", row, inner)

    def _row(self, step: Step) -> Markup:
        summary = step.summary
        if summary is None:
            cell = tag("span", f"{step.id} (not stored)", class_=f"what soft {_indent(step)}")
            return tag("div", cell, class_="row")
        timing = self._view.timeline.timings[step.id]
        chosen = step.id == self._view.chosen.id
        cells: dict[str, Node] = {
            "took": _format.duration(summary.duration),
            "self": _format.duration(timing.self_time) if step.children else "",
            "tokens": _format.tokens(summary.tokens_in, summary.tokens_out),
            "cost": _format.cost(summary.cost),
        }
        classes = [
            "row",
            "failed" if summary.status == "error" else "",
            "critical" if timing.critical else "",
            "hit" if step.number in self._view.hits else "",
            "chosen" if chosen else "",
        ]
        name = tag(
            "span",
            tag(
                "a",
                summary.name,
                href=_address(step, self._request),
                class_="step",
                aria_current="true" if chosen else None,
            ),
            " ",
            _layout.spaced(
                _layout.kind(summary.kind),
                _layout.status(summary.status),
                _layout.mark(summary.marked),
                self._slow(summary),
            ),
            class_=f"what {_indent(step)}",
        )
        return tag(
            "div",
            name,
            self._bar(timing, summary.status == "error"),
            [tag("span", cells[column], class_=column) for column in self._columns],
            class_=" ".join(filter(None, classes)),
            data_self=f"{timing.self_time:.3f}",
        )

    def _slow(self, summary: Summary) -> Node:
        usual = self._view.usual.get(summary.name)
        times = usual.times_slower(summary.duration) if usual else None
        return tag("span", f"{times:.1f}× usual", class_="status slow") if times else None  # noqa: RUF001 - times

    def _bar(self, timing: Timing, failed: bool) -> Markup:
        total = self._view.timeline.total
        kind = " failed" if failed else " path" if timing.critical else ""
        whole = f"all{kind}" if failed else "all"
        pieces = [(timing.begin / total, (timing.end - timing.begin) / total, whole)]
        own = [piece for piece in timing.own if (piece[1] - piece[0]) / total > _MIN_PIECE]
        for begin, end in own[:_MAX_PIECES]:
            pieces.append((begin / total, (end - begin) / total, f"self{kind}"))
        return _layout.bar(*pieces)


def _indent(step: Step) -> str:
    return f"d{min(step.depth, _MAX_DEPTH)}"


def _unfolded(view: View, fold: str) -> set[str]:
    """Return the ids of the steps whose children are shown."""
    steps = view.tree.steps
    if fold == "all" or (fold != "top" and len(steps) <= _UNFOLDED):
        return {step.id for step in steps}
    shown = {view.tree.top.id}
    wanted = {view.chosen.id}
    if fold != "top":
        wanted |= {
            step.id for step in steps if _status(step) == "error" or step.number in view.hits
        }
        wanted |= {
            step.id
            for step in steps
            if step.id in view.timeline.timings and view.timeline.timings[step.id].critical
        }
    for step in reversed(steps):
        if any(child.id in wanted or child.id in shown for child in step.children):
            shown.add(step.id)
    return shown


def _hits_below(view: View) -> dict[str, int]:
    """Count the matches in each branch, with the step itself."""
    counts: dict[str, int] = {}
    for step in reversed(view.tree.steps):
        inside = sum(counts[child.id] for child in step.children)
        counts[step.id] = inside + (step.number in view.hits)
    return counts
