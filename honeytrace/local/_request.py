"""Write the request of a recorded model call again, as the command `curl`."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any, NamedTuple

from honeytrace._utils.json import Json, dumps
from honeytrace._utils.text import listed
from honeytrace.local._messages import is_conversation, is_of_langchain

MAX_CHARACTERS = 100_000
"""No command is offered for a longer request."""

_NOT_SENT = {
    "provider",  # what honeytrace adds to the parameters of a request
    *("timeout", "max_retries", "num_retries", "base_url", "api_base", "api_version"),
    *("headers", "extra_headers", "extra_query", "custom_llm_provider"),
}
"""Of a config: settings of the client, not parameters of the request."""

_SENT = {
    *("model", "tools", "tool_choice", "parallel_tool_calls", "functions", "function_call"),
    *("response_format", "text", "output_config", "stream", "stream_options", "include"),
    *("temperature", "top_p", "top_k", "min_p", "n", "seed", "stop", "stop_sequences"),
    *("max_tokens", "max_completion_tokens", "max_output_tokens", "max_tool_calls"),
    *("frequency_penalty", "presence_penalty", "repetition_penalty", "logit_bias"),
    *("logprobs", "top_logprobs", "reasoning", "reasoning_effort", "thinking", "verbosity"),
    *("modalities", "audio", "prediction", "web_search_options", "truncation"),
    *("metadata", "user", "store", "service_tier", "background", "previous_response_id"),
    *("conversation", "prompt", "prompt_cache_key", "safety_identifier", "safety_settings"),
    *("context_management", "container", "mcp_servers", "betas"),
}
"""The parameters of model APIs: the config of a session that a user filled has others as well."""


class _Api(NamedTuple):
    """The address of an API, and the headers by which it knows the caller."""

    address: str
    headers: tuple[str, ...]


_OPENAI = "${OPENAI_BASE_URL:-https://api.openai.com/v1}"
_BEARER = ("Authorization: Bearer $OPENAI_API_KEY",)
_CHAT = _Api(f"{_OPENAI}/chat/completions", _BEARER)
_RESPONSES = _Api(f"{_OPENAI}/responses", _BEARER)
_ANTHROPIC = _Api(
    "${ANTHROPIC_BASE_URL:-https://api.anthropic.com}/v1/messages",
    ("x-api-key: $ANTHROPIC_API_KEY", "anthropic-version: 2023-06-01"),
)
_CLOUDS = {"aws", "azure", "bedrock", "vertex"}


def curl(session: Json) -> tuple[str, str]:
    """Return the command that sends a request again, and a sentence about what it leaves out.

    Both are "" if the session is not a request to a model, or if its request is too long.
    """
    config, inputs = session.get("config"), session.get("inputs")
    if not isinstance(config, dict) or not isinstance(inputs, dict):
        return "", ""
    said = _said(inputs)
    if said is None or not isinstance(config.get("model"), str):
        return "", ""
    api = _api(str(session.get("session_name")), config)
    if api is None:
        return "", ""
    left_out = [name for name in config if not _is_sent(name, config)]
    sent = {name: value for name, value in config.items() if _is_sent(name, config)}
    body = dumps({**sent, **_conversation(api, said)}).decode()
    if len(body) > MAX_CHARACTERS:
        return "", ""
    start = "curl -N" if config.get("stream") else "curl"
    headers = [f'-H "{header}"' for header in (*api.headers, "Content-Type: application/json")]
    lines = [f'{start} "{api.address}"', " ".join(headers), f"-d {shlex.quote(body)}"]
    return " \\\n  ".join(lines), _without([name for name in left_out if name not in _NOT_SENT])


def _said(inputs: Mapping[str, Any]) -> list[Any] | None:
    """Return the conversation. That of an SDK may hold other items, such as reasoning."""
    history = inputs.get("chat_history")
    if isinstance(history, list) and history:
        return history
    said = next(filter(is_conversation, inputs.values()), None)
    return None if said and any(map(is_of_langchain, said)) else said


def _api(name: str, config: Json) -> _Api | None:
    """Return the API that was asked; None if its requests have to be signed."""
    if name.endswith(".responses"):
        return _RESPONSES
    if name != "anthropic.messages":
        return _CHAT
    return None if config.get("provider") in _CLOUDS else _ANTHROPIC


def _is_sent(name: str, config: Json) -> bool:
    """Return whether a value of the config was in the request.

    The config of an SDK's call is its request, with the provider.
    """
    return name not in _NOT_SENT if "provider" in config else name in _SENT


def _conversation(api: _Api, said: list[Any]) -> Json:
    """Return the fields for the conversation; some APIs want the system's message apart."""
    if api is _CHAT:
        return {"messages": said}
    first = said[0] if isinstance(said[0], dict) else {}
    is_system = first.get("role") == "system"
    rest = said[1:] if is_system else said
    if api is _RESPONSES:
        return (
            {"instructions": first.get("content"), "input": rest} if is_system else {"input": said}
        )
    return {"system": first.get("content"), "messages": rest} if is_system else {"messages": said}


def _without(names: list[str]) -> str:
    return f"Left out, since it is not a parameter of the API: {listed(names)}." if names else ""
