"""Every public name as a type checker sees it. Checked by mypy and pyright, never run."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import httpx
from _typeshed.wsgi import StartResponse, WSGIEnvironment
from typing_extensions import assert_type

import honeytrace
import honeytrace.cli
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
    instrument,
    patch,
    propagation,
    register,
    shutdown,
    stats,
    trace_session,
    uninstrument,
)
from honeytrace.local import (
    DEFAULT_PORT,
    App,
    Store,
    app,
    make_server,
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

# ---- Tags, sampling and tracers


def check_tags() -> None:
    with honeytrace.tag(user_properties={"user": "u"}, metadata={"a": 1}, conversation="c"):
        pass
    honeytrace.tag(conversation=7)  # type: ignore[arg-type]


def check_updates() -> None:
    assert_type(honeytrace.update_session("id", feedback={"rating": 5}, metrics={"a": 1}), bool)
    honeytrace.update_session("id", feedback=5)  # type: ignore[arg-type]
    for session in honeytrace.sessions("error since:1h", limit=10, children=True):
        assert_type(session.tree(), str)
        assert_type(session.feedback, dict[str, Any])


def worth_it(session: Session) -> bool:
    return session.error is not None


def check_sampling() -> None:
    configure(sample_rate=0.1, keep=worth_it)
    trace_session("block", parent="id", sample_rate=0.5)


def check_tracer() -> None:
    tracer = honeytrace.Tracer(project="p", sample_rate=0.1, keep=lambda session: session.error)
    assert_type(tracer.update_session("id", feedback={"rating": 5}), bool)
    assert_type(tracer.config, Config)
    with tracer.trace_session("block", parent="id", sample_rate=1) as session:
        assert_type(session, ActiveSession)
    assert_type(tracer.trace_session(work)(1), str)
    assert_type(tracer.trace_session(name="w")(work)(1), str)


# ---- Threads, headers and requests


def work(number: int) -> str:
    return str(number)


async def work_later(number: int) -> str:
    return str(number)


def check_threads() -> None:
    assert_type(propagation.bind(work)(1), str)
    propagation.bind(work)("1")  # type: ignore[arg-type]
    with propagation.ContextThreadPoolExecutor(2) as pool:
        assert_type(pool.submit(work, 1).result(), str)
    with propagation.link_threads():
        pass
    propagation.unlink_threads()


async def check_tasks() -> None:
    assert_type(await propagation.bind(work_later)(1), str)


def check_headers() -> None:
    carrier: dict[str, str] = {}
    assert_type(propagation.inject(carrier), dict[str, str])
    assert_type(propagation.inject(httpx.Headers()), httpx.Headers)
    with propagation.extract({"baggage": "a=1"}):
        pass
    httpx.Client(event_hooks={"request": [propagation.request_hook("host")]})
    httpx.AsyncClient(event_hooks={"request": [propagation.async_request_hook("host")]})


def check_wsgi(environ: WSGIEnvironment, start_response: StartResponse) -> None:
    traced = propagation.WSGIMiddleware(app, sessions=False, skip=["/health"])
    traced(environ, start_response)


# ---- The process


def rule(path: str, value: object) -> object:
    return path or value


def rule_without_a_path(value: object) -> object:
    return value


def check_configure(config: Config, settings: dict[str, Any]) -> None:
    assert_type(configure(), Config)
    assert_type(configure(project="p", source="dev", enabled=True, timeout=1), Config)
    configure(api_key="k", server_url="https://h.test", home=Path("h"), spool_dir="off")
    configure(exit_timeout=0.5, durable=True, background=False, redact=False)
    configure(capture_inputs=False, capture_outputs=False, redact=rule, limits={"string": 1000})
    configure(redact=lambda path, value: value if path else None)
    configure(home=config.home, spool_dir=config.spool_dir, limits=config.limits)
    configure(api_key=os.environ.get("KEY"), project=None, home=None, timeout=None, limits=None)
    configure(**settings)
    configure(projct="p")  # type: ignore[call-arg]
    configure("p")  # type: ignore[call-arg]
    configure(project=5)  # type: ignore[arg-type]
    configure(timeout="soon")  # type: ignore[arg-type]
    configure(enabled="no")  # type: ignore[arg-type]
    configure(redact=rule_without_a_path)  # type: ignore[arg-type]
    configure(store_size="500MB", store_age=86_400.0)
    configure(prices={"gpt-4o": (2.5, 1.25, 10), "mini": (0.15, 0.6), "c": (3, 0.3, 15, 3.75)})
    configure(limits={"string": "long"})  # type: ignore[dict-item]


def check_config(config: Config) -> None:
    assert_type(config.api_key, str | None)
    assert_type(config.server_url, str | None)
    assert_type(config.project, str)
    assert_type(config.source, str)
    assert_type(config.enabled, bool)
    assert_type(config.home, Path)
    assert_type(config.spool_dir, Path | None)
    assert_type(config.timeout, float)
    assert_type(config.exit_timeout, float)
    assert_type(config.durable, bool)
    assert_type(config.background, bool)
    assert_type(config.capture_inputs, bool)
    assert_type(config.capture_outputs, bool)
    assert_type(config.redact, bool | Callable[[str, Any], Any])
    assert_type(config.limits.string, int)
    assert_type(config.local, bool)
    config.project = "other"  # type: ignore[misc]
    print(config.projct)  # type: ignore[attr-defined]


def check_delivery() -> None:
    assert_type(flush(), bool)
    assert_type(flush(timeout=1.0), bool)
    assert_type(shutdown(), bool)
    assert_type(shutdown(1.0), bool)
    assert_type(get_session("id"), Session)
    flush("soon")  # type: ignore[arg-type]
    get_session()  # type: ignore[call-arg]


def check_stats() -> None:
    counts = stats()
    assert_type(counts, Stats)
    assert_type(counts.accepted, int)
    assert_type(counts.delivered, int)
    assert_type(counts.queued, int)
    assert_type(counts.spooled, int)
    assert_type(counts.rejected, int)
    assert_type(counts.dropped, int)
    assert_type(counts.resent, int)
    assert_type(counts.errors, dict[str, int])
    assert_type(counts.last_error, str | None)
    counts.accepted = 5  # type: ignore[misc]


class Document:
    id = 1


def describe(document: Document) -> dict[str, int]:
    return {"id": document.id}


def check_instrument() -> None:
    instrument()
    instrument("openai", "anthropic")
    uninstrument("openai")
    uninstrument()
    instrument(openai=True)  # type: ignore[call-arg]


def check_patch() -> None:
    with patch("json:dumps", name="dumps", ignore=("default",)) as patched:
        assert_type(patched.target, str)
    assert_type(patched.undo(), bool)
    patch("json:dumps", metadat={})  # type: ignore[call-arg]
    patch(len)  # type: ignore[arg-type]


def check_register() -> None:
    register(Document, describe)
    register(Document, lambda document: document.id)
    register(Document, None)
    register(str, describe)  # type: ignore[arg-type]


# ---- The record


def check_session() -> None:
    session = Session(project="p", session_name="s", source="dev", error=None, duration=1.5)
    assert_type(session.project, str)
    assert_type(session.session_name, str)
    assert_type(session.source, str)
    assert_type(session.session_id, str)
    assert_type(session.children_ids, list[str])
    assert_type(session.config, dict[str, Any])
    assert_type(session.inputs, dict[str, Any])
    assert_type(session.outputs, dict[str, Any])
    assert_type(session.user_properties, dict[str, Any])
    assert_type(session.metrics, dict[str, Any])
    assert_type(session.feedback, dict[str, Any])
    assert_type(session.metadata, dict[str, Any])
    assert_type(session.error, str | None)
    assert_type(session.duration, float | None)
    assert_type(session.start_time, float | None)
    assert_type(session.end_time, int | None)
    assert_type(session.extra, dict[str, Any])
    session.error = "x"  # type: ignore[misc]
    Session("p", "s", "dev")  # type: ignore[call-arg]
    Session(project="p")  # type: ignore[call-arg]


# ---- In tests


async def plain(question: str) -> int:
    return len(question)


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
    assert_type(honeytrace.testing.replay("id", trace_session(plain)), Replay)
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


# ---- The server of this machine, and the command


def check_local(environ: WSGIEnvironment, start_response: StartResponse) -> None:
    mine = App(Store(Path("sessions.db")), token="t")
    for each in (app, mine):
        assert_type(b"".join(each(environ, start_response)), bytes)
    with make_server(mine, "127.0.0.1", DEFAULT_PORT) as server:
        server.serve_forever()
    assert_type(honeytrace.cli.main(["ls"]), int)
    honeytrace.cli.main("ls", "--json")  # type: ignore[call-arg]


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
