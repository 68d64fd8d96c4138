"""Merge the chunks of completions, of OpenAI and of servers with the same API."""

from __future__ import annotations

from typing import Any

from honeytrace._capture.providers.deltas import Budget, IndexedEntries, done, grow, is_index


class Completion:
    """Merges the chunks of one completion. `add` returns False for anything else."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._head: dict[str, Any] = {}
        self._choices = IndexedEntries()

    def add(self, item: dict[str, Any]) -> bool:
        kind = item.get("type")
        if type(kind) is str and kind in _TOLD and self._head:
            return True
        if self._head and item.get("error") and "choices" not in item:
            return self._fail(item)
        chunk = _chunk(item, bool(self._head))
        if chunk is None or self._is_next(chunk):
            return False
        for key, value in chunk.items():
            # The first and the last chunk of Azure have an empty id and model.
            if key == "choices":
                continue
            if key not in self._head or (value and value != self._head[key]):
                self._budget.put(self._head, key, value)
        for choice in chunk["choices"]:
            self._choose(choice)
        return True

    def _fail(self, item: dict[str, Any]) -> bool:
        """Keep the error with which a server breaks off an answer, beside the answer so far."""
        for key, value in item.items():
            if key == "error" or key not in self._head:
                self._budget.put(self._head, key, value)
        return True

    def _is_next(self, chunk: dict[str, Any]) -> bool:
        """Return whether another completion begins; on some servers ids alone do not tell."""
        if not chunk["choices"] or chunk.get("id") in ("", None, self._head.get("id")):
            return False
        ended = [bool(choice.get("finish_reason")) for choice in self._choices.values()]
        return ended != [] and all(ended)

    def _choose(self, choice: dict[str, Any]) -> None:
        rest = {key: value for key, value in choice.items() if key not in _NOT_REST}
        if type(choice.get("delta")) is dict:
            rest["message"] = choice["delta"]
        elif "text" in choice:
            rest["text"] = choice["text"]
        grow(self._choices.at(_index(choice), self._budget), rest, self._budget)

    def result(self) -> dict[str, Any]:
        head = {key: value for key, value in self._head.items() if key != "obfuscation"}
        kind = head.get("object")
        head["object"] = "chat.completion"
        if type(kind) is str and kind:
            head["object"] = kind.removesuffix(".chunk")
        choices = self._choices
        head["choices"] = [{"index": index, **done(choices[index])} for index in sorted(choices)]
        groq = head.get("x_groq")
        if not head.get("usage") and type(groq) is dict and "usage" in groq:
            head["usage"] = groq["usage"]
        return head


# Keys of a choice that are read one by one. Some servers repeat the delta as `text` (Together) or
# as `message`.
_NOT_REST = frozenset(("delta", "index", "message", "text"))

# Events that the accumulator in OpenAI's SDK adds to the chunks, with the content so far.
_TOLD = frozenset(
    f"{part}.{what}"
    for part in (
        *("content", "refusal", "logprobs.content", "logprobs.refusal"),
        "tool_calls.function.arguments",
    )
    for what in ("delta", "done")
)


def _chunk(item: dict[str, Any], begun: bool) -> dict[str, Any] | None:
    """Return the chunk that an item is or contains (Mistral: `data`, OpenAI: `chunk`)."""
    for held in (item, item.get("data"), item.get("chunk")):
        if type(held) is dict and type(held.get("choices")) is list:
            choices, kind = held["choices"], held.get("object")
            # The first chunk of Azure has an empty `object`; the last one of Hugging Face has none.
            counts = begun and kind is None and type(held.get("usage")) is dict
            if not (choices or counts or kind in _OBJECTS):
                continue
            if all(_is_choice(choice, kind) for choice in choices):
                return held
    return None


_OBJECTS = ("chat.completion.chunk", "text_completion", "")


def _is_choice(choice: Any, kind: Any) -> bool:
    if type(choice) is not dict or not is_index(_index(choice)):
        return False
    delta = choice.get("delta")
    if kind == "text_completion" and type(choice.get("text")) is str:
        return True
    # Later chunks of Azure about its content filter have an empty `object` and no delta.
    return type(delta) is dict or (delta is None and kind == "")


def _index(choice: dict[str, Any]) -> int:
    index: int = choice.get("index", 0)
    return index
