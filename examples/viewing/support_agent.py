"""A support agent that answers three customers, and meets a slow service on the way.

    python examples/viewing/support_agent.py

Model and services are made up, so it needs no account. Then `honeytrace serve --open` shows what
happened: which step failed, which was slow, and what each answer cost.
"""

from __future__ import annotations

import time
from typing import Any

import honeytrace
from honeytrace import trace_session

MANUAL = {
    "returns/gifts.md": "Gifts can be returned within 60 days if the receipt is enclosed.",
    "shipping/europe.md": "Parcels to Norway cost 14.90 euro up to 5 kg. Delivery takes 4 days.",
    "orders/status.md": "An order is packed, sent or delivered. Once sent, it has a number.",
}
ANSWERS = {
    "return": "Yes: within 60 days, if the gift receipt is enclosed.",
    "Norway": "We do. Up to 5 kg it costs 14.90 euro, and takes 4 days.",
    "48213": "Order 48213 left our warehouse on Monday. PostNord carries it.",
}


class OrderService:
    """Knows the state of orders. The first call takes too long."""

    def __init__(self) -> None:
        self.calls = 0

    @trace_session(name="find_order")
    def find(self, number: str) -> dict[str, str]:
        self.calls += 1
        if self.calls == 1:
            time.sleep(0.9)
            raise TimeoutError("the order service did not answer within 0.9 s")
        time.sleep(0.12)
        return {"order": number, "state": "sent", "carrier": "PostNord"}


def score(question: str, text: str) -> float:
    """Return which share of the question's words a text has."""
    words = set(question.lower().strip("?").split())
    return round(len(words & set(text.lower().split())) / len(words), 2)


@trace_session
def search(question: str) -> list[dict[str, Any]]:
    """Find what has any word of the question."""
    time.sleep(0.15)
    found = [{"source": path, "text": text} for path, text in MANUAL.items()]
    return [{**each, "score": score(question, each["text"])} for each in found]


@trace_session
def rerank(question: str, documents: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Keep the two that fit best."""
    time.sleep(0.22)
    fitting = sorted(documents, key=lambda document: -score(question, document["text"]))
    return fitting[:2]


@trace_session
def retrieve(question: str) -> list[dict[str, Any]]:
    return rerank(question, search(question))


@trace_session(config_args=("model",), metrics={"cost": 0.0031})
def chat(messages: list[dict[str, Any]], model: str = "gpt-4o") -> dict[str, Any]:
    """Answer like a model: with a message, and the number of tokens."""
    time.sleep(0.6)
    question = str(messages[1]["content"])
    said = next(text for word, text in ANSWERS.items() if word in question)
    message = {"role": "assistant", "content": said}
    used = {"prompt_tokens": 412 + len(question), "completion_tokens": len(said)}
    return {"model": model, "choices": [{"message": message}], "usage": used}


@trace_session
def answer(question: str, orders: OrderService) -> str:
    passages = retrieve(question)
    texts = "\n".join(f"[{passage['source']}] {passage['text']}" for passage in passages)
    messages: list[dict[str, Any]] = [
        {"role": "system", "content": f"Answer from the passages alone.\n\n{texts}"},
        {"role": "user", "content": question},
    ]
    if "48213" in question:
        messages.append({"role": "user", "content": str(look_up("48213", orders))})
    completion = chat(messages)
    return str(completion["choices"][0]["message"]["content"])


def look_up(number: str, orders: OrderService) -> dict[str, str]:
    """Ask again once if the service does not answer."""
    try:
        return orders.find(number)
    except TimeoutError:
        return orders.find(number)


def main() -> None:
    orders = OrderService()
    for user, question in (
        ("ada", "Can I return a gift?"),
        ("grace", "Do you ship to Norway?"),
        ("alan", "Where is my order 48213?"),
    ):
        with honeytrace.trace_session(
            "support agent", inputs={"question": question}, user_properties={"user": user}
        ) as session:
            session.outputs = {"answer": answer(question, orders)}
            print(session.outputs["answer"])
    honeytrace.flush(timeout=5)


if __name__ == "__main__":
    main()
