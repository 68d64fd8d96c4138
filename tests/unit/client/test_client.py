"""The two operations, by both clients, against a server that answers by a script."""

from __future__ import annotations

import asyncio
import inspect
import json
import logging
import socket
import uuid
from contextlib import suppress
from dataclasses import replace

import httpx
import pytest

import honeytrace
from honeytrace import (
    AsyncClient,
    Client,
    ConfigurationError,
    SDKError,
    Session,
    SessionNotFoundError,
    TransportError,
)
from honeytrace._config.settings import HOSTED, resolve

ID = "6f0fdd4b-38d8-4ce2-a0b3-1f3c0a8f5a11"
SESSION = Session(project="p", session_name="s", source="dev", session_id=ID, inputs={"q": "é"})
EVENT = {"project_id": "p", "event_name": "s", "source": "dev", "session_id": ID,
         "inputs": {"q": "é"}, "event_type": "session", "parent_id": None}  # fmt: skip


class Blocking:
    """An asynchronous client whose methods wait, so that one test serves both."""

    def __init__(self, client, loop):
        self.client, self._loop = client, loop

    def __getattr__(self, name):
        found = getattr(self.client, name)
        if not inspect.iscoroutinefunction(found):
            return found
        return lambda *args, **kwargs: self._loop.run_until_complete(found(*args, **kwargs))

    def close(self):
        self._loop.run_until_complete(self.client.aclose())


@pytest.fixture
def loop():
    loop = asyncio.new_event_loop()
    yield loop
    loop.run_until_complete(loop.shutdown_default_executor())
    loop.close()


@pytest.fixture(params=[Client, AsyncClient], ids=["sync", "async"])
def kind(request):
    """The class of the client."""
    return request.param


@pytest.fixture
def connect(kind, loop):
    """Makes clients of the kind, and closes them in the end."""
    made = []

    def make(*arguments, **settings):
        client = kind(*arguments, **settings)
        made.append(client if kind is Client else Blocking(client, loop))
        return made[-1]

    yield make
    for client in made:
        client.close()


@pytest.fixture
def client(connect, server):
    """A client of the scripted server."""
    return connect("k-1", server.url)


@pytest.fixture
def http(kind, loop):
    """Makes HTTP clients of the user's, and closes them in the end."""
    made = []

    def make(**settings):
        made.append((httpx.Client if kind is Client else httpx.AsyncClient)(**settings))
        return made[-1]

    yield make
    for each in made:
        each.close() if kind is Client else loop.run_until_complete(each.aclose())


def found(**fields):
    return 200, {}, json.dumps({**EVENT, **fields}).encode()


# ---- startSession


def test_a_session_is_sent(client, server):
    """startSession is a POST of the session, with our headers and the key."""
    client.start_session(SESSION)
    (request,) = server.requests
    assert (request.method, request.path) == ("POST", "/session/start")
    assert request.json["session"]["inputs"] == {"q": "é"}
    assert (request.headers["Authorization"], request.headers["Content-Type"]) == (
        "Bearer k-1",
        "application/json",
    )


def test_the_answer_has_the_id_and_the_status(client):
    """The answer is told with the response that it came from."""
    started = client.start_session(SESSION)
    assert (started.session_id, started.status_code) == (ID, 200)
    assert started.raw_response.json() == {"session_id": ID}


def test_a_mapping_is_sent_too(client, server):
    """The fields of a session may come as a mapping."""
    client.start_session({"project": "p", "session_name": "s", "source": "dev", "metrics": None})
    assert server.sessions[0].keys() == {"project", "session_name", "source", "session_id"}


@pytest.mark.parametrize(
    "session",
    [None, {}, {"project": "p"}, replace(SESSION, project=""), replace(SESSION, inputs={"x": {1}})],
    ids=["none", "empty", "incomplete", "no name", "no json"],
)
def test_what_cannot_be_sent_is_refused_before(client, server, session):
    """A `ValueError` comes before anything is sent."""
    with pytest.raises(ValueError, match=r"needs a|has to be|cannot be"):
        client.start_session(session)
    assert server.requests == []


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[]", b"{}", b'{"session_id": ""}', b'{"session_id": null}']
)
def test_a_success_without_an_id_is_an_error(client, server, body):
    """A 200 that names no session is an `SDKError` with status and body."""
    server.script = [(200, {}, body)]
    with pytest.raises(SDKError, match="answer to startSession is unusable") as caught:
        client.start_session(SESSION)
    assert (caught.value.status_code, caught.value.body) == (200, body.decode())


def test_any_success_is_taken(client, server):
    """A 201 with any content type is an answer if it has an id."""
    server.script = [(201, {"Content-Type": "text/plain"}, b'{"session_id": "other"}')]
    assert client.start_session(SESSION).session_id == "other"


# ---- getSession


def test_a_session_is_read(client, server):
    """getSession is a GET of the id in small letters; unknown keys are kept in `extra`."""
    server.script = [found()]
    answer = client.get_session(ID.upper())
    assert (server.requests[0].method, server.requests[0].path) == ("GET", f"/session/{ID}")
    assert answer.session == replace(SESSION, extra={"event_type": "session"})
    assert (answer.status_code, answer.raw_response.status_code) == (200, 200)


def test_a_session_is_read_by_a_uuid(client, server):
    server.script = [found()]
    assert client.get_session(uuid.UUID(ID)).session.session_id == ID


@pytest.mark.parametrize("session_id", ["", "../start", "a b", None])
def test_what_is_no_id_is_refused_before(client, server, session_id):
    """Only a UUID is asked for."""
    with pytest.raises(ValueError, match="give a UUID"):
        client.get_session(session_id)
    assert server.requests == []


def test_an_unknown_session_is_an_error_of_its_own(client, server):
    """A 404 is a `SessionNotFoundError`, which is an `SDKError` and a `LookupError`."""
    server.script = [(404, {}, b'{"message": "none"}')]
    with pytest.raises(SessionNotFoundError, match="no such session: status 404") as caught:
        client.get_session(ID)
    assert isinstance(caught.value, SDKError)
    assert isinstance(caught.value, LookupError)


def test_it_waits_for_a_session_that_is_on_its_way(client, server):
    """With `wait`, a session that is not there yet is asked for again."""
    server.script = [(404, {}, b""), (404, {}, b""), found()]
    assert client.get_session(ID, wait=30).session.session_id == ID
    assert len(server.requests) == 3


def test_it_waits_no_longer_than_it_may(client, server):
    """When the time is over, the session is not there."""
    server.script = lambda request: (404, {}, b"")
    with pytest.raises(SessionNotFoundError):
        client.get_session(ID, wait=0.05)
    assert {request.method for request in server.requests} == {"GET"}


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"{}", b'{"session_id": "x"}'])
def test_an_answer_that_is_no_event_is_an_error(client, server, body):
    """A 200 without an event is an `SDKError` with status and body."""
    server.script = [(200, {}, body)]
    with pytest.raises(SDKError, match="answer to getSession is unusable") as caught:
        client.get_session(ID)
    assert (caught.value.status_code, caught.value.body) == (200, body.decode())


# ---- Failures, alike for both


OPERATIONS = {
    "start": lambda client, **options: client.start_session(SESSION, **options),
    "get": lambda client, **options: client.get_session(ID, **options),
}


@pytest.fixture(params=OPERATIONS)
def call(request, client):
    """Either operation."""
    return lambda **options: OPERATIONS[request.param](client, **options)


@pytest.mark.parametrize("status", [304, 400, 401, 403, 409, 413, 422, 429, 500, 502, 503])
def test_a_refusal_is_an_error_with_status_and_body(call, server, status):
    """Any other status is an `SDKError` that has all there is to know."""
    body = b"" if status == 304 else b"<html>why</html>"
    server.script = [(status, {}, body)]
    with pytest.raises(SDKError, match=f"the server refused: status {status}") as caught:
        call()
    error = caught.value
    assert (error.status_code, error.body) == (status, body.decode())
    assert error.raw_response.status_code == status


def test_a_404_of_start_is_a_refusal(client, server):
    """Only a read can miss a session."""
    server.script = [(404, {}, b"")]
    with pytest.raises(SDKError, match="the server refused") as caught:
        client.start_session(SESSION)
    assert type(caught.value) is SDKError


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(call, server, serve, status):
    """Neither key nor session go to another host; the error says where the server points."""
    other = serve()
    server.script = [(status, {"Location": f"{other.url}/x"}, b"")]
    with pytest.raises(SDKError, match=f"points to '{other.url}/x'; set server_url"):
        call()
    assert other.requests == []


def test_a_long_body_is_cut_in_the_message_only(call, server):
    """The message shows 500 characters, the attribute has the text whole."""
    server.script = [(500, {}, b"x" * 10_000)]
    with pytest.raises(SDKError) as caught:
        call()
    assert (len(caught.value.body), len(str(caught.value)) < 600) == (10_000, True)


def test_a_reset_is_a_transport_error(call, server):
    """A connection that is torn down is a `TransportError`, which is a `ConnectionError`."""
    server.script = [server.reset]
    with pytest.raises(TransportError, match="gave no answer") as caught:
        call()
    assert isinstance(caught.value, ConnectionError)
    assert isinstance(caught.value.__cause__, httpx.HTTPError)


def test_a_timeout_is_a_transport_error(call, server):
    """A server that does not answer in the time of the call is a `TransportError`."""
    server.script = [server.hang]
    with pytest.raises(TransportError, match="ReadTimeout"):
        call(timeout=0.05)


def test_the_timeout_of_the_client_holds_without_one_of_the_call(connect, server):
    """Without a timeout of its own a call has the client's."""
    server.script = [server.hang]
    with pytest.raises(TransportError, match="Timeout"):  # on a slow machine, it may not connect
        connect("k", server.url, timeout=0.05).start_session(SESSION)


def test_a_server_that_is_not_there_is_a_transport_error(connect):
    """The sentence names the address and the setting."""
    with socket.socket() as bound:  # bound but not listening, so that nobody else can be there
        bound.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{bound.getsockname()[1]}"
        with pytest.raises(TransportError, match=rf"{url} gave no answer .*check server_url"):
            connect("k", url).start_session(SESSION)


def test_headers_of_a_call_come_before_ours(call, server):
    """Headers of the user's are sent, in place of ours of the same name in any case."""
    with suppress(SDKError):  # the answer to a read is not of interest here
        call(headers={"authorization": "Bearer other", "X-Team": "search"})
    sent = server.requests[0].headers
    assert sent.get_all("Authorization") == ["Bearer other"]
    assert sent["X-Team"] == "search"


def test_the_key_is_nowhere(kind, server, connect, caplog):
    """No repr, error or log has the key in it."""
    caplog.set_level(logging.DEBUG, logger="honeytrace")
    client = connect("s3cret", server.url)
    server.script = [(401, {}, b"no"), server.reset, (200, {}, b"{}")]
    told = [repr(client.client if kind is AsyncClient else client)]
    for _ in range(3):
        with pytest.raises(honeytrace.HoneytraceError) as caught:
            client.start_session(SESSION)
        told += [str(caught.value), repr(caught.value)]
    assert "s3cret" not in "".join(told) + caplog.text


# ---- Where to


def test_the_repr_names_the_address(kind, connect, server):
    """A client tells where it sends to."""
    client = connect("k", server.url)
    shown = repr(client.client if kind is AsyncClient else client)
    assert shown == f"<{kind.__name__} {server.url}>"


def test_what_is_left_out_comes_from_the_environment(connect, server, monkeypatch):
    """Key and address are read from HH_API_KEY and HH_API_URL."""
    monkeypatch.setenv("HH_API_KEY", "k-env")
    monkeypatch.setenv("HH_API_URL", f"{server.url}/base/")
    connect().start_session(SESSION)
    (request,) = server.requests
    assert (request.path, request.headers["Authorization"]) == (
        "/base/session/start",
        "Bearer k-env",
    )


def test_a_key_alone_means_the_hosted_api(connect):
    """With nothing but a key, the client points to HoneyHive."""
    assert connect("k").server_url == HOSTED


@pytest.mark.parametrize("wrong", [{"api_key": ""}, {"server_url": "nowhere"}, {"timeout": 0}])
def test_a_wrong_argument_is_refused(kind, wrong):
    """A wrong argument raises a `ConfigurationError` that names it."""
    with pytest.raises(ConfigurationError, match=f"^{next(iter(wrong))} cannot be"):
        kind(**wrong)


def test_without_key_and_address_the_store_here_answers(connect, tmp_path):
    """With nothing set, sessions are stored on this machine and read from there."""
    client = connect()
    assert client.start_session(SESSION).session_id == ID
    assert client.get_session(ID).session.inputs == SESSION.inputs
    assert (tmp_path / "home" / "sessions.db").exists()


def test_the_store_here_knows_what_it_does_not_have(connect):
    """A session that was never stored is not found, here as there."""
    with pytest.raises(SessionNotFoundError):
        connect().get_session(ID)


# ---- A client of the user's


def test_a_client_of_the_users_is_used_and_left_open(connect, http, server):
    """The connections and headers are the user's, and closing is the user's as well."""
    own = http(headers={"X-Own": "1"})
    client = connect("k", server.url, http_client=own)
    client.start_session(SESSION)
    client.close()
    assert server.requests[0].headers["X-Own"] == "1"
    assert not own.is_closed


def test_a_client_of_our_own_is_closed(kind, loop, server):
    """Closing a client that made its connections itself closes them."""
    if kind is Client:
        client = Client("k", server.url)
        client.close()
        start = client.start_session
    else:
        client = AsyncClient("k", server.url)
        loop.run_until_complete(client.aclose())
        start = lambda session: loop.run_until_complete(client.start_session(session))  # noqa: E731
    with pytest.raises(RuntimeError, match="closed"):
        start(SESSION)


def test_the_base_of_the_users_client_comes_before_the_environment(
    connect, http, server, serve, monkeypatch
):
    """Sessions go where the user's HTTP client points, whatever the environment says."""
    other = serve()
    monkeypatch.setenv("HH_API_URL", other.url)
    connect("k", http_client=http(base_url=f"{server.url}/base")).start_session(SESSION)
    assert [request.path for request in server.requests] == ["/base/session/start"]
    assert other.requests == []


def test_an_address_comes_before_the_base_of_the_users_client(connect, http, server, serve):
    """An argument wins over the base of the user's client."""
    other = serve()
    connect("k", server.url, http_client=http(base_url=other.url)).start_session(SESSION)
    assert (len(server.requests), len(other.requests)) == (1, 0)


def test_redirects_are_not_followed_for_the_users_client_either(connect, http, server, serve):
    """A client that follows redirects does not do so with our key."""
    other = serve()
    server.script = [(307, {"Location": f"{other.url}/x"}, b"")]
    client = connect("k", server.url, http_client=http(follow_redirects=True))
    with pytest.raises(SDKError):
        client.start_session(SESSION)
    assert other.requests == []


# ---- Context managers, and the configured client


def test_a_client_is_a_context_manager(server):
    """The end of the block closes the client."""
    with Client("k", server.url) as client:
        client.start_session(SESSION)
    with pytest.raises(RuntimeError, match="closed"):
        client.start_session(SESSION)


def test_an_asynchronous_client_is_a_context_manager(server):
    """The end of the block closes the client."""

    async def main():
        async with AsyncClient("k", server.url) as client:
            await client.start_session(SESSION)
        await client.start_session(SESSION)

    with pytest.raises(RuntimeError, match="closed"):
        asyncio.run(main())
    assert len(server.requests) == 1


def test_many_calls_at_once(server):
    """Calls of one asynchronous client run side by side."""

    async def main():
        async with AsyncClient("k", server.url) as client:
            calls = [client.start_session(replace(SESSION, session_id=ID)) for _ in range(20)]
            return await asyncio.gather(*calls)

    assert [answer.session_id for answer in asyncio.run(main())] == [ID] * 20


def test_the_configured_client_has_the_settings_in_force(server):
    """A client can be made from a configuration that was resolved before."""
    config = resolve({"api_key": "k-2", "server_url": server.url})
    with Client.configured(config) as client:
        client.start_session(SESSION)
    assert server.requests[0].headers["Authorization"] == "Bearer k-2"


# ---- The way to the server


@pytest.mark.parametrize("value", ["socks://127.0.0.1:9", "socks4://127.0.0.1:9", "nonsense://"])
def test_a_proxy_that_is_not_needed_does_no_harm(connect, server, monkeypatch, value):
    """Desktops set such proxies for everything but this machine."""
    monkeypatch.setenv("ALL_PROXY", value)
    monkeypatch.setenv("NO_PROXY", "localhost, 127.0.0.1")
    assert connect("k-1", server.url).start_session(SESSION).session_id == ID


def test_a_proxy_that_cannot_be_used_is_a_configuration_error(kind, monkeypatch):
    """One of ours, with the way out, instead of one of httpx."""
    monkeypatch.setenv("ALL_PROXY", "socks4://127.0.0.1:9")
    with pytest.raises(ConfigurationError, match="a proxy cannot be reached by socks4://; use"):
        kind("k-1", "http://honeyhive.test")


def test_a_proxy_is_used_for_reading(connect, server, monkeypatch):
    """With its password, as for sending."""
    monkeypatch.setenv("HTTP_PROXY", server.url.replace("://", "://u:p%40@"))
    server.script = [found()]
    connect("k-1", "http://honeyhive.test").get_session(ID)
    (request,) = server.requests
    assert request.path == f"http://honeyhive.test/session/{ID}"
    assert request.headers["Proxy-Authorization"] == "Basic dTpwQA=="


@pytest.mark.parametrize("secure", [True, False])
def test_stale_certificates_matter_with_tls_alone(connect, server, monkeypatch, secure):
    """The file that SSL_CERT_FILE names may be gone."""
    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere.pem")
    if secure:
        with pytest.raises(ConfigurationError, match=r"SSL_CERT_FILE='/nowhere.pem' cannot"):
            connect("k-1", "https://honeyhive.test")
    else:
        assert connect("k-1", server.url).start_session(SESSION).session_id == ID


def test_a_wrong_address_of_the_environment_is_not_replaced(kind, monkeypatch):
    """A session for one server must not be sent to the hosted API because of a slip."""
    monkeypatch.setenv("HH_API_URL", "hh.internal")
    with pytest.raises(ConfigurationError, match="HH_API_URL cannot be used: give an http"):
        kind("k-1")
