"""One encoded session over real connections: what is sent, and what each answer means."""

from __future__ import annotations

import gzip
import itertools
import json
import socket
import threading
from email.utils import formatdate
from time import time

import pytest

from honeytrace._delivery.retry import Answer, Verdict
from honeytrace._utils import clock

ID = "6f0fdd4b-38d8-4ce2-a0b3-1f3c0a8f5a11"
BODY = json.dumps(
    {"session": {"project": "p", "session_name": "s", "source": "dev", "session_id": ID}}
).encode()


@pytest.fixture
def send(server, connect):
    """Sends one session to the scripted server."""
    return lambda **settings: connect(server.url, "k-1", **settings).send(BODY)


@pytest.fixture
def listener():
    """A socket that accepts connections, for as long as nobody reads from them."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening


def address(listening, scheme="http"):
    return f"{scheme}://127.0.0.1:{listening.getsockname()[1]}"


# ---- The request


def test_the_body_is_posted_as_it_is(server, send):
    """The bytes go to the path of startSession with their length, and with the key."""
    send()
    (request,) = server.requests
    assert (request.method, request.path, request.body) == ("POST", "/session/start", BODY)
    assert dict(request.headers) == {
        "Accept": "application/json",
        "Content-Type": "application/json",
        "User-Agent": request.headers["User-Agent"],
        "Authorization": "Bearer k-1",
        "Host": f"127.0.0.1:{server.port}",
        "Content-Length": str(len(BODY)),
    }


def test_without_a_key_there_is_no_authorization(server, connect):
    """A server of one's own may want no key."""
    connect(server.url).send(BODY)
    assert "Authorization" not in server.requests[0].headers


def test_a_path_in_the_address_is_kept(server, connect):
    """The operation's path follows the path of the address."""
    connect(f"{server.url}/api/v2").send(BODY)
    assert server.requests[0].path == "/api/v2/session/start"


def test_the_connection_stays(server, connect):
    """Sessions one after the other share a connection, also when some are refused."""
    server.script = [(503, {}, b"later"), (400, {}, b"{}")]
    sender = connect(server.url)
    for _ in range(4):
        sender.send(BODY)
    assert (len(server.requests), server.connections) == (4, 1)


def test_threads_share_a_sender(server, connect):
    """Several sessions are under way at once."""
    gate = threading.Barrier(4, timeout=10)

    def together(request):
        gate.wait()
        return server.ok(request)

    server.script, sender, answers = together, connect(server.url), []
    threads = [threading.Thread(target=lambda: answers.append(sender.send(BODY))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [Answer(Verdict.DELIVERED)] * 4


# ---- The answer


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        (200, Verdict.DELIVERED),
        (204, Verdict.DELIVERED),
        (302, Verdict.HOLD),
        (400, Verdict.REJECTED),
        (401, Verdict.HOLD),
        (403, Verdict.HOLD),
        (404, Verdict.HOLD),
        (407, Verdict.HOLD),
        (408, Verdict.RETRY),
        (413, Verdict.TOO_LARGE),
        (422, Verdict.REJECTED),
        (429, Verdict.RETRY),
        (500, Verdict.RETRY),
        (503, Verdict.RETRY),
    ],
)
def test_each_status_has_its_verdict(server, send, status, verdict):
    """The status decides the next step; the answer has the server's message."""
    words = b"" if status == 204 else b'{"message": "because"}'
    server.script = [(status, {}, words)]
    answer = send()
    expected = "" if verdict is Verdict.DELIVERED else f"status {status}: because"
    assert answer == Answer(verdict, expected)


LONG = json.dumps({"session": {"inputs": "x" * 100_000}}).encode()
TAKEN = [
    (200, b""),
    (201, b" \r\n"),
    (204, b""),
    (200, b'{"session_id": "other"}'),
    (200, b'{"session_id":"other"}\n'),
    (202, b'{"event":{"event_id":"other"}}'),
    (200, b'\xef\xbb\xbf{"session_id": "other"}'),
    (200, b'\n  {\n  "session": {"session_id": "other"}\n}\n'),
    (200, LONG),
    (200, b"  " + LONG),
]
NOT_TAKEN = [
    (200, b"<!doctype html><title>Sign in</title>"),
    (200, b"OK"),
    (201, b"[]"),
    (200, b"null"),
    (200, b'"session_id"'),
    (200, b'{"session_id": '),
    (200, b"\xff" * 10),
    (203, b"<html>" + b"x" * 100_000),
    (200, b"{{ page }}" + b"x" * 100_000),
]


@pytest.mark.parametrize(("status", "body"), TAKEN)
def test_an_empty_body_or_an_object_means_delivered(server, send, caplog, status, body):
    """Whatever the server says its type is; nothing is logged."""
    server.script = [(status, {"Content-Type": "text/html"}, body)]
    assert (send(), caplog.messages) == (Answer(Verdict.DELIVERED), [])


@pytest.mark.parametrize(("status", "body"), NOT_TAKEN)
def test_a_success_of_something_else_is_held(server, send, status, body):
    """A login page, a captive portal or the catch-all of a web app did not take the session."""
    server.script = [(status, {"Content-Type": "application/json"}, body)]
    answer = send()
    assert answer.verdict is Verdict.HOLD
    assert answer.words.startswith(f"status {status}, but the session API did not answer: ")


@pytest.mark.parametrize(
    ("kind", "verdict"),
    [("application/json; charset=utf-8", Verdict.DELIVERED), ("text/html", Verdict.HOLD)],
)
def test_the_type_of_a_compressed_answer_decides(server, send, kind, verdict):
    """We ask for none, and do not unpack it."""
    headers = {"Content-Type": kind, "Content-Encoding": "gzip"}
    server.script = [(200, headers, gzip.compress(b"whatever"))]
    assert send().verdict is verdict


@pytest.mark.parametrize(
    ("kind", "verdict"), [("application/json", Verdict.DELIVERED), ("text/html", Verdict.HOLD)]
)
def test_the_type_of_an_answer_that_breaks_off_at_once_decides(server, send, kind, verdict):
    """A page of a portal that nothing was read of is still a page."""
    server.script = [(200, {"Content-Type": kind, "Content-Length": "100"}, [b""])]
    assert send().verdict is verdict


@pytest.mark.parametrize("body", [b"{}", b'{"success": true}', b'{"session": "x"}'])
def test_an_object_without_a_session_is_delivered_and_said_once(server, connect, said, body):
    """The server has taken it, but it may be another API."""
    server.script = [(200, {}, body), (200, {}, body)]
    sender = connect(server.url)
    assert [sender.send(BODY), sender.send(BODY)] == [Answer(Verdict.DELIVERED)] * 2
    (message,) = said()
    assert message.startswith("the server took a session and answered without a session_id (")


def test_a_log_handler_that_raises_does_not_change_the_answer(server, send, failing_log):
    """Otherwise, the session would be sent again."""
    server.script = [(200, {}, b"{}")]
    assert send() == Answer(Verdict.DELIVERED)
    assert failing_log.calls == 1


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"<html>busy</html>", "<html>busy</html>"),
        (b'{"message": "no room"}', "no room"),
        (b"\xff!", "\ufffd!"),
        (b"", ""),
    ],
)
def test_the_words_of_any_body_are_kept(server, send, body, words):
    """HTML, JSON, bytes that are not text, and an empty body."""
    server.script = [(500, {}, body)]
    assert send().words == (f"status 500: {words}" if words else "status 500")


def test_long_words_are_cut(server, send):
    """A long message of the server is cut."""
    server.script = [(500, {}, b"x" * 10_000)]
    assert len(send().words) < 600


@pytest.mark.parametrize(
    ("value", "least", "most"), [("7", 7, 7), ("soon", None, None), ("date", 50, 60)]
)
def test_the_wish_to_wait_is_kept(server, send, value, least, most):
    """Retry-After comes in seconds or as a date."""
    value = formatdate(time() + 60, usegmt=True) if value == "date" else value
    server.script = [(429, {"Retry-After": value}, b"")]
    wait = send().retry_after
    assert wait is None if least is None else least <= wait <= most


def test_no_redirect_is_followed(server, serve, send):
    """The key and the session go to the server that was named, and to no other."""
    other = serve()
    server.script = [(307, {"Location": f"{other.url}/session/start"}, b"")]
    assert send().verdict is Verdict.HOLD
    assert other.requests == []


def test_an_endless_answer_is_read_to_64_kib(server, send):
    """A server that does not stop talking is left, and its status counts."""
    server.script = [(500, {}, itertools.repeat(b"x" * 4096))]
    assert send().verdict is Verdict.RETRY


def test_after_an_endless_answer_there_is_a_new_connection(server, connect):
    """The connection of an answer that was not read to its end is not used again."""
    server.script = [(500, {}, itertools.repeat(b"x" * 4096))]
    sender = connect(server.url)
    assert [sender.send(BODY).verdict, sender.send(BODY).verdict] == [
        Verdict.RETRY,
        Verdict.DELIVERED,
    ]


def drip(server):
    while not server.closing.wait(0.02):
        yield b" "


@pytest.mark.parametrize(("status", "verdict"), [(200, Verdict.DELIVERED), (503, Verdict.RETRY)])
def test_a_dripping_answer_is_left(server, send, status, verdict):
    """A body that comes byte by byte is read no longer than the timeout."""
    server.script = [(status, {}, itertools.chain([b"{"], drip(server)))]
    assert send(timeout=0.2).verdict is verdict


@pytest.mark.parametrize(("status", "verdict"), [(200, Verdict.DELIVERED), (503, Verdict.RETRY)])
def test_an_answer_that_breaks_off_counts_by_its_status(server, send, status, verdict):
    """When the body is cut short, the status has said what became of the session."""
    server.script = [(status, {"Content-Length": "100"}, [b"{"])]
    answer = send()
    assert (answer.verdict, answer.answered) == (verdict, True)


def test_a_body_that_never_comes_counts_by_the_status(server, send):
    """A server that hangs after its headers has answered."""

    def silent():
        server.closing.wait()
        yield b""

    server.script = [(200, {}, silent())]
    assert send(timeout=0.1) == Answer(Verdict.DELIVERED)


# ---- No answer


def test_a_hanging_server_is_a_timeout(server, send):
    """A server that does not answer in time is tried again later."""
    server.script = [server.hang]
    answer = send(timeout=0.1)
    assert (answer.verdict, answer.answered) == (Verdict.RETRY, False)
    assert answer.words.startswith("ReadTimeout")


def test_a_limit_ends_a_request(server, connect):
    """However long the timeout of a request is."""
    server.script = [server.hang]
    sender = connect(server.url, timeout=60.0)
    assert sender.limit(clock.now() + 0.1)
    assert sender.send(BODY).words.startswith("ReadTimeout")


@pytest.mark.parametrize(
    ("address", "proxy", "kept"),
    [
        ("http://[::1]:9", "", True),
        ("http://LOCALHOST:9", "", True),
        ("http://honeyhive.test", "", False),
        ("http://honeyhive.test", "http://127.0.0.1:9", True),
        ("http://honeyhive.test", "http://proxy.test:9", False),
        ("no address", "", False),
    ],
)
def test_a_limit_cannot_be_kept_while_a_name_is_looked_up(
    connect, monkeypatch, address, proxy, kept
):
    """The system gives that up when it likes. Of a proxy, only its own name matters."""
    monkeypatch.setenv("http_proxy", proxy)
    assert connect(address).limit(0.0) is kept


def test_a_reset_connection_is_tried_again(server, send):
    """A reset connection is not an answer."""
    server.script = [server.reset]
    answer = send()
    assert (answer.verdict, answer.answered) == (Verdict.RETRY, False)


def test_a_server_that_is_not_there_is_tried_again(connect):
    """A refused connection is not an answer."""
    with socket.socket() as bound:  # bound but not listening, so that nobody else can be there
        bound.bind(("127.0.0.1", 0))
        answer = connect(address(bound)).send(BODY)
    assert (answer.verdict, answer.answered) == (Verdict.RETRY, False)
    assert answer.words.startswith("ConnectError")


def test_a_server_that_speaks_no_http_is_tried_again(listener, connect):
    """An answer that is not HTTP is none."""

    def talk():
        connection, _ = listener.accept()
        with connection:
            connection.recv(65536)
            connection.sendall(b"SSH-2.0-OpenSSH_9.0\r\n\r\n")

    thread = threading.Thread(target=talk)
    thread.start()
    answer = connect(address(listener)).send(BODY)
    thread.join()
    assert (answer.verdict, answer.answered) == (Verdict.RETRY, False)


def test_a_failure_of_tls_is_held(server, connect):
    """A server without TLS where there should be some is a matter of the settings."""
    answer = connect(server.url.replace("http:", "https:")).send(BODY)
    assert (answer.verdict, answer.answered) == (Verdict.HOLD, False)


def test_a_handshake_that_breaks_off_is_tried_again(listener, connect):
    """A server that goes away in the middle of the handshake may come back."""

    def leave():
        connection, _ = listener.accept()
        with connection:
            connection.recv(65536)

    thread = threading.Thread(target=leave)
    thread.start()
    answer = connect(address(listener, "https")).send(BODY)
    thread.join()
    assert answer.verdict is Verdict.RETRY


def test_the_key_is_in_no_words(server, send):
    """The log never shows the key, even if the server repeats it."""
    server.script = [(401, {}, b'{"message": "no key k-1 is known"}'), server.reset]
    assert send().words == "status 401: no key [REDACTED:api_key] is known"
    assert "k-1" not in send().words


# ---- Proxies


@pytest.mark.parametrize("variable", ["http_proxy", "HTTP_PROXY", "all_proxy"])
@pytest.mark.parametrize("scheme", ["http://", ""], ids=["url", "address"])
def test_a_proxy_of_the_environment_is_used(server, connect, monkeypatch, variable, scheme):
    """A request for a host elsewhere goes to the proxy, with the whole address."""
    monkeypatch.setenv(variable, f"{scheme}127.0.0.1:{server.port}")
    assert connect("http://honeyhive.test/base").send(BODY) == Answer(Verdict.DELIVERED)
    assert server.requests[0].path == "http://honeyhive.test/base/session/start"


def test_a_proxy_is_asked_for_a_tunnel_to_https(server, connect, monkeypatch):
    """For https the proxy gets a CONNECT, without the key; if it refuses, we try again."""
    monkeypatch.setenv("https_proxy", server.url)
    server.script = [(503, {}, b"")]
    assert connect("https://honeyhive.test", "k-1").send(BODY).verdict is Verdict.RETRY
    (request,) = server.requests
    assert (request.method, request.path) == ("CONNECT", "honeyhive.test:443")
    assert "k-1" not in str(request.headers)


def test_a_proxy_that_wants_a_password_is_held(server, connect, monkeypatch):
    """407 by itself, or in answer to the request for a tunnel: nothing is set aside."""
    monkeypatch.setenv("all_proxy", server.url)
    server.script = [(407, {}, b""), (407, {}, b"")]
    senders = [connect(f"{scheme}://honeyhive.test") for scheme in ("http", "https")]
    assert [sender.send(BODY).verdict for sender in senders] == [Verdict.HOLD] * 2


@pytest.mark.parametrize(
    "value", ["socks4://127.0.0.1:9", "ftp://u:secret@h", "http://:99", "é..h"]
)
def test_a_proxy_that_cannot_be_used_is_said(connect, monkeypatch, value):
    """Sessions are kept, and the sentence does not repeat a password."""
    monkeypatch.setenv("ALL_PROXY", value)
    answer = connect("http://honeyhive.test").send(BODY)
    assert (answer.verdict, answer.answered) == (Verdict.HOLD, False)
    assert "use http://, https:// or socks5://" in answer.words
    assert "secret" not in answer.words


@pytest.mark.parametrize("address", ["hh.internal:8080", "'http://h'", "${HH_URL}", "http://…@h"])
def test_an_address_that_cannot_be_used_is_held(connect, address):
    """Nothing is sent anywhere."""
    answer = connect(address, "k-1").send(BODY)
    assert (answer.verdict, answer.answered) == (Verdict.HOLD, False)
    assert answer.words.startswith(f"{address!r} is not the address of a server: give ")


@pytest.mark.parametrize("pattern", ["127.0.0.1", "*", "localhost,127.0.0.1", "{host}"])
def test_no_proxy_is_obeyed(server, serve, connect, monkeypatch, pattern):
    """A host or host with port in NO_PROXY is reached directly."""
    proxy = serve()
    monkeypatch.setenv("http_proxy", proxy.url)
    monkeypatch.setenv("no_proxy", pattern.format(host=f"127.0.0.1:{server.port}"))
    connect(server.url).send(BODY)
    assert (len(server.requests), len(proxy.requests)) == (1, 0)


@pytest.mark.parametrize("here", [True, False])
def test_nothing_half_imported_is_seen_by_others(program, server, here):
    """No thread of ours imports httpx. OpenAI's client looks for it in each of its calls, and uses
    it if it is there, whole or not."""
    done = program(
        """
        import sys
        import honeytrace
        with honeytrace.trace_session("x"):
            pass
        print(honeytrace.flush(20), "httpcore" in sys.modules, "httpx" in sys.modules)
        """,
        **({} if here else {"HH_API_URL": server.url}),
    )
    assert (done.stdout, done.stderr) == (f"True {not here} False\n", "")
