"""Chromium, driven by Playwright, and a session server with something to look at."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from shutil import which

import pytest
from agent_sessions import trees

from honeytrace.local import App, Store, make_server
from honeytrace.local._doors import LOOPBACK
from honeytrace.local._rows import row_of

CHROMIUM = which("chromium") or which("chromium-browser") or which("google-chrome")
SWITCHES = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
SHOP = """
from honeytrace import flush, trace_session

@trace_session
def lookup(item):
    return {"kettle": 40, "toaster": 25}[item]

@trace_session
def price(item, count=1):
    return f"{count} {item}: {count * lookup(item)} euro"

def run():
    for count in (1, 2, 3):
        price("kettle", count)
    price("toaster")
    assert flush(30)
"""


# Not for longer than a module: while Playwright runs, the thread has an event loop that runs.
@pytest.fixture(scope="module")
def playwright():
    module = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("there is no Chromium; install it with `apt-get install chromium`")
    with module.sync_playwright() as running:
        yield running


@pytest.fixture(scope="module")
def chromium(playwright):
    browser = playwright.chromium.launch(executable_path=CHROMIUM, args=SWITCHES)
    yield browser
    browser.close()


@dataclass
class Site:
    """A session server, its store, and the directory of the program that filled it."""

    url: str
    store: Store
    directory: Path

    @property
    def home(self):
        return self.store.path.parent

    def honeytrace(self, *arguments):
        """Run the command in the directory of the program, and return what it printed."""
        environment = {**os.environ, "HONEYTRACE_HOME": str(self.home)}
        done = subprocess.run(
            [sys.executable, "-m", "honeytrace", *arguments],
            cwd=self.directory,
            env={**environment, "PYTHONPATH": os.pathsep.join([str(self.directory), *sys.path])},
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


def serve(home, directory, token=None):
    store = Store(home / "sessions.db")
    server = make_server(App(store, token, LOOPBACK), "127.0.0.1", 0)
    thread = threading.Thread(target=server.serve_forever, args=[0.01])
    thread.start()
    try:
        yield Site(server.url, store, directory)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
        store.close()


@pytest.fixture
def empty(tmp_path):
    """A server whose store has nothing yet."""
    yield from serve(tmp_path / "home", tmp_path)


@pytest.fixture
def shop(tmp_path):
    """A server with the sessions of a real program."""
    (tmp_path / "shop.py").write_text(SHOP)
    environment = {
        **os.environ,
        "HONEYTRACE_HOME": str(tmp_path / "home"),
        "PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path]),
    }
    program = [sys.executable, "-c", "import shop; shop.run()"]
    subprocess.run(program, check=True, env=environment, timeout=60)
    yield from serve(tmp_path / "home", tmp_path)


@pytest.fixture(scope="module")
def agent(tmp_path_factory):
    """A server with the sessions of a support agent; tests only look at them."""
    home = tmp_path_factory.mktemp("agent")
    store = Store(home / "sessions.db")
    made = trees(12, time.time() * 1000)
    store.put_many(row_of(each) for tree in made for each in tree)
    store.close()
    yield from serve(home, home)


def is_fault(line):
    """Return whether this is an error of a script or against the policy; a missing page is not."""
    return line.type == "error" and not line.text.startswith("Failed to load resource")


@pytest.fixture
def open_page(chromium):
    """Open pages in contexts of their own; at the end nothing may have gone wrong in any."""
    contexts, faults = [], []

    def open_page(address, *, size=(1280, 800), **options):
        viewport = {"width": size[0], "height": size[1]}
        context = chromium.new_context(viewport=viewport, **options)
        context.set_default_timeout(60_000)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda line: faults.append(line.text) if is_fault(line) else None)
        page.on("dialog", lambda dialog: faults.append(dialog.message) or dialog.dismiss())
        page.goto(address)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert faults == []
