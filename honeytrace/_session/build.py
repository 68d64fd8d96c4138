"""Build the finished `Session` from a record that has ended."""

from __future__ import annotations

from honeytrace._capture.deferred import Inputs, RequestBody, as_object, named, read
from honeytrace._capture.providers.embeddings import (
    is_embeddings,
    may_hold_embeddings,
    without_embeddings,
    without_vectors,
)
from honeytrace._capture.providers.media import may_hold_media, without_media
from honeytrace._capture.providers.prices import cost
from honeytrace._capture.providers.usage import shown, usage
from honeytrace._capture.streams import is_buffer
from honeytrace._session.record import ABSENT, CallRecord, format_id
from honeytrace._session.session import OBJECTS, RESERVED, Session
from honeytrace._utils.json import Json
from honeytrace._utils.version import __version__


def objects(record: CallRecord) -> dict[str, Json]:
    """Return the JSON objects of a session in their present state.

    Values set by the user win over those of `trace_session`. Those win over tags, and tags win
    over captured values.
    """
    return objects_and_read(record)[0]


def objects_and_read(record: CallRecord) -> tuple[dict[str, Json], dict[str, Json]]:
    """Return the JSON objects, and those of their values that were read from the outputs."""
    early = _before(record)
    late, is_model_call = _after(record, early["config"])
    found: dict[str, Json] = {name: {} for name in OBJECTS}
    for layer in (early, late, record.tags, record.spec.fields):
        for name, values in layer.items() if layer else ():
            found[name].update(values)
    for name, values in record.given.items() if record.given else ():
        # The values are a copy, made when the user first touched them.
        captured = {} if name in (record.replaced or ()) else late.get(name, {})
        found[name] = {**captured, **_without(values, (record.read or {}).get(name, {}))}
    if "metadata" not in (record.replaced or ()):
        also = shown(found["metrics"], is_model_call)
        found["metadata"] = {**also, **found["metadata"]}
        late["metadata"] = {**also, **late["metadata"]}
    return found, late


def _without(values: Json, read: Json) -> Json:
    """Leave out what was read from the outputs of an earlier moment, unless the user changed it."""
    return {name: value for name, value in values.items() if read.get(name, ABSENT) is not value}


def _before(record: CallRecord) -> dict[str, Json]:
    """Return the objects that were captured when the call began."""
    spec, captured = record.spec, record.captured
    if type(captured) is Inputs:
        return {name: without_media(each) for name, each in captured._asdict().items()}
    inputs = named(captured, spec.bind)
    if may_hold_media(captured):
        inputs = without_media(inputs)
    config = {name: inputs[name] for name in spec.config_args if name in inputs}
    if record.exchange is not None:
        inputs, more = record.exchange.split(inputs)
        config = {**config, **more}
    return {"inputs": inputs, "config": config}


def _after(record: CallRecord, named: Json) -> tuple[dict[str, Json], bool]:
    """Return the objects that were captured when the call ended, and whether it called a model.

    The token counts and the model are read from the outputs, whether captured or set by the user.
    Keys in `named`, the config captured from the arguments, are kept out of the result.
    """
    result = ABSENT if record.result is ABSENT else _result(record.result)
    if may_hold_media(record.result):
        result = without_media(result)
    outputs = {} if result is ABSENT else as_object(result)
    answer = outputs
    if record.given is not None and "outputs" in record.given:
        replaced = "outputs" in (record.replaced or ())
        answer = {**({} if replaced else outputs), **record.given["outputs"]}
    if record.exchange is not None:
        outputs, metrics, config, metadata = record.exchange.read(answer)
    else:
        metrics, config, metadata = usage(answer)
        if metrics or config or is_embeddings(outputs):  # an answer of a model
            outputs = without_vectors(outputs)
        of_embedder = record.spec.step == "embedding"
        if of_embedder or may_hold_embeddings(record.result):
            outputs = without_embeddings(outputs, of_embedder)
    is_model_call = bool(metrics or config or metadata)
    if record.streamed:
        metrics = {**metrics, **record.streamed.metrics}
    if is_model_call:
        _add_cost(record, metrics, named, config)
    config = {name: value for name, value in config.items() if name not in named}
    late = {"outputs": outputs, "metrics": metrics, "config": config, "metadata": metadata}
    return late, is_model_call


def _add_cost(record: CallRecord, metrics: Json, *configs: Json) -> None:
    """Add the cost of a model call, if it is known. The configs name the model and provider."""
    found = [each["model"] for each in configs if type(each.get("model")) is str]
    provider = record.exchange.provider if record.exchange else None
    if "cost" not in metrics and found:
        dollars = cost(found, metrics, record.defaults.prices, provider)
        if dollars is not None:
            metrics["cost"] = dollars


def _result(kept: object) -> object:
    return kept.value() if is_buffer(kept) else read(kept, "outputs")


def close(record: CallRecord) -> Session:
    """Build the `Session` of a record that has ended."""
    spec, failure = record.spec, record.failure
    session_id = format_id(record.id)
    fields = objects(record)
    fields["metadata"][RESERVED] = _about(record, session_id)
    start = record.started // 1_000_000
    return Session(
        project=spec.project or record.defaults.project,
        session_name=spec.name,
        source=spec.source or record.defaults.source,
        session_id=session_id,
        children_ids=[format_id(child) for child in record.children or ()],
        error=failure.text if failure else None,
        duration=record.duration,
        start_time=start,
        end_time=start + round(record.duration),
        **fields,
    )


def _about(record: CallRecord, session_id: str) -> Json:
    """Return the details that honeytrace adds to `metadata`, under its own key."""
    failure, streamed = record.failure, record.streamed
    about: Json = {
        "version": __version__,
        "function": record.spec.function,
        "kind": record.spec.kind,
        "root_id": session_id if record.root_id is record.id else format_id(record.root_id),
        "status": failure.status if failure else streamed.status if streamed else "ok",
    }
    if record.spec.function is None:
        del about["function"]
    if record.spec.step is not None:
        about["step"] = record.spec.step
    if record.parent_id is not None:
        about["parent_id"] = format_id(record.parent_id)
    if streamed:
        about["stream"] = streamed.about
    if failure:
        about["exception"] = failure.details
    if cuts := _cuts(record):
        about["truncated"] = cuts
    return about


def _cuts(record: CallRecord) -> list[str]:
    """Return the paths of all values that were truncated."""
    cuts = list(record.cuts or ())
    if type(record.captured) is RequestBody:
        cuts += record.captured.cuts
    if record.streamed and record.streamed.items.cut:
        cuts.append("outputs")
    if record.failure and record.failure.cut:
        cuts.append("error")
    return cuts
