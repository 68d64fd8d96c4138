"""Write sessions into the store on this machine, without a server and without parsing them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from honeytrace._delivery.retry import Answer, Verdict
from honeytrace._delivery.senders import Sending
from honeytrace._session import wire
from honeytrace._utils.errors import StoreError
from honeytrace._utils.json import Json
from honeytrace._utils.origin import ignoring, let_through
from honeytrace._utils.paths import store_path

# The package comes first: another thread may be importing it, and only this waits for that one.
from honeytrace.local import Store
from honeytrace.local._database import sqlite_module
from honeytrace.local._rows import row
from honeytrace.local._schema import Row

BUSY_SECONDS = 1.0  # how long to wait for another process; an exit has two seconds
_DELIVERED = Answer(Verdict.DELIVERED)


class LocalSender:
    """Writes bodies of `startSession` to the store in `home`. Threads may share it."""

    def __init__(
        self, home: Path, max_bytes: int | None = None, max_age: float | None = None
    ) -> None:
        with ignoring(StoreError):  # told when a session is stored
            sqlite_module()  # now: no fork comes while a sender connects, but it may come later
        self._store = Store(store_path(home), max_bytes=max_bytes, max_age=max_age)

    def send(self, body: bytes) -> Answer:
        return self.send_many([body])

    def begin(self, body: bytes) -> Sending:
        return Sending(partial(self.send, body))

    def send_many(self, bodies: Sequence[bytes]) -> Answer:
        """Store all of them in one transaction, or none."""
        try:
            self._store.put_many(map(_row_or_update, bodies), busy=BUSY_SECONDS)
        except StoreError as error:
            let_through(error)
            return Answer(Verdict.RETRY, str(error), answered=False)
        return _DELIVERED

    def hold(self) -> None:
        self._store.pause()

    def let_go(self) -> None:
        self._store.resume()

    def close(self) -> None:
        self._store.close()


def _row_or_update(body: bytes) -> Row | Json:
    update = wire.update_of(body)
    return row(body) if update is None else update
