"""Files that a test cannot write, a store, and a browser for its pages."""

from __future__ import annotations

import os
import tempfile
from contextlib import contextmanager
from pathlib import Path

import pytest
from pages import Browser

from honeytrace.local import App, Store
from honeytrace.local._doors import LOOPBACK

NOBODY = 65534


@pytest.fixture
def open_home():
    """A directory that every user can enter; `tmp_path` lies in one of root alone."""
    with tempfile.TemporaryDirectory() as home:
        os.chmod(home, 0o755)
        yield Path(home)
        os.chmod(home, 0o755)


@pytest.fixture
def unwritable():
    """Make a directory and its files read-only for as long as a block runs."""
    if os.name != "posix":
        pytest.skip("the rights of other systems are others")

    @contextmanager
    def protect(directory):
        for each in directory.iterdir():
            each.chmod(0o444)
        directory.chmod(0o555)
        if user := os.geteuid():
            yield
        else:  # root may write anywhere
            os.seteuid(NOBODY)
            try:
                yield
            finally:
                os.seteuid(user)
        directory.chmod(0o755)

    return protect


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path / "sessions.db")
    yield store
    store.close()


@pytest.fixture
def browser(store):
    browser = Browser(App(store, None, LOOPBACK))
    yield browser
    browser.http.close()
