"""Merge items into one text, one answer of a model, or else a list, as they come.

Each item is merged and then forgotten, so that a long stream takes no more memory than its answer.
Chunks are recognized by their keys, in plain data; no SDK is known here.
"""

from __future__ import annotations

from typing import Any

from honeytrace._capture.providers.anthropic import SILENT_EVENTS, Message
from honeytrace._capture.providers.deltas import MAX_ENTRIES, Budget, Run, Text, weigh
from honeytrace._capture.providers.media_events import MEDIA_RUNS
from honeytrace._capture.providers.openai_chat import Completion
from honeytrace._capture.providers.openai_responses import Response
from honeytrace._capture.providers.other_chunks import OTHER_RUNS

_BATCH_CHARACTERS = 65_536
_BYTES_PER_TEXT = 64  # besides its characters

_MIN_GROWING = 3  # texts that begin with one another before they count as one that grows


class StreamAccumulator:
    """Merges the items of a stream as they come.

    Strings make one string, and None among them adds nothing, as in the last chunk of an answer.
    Chunks of one completion, Anthropic message or OpenAI response
    make that object, as a call without `stream=True` returns it. Anything else makes a
    list of the first items, in which each run of chunks is one such object, and a note with the
    number of the others. `result` may be called at any time and changes nothing.
    """

    __slots__ = (
        *("_budget", "_growing", "_is_text", "_items", "_more", "_most", "_pieces", "_run"),
        *("_size", "_text"),
    )

    def __init__(self) -> None:
        self._budget = Budget()
        self._most = self._budget.limits.items
        self._items: list[Any] = []
        self._more = 0
        self._run: Run | None = None
        self._text = Text(self._budget)
        self._growing: GrowingText | None = GrowingText()  # None once it does not grow
        self._is_text = False  # whether there is a string in the text
        self._pieces: list[str | None] | None = []  # not in the text yet; None after other items
        self._size = 0

    @property
    def dropped(self) -> int:
        """Return the number of items left out of the result."""
        return 0 if self._pieces is not None and self._is_text else self._more

    @property
    def cut(self) -> bool:
        """Return whether something was left out of the result."""
        if not self._grows:
            self._fold()
        return self._budget.cut or self.dropped > 0

    @property
    def _grows(self) -> bool:
        """Return whether each item is the whole text so far."""
        return self._growing is not None and self._growing.count >= _MIN_GROWING

    @property
    def full(self) -> bool:
        """Return whether further items are only counted, unless they continue a run of chunks."""
        return self._pieces is None and self._run is None and len(self._items) >= self._most

    @property
    def size(self) -> int:
        """Return an estimate of the bytes of memory that this takes."""
        return self._budget.used

    def texts(self, pieces: list[str]) -> None:
        """Take many strings at once, as long as there were no other items."""
        for at, piece in enumerate(pieces):
            if self._growing is None:
                self._pieces = [*(self._pieces or ()), *pieces[at:]]
                self._fold()
                return
            self.text(piece)

    def text(self, piece: str) -> None:
        """Take an item that is a string; `add` takes items whose copy is a string."""
        if self._growing is not None:
            if self._growing.add(piece):
                return None
            self._stop_growing()
        pieces = self._pieces
        if pieces is None:
            return self.add(piece)
        pieces.append(piece)
        self._size += len(piece)
        if self._size > _BATCH_CHARACTERS or len(pieces) >= MAX_ENTRIES:
            self._fold()
        return None

    def _stop_growing(self) -> None:
        """Take the texts that were held back as a growing one."""
        growing, self._growing = self._growing, None
        if growing is not None and self._pieces is not None:
            self._pieces += growing.texts()

    def _fold(self) -> None:
        """Add the pieces to the text, and to the items in case the stream becomes a list."""
        pieces = self._pieces
        if pieces:
            texts = [piece for piece in pieces if piece is not None]
            whole = "".join(texts)
            self._text.add(whole)
            self._is_text = self._is_text or bool(texts)
            if len(self._items) + len(pieces) > self._most or not self._budget.takes(
                _BYTES_PER_TEXT * len(pieces) + len(whole)
            ):
                for piece in pieces:
                    self._keep(piece)
            else:
                self._items += pieces
            pieces.clear()
            self._size = 0

    def _keep(self, item: Any) -> None:
        if len(self._items) < self._most and self._budget.takes(weigh(item)):
            self._items.append(item)
        else:
            self._more += 1

    def add(self, item: Any) -> None:
        """Take the copy of any other item. The copy must not change afterwards."""
        if self._pieces is not None:
            if item is None:
                self._add_none(self._pieces)
                return
            self._stop_growing()
            self._fold()
            self._pieces = None
        item = _without_origin(item)
        if self._run is not None:
            if type(item) is dict and self._run.add(item):
                return
            self._items.append(self._run.result())
        self._run = _begin(item, self._budget) if len(self._items) < self._most else None
        if self._run is None:
            self._keep(item)

    def _add_none(self, pieces: list[str | None]) -> None:
        """Take None among strings; a text that grows goes on after it."""
        if not self._grows:
            self._stop_growing()
            pieces.append(None)
            if len(pieces) >= MAX_ENTRIES:
                self._fold()

    def result(self) -> Any:
        """Return the merged items so far; an empty list if there are none."""
        if self._growing is not None and self._grows:
            return self._growing.last
        self._stop_growing()
        self._fold()
        others = self._items or self._more
        if self._pieces is not None and self._is_text:
            return self._text.joined()
        if self._run is not None and not others:
            return self._run.result()
        values = [*self._items, self._run.result()] if self._run else list(self._items)
        return [*values, f"[{self._more} more items]"] if self._more else values


class GrowingText:
    """Texts that each begin with the text before, so that the last one is the whole answer.

    Attributes:
        last: the longest text so far.
        count: the number of texts.
    """

    __slots__ = ("_lengths", "last")

    def __init__(self) -> None:
        self.last = ""
        self._lengths: list[int] = []

    @property
    def count(self) -> int:
        return len(self._lengths)

    def add(self, text: str) -> bool:
        """Take a text; return False if it does not continue the one before."""
        if len(text) <= len(self.last) or not text.startswith(self.last):
            return False
        self.last = text
        self._lengths.append(len(text))
        return True

    def texts(self) -> list[str]:
        return [self.last[:length] for length in self._lengths]


def _without_origin(item: Any) -> Any:
    """Return a chunk without the note on its origin, beside which LangGraph puts it."""
    first = item[0] if type(item) is list and len(item) == 2 else None
    return first if type(first) is dict and first.get("type") == "AIMessageChunk" else item


def _begin(item: Any, budget: Budget) -> Run | None:
    """Begin the run of chunks whose first chunk is this item; None if it is not a chunk."""
    if type(item) is not dict:
        return None
    kind = item.get("type")
    run: Run
    for other in (*OTHER_RUNS, *MEDIA_RUNS):
        run = other(budget)
        if run.add(item):
            return run
    if type(kind) is not str or kind == "chunk":
        run = Completion(budget)
    elif kind.startswith("response."):
        run = Response(budget)
    elif (kind.startswith(("message_", "content_block_")) and kind not in SILENT_EVENTS) or (
        kind == "error" and type(item.get("error")) is dict
    ):
        run = Message(budget)
    elif kind == "error" and "param" in item:  # so do OpenAI's responses
        run = Response(budget)
    else:
        return None
    return run if run.add(item) else None
