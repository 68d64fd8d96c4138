"""The clients to test with, and a local session server to test."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from official import CLIENTS, Installed, install

from honeytrace.local import App, Store, make_server


@pytest.fixture(scope="session", params=CLIENTS, ids=lambda client: client.slug)
def installed(request: pytest.FixtureRequest) -> Installed:
    """Each official client in turn, ready to run; skipped with the reason where that cannot be."""
    return install(request.param)


@pytest.fixture(scope="session")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a local session server with an empty store."""
    store = Store(tmp_path_factory.mktemp("clients") / "sessions.db")
    server = make_server(App(store), "127.0.0.1", 0)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield server.url
    server.shutdown()
    thread.join()
    server.server_close()
    store.close()
