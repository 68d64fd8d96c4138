"""The quick way to read an answer, held against httpcore's, which reads it with h11."""

from __future__ import annotations

import socket
import ssl
import time

import httpcore
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from honeytrace._delivery.http.connection import Connection, Request
from honeytrace._delivery.http.network import DeadlineNetwork
from honeytrace._delivery.http.reply import Reply, read_plain
from honeytrace._utils import clock

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
USUAL = (
    b"HTTP/1.1 200 OK\r\nDate: Mon, 01 Jan 2024 00:00:00 GMT\r\nServer: x/1.0 (y)\r\n"
    b"content-type: application/json\r\nContent-Length: 20\r\nSet-Cookie: a=b; Secure\r\n\r\n"
    b'{"session_id":"abc"}'
)
URL = httpcore.URL("http://honeyhive.test/session/start")


class Pieces(httpcore.NetworkStream):
    """A connection on which the answers arrive in the given pieces, one for each read.

    It looks like TLS within the TLS of a proxy, which is read through httpcore's stream.
    """

    nested = ssl.create_default_context().wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO())

    def __init__(self):
        self.pieces = []
        self.written = []
        self.ours, self.other = socket.socketpair()

    def read(self, max_bytes, timeout=None):
        return self.pieces.pop(0)[:max_bytes] if self.pieces else b""

    def write(self, buffer, timeout=None):
        self.written.append(buffer)

    def close(self):
        self.ours.close()
        self.other.close()

    def get_extra_info(self, info):
        return {"socket": self.ours, "ssl_object": self.nested}.get(info)


class Network(DeadlineNetwork):
    """Connects to `pieces`."""

    def __init__(self, pieces):
        super().__init__()
        self.pieces = pieces

    def connect_tcp(self, *arguments, **settings):
        return self.own(self.pieces)


def normal(head):
    """Headers without the blanks around their values, which httpcore drops."""
    lines = (line.partition(b":") for line in head.split(b"\r\n"))
    return [(name, value.strip(b" \t")) for name, _, value in lines]


def outcome(pieces, quick):
    """Return the outcome of a connection's second request that is answered in these pieces."""
    stream = Pieces()
    network = Network(stream)
    http = httpcore.HTTPConnection(URL.origin, network_backend=network)
    headers = [(b"Host", b"honeyhive.test")]
    connection = Connection(network, http, httpcore.Request(b"POST", URL), headers)
    try:
        stream.pieces = [OK]
        Request(connection, b"{first}", clock.now() + 60).finish()
        if not quick:
            connection._head = None  # as it is before the first request
        stream.pieces, stream.written = list(pieces), []
        reply = Request(connection, b"{the second}", clock.now() + 60).finish()
        result = (reply.status, normal(reply.head), reply.body, reply.complete)
    except httpcore.ProtocolError as error:
        result = type(error), str(error)
    finally:
        written, again = b"".join(stream.written), connection.reusable
        connection.close()
        stream.close()
    return result, written, network.heard, again, stream.pieces


def same(pieces):
    """Both ways come to the same: answer or error, what was sent, whether the connection stays."""
    assert outcome(pieces, quick=True) == outcome(pieces, quick=False)


STATUS = st.sampled_from(
    [
        *(
            b"HTTP/1.1 200 OK",
            b"HTTP/1.1 200",
            b"HTTP/1.1 201 \xc3\xa9",
            b"HTTP/1.0 200 OK",
            b"SSH",
        ),
        *(b"HTTP/1.1 %d Word" % each for each in (100, 103, 101, 199, 204, 304, 404, 500, 600)),
    ]
)
NAMES = st.sampled_from(
    [
        *(b"Date", b"x-y", b"Content-Type", b"Content-Encoding", b"Connection", b"Keep-Alive"),
        *(b"Transfer-Encoding", b"Content-Length", b"CONTENT-LENGTH", b"Upgrade", b"Retry-After"),
        *(b"Content-Length-More", b"bad name", b"", b" folded", b"\xe9", b"Trailer", b"a" * 300),
    ]
)
VALUES = st.sampled_from(
    [
        *(b"7", b"0", b"007", b" 2 ", b"2,2", b"2, 3", b"-1", b"close", b"keep-alive", b"chunked"),
        *(b"gzip", b"", b"   ", b"a b", b"\ttab\t", b"\xff", b"\x0b", b"\x00", b"\x7f", b"1" * 25),
    ]
)
HEADERS = st.lists(
    st.tuples(NAMES, st.sampled_from([b":", b": ", b" : ", b""]), VALUES), max_size=4
)
HARMLESS = st.lists(
    st.tuples(
        st.sampled_from([b"Date", b"x-y", b"Content-Encoding", b"Retry-After", b"a" * 300]),
        st.sampled_from([b":", b": ", b":\t ", b":  "]),
        st.sampled_from([b"7", b"a b", b"", b" ", b"x\t", b"\ty z\t ", b"a:b", b"\x7f", b"\xe9"]),
    ),
    max_size=4,
)
BODY = st.sampled_from([b"", b"{}", b"<html>", b"2\r\n{}\r\n0\r\n\r\n", b"\r\n\r\n", OK])


@st.composite
def answers(draw):
    """An answer that may be a good one, or nearly so, and the pieces that it arrives in."""
    body, ordinary = draw(BODY), draw(st.booleans())
    headers = [b"%b%b%b" % each for each in draw(HARMLESS if ordinary else HEADERS)]
    length = len(body) + (0 if ordinary else draw(st.sampled_from([0, 0, 0, 0, 1, -1])))
    if ordinary or draw(st.integers(0, 4)):
        headers.insert(draw(st.integers(0, len(headers))), b"Content-Length: %d" % length)
    end = b"\r\n" if ordinary else draw(st.sampled_from([b"\r\n"] * 6 + [b"\n"]))
    status = b"HTTP/1.1 %d OK" % draw(st.integers(200, 599)) if ordinary else draw(STATUS)
    data = status + end + b"".join(each + end for each in headers) + end + body
    if not ordinary and draw(st.booleans()):
        at = draw(st.integers(0, len(data)))
        data = data[:at] + draw(st.binary(max_size=2)) + data[at + draw(st.integers(0, 2)) :]
    cuts = sorted(draw(st.lists(st.integers(0, len(data)), max_size=2)))
    pieces = [data[start:end] for start, end in zip([0, *cuts], [*cuts, None], strict=True)]
    return [piece for piece in pieces if piece]


@settings(max_examples=300)
@given(answers())
@example([USUAL])
@example([b""])
def test_both_ways_read_the_same(pieces):
    """Whatever a server says, in whatever pieces."""
    same(pieces)


@pytest.mark.parametrize("at", range(1, len(USUAL)))
def test_an_answer_may_be_cut_anywhere(at):
    """Two reads instead of one, at every point; the connection stays."""
    pieces = [USUAL[:at], USUAL[at:]]
    same(pieces)
    assert outcome(pieces, quick=True)[-2]


def test_an_ordinary_answer_is_read_plainly():
    """Status, headers as they came, and the body."""
    reply = read_plain(USUAL)
    assert (reply.status, reply.body, reply.complete) == (200, b'{"session_id":"abc"}', True)
    assert reply.header(b"server") == "x/1.0 (y)"


@pytest.mark.parametrize(
    "answer",
    [
        OK.replace(b"OK\r\n", b"OK\r\nTransfer-Encoding: chunked\r\n"),
        OK.replace(b"OK\r\n", b"OK\r\nConnection: close\r\n"),
        OK.replace(b"OK\r\n", b"OK\r\nContent-Length: 2\r\n"),
        OK.replace(b"200 OK", b"204 No Content"),
        OK.replace(b"200 OK", b"100 Continue"),
        OK.replace(b"1.1", b"1.0"),
        OK[:-1],
        OK + b"\r\n",
        b"",
    ],
)
def test_anything_else_is_left_to_h11(answer):
    """Other framing, a connection that ends, more or less than one answer."""
    assert read_plain(answer) is None


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 200 " + b" " * 60_000,
        b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 10_000,
        b"HTTP/1.1 200 OK\r\n" + b"a" * 60_000,
        b"HTTP/1.1 200 OK\r\na:" + b" \t" * 30_000,
        b"HTTP/1.1 200 OK\r\n" + b"content-length:  \r\n" * 3_000,
    ],
)
def test_a_long_head_takes_no_time(head):
    """The time grows with the length and not with its square: each of these takes milliseconds."""
    began = time.process_time()
    assert read_plain(head) is None
    assert time.process_time() - began < 0.5


def test_a_reply_without_a_header_has_none():
    """A missing header is None."""
    assert Reply(200, b"", b"").header(b"date") is None
