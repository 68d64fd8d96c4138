"""A session: its tree beside its timeline, what failed, what was slow, what it cost: `/s/ID`.

The page of a step shows the whole tree that the step is in, with this step chosen.
"""

from __future__ import annotations

from honeytrace._utils.json import Json
from honeytrace.local import _format
from honeytrace.local._summary import Summary
from honeytrace.local._trees import Step
from honeytrace.local.page import _layout, _rows, _step
from honeytrace.local.page._html import Markup, Node, tag
from honeytrace.local.page._requests import Request, link
from honeytrace.local.page._view import View


def render(view: View, request: Request, session: Json | None, maker: Json | None = None) -> bytes:
    """Return the page.

    session: the chosen step in full; None if it was deleted.
    maker: the step, or the nearest one above it, that is the call of a function.
    """
    top = view.tree.top.summary
    assert top  # noqa: S101 - for the type checker
    chosen = view.chosen.summary
    usual = view.usual.get(chosen.name) if chosen else None
    panel = _step.render(view.chosen, session, view.timeline, usual, request, maker)
    return _layout.document(
        top.name,
        tag("div", _head(view, top), _answers(view, request), class_="about"),
        tag("div", _rows.steps(view, request), panel, class_="split"),
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
        f"source {top.source}",
    ]
    return (
        tag(
            "p",
            tag("a", "Sessions", href=link("/", q=view.query), rel="up"),
            [(" / ", tag("a", step.name, href=link(f"/s/{step.id}"))) for step in view.above],
            tag("span", _compare(view), _beside(view), class_="pages"),
            class_="crumbs",
        ),
        tag("h1", top.name, " ", _layout.status(top.status)),
        tag("p", top.preview, class_="preview", dir="auto") if top.preview else None,
        tag("p", [tag("span", fact) for fact in facts if fact], class_="facts"),
    )


def _compare(view: View) -> Node:
    address = link(f"/s/{view.chosen.id}/previous")
    return tag("a", "Compare with the run before", href=address, rel="compare")


def _beside(view: View) -> Node:
    """Link to the sessions before and after this one in the list."""
    links = (("← Newer", view.newer, "prev"), ("Older →", view.older, "next"))
    return [
        tag("a", words, href=link(f"/s/{found.summary.id}", q=view.query), rel=rel)
        for words, found, rel in links
        if found
    ]


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
    failed = [step for step in view.tree.steps if step.failed]
    inner = [step for step in failed if not any(each.failed for each in step.children)]
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


def _link(step: Step, request: Request) -> Markup:
    return tag("a", step.name, href=request.link(f"/s/{step.id}"), class_="step")
