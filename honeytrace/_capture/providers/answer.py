"""The contents of a model's answer, whichever provider gave it."""

from __future__ import annotations

from dataclasses import dataclass, field

from honeytrace._capture.providers.messages import Message


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
    """

    messages: list[Message] = field(default_factory=list)
    model: str | None = None
    finish_reason: str | None = None
    usage: dict[str, int] = field(default_factory=dict)
    cost: float | None = None
    answer_id: str | None = None
    request_id: str | None = None


def only_counted(answers: list[Answer | None]) -> Answer | None:
    """Return the answer that counts its tokens, if there is just one."""
    counted = [each for each in answers if each is not None and each.usage]
    return counted[0] if len(counted) == 1 else None
