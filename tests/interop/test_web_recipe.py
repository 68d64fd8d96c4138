"""The guide's FastAPI application with feedback, as a reader would run it: with uvicorn."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from honeytrace.local import Store

for _needed in ("fastapi", "uvicorn"):
    pytest.importorskip(_needed)

GUIDE = Path(__file__).parents[2] / "examples" / "services" / "README.md"
SECTION = re.search(r"\n## Feedback\n(.*?)\n## ", GUIDE.read_text("utf-8"), re.DOTALL)[1]
APPLICATION = re.search(r"```python\n(.*?)```", SECTION, re.DOTALL)[1]
CLIENT = re.search(r"```py\n(.*?)```", SECTION, re.DOTALL)[1]
SHOWN = re.search(r"```text\n(.*?)```", SECTION, re.DOTALL)[1]
GUIDE_URL = "http://127.0.0.1:8000"
VARYING = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|[\d.]+ (µs|ms)|[━·]{16}| +")


def run(*command: str, **options: object) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, *command],
        capture_output=True,
        encoding="utf-8",
        env={**os.environ, "PYTHONUTF8": "1"},
        timeout=60,
        check=False,
        **options,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done


@contextlib.contextmanager
def application(directory: Path) -> Iterator[str]:
    """Run the application until the end of the block; yield its address."""
    (directory / "app.py").write_text(APPLICATION, encoding="utf-8")
    with socket.create_server(("127.0.0.1", 0)) as listening:
        number = listening.fileno()
        command = [sys.executable, "-m", "uvicorn", "app:app", "--fd", str(number)]
        process = subprocess.Popen(
            [*command, "--log-level", "error"], cwd=directory, pass_fds=[number]
        )
        try:
            url = f"http://127.0.0.1:{listening.getsockname()[1]}"
            httpx.get(f"{url}/feedback/", timeout=60)  # the client of the guide waits 5 s at most
            yield url
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(30)


def test_feedback(tmp_path):
    """The client's feedback ends up at the request, beside the calls of the thread pool."""
    with application(tmp_path) as url:
        assert run("-c", CLIENT.replace(GUIDE_URL, url)).stdout == "{'taken': True}\n"
        refused = httpx.post(f"{url}/feedback/not-an-id?stars=5")
        never = httpx.post(f"{url}/feedback/11111111-1111-4111-8111-111111111111?stars=5")
    assert (refused.status_code, never.json()) == (422, {"taken": True})
    shown = run("-m", "honeytrace", "show").stdout
    assert VARYING.sub(" ", shown) == VARYING.sub(" ", SHOWN)
    assert Store(tmp_path / "home" / "sessions.db").waiting_updates() == 1
