"""A server for the benchmarks: answers every request after a delay, and counts them.

python loopback.py SECONDS    prints its port; at the end of its input, how many it answered

    with started(0) as server:
        ...  # send to `server.url`
        server.answered()
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

BODY = b'{"session_id": "11111111-1111-4111-8111-111111111111"}'
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (
    len(BODY),
    BODY,
)
answered = 0


class Loopback:
    """The server, running in a process of its own."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.url = f"http://127.0.0.1:{process.stdout.readline().strip()}"

    def answered(self) -> int:
        """Ends it; how many requests it answered."""
        return int(self._process.communicate("")[0])


@contextmanager
def started(delay: float = 0) -> Iterator[Loopback]:
    command = [sys.executable, __file__, str(delay)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield Loopback(process)


class Connection(asyncio.Protocol):
    def __init__(self, delay: float) -> None:
        self.delay, self.received = delay, b""

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.received += data
        while True:
            head, found, rest = self.received.partition(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0] or 0)
            if not found or len(rest) < length:
                return
            self.received = rest[length:]
            if self.delay:
                asyncio.get_running_loop().call_later(self.delay, self.answer)
            else:
                self.answer()

    def answer(self):
        global answered
        answered += 1
        self.transport.write(ANSWER)


async def main(delay: float) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(delay), "127.0.0.1", 0, backlog=256)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    print(answered, flush=True)


if __name__ == "__main__":
    asyncio.run(main(float(sys.argv[1])))
