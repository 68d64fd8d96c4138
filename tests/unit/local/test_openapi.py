"""The server holds to the specification of the session API, as schemathesis checks it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from honeytrace.local import App, Store, make_server
from honeytrace.local._doors import LOOPBACK

SPECIFICATION = Path(__file__).parents[2] / "support" / "session-api.openapi.yaml"
PLACES = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
SCHEMATHESIS = shutil.which("schemathesis", path=PLACES)


@pytest.fixture
def url(tmp_path):
    """The address of a server that wants a token."""
    store = Store(tmp_path / "sessions.db")
    server = make_server(App(store, "the token", LOOPBACK), "127.0.0.1", 0)
    thread = threading.Thread(target=server.serve_forever, args=[0.01])
    thread.start()
    yield server.url
    server.shutdown()
    thread.join()
    server.server_close()
    store.close()


@pytest.mark.skipif(
    SCHEMATHESIS is None, reason="schemathesis is not installed; `pip install schemathesis`"
)
def test_the_specification(url, tmp_path):
    """Whatever is sent, the answers are those that the specification describes; none is a 5xx.

    The server takes more than the specification allows: a session may lack every field.
    """
    command = [str(SCHEMATHESIS), "run", str(SPECIFICATION), "--url", url, "--no-color"]
    command += ["-H", "Authorization: Bearer the token", "--max-examples", "15", "--seed", "1"]
    command += ["--checks", "all", "--exclude-checks", "negative_data_rejection"]
    command += ["--phases", "examples,coverage,fuzzing"]
    done = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout
