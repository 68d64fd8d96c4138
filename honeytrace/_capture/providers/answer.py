"""The contents of a model's answer, whichever provider gave it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from honeytrace._capture.providers.messages import Message
from honeytrace._capture.providers.tokens import tokens
from honeytrace._utils.json import Json


@dataclass(slots=True)
class Answer:
    """An answer that was understood.

    Attributes:
        messages: the messages, one for each alternative answer; none for embeddings.
        model: the name of the model that answered; None if the answer does not say it.
        finish_reason: why the model stopped.
        usage: counts of tokens, by the names of `tokens`.
        cost: US dollars; None if the answer does not have it.
        answer_id: the id that the server gave the answer.
        request_id: the id of the request, which the provider's support asks for.
        seconds: the length of the audio that the provider counts in place of tokens.
        service_tier: how the provider served it, on which its price depends.
    """

    messages: list[Message] = field(default_factory=list)
    model: str | None = None
    finish_reason: str | None = None
    usage: dict[str, int] = field(default_factory=dict)
    cost: float | None = None
    answer_id: str | None = None
    request_id: str | None = None
    seconds: float | None = None
    service_tier: str | None = None

    @property
    def says_something(self) -> bool:
        """Return whether it holds a fact about the call besides the content."""
        return bool(self.usage or self.model or self.finish_reason or self.seconds)


def the_only(answers: Iterable[Answer | None]) -> Answer | None:
    """Return the answer that counts its tokens, if there is just one; else the one with any facts.

    Answers with the same id are the same; the last one has counted all of the tokens.
    """
    telling = [each for each in answers if each is not None and each.says_something]
    found = [each for each in telling if each.usage] or telling
    ids = {each.answer_id for each in found}
    return found[-1] if len(found) == 1 or (len(ids) == 1 and None not in ids) else None


def make_answer(found: Json, messages: list[Message], usage: object, reason: object) -> Answer:
    return Answer(
        messages=messages,
        model=name_of(found.get("model")) or name_of(found.get("model_id")),  # watsonx
        finish_reason=name_of(reason),
        usage=tokens(usage),
        cost=_cost(found, usage),
        answer_id=name_of(found.get("id")),
        request_id=name_of(found.get("_request_id")),
        service_tier=name_of((usage if type(usage) is dict else {}).get("service_tier"))
        or name_of(found.get("service_tier")),
    )


def _cost(found: Json, usage: object) -> float | None:
    """Return the cost that a gateway such as OpenRouter, or DSPy, gives beside the counts."""
    for holder in (usage, found):
        cost = holder.get("cost") if type(holder) is dict else None
        if type(cost) is int or type(cost) is float:
            return float(cost)
    return None


def dicts(value: object) -> list[Json]:
    return [each for each in value if type(each) is dict] if type(value) is list else []


def name_of(value: object) -> str | None:
    return value if type(value) is str and value else None


def text_of(value: object) -> str:
    return value if type(value) is str else ""
