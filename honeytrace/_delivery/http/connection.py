"""One connection that stays open, and the requests over it, with a deadline for each."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable
from contextlib import closing, suppress
from typing import cast

import httpcore

from honeytrace._delivery.http.network import DeadlineNetwork, OwnedStream
from honeytrace._delivery.http.reply import MAX_REPLY_BYTES, Reply, join_headers, read_plain
from honeytrace._utils import clock

MAX_SESSION_BYTES = 64 * 2**20  # of a session that is read
FAILURES = (
    httpcore.TimeoutException,
    httpcore.NetworkError,
    httpcore.ProtocolError,
    httpcore.ProxyError,
)


class Quiet(threading.local):
    """Silences the loggers of httpcore for a thread while it is inside."""

    depth = 0

    def __enter__(self) -> None:
        self.depth += 1

    def __exit__(self, *_: object) -> None:
        self.depth -= 1

    def filter(self, _: logging.LogRecord) -> bool:
        return not self.depth


quiet = Quiet()


class Request:
    """A request that is under way.

    Attributes:
        connection: what it is sent over.
        body: its body.
        deadline: the moment, by our clock, at which it is given up.
        first: whether it is the first one over this connection.
    """

    __slots__ = ("_error", "_finished", "_sent", "body", "connection", "deadline", "first")

    def __init__(self, connection: Connection, body: bytes, deadline: float) -> None:
        self.connection = connection
        self.body = body
        self.deadline = deadline
        self.first = connection.network.stream is None
        self._finished = False
        self._sent = False
        self._error: httpcore.WriteError | httpcore.WriteTimeout | None = None
        try:
            self._sent = connection.begin(body, deadline)
        except (httpcore.WriteError, httpcore.WriteTimeout) as error:
            self._error = error

    def is_answered(self, seconds: float) -> bool:
        """Wait up to `seconds`; return False if `finish` would wait even longer."""
        stream = self.connection.network.stream
        if stream is None or not (self._sent and stream.can_wait):
            return True
        return not stream.is_silent(seconds) or clock.now() >= self.deadline

    def finish(self) -> Reply:
        """Return the answer. Raises what httpcore raises."""
        self._finished = True
        if self._error:
            raise self._error
        return self.connection.finish(self.body, sent=self._sent)

    def __del__(self) -> None:
        """Close the connection if nobody reads the answer: a thread was ended from outside."""
        if not self._finished:
            self.connection.close()


class Connection:
    """A connection that sends the same request again and again with other bodies.

    The first request goes through httpcore, which opens the connection. The next ones repeat its
    head, and ordinary answers to them are read without httpcore.

    Attributes:
        network: the backend that httpcore connects with; it holds the stream.
        idle_since: the moment, by our clock, at which the last answer was read.
        reusable: whether the last answer was read to its end, so that another request can follow.
    """

    def __init__(
        self,
        network: DeadlineNetwork,
        http: httpcore.ConnectionInterface,
        request: httpcore.Request,
        headers: list[tuple[bytes, bytes]],
    ) -> None:
        self.network = network
        self.idle_since = 0.0
        self.reusable = False
        self._http = http
        self._request = request
        self._headers = headers
        self._head: tuple[bytes, bytes] | None = None  # what goes before and after the length

    def begin(self, body: bytes, deadline: float) -> bool:
        """Begin a request; return whether it was sent, which takes an open connection."""
        self.network.deadline, self.network.heard = deadline, False
        self.reusable = False
        stream = self.network.stream
        if self._head is None or stream is None:
            return False
        before, after = self._head
        stream.send(b"%b%d%b%b" % (before, len(body), after, body))
        return True

    def finish(self, body: bytes, *, sent: bool) -> Reply:
        """Read the answer, after sending the body unless this was done."""
        reply = self._read_plainly() if sent else None
        if reply is None:
            reply = self._post_by_httpcore(body)
            self.reusable = self._http.is_available()
        else:
            self.reusable = True
        self.idle_since = clock.now()
        return reply

    def get(self, url: httpcore.URL, deadline: float) -> Reply:
        self.network.deadline = deadline
        request = httpcore.Request(b"GET", url, headers=self._headers)
        with quiet:
            return _read(self._http.handle_request(request), MAX_SESSION_BYTES)

    def _read_plainly(self) -> Reply | None:
        """Read the answer to what was sent; None if httpcore has to do it."""
        stream = cast("OwnedStream", self.network.stream)
        data = stream.receive()
        reply = read_plain(data)
        if reply is None:
            stream.replay(data)
        return reply

    def _post_by_httpcore(self, body: bytes) -> Reply:
        self._request.headers = [*self._headers, (b"Content-Length", b"%d" % len(body))]
        self._request.stream = (body,)
        try:
            with quiet:
                reply = _read(self._http.handle_request(self._request))
        finally:
            self._request.stream = ()
        self._learn_head(len(body))
        return reply

    def _learn_head(self, length: int) -> None:
        """Keep the head as httpcore wrote it: a proxy gets one of its own."""
        head = self.network.stream.head if self.network.stream else b""
        before, name, after = head.rpartition(b"\r\nContent-Length: ")
        if name and after == b"%d\r\n\r\n" % length:
            self._head = before + name, b"\r\n\r\n"

    def is_open(self) -> bool:
        """Return whether the server has not closed it, as far as is known."""
        stream = self.network.stream
        return stream is not None and stream.is_silent()

    def close(self) -> None:
        with quiet:
            self._http.close()
            self.network.close()


def _read(response: httpcore.Response, most: int = MAX_REPLY_BYTES) -> Reply:
    """Read an answer as far as it comes in time.

    A short one is read to its end, so that the connection can be used again. One that breaks off
    is not an error: the status has arrived.
    """
    chunks, size, complete = [], 0, False
    with suppress(*FAILURES), closing(response):
        for chunk in cast("Iterable[bytes]", response.stream):
            chunks.append(chunk)
            size += len(chunk)
            if size > most:
                break
        else:
            complete = True
    body = b"".join(chunks)[:most]
    return Reply(response.status, join_headers(response.headers), body, complete)
