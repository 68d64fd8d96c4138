"""Convert a model's answer into the metrics, config and metadata of a session."""

from __future__ import annotations

from honeytrace._capture.providers.answer import Answer
from honeytrace._capture.providers.answers import read_answer
from honeytrace._utils.json import Json


def usage(outputs: Json) -> tuple[Json, Json, Json]:
    """Return the values for `metrics`, `config` and `metadata` that the outputs hold."""
    answer = read_answer(outputs)
    if answer is None or not answer.says_something:
        return {}, {}, {}
    return facts(answer)


def facts(answer: Answer) -> tuple[Json, Json, Json]:
    """Return the values for `metrics`, `config` and `metadata` that an answer gives."""
    metrics: Json = {**answer.usage}
    if answer.cost is not None:
        metrics["cost"] = answer.cost
    if answer.seconds is not None:
        metrics["audio_seconds"] = answer.seconds
    config = {"model": answer.model} if answer.model else {}
    about = {
        "finish_reason": answer.finish_reason,
        "response_id": answer.answer_id,
        "request_id": answer.request_id,
        "service_tier": answer.service_tier,
    }
    metadata = {name: value for name, value in about.items() if value is not None}
    return metrics, config, metadata


_SHOWN = {
    "prompt_tokens": "prompt_tokens",
    "completion_tokens": "completion_tokens",
    "total_tokens": "total_tokens",
    "cost": "cost",
    "ttft_ms": "time_to_first_token_ms",
}
"""The metrics that HoneyHive's screens read in `metadata`, each with its name there."""


def shown(metrics: Json, is_model_call: bool) -> Json:
    """Return the metrics that HoneyHive's screens read in `metadata`.

    In another call, `ttft_ms` is not the time to a token.
    """
    return {
        name: metrics[ours]
        for ours, name in _SHOWN.items()
        if ours in metrics and (is_model_call or ours != "ttft_ms")
    }
