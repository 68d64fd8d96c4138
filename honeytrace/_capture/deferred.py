"""Keep the values of a call in the cheapest form for the caller; the worker reads it later.

There are three forms. A value that cannot change is kept as it is. Small plain data becomes bytes:
`marshal` copies it five times as fast as Python code can, and the worker decodes it. Any other
value is copied at once.
"""

from __future__ import annotations

import marshal
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from honeytrace._capture.providers.answers import has_usage
from honeytrace._capture.providers.embeddings import without_vectors
from honeytrace._capture.rules import rules
from honeytrace._capture.snapshot import Snapshot
from honeytrace._capture.stdlib_types import EXACT
from honeytrace._utils.json import Json, parse
from honeytrace._utils.origin import let_through

Arguments = tuple[tuple[Any, ...], dict[str, Any]]
"""Positional and keyword arguments, as a call has them."""

Bind = Callable[[tuple[Any, ...], dict[str, Any]], dict[str, Any]]

_MAX_PACKED_BYTES = 64 * 1024  # as roughly estimated
_MAX_MARSHALLED_BYTES = 4 * _MAX_PACKED_BYTES  # more means long keys, which are not estimated
_BYTES_PER_VALUE = 16  # added to the estimate for each value, so that many numbers weigh too
_MAX_PACKED_DEPTH = 8
_MAX_SENT_BYTES = 2**20  # a longer body is copied at once, as the copy is cut and takes less memory


def constant(value: object) -> bool:
    """Return whether a value can never change and so needs no copy."""
    kind = type(value)
    # `kind in (str, …)` would call `__eq__` of the user's metaclass.
    return value is None or kind is str or kind is int or kind is bool or kind is float


class Copied(NamedTuple):
    """A value that was copied at once."""

    value: Any


class Told(Protocol):
    """What a server tells beside an answer."""

    @property
    def media_type(self) -> str:
        """Return the content type of the answer, such as "application/json"."""


@dataclass(slots=True)  # half as slow to make as a named tuple
class Encoded:
    """The body of a server's answer, as it was sent; the worker decodes it.

    Attributes:
        body: the bytes of the answer.
        told: knows the content type of the answer.
        counts: the tokens that the server told beside the body, for a body without them.
    """

    body: bytes
    told: Told
    counts: Json | None = None

    def value(self) -> Any:
        """Return the decoded body as JSON data; the type and size of anything but JSON and text."""
        try:
            found = without_vectors(parse(self.body.decode()))
            counted = self.counts is None or type(found) is not dict or has_usage(found)
            found = found if counted else {**found, **(self.counts or {})}
            return Snapshot().take(found, "outputs")
        except ValueError:
            media_type = self.told.media_type
        if media_type.startswith("text/"):
            return Snapshot().take(self.body.decode("utf-8", "replace"), "outputs")
        return {"media_type": media_type, "bytes": len(self.body)}


class Inputs(NamedTuple):
    """Arguments that were named and copied at once.

    Attributes:
        inputs: the copies by parameter name.
        config: the copies of the inputs that `config_args` names.
    """

    inputs: dict[str, Any]
    config: dict[str, Any]


class RequestBody:
    """The body of a request to a server, without a copy.

    The SDK encodes it anyway, so we keep the bytes that it sent; the worker decodes them.

    Attributes:
        given: the body as the SDK got it; None once the bytes are known.
        sent: the bytes; None until they are known.
        cuts: the paths of the values that `value` truncated.
    """

    __slots__ = ("cuts", "given", "sent")

    def __init__(self, given: dict[str, Any]) -> None:
        self.given: dict[str, Any] | None = given
        self.sent: bytes | None = None
        self.cuts: list[str] = []

    def keep(self, content: object) -> int:
        """Keep the content of the HTTP request; return its size, or 0 if it is not the body."""
        if type(content) is not bytes or content[:1] != b"{" or len(content) > _MAX_SENT_BYTES:
            return 0
        self.given, self.sent = None, content
        return len(content)

    def value(self, bind: Bind) -> dict[str, Any]:
        """Return the body as JSON data; `bind` names what was given."""
        body: Any
        if self.sent is None:
            body = bind((self.given,), {})
        else:
            try:
                body = parse(self.sent.decode())
            except ValueError:  # the program's own code has changed it
                body = {"bytes": len(self.sent)}
        taken = Snapshot()
        copy = taken.take(body, "inputs")
        self.cuts = taken.cuts
        return as_object(copy)


Kept = tuple[Any, int, "list[str] | None"]
"""A value in one of the three forms, its size in bytes, and the paths that were cut."""


def arguments(args: tuple[Any, ...], kwargs: dict[str, Any], bind: Bind) -> Kept:
    """Keep the arguments of a call; `named` reads them."""
    values = (*args, *kwargs.values()) if kwargs else args
    size = 0
    for value in values:
        kind = type(value)
        if kind is str:
            size += len(value)
        elif not (kind is int or value is None or kind is bool or kind is float):
            break
    else:
        if size <= rules.limits.string and size <= rules.limits.chars:
            return (args, kwargs), size, None
    packed = _pack((args, kwargs), values)
    if packed is not None:
        return packed, len(packed), None
    return copied(bind(args, kwargs), "inputs")


def named(captured: Any, bind: Bind) -> dict[str, Any]:
    """Return the arguments by name, as JSON data."""
    if type(captured) is Copied:
        return as_object(captured.value)
    if type(captured) is RequestBody:
        return captured.value(bind)
    args, kwargs = _loaded(captured)
    return as_object(_as_json(bind(args, kwargs), "inputs"))


def copied(value: object, at: str) -> Kept:
    """Copy any value at once; `at` begins the paths of the cuts."""
    taken = Snapshot()
    copy = taken.take(value, at)
    return Copied(copy), taken.size, taken.cuts or None


def keep(value: object, at: str) -> Kept:
    """Keep any value in the cheapest form; `read` reads it."""
    if type(value) is Encoded:
        return value, len(value.body), None
    size = len(value) if type(value) is str else 0
    if constant(value) and size <= rules.limits.string and size <= rules.limits.chars:
        return value, size, None
    packed = _pack(value, (value,))
    if packed is not None:
        return packed, len(packed), None
    return copied(value, at)


def read(kept: Any, at: str) -> Any:
    """Return the JSON data that a form stands for."""
    if type(kept) is Copied:
        return kept.value
    return kept.value() if type(kept) is Encoded else _as_json(_loaded(kept), at)


def _as_json(plain: Any, at: str) -> Any:
    """Return unpacked data as JSON data, which most of it already is."""
    return plain if is_json(plain) else Snapshot().take(plain, at)


def is_json(value: Any) -> bool:
    """Return whether a value is JSON data that every parser reads in the same way."""
    kind = type(value)
    if kind is dict:
        for key, item in value.items():  # no call for strings, as it doubles the time
            if type(key) is not str or (type(item) is not str and not is_json(item)):
                return False
        return True
    if kind is list:
        for item in value:  # noqa: SIM110 - `all` takes half as long again
            if type(item) is not str and not is_json(item):
                return False
        return True
    if kind is int:
        return bool(-EXACT <= value < EXACT)
    if kind is float:
        return bool(value - value == 0.0)  # neither infinite nor NaN
    return kind is str or value is None or kind is bool


def _loaded(kept: Any) -> Any:
    # Safe, since this process made these bytes a moment ago.
    return marshal.loads(kept) if type(kept) is bytes else kept  # noqa: S302


def as_object(copy: Any) -> dict[str, Any]:
    """Return the copy of a mapping or record as it is, any other copy as `{"result": copy}`."""
    return copy if type(copy) is dict else {"result": copy}


def _pack(whole: Any, values: Iterable[Any]) -> bytes | None:
    """Return the bytes of small plain data; None for anything else.

    Also return None if the data may exceed a limit, because cuts have to be listed at once.
    """
    limits = rules.limits
    if (
        limits.string < _MAX_PACKED_BYTES
        or limits.chars < _MAX_PACKED_BYTES
        or limits.nodes < _MAX_PACKED_BYTES // _BYTES_PER_VALUE
    ):
        return None
    if limits.depth <= _MAX_PACKED_DEPTH + 1:
        return None
    try:
        if _weigh(values, "numpy" in sys.modules) > _MAX_PACKED_BYTES:
            return None
        packed = marshal.dumps(whole)
    except (ValueError, RuntimeError) as error:
        let_through(error, _weigh)
        return None  # a key that is not plain, or a dict that another thread fills
    return packed if len(packed) <= _MAX_MARSHALLED_BYTES else None


def _weigh(values: Iterable[Any], doubt_keys: bool, depth: int = 0) -> int:
    """Estimate the bytes of plain data.

    The result is over `_MAX_PACKED_BYTES` for data that is not plain or too deep. `doubt_keys` says
    whether a dict may have a number of numpy as a key, which `marshal` takes for a row of bytes.
    """
    if depth > _MAX_PACKED_DEPTH:
        return _MAX_PACKED_BYTES + 1
    weight = 0
    for value in values:
        kind = type(value)
        if kind is str:
            weight += len(value)
        elif kind is dict:
            weight += _BYTES_PER_VALUE * len(value)
            if weight > _MAX_PACKED_BYTES:
                break
            if doubt_keys:
                for key in value:  # no call of `all`: it would take twice as long
                    if type(key) is not str:
                        return _MAX_PACKED_BYTES + 1
            for item in value.values():  # no call for strings: it would take twice as long
                if type(item) is str:
                    weight += len(item)
                elif not constant(item):
                    weight += _weigh((item,), doubt_keys, depth + 1)
                    if weight > _MAX_PACKED_BYTES:
                        break
        elif kind is list or kind is tuple:
            weight += _BYTES_PER_VALUE * len(value)
            if weight > _MAX_PACKED_BYTES or len(value) > rules.limits.items:
                return _MAX_PACKED_BYTES + 1
            weight += _weigh(value, doubt_keys, depth + 1)
        elif not constant(value):
            return _MAX_PACKED_BYTES + 1
        if weight > _MAX_PACKED_BYTES:
            break
    return weight
