"""What the items of a stream come to: one text, one answer of a model, else the list.

A fold: each item is merged when it comes and then forgotten, so that a long stream takes no more
memory than its answer. Shapes are told by their keys, in plain data; no SDK is known here.
"""

from __future__ import annotations

import json
from typing import Any

from honeytrace._growing import MOST, Room, Slots, Text, done, grow, is_index, weigh
from honeytrace._snapshot import Snapshot


def merge(items: list[Any]) -> Any:
    """What these come to, all at once."""
    merger = Merger()
    for item in items:
        (merger.text if type(item) is str else merger.add)(item)
    return merger.result()


class Merger:
    """A stream, as it comes.

    Strings alone make one string. Chunks of one completion, Anthropic message or OpenAI response
    make that object, as a call without `stream=True` returns it. All else makes the list of the
    first items, in which each run of chunks is such an object, and a line for what is over.
    `result` may be asked at any time, and changes nothing.
    """

    __slots__ = ("_items", "_more", "_most", "_pieces", "_room", "_run", "_size", "_text")

    def __init__(self) -> None:
        self._room = Room()
        self._most = self._room.limits.items
        self._items: list[Any] = []
        self._more = 0
        self._run: _Run | None = None
        self._text = Text(self._room)
        self._pieces: list[str] | None = []  # not yet in the text; None once an item was no text
        self._size = 0

    @property
    def dropped(self) -> int:
        """How many items are left out of the result."""
        return self._more if self._pieces is None else 0

    @property
    def cut(self) -> bool:
        """Whether something was left out of the result."""
        self._fold()
        return self._room.cut or self.dropped > 0

    @property
    def full(self) -> bool:
        """Whether another item would only be counted, unless it goes on with a run."""
        return self._pieces is None and self._run is None and len(self._items) >= self._most

    @property
    def size(self) -> int:
        """About how many bytes of memory this holds."""
        return self._room.used

    def texts(self, pieces: list[str]) -> None:
        """Takes many strings at once, while there were no other items."""
        self._pieces = [*(self._pieces or ()), *pieces]
        self._fold()

    def text(self, piece: str) -> None:
        """Takes an item that is a string; the copy of another may only look like one."""
        pieces = self._pieces
        if pieces is None:
            return self.add(piece)
        pieces.append(piece)
        self._size += len(piece)
        if self._size > _BATCH or len(pieces) >= MOST:
            self._fold()
        return None

    def _fold(self) -> None:
        """Adds the pieces to the text, and to the items in case that the stream is a list."""
        pieces = self._pieces
        if pieces:
            whole = "".join(pieces)
            self._text.add(whole)
            if len(self._items) + len(pieces) > self._most or not self._room.takes(
                _TEXT * len(pieces) + len(whole)
            ):
                for piece in pieces:
                    self._keep(piece)
            else:
                self._items += pieces
            pieces.clear()
            self._size = 0

    def _keep(self, item: Any) -> None:
        if len(self._items) < self._most and self._room.takes(weigh(item)):
            self._items.append(item)
        else:
            self._more += 1

    def add(self, item: Any) -> None:
        """Takes the copy of any other item, which must not change any more."""
        if self._pieces is not None:
            self._fold()
            self._pieces = None
        if self._run is not None:
            if type(item) is dict and self._run.add(item):
                return
            self._items.append(self._run.result())
        self._run = _begin(item, self._room) if len(self._items) < self._most else None
        if self._run is None:
            self._keep(item)

    def result(self) -> Any:
        """What the items so far come to; of none, the empty list."""
        self._fold()
        others = self._items or self._more
        if self._pieces is not None and others:
            return self._text.joined()
        if self._run is not None and not others:
            return self._run.result()
        values = [*self._items, self._run.result()] if self._run else list(self._items)
        return [*values, f"[{self._more} more items]"] if self._more else values


_BATCH = 65_536  # characters
_TEXT = 64  # bytes that a string takes besides its characters


class _Completion:
    """Chunks of OpenAI's chat completions and legacy completions, and of those who speak alike."""

    def __init__(self, room: Room) -> None:
        self._room = room
        self._head: dict[str, Any] = {}
        self._choices = Slots()

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


class _Message:
    """Events of Anthropic's messages."""

    def __init__(self, room: Room) -> None:
        self._room = room
        self._head: dict[str, Any] = {"type": "message", "role": "assistant", "content": []}
        self._blocks = Slots()
        self._inputs: dict[int, Text] = {}

    def add(self, event: dict[str, Any]) -> bool:
        kind = event.get("type")
        if type(kind) is not str:
            return False
        if kind == "message_start":
            return self._start(event.get("message"))
        if kind == "content_block_start":
            return self._block(event.get("index"), event.get("content_block"))
        if kind == "content_block_delta":
            return self._delta(event.get("index"), event.get("delta"))
        if kind == "message_delta":
            return self._end(event.get("delta"), event.get("usage"))
        if kind == "error" and "error" in event:
            self._set({"error": event["error"]})
        return kind in _MARKS

    def _start(self, message: Any) -> bool:
        if type(message) is not dict or "id" in self._head:  # the next message
            return False
        self._set({"id": None, **message, "content": []})
        return True

    def _set(self, values: dict[str, Any]) -> None:
        for key, value in values.items():
            if value is not None or key not in self._head:
                self._room.put(self._head, key, value)

    def _block(self, index: Any, block: Any) -> bool:
        if not is_index(index) or type(block) is not dict:
            return False
        grow(self._blocks.at(index, self._room), block, self._room)
        return True

    def _delta(self, index: Any, delta: Any) -> bool:
        if not is_index(index) or type(delta) is not dict:
            return False
        rest = dict(delta)
        kind = rest.pop("type", None)
        block = self._blocks.at(index, self._room)
        if type(kind) is str and kind in _BLOCKS:
            block.setdefault("type", _BLOCKS[kind])  # of a stream that is kept in part only
        if kind == "input_json_delta":
            return self._input(index, rest.get("partial_json"))
        if kind == "citations_delta":
            rest = {"citations": [rest.get("citation")]}
        grow(block, rest, self._room)
        return True

    def _input(self, index: int, piece: Any) -> bool:
        if type(piece) is not str:
            return False
        if index in self._blocks:
            self._inputs.setdefault(index, Text(self._room)).add(piece)
        return True

    def _end(self, delta: Any, usage: Any) -> bool:
        if type(delta) is not dict:
            return False
        self._set(delta)
        if type(usage) is dict:
            counted = {key: count for key, count in usage.items() if count is not None}
            so_far = self._head.get("usage")
            self._set({"usage": {**so_far, **counted} if type(so_far) is dict else counted})
        return True

    def result(self) -> dict[str, Any]:
        blocks = {index: done(self._blocks[index]) for index in sorted(self._blocks)}
        for index, text in self._inputs.items():
            if spelled := text.joined():
                blocks[index]["input"] = _parsed(spelled)
        return {**self._head, "content": list(blocks.values())}


# What says nothing that the other events do not, of Anthropic's own accumulator too.
_MARKS = frozenset(
    (
        *("content_block_stop", "message_stop", "ping", "error"),
        *("text", "input_json", "citation", "thinking", "signature"),
    )
)

_BLOCKS = {
    "text_delta": "text",
    "citations_delta": "text",
    "input_json_delta": "tool_use",
    "thinking_delta": "thinking",
    "signature_delta": "thinking",
}


def _parsed(spelled: str) -> Any:
    """The value of a JSON text; of one that is not whole, the text."""
    try:
        value = json.loads(spelled)
    except (ValueError, RecursionError):
        return spelled
    return Snapshot().take(value, "input")  # which knows what to do with 1e999


class _Response:
    """Events of OpenAI's Responses API."""

    def __init__(self, room: Room) -> None:
        self._room = room
        self._head: dict[str, Any] = {"object": "response", "output": []}
        self._items = Slots()
        self._whole: dict[int, Any] = {}

    def add(self, event: dict[str, Any]) -> bool:
        kind, index = event.get("type"), event.get("output_index")
        if kind == "error":
            return self._set({"error": {key: event[key] for key in event if key != "type"}})
        if type(kind) is not str or not kind.startswith("response."):
            return False
        if type(event.get("response")) is dict:
            return self._set(event["response"])
        if type(index) is int and index >= 0:
            self._item(kind, index, event)
        return True

    def _set(self, values: dict[str, Any]) -> bool:
        name = values.get("id")
        if name is not None and name != self._head.get("id", name):
            return False  # the next response
        for key, value in values.items():
            self._room.put(self._head, key, value)
        return True

    def _item(self, kind: str, index: int, event: dict[str, Any]) -> None:
        node, item, delta = self._items.at(index, self._room), event.get("item"), event.get("delta")
        if kind == "response.output_item.done" and type(item) is dict:
            self._whole[index] = self._room.swap(self._whole.get(index), item)
        elif kind == "response.output_item.added" and type(item) is dict:
            grow(node, item, self._room)
        elif kind in _DELTAS and type(delta) is str:
            of, parts, part, key = _DELTAS[kind]
            node.setdefault("type", of)
            if parts:
                at = event.get("summary_index" if parts == "summary" else "content_index", 0)
                node = _part(node, parts, at if is_index(at) else 0, self._room)
                node.setdefault("type", part)
            grow(node, {key: delta}, self._room)

    def result(self) -> dict[str, Any]:
        # The end of the stream has the whole response; one that ends early has no output yet.
        if self._head["output"]:
            return dict(self._head)
        items = {index: self._whole.get(index) or done(self._items[index]) for index in self._items}
        return {**self._head, "output": [items[index] for index in sorted(items)]}


def _part(item: dict[str, Any], parts: str, index: int, room: Room) -> dict[str, Any]:
    """A part of an output item, by its index."""
    if type(item.get(parts)) is not Slots:
        item[parts] = Slots()
    part: dict[str, Any] = item[parts].at(index, room)
    return part


# The type of the item, the list of its parts, the type of the part, and the text that grows.
_DELTAS = {
    "response.output_text.delta": ("message", "content", "output_text", "text"),
    "response.refusal.delta": ("message", "content", "refusal", "refusal"),
    "response.reasoning_text.delta": ("reasoning", "content", "reasoning_text", "text"),
    "response.reasoning_summary_text.delta": ("reasoning", "summary", "summary_text", "text"),
    "response.function_call_arguments.delta": ("function_call", "", "", "arguments"),
    "response.custom_tool_call_input.delta": ("custom_tool_call", "", "", "input"),
    "response.mcp_call_arguments.delta": ("mcp_call", "", "", "arguments"),
    "response.code_interpreter_call_code.delta": ("code_interpreter_call", "", "", "code"),
}

_Run = _Completion | _Message | _Response


def _begin(item: Any, room: Room) -> _Run | None:
    """The run that an item begins, with it."""
    if type(item) is not dict:
        return None
    kind = item.get("type")
    run: _Run
    if type(kind) is not str or kind == "chunk":
        run = _Completion(room)
    elif kind.startswith("response."):
        run = _Response(room)
    elif kind.startswith(("message_", "content_block_")) and kind not in _MARKS:
        run = _Message(room)
    else:
        return None
    return run if run.add(item) else None
