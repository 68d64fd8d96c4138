"""Collect the items of a stream, and merge them when somebody needs the whole."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, TypeGuard

from honeytrace._capture.accumulator import StreamAccumulator
from honeytrace._capture.deferred import keep, read
from honeytrace._capture.providers.events import EventReader
from honeytrace._capture.rules import rules

SETTLED_EVENTS = 256
"""Number of events after which their sizes are added up."""

_MAX_WAITING_BYTES = 2**20  # size of the items that wait to be merged


class StreamBuffer:
    """Collects the items of one stream.

    Items wait unchanged and are merged later, mostly on the worker after the stream has ended.

    Attributes:
        wanted: whether outputs are captured; if not, items are only counted.
        raw: whether to keep the first items themselves, for the user's `reduce` function.
        alone: whether a single item is the value itself, as in a fixture.
        items: the items that wait; the wrappers append short strings here directly.
        kept: the first items of a `raw` stream.
    """

    __slots__ = (
        *("_accumulator", "_before", "_left", "_lock", "_mixed"),
        *("alone", "items", "kept", "raw", "wanted"),
    )

    def __init__(self, wanted: bool, raw: bool) -> None:
        self.wanted = wanted
        self.raw = raw
        self.alone = False
        self.items: list[Any] = []
        self.kept: list[Any] = []
        self._before = 0
        self._accumulator: StreamAccumulator | None = None  # made by the worker, if it can be
        self._left = _MAX_WAITING_BYTES
        self._mixed = False  # whether any item was not a short string
        self._lock = threading.Lock()

    @property
    def count(self) -> int:
        """Return the number of items."""
        return self._before + len(self.items)

    @property
    def complete(self) -> bool | None:
        """Return whether the answer is complete; None if its items cannot tell."""
        return None

    @property
    def ttft_ms(self) -> float | None:
        """Return the milliseconds to the first token; None if the items have no times."""
        return None

    @property
    def size(self) -> int:
        """Return an upper estimate of the bytes that wait or are merged."""
        self._weigh()
        merged = self._accumulator.size if self._accumulator else 0
        return _MAX_WAITING_BYTES - self._left + merged

    @property
    def dropped(self) -> int:
        """Return the number of items missing from the value; complete after `value()`."""
        if not self.wanted:
            return 0
        if self.raw:
            return self.count - len(self.kept)
        return self._accumulator.dropped if self._accumulator else 0

    @property
    def cut(self) -> bool:
        return self._accumulator is not None and self._accumulator.cut

    def take(self, item: object) -> None:
        """Take any item."""
        if not self.wanted or (self.raw and len(self.kept) >= rules.limits.items):
            item = None
        elif not self.raw:
            full = self._accumulator is not None and self._accumulator.full
            item, size, _ = (None, 0, None) if full else keep(item, "outputs")
            self._left -= size
        self._mixed = True
        self.items.append(item)
        if self._left < 0:
            self.fold()

    def fold(self) -> None:
        """Merge the items that wait."""
        with self._lock:
            waiting = self.items[:]
            del self.items[: len(waiting)]  # another thread may just have added one
            self._before += len(waiting)
            self._left = _MAX_WAITING_BYTES
            if self.raw:
                self.kept.extend(waiting[: rules.limits.items - len(self.kept)])
            else:
                self._merge(waiting)

    def _weigh(self) -> None:
        """Add up the sizes of new items, if that was not done when they came."""

    def _merged(self) -> StreamAccumulator:
        if self._accumulator is None:
            self._accumulator = StreamAccumulator()
        return self._accumulator

    def _merge(self, waiting: list[Any]) -> None:
        if not self.wanted:
            return
        merged = self._merged()
        if not self._mixed:
            merged.texts(waiting)
            return
        for kept in waiting:
            if type(kept) is str:
                merged.text(kept)
            else:
                merged.add(read(kept, "outputs"))

    def value(self) -> Any:
        """Return the merged items, or the items themselves if `raw` is set."""
        if self.alone and self.wanted and self.items and not self.raw:
            return read(self.items[0], "outputs")
        self.fold()
        return list(self.kept) if self.raw else self._merged().result()


class EventBuffer(StreamBuffer):
    """Collects the events of one stream as a server sent them.

    What is known of them is complete after `value()`.

    Attributes:
        items: the texts of the events that wait; bytes are a whole body.
        arrivals: for each item, the time when it came, or None; appended before the item.
        now: tells the time in nanoseconds, on the clock of the call.
    """

    __slots__ = ("_reader", "_started", "_weighed", "arrivals", "now")

    def __init__(self, started: int, now: Callable[[], int], *, wanted: bool = True) -> None:
        """`started` is the start of the call in nanoseconds, on the clock `now`."""
        super().__init__(wanted, raw=False)
        self.arrivals: list[int | None] = []
        self.now = now
        self._started = started
        self._reader: EventReader | None = None
        self._weighed = 0  # how many of the items

    @property
    def count(self) -> int:
        return self._reader.count if self._reader else 0

    @property
    def complete(self) -> bool:
        return self._reader is not None and self._reader.complete

    @property
    def ttft_ms(self) -> float | None:
        return self._reader.ttft_ms if self._reader else None

    def take(self, item: object) -> None:
        """Take the text of an event that comes now, or the bytes of a whole body."""
        self.arrivals.append(self.now())
        self.items.append(item)
        if len(self.items) - self._weighed >= SETTLED_EVENTS:
            self.settle()

    def settle(self) -> None:
        """Merge the events that wait if they are large."""
        self._weigh()
        if self._left < 0:
            self.fold()

    def _weigh(self) -> None:
        new = self.items[self._weighed :]
        self._weighed += len(new)
        self._left -= sum(map(len, new))

    def _merge(self, waiting: list[Any]) -> None:
        self._weighed = 0
        if self._reader is None:
            self._reader = EventReader(self._started)
        merged = self._merged()
        for arrived, event in zip(self.arrivals, waiting, strict=False):
            for item in self._reader.read(event, arrived):
                merged.add(item)
        del self.arrivals[: len(waiting)]


def is_buffer(value: object) -> TypeGuard[StreamBuffer]:
    """Return whether a value holds the items of a stream, without running its code."""
    return issubclass(type(value), StreamBuffer)
