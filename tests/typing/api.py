"""Every public name as a type checker sees it. Checked by mypy, never run."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from datetime import datetime, timezone
from typing import Any

import httpx
from typing_extensions import assert_type

import honeytrace
from honeytrace import (
    ActiveSession,
    AsyncClient,
    Client,
    Config,
    ConfigurationError,
    GetSessionResponse,
    HoneytraceError,
    SDKError,
    Session,
    SessionNotFoundError,
    StartSessionResponse,
    Stats,
    StoreError,
    TransportError,
    configure,
    current_session,
    enrich_session,
    flush,
    get_session,
    register,
    shutdown,
    stats,
    trace_session,
)
from honeytrace.testing import (
    CapturedSessions,
    Clock,
    FakeClock,
    Replay,
    capture_sessions,
    diff,
    replay,
)

assert_type(honeytrace.__version__, str)

# ---- What is decorated keeps its exact type


@trace_session
def bare(question: str, *, top: int = 3) -> list[str]:
    return [question] * top


@trace_session()
def called(question: str, *, top: int = 3) -> list[str]:
    return [question] * top


@trace_session("answer", metadata={"team": "search"}, config_args=("top",))
def named(question: str, *, top: int = 3) -> list[str]:
    return [question] * top


@trace_session(
    name="answer",
    project="p",
    source="dev",
    inputs={"a": 1},
    config={"a": 1},
    user_properties={"user": "u-1"},
    metrics={"hits": 3},
    feedback={"rating": 5},
    metadata={"team": "search"},
    config_args=["model"],
    ignore=("key",),
    only={"question", "model"},
    capture_inputs=True,
    capture_outputs=None,
    process_inputs=lambda inputs: {"n": len(inputs)},
    process_outputs=str,
    ignore_exceptions=(KeyError, ValueError),
)
async def answer(question: str, model: str = "gpt-4o") -> dict[str, str]:
    return {model: question}


@trace_session
async def plain(question: str) -> int:
    return len(question)


@trace_session
def stream(most: int) -> Iterator[str]:
    yield from map(str, range(most))


@trace_session(reduce="".join)
async def astream(most: int) -> AsyncIterator[str]:
    for number in range(most):
        yield str(number)


@trace_session(methods=("run",), ignore_exceptions=KeyError)
class Agent:
    def run(self, question: str) -> int:
        return len(question)


async def check_streams() -> None:
    assert_type(stream(3), Iterator[str])
    async for item in astream(3):
        assert_type(item, str)
    assert_type(Agent().run("q"), int)
    stream("3")  # type: ignore[arg-type]


class Document:
    id = 1


def describe(document: Document) -> dict[str, int]:
    return {"id": document.id}


def check_register() -> None:
    register(Document, describe)
    register(Document, None)
    register(str, describe)  # type: ignore[arg-type]
    configure(redact=lambda path, value: value, limits={"string": 1000}, capture_inputs=False)


def check_functions() -> None:
    for function in (bare, called, named):
        assert_type(function("q", top=1), list[str])
    bare(1)  # type: ignore[arg-type]
    called("q", 3)  # type: ignore[call-arg]
    named()  # type: ignore[call-arg]


async def check_coroutines() -> None:
    coroutine: Coroutine[Any, Any, dict[str, str]] = answer("q")
    assert_type(await coroutine, dict[str, str])
    assert_type(await answer("q", model="m"), dict[str, str])
    assert_type(await plain("q"), int)
    await answer(model=5)  # type: ignore[call-arg, arg-type]


class Pipeline:
    @trace_session
    def method(self, question: str) -> str:
        return question

    @trace_session("named")
    async def coroutine(self, question: str) -> str:
        return question

    @trace_session
    @staticmethod
    def above_static(question: str) -> str:
        return question

    @staticmethod
    @trace_session()
    def below_static(question: str) -> str:
        return question

    @trace_session("named")
    @classmethod
    def above_class(cls, question: str) -> Pipeline:
        return cls()

    @classmethod
    @trace_session
    def below_class(cls, question: str) -> Pipeline:
        return cls()

    @property
    @trace_session
    def size(self) -> int:
        return 1

    @trace_session
    def __call__(self, question: str) -> str:
        return question


async def check_methods(pipeline: Pipeline) -> None:
    assert_type(pipeline.method("q"), str)
    assert_type(await pipeline.coroutine("q"), str)
    assert_type(Pipeline.above_static("q"), str)
    assert_type(pipeline.below_static("q"), str)
    assert_type(Pipeline.above_class("q"), Pipeline)
    assert_type(pipeline.below_class("q"), Pipeline)
    assert_type(pipeline.size, int)
    assert_type(pipeline("q"), str)
    pipeline.method(5)  # type: ignore[arg-type]
    Pipeline.above_static(5)  # type: ignore[arg-type]
    Pipeline.above_class(5)  # type: ignore[arg-type]


traced: Callable[[int], str] = trace_session(lambda number: str(number))
assert_type(trace_session(Pipeline()), Pipeline)


def generic(value: int, other: str = "") -> bytes:
    return other.encode() * value


assert_type(trace_session(generic)(1, other="x"), bytes)
assert_type(trace_session("name")(generic)(1), bytes)
trace_session(generic)("x")  # type: ignore[arg-type]
trace_session(5)  # type: ignore[call-overload]
trace_session(nmae="x")  # type: ignore[call-overload]
trace_session("name", metadata=5)  # type: ignore[call-overload]

# ---- Blocks, and the session that runs


def check_block() -> None:
    with trace_session("block", session_id="id", inputs={"question": "q"}) as session:
        assert_type(session, ActiveSession)
        assert_type(session.outputs, dict[str, Any])
        session.outputs = {"role": "assistant"}
        session.outputs = "what is no mapping becomes its result"
        session.metrics["hits"] = 3
        session.add_child("id")
        assert_type(session.inputs, dict[str, Any])
        assert_type(session.config, dict[str, Any])
        assert_type(session.user_properties, dict[str, Any])
        assert_type(session.metrics, dict[str, Any])
        assert_type(session.feedback, dict[str, Any])
        assert_type(session.metadata, dict[str, Any])
        assert_type(session.session_id, str)
        assert_type(session.session_name, str)
        assert_type(session.parent_id, str | None)
        assert_type(session.root_id, str)
        assert_type(session.children_ids, list[str])
        session.session_id = "other"  # type: ignore[misc]


def swallows_nothing() -> int:
    with trace_session("block"):
        return 1  # that the function ends here is known, since the block takes no exception


async def check_async_block() -> None:
    async with trace_session("block") as session:
        assert_type(session, ActiveSession)


assert_type(current_session(), ActiveSession)
assert_type(bool(current_session()), bool)
assert_type(
    enrich_session(
        inputs={"a": 1},
        outputs={"a": 1},
        config={"a": 1},
        user_properties={"a": 1},
        metrics={"a": 1},
        feedback={"rating": 5},
        metadata={"a": 1},
    ),
    bool,
)
enrich_session(feedback=5)  # type: ignore[arg-type]
enrich_session(error="x")  # type: ignore[call-arg]

# ---- The process

assert_type(configure(project="p", source="dev", enabled=True, timeout=1.0), Config)
assert_type(flush(), bool)
assert_type(flush(timeout=1.0), bool)
assert_type(shutdown(1.0), bool)
assert_type(get_session("id"), Session)


def check_config(config: Config) -> None:
    assert_type(config.api_key, str | None)
    assert_type(config.server_url, str | None)
    assert_type(config.project, str)
    assert_type(config.source, str)
    assert_type(config.enabled, bool)
    assert_type(config.timeout, float)
    assert_type(config.exit_timeout, float)
    assert_type(config.local, bool)
    config.project = "other"  # type: ignore[misc]


def check_stats() -> None:
    counts = stats()
    assert_type(counts, Stats)
    assert_type(counts.accepted, int)
    assert_type(counts.delivered, int)
    assert_type(counts.queued, int)
    assert_type(counts.rejected, int)
    assert_type(counts.dropped, int)
    assert_type(counts.errors, dict[str, int])
    assert_type(counts.last_error, str | None)


# ---- The record


def check_session() -> None:
    session = Session(project="p", session_name="s", source="dev", error=None, duration=1.5)
    assert_type(session.session_id, str)
    assert_type(session.children_ids, list[str])
    assert_type(session.inputs, dict[str, Any])
    assert_type(session.error, str | None)
    assert_type(session.duration, float | None)
    assert_type(session.start_time, float | None)
    assert_type(session.end_time, int | None)
    assert_type(session.extra, dict[str, Any])
    session.error = "x"  # type: ignore[misc]
    Session("p", "s", "dev")  # type: ignore[call-arg]
    Session(project="p")  # type: ignore[call-arg]


# ---- In tests


def check_testing(session: Session) -> None:
    replayed = replay(session, plain)
    assert_type(replayed, Replay)
    assert_type(replayed.old, Session)
    assert_type(replayed.new.error, str | None)
    assert_type(replayed.same, bool)
    assert_type(replayed.uncompared, list[str])
    assert_type(replayed.diff(), str)
    assert_type(diff(session, replayed.new), str)
    assert_type(diff(session.outputs, {"result": 1}), str)
    diff(1, 2)  # type: ignore[arg-type]
    honeytrace.testing.replay("id", answer)
    replay(trace_session("block").__enter__(), plain)
    replay(session, None)  # type: ignore[arg-type]
    replay(5, plain)  # type: ignore[arg-type]
    replayed.old = session  # type: ignore[misc]


# ---- The clients


def check_client(session: Session) -> None:
    with Client("key", "https://h.test", 1.0) as client:
        assert_type(client, Client)
        started = client.start_session(session, timeout=1.0, headers={"X-Team": "search"})
        assert_type(started, StartSessionResponse)
        assert_type(started.session_id, str)
        assert_type(started.status_code, int)
        assert_type(started.raw_response, httpx.Response)
        client.start_session({"project": "p", "session_name": "s", "source": "dev"})
        found = client.get_session("id", wait=1.0, timeout=1.0, headers={"X-Team": "search"})
        assert_type(found, GetSessionResponse)
        assert_type(found.session, Session)
        assert_type(found.status_code, int)
        assert_type(found.raw_response, httpx.Response)
        assert_type(client.server_url, str)
    Client(api_key=None, server_url=None, timeout=5.0, http_client=httpx.Client()).close()
    Client(http_client=httpx.AsyncClient())  # type: ignore[arg-type]


async def check_async_client(session: Session) -> None:
    async with AsyncClient(api_key="key", http_client=httpx.AsyncClient()) as client:
        assert_type(client, AsyncClient)
        assert_type(await client.start_session(session), StartSessionResponse)
        assert_type(await client.get_session("id", wait=1.0), GetSessionResponse)
    await client.aclose()
    AsyncClient(http_client=httpx.Client())  # type: ignore[arg-type]


# ---- The errors


def check_errors(call: Callable[[], None]) -> None:
    try:
        call()
    except SessionNotFoundError as error:
        lookup: LookupError = error
        assert_type(error.status_code, int)
        print(lookup)
    except SDKError as error:
        assert_type(error.status_code, int)
        assert_type(error.body, str)
        assert_type(error.raw_response, httpx.Response)
    except TransportError as error:
        connection: ConnectionError = error
        print(connection)
    except ConfigurationError as error:
        value: ValueError = error
        print(value)
    except StoreError as error:
        system: OSError = error
        print(system)
    except HoneytraceError as error:
        root: Exception = error
        print(root)


# ---- Tests of the users


class Stopped:
    def time_ns(self) -> int:
        return 0

    def perf_counter_ns(self) -> int:
        return 0


def check_capture() -> int:
    clock = FakeClock(datetime(2024, 1, 1, tzinfo=timezone.utc))
    clock.advance(0.5)
    mine: Clock = Stopped()
    capture_sessions(clock=mine)
    capture_sessions(clock="2024")  # type: ignore[arg-type]
    capture_sessions(True)  # type: ignore[call-arg]
    honeytrace.testing.FakeClock(start=1.5)
    with capture_sessions(counting_ids=True, clock=clock, strict=True) as sessions:
        assert_type(sessions, CapturedSessions)
        return len(sessions)  # it is known that the block swallows nothing


async def check_async_capture() -> int:
    async with capture_sessions() as sessions:
        assert_type(sessions, CapturedSessions)
        return len(sessions)


def check_captured(sessions: CapturedSessions) -> None:
    assert_type(sessions.one("answer", inputs={"question": "q"}), Session)
    assert_type(sessions.one(name="answer", error=None), Session)
    assert_type(sessions.all(outputs={"result": 1}), list[Session])
    assert_type(sessions.roots, list[Session])
    assert_type(sessions[0], Session)
    assert_type(sessions[:1], list[Session])
    assert_type([session.session_name for session in sessions], list[str])
    assert_type(sessions.tree(), str)
    assert_type(sessions.plain(), list[dict[str, Any]])
    assert_type(sessions.plain(only=("inputs",), ignore={"outputs.usage"}), list[dict[str, Any]])
    sessions.assert_matches("name", only=["inputs"], ignore=("outputs.usage",))
    sessions.assert_matches("name", fields=("inputs",))  # type: ignore[call-arg]
    sessions.assert_no_errors()
    sessions.append(sessions[0])  # type: ignore[attr-defined]
