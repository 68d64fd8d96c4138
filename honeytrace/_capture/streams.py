"""Collect the items of a stream, and merge them when somebody needs the whole."""

from __future__ import annotations

import threading
from typing import Any

from honeytrace._capture.accumulator import StreamAccumulator
from honeytrace._capture.deferred import keep, read
from honeytrace._capture.providers.events import EventReader
from honeytrace._capture.rules import rules

_MAX_WAITING_BYTES = 2**20  # size of the items that wait to be merged


class StreamBuffer:
    """Collects the items of one stream.

    Items wait unchanged and are merged later, mostly on the worker after the stream has ended.

    Attributes:
        wanted: whether outputs are captured; if not, items are only counted.
        raw: whether to keep the first items themselves, for the user's `reduce` function.
        alone: whether a single item is the value itself, as in a fixture.
        reader: decodes items that are events as a server sent them; None for other items.
        items: the items that wait; the wrappers append short strings here directly.
        kept: the first items of a `raw` stream.
    """

    __slots__ = (
        "_accumulator",
        "_before",
        "_left",
        "_lock",
        "_mixed",
        "alone",
        "items",
        "kept",
        "raw",
        "reader",
        "wanted",
    )

    def __init__(self, wanted: bool, raw: bool, reader: EventReader | None = None) -> None:
        self.wanted = wanted
        self.raw = raw
        self.reader = reader
        self.alone = False
        self.items: list[Any] = []
        self.kept: list[Any] = []
        self._before = 0
        self._accumulator = StreamAccumulator()
        self._left = _MAX_WAITING_BYTES
        self._mixed = False  # whether any item was not a short string
        self._lock = threading.Lock()

    @property
    def count(self) -> int:
        """Return the number of items; with a `reader`, it is complete after `value()`."""
        return self.reader.count if self.reader else self._before + len(self.items)

    @property
    def size(self) -> int:
        """Return an upper estimate of the bytes that wait or are merged."""
        return _MAX_WAITING_BYTES - self._left + self._accumulator.size

    @property
    def dropped(self) -> int:
        """Return the number of items missing from the value; complete after `value()`."""
        if not self.wanted:
            return 0
        return self.count - len(self.kept) if self.raw else self._accumulator.dropped

    @property
    def cut(self) -> bool:
        return self._accumulator.cut

    def take(self, item: object) -> None:
        """Take any item."""
        if not self.wanted or (self.raw and len(self.kept) >= rules.limits.items):
            item = None
        elif not self.raw:
            item, size, _ = (None, 0, None) if self._accumulator.full else keep(item, "outputs")
            self._left -= size
        self._mixed = True
        self.items.append(item)
        if self._left < 0:
            self.fold()

    def decoded(self, event: Any) -> None:
        """Take an event that an SDK has decoded just now."""
        data, reader = event.data, self.reader
        if type(data) is str and data and reader is not None:
            reader.arrived()
            self.event(data)

    def event(self, data: str | bytes) -> None:
        """Take an event for the `reader`."""
        self.items.append(data)
        self._left -= len(data)
        if self._left < 0:
            self.fold()

    def fold(self) -> None:
        """Merge the items that wait."""
        with self._lock:
            waiting = self.items[:]
            self.items.clear()
            self._before += len(waiting)
            self._left = _MAX_WAITING_BYTES
            if self.raw:
                self.kept.extend(waiting[: rules.limits.items - len(self.kept)])
            elif self.reader is not None:
                self._read(waiting, self.reader)
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

    def _read(self, waiting: list[Any], reader: EventReader) -> None:
        for data in waiting:
            for item in reader.read(data):
                self._accumulator.add(item)

    def value(self) -> Any:
        """Return the merged items, or the items themselves if `raw` is set."""
        if self.alone and self.wanted and self.items and not self.raw:
            return read(self.items[0], "outputs")
        self.fold()
        return list(self.kept) if self.raw else self._accumulator.result()
