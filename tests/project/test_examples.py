"""Every example runs as a program of its own, against real servers on loopback."""

from __future__ import annotations

import json
import os
import pathlib
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from shutil import which
from typing import Any

import pytest

EXAMPLES = pathlib.Path(__file__).resolve().parents[2] / "examples"
FOREIGN = re.compile(r"(HH|HONEYHIVE|HONEYTRACE|OPENAI)_|(HTTPS?|ALL)_PROXY$", re.IGNORECASE)
SENTENCE = "It hands out values one at a time."


@dataclass
class Server:
    """Answers each path with the status and the JSON it was told, and keeps what came."""

    url: str
    answers: dict[str, tuple[int, dict[str, Any]]]
    requests: list[tuple[str, str | None, dict[str, Any]]] = field(default_factory=list)


@pytest.fixture
def server() -> Iterator[Server]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            known.requests.append((self.path, self.headers["Authorization"], body))
            status, answer = known.answers.get(self.path, (404, {"message": "no such path"}))
            data = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        known = Server(f"http://127.0.0.1:{http.server_port}", {})
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield known
        http.shutdown()
        thread.join()


@pytest.fixture
def chat(server: Server) -> Server:
    """A server that speaks chat completions."""
    message = {"role": "assistant", "content": SENTENCE}
    usage = {"prompt_tokens": 90, "completion_tokens": 10, "total_tokens": 100}
    completion = {"model": "m-1", "choices": [{"index": 0, "message": message}], "usage": usage}
    server.answers["/v1/chat/completions"] = (200, completion)
    return server


@dataclass
class Run:
    """Runs an example from a directory outside the repository, unless told where to `start`."""

    home: pathlib.Path

    def __call__(
        self, example: str, *arguments: str, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        return self.python(str(EXAMPLES / example), *arguments, **environment)

    def python(
        self, *arguments: str, start: pathlib.Path | None = None, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        clean = {name: value for name, value in os.environ.items() if not FOREIGN.match(name)}
        clean |= {"HONEYTRACE_HOME": str(self.home / "store"), "PYTHONUTF8": "1"}
        return subprocess.run(
            [sys.executable, *arguments],
            env=clean | environment,
            cwd=start or self.home,
            capture_output=True,
            encoding="utf-8",
            timeout=60,
            check=False,
        )

    def with_model(self, server: Server, question: str) -> subprocess.CompletedProcess[str]:
        where = {"OPENAI_API_KEY": "sk-loopback", "OPENAI_BASE_URL": f"{server.url}/v1/"}
        return self("rag_pipeline.py", question, OPENAI_MODEL="m-1", **where)


@pytest.fixture
def run(tmp_path: pathlib.Path) -> Run:
    return Run(tmp_path)


def tree(output: str, root: str) -> list[str]:
    """The names in the tree that is printed last, each indented by two spaces a level."""
    shown = output[output.rindex(f"\n{root} ") :]
    found = re.findall(r"^([│├└─ ]*)(.+?) +[\d.]+ (?:µs|ms|s)  [━·]", shown, re.MULTILINE)
    return ["  " * (len(indent) // 3) + name for indent, name in found]


def one_line(text: str) -> str:
    return " ".join(text.split())


UNUSUAL = ("delivery/outage.py", "viewing/picture.py")


def programs() -> list[str]:
    """The paths of the examples, without their tests."""
    paths = {path.relative_to(EXAMPLES) for path in EXAMPLES.rglob("*.py")}
    return sorted(path.as_posix() for path in paths if not path.name.startswith("test_"))


@pytest.mark.parametrize("example", [path for path in programs() if path not in UNUSUAL])
def test_succeeds(run: Run, example: str) -> None:
    """Every example succeeds with nothing configured, and complains of nothing."""
    done = run(example)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("example", "root", "steps"),
    [
        ("chat", "ask", ["openai.chat.completions [model]"]),
        ("streaming", "answer [chain]", ["openai.chat.completions [model]"]),
        (
            "agent",
            "answer [agent]",
            [
                "openai.chat.completions [model]",
                "weather [tool]",
                "openai.chat.completions [model]",
            ],
        ),
    ],
)
def test_model_calls(run: Run, example: str, root: str, steps: list[str]) -> None:
    """The calls of a model are steps below the function that made them."""
    pytest.importorskip("openai")
    printed = run(f"model_calls/{example}.py").stdout
    assert tree(printed, root) == [root, *(f"  {step}" for step in steps)]


@pytest.mark.skipif(which("chromium") is None, reason="there is no Chromium to take a picture")
def test_picture(run: Run, tmp_path: pathlib.Path) -> None:
    """The picture in the README is made by a command."""
    pytest.importorskip("playwright", reason="Playwright is not installed")
    picture = tmp_path / "page.png"
    run("viewing/picture.py", str(picture))
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_quickstart(run: Run) -> None:
    """The smallest program prints its result and then both sessions."""
    output = run("quickstart.py").stdout
    assert output.startswith("Bonjour, Ada!\n")
    assert tree(output, "Welcome") == ["Welcome", "  greeting"]


def test_async_app(run: Run) -> None:
    """Coroutines run at once are the children of one session, in start order, errors included."""
    output = run("tracing/async_app.py").stdout
    assert output.startswith("['Cosmos', 'Emma', 'Ulysses']\n")
    assert tree(output, "Library") == ["Library", "  search", "  search", "  search", "  merge"]
    assert output.count("KeyError: 'poetry'") == 1


def test_sign_up(run: Run) -> None:
    """Neither the password nor the e-mail address is in what is read back."""
    assert run("redaction/sign_up.py").stdout.splitlines() == [
        "{'email': '[an e-mail address]', 'password': '[REDACTED:password]'}",
        "{'email': '[an e-mail address]', 'strong': True}",
    ]


def test_outage(run: Run) -> None:
    """A session that meets a server that is down is on disk, and delivered when it is up."""
    done = run("delivery/outage.py")
    assert done.stdout.splitlines() == [
        "The server is down: 0 delivered, 1 on disk.",
        "The server is up: 1 delivered, 0 on disk.",
    ]
    assert done.returncode == 0


def test_outage_is_logged(run: Run) -> None:
    """The beginning and the end of the outage are logged once each."""
    began, ended = run("delivery/outage.py").stderr.splitlines()
    assert began.startswith("honeytrace: sessions wait to be sent again (ConnectError")
    assert re.search(r" at http://127\.0\.0\.1:\d+\); if this lasts, check server_url$", began)
    assert ended == "honeytrace: sessions are delivered again"


@pytest.mark.parametrize(
    ("question", "words", "source"),
    [
        ("what does yield do?", "to create a generator function", "[yield: "),
        ("How does the with statement work?", "defined by a context manager", "[with: "),
        ("what is a lambda", "are used to create anonymous functions", "[lambda: "),
        ("how are default arguments evaluated?", "evaluated from left to right", "[function: "),
        ("what is a descriptor?", "is an object attribute with", "[attribute-access: "),
        ("what does nonlocal do?", "causes the listed identifiers to refer", "[nonlocal: "),
        ("what does str.join do?", "concatenation of the strings", "[string-methods: "),
        ("what is a context manager?", "defines the runtime context", "[context-managers: "),
    ],
)
def test_rag_answers(run: Run, question: str, words: str, source: str) -> None:
    """Without a model the answer is quoted from the passage of the manual that explains it."""
    output = one_line(run("rag_pipeline.py", question).stdout)
    assert words in output
    assert source in output


def test_rag_default_question(run: Run) -> None:
    """Without an argument the pipeline answers a question of its own."""
    assert 'A "yield" statement is' in run("rag_pipeline.py").stdout


def test_rag_words_of_a_question(run: Run) -> None:
    """A question that the shell has split into words is one question."""
    assert "[nonlocal: " in run("rag_pipeline.py", "what", "does", "nonlocal", "do").stdout


def test_rag_tree(run: Run) -> None:
    """The steps are printed below the pipeline, in the order and depth in which they ran."""
    output = run("rag_pipeline.py", "what is a lambda?").stdout
    steps = ["RAG pipeline", "  retrieve", "    search", "    rerank", "  answer"]
    assert tree(output, "RAG pipeline") == steps


@pytest.mark.parametrize("question", ["", "  \n"])
def test_rag_empty_question(run: Run, question: str) -> None:
    """An empty question ends with a sentence and exit code 2."""
    done = run("rag_pipeline.py", question)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("The question is empty: ask one")


@pytest.mark.parametrize("question", ["Where do zebras sleep?", "???", "今日は"])
def test_rag_finds_nothing(run: Run, question: str) -> None:
    """A question that no passage has a word of is answered with just that."""
    done = run("rag_pipeline.py", question)
    assert done.returncode == 0
    assert done.stdout.startswith("The manual has nothing on that.\n")


def test_rag_model(run: Run, chat: Server) -> None:
    """With a model configured, its answer is printed, and its call is the innermost session."""
    output = run.with_model(chat, "what does yield do?").stdout
    assert output.startswith(SENTENCE + "\n")
    assert tree(output, "RAG pipeline")[-2:] == ["  answer", "    chat"]


def test_rag_asks_the_model(run: Run, chat: Server) -> None:
    """The model gets the question and the passages, with the key and model that are set."""
    run.with_model(chat, "what does yield do?")
    [(_, authorization, body)] = chat.requests
    assert (authorization, body["model"]) == ("Bearer sk-loopback", "m-1")
    assert body["messages"][-1] == {"role": "user", "content": "what does yield do?"}
    assert "definition to create a generator function" in one_line(body["messages"][0]["content"])


def test_rag_model_fails(run: Run, chat: Server) -> None:
    """A failing model surfaces as its own error, and the tree shows where it happened."""
    chat.answers["/v1/chat/completions"] = (500, {"error": {"message": "overloaded"}})
    done = run.with_model(chat, "what does yield do?")
    assert done.returncode == 1
    assert "httpx.HTTPStatusError: Server error '500" in done.stderr
    assert done.stdout.count("✗ HTTPStatusError: Server error '500") == 3
    assert done.stdout.count("For more information check: https://") == 1  # the whole message


def test_rag_untraced(run: Run) -> None:
    """With tracing switched off there is the answer and no tree."""
    done = run("rag_pipeline.py", "what is a lambda?", HONEYTRACE_ENABLED="false")
    assert done.stdout.endswith("[lambda: Lambdas]\n\n")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.fixture
def sent(run: Run, server: Server) -> dict[str, dict[str, Any]]:
    """The sessions that a server gets of one question, by their names."""
    server.answers["/session/start"] = (200, {"session_id": "00000000-0000-4000-8000-000000000000"})
    where = {"HH_API_KEY": "hh-loopback", "HH_API_URL": server.url}
    done = run("rag_pipeline.py", "what is a lambda?", **where)
    assert f"\n5 of 5 sessions went to {server.url}.\n" in done.stdout
    sessions = [body["session"] for _, _, body in server.requests]
    return {session["session_name"]: session for session in sessions}


def test_rag_sends(sent: dict[str, dict[str, Any]]) -> None:
    """With a key set, every session of the pipeline goes to the server."""
    assert set(sent) == {"RAG pipeline", "retrieve", "search", "rerank", "answer"}


def test_rag_nesting(sent: dict[str, dict[str, Any]]) -> None:
    """A session names the sessions that were started directly inside it."""
    children = [sent[name]["session_id"] for name in ("retrieve", "answer")]
    assert sent["RAG pipeline"]["children_ids"] == children


def test_rag_session(sent: dict[str, dict[str, Any]]) -> None:
    """The pipeline's session has the question, the sources and the number of hits."""
    pipeline = sent["RAG pipeline"]
    assert pipeline["inputs"] == {"question": "what is a lambda?"}
    assert pipeline["outputs"]["sources"] == ["lambda: Lambdas"]
    assert pipeline["metrics"] == {"hits": 1}


def test_rag_config(sent: dict[str, dict[str, Any]]) -> None:
    """The parameters of a step are in its config."""
    assert (sent["retrieve"]["config"], sent["search"]["config"]) == ({"k": 2}, {"k": 20})


@pytest.mark.parametrize(
    ("start", "argument"),
    [
        (EXAMPLES.parent, "examples"),
        (EXAMPLES.parent, "examples/testing"),
        (EXAMPLES.parent, "examples/testing/test_rag_pipeline.py"),
        (EXAMPLES / "testing", "."),
    ],
)
def test_rag_tests(run: Run, server: Server, start: pathlib.Path, argument: str) -> None:
    """The pipeline's own tests pass from wherever they are started in a checkout. They send nothing
    to where a key would, and write nothing."""
    where = {"HH_API_KEY": "hh-loopback", "HH_API_URL": server.url}
    quiet = ("-W", "error", "-p", "no:cacheprovider")
    done = run.python("-B", "-m", "pytest", *quiet, argument, start=start, **where)
    assert done.returncode == 0, done.stdout
    assert server.requests == []
    assert not (run.home / "store").exists()
