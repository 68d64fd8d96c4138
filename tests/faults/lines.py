"""Ports of the loopback at which things go wrong that no HTTP server can do.

A behaviour is a function of a connection; when it returns, or fails because the other end has
gone, the connection is closed. `closing` is set when the test is over.
"""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable
from contextlib import suppress

Behaviour = Callable[[socket.socket, threading.Event], None]


class Line:
    """A port that refuses connections until `listen` says what happens to them."""

    def __init__(self) -> None:
        self.closing = threading.Event()
        self.connections = 0
        self._script: list[Behaviour] = []
        self._threads: list[threading.Thread] = []
        self._filling: socket.socket | None = None
        self._socket = socket.socket()
        self._socket.bind(("127.0.0.1", 0))
        self._socket.settimeout(0.02)
        self.address = self._socket.getsockname()
        self.url = f"http://127.0.0.1:{self.address[1]}"

    def fill(self) -> None:
        """Takes as many connections as the system holds for nobody: the next one has to wait."""
        self._socket.listen(0)
        self._filling = socket.create_connection(self.address)

    def listen(self, *script: Behaviour) -> None:
        """Accepts connections: each behaviour has its turn, the last one stays."""
        started, self._script = bool(self._script), list(script)
        if not started:
            self._socket.listen(128)
            self._start(self._accept)

    def close(self) -> None:
        self.closing.set()
        if self._filling is not None:
            self._filling.close()
        for thread in self._threads:
            thread.join()
        self._socket.close()

    def _start(self, target: Callable[..., None], *arguments: object) -> None:
        self._threads.append(threading.Thread(target=target, args=arguments))
        self._threads[-1].start()

    def _accept(self) -> None:
        while not self.closing.is_set():
            with suppress(TimeoutError):
                connection, _ = self._socket.accept()
                self.connections += 1
                behave = self._script.pop(0) if len(self._script) > 1 else self._script[0]
                self._start(self._serve, connection, behave)

    def _serve(self, connection: socket.socket, behave: Behaviour) -> None:
        with connection, suppress(OSError):
            connection.settimeout(10)
            behave(connection, self.closing)


def receive(connection: socket.socket) -> None:
    """Reads one request to its end."""
    with connection.makefile("rb") as stream:
        length = 0
        while (line := stream.readline()) not in (b"\r\n", b""):
            name, _, value = line.partition(b":")
            length = int(value) if name.lower() == b"content-length" else length
        stream.read(length)


def silent(connection: socket.socket, closing: threading.Event) -> None:
    """A black hole: nothing is read and nothing said."""
    closing.wait()


def says(words: bytes) -> Behaviour:
    """Speaks first, as servers of other protocols do, and then waits."""

    def behave(connection: socket.socket, closing: threading.Event) -> None:
        connection.sendall(words)
        closing.wait()

    return behave


def pours(head: bytes, piece: bytes) -> Behaviour:
    """Answers with this head, and then with one piece after the other, without an end."""

    def behave(connection: socket.socket, closing: threading.Event) -> None:
        receive(connection)
        connection.sendall(head)
        while not closing.is_set():
            connection.sendall(piece)

    return behave


def drips(head: bytes, pace: float) -> Behaviour:
    """Answers with this head, and then with one byte every `pace` seconds."""

    def behave(connection: socket.socket, closing: threading.Event) -> None:
        receive(connection)
        connection.sendall(head)
        while not closing.wait(pace):
            connection.sendall(b"x")

    return behave


def tears(received: int | None, said: bytes = b"") -> Behaviour:
    """Reads so many bytes of the request, all if None; says something, and resets the line."""

    def behave(connection: socket.socket, closing: threading.Event) -> None:
        if received is None:
            receive(connection)
        else:
            connection.recv(received)
        connection.sendall(said)
        linger = struct.pack("ii", 1, 0)  # closing then sends a reset
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)

    return behave


def leads(port: int) -> Behaviour:
    """All is well: a way to the server at this port."""

    def behave(connection: socket.socket, closing: threading.Event) -> None:
        with socket.create_connection(("127.0.0.1", port)) as server:
            back = threading.Thread(target=_pump, args=(server, connection))
            back.start()
            _pump(connection, server)
            back.join()

    return behave


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while piece := source.recv(65536):
            sink.sendall(piece)
    with suppress(OSError):
        sink.shutdown(socket.SHUT_WR)
