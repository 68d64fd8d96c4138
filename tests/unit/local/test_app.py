"""The WSGI application of `honeytrace.local`, called through httpx and by hand."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import uuid

import httpx
import jsonschema
import pytest

from honeytrace._utils.errors import ConfigurationError
from honeytrace.local import App, Store, app

OBJECTS = ("config", "inputs", "outputs", "user_properties", "metrics", "feedback", "metadata")
NAMES = ("project_id", "source", "event_name", "event_id")
MIB = 1024 * 1024
UNKNOWN = "5b0cf0a1-8d7e-4b55-9a3a-2f6d6f0b3c77"

EVENT = {
    "type": "object",
    "required": ["project_id", "source", "event_name", "event_type", "event_id", "session_id"],
    # Null is for parent_id alone: the strictest client refuses it in any other key.
    "additionalProperties": {"not": {"type": "null"}},
    "properties": {
        **{name: {"type": "string"} for name in NAMES},
        "event_type": {"const": "session"},
        "session_id": {"type": "string", "pattern": "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"},
        "parent_id": {"type": ["string", "null"]},
        "children_ids": {"type": "array", "items": {"type": "string"}},
        **{name: {"type": "object"} for name in OBJECTS},
        "error": {"type": "string"},
        "start_time": {"type": "number"},
        "end_time": {"type": "integer"},
        "duration": {"type": "number"},
    },
}
STARTED = {
    "allOf": [EVENT],
    "required": ["session_id", "event_id", "org_id", "workspace_id", "project_id"],
    "properties": {"org_id": {"type": "string"}, "workspace_id": {"type": "string"}},
}

EXAMPLE = {
    "project": "Simple RAG Project",
    "session_name": "Playground Session",
    "source": "playground",
    "session_id": "caf77ace-3417-4da4-944d-f4a0688f3c23",
    "children_ids": ["7f22137a-6911-4ed3-bc36-110f1dde6b66"],
    "config": {"model": "gpt-4", "template": [{"role": "system", "content": "a\nb\n"}]},
    "inputs": {"chat_history": [{"role": "user", "content": "\n\nWhat's in Notion?\n"}]},
    "outputs": {"role": "assistant", "content": "résumé \U0001f600"},
    "error": None,
    "duration": 824.8056,
    "user_properties": {"user": "google-oauth2|111840237613341303366"},
    "metrics": {},
    "feedback": {},
    "metadata": {},
    "start_time": 1712025501605,
    "end_time": 1712025499832,
}


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path / "sessions.db")
    yield store
    store.close()


@pytest.fixture
def client(store):
    with mounted(App(store)) as client:
        yield client


def mounted(application, url="http://local"):
    return httpx.Client(transport=httpx.WSGITransport(application), base_url=url)


def start(client, **fields):
    return client.post("/session/start", json={"session": fields})


def call(application, **environ):
    """Calls the application as a bare WSGI server would, and returns status and answer."""
    seen = []
    answer = application(
        {"REQUEST_METHOD": "POST", "PATH_INFO": "/session/start", **environ},
        lambda status, headers: seen.extend([status, headers]),
    )
    return int(seen[0][:3]), json.loads(b"".join(answer))


def test_the_official_example_comes_back(client):
    """Every value of the published example is answered under the event's name."""
    jsonschema.validate(start(client, **EXAMPLE).json(), STARTED)
    event = client.get(f"/session/{EXAMPLE['session_id']}").json()
    jsonschema.validate(event, EVENT)
    renamed = {"project_id": EXAMPLE["project"], "event_name": EXAMPLE["session_name"]}
    same = EXAMPLE.keys() - {"project", "session_name", "error"}
    assert event == {
        **{name: EXAMPLE[name] for name in same},
        **renamed,
        "event_type": "session",
        "event_id": EXAMPLE["session_id"],
        "parent_id": None,
    }


def test_start_answers_200_with_json(client):
    """The status, the type and the length are what the strictest client asks for."""
    response = start(client, project="p", session_name="n", source="dev")
    assert response.status_code == 200
    assert response.headers["Content-Type"] == "application/json"
    assert response.headers["Content-Length"] == str(len(response.content))


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"project": "", "session_name": "", "source": ""},
        {"start_time": 1712025501605.0, "end_time": 1712025501605.0},
        {"end_time": 1712025501605.7, "error": None, "inputs": None},
        {"project": "p", "project_id": "q", "event_name": "e", "event_type": "tool", "event_id": 5},
        {"metadata": {"honeytrace": 5}},
        {"metadata": {"honeytrace": {"parent_id": 5}}},
        {"parent_id": "8e0f0c5e-6911-4ed3-bc36-110f1dde6b66", "unknown": [None]},
        {"duration": 10**300},
    ],
)
def test_lenient_requests_get_strict_answers(client, fields):
    """Unusual requests of the clients are accepted; the answers suit all clients."""
    started = start(client, **fields).json()
    jsonschema.validate(started, STARTED)
    jsonschema.validate(client.get(f"/session/{started['session_id']}").json(), EVENT)


def test_a_server_made_id_is_a_fresh_uuid(client):
    """Without an id each start makes a session of its own."""
    made = {start(client).json()["session_id"] for _ in range(2)}
    assert {uuid.UUID(one).version for one in made} == {4}
    assert len(made) == 2


def test_ids_are_without_case(client):
    """An id in capitals is stored, answered and found as the same in small letters."""
    session_id = str(uuid.uuid4())
    assert start(client, session_id=session_id.upper()).json()["session_id"] == session_id
    assert client.get(f"/session/{session_id.upper()}").json()["session_id"] == session_id


def test_a_start_that_is_sent_again_is_merged(client, store):
    """A second start answers with the session as it is now."""
    session_id = start(client, project="p", inputs={"a": 1}).json()["session_id"]
    again = start(client, session_id=session_id, inputs={"b": 2}).json()
    assert (again["project_id"], again["inputs"]) == ("p", {"a": 1, "b": 2})
    assert store.count() == 1


def test_the_project_wins_over_its_event_name(client):
    """A session that has both names of one value is answered with the session's."""
    answers = [start(client, **{name: name for name in names}).json()["project_id"]
               for names in (("project", "project_id"), ("project_id", "project"))]  # fmt: skip
    assert answers == ["project", "project"]


def test_the_parent_is_answered(client):
    """The parent that our own sessions write down becomes the event's parent_id."""
    answer = start(client, metadata={"honeytrace": {"parent_id": EXAMPLE["session_id"]}}).json()
    assert answer["parent_id"] == EXAMPLE["session_id"]


def test_a_session_as_text_is_decoded(client):
    """The object may be a JSON-encoded string, as one published document has it."""
    response = client.post("/session/start", json={"session": json.dumps({"project": "p"})})
    assert response.json()["project_id"] == "p"


def test_a_prefix_is_the_business_of_the_server(store):
    """Mounted below another path, the application sees its own part alone."""
    transport = httpx.WSGITransport(App(store), script_name="/api")
    with httpx.Client(transport=transport, base_url="http://local") as client:
        assert start(client).status_code == 200


def refused(response, status):
    """The sentence of a refusal, which is a JSON object with `message`."""
    assert (response.status_code, response.headers["Content-Type"]) == (status, "application/json")
    return response.json()["message"]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "the body is not JSON"),
        (b"\xff", "the body is not JSON"),
        (b"{", "the body is not JSON"),
        (b'{"session": {"duration": NaN}}', "NaN is not JSON"),
        (b'{"session": {"inputs": {"a": 1e999}}}', "1e999 is out of range"),
        (b'{"session": ' + b"[" * 100_000, "the JSON is nested too deeply"),
        (b"[]", 'the body has to be {"session": {...}}'),
        (b"{}", 'the body has to be {"session": {...}}'),
        (b'{"session": "5"}', 'the body has to be {"session": {...}}'),
        (b'{"session": "{"}', "the body is not JSON"),
        (b'{"session": {"session_id": "5"}}', "session_id is '5'; it has to be a UUID"),
        (b'{"session": {"project": 5}}', "project is 5; it has to be a string"),
        (b'{"session": {"inputs": []}}', "inputs is []; it has to be an object"),
        (b'{"session": {"children_ids": [1]}}', "children_ids is [1]; it has to be a list"),
        (b'{"session": {"error": true}}', "error is True; it has to be a string"),
        (b'{"session": {"duration": 1' + b"0" * 400 + b"}}", "it has to be a number of"),
        (b'{"session": {"end_time": 1' + b"0" * 400 + b"}}", "it has to be a whole number of"),
        (b'{"session": {"parent_id": 5}}', "parent_id is 5; it has to be a string"),
        (b'{"session": {"inputs": "' + b"x" * 9_999 + b'"}}', "x…; it has to be an object"),
    ],
)
def test_a_bad_body_is_refused(client, store, body, words):
    """An invalid session gets a 400 that names the field and what it has to be."""
    assert words in refused(client.post("/session/start", content=body), 400)
    assert store.count() == 0


@pytest.mark.parametrize(
    "path", ["/s", "/session", "/sessions/start", "/session/start/", "/session/a/b", "/é"]
)
def test_an_unknown_path_is_refused(client, path):
    """Every other path is a 404 that says what there is."""
    assert "use POST /session/start or GET /session/{session_id}" in refused(client.get(path), 404)


@pytest.mark.parametrize("session_id", [UNKNOWN, "x", "%ED%A0%80", "é", "..%2Fstart"])
def test_an_unknown_session_is_refused(client, session_id):
    """An id that is not there, or is none, is a 404."""
    assert "there is n" in refused(client.get(f"/session/{session_id}"), 404)


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/session/start", "POST"),
        ("PUT", "/session/start", "POST"),
        ("POST", f"/session/{UNKNOWN}", "GET"),
        ("DELETE", f"/session/{UNKNOWN}", "GET"),
    ],
)
def test_another_method_is_refused(client, method, path, allowed):
    """A method that an operation does not have is a 405 that names the one it has."""
    response = client.request(method, path)
    assert refused(response, 405) == f"{method!r} is not possible here; use {allowed}"
    assert response.headers["Allow"] == allowed


@pytest.mark.parametrize(
    ("header", "status"),
    [
        (None, 401),
        ("Bearer", 401),
        ("Bearer wrong", 401),
        ("Basic sésame", 401),
        ("Bearer sesame", 401),
        ("Bearer sésame", 200),
        ("bearer sésame", 200),
    ],
)
def test_the_token_is_wanted(store, header, status):
    """With a token, only requests that carry it get in, whatever the case of the scheme."""
    body = b'{"session": {}}'
    environ = {"CONTENT_LENGTH": str(len(body)), "wsgi.input": io.BytesIO(body)}
    if header is not None:
        environ["HTTP_AUTHORIZATION"] = header.encode().decode("latin-1")
    assert call(App(store, token="sésame"), **environ)[0] == status


def test_the_refusal_without_token_says_how(store):
    """A 401 names the scheme, as HTTP wants it, and hides what paths there are."""
    with mounted(App(store, token="t")) as client:
        response = client.get("/nothing")
    assert "Authorization: Bearer TOKEN" in refused(response, 401)
    assert response.headers["WWW-Authenticate"] == "Bearer"


def test_an_empty_token_is_refused(store):
    """A token that everybody has is a slip of the configuration."""
    with pytest.raises(ConfigurationError, match="the token is ''"):
        App(store, token="")


def test_a_failing_store_is_told(tmp_path):
    """When the store cannot be used, its sentence is the answer."""
    (tmp_path / "sessions.db").mkdir()
    with mounted(App(Store(tmp_path / "sessions.db"))) as client:
        assert "cannot be used" in refused(start(client), 500)
        assert "cannot be used" in refused(client.get(f"/session/{UNKNOWN}"), 500)


class Dripping(io.BytesIO):
    """An input that gives less than it is asked for, as some servers' do."""

    def read(self, size=-1, /):
        return super().read(min(size, 3))


def test_an_input_may_drip(store):
    """The body is read to its length, however little comes at a time, and not beyond."""
    body = b'{"session": {"project": "p"}}'
    status, answer = call(
        App(store), CONTENT_LENGTH=str(len(body)), **{"wsgi.input": Dripping(body + b"next")}
    )
    assert (status, answer["project_id"]) == (200, "p")


@pytest.mark.parametrize(
    ("environ", "status"),
    [
        ({"wsgi.input_terminated": True}, 200),
        ({"HTTP_TRANSFER_ENCODING": "chunked"}, 200),
        ({}, 400),
        ({"CONTENT_LENGTH": ""}, 400),
    ],
)
def test_a_body_without_a_length(store, environ, status):
    """Without a length the input is read if the server says that it ends, and else not touched."""
    source = io.BytesIO(b'{"session": {}}')
    assert call(App(store), **{"wsgi.input": source}, **environ)[0] == status


@pytest.mark.parametrize(
    ("length", "status", "words"),
    [
        ("99", 400, "the body ended after 15 of 99 bytes; send all of it"),
        ("-1", 400, "Content-Length is '-1'; it has to be a number of bytes"),
        ("²", 400, "Content-Length is '²'; it has to be a number of bytes"),
        ("1" * 5000, 400, "it has to be a number of bytes"),
        (str(64 * MIB + 1), 413, "the body is over 64 MiB"),
    ],
)
def test_a_wrong_length(store, length, status, words):
    """A length that is none, too large or more than there is gets a sentence."""
    source = io.BytesIO(b'{"session": {}}')
    found, answer = call(App(store), CONTENT_LENGTH=length, **{"wsgi.input": source})
    assert found == status
    assert words in answer["message"]


def test_an_endless_body_is_cut(store):
    """Without a length, too, at most 64 MiB are read."""
    source = io.BytesIO(bytes(64 * MIB + 2))
    environ = {"wsgi.input": source, "wsgi.input_terminated": True}
    assert call(App(store), **environ)[0] == 413
    assert source.read() == b"\0"


def test_the_module_has_an_application(tmp_path, monkeypatch):
    """`honeytrace.local:app` keeps its sessions where HONEYTRACE_HOME says."""
    for name in ("one", "two", "two"):
        monkeypatch.setenv("HONEYTRACE_HOME", str(tmp_path / name))
        with mounted(app, "http://localhost") as client:
            assert start(client).status_code == 200
    stores = [Store(tmp_path / name / "sessions.db") for name in ("one", "two")]
    assert [store.count() for store in stores] == [1, 2]
    for store in stores:
        store.close()


def test_the_application_takes_its_token_from_the_environment(tmp_path, monkeypatch):
    """With HONEYTRACE_TOKEN each request needs it, under whatever name the server is reached."""
    monkeypatch.setenv("HONEYTRACE_HOME", str(tmp_path))
    with mounted(app, "http://trace.example") as client:
        assert start(client).status_code == 421
        monkeypatch.setenv("HONEYTRACE_TOKEN", "s3cret")
        assert start(client).status_code == 401
        client.headers["Authorization"] = "Bearer s3cret"
        assert start(client).status_code == 200


HOME = """
import httpx
from honeytrace.local import app
client = httpx.Client(transport=httpx.WSGITransport(app), base_url="http://127.0.0.1")
print(client.post("/session/start", json={"session": {}}).status_code)
"""


@pytest.mark.parametrize("setting", [{}, {"HONEYTRACE_HOME": " "}])
def test_the_home_directory_is_the_default(tmp_path, monkeypatch, setting):
    """Without a setting, or with a blank one, the store is below the user's home."""
    monkeypatch.delenv("HONEYTRACE_HOME", raising=False)
    for name, value in {"HOME": str(tmp_path), "USERPROFILE": str(tmp_path), **setting}.items():
        monkeypatch.setenv(name, value)
    printed = subprocess.run([sys.executable, "-c", HOME], capture_output=True, text=True)
    assert printed.stdout == "200\n", printed.stderr
    assert (tmp_path / ".honeytrace" / "sessions.db").exists()


IMPORTS = """
import sys
sys.modules.pop("sqlite3", None)  # a measuring of coverage brings it along
import honeytrace
print({"sqlite3", "honeytrace.local"} & set(sys.modules))
"""


def test_sqlite_is_imported_with_the_server_only():
    """The package alone does without sqlite3 and without the local server."""
    printed = subprocess.run([sys.executable, "-c", IMPORTS], capture_output=True, text=True)
    assert printed.stdout == "set()\n", printed.stderr
