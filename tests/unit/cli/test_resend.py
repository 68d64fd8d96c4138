"""The command `honeytrace resend`, by its front door, on what real programs left behind."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

KEY = "hh-0123456789"
PATH = os.pathsep.join(sys.path)

# Makes the calls and is killed, or waits to be told to end. What it left is on disk.
PROGRAM = """
import os, signal, sys
import honeytrace

@honeytrace.trace_session
def answer(number):
    return {"content": f"answer {number}"}

for number in range(int(sys.argv[1])):
    answer(number)
assert honeytrace.stats().spooled == int(sys.argv[1])
print("ready", flush=True)
if "killed" in sys.argv:
    os.kill(os.getpid(), signal.SIGKILL)
sys.stdin.read()
"""

# The command as on a full disk: no file can become longer than it is.
FULL = """
import resource, sys
from honeytrace.cli._main import main

limits = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (0, limits[1]))
code = main(sys.argv[1:])
resource.setrlimit(resource.RLIMIT_FSIZE, limits)
sys.exit(code)
"""


def environment(url: str, **others: str) -> dict[str, str]:
    settings = {"HH_API_URL": url, "HH_API_KEY": KEY, "HH_PROJECT": "p", "PYTHONPATH": PATH}
    return {**os.environ, **settings, "HONEYTRACE_DURABLE": "true", **others}


@contextmanager
def program(url: str, calls: int, *how: str, **others: str) -> Iterator[subprocess.Popen[str]]:
    """A program that has made its calls while the server refused all of them."""
    started = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(calls), *how],
        env=environment(url, **others),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    with started:
        assert started.stdout
        assert started.stdout.readline() == "ready\n"
        yield started


Leave = Callable[..., None]


@pytest.fixture
def leave(server) -> Leave:
    """Leaves sessions behind: `leave(5)`; the server then answers well."""

    def leave(calls: int, url: str = "", **others: str) -> None:
        server.script = lambda request: (401, {}, b"")
        with program(url or server.url, calls, "killed", **others):
            pass
        server.script = []
        server.requests.clear()

    return leave


Resend = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def resend(server) -> Resend:
    """Runs the command; names in capitals are set in the environment."""

    def run(*arguments: str, url: str = "", full: bool = False, **others: str) -> Any:
        how = ["-c", FULL] if full else ["-m", "honeytrace"]
        done = subprocess.run(
            [sys.executable, "-W", "error", *how, "resend", *arguments],
            env=environment(url or server.url, **others),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert KEY not in done.stdout + done.stderr
        return done

    return run


@pytest.fixture
def spool() -> Path:
    return Path(os.environ["HONEYTRACE_HOME"]) / "spool"


def segments(spool: Path) -> list[Path]:
    return sorted(path for path in spool.rglob("*") if path.suffix in (".spool", ".acks"))


def refuse(words: str) -> Callable[[object], Any]:
    return lambda request: (401, {}, json.dumps({"message": words}).encode())


def test_delivers_all(leave: Leave, resend: Resend, server, spool: Path) -> None:
    """Sessions of killed programs arrive once and leave the disk; the report counts them."""
    leave(3)
    leave(4)
    done = resend()
    sentence = f"Delivered 7 sessions to {server.url}, project 'p'.\n"
    assert (done.returncode, done.stdout, done.stderr) == (0, sentence, "")
    assert len({session["session_id"] for session in server.sessions}) == len(server.sessions) == 7
    assert segments(spool) == []


def test_nothing(resend: Resend, server, spool: Path) -> None:
    """With nothing to deliver it says so, and makes no file."""
    done = resend()
    sentence = f"Nothing waited for {server.url}, project 'p'.\n"
    assert (done.returncode, done.stdout) == (0, sentence)
    assert not spool.exists()


def test_dry_run(leave: Leave, resend: Resend, server, spool: Path) -> None:
    """`--dry-run` says what would be sent, with exit code 1, and changes nothing."""
    leave(2)
    before = {path: path.read_bytes() for path in segments(spool)}
    done = resend("--dry-run")
    sentence = f"Would send 2 sessions to {server.url}, project 'p'.\n"
    assert (done.returncode, done.stdout) == (1, sentence)
    assert {path: path.read_bytes() for path in segments(spool)} == before
    assert server.requests == []


def test_dry_run_with_nothing(resend: Resend, server) -> None:
    """With nothing to send, `--dry-run` ends with 0."""
    done = resend("--dry-run")
    sentence = f"Nothing waits for {server.url}, project 'p'.\n"
    assert (done.returncode, done.stdout) == (0, sentence)


def test_rejected(leave: Leave, resend: Resend, server, spool: Path) -> None:
    """Sessions that the server rejects are set aside with its message, and no longer wait."""
    leave(3)
    server.script = [(400, {}, b"too odd")]
    done = resend()
    [aside] = spool.rglob("rejected.jsonl")
    assert (done.returncode, segments(spool)) == (0, [])
    assert f"'p'; 1 rejected and set aside in {aside}.\n" in done.stdout
    assert json.loads(aside.read_bytes())["answer"] == "status 400: too odd"


def test_rejected_again(leave: Leave, resend: Resend, server, spool: Path) -> None:
    """Rejected sessions are counted, and sent again on request; a damaged line stays."""
    leave(3)
    server.script = [(400, {}, b"too odd"), (400, {}, b"too odd")]
    resend()
    [aside] = spool.rglob("rejected.jsonl")
    with aside.open("ab") as file:
        file.write(b'{"answer": "\n')
    words = "3 sessions that the server refused before, which `honeytrace resend --rejected` sends"
    assert words in resend("--dry-run").stdout
    server.requests.clear()
    done = resend("--rejected")
    assert (done.returncode, len(server.sessions)) == (0, 2)
    assert done.stdout.startswith("Delivered 2 sessions to ")
    assert aside.read_bytes() == b'{"answer": "\n'
    assert len(list(aside.parent.glob("rejected*"))) == 1


def test_rejected_in_the_middle(leave: Leave, resend: Resend, server, spool: Path) -> None:
    """Sessions that a killed `resend --rejected` had taken, and older ones, are sent, too."""
    leave(3)
    server.script = [(400, {}, b"") for _ in range(3)]
    resend()
    [aside] = spool.rglob("rejected.jsonl")
    first, second, third = aside.read_bytes().splitlines(keepends=True)
    aside.with_name("rejected.taken.jsonl").write_bytes(first)
    aside.with_name("rejected.old.jsonl").write_bytes(second)
    aside.write_bytes(third)
    server.requests.clear()
    assert resend("--rejected").stdout.startswith("Delivered 3 sessions to ")
    assert len({session["session_id"] for session in server.sessions}) == 3


def test_rejected_that_cannot_be_taken(leave: Leave, resend: Resend, server, spool: Path) -> None:
    """A link in place of the file is not followed, and a full disk costs nothing."""
    leave(1)
    server.script = [(400, {}, b"")]
    resend()
    [aside] = spool.rglob("rejected.jsonl")
    line = aside.read_bytes()
    full = resend("--rejected", full=True)
    assert (full.returncode, full.stdout) == (2, "")
    assert "the spool cannot be written" in full.stderr
    [taken] = spool.rglob("rejected.taken.jsonl")
    assert taken.read_bytes() == line
    taken.unlink()
    taken.symlink_to(__file__)
    refused = resend("--rejected")
    assert refused.returncode == 2
    assert f"{str(taken)!r} cannot be read" in refused.stderr


def test_kept_for_a_wrong_address(leave: Leave, resend: Resend, server) -> None:
    """Sessions kept while the address was unusable are listed, and sent to the right one."""
    leave(2, url="${HH_URL}")
    line = resend().stdout.splitlines()[1]
    way = "honeytrace resend --project p --kept-for '${HH_URL}'"
    assert line == f"2 sessions more for another server or project: {way}"
    full = resend("--kept-for", "${HH_URL}", full=True)
    assert "the spool cannot be written" in full.stderr
    done = resend("--kept-for", "${HH_URL}")
    assert done.stdout == f"Delivered 2 sessions to {server.url}, project 'p'.\n"
    assert len(server.sessions) == 2
    refused = resend("--kept-for", "https://other.example")
    assert "'https://other.example' is a usable address; set HH_API_URL to it" in refused.stderr


def test_project(leave: Leave, resend: Resend, server) -> None:
    """`--project` comes before the environment, and what waits for others is listed."""
    leave(1, HH_PROJECT="other")
    leave(2)
    done = resend("--project", "other")
    assert done.stdout == (
        f"Delivered 1 session to {server.url}, project 'other'.\n"
        "2 sessions more for another server or project: honeytrace resend --project p\n"
    )


def test_others_rejected(leave: Leave, resend: Resend, server) -> None:
    """Sessions that another server refused are listed with the command to send them again."""
    leave(2, HH_PROJECT="other")
    server.script = [(400, {}, b"")]
    resend("--project", "other")
    line = resend(url=f"{server.url}/v2").stdout.splitlines()[1]
    way = f"HH_API_URL={server.url} honeytrace resend --project other --rejected"
    assert line == f"1 rejected for another server or project: {way}"


def test_refused(leave: Leave, resend: Resend, server, spool: Path) -> None:
    """While the server refuses, everything stays, and its words say why."""
    leave(2)
    server.script = refuse("unknown key")
    done = resend()
    sentence = (
        f"Delivered 0 sessions to {server.url}, project 'p'; "
        "2 still here (status 401: unknown key).\n"
    )
    assert (done.returncode, done.stdout, done.stderr) == (1, sentence, "")
    assert segments(spool)


def test_part(leave: Leave, resend: Resend, server) -> None:
    """Sessions delivered before the trouble are not sent again."""
    leave(3)
    server.script = [server.ok, (429, {"Retry-After": "60"}, b"slowly")]
    assert "Delivered 1 session to " in (first := resend()).stdout
    assert "; 2 still here (status 429: slowly).\n" in first.stdout
    server.script = []
    assert resend().stdout.startswith("Delivered 2 sessions ")


@pytest.mark.parametrize(
    ("answer", "words"), [("hang", "2 still here (ReadTimeout: "), ("reset", "2 still here (")]
)
def test_dead(leave: Leave, resend: Resend, server, answer: str, words: str) -> None:
    """A server that is down ends it soon, by itself."""
    leave(2)
    server.script = lambda request: getattr(server, answer)
    done = resend(HH_API_TIMEOUT="0.3")
    assert done.returncode == 1
    assert words in done.stdout


def test_stalled(leave: Leave, resend: Resend, server) -> None:
    """It ends, too, while a server may be about to recover, if nothing moves for long."""
    leave(1)
    server.script = lambda request: server.after(1.2, (500, {}, b"soon"))
    done = resend(HH_API_TIMEOUT="1.5")
    assert done.returncode == 1
    assert done.stdout.endswith("; 1 still here (status 500: soon).\n")


def test_interrupted(leave: Leave, server, spool: Path) -> None:
    """Ctrl-C ends it with the counts and exit code 130, and everything is still there."""
    leave(2)
    server.script = lambda request: server.hang
    with subprocess.Popen(
        [sys.executable, "-m", "honeytrace", "resend"],
        env=environment(server.url),
        # A shell may have left SIGINT ignored, and a child would inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as started:
        server.wait(1)
        started.send_signal(signal.SIGINT)
        out, err = started.communicate(timeout=20)
    assert (started.returncode, err) == (130, "")
    assert (
        out == f"Delivered 0 sessions to {server.url}, project 'p'; 2 still here (interrupted).\n"
    )


def test_full_disk(leave: Leave, resend: Resend, spool: Path) -> None:
    """On a full disk, where nothing can be noted, what is delivered is removed all the same."""
    leave(20)
    done = resend(full=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert segments(spool) == []


def test_full_disk_rejected(leave: Leave, resend: Resend, server) -> None:
    """If the disk takes no copy of rejected sessions, the report says so."""
    leave(2)
    server.script = [(400, {}, b"too odd")]
    words = "; 1 rejected (status 400: too odd), and the disk took no copy.\n"
    assert resend(full=True).stdout.endswith(words)


def test_damaged(leave: Leave, resend: Resend, server, spool: Path) -> None:
    """Damaged files are set aside and reported; the rest is delivered."""
    leave(3)
    [segment] = segments(spool)
    data = bytearray(segment.read_bytes())
    data[len(data) // 2] ^= 1
    segment.write_bytes(data)
    done = resend()
    assert (done.returncode, len(server.sessions)) == (0, 2)
    assert f"; 1 damaged file set aside in {segment.parent}.\n" in done.stdout


def test_newer(leave: Leave, resend: Resend, server, spool: Path) -> None:
    """Files of a newer version stay, and are reported."""
    leave(1)
    [segment] = segments(spool)
    segment.write_bytes(b"honeytrace spool 9\n")
    done = resend()
    assert (done.returncode, server.requests) == (1, [])
    assert "; 1 file of a newer version of honeytrace left alone.\n" in done.stdout


def test_running_program(leave: Leave, resend: Resend, server, spool: Path) -> None:
    """Sessions held by a running program are left alone and counted; the exit code is 0."""
    leave(2)
    server.script = refuse("not now")
    with program(server.url, 3) as running:
        server.wait(1)
        server.script = []
        done = resend()
        left = segments(spool)
        running.kill()
    assert "Delivered 2 sessions " in done.stdout
    assert done.stdout.endswith("; 3 held by running programs, which send them.\n")
    assert (done.returncode, len(left)) == (0, 1)


def test_others(leave: Leave, resend: Resend, server) -> None:
    """Other servers and projects are left alone, and named with what to type to send theirs."""
    leave(1, HH_PROJECT="it's\nmine")
    leave(2)
    done = resend()
    assert done.returncode == 0
    line = done.stdout.splitlines()[1]
    command = """honeytrace resend --project 'it'"'"'s\\nmine'"""
    assert line == f"1 session more for another server or project: {command}"


def test_other_server(leave: Leave, resend: Resend, serve, server) -> None:
    """Sessions for one server never go to another."""
    leave(1)
    done = resend(url=serve().url)
    assert (done.returncode, server.requests) == (0, [])
    assert f"HH_API_URL={server.url} honeytrace resend --project p" in done.stdout


def test_local(leave: Leave, resend: Resend, server) -> None:
    """Without a server, it says why there is no spool, and whose sessions wait there."""
    leave(1)
    done = resend(HH_API_KEY="", url=" ")
    first, second = done.stdout.splitlines()
    store = Path(os.environ["HONEYTRACE_HOME"]) / "sessions.db"
    words = f"There is no spool to send from: sessions go to the store on this machine, {store}."
    assert (done.returncode, first) == (0, words)
    assert second.endswith(f": HH_API_URL={server.url} honeytrace resend --project p")


@pytest.mark.parametrize("arguments", [(), ("--dry-run",)])
def test_off(resend: Resend, arguments: tuple[str, ...]) -> None:
    """With the spool off it says so."""
    done = resend(*arguments, HONEYTRACE_SPOOL_DIR="off", HONEYTRACE_DURABLE="")
    assert done.returncode == 0
    assert done.stdout == "There is no spool to send from: HONEYTRACE_SPOOL_DIR is off.\n"


@pytest.mark.parametrize("url", ["", " "])
@pytest.mark.parametrize(
    ("spool_dir", "words"),
    [(__file__, "Not a directory"), ("/tmp/" + "x" * 300, "File name too long")],
)
def test_unreadable(resend: Resend, url: str, spool_dir: str, words: str) -> None:
    """A spool that cannot be read is one sentence and exit code 2."""
    done = resend(url=url, HONEYTRACE_SPOOL_DIR=spool_dir)
    assert (done.returncode, done.stdout) == (2, "")
    assert re.fullmatch(
        rf"honeytrace: the spool '.*' cannot be read \({words}\); set HONEYTRACE.*\n", done.stderr
    )


def test_progress(leave: Leave, server) -> None:
    """On a terminal one line is rewritten while it sends, and is gone at the end."""
    leave(3)
    server.script = [server.ok, (400, {}, b"too odd"), server.after(0.3)]
    master, slave = pty.openpty()
    subprocess.run(
        [sys.executable, "-m", "honeytrace", "resend"],
        env=environment(server.url, COLUMNS="70"),
        stdout=subprocess.DEVNULL,
        stderr=slave,
        timeout=60,
        check=True,
    )
    os.close(slave)
    shown = os.read(master, 65536).decode()
    os.close(master)
    lines = shown.strip("\r").split("\r")
    assert "Sending 3 sessions: 1 delivered, 1 rejected" in [line.strip() for line in lines]
    assert ({len(line) for line in lines} - {0}, lines[-1].strip()) == ({69}, "")
