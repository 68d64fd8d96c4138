"""Refuse a JSON text that would take too much memory once it is parsed."""

from __future__ import annotations

MAX_VALUES = 500_000
"""Values and keys in one body. 64 MiB of text can hold 30 million, each of 60 bytes or more."""

_SMALL_BYTES = 1024 * 1024  # a smaller body cannot hold enough values to matter
_MARKS = (b",", b"[", b"{", b":")


def has_too_many_values(body: bytes | bytearray) -> bool:
    """Return True if a JSON text has more than `MAX_VALUES` values. It need not be valid JSON.

    Counts the punctuation outside of its strings, and copies nothing.
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
    """Return the position behind the string whose first character is at `at`."""
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
