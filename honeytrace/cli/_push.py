"""The command `push`: send the sessions of this machine to the server."""

from __future__ import annotations

import argparse
import sys
import time
from contextlib import suppress
from dataclasses import dataclass

from honeytrace._client import Client
from honeytrace._config.settings import Config
from honeytrace._delivery.retry import Verdict, back_off, retry_after, verdict_of
from honeytrace._session.session import SENT
from honeytrace._utils import clock
from honeytrace._utils.errors import SDKError, StoreError, TransportError
from honeytrace._utils.json import Json
from honeytrace._utils.text import printable
from honeytrace.cli._output import Stop, print_text, rewrite
from honeytrace.cli._reading import open_store
from honeytrace.local import Store
from honeytrace.local._format import plural

_BATCH = 500  # sessions that are read at once
_REFUSED = (400, 409, 413, 422)  # statuses that tell of one session, not of all of them
_MISCONFIGURED = (401, 403, 404, 405)
_MAX_WAIT_SECONDS = 300.0  # for one session
_MAX_TRIES = 8  # of one session, if the server does not say how long to wait
_MAX_PAUSE_SECONDS = 30.0  # between two of these tries
_TICK_SECONDS = 1.0  # between two updates of the progress while waiting
_GO_ON = "run it again to go on from there"


def push_sessions(options: argparse.Namespace, config: Config) -> int:
    """Send the sessions in the store to the server, in the order in which they were added."""
    if config.server_url is None:
        raise Stop("there is no server to push to; set HH_API_KEY, or HH_API_URL")
    push = _Push(open_store(config), config.server_url)
    try:
        with Client.configured(config) as client:
            push.run(client, again=options.again)
    except KeyboardInterrupt:
        words = f"interrupted after {plural(push.sent, 'session')}"
        print(f"honeytrace: {words}; {_GO_ON}", file=sys.stderr)
        return 130
    words = f", {push.refused} refused" if push.refused else ""
    print_text(f"Pushed {plural(push.sent, 'session')} to {config.server_url}{words}.")
    return int(push.refused > 0)


@dataclass(frozen=True, slots=True)
class _Problem:
    """Why a session was not taken, though it may be taken later.

    Attributes:
        words: what happened.
        wish: seconds that the server asks to wait; None if it does not ask.
        may_pass: False if another try would meet the same.
    """

    words: str
    wish: float | None = None
    may_pass: bool = True


class _Push:
    """Sends the sessions of a store. How far it came is kept in the store, for the next push.

    Attributes:
        sent: number of sessions that the server accepted.
        refused: number of sessions that the server refused for what is in them.
    """

    def __init__(self, store: Store, server: str) -> None:
        self._store = store
        self._server = server
        self._left = 0
        self.sent = self.refused = 0

    def run(self, client: Client, again: bool) -> None:
        try:
            self._run(client, again)
        finally:
            rewrite("")

    def _run(self, client: Client, again: bool) -> None:
        last = 0 if again else self._store.pushed(self._server)
        self._left = self._store.count_above(last)
        while found := self._store.above(last, _BATCH):
            for last, fields in found:
                self._show_progress()
                self._send(client, fields)
                with suppress(StoreError):  # the next push repeats some, with the same ids
                    self._store.note_pushed(self._server, last)

    def _show_progress(self, more: str = "") -> None:
        refused = f", {self.refused} refused" if self.refused else ""
        rewrite(f"Pushing {plural(self._left, 'session')}: {self.sent} delivered{refused}{more}")

    def _send(self, client: Client, fields: Json) -> None:
        """Send one session, and wait as long as the server asks for. Raises `Stop` if in vain."""
        known = {name: value for name, value in fields.items() if name in SENT}
        known = {"project": "default", "session_name": "unknown", "source": "dev", **known}
        tries, waited = 0, 0.0
        while problem := self._try(client, known):
            tries += 1
            seconds = problem.wish or back_off(tries, _MAX_PAUSE_SECONDS)
            waited += seconds
            if waited >= _MAX_WAIT_SECONDS:
                minutes = f"{_MAX_WAIT_SECONDS / 60:.0f} minutes"
                raise Stop(f"{problem.words}; it asks to wait {minutes} or more; {_GO_ON}")
            if not problem.may_pass or (tries == _MAX_TRIES and not problem.wish):
                raise Stop(f"{problem.words}; {_GO_ON}")
            self._wait(seconds)

    def _try(self, client: Client, known: Json) -> _Problem | None:
        """Send one session once; return None if the server took it, or refused it for good."""
        try:
            client.start_session(known)
        except TransportError as error:
            # A server that answered a moment ago may be restarting; another address is wrong.
            return _Problem(str(error), may_pass=self.sent > 0)
        except SDKError as error:
            return self._judge(error, known)
        self.sent += 1
        return None

    def _judge(self, error: SDKError, known: Json) -> _Problem | None:
        """Return what an answer means for the push; None if just this session is left out."""
        words = printable(str(error))
        if error.status_code in _REFUSED:
            title = printable(f"session {known['session_name']!r} ({known['session_id']})")
            print(f"honeytrace: {title} was left out: {words}", file=sys.stderr)
            self.refused += 1
            return None
        if error.status_code in _MISCONFIGURED:
            raise Stop(f"{words}; check HH_API_KEY and HH_API_URL, then run it again") from None
        wish = retry_after(error.raw_response.headers.get("retry-after"), time.time())
        return _Problem(words, wish, verdict_of(error.status_code) is Verdict.RETRY)

    def _wait(self, seconds: float) -> None:
        """Wait, and show on a terminal how long it still takes."""
        end = clock.now() + seconds
        while (left := end - clock.now()) > 0:
            self._show_progress(f"; the server is busy, going on in {left:.0f} s")
            time.sleep(min(left, _TICK_SECONDS))
