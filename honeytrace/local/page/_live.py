"""Tell an open list how many new sessions there are: `/live`.

Up to eight browsers are notified through an `EventSource`. The others ask again and again, and get
"not modified" as long as nothing is new.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from http import HTTPStatus
from typing import TYPE_CHECKING

from honeytrace.local._answers import Answer, json_answer
from honeytrace.local._doors import RequestError
from honeytrace.local._store import Store
from honeytrace.local.page._requests import Request

if TYPE_CHECKING:
    from threading import Semaphore

_POLL_SECONDS = 0.5
_MAX_COUNTED = 1000


def new_sessions(store: Store, query: str, after: int) -> int:
    """Return how many sessions of a query came in after a number."""
    last = store.last_number()
    if last == after:
        return 0
    if last < after:  # the store was emptied or replaced, and counts from 1 again
        after = 0
    store.catch_up_soon(query)
    return len(store.search(query, _MAX_COUNTED, above=after, wait=False))


def answer(store: Store, request: Request) -> Answer:
    """Answer once as JSON, or with a stream of events if the server has room for one."""
    query, number = request.get("q"), request.get("after")
    after = int(number) if number.isdecimal() and len(number) < 19 else 0
    try:
        count = new_sessions(store, query, after)
    except ValueError as error:
        raise RequestError(HTTPStatus.BAD_REQUEST, str(error)) from None
    if request.wants_json:
        return _once(count, f'"{count}"', request.known)
    streams = request.streams
    if streams is None or not streams.acquire(blocking=False):
        words = "there is no room for another stream; ask /live.json"
        raise RequestError(HTTPStatus.SERVICE_UNAVAILABLE, words, ("Retry-After", "60"))
    headers = (("Content-Type", "text/event-stream"), ("Cache-Control", "no-store"))
    return Answer(HTTPStatus.OK, headers, _Stream(store, query, after, streams))


def _once(count: int, tag: str, known: str) -> Answer:
    headers = (("ETag", tag), ("Cache-Control", "no-cache"))
    if known == tag:
        return Answer(HTTPStatus.NOT_MODIFIED, headers, [b""])
    return json_answer({"new": count}, HTTPStatus.OK, *headers)


class _Stream:
    """The events of one browser. `close` frees its place for another one."""

    def __init__(self, store: Store, query: str, after: int, streams: Semaphore) -> None:
        self._pieces = _pieces(store, query, after)
        self._streams = streams

    def __iter__(self) -> Iterator[bytes]:
        return self._pieces

    def close(self) -> None:
        self._streams.release()


def _pieces(store: Store, query: str, after: int) -> Iterator[bytes]:
    """Yield an event for each new count, and b"" as long as nothing is new."""
    yield b"retry: 10000\n\n"
    told = 0
    while True:
        count = new_sessions(store, query, after)
        yield b"" if count == told else b"data: %d\n\n" % count
        told = count
        time.sleep(_POLL_SECONDS)
