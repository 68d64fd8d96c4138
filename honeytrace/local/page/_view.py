"""Read from the store what the page of a session shows: `View`."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from honeytrace._utils.json import Json
from honeytrace.local import _streams, _trees, _usual
from honeytrace.local._query import understood
from honeytrace.local._store import Found, Store
from honeytrace.local._trees import Step, Totals, Tree
from honeytrace.local._usual import Usual
from honeytrace.local.page._requests import Request
from honeytrace.local.page._timeline import Timeline, timeline


@dataclass(frozen=True, slots=True)
class View:
    """The contents of the page of a session.

    Attributes:
        tree: the tree that the chosen step is in, or the part below it if that is too large.
        above: the sessions above the top of this tree.
        chosen: the step that is shown in full.
        hits: numbers of the steps that match the query.
        usual: how long steps of the same name take, by name.
        unfinished: what to say of streams that were not read to the end, by number.
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
    unfinished: dict[int, str]
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
    if query:
        store.catch_up_soon(query)
    top = summaries[0]
    step, root = (chosen.summary.start, chosen.number), (top.start, tree.top.number)
    streams = [each.number for each in tree.steps if _may_stream(each)]
    numbers = [each.number for each in tree.steps]
    newer, older, hits = store.around(query, step, root, numbers)
    return View(
        tree,
        above,
        found,
        timeline(tree),
        _trees.total(summaries, partial=tree.unread > 0),
        query,
        hits,
        store.read(_usual.by_name, [each.name for each in summaries]),
        store.read(_streams.unfinished, streams),
        newer,
        older,
    )


def _may_stream(step: Step) -> bool:
    """Return whether to look into the body of a step, which takes longer than its summary.

    An error says already that the end was not reached.
    """
    return step.summary is not None and step.summary.status == "ok" and not step.children


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
