"""Find the streams whose reader did not read them to the end."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from honeytrace._utils.json import dumps

if TYPE_CHECKING:
    import sqlite3

_UNFINISHED = """
SELECT number, json_extract(body, '$.metrics.chunks') FROM sessions
WHERE number IN (SELECT value FROM json_each(?)) AND CASE WHEN json_valid(body)
    THEN json_type(body, '$.metadata.honeytrace.stream.completed') = 'false' END
"""


def unfinished(connection: sqlite3.Connection, numbers: Iterable[int]) -> dict[int, str]:
    """Return the sessions with these numbers that are such streams, each with words about it."""
    rows = connection.execute(_UNFINISHED, (dumps(list(numbers)).decode(),))
    return {number: words_for(chunks) for number, chunks in rows}


def words_for(chunks: object) -> str:
    """Say how such a stream ended; `chunks` is the number of those that were read."""
    return "stopped early" if chunks else "not read"
