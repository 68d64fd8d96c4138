"""Exceptions of the user's signal handlers pass through delivery, whatever kind they are."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import contextmanager

import pytest

from honeytrace._config import settings
from honeytrace._delivery.local import LocalSender
from honeytrace._delivery.processes import ends_abruptly
from honeytrace._delivery.queue import DeliveryQueue
from honeytrace._delivery.spool.directory import Spool
from honeytrace._utils.guard import ErrorGuard


class Record:
    """A session that encodes to a body that the store takes."""

    size = 0


def encode(record):
    return b'{"session":{"session_id":"11111111-1111-4111-8111-111111111111"}}'


OURS = ("_delivery", "_config")


@contextmanager
def interrupted(at, error):
    """Raise at the n-th call that our code makes inside, as a signal handler does."""
    left, fired = iter(range(at)), []

    def handle(frame, event, argument):
        ours = any(f"{os.sep}{room}{os.sep}" in frame.f_code.co_filename for room in OURS)
        if ours and event in ("call", "c_return") and next(left, None) is None:
            sys.setprofile(None)
            fired.append(True)
            raise error

    sys.setprofile(handle)
    try:
        yield fired
    finally:
        sys.setprofile(None)


def swallowed(act, kind):
    """Interrupt `act` at each of its calls in turn; return at which of them nothing came out."""
    found, at = [], 0
    while True:
        error, raised = kind(), None
        with interrupted(at, error) as fired:
            try:
                act()
            except BaseException as got:
                raised = got
        if not fired:
            return found
        found += [] if raised is error else [at]
        at += 1


def write_to_disk(tmp_path):
    spool = Spool(tmp_path / os.urandom(4).hex(), "http://x", "p")
    queue = DeliveryQueue(encode, ErrorGuard(), spool)
    try:
        queue.encode_now(Record())
        queue.write()
        queue.give_up_all()
    finally:
        spool.disown()


def write_to_store(tmp_path):
    sender = LocalSender(tmp_path)
    try:
        sender.send(encode(Record()))
    finally:
        sender.close()


def configure(tmp_path):
    settings._checked("timeout", "5")
    settings._checked("redact", max)
    settings._checked("sample_rate", "0.5")
    settings._checked("keep", bool)
    settings._checked("limits", {"string": 9})
    settings._checked("home", str(tmp_path))
    ends_abruptly()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize(
    ("act", "kind"),
    [
        (write_to_disk, TimeoutError),
        (write_to_store, TimeoutError),
        (configure, ValueError),
        (configure, TimeoutError),
    ],
)
def test_what_a_signal_handler_raises_reaches_the_program(act, kind, tmp_path):
    """Though a TimeoutError is an OSError, as those of a disk are."""
    act(tmp_path)
    assert swallowed(lambda: act(tmp_path), kind) == []


class Interrupted:
    """A function that a signal interrupts while its parameters are read."""

    def __call__(self, *arguments):
        return True

    @property
    def __signature__(self):
        signal.raise_signal(signal.SIGUSR1)


@pytest.mark.parametrize("name", ["keep", "redact"])
def test_a_signal_while_a_function_is_checked(name):
    """Its ValueError is not taken for that of a builtin, which has no signature."""

    def handle(*_):
        raise ValueError("from outside")

    before = signal.signal(signal.SIGUSR1, handle)
    try:
        with pytest.raises(ValueError, match=r"^from outside$"):
            settings._checked(name, Interrupted())
    finally:
        signal.signal(signal.SIGUSR1, before)
