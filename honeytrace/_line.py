"""The line to a server: made when there is something to send, and an answer whatever happens."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

from honeytrace._faults import Faults
from honeytrace._wire import Answer, Verdict

_FAULT = Answer(Verdict.RETRY, "a fault of honeytrace", answered=False)


class Sender(Protocol):
    """Delivers one encoded session. Called from several threads at once; does not raise."""

    def send(self, body: bytes) -> Answer: ...

    def close(self) -> None: ...


class Line:
    """Sends by what `connect` makes; `shrink` makes a body smaller that the server finds too large.

    Called from several threads at once, but for `change` and `part`.
    """

    def __init__(
        self,
        connect: Callable[[], Sender],
        faults: Faults,
        shrink: Callable[[bytes], bytes] | None = None,
    ) -> None:
        self._connect = connect
        self._faults = faults
        self._shrink = shrink
        self._sender: Sender | None = None
        self._connecting = threading.RLock()  # what it imports may fork, under gevent

    def send(self, body: bytes) -> Answer:
        answer = self._attempt(body)
        return self._send_smaller(body, answer) if answer.verdict is Verdict.TOO_LARGE else answer

    def _attempt(self, body: bytes) -> Answer:
        return self._faults.guard(self._exchange, body) or _FAULT

    def _exchange(self, body: bytes) -> Answer:
        try:
            sender = self._sender or self._connected()
        except OSError as error:  # no descriptor is left to load httpcore with, say
            return Answer(Verdict.RETRY, f"{type(error).__name__}: {error}", answered=False)
        return sender.send(body)

    def _connected(self) -> Sender:
        with self._connecting:
            self._sender = self._sender or self._connect()
            return self._sender

    def _send_smaller(self, body: bytes, answer: Answer) -> Answer:
        """Sends what is left of a session that was too large, once."""
        smaller = self._faults.guard(self._shrink, body) if self._shrink else None
        if smaller and len(smaller) < len(body):
            answer = self._attempt(smaller)
        if answer.verdict is Verdict.TOO_LARGE:
            answer = replace(answer, verdict=Verdict.REJECTED)
        return answer

    def change(self, connect: Callable[[], Sender]) -> Sender | None:
        """Sends another way from now on; returns what is to be closed."""
        self._connect = connect
        return self.part()

    def part(self) -> Sender | None:
        """Connects anew for what is sent from now on; returns what is to be closed."""
        sender, self._sender = self._sender, None
        return sender

    def hold(self) -> None:
        """Waits until no thread connects, and lets none do so until `let_go`.

        For a fork: a child could not end an import that it was cut from.
        """
        self._connecting.acquire()

    def let_go(self) -> None:
        self._connecting.release()
