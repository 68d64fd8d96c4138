"""Grow plain JSON data by deltas, within bounds.

When an object grows by a delta, its texts are joined, its lists are extended and its objects grow
in turn. Any other value is replaced by the newer one. Deltas are neither changed nor kept.
"""

from __future__ import annotations

from typing import Any, Protocol, TypeGuard

from honeytrace._capture.rules import rules
from honeytrace._utils.json import loads

MAX_ENTRIES = 1_000
"""The limit for the entries of a list or object, and for the pieces of a growing text."""

_ALWAYS_KEPT_BYTES = 4096  # a value up to this size is kept even over the budget

# Strings that come whole; all others come in pieces. Some servers repeat them in each delta.
_WHOLE = frozenset(("finish_reason", "format", "id", "name", "role", "signature", "status", "type"))

# Lists whose entries grow; other lists get more entries.
_INDEXED = frozenset(("tool_calls", "reasoning_details"))


class Budget:
    """The remaining budget of a stream.

    Attributes:
        text: the characters of growing texts that may still be added.
        rest: the bytes of anything else that may still be added, roughly.
        cut: whether something was left out.
        limits: the limits of captured values when the stream began.
    """

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
        """Return the new value, or the old one if the new one is over the budget."""
        size = weigh(new)
        # The last values are short and important: the finish reason and the token usage.
        return new if size <= _ALWAYS_KEPT_BYTES or self.takes(max(0, size - weigh(old))) else old

    def put(self, node: dict[str, Any], key: str, value: Any) -> None:
        """Set a value that comes whole."""
        if key in node or len(node) < MAX_ENTRIES:
            node[key] = self.swap(node.get(key), value)
        else:
            self.cut = True


class Run(Protocol):
    """Merges successive chunks of one answer; there is a class for each shape of chunks."""

    def add(self, item: dict[str, Any]) -> bool:
        """Merge a chunk; return False, and change nothing, if the item is not one of this run."""

    def result(self) -> dict[str, Any]:
        """Return the answer so far, as a call without streaming returns it."""


def weigh(value: Any) -> int:
    """Estimate the bytes of memory that plain data takes."""
    kind = type(value)
    if kind is str:
        return 64 + len(value)
    if kind is dict:
        return 64 + sum(64 + len(key) + weigh(item) for key, item in value.items())
    return 64 + sum(map(weigh, value)) if kind is list else 32


class Text:
    """A growing string."""

    __slots__ = ("_budget", "_lost", "_parts")

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._parts: list[str] = []
        self._lost = 0

    def add(self, piece: str) -> None:
        left = self._budget.text - len(piece)
        if left < 0:
            return self._cut(piece)
        self._budget.text = left
        self._parts.append(piece)
        if (
            len(self._parts) > MAX_ENTRIES
        ):  # many short strings take ten times the memory of their characters
            self._parts = ["".join(self._parts)]
        return None

    def _cut(self, piece: str) -> None:
        budget = self._budget
        self._parts.append(piece[: budget.text])
        self._lost += len(piece) - budget.text
        budget.text = 0
        budget.cut = True

    def joined(self) -> str:
        mark = f"… [{self._lost} more characters]" if self._lost else ""
        return "".join(self._parts) + mark


class IndexedEntries(dict[int, Any]):
    """A list whose entries grow, each under a key that gives its position.

    The key is the index of the entry. But some servers leave the index out, and others send several
    entries with the same one; these get the next free key.
    """

    def __init__(self) -> None:
        super().__init__()
        self._moved: dict[int, int] = {}  # index → key of the entry begun last at it
        self._last = 0

    def at(self, key: int, budget: Budget) -> Any:
        """Return the entry, creating it if needed. If there are too many, do not keep it."""
        self._last = key
        if key not in self:
            if len(self) >= MAX_ENTRIES or not budget.takes(64):
                budget.cut = True
                return {}
            self[key] = {}
        return self[key]

    def key(self, index: object) -> int:
        """Return the key of the entry begun last at an index; without an index, the last key."""
        return self._moved.get(index, index) if is_index(index) else self._last

    def begin(self, index: object) -> int:
        """Return the key for a new entry, whose index may be missing or taken."""
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
    """Return whether this is an index of a list."""
    return type(value) is int and value >= 0


def grow(node: dict[str, Any], delta: dict[str, Any], budget: Budget) -> None:
    """Add a delta to an object."""
    for key, new in delta.items():
        old = node.get(key)
        if type(old) is Text and type(new) is str:
            old.add(new)
        elif key not in node:
            if budget.takes(64 + len(key)):
                node[key] = _joined(key, None, new, budget)
        elif new is not None:
            node[key] = _joined(key, old, new, budget)


def _joined(key: str, old: Any, new: Any, budget: Budget) -> Any:
    """Merge the old value of a key, None if there is none, with the new one."""
    kind = type(new)
    if kind is str and key in _WHOLE:
        return budget.swap(old, new) if new else old or new
    if kind is str:
        return _spoken(old, new, budget)
    if kind is list:
        return _listed(key, old, new, budget)
    if kind is dict and (old is None or type(old) is dict):
        node: dict[str, Any] = {} if old is None else old
        grow(node, new, budget)
        return node
    return budget.swap(old, new)


def _spoken(old: Any, new: str, budget: Budget) -> Any:
    """Begin a text with this piece; Mistral's content is a list first, then text."""
    if type(old) is list:
        _extend(old, [new], budget)
        return old
    text = Text(budget)
    text.add(new)
    return text


def _listed(key: str, old: Any, new: list[Any], budget: Budget) -> Any:
    if (
        key in _INDEXED
        and (type(old) is IndexedEntries or not old)
        and all(type(e) is dict for e in new)
    ):
        slots = old if type(old) is IndexedEntries else IndexedEntries()
        for entry in new:
            rest = {name: value for name, value in entry.items() if name != "index"}
            grow(slots.at(_key(slots, entry), budget), rest, budget)
        return slots
    entries = old if type(old) is list else []
    if type(old) is Text and old.joined():
        entries.append(old)
    _extend(entries, new, budget)
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
    """Return whether a delta with the index of a tool call begins another call.

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
    """Return whether the arguments of a call are complete, so that no more can follow."""
    if type(arguments) is not Text:
        return type(arguments) is dict
    try:
        loads(arguments.joined())
    except ValueError:
        return False
    return True


def _extend(entries: list[Any], new: list[Any], budget: Budget) -> None:
    for entry in new:
        if type(entry) is str and entries and type(entries[-1]) is Text:
            entries[-1].add(entry)
        elif len(entries) < MAX_ENTRIES and budget.takes(weigh(entry)):
            entries.append(_spoken(None, entry, budget) if type(entry) is str else entry)
        else:
            budget.cut = True


def done(node: Any) -> Any:
    """Return grown data as independent plain data."""
    kind = type(node)
    if kind is Text:
        return node.joined()
    if kind is dict:
        return {key: done(value) for key, value in node.items()}
    if kind is IndexedEntries:
        return [done(node[index]) for index in sorted(node)]
    return [done(entry) for entry in node] if kind is list else node
