"""The command `honeytrace`, by its front door: `main`, and real processes."""

from __future__ import annotations

import importlib
import io
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout, suppress
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
import traced_module

import honeytrace
from honeytrace import Client, SDKError
from honeytrace._utils.paths import store_path
from honeytrace.cli import _sessions
from honeytrace.cli._main import main
from honeytrace.local import Store

SCRIPT = pathlib.Path(sys.executable).with_name("honeytrace")
FULL = pathlib.Path("/dev/full")
COMMANDS = ["ls", "show", "tail", "export", "import", "push", "prune", "serve", "resend", "doctor"]
MISSING = "6a1f2ad5-0d4c-4a5d-8f5c-1f0c39d4ab55"


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
        assert self.process.stdout
        out = self.process.stdout.read()  # `communicate` would miss what is in its buffer
        _, err = self.process.communicate(timeout=20)
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


@pytest.mark.parametrize("command", list(COMMANDS))
def test_help(run: Run, command: str) -> None:
    """The help names every command, and each has its own."""
    assert re.search(rf"^ +{command} ", run("--help").out, re.MULTILINE)
    assert run(command, "--help").out.startswith(f"usage: honeytrace {command} ")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "COMMAND; see `honeytrace --help`"),
        (["tell"], "invalid choice: 'tell'"),
        (["search", "x"], "'search' is not a command; use `honeytrace ls WORDS`; see `honeytrace"),
        (["stats"], "'stats' is not a command; use `honeytrace serve` and its page Statistics"),
        (["serve", "--hots", "1"], "arguments: --hots 1; see `honeytrace serve --help`"),
        (["ls", "--nonsense"], "unrecognized arguments: --nonsense"),
        (["ls", "-n", "0"], "'0' is not a number of sessions; use 1 or more; see `honeytrace ls"),
        (["ls", "-n", "x"], "'x' is not a number of sessions"),
        (["ls", "-n", "9" * 30], "is not a number of sessions"),
        (["ls", "--home", " "], "home cannot be ' ': give a string that is not empty"),
        (["show"], "there are no sessions in "),
        (["ls", "nam:x"], "'nam:x' is not a condition; did you mean 'name:'?"),
        (["tail", "--since", "someday"], "'since:someday' is not a time; use 1h, 30d, today"),
        (["export", "--cost", "cheap"], "'cost:cheap' needs an amount in dollars"),
        (["prune"], "the following arguments are required: --older-than"),
        (["prune", "--older-than", "30"], "'30' is not a time for --older-than; use 500ms"),
        (["push"], "there is no server to push to; set HH_API_KEY, or HH_API_URL"),
        (["import", "/no/such/file"], "'/no/such/file' cannot be read (No such file or directory)"),
        (["show", ""], "there is no session ''"),
        (["show", MISSING], "`honeytrace ls` lists them"),
        (["show", "../../etc/passwd"], "there is no session '../../etc/passwd'"),
        (["export", "6a"], "there is no session '6a'"),
        (["export", "--pytest"], "--pytest needs sessions to make tests from; give their ids"),
        (["export", "--pytest", "6a"], "there is no session '6a'"),
        (["serve", "--port", "70000"], "invalid port '70000'; use 0–65535"),
        (["serve", "--port", "http"], "invalid port 'http'"),
        (["serve", "--host", "192.0.2.1", "--port", "0"], "cannot listen on host '192.0.2.1'"),
        (["serve", "--token", ""], "the token is ''; give one that is not empty"),
    ],
)
def test_bad_input(run: Run, arguments: list[str], words: str) -> None:
    """An impossible request ends with exit code 2 and one sentence that says what to do."""
    assert words in run(*arguments).refused


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
        """A file that is not a database is left unchanged."""
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


def test_ls_missing(run: Run, home: pathlib.Path) -> None:
    """Without a store there are no sessions, and looking for them does not create it."""
    assert run("ls") == Ran(0, f"No sessions in {home}/sessions.db yet.\n", "")
    assert not home.exists()


def test_ls_orphans(run: Run, home: pathlib.Path) -> None:
    """Steps whose outermost call is not recorded are hidden, but not forgotten."""
    keep("step", **below(MISSING))
    words = "of calls that are still running or were killed: honeytrace ls --all\n"
    assert run("ls").out == f"All sessions in {home}/sessions.db are steps {words}"
    root = keep("whole")
    keep("child", **below(root))
    assert run("ls").out.endswith(f"  whole\n1 step {words}")
    keep("second", **below(MISSING))
    assert run("ls").out.endswith(f"\n2 steps {words}")
    for more in (["--all"], ["step"], ["--json"]):
        assert "killed" not in run("ls", *more).out


def test_ls_elsewhere(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """If sessions go to a server, the list says so, for it has only older ones, or none."""
    keep("old")
    monkeypatch.setenv("HH_API_URL", "http://127.0.0.1:9")
    words = "This is the store on this machine; new sessions go to http://127.0.0.1:9.\n"
    assert run("ls").out.endswith(f"  old\n{words}")
    assert run("ls", "name:x").out.endswith(f" matches 'name:x'.\n{words}")
    home = os.environ["HONEYTRACE_HOME"]
    assert run("ls", "--home", home).out.endswith("  old\n")


def test_ls_nothing_elsewhere(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """So it does if there are none here."""
    monkeypatch.setenv("HH_API_URL", "http://127.0.0.1:9")
    [first, second] = run("ls").out.splitlines()
    assert first.endswith("sessions.db yet.")
    assert second.endswith("new sessions go to http://127.0.0.1:9.")


@pytest.mark.parametrize(("chunks", "end"), [(3, " (stopped early)"), (0, " (not read)")])
def test_ls_streams(run: Run, chunks: int, end: str) -> None:
    """A stream that was not read to its end is marked; one that an error ended has that."""
    for name, completed, error in (("a", False, None), ("b", True, None), ("c", False, "E: x")):
        stream = {"honeytrace": {"stream": {"completed": completed}}}
        keep(name, metrics={"chunks": chunks}, metadata=stream, error=error)
    shown = [line.split("default  ")[1] for line in run("ls").out.splitlines()[1:]]
    assert sorted(shown) == [f"a{end}", "b", "c  ✗ E: x"]


def test_json_totals(run: Run) -> None:
    """JSON has the sums over the tree of a session, which its own metrics need not have."""
    root = keep("agent")
    used = {"prompt_tokens": 265, "completion_tokens": 40, "cost": 0.5}
    for _ in range(2):
        step = keep("chat", config={"model": "m"}, metrics=used, error="E: x", **below(root))
    sums = {"steps": 3, "failed": 2, "tokens_in": 530, "tokens_out": 80, "cost": 1.0}
    for shown in (run("show", root, "--json").out, run("ls", "--json").out):
        assert strict(shown)["totals"] == {**sums, "models": ["m"], "partial": False}
    assert strict(run("show", step, "--json").out)["totals"] is None


def test_ls_columns(run: Run) -> None:
    """The newest session comes first, and the columns stand one below the other."""
    told = {"inputs": {"q": "how?"}, "outputs": {"a": "by this"}}
    keep("first", start_time=1, duration=8.25, project="shop", **told)
    keep("second", start_time=2, duration=12_345, error="ValueError: boom\nmore")
    keep("third", start_time=3)
    assert [line[29:].strip() for line in run("ls").out.splitlines()] == [
        "DURATION  PROJECT  NAME",
        "default  third",
        "12.35 s  default  second  ✗ ValueError: boom",
        "8.2 ms  shop     first  how? → by this",
    ]


def test_ls_spent(run: Run) -> None:
    """Tokens and cost of a tree are listed, once, and if a step inside failed that is said."""
    used = {"prompt_tokens": 1200, "completion_tokens": 85, "cost": 0.004}
    root = keep("agent", start_time=2, metrics=used)
    keep("chat", start_time=3, metrics=used, **below(root))
    keep("tool", start_time=3, error="E: x", **below(root))
    keep("other", start_time=1)
    assert [line[29:].strip() for line in run("ls").out.splitlines()] == [
        "DURATION      TOKENS     COST  PROJECT  NAME",
        "1,200 → 85  $0.0040  default  agent (a step failed)",
        "default  other",
    ]
    assert "1,200 → 85  $0.0040  default  chat\n" in run("ls", "--all").out


def test_ls_extremes(run: Run) -> None:
    """Times and sums of any size leave the columns readable."""
    huge = {"prompt_tokens": 1e300, "completion_tokens": 1, "cost": 1e300}
    keep("huge", duration=1e308, start_time=-6e13, metrics=huge)
    line = run("ls").out.splitlines()[1]
    assert len(line) < 100
    assert re.search(r"  0068-\d\d-\d\d \d\d:\d\d:\d\d  2.78e\+301 h  ", line)


def test_ls_start(run: Run) -> None:
    """A session is listed with the beginning of its id and the local time of its start."""
    session_id = keep(start_time=1_700_000_000_000)
    pattern = rf"{session_id[:8]}  2023-11-1[45] \d\d:\d\d:\d\d  "
    assert re.match(pattern, run("ls").out.splitlines()[1])


@pytest.mark.parametrize("fields", [{"start_time": 1e300}, {"start_time": -1e17}])
def test_ls_no_time(run: Run, fields: dict[str, Any]) -> None:
    """A start that no calendar has costs its own column, not the list."""
    keep(**fields)
    assert re.search(r"  \? {18} +default  answer\n$", run("ls").out)


def test_ls_roots(run: Run, pipeline: str) -> None:
    """Sessions that started inside another are listed on demand."""
    assert "search" not in run("ls").out
    assert "search" in run("ls", "--all").out


@pytest.mark.parametrize(
    ("query", "inner"),
    [
        (["--kind", "session"], True),
        (["--name", "r"], True),
        (["--project", "default"], False),
        (["--since", "2000-01-01"], False),
        (["--project", "default", "--name", "r"], True),
    ],
)
def test_ls_steps(run: Run, pipeline: str, query: list[str], inner: bool) -> None:
    """Text and conditions about a step find sessions inside others, as on the page; where a
    session comes from and when it ran do not, unless `--all` is given."""
    assert ("search" in run("ls", *query).out) is inner
    assert "search" in run("ls", *query, "--all").out


def test_ls_count(run: Run) -> None:
    """`-n` limits the list, which has 20 lines otherwise."""
    for number in range(25):
        keep(f"call {number}", start_time=number)
    assert len(run("ls").out.splitlines()) == 21
    assert re.findall("call .*", run("ls", "-n", "2").out) == ["call 24", "call 23"]


def test_ls_similar_ids(run: Run) -> None:
    """As much of the ids is shown as tells them apart."""
    keep(session_id="01890000-0000-7000-8000-000000000001")
    keep(session_id="01890000-0001-7000-8000-000000000001")
    shown = [line.split()[0] for line in run("ls").out.splitlines()]
    assert shown == ["ID", "01890000-0001", "01890000-0000"]


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


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        (["--error"], ["broken"]),
        (["error", "--name", "a"], []),
        (["--slower", "1s"], ["two words"]),
        (["--cost", ">0.01"], ["broken"]),
        (["--tokens", ">=100", "--model", "gpt"], ["broken"]),
        (["two words"], ["two words"]),
        (["name:two words"], ["two words"]),
        (['"wo w"', "words"], []),
        (["--project", "shop", "--since", "1000w"], ["two words"]),
        (["feedback.rating=5"], ["broken"]),
        (["feedback.note=a b"], ["two words"]),
        (["--since", "today"], ["broken"]),
        (["since:yesterday"], ["broken"]),
    ],
)
def test_ls_query(run: Run, arguments: list[str], names: list[str]) -> None:
    """Words and options say which sessions to list, and all of them must hold."""
    spent = {"cost": 0.02, "prompt_tokens": 100}
    told = {"config": {"model": "gpt"}, "feedback": {"rating": 5}}
    keep("broken", error="ValueError", metrics=spent, start_time=time.time() * 1000, **told)
    noted = {"feedback": {"note": "a b"}, "start_time": 1_700_000_000_000}
    keep("two words", project="shop", duration=2000, **noted)
    shown = run("ls", *arguments).out.splitlines()
    assert [re.sub(r".*(default|shop) +", "", line).split("  ")[0] for line in shown[1:]] == names
    assert names or re.fullmatch("No session in .* matches '.*'.", shown[0])


def on_terminal(*arguments: str, **environment: str) -> list[str]:
    """Runs the command with a terminal as its output, and returns the lines of that."""
    main_end, end = os.openpty()
    try:
        process(*arguments, stdout=end, **environment)
        os.close(end)
        return os.read(main_end, 100_000).decode().split("\r\n")
    finally:
        os.close(main_end)


needs_terminal = pytest.mark.skipif(
    not hasattr(os, "openpty"), reason="this system has no terminals to make"
)


@needs_terminal
def test_ls_terminal() -> None:
    """On a terminal lines are as wide as it is, and errors red unless that is not wanted."""
    keep("broken", error="ValueError: " + "x" * 100)
    keep("n" * 100, metrics={"cost": 0.004})
    for extra, sign in (
        ({"TERM": "xterm"}, "\x1b[31m✗"),
        ({"TERM": "xterm", "NO_COLOR": "1"}, " ✗"),
        ({"TERM": "dumb"}, " ✗"),
    ):
        lines = on_terminal("ls", COLUMNS="70", **extra)
        assert any(sign in line for line in lines)
        bare = [re.sub("\x1b.*?m", "", line) for line in lines]
        assert max(map(len, bare)) == 70
        assert "COST" not in bare[0]


@needs_terminal
@pytest.mark.parametrize(
    ("width", "head"),
    [
        ("120", ["ID", "STARTED", "DURATION", "TOKENS", "COST", "PROJECT", "NAME"]),
        ("80", ["ID", "STARTED", "DURATION", "COST", "NAME"]),
        ("40", ["ID", "DURATION", "NAME"]),
    ],
)
def test_ls_narrow(width: str, head: list[str]) -> None:
    """The narrower the terminal, the fewer columns: the name always has room."""
    used = {"prompt_tokens": 1200, "completion_tokens": 85, "cost": 0.004}
    keep("answer", start_time=1_700_000_000_000, duration=1500, metrics=used)
    first, row, *_ = on_terminal("ls", COLUMNS=width)
    assert first.split() == head
    assert row.endswith("answer")
    assert ("2023" in row) == (width == "120")


@needs_terminal
def test_ls_narrow_marks() -> None:
    """A long name leaves room for the sign of an error, and for what became of a stream."""
    stopped = {"honeytrace": {"stream": {"completed": False}}}
    keep("openai.chat.completions.create", start_time=1, metadata=stopped, inputs={"q": "hi"})
    keep("openai.chat.completions.create", start_time=2, error="InternalServerError: boom")
    _, failed, unread, *_ = on_terminal("ls", COLUMNS="60", NO_COLOR="1")
    assert failed.endswith("  openai.chat…  ✗ InternalSe…")
    assert unread.endswith("  openai.chat.com… (not read)")


@needs_terminal
def test_show_narrow() -> None:
    """On a terminal no line of a tree is wider than it, and long texts go on in the next row."""
    text = "Seven words that go over several rows. "
    outputs = {"role": "assistant", "content": f"{text * 2}end"}
    step = keep(
        "step", error="E: " + "x" * 90, start_time=1, duration=1, inputs={"q": "長い文章" * 99}
    )
    keep("answer", start_time=1, duration=2, outputs=outputs, children_ids=[step])
    _, *lines = on_terminal("show", COLUMNS="40", NO_COLOR="1")
    assert lines[1:4] == [
        "│  out  assistant: Seven words that go",
        "│       over several rows. Seven words",
        "│       that go over several rows. end",
    ]
    assert lines[0] == "answer   2.0 ms  1.0 ms self"
    assert lines[4] == "└─ step  1.0 ms  ✗ E: xxxxxxxxxxxxxxxxx…"
    assert lines[5] == "      in   q: 長い文章長い文章長い文章長"
    assert lines[7] == "           章長い文章長い文章長い文章長…"


@needs_terminal
def test_show_terminal() -> None:
    """A wide terminal has room for bars, and `--full` cuts nothing."""
    keep("answer", start_time=1, duration=2, error="E: " + "x" * 90)
    assert "━" in on_terminal("show", COLUMNS="80")[1]
    assert "x" * 90 in on_terminal("show", "--full", COLUMNS="40")[1]


@pytest.mark.parametrize("flags", [(), ("--json",)])
def test_tail(flags: tuple[str, ...]) -> None:
    """`tail` prints the latest, then new ones as they come in, and Ctrl-C ends it in peace."""
    keep("before")
    keep("other")
    signal.signal(signal.SIGINT, signal.default_int_handler)
    tail = subprocess.Popen(
        [sys.executable, "-m", "honeytrace", "tail", "name:be", *flags],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )
    assert tail.stdout
    if not flags:
        assert tail.stdout.readline().split()[:3] == ["ID", "STARTED", "DURATION"]
    assert "before" in tail.stdout.readline()
    keep("other")
    keep("before long")
    assert "before long" in tail.stdout.readline()
    store = Store(store_path(pathlib.Path(os.environ["HONEYTRACE_HOME"])))
    assert sum(store.prune(0)) == 4
    keep("begin")  # a session of an emptied store is new, though its number is not
    assert "begin" in tail.stdout.readline()
    tail.send_signal(signal.SIGINT)
    assert (*tail.communicate(timeout=20), tail.returncode) == ("", "", 0)


def test_tail_columns(run: Run) -> None:
    """Later rows stand below the header, though they have what earlier ones have not."""
    printed = io.StringIO()
    store = Store(store_path(pathlib.Path(os.environ["HONEYTRACE_HOME"])))
    keep("a", start_time=1_700_000_000_000, duration=5)
    used = {"prompt_tokens": 1200, "completion_tokens": 85, "cost": 0.004}
    with redirect_stdout(printed):
        _sessions._print_found(store, store.search(), as_json=False, header=True)
        keep("b", start_time=1_700_000_000_001, duration=5, metrics=used)
        _sessions._print_found(store, store.search(limit=1), as_json=False)
    head, first, second = printed.getvalue().splitlines()
    assert head.index("NAME") == first.rindex("a") == second.rindex("b")
    assert "1,200 → 85    $0.0040  default" in second


def test_ls_home(run: Run, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`--home` comes before the environment."""
    keep("kept elsewhere")
    elsewhere = os.environ["HONEYTRACE_HOME"]
    monkeypatch.setenv("HONEYTRACE_HOME", str(tmp_path / "other"))
    assert "kept elsewhere" in run("ls", "--home", elsewhere).out


def test_show(run: Run, pipeline: str) -> None:
    """A session is shown as a tree with durations and the first line of errors."""
    assert run("show", pipeline).out.splitlines() == [
        f"{pipeline}  4 steps, 1 failed",
        "RAG pipeline  9.01 s  7.76 s self",
        "├─ retrieve   1.25 s  1.25 s self",
        "│  └─ search  1.4 ms",
        "└─ answer     175 µs  ✗ KeyError: 'model'",
        "      err  KeyError: 'model'",
        "           second line",
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


def test_show_deleted(run: Run, pipeline: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A session that another process deletes just now is refused like an unknown one."""
    monkeypatch.setattr(Store, "get", lambda store, session_id: None)
    assert f"the session {pipeline!r} was deleted a moment ago" in run("show", pipeline).refused


def test_show_missing(run: Run, home: pathlib.Path) -> None:
    """Without a store nothing is found, and looking does not make one."""
    assert run("show", "6a").refused
    assert not home.exists()


def test_show_words(run: Run) -> None:
    """A name with spaces needs no quotes."""
    session_id = keep("RAG pipeline")
    assert run("show", "RAG", "pipeline").out.startswith(session_id)


def test_show_json(run: Run) -> None:
    """`--json` prints the whole session under the names that a session has in Python."""
    session_id = keep("Frage", inputs={"q": "wie groß? 🍯"}, metrics={"hits": 3}, duration=1.5)
    shown = strict(run("show", session_id, "--json").out)
    assert (shown["session_name"], shown["inputs"]) == ("Frage", {"q": "wie groß? 🍯"})
    assert (shown["metrics"], shown["duration"]) == ({"hits": 3}, 1.5)
    assert strict(run("show", session_id, "--format", "json").out) == shown


def test_show_latest(run: Run) -> None:
    """Without an id it is the latest root; a name stands for the latest of that name."""
    keep("answer", start_time=1, outputs={"result": "first"})
    keep("answer", start_time=2, outputs={"result": "second"})
    keep("answer more", start_time=3)
    keep("latest", start_time=4)
    keep("child", start_time=5, **below(MISSING))
    assert "latest" in run("show").out
    assert "second" in run("show", "answer").out


def test_step(run: Run) -> None:
    """`ls` and `show` name the kind of a step, and `kind:` finds it."""
    honeytrace.configure()  # so that the home of this test is read
    with honeytrace.trace_session("look up", step="tool"):
        pass
    with honeytrace.trace_session("other"):
        pass
    honeytrace.flush()
    assert run("ls", "kind:tool").out.splitlines()[1].endswith("look up [tool]")
    assert "look up [tool]" in run("show", "look up").out
    assert "other [" not in run("ls").out


def test_show_content(run: Run) -> None:
    """Below each step stands what went in and what came out, cut to a few lines."""
    messages = [
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": [{"type": "text", "text": "Who?"}]},
        {"role": "assistant", "content": None, "tool_calls": [CALLED, {"name": "b"}, "odd"]},
        {"role": "tool", "tool_call_id": "c-1", "content": "found\nit"},
    ]
    child = keep("model", inputs={"messages": messages}, metrics={"prompt_tokens": 1200})
    text = "\n".join(map(str, range(5)))
    root = keep(
        "answer",
        duration=10,
        start_time=1,
        inputs={"question": "Who?", "k": 3},
        outputs={"role": "assistant", "content": text},
        error="ValueError: a\nTraceback",
        children_ids=[child],
    )
    assert run("show", root).out.splitlines()[1:] == [
        "answer    10.0 ms  ━━━━━━━━━━━━━━━━  10.0 ms self  ✗ ValueError: a",
        "│  in   question: Who?",
        "│       k: 3",
        "│  out  assistant: 0",
        "│       1",
        "│       2",
        "│       … 2 more lines",
        "│  err  ValueError: a",
        "│       Traceback",
        "└─ model           1,200 tokens",
        "      in   … 3 earlier lines",
        "           ← found …",
        "           → b()",
        "           assistant: odd",
    ]
    full = run("show", root, "--full").out
    assert "      in   system: Be kind.\n           user: Who?\n           → search(q=1)\n" in full
    assert (
        "           ← found\n           it\n           → b()\n           assistant: odd\n" in full
    )
    assert "│       4\n│  err  ValueError: a\n│       Traceback\n" in full
    assert "question" not in run("show", root, "--no-content").out


def test_show_conversation_last(run: Run) -> None:
    """What was said last is shown, whatever arguments follow the conversation."""
    messages = [{"role": "user", "content": f"question {number}"} for number in range(5)]
    keep(inputs={"messages": messages, "model": "gpt-4o", "tools": None, "n": 1, "user": "u"})
    shown = [line.strip() for line in run("show").out.splitlines()[2:]]
    assert shown == [
        "in   … 6 earlier lines",
        *(f"user: question {number}" for number in (2, 3, 4)),
    ]


def test_show_errors(run: Run) -> None:
    """Below the innermost step that failed stands where and why; with --full, and in Markdown,
    all of it."""

    honeytrace.configure()  # an earlier test has left its own directory

    @honeytrace.trace_session
    def fail() -> None:
        try:
            raise KeyError("key")
        except KeyError as error:
            raise ValueError("boom") from error

    with suppress(ValueError), honeytrace.trace_session("outer"):
        fail()
    honeytrace.flush()
    lines = run("show").out.splitlines()[3:]
    assert [line.split(":")[0].strip() for line in lines] == [
        f"err  {__file__}",
        "caused by KeyError",
        __file__,
    ]
    assert run("show", "--full").out.count(__file__) == 5
    assert "caused by KeyError: 'key'" in run("show", "--format", "md").out


@pytest.mark.parametrize(
    ("exception", "lines"),
    [
        ([], []),
        ({"type": "E", "traceback": 1, "notes": ["note"]}, ["note"]),
        (
            {"exceptions": [{"type": "A", "message": "a"}, 1, {"type": "B", "message": "b"}]},
            ["exception 1: A: a", "exception 3: B: b"],
        ),
        (
            {"context": {"type": "C", "message": "c", "traceback": ["x.py:1 in f", "y\x1b"]}},
            ["while handling C: c", "y\\x1b"],
        ),
    ],
)
def test_show_foreign_errors(run: Run, exception: Any, lines: list[str]) -> None:
    """Details of an error that another program recorded are shown as far as they are known."""
    keep(error="E: x", metadata={"honeytrace": {"exception": exception}})
    shown = [line.strip().removeprefix("err  ") for line in run("show").out.splitlines()[2:]]
    assert shown == lines


def test_show_slowest(run: Run) -> None:
    """Above a tree with more than a few steps stands which took most of the time by itself."""
    times = {"fast": (0, 10), "slow": (10, 80), "next": (90, 5), "last": (95, 5)}
    inner = [keep(n, start_time=at, duration=ms) for n, (at, ms) in times.items()]
    root = keep("root", duration=100, start_time=0, children_ids=inner)
    assert run("show", root).out.startswith(f"{root}  5 steps, slowest slow 80.0 ms (80%)\n")
    outer = keep("outer", duration=10, start_time=0, children_ids=inner)
    assert ", slowest slow 80.0 ms\n" in run("show", outer).out


CALLED = {"id": "c-1", "function": {"name": "search", "arguments": '{"q": 1}'}}


@pytest.mark.parametrize(
    ("value", "lines"),
    [
        (
            {"choices": [{"message": {"role": "assistant", "content": "a\nb"}}]},
            ["assistant: a", "b"],
        ),
        ({"result": [{"text": "one", "score": 1}, {"text": "two"}]}, ["one", "two"]),
        ({"result": []}, ["[]"]),
        ({"a": {"b": [1]}, "c": "d"}, ['a: {"b":[1]}', "c: d"]),
        (
            {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:x"}}]},
            ["user: data:x"],
        ),
    ],
)
def test_show_outputs(run: Run, value: dict[str, Any], lines: list[str]) -> None:
    """An answer of a model is shown as its message, documents as their texts, the rest as JSON."""
    keep(outputs=value)
    shown = [line[8:] for line in run("show").out.splitlines()[2:]]
    assert shown == lines


def test_show_cost(run: Run) -> None:
    """A model call is shown with model, tokens and cost, and their sum stands at the top, without
    what an outer step repeats; in Markdown, too."""
    used = {"prompt_tokens": 1200, "completion_tokens": 85}
    first = keep("chat", config={"model": "gpt-4o"}, metrics={**used, "cost": 0.004})
    second = keep("chat", config={"model": "small"}, metrics={"prompt_tokens": 10})
    root = keep("agent", children_ids=[first, second], metrics={**used, "cost": 0.004})
    assert run("show", root).out.splitlines() == [
        f"{root}  3 steps, gpt-4o, small, 1,210 → 85 tokens, $0.0040",
        "agent    1,200 → 85 tokens, $0.0040",
        "├─ chat  gpt-4o  1,200 → 85 tokens, $0.0040",
        "└─ chat  small  10 tokens",
    ]
    assert run("show", first).out.startswith(f"{first}\nchat  gpt-4o")
    page = run("show", root, "--format", "md").out
    assert ", 3 steps, gpt-4o, small, 1,210 → 85 tokens, $0.0040" in page
    assert "├─ chat  gpt-4o  1,200 → 85 tokens, $0.0040\n" in page


def test_show_bar(run: Run) -> None:
    """A bar tells when a step ran, also if its clock says before or after the root; self time
    leaves out what ran below, side by side or not."""
    times = {"a": (1000, 50), "b": (1025, 50), "early": (0, 1), "late": (5000, 100)}
    children = [keep(n, start_time=at, duration=ms) for n, (at, ms) in times.items()]
    root = keep("root", start_time=1000, duration=100, children_ids=[*children, keep("none")])
    assert [line[10:] for line in run("show", root).out.splitlines()[1:]] == [
        "100.0 ms  ━━━━━━━━━━━━━━━━  25.0 ms self",
        " 50.0 ms  ━━━━━━━━········",
        " 50.0 ms  ····━━━━━━━━····",
        "  1.0 ms  ━···············",
        "100.0 ms  ···············━",
        "",
    ]


def test_show_bar_of_a_moment(run: Run) -> None:
    """A root that took almost no time has bars, too."""
    child = keep("child", start_time=5000, duration=1)
    root = keep("root", start_time=1000, duration=5e-324, children_ids=[child])
    bars = [line.split("  ")[-2:] for line in run("show", root, "--no-content").out.splitlines()]
    assert "···············━" in bars[2]


def test_show_unlisted_child(run: Run) -> None:
    """A child that knows its parent is shown, though the parent does not list it."""
    root = keep("root")
    keep("forked", **below(root))
    assert run("show", root).out.splitlines()[2:] == ["└─ forked"]


def test_show_markdown(run: Run) -> None:
    """`--format md` is one page to paste, and nothing in a session breaks out of it."""
    child = keep("step", outputs={"a": "```\nfenced\n````"})
    root = keep("*root*", error="boom", duration=5, inputs={"q": 1}, children_ids=[child, MISSING])
    page = run("show", root, "--format", "md").out
    assert page.startswith("# \\*root\\*\n\nproject default, source dev, started ")
    assert f"took 5.0 ms, session {root}, 2 steps, 1 failed\n" in page
    assert "\n\n```text\n*root*  5.0 ms  ✗ boom\n├─ step\n" in page
    assert '**Inputs**\n\n```json\n{\n  "q": 1\n}\n```\n' in page
    assert '`````json\n{\n  "a": "```\\nfenced\\n````"\n}\n`````\n' in page


def test_show_markdown_running(run: Run) -> None:
    """A session without a duration is shown without one."""
    page = run("show", keep("open", inputs={"q": 1}), "--format", "md").out
    assert "took" not in page


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
        "└─ loop  (see above)",
    ]


def test_show_step(run: Run) -> None:
    """A step says which session it is in, if that is stored: the way from `ls --error` to it."""
    root = keep("agent\x1b[31m")
    step = keep("step", metadata={"honeytrace": {"parent_id": root, "root_id": root}})
    [_, place, line] = run("show", step).out.splitlines()
    assert place == f"a step of agent\\x1b[31m, {root}"
    assert line.startswith("step")
    assert "a step of" not in run("show", root).out
    for elsewhere in (MISSING, 5):
        step = keep("step", metadata={"honeytrace": {"parent_id": root, "root_id": elsewhere}})
        assert "a step of" not in run("show", step).out


def test_show_lost_child(run: Run) -> None:
    """A child that is not stored stands in the tree by its id, whatever that is."""
    root = keep("root", children_ids=[MISSING, "no id\x1b[2J"])
    lines = run("show", root).out.splitlines()[2:]
    assert lines == [f"├─ {MISSING} (not stored)", r"└─ no id\x1b[2J (not stored)"]


HOSTILE = "a\x1b[31mb\nc\r\x9b2Jd\u202ee\x7f"


@pytest.mark.parametrize("command", ["ls", "show", "ls --json", "show --json"])
def test_control_characters(run: Run, command: str) -> None:
    """No control character of a stored session reaches the terminal."""
    session_id = keep(HOSTILE, project=HOSTILE, error=HOSTILE, inputs={HOSTILE: HOSTILE})
    name, *flags = command.split()
    shown = run(name, *([session_id] if name == "show" else []), *flags).out
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", shown)
    assert shown.count("\n") == (1 if flags else 2) or name == "show"


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
        "|- retrieve   1.25 s  1.25 s self",
        "|  `- search  1.4 ms",
        "`- answer     175 us  x KeyError: 'model'",
        "      err  KeyError: 'model'",
        "           second line",
    ]


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_ascii_json(encoding: str) -> None:
    """JSON stays the same JSON in an encoding that has not all of its characters."""
    inputs = {"q": "groß ✗ 🍯 今日は"}
    session_id = keep(inputs=inputs)
    shown = process("show", session_id, "--json", PYTHONIOENCODING=encoding)
    assert (strict(shown.out)["inputs"], shown.err) == (inputs, "")


def test_closed_pipe(pipeline: str) -> None:
    """A reader that goes away, such as `head`, is not an error."""
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


AS_TESTS = ("export", "--pytest", "--import", "traced_module")
PATH = filter(None, [os.environ.get("PYTHONPATH")])


def call(function: str, session_id: str) -> str:
    """Stores a session of a call of a function."""
    about = {"function": function, "kind": "function"}
    inputs = {"text": "grüße\x1b[2J"}
    return keep(session_id=session_id, inputs=inputs, metadata={"honeytrace": about})


def test_export_control_characters(run: Run) -> None:
    """Exported lines can be printed to a terminal, and lose nothing."""
    keep(HOSTILE, inputs={"q": HOSTILE})
    for extra in ((), ("--format", "perfetto")):
        shown = run("export", *extra).out
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", shown)
    assert strict(run("export").out)["inputs"] == {"q": HOSTILE}


def test_export(run: Run) -> None:
    """`export --pytest` writes a test for each id, once, with as much of the ids as tells them
    apart, in the order given."""
    one = call("traced_module.dedent", "6a1f2ad5-0d4c-4a5d-8f5c-1f0c39d4ab55")
    two = call("traced_module.dedent", "6a1f2ad5-0d4d-4a5d-8f5c-1f0c39d4ab55")
    ran = run(*AS_TESTS, two, one, one[:13])
    assert (ran.code, ran.err) == (0, "")
    names = re.findall("def (.*)\\(", ran.out)
    assert names == ["test_dedent_6a1f2ad5_0d4d", "test_dedent_6a1f2ad5_0d4c"]


@pytest.mark.parametrize(
    "path", ["os.system", "shutil.rmtree", "this.s", "traced_module.trace_session"]
)
@pytest.mark.parametrize("named", [(), ("--import", "traced_module"), ("--import", "os")])
def test_export_of_a_hostile_session(run: Run, path: str, named: tuple[str, ...]) -> None:
    """A function that is not traced, in a module that the user named, is not called; and no module
    is imported because a session names it."""
    sys.modules.pop("this", None)
    ran = run("export", "--pytest", call(path, str(uuid.uuid4())), *named)
    assert (ran.code, ran.out) == (1, "")
    assert re.search(f"calls {path}(; if that is yours, name its|, which is not traced)", ran.err)
    assert "this" not in sys.modules


def test_export_some(run: Run) -> None:
    """Sessions that cannot become tests are reported on stderr; the exit code is 1."""
    known = call("traced_module.dedent", str(uuid.uuid4()))
    block = keep("a\x1bblock")
    ran = run(*AS_TESTS, known[:8], block)
    assert (ran.code, ran.out.count("def test_")) == (1, 1)
    said = f"honeytrace: session 'a\\x1bblock' ({block}) is a block, not a call of a function"
    assert ran.err.startswith(said)
    assert run(*AS_TESTS, block).out == ""


def test_export_to_a_file(run: Run, tmp_path: pathlib.Path) -> None:
    """`-o` writes the file that stdout would get, and no file if there is nothing to write."""
    session_id = call("traced_module.dedent", str(uuid.uuid4()))
    block, file = keep("block"), tmp_path / "test_dedent.py"
    assert run("export", "--pytest", block, "-o", str(file)).code == 1
    assert not file.exists()
    for options in ([*AS_TESTS[1:], session_id], [session_id], ["--format", "perfetto"]):
        assert run("export", *options, "-o", str(file)) == Ran(0, "", "")
        assert file.read_text(encoding="utf-8") == run("export", *options).out
    ran = run("export", "-o", str(tmp_path / "absent" / "x"))
    assert (ran.code, "cannot be written" in ran.err) == (2, True)


def test_export_what_a_model_said(run: Run, tmp_path: pathlib.Path) -> None:
    """A call of an SDK leads to the function that made it, whose test asks the model again."""
    top, model = call("traced_module.dedent", str(uuid.uuid4())), str(uuid.uuid4())
    ours = {"kind": "function", "step": "model", "parent_id": top, "root_id": top}
    keep("openai.responses", session_id=model, metadata={"honeytrace": ours})
    ran = run("export", "--pytest", model[:8])
    assert (ran.code, ran.out) == (1, "")
    assert "is a call of OpenAI's SDK, which a test cannot repeat" in ran.err
    assert f"`honeytrace export --pytest {top}`" in ran.err
    assert "Calls the model again" in run(*AS_TESTS, top).out
    assert "Calls the model again" in run(*AS_TESTS, "--name", "=answer").out


def test_export_a_script(run: Run, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`--import` names the module of a script that was run."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ran_script.py").write_text(
        "import honeytrace\n@honeytrace.trace_session\ndef greet(text): ..."
    )
    session_id = call("__main__.greet", str(uuid.uuid4()))
    assert "use `--import ran_script`" in run("export", "--pytest", session_id).err
    written = run("export", "--pytest", session_id, "--import", "ran_script")
    assert "from ran_script import greet" in written.out


def test_export_encoding(run: Run) -> None:
    """The file is UTF-8, as Python reads it, wherever the output goes; control characters are
    spelled out."""
    session_id = call("traced_module.dedent", str(uuid.uuid4()))
    path = os.pathsep.join([str(pathlib.Path(traced_module.__file__).parent), *PATH])
    plain = {"PYTHONUTF8": "0", "PYTHONIOENCODING": "ascii", "PYTHONPATH": path}
    out = process(*AS_TESTS, session_id, **plain).out
    assert 'inputs = {"text": "grüße\\u001b[2J"}' in out


def test_export_import(run: Run, pipeline: str, home: pathlib.Path, tmp_path: pathlib.Path) -> None:
    """`import` reads back every field that `export` wrote, into any store."""
    old = str(uuid.uuid4())
    Store(store_path(home)).add({"session_id": old, "session_name": "old", "parent_id": MISSING})
    written = run("export").out
    file = tmp_path / "sessions.jsonl"
    file.write_text(f"\n{written}not json\n", encoding="utf-8")
    other = str(tmp_path / "other")
    ran = run("import", str(file), "--home", other)
    assert (ran.code, ran.out) == (1, f"Imported 5 sessions into {other}/sessions.db.\n")
    assert re.match("honeytrace: .*, line 7: it is not JSON .*; the line was left out\n", ran.err)
    assert sorted(run("export", "--home", other).out) == sorted(written)
    assert strict(run("show", old, "--json", "--home", other).out)["parent_id"] == MISSING


def test_import_stdin(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """`-` is the standard input, and a line of a spool's `rejected.jsonl` is taken, too."""
    fields = {"project": "p", "session_name": "refused", "source": "dev"}
    line = json.dumps({"answer": "status 400", "request": {"session": fields}})
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(line.encode())))
    assert run("import", "-").out.startswith("Imported 1 session into ")
    assert "refused" in run("ls").out


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("[]", "it is not a JSON object"),
        ('{"a": 1}', "it is not a session: it has neither a session_id nor a session_name"),
        ('{"session": {"session_id": 5}}', "session_id"),
    ],
)
def test_import_not_a_session(
    run: Run, monkeypatch: pytest.MonkeyPatch, line: str, words: str
) -> None:
    """JSON that is not a session is left out, with the reason."""
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(line.encode())))
    ran = run("import", "-")
    assert (ran.code, "Imported 0 sessions" in ran.out) == (1, True)
    assert re.fullmatch(f"honeytrace: stdin, line 1: .*{words}.*; the line was left out\n", ran.err)


def test_export_ids(run: Run, pipeline: str) -> None:
    """Everything below the ids is written, once."""
    keep("other")
    lines = run("export", pipeline, pipeline[:9]).out.splitlines()
    names = [strict(line)["session_name"] for line in lines]
    assert names == ["RAG pipeline", "retrieve", "search", "answer"]


def exported(ran: Ran) -> list[str]:
    return sorted(strict(line)["session_name"] for line in ran.out.splitlines())


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        (["name:retrieve"], ["retrieve", "search"]),
        (["--name", "RAG"], ["RAG pipeline", "answer", "retrieve", "search"]),
        (["error"], ["answer"]),
        (["meta.team=a b"], ["search"]),
        (["Berlin"], ["retrieve", "search"]),
        (["name:r"], ["RAG pipeline", "answer", "other", "retrieve", "search"]),
        (["Berlin", "name:retr"], ["retrieve", "search"]),
        (["search"], ["search"]),
        (["retrieve", "answer"], ["answer", "retrieve", "search"]),
    ],
)
def test_export_query(run: Run, arguments: list[str], names: list[str]) -> None:
    """`export` takes ids, names, or what `ls` takes; and writes everything inside what it found."""
    about = {"metadata": {"team": "a b", "honeytrace": {"parent_id": MISSING}}}
    search = keep("search", **about)
    retrieve = keep("retrieve", children_ids=[search], inputs={"q": "Berlin"}, **below(MISSING))
    answer = keep("answer", error="KeyError: 'model'")
    keep("RAG pipeline", children_ids=[retrieve, answer])
    keep("other")
    assert exported(run("export", *arguments)) == names


@pytest.mark.parametrize("kind", ["jsonl", "perfetto"])
@pytest.mark.parametrize("words", [["Berlin"], ["name:x"], ["error", "Berlin"]])
def test_export_nothing(run: Run, words: list[str], kind: str) -> None:
    """A query that nothing matches is refused: it may be an id with a typo."""
    keep("other")
    said = f"there is no session '{' '.join(words)}' in "
    assert said in run("export", "--format", kind, *words).refused
    assert run("export", "--name", "x") == Ran(0, "", "")


def test_export_ambiguous(run: Run) -> None:
    """The beginning of several ids is not searched for."""
    ids = [keep(session_id=f"abcdef00-0000-4000-8000-00000000000{n}") for n in (1, 2)]
    assert f"begins several ids ({ids[0]}, {ids[1]})" in run("export", "abc").refused


def test_export_tests_of_a_query(run: Run) -> None:
    """`--pytest` takes a query as well."""
    call("traced_module.dedent", str(uuid.uuid4()))
    assert run(*AS_TESTS, "grüße").out.count("def test_") == 1


def test_show_root_of_a_name(run: Run) -> None:
    """A name stands for the latest root of that name; for a step only if there is no such root."""
    root = keep("rec", start_time=1)
    step = keep("rec", start_time=2, **below(root))
    inner = keep("inner", start_time=3, **below(step))
    assert run("show", "rec").out.startswith(root)
    assert run("show", "inner").out.startswith(inner)


def test_export_lost_child(run: Run) -> None:
    """A child that is not stored is left out."""
    root = keep("root", children_ids=[MISSING])
    [line] = run("export", root).out.splitlines()
    assert strict(line)["session_name"] == "root"


def test_export_perfetto(run: Run) -> None:
    """`--format perfetto` is a trace of complete events, in microseconds, a track for each root."""
    about = {"honeytrace": {"root_id": MISSING}}
    keep("a", start_time=1000, duration=1.5, metadata=about)
    keep("b", start_time=1000, duration=2, inputs={"q": 1}, metadata=about)
    keep("c")
    events = strict(run("export", "--format", "perfetto").out)["traceEvents"]
    shown = {each["name"]: (each["ts"], each["dur"], each["ph"]) for each in events}
    assert (shown["a"], shown["b"]) == ((1_000_000, 1500, "X"), (1_000_000, 2000, "X"))
    tracks = {each["name"]: each["tid"] for each in events}
    assert tracks["a"] == tracks["b"] != tracks["c"]


def test_export_marked(run: Run, tmp_path: pathlib.Path) -> None:
    """`export --marked bad` writes what was marked on the page; `--pytest`, as tests."""
    session_id, other = keep("bad"), keep("good")
    store = Store(pathlib.Path(os.environ["HONEYTRACE_HOME"]) / "sessions.db")
    assert store.mark(session_id, "bad", "wrong")
    assert store.mark(other, "good")
    store.close()
    (line,) = run("export", "--marked", "bad").out.splitlines()
    assert json.loads(line)["feedback"] == {"mark": "bad", "note": "wrong"}
    assert "bad" in run("export", "--pytest", "--marked", "bad").err
    assert "invalid choice" in run("ls", "--marked", "ugly").refused


def test_prune(run: Run) -> None:
    """`prune` deletes what started before, and says how many."""
    keep("old", start_time=1_600_000_000_000)
    keep("new")
    assert run("prune", "--older-than", "30d").out == (
        "Deleted 1 session that started over 30d ago.\n"
    )
    assert "old" not in run("ls").out


def test_serve() -> None:
    """`serve` prints where it listens, takes a session, and SIGINT ends it in peace."""
    with serving() as server, Client(server_url=server.url) as client:
        session_id = send(client, "sent")
        assert client.get_session(session_id).session.session_name == "sent"
        ended = server.interrupt()
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.endswith("Stopped.\n")


def test_serve_stores(run: Run) -> None:
    """`ls` lists the sessions that a server took; the server prints its store and address."""
    with serving() as server, Client(server_url=server.url) as client:
        send(client, "sent")
    assert run("ls").out.endswith("  default  sent\n")
    home = os.environ["HONEYTRACE_HOME"]
    lines = [f"Sessions go to {home}/sessions.db.", f"To send them here: HH_API_URL={server.url}"]
    assert server.printed.splitlines() == lines


def test_serve_opens_a_browser(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`serve --open` hands the address of the page to the browser of the user."""
    opened = tmp_path / "opened"
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\necho "$1" > {opened}.part && mv {opened}.part {opened}\n')
    browser.chmod(0o755)
    monkeypatch.setenv("BROWSER", str(browser))
    with serving("--open", "--host", "0.0.0.0") as server:
        page = server.read(r"To look at them, open (\S+)\n")
        assert page == f"http://127.0.0.1:{server.port}"
        deadline = time.monotonic() + 20
        while not opened.exists():
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert opened.read_text() == f"{page}\n"


def test_serve_says_where_to_look(run: Run) -> None:
    """The address that `serve` prints shows the page."""
    with serving("--host", "::1") as server:
        page = server.read(r"To look at them, open (\S+)\n")
        answer = httpx.get(page, headers={"Accept": "text/html"})
    assert "No sessions yet" in answer.text


def test_serve_others() -> None:
    """A server that other machines can reach makes up a key, and answers nobody without it."""
    with serving("--host", "0.0.0.0") as server:
        server.read("To send them here: HH_API_URL=http://127.0.0.1:()")
        server.read("On other machines, write the name of this one instead of this address.()")
        key = server.read(r"HH_API_KEY=(\S{20,})\n")
        with Client(key, server.url) as known:
            session_id = send(known, "sent")
        with Client(server_url=server.url) as other, pytest.raises(SDKError, match="status 401"):
            other.get_session(session_id)


@pytest.mark.parametrize(
    ("options", "answered"),
    [
        ([], ["localhost", "127.0.0.1"]),
        (["--allow-host", "Box.lan"], ["localhost", "box.lan"]),
        (["--host", "LocalHost.localdomain", "--token", "k"], ["localhost.localdomain"]),
        (["--host", "0.0.0.0", "--token", "k"], ["box.lan", "192.0.2.7"]),
    ],
)
def test_serve_hosts(options: list[str], answered: list[str]) -> None:
    """Besides loopback names, it answers to the host that it listens on, and to allowed names;
    with a token to any if it listens on every address."""
    try:
        socket.getaddrinfo("localhost.localdomain", 0)
    except OSError:
        options = [option.replace("LocalHost.localdomain", "LocalHost") for option in options]
        answered = [name.replace(".localdomain", "") for name in answered]
    with serving(*options) as server:
        asked = [*answered, "evil.example", "evil.localhost"]
        found = {name: _status(server.url, name) for name in asked}
    refused = {name for name, status in found.items() if status == 421}
    assert refused == (set() if "0.0.0.0" in options else {"evil.example", "evil.localhost"})


def _status(url: str, host: str) -> int:
    return httpx.get(f"{url}/session/{MISSING}", headers={"Host": host}).status_code


def test_serve_token() -> None:
    """A token that was given is demanded on the loopback too, and is not printed."""
    with serving("--token", "s3cret-token") as server:
        with Client("s3cret-token", server.url) as known:
            send(known, "sent")
        with Client("other", server.url) as other, pytest.raises(SDKError, match="status 401"):
            send(other, "sent")
        printed = server.interrupt().out
        assert "have to set HH_API_KEY to the token." in printed
        assert "s3cret-token" not in printed


def test_read_only(
    run: Run, open_home: pathlib.Path, unwritable: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A store that cannot be written is listed and searched."""
    monkeypatch.setenv("HONEYTRACE_HOME", str(open_home))
    keep("answer", inputs={"q": "tea"})
    with unwritable(open_home):
        found = run("ls", "tea")
    assert (found.code, len(found.out.splitlines())) == (0, 2)
    assert found.err == "honeytrace: only the newest sessions were searched for text\n"


class Interrupted(io.StringIO):
    """An output where the user presses Ctrl-C as soon as it is flushed."""

    def flush(self) -> None:
        signal.raise_signal(signal.SIGINT)


def test_serve_read_only(
    open_home: pathlib.Path, unwritable: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such a store is served as well, and the command says so."""
    monkeypatch.setenv("HONEYTRACE_HOME", str(open_home))
    keep()
    printed = Interrupted()
    with unwritable(open_home), redirect_stdout(printed), suppress(SystemExit, KeyboardInterrupt):
        main(["serve", "--port", "0"])
    assert "The store can be read, but not written" in printed.getvalue()


def test_serve_busy_port() -> None:
    """A port that is taken is refused, and named."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        refused = process("serve", "--port", str(port)).refused
    assert f"cannot listen on host '127.0.0.1', port {port}" in refused


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
        f"{root}  2 steps",
        f"{'root':48}  3.0 ms  1.0 ms self",
        f"{'├─ child':48}  2.0 ms",
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
    session_id = call("traced_module.dedent", str(uuid.uuid4()))
    assert "from traced_module import dedent\n" in run(*AS_TESTS, session_id).out


def test_show_remote_unknown(run: Run, remote: str) -> None:
    """An id that the server does not know is refused, and so is a guess at the latest."""
    assert f"{remote} cannot tell which session is the latest" in run("show").refused
    assert f"there is no session '{MISSING}' at {remote}" in run("show", MISSING).refused


def test_show_remote_prefix(run: Run, remote: str) -> None:
    """A server wants the whole id."""
    words = f"'6a1f' is not a complete session id; {remote} needs all of it"
    assert words in run("show", "6a1f").refused


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
