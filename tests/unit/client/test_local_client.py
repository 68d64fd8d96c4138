"""The store on this machine, as the clients of httpx see it."""

from __future__ import annotations

import asyncio
import json

import httpx

from honeytrace._client import LocalTransport
from honeytrace.local._app import HERE

ID = "6f0fdd4b-38d8-4ce2-a0b3-1f3c0a8f5a11"
BODY = json.dumps(
    {"session": {"project": "p", "session_name": "s", "source": "dev", "session_id": ID}}
).encode()


def test_clients_reach_the_store(tmp_path):
    """A session that was started is found again."""
    with httpx.Client(transport=LocalTransport(tmp_path), base_url=HERE) as client:
        assert client.post("/session/start", content=BODY).json()["session_id"] == ID
        assert client.get(f"/session/{ID}").json()["event_name"] == "s"


def test_async_clients_reach_the_store_too(tmp_path):
    """The transport serves `httpx.AsyncClient`, with any kind of body."""

    async def body():
        yield BODY

    async def main():
        async with httpx.AsyncClient(transport=LocalTransport(tmp_path), base_url=HERE) as client:
            started = await client.post("/session/start", content=body())
            found = await client.get(f"/session/{ID}")
            return started.status_code, found.json()["session_id"]

    assert asyncio.run(main()) == (200, ID)
