"""Each request of a WSGI application is a session below the one of the caller."""

from __future__ import annotations

from types import SimpleNamespace
from wsgiref.util import FileWrapper, setup_testing_defaults

import pytest

import honeytrace
from honeytrace import trace_session
from honeytrace.propagation import WSGIMiddleware
from honeytrace.testing import capture_sessions

OWN = "0badc0de-5555-4666-9777-888888888888"


@trace_session
def step() -> None:
    pass


def about(session):
    return session.metadata["honeytrace"]


def run(app, *, read=None, **environ):
    """Run a WSGI application as a server does; return the body and the sessions."""
    full = {"QUERY_STRING": "", **environ}
    setup_testing_defaults(full)
    parts = []
    with capture_sessions() as sessions:
        body = app(full, lambda status, headers, exc_info=None: parts.append)
        try:
            for part in body:
                parts.append(part)
                if len(parts) == read:
                    break
        finally:
            if hasattr(body, "close"):
                body.close()
    return b"".join(parts), sessions


def plain(environ, start_response):
    step()
    start_response("200 OK", [])
    return [b"plain"]


def stream(environ, start_response):
    start_response("200 OK", [])
    for part in (b"a", b"b", b"c"):
        step()
        yield part


def test_a_request_is_a_session_below_the_one_in_its_headers():
    body, sessions = run(
        WSGIMiddleware(plain),
        SCRIPT_NAME="/app",
        PATH_INFO="/x",
        QUERY_STRING="q=1",
        HTTP_HONEYTRACE_PARENT=OWN,
    )
    request = sessions.one("GET /app/x")
    assert body == b"plain"
    assert request.inputs == {"method": "GET", "path": "/app/x", "query": {"q": "1"}}
    assert request.outputs == {"status": 200}
    assert about(request)["parent_id"] == OWN
    assert request.children_ids == [sessions.one("step").session_id]


def test_a_list_stays_the_same_list():
    body = [b"a"]
    with capture_sessions():
        app = WSGIMiddleware(lambda environ, start_response: body)
        assert app({"REQUEST_METHOD": "GET"}, None) is body


def test_a_streamed_answer_lasts_until_its_last_part():
    body, sessions = run(WSGIMiddleware(stream), PATH_INFO="/s")
    request = sessions.one("GET /s")
    assert body == b"abc"
    assert request.metrics["chunks"] == 3
    assert request.children_ids == [each.session_id for each in sessions.all("step")]
    assert not honeytrace.current_session()


def test_a_client_that_goes_away_is_no_error():
    _, sessions = run(WSGIMiddleware(stream), PATH_INFO="/s", read=1)
    request = sessions.one("GET /s")
    assert (request.error, about(request)["stream"]["completed"]) == (None, False)
    assert about(request)["status"] == "cancelled"


def test_a_body_without_close():
    def app(environ, start_response):
        start_response("204 No Content", [])
        return iter(())

    assert run(WSGIMiddleware(app))[1].one("GET /").outputs == {"status": 204}


@pytest.mark.parametrize("late", [False, True])
def test_an_exception_is_the_error_of_the_session(late):
    def app(environ, start_response):
        if not late:
            raise ValueError("boom")

        def body():
            yield b"a"
            raise ValueError("boom")

        return body()

    with capture_sessions() as sessions, pytest.raises(ValueError, match="boom"):
        list(WSGIMiddleware(app)({"REQUEST_METHOD": "GET", "PATH_INFO": "/"}, None))
    assert sessions.one("GET /").error == "ValueError: boom"


def test_the_file_that_a_server_sends_by_itself_stays_the_same_object(tmp_path):
    (tmp_path / "file").write_bytes(b"content")
    with (tmp_path / "file").open("rb") as file, capture_sessions() as sessions:
        wrapped = FileWrapper(file)
        environ = {"REQUEST_METHOD": "GET", "PATH_INFO": "/", "wsgi.file_wrapper": FileWrapper}
        assert WSGIMiddleware(lambda *_: wrapped)(environ, None) is wrapped
    assert sessions.one("GET /")


def test_exc_info_is_passed_on():
    given = []

    def app(environ, start_response):
        start_response("what?", [], (None, None, None))
        return []

    with capture_sessions():
        WSGIMiddleware(app)({}, lambda *arguments: given.append(arguments))
    assert given == [("what?", [], (None, None, None))]


@pytest.mark.parametrize(
    "known",
    [
        {"werkzeug.request": SimpleNamespace(url_rule=SimpleNamespace(rule="/u/<int:n>"))},
        {"bottle.route": SimpleNamespace(rule="/u/<int:n>")},
    ],
)
def test_routes_are_names_if_the_framework_tells_them(known):
    def app(environ, start_response):
        environ.update(known)
        return []

    assert run(WSGIMiddleware(app), PATH_INFO="/u/7")[1].one("GET /u/<int:n>")


def test_installed_twice_is_the_same_as_once():
    _, sessions = run(WSGIMiddleware(WSGIMiddleware(plain)))
    assert [each.session_name for each in sessions] == ["step", "GET /"]


def test_skipped_paths_and_only_the_parent():
    assert len(run(WSGIMiddleware(plain, skip="/health"), PATH_INFO="/health")[1]) == 1
    _, sessions = run(WSGIMiddleware(plain, sessions=False), HTTP_HONEYTRACE_PARENT=OWN)
    assert [about(each)["parent_id"] for each in sessions] == [OWN]
