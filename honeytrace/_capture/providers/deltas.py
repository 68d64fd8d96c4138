"""Plain JSON data that grows piece by piece, within bounds.

An object grows by deltas: its texts are joined, its lists extended, its objects grow in turn, and
of all else the last value wins. Nothing that is given is changed or kept a part of.
"""

from __future__ import annotations

from typing import Any, TypeGuard

from honeytrace._capture.snapshot import rules
from honeytrace._utils.json import loads

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
    """A list whose entries grow, each under a key that gives its place.

    The key is the entry's index. But some servers leave the index out, and others send several
    entries with the same one; these get the next free key.
    """

    def __init__(self) -> None:
        super().__init__()
        self._moved: dict[int, int] = {}  # by index, the key of the entry begun last
        self._last = 0

    def at(self, key: int, room: Budget) -> Any:
        """Return the entry, made if it is missing; a throwaway if there are too many."""
        self._last = key
        if key not in self:
            if len(self) >= MOST or not room.takes(64):
                room.cut = True
                return {}
            self[key] = {}
        return self[key]

    def key(self, index: object) -> int:
        """Return the key of the entry begun last at an index; without one, of the last delta's."""
        return self._moved.get(index, index) if is_index(index) else self._last

    def begin(self, index: object) -> int:
        """Return the key for another entry, whose index may be missing or taken."""
        if is_index(index) and index not in self:
            return index
        key = max(self, default=-1) + 1
        if is_index(index):
            self._moved[index] = key
        return key

    def with_id(self, wanted: object) -> int | None:
        """Return the key of the entry with this id."""
        same = (key for key, entry in self.items() if wanted and entry.get("id") == wanted)
        return next(same, None)


def is_index(value: object) -> TypeGuard[int]:
    """Return whether this is a place in a list."""
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
            grow(slots.at(_key(slots, entry), room), rest, room)
        return slots
    entries = old if type(old) is list else []
    if type(old) is Text and old.joined():
        entries.append(old)
    _extend(entries, new, room)
    return entries


def _key(entries: IndexedEntries, delta: dict[str, Any]) -> int:
    """Return the key of the tool call that a delta belongs to."""
    index, call_id = delta.get("index"), delta.get("id")
    if call_id and not is_index(index):
        known = entries.with_id(call_id)
        return entries.begin(None) if known is None else known
    key = entries.key(index)
    return entries.begin(index) if _is_other(entries.get(key), delta) else key


def _is_other(call: dict[str, Any] | None, delta: dict[str, Any]) -> bool:
    """Return whether a delta at the place of a call begins another one.

    A call begins with its name. Its id alone would not tell: some servers make up a new one for
    each delta of a call, and others give none.
    """
    name, arguments = _function(delta)
    if not call or not name:
        return False
    if call.get("id") and delta.get("id"):
        return bool(call["id"] != delta["id"])
    known_name, so_far = _function(call)
    return (known_name or name) != name or (bool(arguments) and _is_complete(so_far))


def _function(call: dict[str, Any]) -> tuple[Any, Any]:
    """Return the name and the arguments of a tool call."""
    function = call.get("function")
    held = function if type(function) is dict else call
    return held.get("name"), held.get("arguments")


def _is_complete(arguments: Any) -> bool:
    """Return whether the arguments of a call are there, so that no more can follow."""
    if type(arguments) is not Text:
        return type(arguments) is dict
    try:
        loads(arguments.joined())
    except ValueError:
        return False
    return True


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
