"""Read the body of one HTTP request as a file that ends where the body ends."""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer


_MAX_LINE_BYTES = 8192
_MAX_TRAILERS = 100
_PIECE_BYTES = 64 * 1024


class Body(io.RawIOBase):
    """A body of `length` bytes, or a chunked one if `length` is None.

    Reading raises `ValueError` if the chunks are badly framed or cut short. A body with a length
    that is cut short just ends early.
    """

    def __init__(self, source: io.BufferedIOBase, length: int | None) -> None:
        self._source = source
        self._left = length or 0
        self._chunked = length is None

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        if self._chunked and not self._left:
            self._next()
        piece = self._source.read(min(self._left, memoryview(buffer).nbytes))
        memoryview(buffer)[: len(piece)] = piece
        self._left -= len(piece)
        if self._chunked:
            self._check(piece)
        return len(piece)

    def skip(self, limit: int) -> bool:
        """Read and drop about `limit` bytes; return True if that reached the end."""
        try:
            while limit > 0 and (piece := self.read(_PIECE_BYTES)):
                limit -= len(piece)
        except ValueError:
            return False
        return not (self._left or self._chunked)

    def _check(self, piece: bytes) -> None:
        """Refuse a chunk that ends early or without its line break."""
        if not piece or (not self._left and self._line()):
            self._fail()

    def _next(self) -> None:
        size = self._line().partition(b";")[0].strip()
        if not re.fullmatch(b"[0-9a-fA-F]{1,15}", size):
            self._fail()
        self._left = int(size, 16)
        self._chunked = self._left > 0
        if not self._chunked:
            self._trailers()

    def _trailers(self) -> None:
        for _ in range(_MAX_TRAILERS):
            if not self._line():
                return
        self._fail()

    def _line(self) -> bytes:
        line = self._source.readline(_MAX_LINE_BYTES)
        if not line.endswith(b"\r\n"):
            self._fail()
        return line[:-2]

    def _fail(self) -> NoReturn:
        # Read nothing more: the bytes that follow are not a chunk, even if they look like one.
        self._source, self._chunked = io.BytesIO(), True
        raise ValueError("the body's chunks are badly framed or cut short; send all of it again")
