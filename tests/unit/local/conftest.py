"""A store, and a browser for its pages."""

from __future__ import annotations

import pytest
from pages import Browser

from honeytrace.local import App, Store
from honeytrace.local._doors import LOOPBACK


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
