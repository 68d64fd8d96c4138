"""A FastAPI route that streams a model's answer: one session, until the last word is sent."""

from collections.abc import AsyncIterator

from fastapi import FastAPI
from fastapi.responses import StreamingResponse
from fastapi.testclient import TestClient
from model_server import ModelServer
from openai import AsyncOpenAI

import honeytrace
from honeytrace.cli import main as honeytrace_command

honeytrace.instrument("openai")
server = ModelServer()
app = FastAPI()


@honeytrace.trace_session(name="answer", step="chain")
async def words(question: str) -> AsyncIterator[str]:
    async with AsyncOpenAI(base_url=server.openai_url, api_key="none") as client:
        stream = await client.chat.completions.create(
            model="gpt-4o-mini",
            messages=[{"role": "user", "content": question}],
            stream=True,
            stream_options={"include_usage": True},  # or OpenAI does not count the tokens
        )
        async for chunk in stream:
            if chunk.choices:
                yield chunk.choices[0].delta.content or ""


@app.get("/ask")
async def ask(question: str) -> StreamingResponse:
    return StreamingResponse(words(question), media_type="text/plain")


with server, TestClient(app) as browser:
    print(browser.get("/ask", params={"question": "What does yield do?"}).text)

honeytrace.flush()
honeytrace_command(["show", "answer"])
