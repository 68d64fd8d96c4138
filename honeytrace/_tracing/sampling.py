"""Decide at the root whether a tree of sessions is recorded.

The id of the root decides, so the decision is the same wherever it is made. Everything below
inherits it, in other threads and services too. Trees that are not sampled are not recorded; with
`keep`, they are held in memory until their root has ended.
"""

from __future__ import annotations

import threading
import zlib
from functools import partial
from typing import cast

from honeytrace._config.live import live
from honeytrace._config.pipeline import Keep, Pipeline
from honeytrace._config.sampler import threshold
from honeytrace._session.build import close
from honeytrace._session.context import without_tracing
from honeytrace._session.record import CallRecord, TraceSpec
from honeytrace._session.scope import Scope, enclosing
from honeytrace._utils.guard import try_call

MAX_HELD_SESSIONS = 1_000  # in one tree; a larger one is kept
MAX_HELD_BYTES = 16 * 2**20  # of captured values in one tree

UNSAMPLED = Scope(silent=True)
"""The current record inside a root that is not sampled."""


def is_sampled(drawn: bytes | str, limit: bytes) -> bool:
    """Return whether a root with this id is sampled.

    The first four bytes of a random id decide. Other ids are hashed, since they may be counted or
    begin with a time.
    """
    if isinstance(drawn, str):
        is_random = drawn[14:15] == "4" and not drawn.startswith("00000000")
        number = int(drawn[:8], 16) if is_random else zlib.crc32(drawn.encode())
        drawn = number.to_bytes(4, "big") + b"\0"
    return drawn < limit


def _drops(spec: TraceSpec, outer: CallRecord | None) -> bool:
    """Return whether a session is a root that is not recorded; `drops` calls this under the guard.

    If this returns False, `choose` decides. A root that is sampled gets the next id.
    """
    pipeline = live.pipeline
    if pipeline is None or spec.parent is not None:
        return False
    parent, scope = enclosing(outer)
    if parent is not None or (scope is not None and (scope.linked or scope.is_silent())):
        return False
    if spec.tracer is not None:
        pipeline = spec.tracer.pipeline()
    sampler = pipeline.sampler(spec.sample_rate)
    if sampler.samples_all:
        return False
    if next(sampler.dropped, False):
        return True
    live.ids.append(sampler.sampled_id())
    return False


drops = partial(live.guard.call, _drops)
"""Returns True for a root that is not recorded, because it is not sampled.

    drops(spec, outer) -> bool | None

`outer` is the current record. Ask this if `live.sampler` does not drop the root.
"""


def is_dropped(spec: TraceSpec, outer: CallRecord | None) -> bool:
    """Return True for a root that is not recorded, because it is not sampled.

    The text of stand-ins says the same in place, which costs less.
    """
    if outer is None and spec.usual and next(live.sampler.dropped, False):
        return True
    return bool((outer is None or outer.ended) and drops(spec, outer))


def choose(
    spec: TraceSpec,
    pipeline: Pipeline,
    parent: CallRecord | None,
    scope: Scope | None,
    drawn: bytes | str,
) -> Pipeline | Scope:
    """Return the pipeline of a session that starts, or a scope if it is not recorded."""
    origin = parent or scope
    tree = origin.defaults.tree if origin and isinstance(origin.defaults, HeldPipeline) else None
    if parent is None and not (scope is not None and scope.linked):
        limit = pipeline.threshold if spec.sample_rate is None else threshold(spec.sample_rate)
        if limit is not None and not is_sampled(drawn, limit):
            if pipeline.keep is None:
                live.rare = True
                return UNSAMPLED if scope is None else Scope(scope, tags=scope.tags, silent=True)
            tree = HeldTree(pipeline.keep)
    return pipeline if tree is None else tree.pipeline(pipeline)


class HeldPipeline(Pipeline):
    """A pipeline whose sessions wait for the decision about their tree.

    Attributes:
        base: the pipeline that takes them if the tree is kept.
        tree: the tree.
    """

    __slots__ = ("base", "tree")

    def __init__(self, base: Pipeline, tree: HeldTree) -> None:
        for name in Pipeline.__slots__:
            setattr(self, name, getattr(base, name))
        self.base = base
        self.tree = tree
        self.accept = tree.take


class HeldTree:
    """The sessions of a tree that is not sampled, until its root has ended."""

    def __init__(self, keep: Keep) -> None:
        self._keep = keep
        self._lock = threading.RLock()  # a signal handler may end a session as well
        self._pipelines: list[HeldPipeline] = []
        self._records: list[CallRecord] = []
        self._bytes = 0
        self._is_kept: bool | None = None
        live.suspended[id(self)] = lambda: self
        live.hold_trees()

    def pipeline(self, base: Pipeline) -> Pipeline:
        """Return the pipeline for a session of this tree, which would use `base` otherwise."""
        if self._is_kept:
            return base
        for each in self._pipelines:
            if each.base is base:
                return each
        self._pipelines.append(HeldPipeline(base, self))
        return self._pipelines[-1]

    def take(self, record: CallRecord) -> None:
        with self._lock:
            if self._is_kept is None:
                self._records.append(record)
                self._bytes += record.size
                self._look_at(record)
            elif self._is_kept:
                _deliver(record)

    def end(self) -> None:
        """Keep the tree if its root is still running when the program ends."""
        with self._lock:
            self._decide(True)

    def _look_at(self, record: CallRecord) -> None:
        if record.parent_id is None:
            is_kept = True  # also if an exception from outside, such as Ctrl-C, ends `keep`
            try:
                is_kept = _is_wanted(self._keep, record)
            finally:
                self._decide(is_kept)
        elif len(self._records) > MAX_HELD_SESSIONS or self._bytes > MAX_HELD_BYTES:
            words = "a tree that waits for `keep` has over %d sessions or %d bytes; it is kept"
            live.guard.warn("held", words, MAX_HELD_SESSIONS, MAX_HELD_BYTES)
            self._decide(True)

    def _decide(self, is_kept: bool) -> None:
        live.suspended.pop(id(self), None)
        self._is_kept = is_kept
        records, self._records = self._records, []
        for record in records if is_kept else ():
            _deliver(record)


def _deliver(record: CallRecord) -> None:
    cast("HeldPipeline", record.defaults).base.accept(record)


def _is_wanted(keep: Keep, record: CallRecord) -> bool:
    """Ask the user's function about a root; if it raises, the tree is kept."""
    wanted, fault = try_call(without_tracing, keep, close(record))
    if fault is not None:
        live.guard.user_function_failed("keep", "configure()", fault)
        return True
    return bool(wanted)
