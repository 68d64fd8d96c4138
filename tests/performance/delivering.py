"""Sessions from call to server, by honeytrace or by hand; prints one JSON object.

    python delivering.py WHO WHERE SIZE COUNT RATE

WHO    honeytrace, or limit: a thread, a socket or SQLite, `json`, and no checks at all
WHERE  the address of a server, or "local"
SIZE   characters of the chat that goes in; a quarter of it comes out, as a stream if negative
COUNT  how many calls
RATE   calls a second, 0 for as fast as possible
"""

from __future__ import annotations

import json
import resource
import socket
import sqlite3
import sys
import tempfile
import threading
import time
import uuid
from collections import deque
from pathlib import Path

who, where, size, count, rate = sys.argv[1], sys.argv[2], *map(int, sys.argv[3:6])
SPEAKERS = ("user", "assistant") * 4
TURNS = [{"role": role, "content": "x" * (abs(size) // 8)} for role in SPEAKERS]
ANSWER = {"role": "assistant", "content": "y" * (abs(size) // 4)}


def chat(messages: object, model: str = "gpt-4o") -> object:
    return ANSWER


def stream(messages: object, model: str = "gpt-4o") -> object:
    for _ in range(32):
        yield "y" * (abs(size) // 128)


class ByHand:
    """The least that delivers: what is called is appended, one thread encodes and sends it."""

    def __init__(self) -> None:
        self.waiting: deque[dict[str, object]] = deque()
        self.bell, self.done = threading.Semaphore(0), 0
        self.send = self.store if where == "local" else self.post
        threading.Thread(target=self.work, daemon=True).start()

    def traced(self, messages: object, model: str = "gpt-4o") -> object:
        started, ticks = time.time_ns(), time.perf_counter_ns()
        result = chat(messages, model) if size >= 0 else {"result": "".join(stream(messages))}
        session = {
            "project": "p",
            "session_name": "chat",
            "source": "dev",
            "session_id": str(uuid.uuid4()),
            "inputs": {"messages": messages, "model": model},
            "outputs": result,
            "start_time": started // 1_000_000,
            "duration": (time.perf_counter_ns() - ticks) / 1e6,
        }
        self.waiting.append(session)
        self.bell.release()
        return result

    def work(self) -> None:
        if where == "local":
            self.base = sqlite3.connect(Path(tempfile.mkdtemp()) / "sessions.db")
            self.base.execute("PRAGMA journal_mode = WAL")
            self.base.execute("CREATE TABLE sessions (id TEXT UNIQUE, body TEXT)")
        else:
            host, port = where.removeprefix("http://").split(":")
            self.socket = socket.create_connection((host, int(port)))
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while True:
            self.bell.acquire()
            session = self.waiting.popleft()
            self.send(session["session_id"], json.dumps({"session": session}).encode())
            self.done += 1

    def post(self, _: object, body: bytes) -> None:
        self.socket.sendall(
            b"POST /session/start HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s"
            % (len(body), body)
        )
        assert self.socket.recv(65_536).startswith(b"HTTP/1.1 200")

    def store(self, identity: object, body: bytes) -> None:
        self.base.execute("INSERT INTO sessions VALUES (?, ?)", (identity, body.decode()))
        self.base.commit()

    def delivered(self, expected: int) -> None:
        while self.done < expected:
            time.sleep(0.005)


class ByHoneytrace:
    def __init__(self) -> None:
        import honeytrace

        self.honeytrace = honeytrace
        settings = {} if where == "local" else {"server_url": where, "api_key": "key"}
        honeytrace.configure(home=tempfile.mkdtemp(), **settings)
        traced = honeytrace.trace_session(chat if size >= 0 else stream)
        self.traced = traced if size >= 0 else lambda messages: deque(traced(messages), maxlen=0)

    def delivered(self, expected: int) -> None:
        assert self.honeytrace.flush(300)
        assert self.honeytrace.stats().delivered == expected


def used() -> resource.struct_rusage:
    return resource.getrusage(resource.RUSAGE_SELF)


def calls(call: object) -> float:
    """Make the calls; return the longest of them, in seconds."""
    longest, due = 0.0, time.perf_counter()
    for _ in range(count):
        if rate:
            due += 1 / rate
            time.sleep(max(due - time.perf_counter(), 0))
        began = time.perf_counter()
        call(TURNS)
        longest = max(longest, time.perf_counter() - began)
    return longest


def main() -> dict[str, float]:
    way = ByHand() if who == "limit" else ByHoneytrace()
    for _ in range(200):
        way.traced(TURNS)
    way.delivered(200)
    cpu = time.process_time()
    calls(lambda _: None)
    bare = time.process_time() - cpu
    time.sleep(0.1)
    before, cpu, began = used(), time.process_time(), time.perf_counter()
    longest = calls(way.traced)
    called = time.perf_counter()
    way.delivered(count + 200)
    after, seconds = used(), time.perf_counter() - began
    return {
        "cpu_us": (time.process_time() - cpu - bare) / count * 1e6,
        "per_second": count / seconds,
        "call_us": (called - began) / count * 1e6,
        "longest_ms": longest * 1e3,
        "switches": (after.ru_nvcsw - before.ru_nvcsw) / count,
        "preempted": (after.ru_nivcsw - before.ru_nivcsw) / count,
        "memory_mib": (after.ru_maxrss - before.ru_maxrss) / 1024,
    }


print(json.dumps(main()))
