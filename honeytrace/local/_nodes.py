"""How much memory a JSON text would take once it is parsed."""

from __future__ import annotations

MAX_VALUES = 500_000
"""Values and keys of one body: a text of 64 MiB can hold 30 million, of 60 bytes each or more."""

_SMALL_BYTES = 1024 * 1024  # a body below that cannot hold so many that it matters
_MARKS = (b",", b"[", b"{", b":")


def has_too_many_values(body: bytes | bytearray) -> bool:
    """Return whether a JSON text has more than `MAX_VALUES` values; it may be any bytes.

    What stands between its strings is counted, without a copy of anything.
    """
    if len(body) <= _SMALL_BYTES:
        return False
    count, at = 0, 0
    while count <= MAX_VALUES:
        quote = body.find(b'"', at)
        end = len(body) if quote < 0 else quote
        count += sum(body.count(mark, at, end) for mark in _MARKS)
        if quote < 0:
            return count > MAX_VALUES
        at = _after_string(body, quote + 1)
    return True


def _after_string(body: bytes | bytearray, at: int) -> int:
    """Return the position after the string that begins at `at`."""
    while True:
        end = body.find(b'"', at)
        if end < 0:
            return len(body)
        before = end
        while before > at and body[before - 1] == 0x5C:  # a backslash
            before -= 1
        at = end + 1
        if (end - before) % 2 == 0:
            return at
