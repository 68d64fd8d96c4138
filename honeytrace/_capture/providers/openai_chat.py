"""Completions: OpenAI's chat and legacy ones, and those of servers that speak alike."""

from __future__ import annotations

from typing import Any

from honeytrace._capture.providers.deltas import Budget, IndexedEntries, done, grow, is_index


class Completion:
    """One completion, from its chunks; `add` says whether an item is one of them, and takes it."""

    def __init__(self, room: Budget) -> None:
        self._room = room
        self._head: dict[str, Any] = {}
        self._choices = IndexedEntries()

    def add(self, item: dict[str, Any]) -> bool:
        kind = item.get("type")
        if type(kind) is str and kind in _TOLD and self._head:
            return True
        chunk = _chunk(item)
        if chunk is None or self._is_next(chunk):
            return False
        for key, value in chunk.items():
            # Azure's first chunk and its last have an empty id and model.
            if key == "choices":
                continue
            if key not in self._head or (value and value != self._head[key]):
                self._room.put(self._head, key, value)
        for choice in chunk["choices"]:
            self._choose(choice)
        return True

    def _is_next(self, chunk: dict[str, Any]) -> bool:
        """Whether another completion begins; some servers give each chunk an id of its own."""
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
        grow(self._choices.at(_index(choice), self._room), rest, self._room)

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


# Of a choice: what has a place of its own. Beside the delta, some servers repeat it as the text
# (Together) or as the message.
_NOT_REST = frozenset(("delta", "index", "message", "text"))

# What OpenAI's own accumulator tells beside the chunks, at their end or with all so far.
_TOLD = frozenset(
    f"{part}.{what}"
    for part in (
        *("content", "refusal", "logprobs.content", "logprobs.refusal"),
        "tool_calls.function.arguments",
    )
    for what in ("delta", "done")
)


def _chunk(item: dict[str, Any]) -> dict[str, Any] | None:
    """The chunk of a completion that an item is, or holds: Mistral's `data`, OpenAI's `chunk`."""
    for held in (item, item.get("data"), item.get("chunk")):
        if type(held) is dict and type(held.get("choices")) is list:
            choices, kind = held["choices"], held.get("object")
            # Azure's first chunk is of no kind.
            if not choices and kind not in ("chat.completion.chunk", "text_completion", ""):
                continue
            if all(_is_choice(choice, kind) for choice in choices):
                return held
    return None


def _is_choice(choice: Any, kind: Any) -> bool:
    if type(choice) is not dict or not is_index(_index(choice)):
        return False
    delta = choice.get("delta")
    if kind == "text_completion" and type(choice.get("text")) is str:
        return True
    # What Azure says later of its content filter is of no kind, and has no delta.
    return type(delta) is dict or (delta is None and kind == "")


def _index(choice: dict[str, Any]) -> int:
    index: int = choice.get("index", 0)
    return index
