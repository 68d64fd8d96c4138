"""What the items of a stream come to: one text, one answer of a model, else the list.

A fold: each item is merged when it comes and then forgotten, so that a long stream takes no more
memory than its answer. Shapes are told by their keys, in plain data; no SDK is known here.
"""

from __future__ import annotations

import threading
from typing import Any

from honeytrace._capture.deferred import keep, read
from honeytrace._capture.providers.anthropic import MARKS, Message
from honeytrace._capture.providers.deltas import MOST, Budget, Text, weigh
from honeytrace._capture.providers.openai_chat import Completion
from honeytrace._capture.providers.openai_responses import Response
from honeytrace._capture.snapshot import rules

_ROOM = 2**20  # bytes of items that wait to be merged


class StreamBuffer:
    """The items of one stream. They wait as they came, some thousand at most, before they are
    merged: mostly on the worker, when the stream has ended.

    `raw` keeps the first of them themselves, for a function of the user's; without `wanted` they
    are only counted. `alone` says that there is one, which is the value itself, as a fixture
    yields it.
    """

    __slots__ = (
        "_accumulator",
        "_before",
        "_lock",
        "_mixed",
        "_room",
        "alone",
        "items",
        "kept",
        "raw",
        "wanted",
    )

    def __init__(self, wanted: bool, raw: bool) -> None:
        self.wanted = wanted
        self.raw = raw
        self.alone = False
        self.items: list[Any] = []  # those that wait; short strings are put here directly
        self.kept: list[Any] = []
        self._before = 0
        self._accumulator = StreamAccumulator()
        self._room = _ROOM
        self._mixed = False  # whether there was any item but short strings
        self._lock = threading.Lock()

    @property
    def count(self) -> int:
        return self._before + len(self.items)

    @property
    def size(self) -> int:
        """About how many bytes wait, and are merged, at most."""
        return _ROOM - self._room + self._accumulator.size

    @property
    def dropped(self) -> int:
        """How many items are not part of the value; known when that was asked for."""
        if not self.wanted:
            return 0
        return self.count - len(self.kept) if self.raw else self._accumulator.dropped

    @property
    def cut(self) -> bool:
        return self._accumulator.cut

    def take(self, item: object) -> None:
        """Takes any item."""
        if not self.wanted or (self.raw and len(self.kept) >= rules.limits.items):
            item = None
        elif not self.raw:
            item, size, _ = (None, 0, None) if self._accumulator.full else keep(item, "outputs")
            self._room -= size
        self._mixed = True
        self.items.append(item)
        if self._room < 0:
            self.fold()

    def fold(self) -> None:
        """Merges what waits."""
        with self._lock:
            waiting = self.items[:]
            self.items.clear()
            self._before += len(waiting)
            self._room = _ROOM
            if self.raw:
                self.kept.extend(waiting[: rules.limits.items - len(self.kept)])
            elif self.wanted and self._mixed:
                self._merge(waiting)
            elif self.wanted:
                self._accumulator.texts(waiting)

    def _merge(self, waiting: list[Any]) -> None:
        for kept in waiting:
            if type(kept) is str:
                self._accumulator.text(kept)
            else:
                self._accumulator.add(read(kept, "outputs"))

    def value(self) -> Any:
        """What the items come to, or themselves if they are `raw`."""
        if self.alone and self.wanted and self.items and not self.raw:
            return read(self.items[0], "outputs")
        self.fold()
        return list(self.kept) if self.raw else self._accumulator.result()


_BATCH = 65_536  # characters
_TEXT = 64  # bytes that a string takes besides its characters

_Run = Completion | Message | Response


class StreamAccumulator:
    """A stream, as it comes.

    Strings alone make one string. Chunks of one completion, Anthropic message or OpenAI response
    make that object, as a call without `stream=True` returns it. All else makes the list of the
    first items, in which each run of chunks is such an object, and a line for what is over.
    `result` may be asked at any time, and changes nothing.
    """

    __slots__ = ("_items", "_more", "_most", "_pieces", "_room", "_run", "_size", "_text")

    def __init__(self) -> None:
        self._room = Budget()
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


def _begin(item: Any, room: Budget) -> _Run | None:
    """The run that an item begins, with it."""
    if type(item) is not dict:
        return None
    kind = item.get("type")
    run: _Run
    if type(kind) is not str or kind == "chunk":
        run = Completion(room)
    elif kind.startswith("response."):
        run = Response(room)
    elif kind.startswith(("message_", "content_block_")) and kind not in MARKS:
        run = Message(room)
    else:
        return None
    return run if run.add(item) else None
