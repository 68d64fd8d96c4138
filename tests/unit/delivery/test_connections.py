"""Connections in a bad network: deadlines, what is kept, foreign descriptors, and silence."""

from __future__ import annotations

import gzip
import importlib.util
import json
import logging
import os
import select
import socket
import ssl
import threading
from contextlib import closing, suppress

import freezegun
import httpx
import pytest

from honeytrace._delivery.http.addresses import parsed
from honeytrace._delivery.http.connections import Connections
from honeytrace._delivery.retry import Answer, Verdict
from honeytrace._utils.errors import TransportError

BODY = b'{"session": {"session_id": "6f0fdd4b-38d8-4ce2-a0b3-1f3c0a8f5a11"}}'
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
DELIVERED = Answer(Verdict.DELIVERED)

# For localhost and 127.0.0.1 until 2120; with its key, made for these tests and of no other use.
CERTIFICATE = """\
-----BEGIN CERTIFICATE-----
MIIBjTCCATKgAwIBAgIBATAKBggqhkjOPQQDAjAUMRIwEAYDVQQDDAlsb2NhbGhv
c3QwIBcNMjAwMTAxMDAwMDAwWhgPMjEyMDAxMDEwMDAwMDBaMBQxEjAQBgNVBAMM
CWxvY2FsaG9zdDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABJLCuD5PSzkR6jVp
hFppz1BJ+fHm1b8T/ZDFzMsvftUkIw1KknFw1NORMgkfjvv8MFlGC0ruXMy0pwhX
ViCgik+jczBxMBoGA1UdEQQTMBGCCWxvY2FsaG9zdIcEfwAAATAPBgNVHRMBAf8E
BTADAQH/MA4GA1UdDwEB/wQEAwIChDATBgNVHSUEDDAKBggrBgEFBQcDATAdBgNV
HQ4EFgQUk+VMlvVxZ7j9GRoWr2lJQq9RnvYwCgYIKoZIzj0EAwIDSQAwRgIhAJmt
XDw3J8mWLfLXRWByCt0AJLYqxyJ4Rq/3Qwczub0eAiEAoJe3sCgBJNqqTYov5iWl
UrVtq0FObDNi2r+rI8To/3E=
-----END CERTIFICATE-----
-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg9DK8V3Cc/RZ+whep
MRJxFvrRKluDiHdtWHaVs1qR4xKhRANCAASSwrg+T0s5Eeo1aYRaac9QSfnx5tW/
E/2QxczLL37VJCMNSpJxcNTTkTIJH477/DBZRgtK7lzMtKcIV1YgoIpP
-----END PRIVATE KEY-----
"""


@pytest.fixture
def connections(server):
    """Makes connections to the scripted server, and closes them in the end."""
    made = []

    def make(**settings):
        made.append(Connections(parsed(server.url), [(b"Host", b"h")], 10.0, **settings))
        return made[-1]

    yield make
    for each in made:
        each.close()


class Talker:
    """A server of bytes, which handles one connection after the other by `say(connection)`."""

    def __init__(self, say, host="127.0.0.1"):
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listening = socket.create_server((host, 0), family=family)
        self._listening.settimeout(0.02)
        self._say = say
        self.port = self._listening.getsockname()[1]
        self.address = f"127.0.0.1:{self.port}"
        self.closing = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self):
        while not self.closing.is_set():
            with suppress(OSError):
                connection, _ = self._listening.accept()
                with connection:
                    self._say(connection)

    def close(self):
        self.closing.set()
        self._thread.join()
        self._listening.close()


@pytest.fixture
def talk():
    """Starts servers of bytes."""
    started = []

    def start(say, *arguments):
        started.append(Talker(lambda connection: say(started[-1], connection), *arguments))
        return started[-1]

    yield start
    for talker in started:
        talker.close()


def receive(connection):
    """One request, whole, or what came of it before the connection ended."""
    received = b""
    while not received.endswith(b"}}"):
        piece = connection.recv(65536)
        if not piece:
            break
        received += piece
    return received


@pytest.fixture
def black_hole():
    """Makes an address that takes no connection: its queue is full and nobody accepts."""
    opened = []

    def make(host="127.0.0.1", port=0):
        listening = socket.create_server((host, port), backlog=0)
        opened.append(listening)
        for _ in range(3):
            opened.append(socket.socket())
            opened[-1].setblocking(False)
            opened[-1].connect_ex(listening.getsockname())
        return f"http://{host}:{listening.getsockname()[1]}"

    yield make
    for each in opened:
        each.close()


@pytest.fixture
def names(monkeypatch):
    """Gives host names addresses: a name service of the test's own."""
    known = {}
    real = socket.getaddrinfo

    def look_up(host, *arguments, **settings):
        found = []
        for address in known.get(host, [host]):
            found += real(address, *arguments, **settings)
        return found

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    return known


@pytest.fixture
def tls(server, tmp_path, monkeypatch):
    """The scripted server behind TLS; its address. The certificate is trusted."""
    path = tmp_path / "certificate.pem"
    path.write_text(CERTIFICATE)
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    server._http.socket = context.wrap_socket(server._http.socket, server_side=True)
    return server.url.replace("http:", "https:")


def descriptor(port):
    """The number of this process's only socket that is connected to a port; None without one."""
    for number in map(int, os.listdir("/dev/fd")):
        with suppress(OSError), closing(socket.socket(fileno=os.dup(number))) as connected:
            if connected.getpeername()[1] == port:
                return number
    return None


def together(count, function):
    """Runs a function in several threads at once, and returns their results."""
    results = []
    threads = [threading.Thread(target=lambda: results.append(function())) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


# ---- The deadline


def drip_lines(server, connection):
    receive(connection)
    connection.sendall(b"HTTP/1.1 200 OK\r\n")
    while not server.closing.wait(0.02):
        connection.sendall(b"X-More: 1\r\n")


def drip_early_hints(server, connection):
    receive(connection)
    while not server.closing.wait(0.02):
        connection.sendall(b"HTTP/1.1 103 Early Hints\r\n\r\n")


@pytest.mark.parametrize("say", [drip_lines, drip_early_hints])
def test_a_head_that_drips_is_left(talk, connect, say):
    """Each line comes in time, but the whole request has one deadline."""
    url = f"http://{talk(say).address}"
    answer = connect(url, timeout=0.2).send(BODY)
    assert (answer.verdict, answer.answered) == (Verdict.RETRY, False)
    assert answer.words == f"ReadTimeout: timed out at {url}"


def test_an_endless_head_is_an_error(talk, connect):
    """A line of a head that does not end is not collected for ever."""

    def say(_, connection):
        receive(connection)
        while True:
            connection.sendall(b"X" * 65536)

    answer = connect(f"http://{talk(say).address}").send(BODY)
    assert (answer.verdict, answer.answered) == (Verdict.RETRY, False)
    assert answer.words.startswith("RemoteProtocolError: ")


def sip(server, connection):
    while not server.closing.wait(0.02):
        connection.recv(1024)


def ignore(server, connection):
    server.closing.wait()


@pytest.mark.parametrize("say", [sip, ignore])
def test_a_server_that_reads_slowly_is_left(talk, connect, say):
    """A large body has to be taken within the deadline too."""
    url = f"http://{talk(say).address}"
    answer = connect(url, timeout=0.2).send(b"x" * 2**24)
    assert (answer.verdict, answer.answered) == (Verdict.RETRY, False)
    assert answer.words == f"WriteTimeout: timed out at {url}"


def test_a_large_body_waits_for_space(server, connect):
    """On a new connection and on one that is open. A long timeout is no error of the system."""
    body = json.dumps({"session": {"inputs": {"text": "x" * 2**24}}}).encode()
    sender = connect(server.url, timeout=1e9)
    assert [sender.send(body) for _ in range(3)] == [DELIVERED] * 3
    assert [len(each.body) for each in server.requests] == [len(body)] * 3
    assert server.connections == 1


def test_a_silent_handshake_is_left(talk, connect):
    """A server that never answers to TLS is tried again later."""
    answer = connect(f"https://{talk(ignore).address}", timeout=0.2).send(BODY)
    assert (answer.verdict, answer.answered) == (Verdict.RETRY, False)
    assert answer.words.startswith("ConnectTimeout: ")


def test_a_server_that_does_not_accept_is_left(black_hole, connect):
    """To connect takes no longer than the deadline."""
    url = black_hole()
    answer = connect(url, timeout=0.2).send(BODY)
    assert (answer.verdict, answer.answered) == (Verdict.RETRY, False)
    assert answer.words == f"ConnectTimeout: timed out at {url}"


def test_a_deadline_that_is_over_ends_the_request(server, connect):
    """When no time is left, nothing more is begun."""
    answer = connect(server.url, timeout=1e-9).send(BODY)
    assert answer == Answer(
        Verdict.RETRY, f"ConnectTimeout: timed out at {server.url}", answered=False
    )
    assert server.connections == 0


def test_a_bad_address_leaves_time_for_the_next(server, names, black_hole, connect):
    """The addresses of a host share the deadline, so that the first one does not use it up."""
    black_hole("127.0.0.2", server.port)
    names["two.test"] = ["127.0.0.2", "127.0.0.1"]
    assert connect(f"http://two.test:{server.port}", timeout=2).send(BODY) == DELIVERED


def test_a_host_that_cannot_exist_is_no_answer(connect):
    """An invalid name is reported in words, like a name that is not found."""
    answer = connect(f"http://{'a' * 64}.test").send(BODY)
    assert (answer.verdict, answer.answered) == (Verdict.RETRY, False)
    assert answer.words.startswith("ConnectError: ")


def test_frozen_time_stops_no_deadline(server, connect):
    """Under freezegun a request times out as ever."""
    server.script = [server.hang]
    with freezegun.freeze_time("2020-01-01"):
        assert (
            connect(server.url, timeout=0.2).send(BODY).words
            == f"ReadTimeout: timed out at {server.url}"
        )


def test_an_hour_of_frozen_time_expires_no_connection(server, connect):
    """A test that changes the clock does not affect kept connections."""
    sender = connect(server.url)
    with freezegun.freeze_time("2020-01-01") as frozen:
        sender.send(BODY)
        frozen.tick(3600)
        assert sender.send(BODY) == DELIVERED
    assert server.connections == 1


# ---- The answer


@pytest.mark.parametrize("status", [200, 500])
def test_a_compressed_answer_is_not_unpacked(server, connections, status):
    """A small answer that would be huge costs no more than it is."""
    bomb = gzip.compress(bytes(2**24))
    server.script = [(status, {"Content-Encoding": "gzip"}, bomb)]
    assert connections().post(BODY).body == bomb


def test_the_words_of_a_compressed_answer_are_left_out(server, connect):
    """Nobody can read them in a log."""
    server.script = [(500, {"Content-Encoding": "gzip"}, gzip.compress(b"busy"))]
    assert connect(server.url).send(BODY).words == "status 500"


def test_the_body_of_an_answer_is_cut(server, connections):
    """No more than 64 KiB of it are kept."""
    server.script = [(500, {}, b"x" * 100_000)]
    assert connections().post(BODY).body == b"x" * 65536


def test_the_rest_of_a_long_answer_is_not_awaited(talk, connect):
    """Of an answer of a gigabyte, what comes after the first 64 KiB is of no interest."""
    left = threading.Event()

    def say(_, connection):
        receive(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
        connection.sendall(b'{"x":"' + b"x" * 100_000)
        if select.select([connection], [], [], 10)[0]:  # the other side has closed it
            left.set()

    sender = connect(f"http://{talk(say).address}", timeout=3600)
    assert sender.send(BODY) == DELIVERED
    assert left.wait(10)


# ---- Kept connections


def test_a_connection_that_the_server_closed_is_replaced(talk, connect):
    """Servers close idle connections; the next session takes a new one, and is sent once."""
    received = []

    def say(_, connection):
        received.append(receive(connection))
        connection.sendall(OK)

    sender = connect(f"http://{talk(say).address}")
    assert [sender.send(BODY) for _ in range(3)] == [DELIVERED] * 3
    assert len(received) == 3


def test_a_farewell_is_not_taken_for_an_answer(talk, connect):
    """Some servers say 408 on an idle connection before they close it."""
    said = threading.Event()

    def say(_, connection):
        receive(connection)
        connection.sendall(OK)
        if not said.is_set():
            connection.sendall(b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n")
            said.set()

    sender = connect(f"http://{talk(say).address}")
    sender.send(BODY)
    said.wait(10)
    assert sender.send(BODY) == DELIVERED


@pytest.mark.parametrize("end", ["reset", "abort"])
def test_a_kept_connection_that_ends_without_a_word_is_replaced(server, connect, end):
    """The server may close it just when the request is on its way; a fresh one is tried at once."""

    def abort(_):
        raise ConnectionAbortedError

    server.script = [server.ok, server.reset if end == "reset" else abort]
    sender = connect(server.url)
    assert [sender.send(BODY), sender.send(BODY)] == [DELIVERED] * 2
    assert (len(server.requests), server.connections) == (3, 2)


def test_a_fresh_connection_that_ends_is_not_replaced_at_once(server, connect):
    """Then the server is in trouble, and the retries have their own pace."""
    server.script = [server.ok, server.reset, server.reset]
    sender = connect(server.url)
    assert [sender.send(BODY).verdict for _ in range(2)] == [
        Verdict.DELIVERED,
        Verdict.RETRY,
    ]
    assert len(server.requests) == 3


def test_after_a_word_of_an_answer_nothing_is_sent_again(talk, connect):
    """A server that breaks off in its answer was at work on the session."""
    received = []

    def say(_, connection):
        received.append(receive(connection))
        connection.sendall(OK)
        received.append(receive(connection))
        connection.sendall(b"HTTP/1.1 2")

    sender = connect(f"http://{talk(say).address}")
    assert [sender.send(BODY).verdict for _ in range(2)] == [
        Verdict.DELIVERED,
        Verdict.RETRY,
    ]
    assert len(received) == 2


def test_an_answer_that_comes_before_the_body_is_read_counts(talk, connect):
    """A server that refuses a large session by its head, and goes, is heard."""

    def say(_, connection):
        connection.recv(1024)
        connection.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 2\r\n\r\nno")

    answer = connect(f"http://{talk(say).address}").send(b"x" * 2**24)
    assert answer == Answer(Verdict.REJECTED, "status 400: no")


def test_an_idle_connection_expires(server, connections):
    """One that was idle for long is not trusted any more."""
    both = connections(expiry=0.0)
    both.post(BODY)
    both.post(BODY)
    assert server.connections == 2


def test_few_connections_are_kept(server, connections):
    """Connections beyond the limit are closed when they are idle."""
    gate = threading.Barrier(2, timeout=10)

    def meet(request):
        gate.wait()
        return server.ok(request)

    one = connections(kept=1)
    server.script = [meet, meet, server.ok, meet, meet]
    for count in (2, 1, 2):
        together(count, lambda: one.post(BODY))
    assert server.connections == 3


def test_what_is_under_way_at_the_close_is_closed_in_the_end(server, connect):
    """`close` may come while another thread sends; nothing stays open."""
    arrived, go = threading.Event(), threading.Event()

    def late(request):
        arrived.set()
        go.wait(10)
        return server.ok(request)

    server.script, sender, answers = [late], connect(server.url), []
    thread = threading.Thread(target=lambda: answers.append(sender.send(BODY)))
    thread.start()
    arrived.wait(10)
    sender.close()
    go.set()
    thread.join()
    assert (answers, descriptor(server.port)) == ([DELIVERED], None)


# ---- Descriptors


def test_a_file_on_the_number_of_a_socket_stays_as_it_is(server, connect, tmp_path):
    """A program may close descriptors that are ours; we do not write into what it opens then."""
    sender, path = connect(server.url), tmp_path / "precious"
    sender.send(BODY)
    number = descriptor(server.port)
    with path.open("wb") as file:
        os.dup2(file.fileno(), number)
    assert sender.send(BODY) == DELIVERED
    assert (path.read_bytes(), os.fstat(number).st_ino) == (b"", path.stat().st_ino)
    os.close(number)


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_socket_on_the_number_of_a_socket_gets_nothing(request, server, connect, scheme):
    """Also when it looks like a kept connection: open, and silent."""
    sender = connect(request.getfixturevalue("tls") if scheme == "https" else server.url)
    sender.send(BODY)
    number = descriptor(server.port)
    ours, other = socket.socketpair()
    os.dup2(ours.fileno(), number)
    assert [sender.send(BODY), sender.send(BODY)] == [DELIVERED] * 2
    other.setblocking(False)
    with ours, other, pytest.raises(BlockingIOError):
        other.recv(1)
    os.close(number)  # raises if we had closed it


@pytest.mark.parametrize("poll", [True, False], ids=["poll", "select"])
def test_a_descriptor_that_was_closed_is_replaced(server, connect, monkeypatch, poll):
    """A descriptor that is closed is forgotten, even if `select.poll` is missing."""
    if not poll:  # as on Windows, and with eventlet
        monkeypatch.delattr(select, "poll")
    sender = connect(server.url)
    sender.send(BODY)
    os.close(descriptor(server.port))
    assert sender.send(BODY) == DELIVERED


def test_nothing_waits_to_fill_a_packet(server, connect):
    """The last bytes of a request go out at once."""
    connect(server.url).send(BODY)
    with closing(socket.socket(fileno=os.dup(descriptor(server.port)))) as connected:
        assert connected.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


# ---- Hosts and TLS


def test_a_host_may_be_an_address_of_ipv6(talk, connect):
    """It stands in brackets in the address and in the Host header."""
    received = []

    def say(_, connection):
        received.append(receive(connection))
        connection.sendall(OK)

    try:
        port = talk(say, "::1").port
    except OSError:
        pytest.skip("there is no IPv6 on this machine")
    assert connect(f"http://[::1]:{port}").send(BODY) == DELIVERED
    assert b"\r\nHost: [::1]:%d\r\n" % port in received[0]


def test_a_host_may_be_in_any_script(server, names, connect):
    """It is looked up and named as DNS writes it."""
    names["xn--bcher-kva.test"] = ["127.0.0.1"]
    connect(f"http://bücher.test:{server.port}").send(BODY)
    assert server.requests[0].headers["Host"] == f"xn--bcher-kva.test:{server.port}"


def test_a_connection_with_tls_is_kept(server, tls, connect):
    """A handshake a connection, not one a session."""
    sender = connect(tls)
    assert [sender.send(BODY) for _ in range(3)] == [DELIVERED] * 3
    assert server.connections == 1


def test_a_certificate_that_is_not_trusted_is_held(tls, connect, monkeypatch):
    """Nothing goes to a server that cannot prove its name."""
    monkeypatch.delenv("SSL_CERT_FILE")
    answer = connect(tls).send(BODY)
    assert (answer.verdict, answer.answered) == (Verdict.HOLD, False)
    assert "CERTIFICATE_VERIFY_FAILED" in answer.words


def test_a_certificate_in_a_directory_is_trusted(tls, connect, tmp_path, monkeypatch):
    """By the name that OpenSSL gives to it, the hash of its subject."""
    monkeypatch.delenv("SSL_CERT_FILE")
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))
    (tmp_path / "ce275665.0").write_text(CERTIFICATE)
    assert connect(tls).send(BODY) == DELIVERED


@pytest.mark.parametrize("kind", ["missing", "empty", "directory"])
def test_certificates_that_cannot_be_read_are_said(tls, connect, tmp_path, monkeypatch, kind):
    """SSL_CERT_FILE often names a file of an environment that is gone. Sessions are kept."""
    path = tmp_path / "gone.pem"
    path.mkdir() if kind == "directory" else kind == "missing" or path.touch()
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    answer = connect(tls).send(BODY)
    assert (answer.verdict, answer.answered) == (Verdict.HOLD, False)
    assert answer.words.startswith(f"SSL_CERT_FILE='{path}' cannot be used (")


def test_a_file_of_tls_keys_that_cannot_be_written_is_said(tls, connect, monkeypatch):
    """Both variables that may be wrong are named."""
    certificates = os.environ["SSL_CERT_FILE"]
    monkeypatch.setenv("SSLKEYLOGFILE", "/nowhere/keys")
    names = f"SSL_CERT_FILE='{certificates}' or SSLKEYLOGFILE='/nowhere/keys' cannot be used ("
    assert connect(tls).send(BODY).words.startswith(names)
    monkeypatch.delenv("SSL_CERT_FILE")
    assert connect(tls).send(BODY).words.startswith("SSLKEYLOGFILE='/nowhere/keys' cannot be used")


def test_certificates_do_not_matter_without_tls(server, connect, monkeypatch):
    """A server on this machine is reached, whatever the environment says of certificates."""
    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere")
    assert connect(server.url).send(BODY) == DELIVERED


@pytest.mark.parametrize("descriptors", ["0", "0, 1, 2"])
def test_a_connection_has_no_descriptor_of_a_standard_stream(server, program, descriptors):
    """In a program without them, what is printed would be sent to the server."""
    done = program(
        f"""
        import os
        from honeytrace._delivery.http.sender import HttpSender
        kept = os.fdopen(os.dup(1), "w")
        for descriptor in ({descriptors},):
            os.close(descriptor)
        sender = HttpSender({server.url!r})
        print([sender.send({BODY!r}).verdict.value for _ in range(2)], file=kept)
        for descriptor in ({descriptors},):
            try:
                os.fstat(descriptor)
                print(descriptor, "is open", file=kept)
            except OSError:
                pass
        """
    )
    assert (done.stdout, server.connections) == ("['delivered', 'delivered']\n", 1)


def test_a_failure_of_tls_elsewhere_is_none_of_ours(server, connect):
    """A session may be sent while the program handles an error of its own."""
    server.script = [server.reset]
    try:
        raise ssl.SSLError("elsewhere")
    except ssl.SSLError:
        assert connect(server.url).send(BODY).verdict is Verdict.RETRY


def test_a_tunnel_through_a_proxy_is_kept(server, tls, talk, connect, monkeypatch):
    """The proxy is asked once, with its own password, and cannot read the requests that follow."""
    asked = []

    def pass_on(source, target):
        with suppress(OSError):
            while piece := source.recv(65536):
                target.sendall(piece)
            target.shutdown(socket.SHUT_WR)

    def say(_, connection):
        asked.append(connection.recv(65536))
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        with socket.create_connection(("127.0.0.1", server.port)) as beyond:
            back = threading.Thread(target=pass_on, args=(beyond, connection))
            back.start()
            pass_on(connection, beyond)
            back.join()

    proxy = talk(say)
    monkeypatch.setenv("https_proxy", f"http://u:p@{proxy.address}")
    sender = connect(tls, "k-1")
    assert [sender.send(BODY), sender.send(BODY)] == [DELIVERED] * 2
    sender.close()
    assert len(asked) == 1
    assert b"Proxy-Authorization: Basic dTpw" in asked[0]


@pytest.mark.skipif(importlib.util.find_spec("socksio") is not None, reason="socksio is here")
def test_a_socks_proxy_needs_its_package(connect, monkeypatch):
    """Without it, what is missing is said."""
    monkeypatch.setenv("all_proxy", "socks5://127.0.0.1:9")
    answer = connect("http://honeyhive.test").send(BODY)
    assert "install 'httpx[socks]'" in answer.words
    assert answer.verdict is Verdict.HOLD


def test_a_header_that_cannot_be_sent_is_not_repeated(server, connect):
    """The words of the error would hold the key."""
    answer = connect(server.url, "se\ncret").send(BODY)
    assert (answer.verdict, answer.answered) == (Verdict.HOLD, False)
    assert "cret" not in answer.words


def test_a_network_failure_is_a_transport_error(connections, server):
    """Connections by themselves raise what the clients raise."""
    server.script = [server.reset]
    with pytest.raises(TransportError, match=r"^ReadError: "):
        connections().post(BODY)


# ---- Silence


def test_the_log_shows_the_requests_of_the_user_alone(server, connect, caplog):
    """At DEBUG, what httpx and httpcore say of our requests is dropped, and nothing else."""
    arrived, go = threading.Event(), threading.Event()

    def late(request):
        arrived.set()
        go.wait(10)
        return server.ok(request)

    server.script, sender = [server.ok, late], connect(server.url)
    caplog.set_level(logging.DEBUG)
    sender.send(BODY)
    thread = threading.Thread(target=lambda: sender.send(BODY))
    thread.start()
    arrived.wait(10)
    assert caplog.records == []
    httpx.get(server.url)  # while ours is under way
    assert {"httpx", "httpcore.connection", "httpcore.http11"} <= {r.name for r in caplog.records}
    caplog.clear()
    go.set()
    thread.join()
    sender.close()
    assert caplog.records == []


@pytest.mark.parametrize("first", ["httpcore", "honeytrace._delivery.http.sender"])
def test_a_log_that_is_configured_later_is_as_quiet(server, program, first):
    """`dictConfig` does not undo it, and the order of the imports does not matter."""
    ran = program(
        f"""
        import importlib, logging.config, sys
        importlib.import_module({first!r})
        import httpx
        from honeytrace._delivery.http.sender import HttpSender

        sender = HttpSender({server.url!r})
        logging.config.dictConfig({{
            "version": 1,
            "disable_existing_loggers": False,
            "handlers": {{"out": {{"class": "logging.StreamHandler", "stream": "ext://sys.stdout"}}}},
            "loggers": {{"httpcore.http11": {{"level": "DEBUG"}}}},
            "root": {{"level": "DEBUG", "handlers": ["out"]}},
        }})
        sender.send({BODY!r})
        sender.close()
        print("now the user")
        httpx.get({server.url!r})
        """
    )
    ours, _, theirs = ran.stdout.partition("now the user")
    assert (ours, ran.stderr) == ("", "")
    assert "send_request_headers.started" in theirs


def test_what_instruments_httpx_sees_the_requests_of_the_user_alone(server, connect, monkeypatch):
    """Wrappers around the transport and the client of httpx are not passed through by ours."""
    seen = []

    def wrap(kind, name):
        inner = getattr(kind, name)

        def outer(self, request, **settings):
            seen.append(request.method)
            return inner(self, request, **settings)

        monkeypatch.setattr(kind, name, outer)

    wrap(httpx.HTTPTransport, "handle_request")
    wrap(httpx.Client, "send")
    assert connect(server.url).send(BODY) == DELIVERED
    httpx.get(server.url)
    assert seen == ["GET", "GET"]
