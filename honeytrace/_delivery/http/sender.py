"""Sends one encoded session to a server, over connections of our own.

Nothing here imports httpx: other threads see a module while it is still being imported, and some
libraries use httpx as soon as it is in `sys.modules`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Protocol

from honeytrace._delivery.http.addresses import netloc, parsed, proxy
from honeytrace._delivery.http.connections import Connections, Posted, lasts
from honeytrace._delivery.http.reply import Receipt, Reply, read_receipt
from honeytrace._delivery.http.turns import Turns
from honeytrace._delivery.retry import Answer, Verdict, retry_after, verdict_of
from honeytrace._delivery.senders import Sending
from honeytrace._redaction.secrets import without_secrets
from honeytrace._session import wire
from honeytrace._utils.errors import ConfigurationError, TransportError
from honeytrace._utils.guard import log_safely
from honeytrace._utils.json import Json
from honeytrace._utils.text import mask
from honeytrace._utils.urls import why_unusable

_NOT_FOUND = 404
_MAX_SHOWN = 500  # characters of the server's words
_MAX_SEARCHED = 4 * _MAX_SHOWN  # characters in which secrets are looked for
_DELIVERED = Answer(Verdict.DELIVERED)


class _Way(Protocol):
    """Sends to where sessions go. An answer that does not come raises `TransportError`."""

    def post(self, body: bytes) -> Reply: ...

    def begin(self, body: bytes) -> Posted: ...

    def get(self, path: str) -> Reply: ...

    def limit(self, until: float) -> bool: ...

    def close(self) -> None: ...


class _NoWay:
    """Stands in for connections that the settings or the environment rule out."""

    def __init__(self, cause: ConfigurationError) -> None:
        self._cause = cause

    def post(self, body: bytes) -> Reply:  # noqa: ARG002
        return self.get("")

    def begin(self, body: bytes) -> Posted:
        return Posted(partial(self.post, body), lambda _: True)

    def get(self, path: str) -> Reply:  # noqa: ARG002
        raise TransportError(str(self._cause)) from self._cause

    def limit(self, until: float) -> bool:  # noqa: ARG002
        return False

    def close(self) -> None:
        """Do nothing, because there is no connection."""


class HttpSender:
    """Sends bodies of `startSession` to one server. Threads may share it.

    `timeout` is in seconds, for a whole request with its answer. Redirects are not followed.
    `locks` is a directory of files that processes lock in order to take turns at updates.
    """

    def __init__(
        self,
        server_url: str,
        api_key: str | None = None,
        timeout: float = 5.0,
        locks: Path | None = None,
    ) -> None:
        self._key = api_key
        self._warned = False
        self._turns = Turns(locks)
        self._way = _way(server_url, api_key, timeout)

    def send(self, body: bytes) -> Answer:
        """Send one body and read the answer, up to 64 KiB of it."""
        update = wire.update_of(body)
        if update is not None:
            return self._update(update)
        if self._is_updated(body):
            return self._start_again(body)
        return self._judged(partial(self._way.post, body), self._received)

    def begin(self, body: bytes) -> Sending:
        """Send one body without waiting for the answer.

        An update is sent when the answer is asked for, since it has to wait for its turn. So is
        a session that was updated.
        """
        if wire.update_of(body) is not None or self._is_updated(body):
            return Sending(partial(self.send, body))
        reply, is_answered = self._way.begin(body)
        return Sending(partial(self._judged, reply, self._received), is_answered)

    def _judged(
        self,
        request: Callable[[], Reply],
        received: Callable[[Reply], Answer],
        missing: Verdict | None = None,
    ) -> Answer:
        """Judge the answer to a request: a 2xx status by `received`; 404 is `missing`, if given."""
        try:
            reply = request()
        except TransportError as error:
            verdict = Verdict.HOLD if lasts(error) else Verdict.RETRY
            return Answer(verdict, self._clean(str(error)), answered=False)
        verdict = verdict_of(reply.status)
        if verdict is Verdict.DELIVERED:
            return received(reply)
        words = self._clean(_words(reply))
        said = f"status {reply.status}: {words}" if words else f"status {reply.status}"
        if missing and reply.status == _NOT_FOUND:
            return Answer(missing, said)
        return Answer(verdict, said, retry_after(reply.header(b"retry-after"), time.time()))

    def _update(self, update: Json) -> Answer:
        """Read the session, merge the update into it, and start it again under the same id."""
        identity = update["session_id"]
        read = partial(self._way.get, wire.path(identity))
        with self._turns.take(identity) as note:
            merge = partial(self._merge, lambda event: wire.updated(event, update), note)
            answer = self._judged(read, merge, Verdict.EARLY)
        if answer.verdict is Verdict.EARLY:
            return Answer(Verdict.EARLY, f"{identity} is not there yet ({answer.words})")
        return answer

    def _is_updated(self, body: bytes) -> bool:
        if not self._turns.are_in_use():
            return False
        identity = wire.id_of(body)
        return wire.is_uuid(identity) and self._turns.is_updated(identity)

    def _start_again(self, body: bytes) -> Answer:
        """Send a session that was updated, so that no update is undone.

        It was sent before: the answer was lost, or the process ended before it could note it. Or
        a block was opened again under the same id.
        """
        identity = wire.id_of(body)
        read = partial(self._way.get, wire.path(identity))
        with self._turns.take(identity) as note:
            merge = partial(self._merge, lambda event: wire.started_again(event, body), note)
            answer = self._judged(read, merge, Verdict.EARLY)
            if answer.verdict is Verdict.EARLY:  # the server has it no longer
                return self._judged(partial(self._way.post, body), self._received)
            return answer

    def _merge(
        self, merge: Callable[[bytes], bytes], note: Callable[[], object], reply: Reply
    ) -> Answer:
        if not reply.complete:
            return Answer(Verdict.RETRY, "the answer to getSession broke off")
        try:
            body = merge(reply.body)
        except ValueError as error:
            return Answer(Verdict.HOLD, f"the answer to getSession is unusable ({error})")
        note()
        return self._judged(partial(self._way.post, body), self._received)

    def _received(self, reply: Reply) -> Answer:
        """Judge an answer with a 2xx status: only the session API takes sessions."""
        receipt = read_receipt(reply)
        if receipt is Receipt.NONE:
            words = self._clean(_words(reply))
            said = f"status {reply.status}, but the session API did not answer: {words}"
            return Answer(Verdict.HOLD, said)
        if receipt is Receipt.UNNAMED and not self._warned:
            self._warned = True
            log_safely(
                "the server took a session and answered without a session_id (%s); "
                "check that server_url is the address of the session API",
                self._clean(_words(reply)),
            )
        return _DELIVERED

    def limit(self, until: float) -> bool:
        """Give up all requests at this moment, by our clock; return False if that cannot be kept.

        It cannot if the system has to look up a name.
        """
        return self._way.limit(until)

    def close(self) -> None:
        self._way.close()

    def _clean(self, words: str) -> str:
        """Return a message fit for the log: one short line without the key."""
        words = without_secrets(mask(words, self._key)[:_MAX_SEARCHED])
        words = words[:_MAX_SEARCHED]
        shown = (character if character.isprintable() else " " for character in words)
        return " ".join("".join(shown).split())[:_MAX_SHOWN]


def _way(server_url: str, api_key: str | None, timeout: float) -> _Way:
    """Return connections to a server, or a `_NoWay` if there cannot be any."""
    try:
        if why := why_unusable(server_url):
            raise ConfigurationError(f"{server_url!r} is not the address of a server: {why}")
        url = parsed(server_url + wire.START)
        named = {**wire.headers(api_key), "Host": netloc(url).decode()}
        headers = [(name.encode(), value.encode()) for name, value in named.items()]
        return Connections(url, headers, timeout, proxy(server_url))
    except ConfigurationError as error:
        return _NoWay(error)


def _words(reply: Reply) -> str:
    """Return the message of the server, unless it is compressed and so unreadable."""
    body = b"" if reply.header(b"content-encoding") else reply.body
    return wire.message(body.decode("utf-8", "replace")) or reply.header(b"location") or ""
