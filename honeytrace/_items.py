"""What a stream has yielded so far, in bounded memory."""

from __future__ import annotations

import threading
from typing import Any

from honeytrace._capture import keep, read
from honeytrace._merger import Merger
from honeytrace._snapshot import rules

_ROOM = 2**20  # bytes of items that wait to be merged


class Items:
    """The items of one stream. They wait as they came, some thousand at most, before they are
    merged: mostly on the worker, when the stream has ended.

    `raw` keeps the first of them themselves, for a function of the user's; without `wanted` they
    are only counted. `alone` says that there is one, which is the value itself, as a fixture
    yields it.
    """

    __slots__ = (
        "_before",
        "_lock",
        "_merger",
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
        self._merger = Merger()
        self._room = _ROOM
        self._mixed = False  # whether there was any item but short strings
        self._lock = threading.Lock()

    @property
    def count(self) -> int:
        return self._before + len(self.items)

    @property
    def size(self) -> int:
        """About how many bytes wait, and are merged, at most."""
        return _ROOM - self._room + self._merger.size

    @property
    def dropped(self) -> int:
        """How many items are not part of the value; known when that was asked for."""
        if not self.wanted:
            return 0
        return self.count - len(self.kept) if self.raw else self._merger.dropped

    @property
    def cut(self) -> bool:
        return self._merger.cut

    def take(self, item: object) -> None:
        """Takes any item."""
        if not self.wanted or (self.raw and len(self.kept) >= rules.limits.items):
            item = None
        elif not self.raw:
            item, size, _ = (None, 0, None) if self._merger.full else keep(item, "outputs")
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
                self._merger.texts(waiting)

    def _merge(self, waiting: list[Any]) -> None:
        for kept in waiting:
            if type(kept) is str:
                self._merger.text(kept)
            else:
                self._merger.add(read(kept, "outputs"))

    def value(self) -> Any:
        """What the items come to, or themselves if they are `raw`."""
        if self.alone and self.wanted and self.items and not self.raw:
            return read(self.items[0], "outputs")
        self.fold()
        return list(self.kept) if self.raw else self._merger.result()
