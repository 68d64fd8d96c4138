"""Two services for tests, run by uvicorn: `front` asks `back` for each request.

python services.py front|back <descriptor of a listening socket> <URL of back>
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator

import httpx
import uvicorn
from fastapi import BackgroundTasks, FastAPI
from fastapi.responses import StreamingResponse

from honeytrace import trace_session
from honeytrace.propagation import ASGIMiddleware, async_request_hook


@trace_session
async def step(number: int) -> int:
    return number


def back() -> FastAPI:
    app = FastAPI()

    @app.get("/parts/{number}")
    async def parts(number: int, tasks: BackgroundTasks) -> StreamingResponse:
        async def body() -> AsyncIterator[str]:
            for _ in range(3):
                await step(number)
                yield f"{number} "

        tasks.add_task(step, number)
        return StreamingResponse(body(), background=tasks)

    @app.get("/endless")
    async def endless() -> StreamingResponse:
        async def body() -> AsyncIterator[bytes]:
            while True:
                yield b"x" * 65_536
                await asyncio.sleep(0)

        return StreamingResponse(body())

    return app


def front(url: str) -> FastAPI:
    app = FastAPI()
    hooks = {"request": [async_request_hook("127.0.0.1")]}
    client = httpx.AsyncClient(base_url=url, event_hooks=hooks, timeout=60)

    @app.get("/ask/{number}")
    async def ask(number: int) -> dict[str, str]:
        await step(number)
        return {"text": (await client.get(f"/parts/{number}")).text}

    @app.get("/relay")
    async def relay() -> StreamingResponse:
        async def body() -> AsyncIterator[bytes]:
            async with client.stream("GET", "/endless") as answer:
                async for part in answer.aiter_bytes():
                    yield part

        return StreamingResponse(body())

    return app


if __name__ == "__main__":
    role, descriptor, address = sys.argv[1:]
    made = back() if role == "back" else front(address)
    made.add_middleware(ASGIMiddleware, skip=["/health"])
    # On a busy machine, connections may be idle for long; a client that uses one which is being
    # closed for that gets an error.
    uvicorn.run(made, fd=int(descriptor), log_level="error", lifespan="off", timeout_keep_alive=300)
