"""A server is down while a call is recorded. The session waits on disk and is delivered later."""

import socket
import tempfile
import threading
from pathlib import Path

import honeytrace
from honeytrace import trace_session
from honeytrace.local import App, Store, make_server


@trace_session
def answer(question: str) -> str:
    return question.upper()


def report(state: str) -> None:
    stats = honeytrace.stats()
    print(f"The server is {state}: {stats.delivered} delivered, {stats.spooled} on disk.")


with socket.socket() as free:
    free.bind(("127.0.0.1", 0))
    port = free.getsockname()[1]

with tempfile.TemporaryDirectory() as home:
    honeytrace.configure(server_url=f"http://127.0.0.1:{port}", home=home)
    answer("is anybody there?")
    honeytrace.flush()  # stops waiting when the server is down and the session is on disk
    report("down")

    server = make_server(App(Store(Path(home) / "server.db")), "127.0.0.1", port)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    honeytrace.flush(timeout=30)  # until the session is delivered
    report("up")

    honeytrace.shutdown()
    server.shutdown()
    server.server_close()
