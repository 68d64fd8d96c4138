"""The session server answers programs, but no page of another origin."""

from __future__ import annotations

import json
import threading
import uuid

import httpx
import pytest

from honeytrace.local import App, Store, make_server
from honeytrace.local._doors import LOOPBACK
from honeytrace.local._nodes import MAX_VALUES, has_too_many_values

JSON = {"Content-Type": "application/json"}
BODY = b'{"session": {"project": "p"}}'


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path / "sessions.db")
    yield store
    store.close()


@pytest.fixture
def url(store):
    """The address of a server as `honeytrace serve` runs it."""
    server = make_server(App(store, None, {*LOOPBACK, "box.lan"}), "127.0.0.1", 0)
    thread = threading.Thread(target=server.serve_forever, args=[0.01])
    thread.start()
    yield server.url
    server.shutdown()
    thread.join()
    server.server_close()


def ask(url, method, **headers):
    """Send a request that would write or read, and return its status."""
    path = "/session/start" if method == "POST" else f"/session/{uuid.uuid4()}"
    body = BODY if method == "POST" else None
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.request(method, url + path, content=body, headers=headers).status_code


FINE = {"POST": 200, "GET": 404}


@pytest.mark.parametrize("method", FINE)
@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost:8787", "LOCALHOST.", "[::1]:8787", "box.lan", "[::1]"]
)
def test_its_own_names_are_answered(url, method, host):
    """Loopback names and those that were allowed reach it, with any port."""
    assert ask(url, method, Host=host, **JSON) == FINE[method]


@pytest.mark.parametrize("method", FINE)
@pytest.mark.parametrize(
    "host",
    ["evil.example", "127.0.0.1.evil.example", "localhost@evil.example", "[::2]", "", "a b", "x]"],
)
def test_foreign_names_are_refused(url, store, method, host):
    """A page that points its own name here, by DNS rebinding, neither writes nor reads."""
    assert ask(url, method, Host=host, **JSON) == 421
    assert store.count() == 0


@pytest.mark.parametrize("method", FINE)
@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost"},  # another port is another origin
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
    ],
)
def test_pages_of_other_origins_are_refused(url, store, method, headers):
    """The headers by which a browser describes the page are enough to refuse it."""
    assert ask(url, method, **headers, **JSON) == 403
    assert store.count() == 0


@pytest.mark.parametrize("method", FINE)
@pytest.mark.parametrize("site", ["same-origin", "none"])
def test_its_own_pages_are_answered(url, method, site):
    """A page of the server itself may ask, and so may the address bar."""
    assert ask(url, method, Origin=url, Sec_Fetch_Site=site, **JSON) == FINE[method]


@pytest.mark.parametrize(
    "kind",
    [
        "",
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/json; charset=utf-16",
        "text/plain; application/json",
    ],
)
def test_a_body_has_to_say_that_it_is_json(url, store, kind):
    """The types that any page may send without asking are refused."""
    assert ask(url, "POST", Content_Type=kind) == 415
    assert store.count() == 0


@pytest.mark.parametrize(
    "kind",
    ["application/json", "Application/JSON;charset=UTF-8", 'application/json; charset="utf-8"'],
)
def test_json_may_name_its_charset(url, kind):
    """Case and the charset that JSON has make no difference."""
    assert ask(url, "POST", Content_Type=kind) == 200


@pytest.mark.parametrize(("encoding", "status"), [("identity", 200), ("gzip", 415), ("BR", 415)])
def test_a_compressed_body_is_refused(url, store, encoding, status):
    """Even if the body is plain: its header says that others would read something else."""
    assert ask(url, "POST", Content_Encoding=encoding, **JSON) == status
    assert store.count() == (status == 200)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32", "latin-1"])
def test_only_utf_8_is_read(url, store, encoding):
    """A body in another encoding is refused, whatever it would mean."""
    body = '{"session": {"project": "ü"}}'.encode(encoding)
    answer = httpx.post(f"{url}/session/start", content=body, headers=JSON)
    assert answer.status_code == 400
    assert "JSON" in answer.json()["message"]
    assert store.count() == 0


def test_a_large_session_is_answered_by_its_ids(url, store):
    """Over a mebibyte the answer repeats none of the content; the session is there, whole."""
    fields = {"session_id": str(uuid.uuid4()), "project": "p", "inputs": {"text": "ü" * 2**20}}
    answer = httpx.post(f"{url}/session/start", json={"session": fields})
    assert answer.json()["session_id"] == fields["session_id"]
    assert (answer.json()["project_id"], len(answer.content) < 500) == ("p", True)
    assert store.get(fields["session_id"]) == fields


def test_a_body_of_too_many_values_is_refused(url, store):
    """A body that would take gigabytes of memory is refused before it is parsed."""
    values = b"[]," * (MAX_VALUES // 2 + 1)
    body = b'{"session":{"inputs":{"x":[' + values + b" " * 2**20 + b"0]}}}"
    answer = httpx.post(f"{url}/session/start", content=body, headers=JSON)
    assert (answer.status_code, store.count()) == (413, 0)
    assert "too many values" in answer.json()["message"]


@pytest.mark.parametrize(
    ("value", "too_many"),
    [
        ("[,{:" * MAX_VALUES, False),
        ('\\"[,{:' * MAX_VALUES, False),
        ("\\" * MAX_VALUES, False),
        (["a", 'b"', "\\"] * (MAX_VALUES // 3 - 100), False),
        (["a", 'b"', "\\"] * (MAX_VALUES // 3 + 1), True),
        ({str(number): "" for number in range(MAX_VALUES // 2 + 1)}, True),
    ],
)
def test_values_are_counted_outside_of_strings(value, too_many):
    """Text that looks like structure does not count, and escaped quotes do not end a text."""
    body = json.dumps([value, "x" * 2**20]).encode()
    assert has_too_many_values(body) is too_many


def test_what_is_not_json_can_be_counted():
    """A text that does not end is not counted beyond its start."""
    assert not has_too_many_values(b'["' + b"," * 2**21)
