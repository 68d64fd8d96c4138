"""The HTTP server of `honeytrace.local`, over real sockets on the loopback."""

from __future__ import annotations

import json
import os
import socket
import struct
import subprocess
import sys
import threading
import time
import uuid
from contextlib import contextmanager
from wsgiref.validate import validator

import httpx
import pytest

from honeytrace._utils.errors import ConfigurationError
from honeytrace.local import App, Store, make_server

BODY = b'{"session": {"project": "p"}}'
HEAD = b"POST /session/start HTTP/1.1\r\nHost: local\r\n"


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path / "sessions.db")
    yield store
    store.close()


@pytest.fixture
def server(store):
    # The validator is the standard's own: it fails where either side breaks the protocol.
    with running(validator(App(store))) as server:
        yield server


@contextmanager
def running(application, host="127.0.0.1", **options):
    server = make_server(application, host, 0, **options)
    thread = threading.Thread(target=server.serve_forever, args=[0.01])
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def dialled(server):
    with socket.create_connection(server.server_address[:2], timeout=10) as connection:
        yield connection


def talk(server, *parts):
    """Sends raw bytes, ends the sending half, and returns all that comes back."""
    with dialled(server) as connection:
        for part in parts:
            connection.sendall(part)
        connection.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: connection.recv(65536), b""))


def answers(received):
    """The statuses and the JSON bodies of the answers in a stream of bytes."""
    found = []
    while received:
        head, _, rest = received.partition(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
        found.append((int(head.split()[1]), json.loads(rest[:length])))
        received = rest[length:]
    return found


def posted(body=BODY, *headers):
    return b"\r\n".join([HEAD[:-2], b"Content-Length: %d" % len(body), *headers, b"", body])


def test_a_session_goes_in_and_out(server):
    """Both operations work over a real connection."""
    with httpx.Client(base_url=server.url) as client:
        started = client.post("/session/start", json={"session": {"project": "é"}}).json()
        event = client.get(f"/session/{started['session_id']}")
    assert (event.status_code, event.json()["project_id"]) == (200, "é")
    assert event.headers["Content-Type"] == "application/json"


def test_one_connection_serves_many_requests(server):
    """Requests that follow each other, even before the answer, share a connection."""
    received = talk(server, posted() * 3)
    assert [status for status, _ in answers(received)] == [200] * 3
    assert received.count(b"Connection: keep-alive") == 3


def test_many_connections_are_served_at_once(server, store):
    """A connection that is silent does not hold up another."""
    with dialled(server), dialled(server) as silent:
        silent.sendall(HEAD)
        assert [status for status, _ in answers(talk(server, posted()))] == [200]
    assert store.count() == 1


def test_an_answer_is_one_write(server):
    """The head and the body come together, so that no client waits between them."""
    with dialled(server) as connection:
        connection.sendall(posted())
        received = connection.recv(65536)
    assert [status for status, _ in answers(received)] == [200]


@pytest.mark.parametrize(
    ("request_line", "connection"),
    [
        (b"GET / HTTP/1.0\r\n", b"close"),
        (b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n", b"keep-alive"),
        (b"GET / HTTP/1.1\r\nConnection: close\r\n", b"close"),
        (b"GET / HTTP/1.1\r\n", b"keep-alive"),
    ],
)
def test_the_connection_is_kept_as_asked(server, request_line, connection):
    """The client and its version of HTTP decide whether the connection stays."""
    assert b"\r\nConnection: " + connection + b"\r\n" in talk(server, request_line + b"\r\n")


def test_a_whole_url_may_be_asked_for(server):
    """A request as a proxy sends it, with the host in it, means the path."""
    received = talk(server, b"GET http://local:1/session/%41?q HTTP/1.1\r\nHost: local\r\n\r\n")
    assert answers(received) == [(404, {"message": "there is no session 'A'"})]


def test_head_has_no_body(server):
    """The answer to HEAD ends with its head, so the next request finds its own answer."""
    received = talk(server, b"HEAD /nothing HTTP/1.1\r\nHost: local\r\n\r\n" + posted())
    first, _, second = received.partition(b"\r\n\r\n")
    assert first.startswith(b"HTTP/1.1 404 ")
    assert [status for status, _ in answers(second)] == [200]


def test_what_cannot_be_answered_has_the_policy(server):
    """A request that is not even read gets the headers that every answer has."""
    received = talk(server, b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n")
    assert received.startswith(b"HTTP/1.1 400 ")
    assert b"\r\nContent-Security-Policy: default-src 'none'; " in received


def echoing(environ, start_response):
    """Answers with its headers through the older half of the protocol."""
    write = start_response("200 OK", [("Content-Type", "application/json")])
    write(b"[")
    names = ["HTTP_X_ONE", "CONTENT_TYPE"]
    yield json.dumps([environ.get(name) for name in names]).encode()
    yield b"]"


def test_headers_reach_the_application():
    """Repeated headers are joined, and one with an underscore cannot pose as another."""
    lines = [b"X-One: a", b"X-One: b", b"X_One: c", b"Content-Type: text/plain"]
    with running(echoing) as server:
        received = talk(server, posted(b"", *lines))
    assert answers(received) == [(200, [["a,b", "text/plain"]])]


def test_a_client_that_asks_first_is_told_to_go_on(server):
    """`Expect: 100-continue` is answered before the body is there."""
    head, _, body = posted(BODY, b"Expect: 100-continue").partition(b"\r\n\r\n")
    with dialled(server) as connection:
        connection.sendall(head + b"\r\n\r\n")
        assert connection.recv(65536) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(body)
        assert answers(connection.recv(65536))[0][0] == 200


def test_chunks_are_taken(server):
    """A body of unknown length, as httpx sends one from a generator, is read to its end."""
    with httpx.Client(base_url=server.url) as client:
        for _ in range(2):
            response = client.post(
                "/session/start", content=(BODY[n : n + 7] for n in range(0, 35, 7))
            )
            assert (response.status_code, response.json()["project_id"]) == (200, "p")


CHUNKED = HEAD + b"Transfer-Encoding: Chunked\r\n\r\n"


def test_chunks_may_have_extensions_and_trailers(server):
    """Extensions and trailers are skipped, and the next request is found after them."""
    body = b'a;x="y"\r\n%b\r\n13\r\n%b\r\n0\r\nX-Sum: 1\r\n\r\n' % (BODY[:10], BODY[10:])
    assert [status for status, _ in answers(talk(server, CHUNKED + body + posted()))] == [200, 200]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"5",
        b"5\r\nab",
        b"5\r\n",
        b"x\r\n",
        b"-1\r\n",
        b"1d\r\n" + BODY,
        b"1d\r\n" + BODY + b"0\r\n\r\n" + posted(),
        b"1d\r\n" + BODY + b"\r\n",
        b"1d\r\n" + BODY + b"\r\n0\r\n" + b"A: b\r\n" * 101,
        b"1d\r\n" + BODY + b"\r\n" + b"0" * 9000,
    ],
)
def test_bad_chunks_are_refused(server, store, body):
    """Wrong or missing chunks are a 400, and nothing behind them is taken for a request."""
    [(status, answer)] = answers(talk(server, CHUNKED + body))
    assert (status, store.count()) == (400, 0)
    assert "badly framed or cut short" in answer["message"]


def test_a_body_cut_short_is_refused(server, store):
    """Less than the announced length is a 400."""
    [(status, answer)] = answers(talk(server, posted()[:-4]))
    assert (status, store.count()) == (400, 0)
    assert answer["message"] == "the body ended after 25 of 29 bytes; send all of it"


def test_an_unread_body_is_skipped(server):
    """After a refusal that read no body, the connection still serves."""
    elsewhere = posted(bytes(100_000)).replace(b"/session/start", b"/elsewhere")
    assert [status for status, _ in answers(talk(server, elsewhere + posted()))] == [404, 200]


@pytest.mark.parametrize("framing", ["length", "chunks"])
def test_a_long_unread_body_ends_the_connection(server, framing):
    """A client that is still sending when it is refused gets to read the answer."""
    piece = bytes(1024 * 1024)
    content = piece * 8 if framing == "length" else (piece for _ in range(8))
    with httpx.Client(base_url=server.url) as client:
        assert client.post("/elsewhere", content=content).status_code == 404
        assert client.post("/session/start", content=BODY).status_code == 200


def test_too_long_a_body_is_refused_before_it_comes(server):
    """The announced length is enough for a 413."""
    head = HEAD + b"Content-Length: 67108865\r\n\r\n"
    assert [status for status, _ in answers(talk(server, head))] == [413]


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"POST /\r\n\r\n", 400),
        (b"GET / HTTP/x\r\n\r\n", 400),
        (b"GET / HTTP/2.0\r\n\r\n", 505),
        (b"br\xe9w / HTTP/1.1\r\n\r\n", 501),
        (b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\n\r\n", 414),
        (b"GET / HTTP/1.1\r\nX: " + b"a" * 70_000 + b"\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 200 + b"\r\n", 431),
        (HEAD + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
        (HEAD + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        (HEAD + b"Content-Length: -1\r\n\r\n", 400),
        (HEAD + b"Content-Length: +1\r\n\r\n", 400),
        (HEAD + b"Transfer-Encoding: gzip\r\n\r\n", 501),
        (HEAD + b"Content-Length : 1\r\n\r\n", 400),
        (HEAD + b"X(y): 1\r\n\r\n", 400),
        (HEAD + b"Content-Length: 1\r\n 0\r\n\r\n", 400),
        (HEAD + b"Host: other\r\n\r\n", 400),
        (HEAD + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        (HEAD + b": a header without a name\r\n\r\n", 400),
        (b"POST http://other/session/start HTTP/1.1\r\nHost: local\r\n\r\n", 400),
        (HEAD + b"no header\r\nContent-Length: 1\r\n\r\n", 400),
        (HEAD + b"X: a\x00b\r\n\r\n", 400),
        (HEAD + b"X: a\rContent-Length: 1\r\n\r\n", 400),
        (HEAD + b"X: a\r\r\n\r\n", 400),
        (b"GET /\rHTTP/1.1\r\nHost: local\r\n\r\n", 400),
    ],
)
def test_what_is_no_request_is_refused_in_json(server, request_bytes, status):
    """Even a line that is not HTTP is answered with an object, and ends the connection."""
    received = talk(server, request_bytes)
    [(found, answer)] = answers(received)
    assert (found, b"Connection: close" in received) == (status, True)
    assert answer["message"].startswith("the request cannot be answered: ")


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "QUERY", "BREW"])
def test_other_methods_get_the_answer_of_the_application(store, method):
    """Whatever the method, it is the application's to refuse."""
    with running(App(store)) as server:  # the validator warns of methods that it does not know
        response = httpx.request(method, f"{server.url}/session/{uuid.uuid4()}")
    assert (response.status_code, response.headers["Allow"]) == (405, "GET")


def test_nothing_is_logged(server, capfd):
    """Neither a request nor a bad one writes to the terminal."""
    talk(server, posted())
    talk(server, b"nonsense\r\n\r\n")
    assert capfd.readouterr() == ("", "")


def test_a_client_that_vanishes_is_forgotten(server, capfd):
    """A connection that is reset in the middle of a request ends without a word."""
    before = threading.active_count()
    with dialled(server) as connection:
        connection.sendall(HEAD)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    deadline = time.monotonic() + 10
    while threading.active_count() > before and time.monotonic() < deadline:
        time.sleep(0.005)
    assert threading.active_count() == before
    assert capfd.readouterr() == ("", "")


def test_a_silent_connection_is_closed(store):
    """A client that says nothing for the idle time loses its connection."""
    with running(App(store), idle=0.01) as server, dialled(server) as connection:
        assert connection.recv(1) == b""


def test_the_token_is_checked_over_http(store):
    """The header of a real request carries the token."""
    with running(App(store, token="sesame")) as server:
        statuses = [
            httpx.get(f"{server.url}/session/x", headers=headers).status_code
            for headers in ({}, {"Authorization": "Bearer sesame"})
        ]
    assert statuses == [401, 404]


def test_ipv6_is_served(store):
    """A host with colons is an address of IPv6."""
    try:
        with running(App(store), host="::1") as server:
            response = httpx.get(f"{server.url}/session/x")
    except ConfigurationError as error:
        pytest.skip(str(error))
    assert (response.status_code, response.url.host) == (404, "::1")


@pytest.mark.parametrize("taken", [True, False])
def test_a_port_that_cannot_be_had(server, store, taken):
    """A busy or impossible port is a sentence that names it."""
    port = server.server_address[1] if taken else 70_000
    with pytest.raises(ConfigurationError, match=f"cannot listen on .*port {port}.*choose another"):
        make_server(App(store), "127.0.0.1", port)


@pytest.mark.skipif(os.name != "posix", reason="on Windows a port is free at once")
def test_a_port_can_be_had_again_at_once(store):
    """A server that was just stopped, with a client on it, does not block its port."""
    with running(App(store)) as server:
        port = server.server_address[1]
        talk(server, posted(BODY, b"Connection: close"))
    make_server(App(store), "127.0.0.1", port).server_close()


def test_the_server_is_imported_when_it_is_used():
    """Programs that only write to the store need neither HTTP nor the pages."""
    program = """
import sys
import honeytrace.local
slow = {"http.server", "socketserver", "ssl", "honeytrace.local.page"}
assert not slow & set(sys.modules), slow & set(sys.modules)
assert honeytrace.local.make_server.__name__ == "make_server"
try:
    honeytrace.local.other
except AttributeError as error:
    assert "has no attribute 'other'" in str(error)
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
