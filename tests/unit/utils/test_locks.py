"""Locks of threads that the interpreter has killed."""

from __future__ import annotations

import sys
import threading
from contextlib import contextmanager

import pytest

from honeytrace._config.live import Live
from honeytrace._utils.locks import is_lost, is_owned


@contextmanager
def held_elsewhere(lock):
    """Have another thread hold a lock."""
    taken, done = threading.Event(), threading.Event()

    def hold():
        with lock:
            taken.set()
            done.wait()

    thread = threading.Thread(target=hold)
    thread.start()
    taken.wait()
    try:
        yield
    finally:
        done.set()
        thread.join()


def test_a_lock_is_lost_with_its_thread(monkeypatch):
    """At the end of the interpreter, no other thread is left to release it."""
    one, another = threading.RLock(), threading.RLock()
    with held_elsewhere(another):
        assert not is_lost(one, another)
        monkeypatch.setattr(sys, "is_finalizing", lambda: True)
        assert is_lost(one, another)
    assert not is_lost(one, another)


def test_a_lock_of_this_thread_is_not_lost(monkeypatch):
    """It can be taken again."""
    monkeypatch.setattr(sys, "is_finalizing", lambda: True)
    lock = threading.RLock()
    with lock:
        assert is_owned(lock)
        assert not is_lost(lock)
    assert not is_owned(lock)


def test_no_session_begins_without_the_lock(monkeypatch):
    """The first one needs it; the guard then lets the call go on without a session."""
    live = Live()
    monkeypatch.setattr(sys, "is_finalizing", lambda: True)
    with held_elsewhere(live._lock), pytest.raises(RuntimeError, match="killed a thread"):
        live.start()
