"""Build the finished `Session` from a record that has ended."""

from __future__ import annotations

from honeytrace._capture.deferred import Inputs, as_object, named, read
from honeytrace._capture.providers.usage import usage
from honeytrace._capture.streams import StreamBuffer
from honeytrace._session.record import ABSENT, CallRecord, format_id
from honeytrace._session.session import OBJECTS, RESERVED, Session
from honeytrace._utils.json import Json
from honeytrace._utils.version import __version__


def objects(record: CallRecord) -> dict[str, Json]:
    """The seven objects as they stand; later wins: captured, `trace_session`, set by the user."""
    given, fixed = record.given or {}, record.spec.fields
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


def _before(record: CallRecord) -> dict[str, Json]:
    """What was captured when the call began."""
    spec, captured = record.spec, record.captured
    if type(captured) is Inputs:
        return captured._asdict()
    inputs = named(captured, spec.bind)
    return {
        "inputs": inputs,
        "config": {name: inputs[name] for name in spec.config_args if name in inputs},
    }


def _after(record: CallRecord, named: Json) -> dict[str, Json]:
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
    return kept.value() if type(kept) is StreamBuffer else read(kept, "outputs")


def close(record: CallRecord) -> Session:
    """What happened, as a `Session`, from a record that has ended."""
    spec, failure = record.spec, record.failure
    fields = objects(record)
    start = record.started // 1_000_000
    return Session(
        project=spec.project or record.defaults.project,
        session_name=spec.name,
        source=spec.source or record.defaults.source,
        session_id=format_id(record.id),
        children_ids=[format_id(child) for child in record.children or ()],
        error=failure.text if failure else None,
        duration=record.duration,
        start_time=start,
        end_time=start + round(record.duration),
        **{**fields, "metadata": {**fields["metadata"], RESERVED: _about(record)}},
    )


def _about(record: CallRecord) -> Json:
    """What stands under the reserved key of `metadata`."""
    failure, streamed = record.failure, record.streamed
    cuts = list(record.cuts or ())
    if streamed and streamed.items.cut:
        cuts.append("outputs")
    if failure and failure.cut:
        cuts.append("error")
    about = {
        "version": __version__,
        "function": record.spec.function,
        "kind": record.spec.kind,
        "parent_id": format_id(record.parent_id) if record.parent_id else None,
        "root_id": format_id(record.root_id),
        "status": failure.status if failure else "ok",
        "stream": streamed.about if streamed else None,
        "truncated": cuts or None,
        "exception": failure.details if failure else None,
    }
    return {key: value for key, value in about.items() if value is not None}
