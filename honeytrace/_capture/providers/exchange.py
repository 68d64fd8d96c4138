"""Collect the request and the server's answer of one model call, for an integration."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from honeytrace._capture.providers.answer import Answer
from honeytrace._capture.providers.answers import read_answer
from honeytrace._capture.providers.embeddings import describe_vector
from honeytrace._capture.providers.usage import facts
from honeytrace._utils.guard import try_call
from honeytrace._utils.json import Json

_MAX_EMBEDDINGS = 8  # are recorded; the others are only counted

_HOSTS = {
    "openai.azure.com": "azure",
    "cognitiveservices.azure.com": "azure",
    "services.ai.azure.com": "azure",
    "groq.com": "groq",
    "mistral.ai": "mistral",
    "deepseek.com": "deepseek",
    "openrouter.ai": "openrouter",
    "together.xyz": "together",
    "fireworks.ai": "fireworks",
    "perplexity.ai": "perplexity",
    "x.ai": "xai",
    "cerebras.ai": "cerebras",
    "googleapis.com": "google",
    "amazonaws.com": "bedrock",
}


class Exchange:
    """One request to a model and its answer.

    Attributes:
        sdk: the name of the package that made the call, such as "openai".
        operation: what was asked for, by the names of `_REQUESTS`; "" if it is not known.
        platform: the provider if the class of the client implies it, such as "azure".
        url: the address of the server, as an object of the HTTP client.
        sent, received: the headers of the last request and of its answer, as objects of the HTTP
            client; None if they are not known.
        status_code: the HTTP status of an answer that is an error.
        wants_outputs: whether the answer itself is recorded, not only its tokens and model.
        body: the body of the answer, until the call has ended; None if it has not been read.
        followed: the `id` of the watch on a response that is read bit by bit; 0 without one.
        known: further values for the metadata.
    """

    __slots__ = (
        "body",
        "followed",
        "known",
        "operation",
        "platform",
        "received",
        "sdk",
        "sent",
        "status_code",
        "url",
        "wants_outputs",
    )

    def __init__(self, sdk: str, operation: str, platform: str = "", url: Any = None) -> None:
        self.sdk = sdk
        self.operation = operation
        self.platform = platform
        self.url = url
        self.sent: Any = None
        self.received: Any = None
        self.status_code: int | None = None
        self.wants_outputs = True
        self.body: bytes | None = None
        self.followed = 0
        self.known: Json = {}

    @property
    def provider(self) -> str:
        if self.platform:
            return self.platform
        host = _text(try_call(getattr, self.url, "host", "")[0])
        known = (name for end, name in _HOSTS.items() if host.endswith(end))
        return next(known, self.sdk)

    @property
    def request_id(self) -> str | None:
        """Return the id that the server gave the request."""
        found = (_header(self.received, name) for name in _REQUEST_IDS)
        return next((each for each in found if each), None)

    @property
    def retries(self) -> int | None:
        """Return how often the request was repeated; None if it is not known."""
        count = _header(self.sent, "x-stainless-retry-count")
        return int(count) if count.isdecimal() else None

    @property
    def media_type(self) -> str:
        """Return the content type of the answer, such as "application/json"."""
        return _header(self.received, "content-type").partition(";")[0]

    def split(self, body: Json) -> tuple[Json, Json]:
        """Return the inputs and the config that the body of the request holds."""
        read = _REQUESTS.get(self.operation)
        if read is None:
            return body, {"provider": self.provider}
        config = dict(body)
        inputs = read(config)
        return inputs, {**config, "provider": self.provider}

    def read(self, body: Json) -> tuple[Json, Json, Json, Json]:
        """Return outputs, metrics, config and metadata that the body of the answer holds."""
        answer = read_answer(body) if self.operation else None
        outputs, metrics, config, metadata = body, *(facts(answer) if answer else ({}, {}, {}))
        if answer is not None:
            outputs = _outputs(answer, body)
        if config:
            metadata["response_model"] = config["model"]
        known = {
            "request_id": self.request_id,
            "retries": self.retries,
            "status_code": self.status_code,
            **self.known,
        }
        metadata |= {name: value for name, value in known.items() if value is not None}
        if type(cost := metadata.get("cost")) is float and "cost" not in metrics:
            metrics["cost"] = cost
        return outputs if self.wants_outputs else {}, metrics, config, metadata


def _header(headers: Any, name: str) -> str:
    return _text(try_call(headers.get, name)[0]) if headers is not None else ""


def _text(value: object) -> str:
    return value if type(value) is str else ""


_REQUEST_IDS = ("x-request-id", "request-id", "apim-request-id", "x-amzn-requestid")


def _outputs(answer: Answer, body: Json) -> Json:
    if answer.messages:
        first, *others = [each.as_object() for each in answer.messages]
        outputs = {**first, "choices": [first, *others]} if others else first
        return {**outputs, "error": body["error"]} if body.get("error") else outputs
    entries = body.get("data")
    if type(entries) is not list or "usage" not in body:
        return body
    found = [each["embedding"] for each in entries if type(each) is dict and "embedding" in each]
    if entries and not found:  # images
        return body
    vectors = [describe_vector(each) for each in found[:_MAX_EMBEDDINGS]]
    return {"embeddings": vectors, "count": len(entries)}


def _chat(config: Json) -> Json:
    return {"chat_history": config.pop("messages", [])}


def _messages(config: Json) -> Json:
    """Take out Anthropic's messages; the system's message is in a field of its own."""
    history = config.pop("messages", [])
    system = config.pop("system", None)
    before = [{"role": "system", "content": system}] if system else []
    return {"chat_history": [*before, *history] if type(history) is list else history}


def _responses(config: Json) -> Json:
    """Take out the input of OpenAI's responses: a text, or a list of messages and other items."""
    given, system = config.pop("input", []), config.pop("instructions", None)
    history = [{"role": "user", "content": given}] if type(given) is str else given
    before = [{"role": "system", "content": system}] if system else []
    return {"chat_history": [*before, *history] if type(history) is list else history}


def _only(*names: str) -> Callable[[Json], Json]:
    def read(config: Json) -> Json:
        return {name: config.pop(name) for name in names if name in config}

    return read


_REQUESTS: dict[str, Callable[[Json], Json]] = {
    "chat": _chat,
    "messages": _messages,
    "responses": _responses,
    "completions": _only("prompt"),
    "embeddings": _only("input"),
    "images": _only("prompt", "files"),
    "transcriptions": _only("prompt", "files"),
    "speech": _only("input"),
    "moderations": _only("input"),
}
"""For each operation, the function that takes the inputs out of the body of a request."""
