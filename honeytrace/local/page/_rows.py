"""The tree of a session beside its timeline: one row for each step, with its bar and figures."""

from __future__ import annotations

from collections.abc import Sequence

from honeytrace.local import _format
from honeytrace.local._summary import Summary
from honeytrace.local._trees import Step
from honeytrace.local.page import _layout
from honeytrace.local.page._html import Markup, Node, join, tag
from honeytrace.local.page._requests import Request
from honeytrace.local.page._timeline import Timing, ticks
from honeytrace.local.page._view import View

_MAX_DEPTH = 14  # of indentation; deeper steps are not indented further
_MAX_NESTED = 100  # levels of lists in lists: browsers flatten what is 512 elements deep
_MAX_PIECES = 30  # of one bar
_MIN_PIECE = 0.005  # of the axis; shorter ones cannot be seen
_UNFOLDED = 60  # a tree with more steps shows only what matters unfolded


def steps(view: View, request: Request) -> Markup:
    """Return the section with all steps, as far as they are unfolded."""
    return tag(
        "section", _toolbar(view, request), _grid(view, request), class_="steps", aria_label="Steps"
    )


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
    marks = [tag("text", _format.tick(at), x=f"{at / total:.2%}", y="12") for at in ticks(total)]
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
            below = join([made.pop(child.id) for child in step.children])
            if step.depth - top.depth < _MAX_NESTED:
                made[step.id] = [self._item(step, below)]
            else:  # the steps inside follow in the same list
                made[step.id] = [self._item(step, Markup("")), below]
        return join(made[top.id])

    def _item(self, step: Step, below: Markup) -> Markup:
        row = self._row(step)
        if not below:
            return tag("li", row)
        count = _format.plural(len(step.children), "step")
        hits = self._hits.get(step.id, 0) - (step.number in self._view.hits)
        summary = tag(
            "summary",
            tag("span", f"{count} in {step.name}", class_="unseen"),
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
        cells: dict[str, Node] = {
            "took": _format.duration(summary.duration),
            "self": _format.duration(timing.self_time) if step.children else "",
            "tokens": _format.tokens(summary.tokens_in, summary.tokens_out),
            "cost": _format.cost(summary.cost),
        }
        return tag(
            "div",
            self._what(step, summary),
            self._bar(timing, step.failed),
            [tag("span", cells[column], class_=column) for column in self._columns],
            class_=self._classes(step, timing),
            data_self=f"{timing.self_time:.3f}",
        )

    def _classes(self, step: Step, timing: Timing) -> str:
        given = {
            "row": True,
            "failed": step.failed,
            "critical": timing.critical,
            "hit": step.number in self._view.hits,
            "chosen": step.id == self._view.chosen.id,
        }
        return " ".join(name for name, holds in given.items() if holds)

    def _what(self, step: Step, summary: Summary) -> Markup:
        """Return the first cell: the name of the step with its kind, status and mark."""
        chosen = step.id == self._view.chosen.id
        name = tag(
            "a",
            _layout.breakable(summary.name),
            href=self._request.link(f"/s/{step.id}"),
            class_="step",
            aria_current="true" if chosen else None,
        )
        badges = _layout.spaced(
            _layout.kind(summary.kind),
            tag("span", summary.model, class_="kind") if summary.model else None,
            self._status(step, summary),
            self._unfinished(step),
            _layout.mark(summary.marked),
            self._slow(summary),
        )
        return tag("span", name, " ", badges, class_=f"what {_indent(step)}")

    def _status(self, step: Step, summary: Summary) -> Node:
        """Mark where a run failed: the steps around it mostly repeat the error."""
        inner = step.failed and not any(each.failed for each in step.children)
        if not inner or len(self._view.tree.steps) < 2:
            return _layout.status(summary.status)
        return tag("span", "error here", class_="status error here")

    def _unfinished(self, step: Step) -> Node:
        words = self._view.unfinished.get(step.number)
        return tag("span", words, class_="status other") if words else None

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
        wanted |= {step.id for step in steps if step.failed or step.number in view.hits}
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
