"""A session that has ended, one that still runs, and the closing of one into the other."""

from __future__ import annotations

import uuid
from copy import deepcopy
from dataclasses import dataclass, field
from reprlib import Repr

from honeytrace._capture import Inputs, as_object, named, read
from honeytrace._items import Items
from honeytrace._record import ABSENT, Json, Record, spell
from honeytrace._snapshot import Snapshot
from honeytrace._usage import usage
from honeytrace._version import __version__

OBJECTS = ("config", "inputs", "outputs", "user_properties", "metrics", "feedback", "metadata")
"""The fields of a session that hold a JSON object of the user's."""

RESERVED = "honeytrace"
"""The one key of `metadata` that is ours."""

_short = Repr()
_short.maxstring = _short.maxother = 60
_repr = _short.repr


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """What happened: one call of an LLM application, as HoneyHive's API takes it.

    `duration` is in milliseconds; `start_time` and `end_time` are milliseconds since 1970, UTC.
    A value that is None is left out of the request.
    `extra` holds the keys of an answer that are no field of a session (`parent_id`,
    `event_type` and whatever the server adds).
    """

    project: str
    session_name: str
    source: str
    session_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    children_ids: list[str] = field(default_factory=list)
    config: Json = field(default_factory=dict)
    inputs: Json = field(default_factory=dict)
    outputs: Json = field(default_factory=dict)
    error: str | None = None
    duration: float | None = None
    user_properties: Json = field(default_factory=dict)
    metrics: Json = field(default_factory=dict)
    feedback: Json = field(default_factory=dict)
    metadata: Json = field(default_factory=dict)
    start_time: float | None = None
    end_time: int | None = None
    extra: Json = field(default_factory=dict)

    def __repr__(self) -> str:
        """One line, long values cut: it stands in failing assertions."""
        told = {"inputs": self.inputs, "outputs": self.outputs, "error": self.error}
        parts = [f"{name}={_repr(value)}" for name, value in told.items() if value]
        return f"<Session {' '.join([_repr(self.session_name), self.session_id, *parts])}>"


# ---- Still running


class _Object:
    """An attribute of `ActiveSession` that holds one of the JSON objects."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, session: ActiveSession, owner: type) -> Json:
        return session._object(self._name)

    def __set__(self, session: ActiveSession, value: object) -> None:
        session._replace(self._name, value)


class ActiveSession:
    """A session that still runs: what is set here goes out with it when it ends.

    The seven objects can be changed in place (`session.metrics["hits"] = 3`) or replaced
    (`session.outputs = answer` copies; what is no dict becomes `{"result": value}`). After the end
    nothing is taken any more. The null session, outside of any, takes everything, keeps nothing
    and is false in a condition.
    """

    __slots__ = ("_record",)

    config = _Object()
    inputs = _Object()
    outputs = _Object()
    user_properties = _Object()
    metrics = _Object()
    feedback = _Object()
    metadata = _Object()

    def __init__(self, record: Record | None) -> None:
        self._record = record

    def __bool__(self) -> bool:
        return self._record is not None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ActiveSession) and self._record is other._record

    def __hash__(self) -> int:
        return id(self._record)

    def __repr__(self) -> str:
        if self._record is None:
            return "<no session>"
        state = "ended" if self._record.ended else "running"
        return f"<ActiveSession {self.session_name!r} {self.session_id} {state}>"

    @property
    def session_id(self) -> str:
        """The UUID, known from the start; empty for the null session."""
        return spell(self._record.id) if self._record else ""

    @property
    def session_name(self) -> str:
        return self._record.template.name if self._record else ""

    @property
    def parent_id(self) -> str | None:
        """The id of the session that this one was started in."""
        record = self._record
        return spell(record.parent_id) if record and record.parent_id else None

    @property
    def root_id(self) -> str:
        """The id of the outermost session; its own if it is the outermost."""
        return spell(self._record.root_id) if self._record else ""

    @property
    def children_ids(self) -> list[str]:
        """The ids of the sessions started directly inside so far, in start order."""
        return [spell(child) for child in (self._record and self._record.children) or ()]

    def add_child(self, session_id: str | uuid.UUID) -> None:
        """Counts a session that was started elsewhere, in another process say, as a child."""
        record = self._record
        if record is not None and not record.ended:
            record.children = [*(record.children or ()), str(session_id)]

    def _object(self, name: str) -> Json:
        record = self._record
        if record is None:
            return {}
        if record.ended:
            return objects(record)[name]
        if record.given is None:
            record.given = {}
        if name not in record.given:  # plain data, in part shared by all calls of a function
            record.given[name] = deepcopy(objects(record)[name])
        return record.given[name]

    def _replace(self, name: str, value: object) -> None:
        record = self._record
        if record is None or record.ended:
            return
        # Copied here: to ask a foreign object whether it is a mapping would run its code.
        copy = Snapshot().take(value, name)
        record.given = record.given or {}
        record.given[name] = copy if type(copy) is dict else {"result": copy}
        record.replaced = (record.replaced or set()) | {name}


NOTHING = ActiveSession(None)
"""The null session."""


# ---- The closing


def objects(record: Record) -> dict[str, Json]:
    """The seven objects as they stand; later wins: captured, `trace_session`, set by the user."""
    given, fixed = record.given or {}, record.template.fields
    early = _before(record)
    late = _after(record, early["config"])
    replaced = record.replaced or ()
    found: dict[str, Json] = {}
    for name in OBJECTS:
        captured = {} if name in replaced else late.get(name, {})
        if name in given:  # begun from what was there when the user first touched it
            found[name] = {**captured, **given[name]}
        else:
            found[name] = {**early.get(name, {}), **captured, **fixed.get(name, {})}
    return found


def _before(record: Record) -> dict[str, Json]:
    """What was captured when the call began."""
    template, captured = record.template, record.captured
    if type(captured) is Inputs:
        return captured._asdict()
    inputs = named(captured, template.bind)
    return {
        "inputs": inputs,
        "config": {name: inputs[name] for name in template.config_args if name in inputs},
    }


def _after(record: Record, named: Json) -> dict[str, Json]:
    """What was captured when it ended, and the tokens and the model that the outputs tell of, set
    by the user or captured.

    A model that the user `named` for `config` stays.
    """
    outputs = {} if record.result is ABSENT else as_object(_result(record.result))
    answer = (record.given or {}).get("outputs", {})
    if "outputs" not in (record.replaced or ()):
        answer = {**outputs, **answer}
    metrics, config = usage(answer)
    if record.streamed:
        metrics = {**metrics, **record.streamed.metrics}
    config = {name: value for name, value in config.items() if name not in named}
    return {"outputs": outputs, "metrics": metrics, "config": config}


def _result(kept: object) -> object:
    return kept.value() if type(kept) is Items else read(kept, "outputs")


def close(record: Record) -> Session:
    """What happened, as a `Session`, from a record that has ended."""
    template, failure = record.template, record.failure
    fields = objects(record)
    start = record.started // 1_000_000
    return Session(
        project=template.project or record.defaults.project,
        session_name=template.name,
        source=template.source or record.defaults.source,
        session_id=spell(record.id),
        children_ids=[spell(child) for child in record.children or ()],
        error=failure.text if failure else None,
        duration=record.duration,
        start_time=start,
        end_time=start + round(record.duration),
        **{**fields, "metadata": {**fields["metadata"], RESERVED: _about(record)}},
    )


def _about(record: Record) -> Json:
    """What stands under the reserved key of `metadata`."""
    failure, streamed = record.failure, record.streamed
    cuts = list(record.cuts or ())
    if streamed and streamed.items.cut:
        cuts.append("outputs")
    if failure and failure.cut:
        cuts.append("error")
    about = {
        "version": __version__,
        "function": record.template.function,
        "kind": record.template.kind,
        "parent_id": spell(record.parent_id) if record.parent_id else None,
        "root_id": spell(record.root_id),
        "status": failure.status if failure else "ok",
        "stream": streamed.about if streamed else None,
        "truncated": cuts or None,
        "exception": failure.details if failure else None,
    }
    return {key: value for key, value in about.items() if value is not None}
