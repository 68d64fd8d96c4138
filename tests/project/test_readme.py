"""README.md and the guides beside the examples: their code runs, their commands print what is shown
below them, and their links lead somewhere."""

from __future__ import annotations

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.util import find_spec

import pytest

import honeytrace

ROOT = pathlib.Path(__file__).resolve().parents[2]
README = ROOT / "README.md"
PAGES = [README, *sorted((ROOT / "examples").glob("[a-z]*/README.md"))]
TEXTS = {page: page.read_text(encoding="utf-8") for page in PAGES}
BIN = pathlib.Path(sys.executable).parent
FOREIGN = re.compile("(HH|HONEYHIVE|HONEYTRACE|OPENAI)_|PYTHONPATH$|VIRTUAL_ENV$")
OUTSIDE = {name: value for name, value in os.environ.items() if not FOREIGN.match(name)}
"""The environment before the tests took the proxies out, which pip may need."""
COPIED = ("pyproject.toml", "README.md", "LICENSE", "honeytrace", "tests", "examples")
NO_INDEX = re.compile(r"Retrying \(Retry\(|Could not fetch URL|NewConnectionError|ProxyError")
INSTALL = (
    "python3 -m venv .venv && . .venv/bin/activate && pip install . "
    "&& python examples/rag_pipeline.py"
)
DEVELOP = "pip install -e '.[dev]' && pytest"
OPTIONAL = ("fastapi", "joblib", "openai")
"""Packages that snippets use; without them these snippets are skipped."""


@dataclass(frozen=True)
class Block:
    line: int
    code: str


def blocks(text: str, kind: str) -> Iterator[Block]:
    """The fenced blocks of one kind on a page, with the line that each begins in."""
    for found in re.finditer(rf"^```{kind}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        yield Block(text.count("\n", 0, found.start()) + 1, found[1])


def programs(text: str) -> list[Block]:
    """The Python blocks of a page."""
    return list(blocks(text, "python"))


def on_pages(kind: str) -> list[object]:
    """The blocks of one kind on all pages, each with its page, as parameters of a test."""
    return [
        pytest.param(page, block, id=f"{page.relative_to(ROOT)} line {block.line}")
        for page, text in TEXTS.items()
        for block in blocks(text, kind)
    ]


def commands(block: str) -> list[tuple[str, str]]:
    """The commands of a console block, each with the output that is shown below it."""
    parts = re.split(r"^\$ (.*)\n", block, flags=re.MULTILINE)
    assert not parts[0], f"a console block begins with a command, not with {parts[0]!r}"
    return list(zip(parts[1::2], parts[2::2], strict=True))


def shell(
    command: str, cwd: pathlib.Path, path: pathlib.Path, environment: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    """Run a command as a reader would, the programs of `path` first; stderr is in the output."""
    return subprocess.run(
        command,
        shell=True,
        cwd=cwd,
        env={**environment, "PATH": f"{path}{os.pathsep}{environment['PATH']}", "PYTHONUTF8": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        timeout=600,
        check=False,
    )


@pytest.fixture
def copy(tmp_path: pathlib.Path) -> pathlib.Path:
    """A copy of the repository."""
    root = tmp_path / "repository"
    root.mkdir()
    for name in COPIED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, root / name)
    return root


# ---- Output as a page shows it: ids, times and durations differ from run to run

VARYING = re.compile(
    r"(?P<any>…)"
    r"|\b(?P<id>[0-9a-f]{8})(?P<rest>(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})?\b"
    r"|(?P<time>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)"
    r"|(?P<duration> *\b[\d.]+ (?:µs|ms|s)\b)"
    r"|(?P<bar>[━·]+)"
)
EXPRESSIONS = {
    "any": ".*",
    "time": r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d",
    "duration": r" *\b[\d.]+ (?:µs|ms|s)\b",
    "bar": "[━·]+",
}


def expression(line: str, ids: dict[str, str]) -> str:
    """A regular expression for a line that is shown; `ids` has one for each id that is known."""
    found, end = "", 0
    for varying in VARYING.finditer(line):
        found += re.escape(line[end : varying.start()])
        end = varying.end()
        if shown := varying["id"]:
            found += ids.get(shown, f"(?P<id_{shown}>[0-9a-f]{{8}})")
            found += r"(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}" if varying["rest"] else ""
            ids.setdefault(shown, f"(?P=id_{shown})")
        else:
            found += EXPRESSIONS[varying.lastgroup]
    return found + re.escape(line[end:])


def matches(shown: str, output: str, ids: dict[str, str] | None = None) -> bool:
    """Return whether the output is as shown, where `…` is anything in a line.

    A line of `…` alone is any number of lines. Ids of sessions, times and durations may differ, but
    an id that is shown twice has to be the same one. `ids` maps shown ids to those of this run.
    """
    ids = {} if ids is None else ids
    known = dict(ids)
    lines = [
        r"(.*\n)*" if line == "…" else expression(line, known) + r"\s*?\n"
        for line in shown.splitlines()
    ]
    found = re.fullmatch("".join(lines), output)
    if found:
        ids |= {name.removeprefix("id_"): value for name, value in found.groupdict().items()}
    return found is not None


@pytest.mark.parametrize(
    ("shown", "output", "match"),
    [
        ("one\ntwo\n", "one\ntwo\n", True),
        ("one\n", "one\ntwo\n", False),
        ("one\n…\n", "one\ntwo\nthree\n", True),
        ("one\n…\nthree\n", "one\ntwo\n", False),
        ("…\nthree\n", "one\ntwo\nthree\n", True),
        ("a  …  c…\n", "a  1.5 ms  c (d)\n", True),
        ("a  …  c\n", "a  1.5 ms  d\n", False),
        ("…\n", "", True),
        ("", "one\n", False),
        ("a  12.5 ms  b\n", "a  7 µs  b\n", True),
        ("a  12.5 ms  b\n", "a  b\n", False),
        ("2026-01-01 00:00:00  a\n", "2030-12-31 10:20:30  a\n", True),
        ("01234567  a\n01234567  b\n", "89abcdef  a\n89abcdef  b\n", True),
        ("01234567  a\n01234567  b\n", "89abcdef  a\nfedcba98  b\n", False),
    ],
)
def test_matches(shown: str, output: str, match: bool) -> None:
    """The whole output has to be shown, except for what differs and what an ellipsis stands for."""
    assert matches(shown, output) is match


# ---- The code


def after_tools(last: dict[str, object]) -> dict[str, object]:
    """What a model with a tool for the weather says after a message: it asks, then it answers."""
    if last["role"] == "tool":
        return {"role": "assistant", "content": last["content"]}
    asked = {"name": "weather", "arguments": '{"city": "Paris"}'}
    call = {"id": "call_1", "type": "function", "function": asked}
    return {"role": "assistant", "content": None, "tool_calls": [call]}


def completion(request: object) -> tuple[int, dict[str, str], object]:
    """An answer as a chat model of OpenAI gives it, at once or in chunks."""
    words, usage = ["A yield ", "makes a ", "generator."], {"prompt_tokens": 12, "total_tokens": 19}
    usage["completion_tokens"] = 7
    about = {"id": "c-1", "created": 1, "model": "gpt-4o-mini", "usage": None}
    if not request.json.get("stream"):
        message = {"role": "assistant", "content": "".join(words)}
        if "tools" in request.json:
            message = after_tools(request.json["messages"][-1])
        choice = {"index": 0, "finish_reason": "stop", "message": message}
        whole = {**about, "object": "chat.completion", "choices": [choice], "usage": usage}
        return 200, {}, json.dumps(whole).encode()
    about["object"] = "chat.completion.chunk"
    deltas = [{"role": "assistant"}, *({"content": word} for word in words)]
    chunks = [{**about, "choices": [{"index": 0, "delta": delta}]} for delta in deltas]
    chunks += [{**about, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}]
    chunks += [{**about, "choices": [], "usage": usage}]
    events = [*map(json.dumps, chunks), "[DONE]"]
    sent = [f"data: {event}\n\n".encode() for event in events]
    return 200, {"Content-Type": "text/event-stream"}, (event for event in sent)


@pytest.fixture
def model(server, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model on this machine, for snippets with a client of OpenAI's."""
    server.script = completion
    monkeypatch.setenv("OPENAI_API_KEY", "sk-loopback")
    monkeypatch.setenv("OPENAI_BASE_URL", f"{server.url}/v1/")


@pytest.mark.parametrize(("page", "program"), on_pages("python"))
def test_program(page: pathlib.Path, program: Block, tmp_path: pathlib.Path, model: None) -> None:
    """Every Python block succeeds with nothing configured, as a program or, if it has tests, as a
    suite. A `print` at the margin prints what a comment behind it says."""
    used = set(re.findall(r"^(?:from|import) (\w+)", program.code, re.MULTILINE))
    if missing := [name for name in used.intersection(OPTIONAL) if find_spec(name) is None]:
        pytest.skip(f"{missing[0]} is not installed")
    runs = ["-c", program.code]
    if re.search("^(async )?def test_", program.code, re.MULTILINE):
        (tmp_path / "test_page.py").write_text(program.code, encoding="utf-8")
        runs = ["-m", "pytest", "-p", "no:asyncio", "test_page.py"]
    done = subprocess.run(
        [sys.executable, *runs],
        cwd=tmp_path,
        env={**os.environ, "PYTHONUTF8": "1"},
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    if said := re.findall(r"^print\(.*\)  # (.+)$", program.code, re.MULTILINE):
        assert matches("\n".join(said), done.stdout), done.stdout


def test_example_comes_early() -> None:
    """A working example begins within the first 30 lines."""
    assert programs(TEXTS[README])[0].line <= 30


@pytest.mark.skipif(not (BIN / "honeytrace").exists(), reason="the package is not installed")
@pytest.mark.parametrize(("page", "block"), on_pages("console"))
def test_console(page: pathlib.Path, block: Block, copy: pathlib.Path) -> None:
    """Every command of a console block succeeds and prints what is shown below it.

    A program that is not in the repository is the last one on the page above the block.
    """
    ids: dict[str, str] = {}
    above = [each.code for each in programs(TEXTS[page]) if each.line < block.line]
    for command, shown in commands(block.code):
        program = re.fullmatch(r"python (\w+\.py)", command)
        if program and not (copy / program[1]).exists():
            (copy / program[1]).write_text(above[-1], encoding="utf-8")
        done = shell(expand(command, ids), copy, BIN, os.environ)
        assert done.returncode == 0, done.stdout
        assert matches(shown, done.stdout, ids), f"$ {command}\n{done.stdout}\nis not\n{shown}"


def expand(command: str, ids: Mapping[str, str]) -> str:
    """The command with the ids of this run."""
    return re.sub(r"\b[0-9a-f]{8}\b", lambda found: ids[found[0]], command)


# ---- The two commands


def test_commands() -> None:
    """The README has two commands for the shell: to install and run, and to install and test."""
    assert [block.code.strip() for block in blocks(TEXTS[README], "sh")] == [INSTALL, DEVELOP]


def test_install(copy: pathlib.Path, tmp_path: pathlib.Path) -> None:
    """The first of them works on a fresh machine; this run is the second."""
    environment = {**OUTSIDE, "HONEYTRACE_HOME": str(tmp_path / "home")}
    done = shell(INSTALL, copy, BIN, environment)
    if done.returncode and NO_INDEX.search(done.stdout):
        pytest.skip("pip cannot reach the package index")
    assert done.returncode == 0, done.stdout
    assert "Successfully installed " in done.stdout
    assert "\nRAG pipeline  " in done.stdout
    assert (copy / ".venv" / "bin" / "honeytrace").exists()


# ---- Links and names


def anchors(page: pathlib.Path) -> set[str]:
    """The anchors of the headings, as GitHub makes them."""
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize(
    ("page", "link"),
    [(page, link) for page in PAGES for link in re.findall(r"\]\((?!\w+:)(\S+)\)", TEXTS[page])],
    ids=lambda value: str(value.relative_to(ROOT)) if isinstance(value, pathlib.Path) else value,
)
def test_link(page: pathlib.Path, link: str) -> None:
    """Every relative link leads to a file, and to a heading in it."""
    path, _, anchor = link.partition("#")
    target = page.parent / path if path else page
    assert target.exists()
    assert not anchor or anchor in anchors(target)


def test_guides_are_linked() -> None:
    """The README links to every guide."""
    linked = {(ROOT / link).resolve() for link in re.findall(r"\]\(([^)#\s]+)", TEXTS[README])}
    assert set(PAGES) - {README} <= linked


@pytest.mark.parametrize("name", [name for name in honeytrace.__all__ if name[0] != "_"])
def test_name(name: str) -> None:
    """Every public name is on one of the pages."""
    assert any(re.search(rf"\b{name}\b", text) for text in TEXTS.values())
