"""The network as httpcore sees it: one deadline for a whole request, and only our own descriptor.

httpcore's own timeouts apply to each read, so a server that sends a byte now and then could keep a
sender busy forever.
"""

from __future__ import annotations

import math
import os
import select
import socket
import ssl
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

import httpcore

from honeytrace._utils import clock
from honeytrace._utils.files import above_stderr
from honeytrace._utils.origin import ignoring, let_through

_MAX_WRITE_BYTES = 16 * 1024  # per write; a buffer with enough space takes it whole
_MAX_READ_BYTES = 64 * 1024  # per read
_MAX_POLL_MS = 2**31 - 1  # milliseconds; a longer wait is an error of `poll`
_EXACT = 0.01  # seconds by which a deadline may be missed


class DeadlineNetwork(httpcore.NetworkBackend):
    """Opens the one stream of a connection, and keeps the deadline of the request under way.

    Attributes:
        deadline: the moment, by our clock, at which the request under way is given up.
        heard: whether any part of an answer to it has arrived.
        stream: the connected socket; None before it is connected.
    """

    def __init__(self) -> None:
        self.deadline = 0.0
        self.heard = False
        self.stream: OwnedStream | None = None
        self._network = httpcore.SyncBackend()

    def left(self, late: type[httpcore.TimeoutException]) -> float:
        """Return the seconds until the deadline. Raises `late` once it is over."""
        left = self.deadline - clock.now()
        if left <= 0:
            raise late("timed out")
        return left

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ARG002 - the deadline of the request counts
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        """Try the addresses of the host one after the other, each with its share of the time."""
        addresses = _addresses(host, port)
        while True:
            address = addresses.pop(0)
            share = self.left(httpcore.ConnectTimeout) / (len(addresses) + 1)
            try:
                return self.own(
                    self._network.connect_tcp(address, port, share, local_address, socket_options)
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                if not addresses:
                    raise

    def own(self, stream: httpcore.NetworkStream) -> OwnedStream:
        self.stream = OwnedStream(self, stream)
        return self.stream

    def close(self) -> None:
        """Close what httpcore may have left open when it failed half-way."""
        if self.stream is not None:
            self.stream.close()


def _addresses(host: str, port: int) -> list[str]:
    numeric = socket.NI_NUMERICHOST | socket.NI_NUMERICSERV
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        return [socket.getnameinfo(address, numeric)[0] for *_, address in found]
    except (OSError, UnicodeError) as error:  # UnicodeError: a label that is empty or too long
        raise httpcore.ConnectError(error) from error


class OwnedStream(httpcore.NetworkStream):
    """A connected socket that keeps the deadline and writes to no descriptor but its own.

    Attributes:
        head: the head of the last request that httpcore wrote.
        can_wait: whether `is_silent` can wait, which takes `select.poll`.
    """

    def __init__(self, network: DeadlineNetwork, stream: httpcore.NetworkStream) -> None:
        self.head = b""
        self._network = network
        self._stream = stream
        self._socket: socket.socket = stream.get_extra_info("socket")
        _move_above_stderr(self._socket)
        # TLS within the TLS of a proxy has no socket to be read from.
        self._nested = isinstance(stream.get_extra_info("ssl_object"), ssl.SSLObject)
        self._file = _file(self._socket)
        self._poll = _poll(self._socket)
        self.can_wait = self._poll is not None
        # A socket with a timeout polls before each call, even if it does not have to wait. So only
        # one with TLS has a timeout; the others never wait, and are polled before they are read.
        self._waits_itself = self._poll is None or isinstance(self._socket, ssl.SSLSocket)
        self._timeout = math.inf  # unknown
        if not self._waits_itself:
            self._set_timeout(0.0)
        self._unsent: list[bytes] = []
        self._answer: bytes | None = None

    def send(self, data: bytes) -> None:
        """Write a whole request in pieces that never go to the file of somebody else."""
        for start in range(0, len(data), _MAX_WRITE_BYTES):
            if not self._is_ours():
                raise httpcore.WriteError("the descriptor of the connection was closed by others")
            left = self._network.left(httpcore.WriteTimeout)
            piece = data[start : start + _MAX_WRITE_BYTES]
            if self._nested:
                self._stream.write(piece, left)
                continue
            try:
                self._send_all(piece, left)
            except TimeoutError as error:
                raise httpcore.WriteTimeout("timed out") from error
            except OSError:
                return  # the server may have refused, with an answer, before it had read it all

    def _send_all(self, piece: bytes, left: float) -> None:
        """Send what the system takes at once, then wait for space for the rest."""
        sent = 0
        if not self._timeout:
            with suppress(BlockingIOError):
                sent = self._socket.send(piece)
        if sent < len(piece):
            self._set_timeout(left)
            self._socket.sendall(piece[sent:])

    def receive(self, max_bytes: int = _MAX_READ_BYTES) -> bytes:
        """Return what the next read of the answer gives."""
        left = self._network.left(httpcore.ReadTimeout)
        if self._nested:
            data = self._stream.read(max_bytes, left)
        else:
            try:
                data = self._receive(max_bytes, left)
            except TimeoutError as error:
                raise httpcore.ReadTimeout("timed out") from error
            except OSError as error:
                raise httpcore.ReadError(error) from error
        self._network.heard = self._network.heard or bool(data)
        return data

    def _receive(self, max_bytes: int, left: float) -> bytes:
        if self._waits_itself:
            self._set_timeout(left)
        else:
            self._set_timeout(0.0)
            if not self._poll.poll(min(left * 1e3, _MAX_POLL_MS)):
                raise TimeoutError
        return self._socket.recv(max_bytes)

    def replay(self, answer: bytes) -> None:
        """Let httpcore repeat an exchange: its request is not sent, and it reads `answer` first."""
        self._answer = answer

    def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ARG002
        """Buffer the data until an answer is awaited, so that head and body go out together."""
        self._unsent.append(buffer)

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ARG002
        unsent, self._unsent = self._unsent, []
        if self._answer is not None:
            answer, self._answer = self._answer, None
            return answer
        if unsent:
            self.head = unsent[0]
            self.send(b"".join(unsent))
        return self.receive(max_bytes)

    def is_silent(self, seconds: float = 0.0) -> bool:
        """Return whether nothing arrives, not even the end of the connection.

        Wait for it up to `seconds`, if `can_wait`.
        """
        if self._poll is not None:
            return not self._poll.poll(seconds * 1e3)
        try:
            return not self._stream.get_extra_info("is_readable")
        except (OSError, ValueError):  # without `poll`, a missing descriptor raises
            return False

    def _set_timeout(self, seconds: float) -> None:
        """Set the timeout of the socket unless it is close enough, since this is a system call."""
        if not seconds <= self._timeout <= seconds + _EXACT:
            self._socket.settimeout(seconds)
            self._timeout = seconds

    def _is_ours(self) -> bool:
        """Return whether the descriptor still is our socket; if not, forget it without closing."""
        if _file(self._socket) == self._file:
            return True
        self._socket.detach()
        return False

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ARG002
    ) -> httpcore.NetworkStream:
        left = self._network.left(httpcore.ConnectTimeout)
        return self._network.own(self._stream.start_tls(ssl_context, server_hostname, left))

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)

    def close(self) -> None:
        if self._is_ours():
            with ignoring(OSError):  # closed by others just now
                self._stream.close()


def _move_above_stderr(connected: socket.socket) -> None:
    """Make sure that no `print` and no C library writes to the server.

    In a program without standard streams, a new socket gets one of their descriptors.
    """
    if 0 <= connected.fileno() <= 2:
        family, kind, protocol = connected.family, connected.type, connected.proto
        number = above_stderr(connected.detach())
        connected.__init__(family, kind, protocol, number)  # type: ignore[misc] # httpcore has it


def _poll(connected: socket.socket) -> Any:
    """Return an object that tells whether anything has arrived; None where there is no `poll`."""
    if not hasattr(select, "poll"):
        return None
    poll = select.poll()
    poll.register(connected, select.POLLIN)
    return poll


def _file(connected: socket.socket) -> tuple[int, int] | None:
    """Return the identity of the file behind the descriptor; None if there is none."""
    try:
        found = os.fstat(
            connected.fileno() if os.name == "posix" else -1
        )  # elsewhere no descriptor
    except OSError as error:
        let_through(error)
        return None
    return found.st_dev, found.st_ino
