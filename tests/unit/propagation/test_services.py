"""Two real services: every session of the second is below the one of the first that asked."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from honeytrace.local import Store

pytest.importorskip("uvicorn")
PROGRAM = Path(__file__).parents[2] / "support" / "services.py"
REQUESTS = int(os.environ.get("HONEYTRACE_TEST_REQUESTS", "60"))
AT_ONCE = 50


@contextlib.contextmanager
def service(role: str, back: str = "") -> Iterator[str]:
    """Run a service until the end of the block; yield its address."""
    with socket.create_server(("127.0.0.1", 0), backlog=256) as listening:
        number = listening.fileno()
        process = subprocess.Popen(
            [sys.executable, str(PROGRAM), role, str(number), back], pass_fds=[number]
        )
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(30)


async def ask(url: str) -> list[str]:
    async with httpx.AsyncClient(base_url=url, timeout=120) as client:
        limit = asyncio.Semaphore(AT_ONCE)

        async def one(number: int) -> str:
            async with limit:
                return (await client.get(f"/ask/{number}")).json()["text"]

        return await asyncio.gather(*map(one, range(REQUESTS)))


CLIENT = """
import sys, httpx
with httpx.stream("GET", sys.argv[1], timeout=60) as response:
    print(len(next(response.iter_bytes())), flush=True)
    sys.stdin.read()  # until it is killed
"""


def killed_client(url: str) -> None:
    """Ask for an endless answer, in a process that is killed in the middle of it."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", CLIENT, url], **pipes) as process:
        assert process.stdout is not None
        assert process.stdout.readline()
        process.kill()


def test_two_services_under_load_and_a_client_that_is_killed(tmp_path):
    with service("back") as back, service("front", back) as front:
        texts = asyncio.run(ask(front))
        killed_client(f"{front}/relay")
    assert texts == [f"{number} " * 3 for number in range(REQUESTS)]
    found = Store(tmp_path / "home" / "sessions.db").recent(20 * REQUESTS, children=True)
    by_id = {each["session_id"]: each for each in found}
    names = Counter(each["session_name"] for each in found)
    assert names == {
        "GET /ask/{number}": REQUESTS,
        "GET /parts/{number}": REQUESTS,
        "GET /relay": 1,
        "GET /endless": 1,
        "step": 5 * REQUESTS,
    }
    for each in found:
        about = each["metadata"]["honeytrace"]
        if each["session_name"] in ("GET /ask/{number}", "GET /relay"):
            assert "parent_id" not in about
            continue
        parent = by_id[about["parent_id"]]
        assert about["root_id"] == parent["metadata"]["honeytrace"]["root_id"]
        if each["session_name"] == "GET /endless":
            assert parent["session_name"] == "GET /relay"
            continue
        number = each["inputs"].get("number") or int(parent["inputs"]["path"].split("/")[-1])
        assert parent["inputs"]["path"].endswith(f"/{number}")
    left = [each for each in found if each["session_name"] in ("GET /relay", "GET /endless")]
    assert [each.get("error") for each in left] == [None, None]
    streams = [each["metadata"]["honeytrace"]["stream"] for each in left]
    assert [each["completed"] for each in streams] == [False, False]
