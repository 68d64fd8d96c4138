"""The command `honeytrace`, by its front door: `main`, and real processes."""

from __future__ import annotations

import importlib
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

import honeytrace
from honeytrace import Client, SDKError
from honeytrace.cli._main import main

SCRIPT = pathlib.Path(sys.executable).with_name("honeytrace")
FULL = pathlib.Path("/dev/full")
MISSING = "6a1f2ad5-0d4c-4a5d-8f5c-1f0c39d4ab55"


# ---- What the tests are made of


@dataclass
class Ran:
    code: object
    out: str
    err: str

    @property
    def refused(self) -> str:
        """The one sentence on stderr that a command ends with when it cannot do its work."""
        assert (self.code, self.out) == (2, "")
        assert re.fullmatch(r"honeytrace: [^\n]+\n", self.err), self.err
        return self.err


Run = Callable[..., Ran]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs the command in this process."""

    def run(*arguments: str) -> Ran:
        capsys.readouterr()
        try:
            code: object = main(arguments)
        except SystemExit as stop:
            code = stop.code
        return Ran(code, *capsys.readouterr())

    return run


def process(*arguments: str, stdout: Any = subprocess.PIPE, **environment: str) -> Ran:
    """Runs the command in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "honeytrace", *arguments],
        env={**os.environ, "PYTHONUTF8": "1", **environment},
        stdout=stdout,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        timeout=60,
        check=False,
    )
    return Ran(done.returncode, done.stdout or "", done.stderr)


class Serving:
    """`honeytrace serve` in a process of its own, and what it printed so far."""

    def __init__(self, *arguments: str) -> None:
        # A shell may have left SIGINT ignored, and a child would inherit that.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "honeytrace", "serve", "--port", "0", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
        )
        self.printed = ""
        self.port = self.read(r"HH_API_URL=http://\S+:(\d+)\n")
        self.url = f"http://127.0.0.1:{self.port}"

    def read(self, pattern: str) -> str:
        """Reads lines up to the one that has this; returns the group of it."""
        assert self.process.stdout
        while not (found := re.search(pattern, self.printed)):
            line = self.process.stdout.readline()
            assert line, f"it ended after {self.printed!r}"
            self.printed += line
        return found[1]

    def interrupt(self) -> Ran:
        self.process.send_signal(signal.SIGINT)
        out, err = self.process.communicate(timeout=20)
        return Ran(self.process.returncode, self.printed + out, err)

    def close(self) -> None:
        try:
            if self.process.poll() is None:
                self.interrupt()
        finally:
            self.process.kill()
            self.process.communicate()


@contextmanager
def serving(*arguments: str) -> Iterator[Serving]:
    server = Serving(*arguments)
    try:
        yield server
    finally:
        server.close()


def send(client: Client, name: str, **fields: Any) -> str:
    session = {"project": "default", "session_name": name, "source": "dev", **fields}
    return client.start_session(session).session_id


def keep(name: str = "answer", **fields: Any) -> str:
    """Stores a session on this machine and returns its id."""
    with Client() as client:
        return send(client, name, **fields)


def below(parent: str) -> dict[str, Any]:
    """The metadata of a session that was started inside another."""
    return {"metadata": {"honeytrace": {"parent_id": parent}}}


def strict(text: str) -> Any:
    def refuse(name: str) -> None:
        raise AssertionError(f"{name} is not JSON")

    return json.loads(text, parse_constant=refuse)


@pytest.fixture
def home(tmp_path: pathlib.Path) -> pathlib.Path:
    """The directory of the store, not there yet."""
    return tmp_path / "home"


@pytest.fixture
def pipeline() -> str:
    """The id of a stored session with three sessions below it, one of them failed."""
    search = keep("search", duration=1.4, start_time=1_700_000_002_000, **below(MISSING))
    retrieve = keep("retrieve", duration=1250, children_ids=[search], **below(MISSING))
    answer = keep("answer", duration=0.175, error="KeyError: 'model'\nsecond line")
    return keep("RAG pipeline", duration=9012.6, children_ids=[retrieve, answer])


# ---- The command itself


def test_version(run: Run) -> None:
    """`--version` prints the version of the package."""
    assert run("--version") == Ran(0, f"honeytrace {honeytrace.__version__}\n", "")


def test_module() -> None:
    """`python -m honeytrace` is the command, under its own name."""
    assert process("--version").out == f"honeytrace {honeytrace.__version__}\n"
    assert process().refused.startswith("honeytrace: the following arguments are required")


@pytest.mark.skipif(not SCRIPT.exists(), reason="the package is not installed with its script")
def test_script() -> None:
    """The installed script is the same command."""
    done = subprocess.run([SCRIPT, "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"honeytrace {honeytrace.__version__}\n"


def test_import_main(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    """To import every module, as tools do, runs no command."""
    importlib.reload(importlib.import_module("honeytrace.__main__"))
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("command", ["ls", "show", "export", "serve", "resend", "doctor"])
def test_help(run: Run, command: str) -> None:
    """The help names every command, and each has its own."""
    assert re.search(rf"^ +{command} ", run("--help").out, re.MULTILINE)
    assert run(command, "--help").out.startswith(f"usage: honeytrace {command} ")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "COMMAND; see `honeytrace --help`"),
        (["tell"], "invalid choice: 'tell'"),
        (["ls", "--nonsense"], "unrecognized arguments: --nonsense"),
        (["ls", "-n", "0"], "'0' is no number of sessions; give 1 or more; see `honeytrace ls"),
        (["ls", "-n", "x"], "'x' is no number of sessions"),
        (["ls", "-n", "9" * 30], "is no number of sessions"),
        (["ls", "--home", " "], "home cannot be ' ': give a string that is not empty"),
        (["show"], "arguments are required: ID"),
        (["show", ""], "there is no session ''"),
        (["show", MISSING], "`honeytrace ls` lists them"),
        (["show", "../../etc/passwd"], "there is no session '../../etc/passwd'"),
        (["export", "6a"], "the following arguments are required: --pytest"),
        (["export", "--pytest"], "the following arguments are required: ID"),
        (["export", "--pytest", "6a"], "there is no session '6a'"),
        (["serve", "--port", "70000"], "'70000' is no port; give a number from 0 to 65535"),
        (["serve", "--port", "http"], "'http' is no port"),
        (["serve", "--host", "192.0.2.1", "--port", "0"], "cannot listen on host '192.0.2.1'"),
        (["serve", "--token", ""], "the token is ''; give one that is not empty"),
    ],
)
def test_bad_input(run: Run, arguments: list[str], words: str) -> None:
    """What cannot be done ends with exit code 2 and one sentence that says what to do."""
    assert words in run(*arguments).refused


# ---- A store that cannot be used


@pytest.mark.parametrize(
    "command", [("ls",), ("show", "6a"), ("export", "--pytest", "6a"), ("serve", "--port", "0")]
)
class TestUnusable:
    """Every command says in one sentence that the store cannot be used, and what helps."""

    advice = "set HONEYTRACE_HOME to"

    def test_file(self, run: Run, home: pathlib.Path, command: tuple[str, ...]) -> None:
        """A file stands where the directory of the store should be."""
        home.write_text("")
        assert self.advice in run(*command).refused

    def test_corrupt(self, run: Run, home: pathlib.Path, command: tuple[str, ...]) -> None:
        """The file is no database; it is left as it was."""
        home.mkdir()
        (home / "sessions.db").write_bytes(b"not a database" * 100)
        assert "file is not a database" in run(*command).refused
        assert (home / "sessions.db").read_bytes() == b"not a database" * 100

    def test_name_too_long(self, run: Run, command: tuple[str, ...]) -> None:
        """The directory has a name that no file system takes."""
        assert "File name too long" in run(*command, "--home", "/tmp/" + "x" * 5000).refused

    @pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
    def test_forbidden(self, run: Run, home: pathlib.Path, command: tuple[str, ...]) -> None:
        """The directory cannot be entered."""
        home.mkdir(mode=0)
        assert self.advice in run(*command).refused


def test_unwritable() -> None:
    """A home that cannot be made ends `serve` as a process, too, with one sentence."""
    assert "set HONEYTRACE_HOME" in process("serve", HONEYTRACE_HOME=f"{__file__}/home").refused


def test_no_home_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without HOME the directory of the user is found, or a sentence says what is missing."""
    monkeypatch.delenv("HOME", raising=False)
    ran = process("ls", "--home", f"~/{uuid.uuid4()}")
    assert re.fullmatch(r"No sessions in /.*sessions\.db yet\.\n", ran.out + ran.err)


# ---- ls


def test_ls_missing(run: Run, home: pathlib.Path) -> None:
    """Without a store there are no sessions, and looking for them does not make one."""
    assert run("ls") == Ran(0, f"No sessions in {home}/sessions.db yet.\n", "")
    assert not home.exists()


def test_ls_elsewhere(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who sends sessions to a server is told why there are none here."""
    monkeypatch.setenv("HH_API_URL", "http://127.0.0.1:9")
    assert run("ls").out.endswith("sessions.db yet. New ones go to http://127.0.0.1:9.\n")


def test_ls_columns(run: Run) -> None:
    """The newest session comes first, and the columns stand one below the other."""
    keep("first", start_time=1, duration=8.25, project="shop")
    keep("second", start_time=2, duration=12_345, error="ValueError: boom\nmore")
    keep("third", start_time=3)
    lines = [line.split("  ", 2)[2] for line in run("ls").out.splitlines()]
    assert lines == [
        "         default  third",
        "12.35 s  default  second  ✗ ValueError: boom",
        " 8.2 ms  shop     first",
    ]


def test_ls_start(run: Run) -> None:
    """A session is listed with the beginning of its id and the local time of its start."""
    session_id = keep(start_time=1_700_000_000_000)
    pattern = rf"{session_id[:8]}  2023-11-1[45] \d\d:\d\d:\d\d  "
    assert re.match(pattern, run("ls").out)


@pytest.mark.parametrize("fields", [{}, {"start_time": 1e300}, {"start_time": -1e17}])
def test_ls_no_time(run: Run, fields: dict[str, Any]) -> None:
    """A start that is absent or in no calendar costs its own column, not the list."""
    keep(**fields)
    assert re.search(r"  [-?] {18}    default  answer\n$", run("ls").out)


def test_ls_roots(run: Run, pipeline: str) -> None:
    """Sessions that started inside another are listed on demand."""
    assert "search" not in run("ls").out
    assert "search" in run("ls", "--all").out


def test_ls_count(run: Run) -> None:
    """`-n` limits the list, which has 20 lines otherwise."""
    for number in range(25):
        keep(f"call {number}", start_time=number)
    assert len(run("ls").out.splitlines()) == 20
    assert re.findall("call .*", run("ls", "-n", "2").out) == ["call 24", "call 23"]


def test_ls_similar_ids(run: Run) -> None:
    """As much of the ids is shown as tells them apart."""
    keep(session_id="01890000-0000-7000-8000-000000000001")
    keep(session_id="01890000-0001-7000-8000-000000000001")
    shown = [line.split()[0] for line in run("ls").out.splitlines()]
    assert shown == ["01890000-0001", "01890000-0000"]


def test_ls_long(run: Run) -> None:
    """Long names and errors are cut, so that a session stays near one line."""
    keep("n" * 5000, project="p" * 5000, error="e" * 5000)
    assert len(run("ls").out) < 400


def test_ls_json(run: Run, pipeline: str) -> None:
    """`--json` prints a strict JSON object a line, with all that `show --json` has."""
    lines = run("ls", "--json", "-n", "1").out.splitlines()
    assert [strict(line) for line in lines] == [strict(run("show", "--json", pipeline).out)]


def test_ls_json_missing(run: Run) -> None:
    """Without sessions, `--json` prints nothing that a program would stumble over."""
    assert run("ls", "--json") == Ran(0, "", "")


def test_ls_home(run: Run, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`--home` comes before the environment."""
    keep("kept elsewhere")
    elsewhere = os.environ["HONEYTRACE_HOME"]
    monkeypatch.setenv("HONEYTRACE_HOME", str(tmp_path / "other"))
    assert "kept elsewhere" in run("ls", "--home", elsewhere).out


# ---- show


def test_show(run: Run, pipeline: str) -> None:
    """A session is shown as a tree with durations and the first line of errors."""
    assert run("show", pipeline).out.splitlines() == [
        pipeline,
        "RAG pipeline  9.01 s",
        "├─ retrieve  1.25 s",
        "│  └─ search  1.4 ms",
        "└─ answer  175 µs  ✗ KeyError: 'model'",
    ]


@pytest.mark.parametrize("part", [slice(6), slice(20), slice(None)])
def test_show_prefix(run: Run, pipeline: str, part: slice) -> None:
    """The beginning of an id is enough, in either case."""
    assert run("show", pipeline[part].upper()).out.startswith(pipeline)


def test_show_ambiguous(run: Run) -> None:
    """A beginning that several ids have is refused, and they are named."""
    ids = [keep(session_id=f"abcdef00-0000-4000-8000-00000000000{n}") for n in (1, 2)]
    assert f"begins several ids ({ids[0]}, {ids[1]}); give more" in run("show", "abc").refused


def test_show_unknown(run: Run, pipeline: str) -> None:
    """An id that the store does not have is refused."""
    assert f"there is no session '{MISSING}' in " in run("show", MISSING).refused


def test_show_missing(run: Run, home: pathlib.Path) -> None:
    """Without a store nothing is found, and looking does not make one."""
    assert run("show", "6a").refused
    assert not home.exists()


def test_show_json(run: Run) -> None:
    """`--json` prints the whole session under the names that a session has in Python."""
    session_id = keep("Frage", inputs={"q": "wie groß? 🍯"}, metrics={"hits": 3}, duration=1.5)
    shown = strict(run("show", session_id, "--json").out)
    assert (shown["session_name"], shown["inputs"]) == ("Frage", {"q": "wie groß? 🍯"})
    assert (shown["metrics"], shown["duration"]) == ({"hits": 3}, 1.5)


def test_show_wide(run: Run) -> None:
    """A thousand children are shown, in their order."""
    with Client() as client:
        children = [send(client, f"step {number}") for number in range(1000)]
    lines = run("show", keep("wide", children_ids=children)).out.splitlines()
    assert lines[2:] == [f"├─ step {n}" for n in range(999)] + ["└─ step 999"]


def test_show_deep(run: Run) -> None:
    """More levels are shown than Python's stack would take."""
    with Client() as client:
        session_id = send(client, "level 0")
        for number in range(1, sys.getrecursionlimit() + 100):
            session_id = send(client, f"level {number}", children_ids=[session_id])
    assert run("show", session_id).out.endswith("└─ level 0\n")


def test_show_circle(run: Run) -> None:
    """Ids that go round in circles, or meet again, end where they were shown before."""
    leaf = keep("leaf")
    keep("loop", session_id=MISSING, children_ids=[leaf, MISSING, leaf])
    assert run("show", MISSING).out.splitlines()[1:] == [
        "loop",
        "├─ leaf",
        "├─ loop  (see above)",
        "└─ leaf",
    ]


def test_show_lost_child(run: Run) -> None:
    """A child that is not stored stands in the tree by its id, whatever that is."""
    root = keep("root", children_ids=[MISSING, "no id\x1b[2J"])
    lines = run("show", root).out.splitlines()[2:]
    assert lines == [f"├─ {MISSING} (not stored)", r"└─ no id\x1b[2J (not stored)"]


# ---- What a terminal must not get


HOSTILE = "a\x1b[31mb\nc\r\x9b2Jd\u202ee\x7f"


@pytest.mark.parametrize("command", ["ls", "show", "ls --json", "show --json"])
def test_control_characters(run: Run, command: str) -> None:
    """No control character of a stored session reaches the terminal."""
    session_id = keep(HOSTILE, project=HOSTILE, error=HOSTILE, inputs={HOSTILE: HOSTILE})
    name, *flags = command.split()
    shown = run(name, *([session_id] if name == "show" else []), *flags).out
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", shown)
    assert shown.count("\n") == 1 or name == "show"


def test_control_characters_json(run: Run) -> None:
    """JSON has control characters spelled out, and so loses none."""
    session_id = keep(HOSTILE, inputs={HOSTILE: HOSTILE})
    shown = strict(run("show", session_id, "--json").out)
    assert (shown["session_name"], shown["inputs"]) == (HOSTILE, {HOSTILE: HOSTILE})


def test_control_characters_text(run: Run) -> None:
    """A name with control characters is one line that shows which they are."""
    shown = run("show", keep(HOSTILE)).out.splitlines()
    assert shown[1:] == [r"a\x1b[31mb\nc\r\x9b2Jd\u202ee\x7f"]


def test_ascii(pipeline: str) -> None:
    """A terminal that knows ASCII alone gets the tree in ASCII."""
    lines = process("show", pipeline, PYTHONIOENCODING="ascii").out.splitlines()
    assert lines[2:] == [
        "|- retrieve  1.25 s",
        "|  `- search  1.4 ms",
        "`- answer  175 us  x KeyError: 'model'",
    ]


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_ascii_json(encoding: str) -> None:
    """JSON stays the same JSON in an encoding that has not all of its characters."""
    inputs = {"q": "groß ✗ 🍯 今日は"}
    session_id = keep(inputs=inputs)
    shown = process("show", session_id, "--json", PYTHONIOENCODING=encoding)
    assert (strict(shown.out)["inputs"], shown.err) == (inputs, "")


def test_closed_pipe(pipeline: str) -> None:
    """A reader that goes away, such as `head`, is no error."""
    reader, writer = os.pipe()
    os.close(reader)
    ran = process("show", pipeline, stdout=writer)
    os.close(writer)
    assert ran == Ran(0, "", "")


@pytest.mark.skipif(not FULL.exists(), reason="this system has no /dev/full")
def test_full_disk(pipeline: str) -> None:
    """An output that cannot be written is said in one sentence."""
    with FULL.open("w") as full:
        assert "the output cannot be written" in process("ls", stdout=full).refused


# ---- export


def call(function: str, session_id: str) -> str:
    """Stores a session of a call of a function."""
    about = {"function": function, "kind": "function"}
    inputs = {"text": "grüße\x1b[2J"}
    return keep(session_id=session_id, inputs=inputs, metadata={"honeytrace": about})


def test_export(run: Run) -> None:
    """`export --pytest` writes a test for each id, once, with as much of the ids as tells them
    apart, in the order given."""
    one = call("textwrap.dedent", "6a1f2ad5-0d4c-4a5d-8f5c-1f0c39d4ab55")
    two = call("textwrap.dedent", "6a1f2ad5-0d4d-4a5d-8f5c-1f0c39d4ab55")
    ran = run("export", "--pytest", two, one, one[:13])
    assert (ran.code, ran.err) == (0, "")
    names = re.findall("def (.*)\\(", ran.out)
    assert names == ["test_dedent_6a1f2ad5_0d4d", "test_dedent_6a1f2ad5_0d4c"]


def test_export_some(run: Run) -> None:
    """What cannot be tested is told of on stderr, the rest is written, and the exit code is 1."""
    known = call("textwrap.dedent", str(uuid.uuid4()))
    block = keep("a\x1bblock")
    ran = run("export", known[:8], block, "--pytest")
    assert (ran.code, ran.out.count("def test_")) == (1, 1)
    said = f"honeytrace: session 'a\\x1bblock' ({block}) is no call of a function"
    assert ran.err.startswith(said)
    assert run("export", "--pytest", block).out == ""


def test_export_encoding(run: Run) -> None:
    """The file is UTF-8, as Python reads it, wherever the output goes; control characters are
    spelled out."""
    session_id = call("textwrap.dedent", str(uuid.uuid4()))
    out = process("export", "--pytest", session_id, PYTHONUTF8="0", PYTHONIOENCODING="ascii").out
    assert 'inputs = {"text": "grüße\\u001b[2J"}' in out


# ---- serve


def test_serve() -> None:
    """`serve` prints where it listens, takes a session, and SIGINT ends it in peace."""
    with serving() as server, Client(server_url=server.url) as client:
        session_id = send(client, "sent")
        assert client.get_session(session_id).session.session_name == "sent"
        ended = server.interrupt()
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.endswith("Stopped.\n")


def test_serve_stores(run: Run) -> None:
    """What a server took is listed by `ls`; the printed lines name the store and the address."""
    with serving() as server, Client(server_url=server.url) as client:
        send(client, "sent")
    assert run("ls").out.endswith("  default  sent\n")
    home = os.environ["HONEYTRACE_HOME"]
    lines = [f"Sessions go to {home}/sessions.db.", f"To send them here: HH_API_URL={server.url}"]
    assert server.printed.splitlines() == lines


def test_serve_others() -> None:
    """A server that other machines can reach makes up a key, and answers nobody without it."""
    with serving("--host", "0.0.0.0") as server:
        key = server.read(r"HH_API_KEY=(\S{20,})\n")
        with Client(key, server.url) as known:
            session_id = send(known, "sent")
        with Client(server_url=server.url) as other, pytest.raises(SDKError, match="status 401"):
            other.get_session(session_id)


def test_serve_token() -> None:
    """A token that was given is demanded on the loopback too, and is not printed."""
    with serving("--token", "s3cret-token") as server:
        with Client("s3cret-token", server.url) as known:
            send(known, "sent")
        with Client("other", server.url) as other, pytest.raises(SDKError, match="status 401"):
            send(other, "sent")
        assert "s3cret-token" not in server.interrupt().out


def test_serve_busy_port() -> None:
    """A port that is taken is refused, and named."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        refused = process("serve", "--port", str(port)).refused
    assert f"cannot listen on host '127.0.0.1', port {port}" in refused


# ---- show, from a server


@pytest.fixture
def remote(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of a server on the loopback that the environment names."""
    with serving() as server:
        monkeypatch.setenv("HH_API_URL", server.url)
        yield server.url


def test_show_remote(run: Run, remote: str) -> None:
    """With HH_API_URL set, the tree comes from there; children may be missing."""
    child = keep("child", duration=2)
    root = keep("root", duration=3, children_ids=[child, MISSING, "no id"])
    assert run("show", root).out.splitlines() == [
        root,
        "root  3.0 ms",
        "├─ child  2.0 ms",
        f"├─ {MISSING} (not stored)",
        "└─ no id (not stored)",
    ]


def test_show_remote_json(run: Run, remote: str) -> None:
    """The JSON of a session from a server has the same names as one from here."""
    session_id = keep("sent", inputs={"q": 1})
    shown = strict(run("show", session_id, "--json").out)
    assert (shown["session_name"], shown["inputs"]) == ("sent", {"q": 1})


def test_export_remote(run: Run, remote: str) -> None:
    """With HH_API_URL set, the sessions come from there."""
    session_id = call("textwrap.dedent", str(uuid.uuid4()))
    assert "from textwrap import dedent\n" in run("export", "--pytest", session_id).out


def test_show_remote_unknown(run: Run, remote: str) -> None:
    """An id that the server does not know is refused."""
    assert f"there is no session '{MISSING}' at {remote}" in run("show", MISSING).refused


def test_show_remote_prefix(run: Run, remote: str) -> None:
    """A server wants the whole id."""
    assert f"'6a1f' is no whole id, which {remote} needs" in run("show", "6a1f").refused


def test_show_remote_home(run: Run, remote: str) -> None:
    """`--home` reads the store in it, wherever sessions go."""
    session_id = keep("sent")
    assert run("show", session_id[:8], "--home", os.environ["HONEYTRACE_HOME"]).code == 0


@pytest.mark.parametrize("status", [401, 500])
def test_show_remote_refused(run: Run, server: Any, status: int, monkeypatch: Any) -> None:
    """A server that refuses, even with a page of HTML, is quoted in one sentence."""
    monkeypatch.setenv("HH_API_URL", server.url)
    server.script = [(status, {"Content-Type": "text/html"}, b"<html>\nno\x1b[2J</html>")]
    refused = run("show", MISSING).refused
    assert re.search(rf"status {status}, .*; check HH_API_KEY and HH_API_URL$", refused)


def test_show_remote_unreachable(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that is not there is said to be so."""
    monkeypatch.setenv("HH_API_URL", "http://127.0.0.1:9")
    assert "http://127.0.0.1:9 gave no answer" in run("show", MISSING).refused


def test_interrupt(server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C while a server keeps us waiting ends the command without a traceback."""
    server.script = [server.hang]
    monkeypatch.setenv("HH_API_URL", server.url)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    show = subprocess.Popen(
        [sys.executable, "-m", "honeytrace", "show", MISSING],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    server.wait(1)
    show.send_signal(signal.SIGINT)
    assert (*show.communicate(timeout=20), show.returncode) == ("", "", 130)
