"""Plain JSON data that grows piece by piece, within bounds.

An object grows by deltas: its texts are joined, its lists extended, its objects grow in turn, and
of all else the last value wins. Nothing that is given is changed or kept a part of.
"""

from __future__ import annotations

from typing import Any

from honeytrace._capture.snapshot import rules

MOST = 1_000
"""Entries of a list or an object; the pieces that a text is held in."""

_SHORT = 4096  # bytes of a value for which there always is room

# Strings that come whole, where others come in pieces. Some servers repeat them in each delta.
_WHOLE = frozenset(("finish_reason", "format", "id", "name", "role", "signature", "status", "type"))

# Lists whose entries grow, where others get more. Such a delta says the index of its entry.
_INDEXED = frozenset(("tool_calls", "reasoning_details"))


class Budget:
    """How much may still be kept: characters of growing texts, and about the bytes of all else."""

    __slots__ = ("cut", "limits", "rest", "text")

    def __init__(self) -> None:
        self.limits = rules.limits
        self.text = self.limits.string
        self.rest = self.limits.chars
        self.cut = False

    @property
    def used(self) -> int:
        return self.limits.string - self.text + self.limits.chars - self.rest

    def takes(self, size: int) -> bool:
        if size > self.rest:
            self.cut = True
            return False
        self.rest -= size
        return True

    def swap(self, old: Any, new: Any) -> Any:
        """The new value in the place of the old, or the old one where there is no room."""
        size = weigh(new)
        # What comes last is short and matters: why it ended, and the tokens used.
        return new if size <= _SHORT or self.takes(max(0, size - weigh(old))) else old

    def put(self, node: dict[str, Any], key: str, value: Any) -> None:
        """Sets one of the values of an object that come whole."""
        if key in node or len(node) < MOST:
            node[key] = self.swap(node.get(key), value)
        else:
            self.cut = True


def weigh(value: Any) -> int:
    """About the bytes that a value of plain data holds."""
    kind = type(value)
    if kind is str:
        return 64 + len(value)
    if kind is dict:
        return 64 + sum(64 + len(key) + weigh(item) for key, item in value.items())
    return 64 + sum(map(weigh, value)) if kind is list else 32


class Text:
    """A string that grows."""

    __slots__ = ("_lost", "_parts", "_room")

    def __init__(self, room: Budget) -> None:
        self._room = room
        self._parts: list[str] = []
        self._lost = 0

    def add(self, piece: str) -> None:
        left = self._room.text - len(piece)
        if left < 0:
            return self._cut(piece)
        self._room.text = left
        self._parts.append(piece)
        if len(self._parts) > MOST:  # many short strings take ten times their characters
            self._parts = ["".join(self._parts)]
        return None

    def _cut(self, piece: str) -> None:
        room = self._room
        self._parts.append(piece[: room.text])
        self._lost += len(piece) - room.text
        room.text = 0
        room.cut = True

    def joined(self) -> str:
        mark = f"… [{self._lost} more characters]" if self._lost else ""
        return "".join(self._parts) + mark


class IndexedEntries(dict[int, Any]):
    """A list whose entries grow, by their index."""

    def at(self, index: int, room: Budget) -> Any:
        """The entry, made if it is not there; one that goes nowhere if there are too many."""
        if index not in self:
            if len(self) >= MOST or not room.takes(64):
                room.cut = True
                return {}
            self[index] = {}
        return self[index]

    def find(self, entry: dict[str, Any]) -> int:
        """The index that an entry has; without one it is the next, or goes on with the last."""
        if is_index(entry.get("index")):
            index: int = entry["index"]
            return index
        last = max(self, default=-1)
        return last + 1 if entry.get("id") or not self else last


def is_index(value: Any) -> bool:
    return type(value) is int and value >= 0


def grow(node: dict[str, Any], delta: dict[str, Any], room: Budget) -> None:
    """Adds a delta to an object: texts are joined, lists extended, else the last value wins."""
    for key, new in delta.items():
        old = node.get(key)
        if type(old) is Text and type(new) is str:
            old.add(new)
        elif key not in node:
            if room.takes(64 + len(key)):
                node[key] = _joined(key, None, new, room)
        elif new is not None:
            node[key] = _joined(key, old, new, room)


def _joined(key: str, old: Any, new: Any, room: Budget) -> Any:
    """The old value of a key (None if there is none) and the new one."""
    kind = type(new)
    if kind is str and key in _WHOLE:
        return room.swap(old, new) if new else old or new
    if kind is str:
        return _spoken(old, new, room)
    if kind is list:
        return _listed(key, old, new, room)
    if kind is dict and (old is None or type(old) is dict):
        node: dict[str, Any] = {} if old is None else old
        grow(node, new, room)
        return node
    return room.swap(old, new)


def _spoken(old: Any, new: str, room: Budget) -> Any:
    """A piece of text, after a list too: Mistral's content is a list first, then text."""
    if type(old) is list:
        _extend(old, [new], room)
        return old
    text = Text(room)
    text.add(new)
    return text


def _listed(key: str, old: Any, new: list[Any], room: Budget) -> Any:
    if (
        key in _INDEXED
        and (type(old) is IndexedEntries or not old)
        and all(type(e) is dict for e in new)
    ):
        slots = old if type(old) is IndexedEntries else IndexedEntries()
        for entry in new:
            rest = {name: value for name, value in entry.items() if name != "index"}
            grow(slots.at(slots.find(entry), room), rest, room)
        return slots
    entries = old if type(old) is list else []
    if type(old) is Text and old.joined():
        entries.append(old)
    _extend(entries, new, room)
    return entries


def _extend(entries: list[Any], new: list[Any], room: Budget) -> None:
    for entry in new:
        if type(entry) is str and entries and type(entries[-1]) is Text:
            entries[-1].add(entry)
        elif len(entries) < MOST and room.takes(weigh(entry)):
            entries.append(_spoken(None, entry, room) if type(entry) is str else entry)
        else:
            room.cut = True


def done(node: Any) -> Any:
    """What has grown, as plain data of its own."""
    kind = type(node)
    if kind is Text:
        return node.joined()
    if kind is dict:
        return {key: done(value) for key, value in node.items()}
    if kind is IndexedEntries:
        return [done(node[index]) for index in sorted(node)]
    return [done(entry) for entry in node] if kind is list else node
