"""`instrument`: what a program can do with an answer that it has not read to its end."""

from __future__ import annotations

import asyncio
import copy
import gc
import itertools
import pickle
import sys
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from types import CodeType, FrameType

import openai
import pytest
from model_server import ModelServer

import honeytrace
from honeytrace._config.live import live
from honeytrace._tracing.following import Watch
from honeytrace.testing import capture_sessions

CHAT = {"model": "gpt-4o", "messages": [{"role": "user", "content": "good morning"}]}


@pytest.fixture
def server():
    honeytrace.instrument("openai")
    with ModelServer() as server:
        yield server
    honeytrace.uninstrument()


@pytest.fixture
def client(server):
    with openai.OpenAI(base_url=server.openai_url, api_key="k") as client:
        yield client


@pytest.mark.parametrize("read", [0, 2])
@pytest.mark.parametrize("again", [lambda it: pickle.loads(pickle.dumps(it)), copy.deepcopy])
def test_copied_response(client, again, read):
    """The copy of an open response works as without honeytrace, and its session stays one."""
    with capture_sessions() as sessions:
        stream = client.chat.completions.create(**CHAT, stream=True)
        for _ in range(read):
            next(stream)
        made = again(stream.response)
        made.close()
        with pytest.raises(RuntimeError, match=r"closed|already been streamed"):
            list(made.iter_bytes())
        assert (len(sessions), stream.response.is_closed) == (0, False)
        list(stream)
    assert sessions.one().outputs["content"] == "GOOD MORNING"


def test_copied_iterator(client):
    stream = client.chat.completions.create(**CHAT, stream=True)
    with pytest.raises(TypeError, match="cannot pickle 'generator' object"):
        copy.copy(stream._iterator)
    assert weakref.ref(stream._iterator)() is stream._iterator
    stream.close()


def test_read_by_two_threads(server, client):
    """A thread that is refused, since another one is reading, does not end the session."""
    server.stalled = True
    with capture_sessions() as sessions:
        stream = client.chat.completions.create(**CHAT, stream=True)
        reader = threading.Thread(target=list, args=(stream,))
        reader.start()
        refused = None
        while refused is None:  # the other thread may just be between two chunks
            if stream._iterator.gi_running:
                refused = raised(next, stream)
        server.released.set()
        reader.join()
    assert str(refused) == "generator already executing"
    assert (sessions.one().error, sessions[0].outputs["content"]) == (None, "GOOD MORNING")


def raised(function, *arguments):
    try:
        function(*arguments)
    except Exception as error:
        return error
    return None


def test_read_by_two_tasks(server):
    async def read():
        async with openai.AsyncOpenAI(base_url=server.openai_url, api_key="k") as client:
            stream = await client.chat.completions.create(**CHAT, stream=True)
            reader = asyncio.create_task(collect(stream))
            while not stream._iterator.ag_running:  # noqa: ASYNC110 - nothing tells of it
                await asyncio.sleep(0)
            with pytest.raises(RuntimeError, match="already running"):
                await stream.__anext__()
            server.released.set()
            await reader

    async def collect(stream):
        return [chunk async for chunk in stream]

    server.stalled = True
    with capture_sessions() as sessions:
        asyncio.run(read())
    assert (sessions.one().error, sessions[0].outputs["content"]) == (None, "GOOD MORNING")


@pytest.mark.parametrize("stream", [False, True])
def test_stream_read_by_a_hook(server, stream):
    """A stream that was read before the SDK got it is one answer, too."""
    http_client = openai.DefaultHttpxClient(
        event_hooks={"response": [lambda it: it.read() and None]}
    )
    with (
        capture_sessions() as sessions,
        openai.OpenAI(base_url=server.openai_url, api_key="k", http_client=http_client) as client,
    ):
        call = client.chat.completions
        call = call if stream else call.with_raw_response
        answer = call.create(**CHAT, stream=True, stream_options={"include_usage": True})
        list(answer if stream else answer.parse())
    found = sessions.one()
    assert (found.outputs["content"], found.metrics["total_tokens"]) == ("GOOD MORNING", 15)
    assert found.metadata["honeytrace"]["stream"] == {"completed": True}


class Interrupted(BaseException):
    """What a signal handler raises."""


@contextmanager
def interrupted_at(code: CodeType, line: int) -> Iterator[None]:
    """Raises an exception before the n-th line of a function, as a signal handler may."""
    counts = itertools.count()

    def each_line(frame: FrameType, event: str, _: object) -> object:
        if event == "line" and next(counts) == line:
            raise Interrupted
        return each_line

    def each_call(frame: FrameType, event: str, _: object) -> object:
        return each_line if frame.f_code is code else None

    outer = sys.gettrace()
    sys.settrace(each_call)
    try:
        yield
    finally:
        sys.settrace(outer)


@pytest.mark.parametrize("line", range(16))
def test_interrupted_before_it_is_followed(client, line):
    """The exception reaches the program, and the half-made watch ends nothing later."""
    before = honeytrace.stats().errors
    with capture_sessions() as sessions:
        with interrupted_at(Watch.__init__.__code__, line), pytest.raises(Interrupted):
            client.chat.completions.create(**CHAT, stream=True)
        gc.collect()
        assert live.suspended == {}
    assert sessions.one().error == "Interrupted"
    assert honeytrace.stats().errors == before
