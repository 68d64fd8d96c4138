"""Sessions of a made-up support agent, in realistic trees, for the tests of the page and its
benchmark. The same seed makes the same sessions."""

from __future__ import annotations

import json
import random
import uuid
from collections.abc import Iterator
from typing import Any

Fields = dict[str, Any]

PRICES = {
    "gpt-4o": (2.5e-6, 1e-5),
    "gpt-4o-mini": (1.5e-7, 6e-7),
    "claude-sonnet-4": (3e-6, 1.5e-5),
}
STEPS = {"chat": "model", "find_order": "tool", "retrieve": "retriever", "embed": "embedding"}
TOPICS = [
    ("Where is my order 48213?", "Your order 48213 left our warehouse on Monday."),
    ("Can I return a birthday gift?", "Yes: within 60 days, with the gift receipt."),
    ("Which kettle boils fastest?", "The KX-200 boils one litre in 2 minutes and 10 seconds."),
    ("The app says that my card was refused. Why?", "Your bank asked for a confirmation."),
    ("Do you ship to Norway, and what does it cost?", "We do. Up to 5 kg it is €14.90."),
    ("How do I reset the thermostat after a power cut?", "Hold ▲ and ▼ for ten seconds."),
    ("What is covered by the extended warranty?", "Motor, electronics and the display."),
    ("Please cancel the newsletter.", "Done. You may still get one this week."),
]
DOCUMENTS = [
    ("shipping/europe.md", "Norway, Switzerland and Iceland: parcels up to 5 kg cost €14.90."),
    ("returns/gifts.md", "Gifts can be returned within 60 days if the gift receipt is enclosed."),
    ("orders/status.md", "An order is *packed*, *sent* or *delivered*. Once sent it has a number."),
    ("products/kettles.md", "KX-200: 2,400 W, one litre in 130 s. KX-100: 1,800 W, 175 s."),
    ("warranty/extended.md", "The extension covers motor, electronics and display for 5 years."),
    ("payments/cards.md", "A refused card is mostly a missing confirmation (3-D Secure)."),
]
PROMPT = (
    "You are the assistant of a shop for household goods. Answer from the passages alone; if they "
    "do not say it, say so. Never promise a date of delivery. Quote prices with their currency.\n"
)


WORDS = 20_000  # different words of the padding
PROSE = 400_000  # characters of the text that the padding is cut from


def prose(seed: int = 5) -> str:
    """Make a long text whose words are as frequent as those of a language: few, and many rare."""
    made = random.Random(seed)
    syllables = [first + last for first in "bcdfglmnprstv" for last in "aeiou"]
    words = ["".join(made.choices(syllables, k=made.randint(1, 4))) for _ in range(WORDS)]
    shares = [1 / rank for rank in range(1, WORDS + 1)]
    return " ".join(made.choices(words, shares, k=PROSE // 6))


class Clock:
    """The time of a made-up program, in milliseconds since 1970."""

    def __init__(self, now: float) -> None:
        self.now = now


class Maker:
    """Makes the sessions of one tree after the other."""

    def __init__(self, seed: int = 7, padding: int = 0) -> None:
        self.random = random.Random(seed)
        self.padding = padding
        self.prose = prose() if padding else ""
        self.made: list[Fields] = []

    def tree(self, start: float, topic: int | None = None, fails: str = "") -> list[Fields]:
        """Make one tree and return its sessions, the root first.

        fails: "tool" for a tool that fails and is tried again, "model" for a model that ends it.
        """
        self.made = []
        number = self.random.randrange(len(TOPICS)) if topic is None else topic
        question, said = TOPICS[number]
        clock, model = Clock(start), self.random.choice(list(PRICES))
        root = self.step(None, "support agent", {"question": question}, clock, "block")
        try:
            passages = self.retrieve(root, question, clock, number)
            call = self.chat(root, model, question, passages, clock, None)
            result = self.tool(root, call, clock, fails == "tool")
            answer = self.chat(root, model, question, passages, clock, (call, result, said), fails)
            root["outputs"] = {"answer": answer["content"], "sources": passages[:2]}
        except RuntimeError as error:
            fail(root, str(error))
        user = f"u-{self.random.randrange(1, 400)}"
        root["user_properties"] = {"user": user}
        root["metadata"]["team"] = self.random.choice(["shop", "support"])
        end(root, clock)
        return self.made

    def pad(self, characters: int) -> str:
        """Cut so many characters from the text, at any place."""
        if not characters:
            return ""
        at = self.random.randrange(len(self.prose) - characters)
        return f" {self.prose[at : at + characters]}"

    def step(
        self, parent: Fields | None, name: str, inputs: Fields, clock: Clock, kind: str
    ) -> Fields:
        clock.now += self.random.uniform(0.2, 3)
        session_id = str(uuid.UUID(int=self.random.getrandbits(128), version=4))
        about: Fields = {
            "version": "1.0",
            "function": f"agent.{name}",
            "kind": kind,
            "status": "ok",
        }
        if name in STEPS:
            about["step"] = STEPS[name]
        about["root_id"] = self.made[0]["session_id"] if self.made else session_id
        fields: Fields = {
            "project": "shop",
            "session_name": name,
            "source": "production",
            "session_id": session_id,
            "children_ids": [],
            "config": {},
            "inputs": inputs,
            "outputs": {},
            "user_properties": {},
            "metrics": {},
            "feedback": {},
            "metadata": {"honeytrace": about},
            "start_time": clock.now,
        }
        if parent is not None:
            about["parent_id"] = parent["session_id"]
            parent["children_ids"].append(session_id)
        self.made.append(fields)
        return fields

    def retrieve(self, root: Fields, question: str, clock: Clock, topic: int) -> list[str]:
        outer = self.step(root, "retrieve", {"question": question, "k": 4}, clock, "function")
        ranked = self.random.sample(DOCUMENTS, 4)
        for name, low, high in (("embed", 20, 90), ("search", 40, 220), ("rerank", 60, 400)):
            inner = self.step(outer, name, {"text": question}, clock, "function")
            clock.now += self.random.uniform(low, high)
            scored = [
                {
                    "id": path,
                    "text": text + self.pad(self.padding // 8),
                    "score": round(0.93 - 0.11 * at, 2),
                }
                for at, (path, text) in enumerate(ranked)
            ]
            inner["outputs"] = {"result": scored if name != "embed" else [0.12, -0.07, 0.33]}
            outer["outputs"] = {"result": scored}
            end(inner, clock)
        end(outer, clock)
        return [path for path, _ in ranked]

    def chat(
        self,
        root: Fields,
        model: str,
        question: str,
        passages: list[str],
        clock: Clock,
        before: tuple[Fields, Fields, str] | None,
        fails: str = "",
    ) -> Fields:
        """A call of the model: first it asks for a tool, then it answers."""
        texts = "\n".join(f"[{path}] {text}" for path, text in DOCUMENTS if path in passages)
        messages: list[Fields] = [
            {"role": "system", "content": f"{PROMPT}\n{texts}{self.pad(self.padding)}"},
            {"role": "user", "content": question},
        ]
        if before:
            messages += before[:2]
        made = self.step(root, "chat", {"messages": messages}, clock, "function")
        made["config"] = {"model": model, "temperature": 0.2}
        clock.now += self.random.lognormvariate(6.6, 0.5)
        if fails == "model":
            fail(made, "RateLimitError: 429 Too Many Requests: try again in 20 s")
            end(made, clock)
            raise RuntimeError(made["error"])
        said = {"role": "assistant", "content": before[2]} if before else self.tool_call(question)
        given, given_back = self.random.randrange(600, 2400), self.random.randrange(20, 260)
        price = PRICES[model]
        made["outputs"] = said
        made["metrics"] = {
            "prompt_tokens": given,
            "completion_tokens": given_back,
            "total_tokens": given + given_back,
            "cost": given * price[0] + given_back * price[1],
        }
        end(made, clock)
        return said

    def tool_call(self, question: str) -> Fields:
        call = {"name": "find_order", "arguments": json.dumps({"words": question[:12]})}
        used = {"id": f"call_{self.random.randrange(10**8)}", "type": "function", "function": call}
        return {"role": "assistant", "content": None, "tool_calls": [used]}

    def tool(self, root: Fields, call: Fields, clock: Clock, fails: bool) -> Fields:
        used = call["tool_calls"][0]
        for attempt in range(2 if fails else 1):
            made = self.step(
                root, "find_order", {"words": used["function"]["arguments"]}, clock, "function"
            )
            clock.now += self.random.uniform(30, 200)
            if fails and attempt == 0:
                clock.now += 2000
                fail(made, "TimeoutError: the order service did not answer within 2 s")
            else:
                made["outputs"] = {
                    "result": {"order": 48213, "state": "sent", "carrier": "PostNord"}
                }
            end(made, clock)
        return {
            "role": "tool",
            "tool_call_id": used["id"],
            "content": '{"order": 48213, "state": "sent"}',
        }


def fail(fields: Fields, error: str) -> None:
    kind, _, message = error.partition(": ")
    fields["error"] = error
    about = fields["metadata"]["honeytrace"]
    about["status"] = "error"
    about["exception"] = {
        "type": kind,
        "message": message,
        "traceback": ["/app/agent.py:88 in answer", "/app/orders.py:31 in find_order"],
        "notes": ["while answering a customer"],
        "cause": {"type": "OSError", "message": "connection reset", "traceback": []},
    }


def end(fields: Fields, clock: Clock) -> None:
    clock.now += 0.3
    duration = clock.now - fields["start_time"]
    fields["duration"] = round(duration, 3)
    fields["start_time"] = int(fields["start_time"])
    fields["end_time"] = fields["start_time"] + round(duration)


def trees(
    count: int, now: float, seed: int = 7, padding: int = 0, every: float = 60_000
) -> Iterator[list[Fields]]:
    """Make so many trees, the last one just before `now`, one each `every` milliseconds."""
    maker = Maker(seed, padding)
    for at in range(count):
        fails = {3: "tool", 11: "model"}.get(at % 17, "")
        yield maker.tree(now - (count - at) * every, fails=fails)
