"""Each request of an ASGI application is a session below the one of the caller."""

from __future__ import annotations

import asyncio

import pytest
from fastapi import BackgroundTasks, FastAPI
from fastapi.responses import StreamingResponse
from fastapi.testclient import TestClient
from starlette.applications import Starlette
from starlette.responses import FileResponse, PlainTextResponse
from starlette.routing import Mount, Route

import honeytrace
from honeytrace import trace_session
from honeytrace.propagation import ASGIMiddleware, inject
from honeytrace.testing import capture_sessions

OWN = "0badc0de-5555-4666-9777-888888888888"


@trace_session
def step() -> None:
    pass


def about(session):
    return session.metadata["honeytrace"]


def service(**options):
    app = FastAPI()
    app.add_middleware(ASGIMiddleware, **options)

    @app.get("/users/{user}/books/{book:path}")
    async def book(user: int, book: str) -> dict[str, str]:
        step()
        return {"book": book}

    @app.get("/stream")
    async def stream() -> StreamingResponse:
        async def parts():
            for part in ("a", "b", "c"):
                step()
                yield part

        return StreamingResponse(parts())

    @app.get("/late")
    async def late(tasks: BackgroundTasks) -> dict[str, str]:
        tasks.add_task(step)
        step()
        return {}

    @app.get("/fails")
    async def fails() -> None:
        step()
        raise ValueError("boom")

    @app.websocket("/socket")
    async def socket(websocket) -> None:
        await websocket.accept()
        step()
        await websocket.close()

    return app


def get(app, path, **options):
    with capture_sessions() as sessions, TestClient(app, raise_server_exceptions=False) as client:
        response = client.get(path, **options)
    return response, sessions


async def _answer(send, *parts, status=200):
    await send({"type": "http.response.start", "status": status, "headers": []})
    for part in parts[:-1]:
        await send({"type": "http.response.body", "body": part, "more_body": True})
    await send({"type": "http.response.body", "body": parts[-1]})


def run(app, *, received=(), send=None, **scope):
    """Run an ASGI application for one request; return the sessions, and what it raised."""
    messages = list(received)

    async def receive():
        return messages.pop(0) if messages else {"type": "http.disconnect"}

    async def drop(message):
        pass

    full = {"type": "http", "method": "GET", "path": "/", "headers": [], **scope}
    with capture_sessions() as sessions:
        try:
            asyncio.run(app(full, receive, send or drop))
        except BaseException as error:
            return sessions, error
    return sessions, None


def test_a_request_is_a_session_named_by_its_route():
    response, sessions = get(service(), "/users/7/books/a/b?q=1&q=2&token=Zx9kQ27bbWq1")
    assert response.json() == {"book": "a/b"}
    request = sessions.one("GET /users/{user}/books/{book}")
    assert request.inputs == {
        "method": "GET",
        "path": "/users/7/books/a/b",
        "query": {"q": "2", "token": "[REDACTED:token]"},
    }
    assert request.outputs == {"status": 200}
    assert about(request)["kind"] == "request"
    assert about(sessions.one("step"))["parent_id"] == request.session_id


def test_a_request_is_below_the_session_that_its_headers_name():
    _, sessions = get(service(), "/late", headers={"honeytrace-parent": OWN})
    assert about(sessions.one("GET /late"))["parent_id"] == OWN


def test_a_streamed_answer_lasts_until_its_last_part():
    response, sessions = get(service(), "/stream")
    request = sessions.one("GET /stream")
    assert response.text == "abc"
    assert len(request.children_ids) == 3
    assert (request.metrics["chunks"], request.metrics["ttft_ms"] >= 0) == (3, True)
    assert about(request)["stream"] == {"completed": True}


def test_sessions_in_background_tasks_are_children_too():
    _, sessions = get(service(), "/late")
    request = sessions.one("GET /late")
    inside, later = sessions.all("step")
    assert about(inside)["parent_id"] == about(later)["parent_id"] == request.session_id
    assert about(later)["root_id"] == request.session_id
    assert request.children_ids == [inside.session_id]


def test_an_exception_is_the_error_of_the_session():
    response, sessions = get(service(), "/fails")
    assert response.status_code == 500
    assert sessions.one("GET /fails").error == "ValueError: boom"


def test_an_answer_with_a_server_error_is_one():
    async def app(scope, receive, send):
        await _answer(send, b"", status=503)

    sessions, _ = run(ASGIMiddleware(app))
    assert sessions.one("GET /").error == "HTTP 503"
    assert about(sessions.one("GET /"))["exception"]["message"] == "503 Service Unavailable"


def test_an_unknown_status_has_no_phrase():
    async def app(scope, receive, send):
        await _answer(send, b"", status=599)

    sessions, _ = run(ASGIMiddleware(app))
    assert about(sessions.one("GET /"))["exception"]["message"] == "599"


def test_a_path_without_a_route_is_not_part_of_the_name():
    _, sessions = get(service(), "/wp-login.php")
    assert sessions.one("GET").outputs == {"status": 404}


def test_mounted_applications_have_their_whole_route_as_a_name():
    async def page(request):
        return PlainTextResponse("page")

    inner = Starlette(routes=[Route("/{name}", page)])
    app = Starlette(routes=[Mount("/of/{tenant}", inner)])
    _, sessions = get(ASGIMiddleware(app), "/of/name/x")
    assert sessions.one("GET /of/{tenant}/{name}")


def test_parameters_that_were_converted_stay_as_they_are():
    async def app(scope, receive, send):
        scope["path_params"] = {"number": 7}
        await _answer(send, b"")

    sessions, _ = run(ASGIMiddleware(app), path="/007")
    assert sessions.one("GET /007")


def test_a_function_may_name_requests():
    app = service(name=lambda scope: f"to {scope['path']}")
    assert get(app, "/late")[1].one("to /late")
    assert get(service(name=lambda scope: scope["missing"]), "/late")[1].one("GET /late")


def test_skipped_paths_are_left_alone():
    _, sessions = get(
        service(skip=["/health", "/la*"]), "/late", headers={"honeytrace-parent": OWN}
    )
    assert [session.session_name for session in sessions] == ["step", "step"]
    assert "parent_id" not in about(sessions[0])


def test_only_the_parent():
    _, sessions = get(service(sessions=False), "/late", headers={"honeytrace-parent": OWN})
    assert [about(each).get("parent_id") for each in sessions] == [OWN, OWN]


def test_installed_twice_is_the_same_as_once():
    app = service()
    app.add_middleware(ASGIMiddleware)
    _, sessions = get(ASGIMiddleware(app), "/late")
    assert len(sessions.all("GET /late")) == 1


def test_a_websocket_gets_the_parent_alone():
    async def app(scope, receive, send):
        step()

    headers = [(b"honeytrace-parent", OWN.encode())]
    sessions, _ = run(ASGIMiddleware(app), type="websocket", headers=headers)
    assert about(sessions.one("step"))["parent_id"] == OWN
    assert len(sessions) == 1


def test_other_events_pass_through():
    async def app(scope, receive, send):
        assert scope["type"] == "lifespan"
        step()

    sessions, _ = run(ASGIMiddleware(app), type="lifespan")
    assert len(sessions) == 1


def test_the_context_is_as_before_once_the_request_is_over():
    async def app(scope, receive, send):
        await _answer(send, b"")

    async def main():
        async def nothing(*_):
            return {"type": "http.request"}

        with trace_session("around"):
            scope = {"type": "http", "method": "GET", "path": "/", "headers": []}
            await ASGIMiddleware(app)(scope, nothing, nothing)
            assert honeytrace.current_session().session_name == "around"

    with capture_sessions() as sessions:
        asyncio.run(main())
    assert sessions.one("around").children_ids == [sessions.one("GET /").session_id]


def test_a_client_that_goes_away_is_no_error():
    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"a", "more_body": True})
        await receive()
        raise RuntimeError("nobody listens")

    sessions, error = run(ASGIMiddleware(app))
    request = sessions.one("GET /")
    assert isinstance(error, RuntimeError)
    assert request.error is None
    assert about(request)["stream"]["completed"] is False
    assert about(request)["status"] == "cancelled"


@pytest.mark.parametrize("raised", [asyncio.CancelledError(), BrokenPipeError()])
def test_neither_is_an_answer_that_is_broken_off(raised):
    async def send(message):
        if message["type"] == "http.response.body":
            raise raised

    async def app(scope, receive, send):
        await _answer(send, b"a", b"b")

    sessions, error = run(ASGIMiddleware(app), send=send)
    assert type(error) is type(raised)
    assert sessions.one("GET /").error is None
    assert about(sessions.one("GET /"))["status"] == "cancelled"


def test_an_application_that_answers_nothing_has_no_status():
    async def app(scope, receive, send):
        pass

    sessions, _ = run(ASGIMiddleware(app))
    assert sessions.one("GET /").outputs == {}


def test_an_application_may_return_once_the_client_has_gone():
    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await receive()

    sessions, _ = run(ASGIMiddleware(app))
    assert about(sessions.one("GET /"))["stream"]["completed"] is False


def test_a_file_that_the_server_sends_ends_the_session(tmp_path):
    (tmp_path / "file").write_text("content")
    events = []

    async def send(message):
        events.append(message["type"])

    app = ASGIMiddleware(FileResponse(tmp_path / "file"))
    sessions, _ = run(app, send=send, extensions={"http.response.pathsend": {}})
    assert events[-1] == "http.response.pathsend"
    assert sessions.one("GET /").outputs == {"status": 200}


def test_a_long_stream_needs_no_memory_for_each_part():
    async def app(scope, receive, send):
        await _answer(send, *[b"x"] * 9_000)

    sessions, _ = run(ASGIMiddleware(app))
    assert sessions.one("GET /").metrics["chunks"] == 9_000


def test_an_unsampled_caller_is_not_recorded():
    carrier = {"traceparent": "00-6a1f000011114222833344444444444f-1111111111111111-00"}
    response, sessions = get(service(), "/late", headers=carrier)
    assert response.status_code == 200
    assert len(sessions) == 0


def test_when_tracing_is_off_the_application_runs_alone():
    honeytrace.configure(enabled=False)
    try:
        response, sessions = get(service(), "/stream")
    finally:
        honeytrace.configure(enabled=None)
    assert (response.text, len(sessions)) == ("abc", 0)


def test_the_session_of_a_request_can_be_passed_on():
    async def app(scope, receive, send):
        assert inject({})["honeytrace-parent"] == honeytrace.current_session().session_id
        await _answer(send, b"")

    assert run(ASGIMiddleware(app))[1] is None


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"sessions": "yes"}, "sessions cannot be 'yes'; give True or False"),
        ({"skip": [3]}, "skip cannot be"),
        ({"skip": 3}, "skip cannot be 3; give paths"),
        ({"name": "route"}, "name cannot be 'route'"),
        ({"app": None}, "app cannot be None; give the application to wrap"),
    ],
)
def test_options_that_cannot_be_used_are_refused(options, words):
    with pytest.raises(TypeError, match=words):
        ASGIMiddleware(**{"app": print, **options})
