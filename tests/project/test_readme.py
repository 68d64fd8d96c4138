"""README.md: its code runs, its commands print what it says, its links and names are there."""

from __future__ import annotations

import os
import pathlib
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import pytest

import honeytrace

ROOT = pathlib.Path(__file__).resolve().parents[2]
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
BIN = pathlib.Path(sys.executable).parent
FOREIGN = re.compile("(HH|HONEYHIVE|HONEYTRACE|OPENAI)_|PYTHONPATH$|VIRTUAL_ENV$")
OUTSIDE = {name: value for name, value in os.environ.items() if not FOREIGN.match(name)}
"""The environment as it was before the tests took the proxies out, which pip may need."""
COPIED = ("pyproject.toml", "README.md", "LICENSE", "honeytrace", "tests", "examples")
NO_INDEX = re.compile(r"Retrying \(Retry\(|Could not fetch URL|NewConnectionError|ProxyError")
INSTALL = "pip install . && python examples/rag_pipeline.py"
DEVELOP = "pip install -e '.[dev]' && pytest"


@dataclass(frozen=True)
class Block:
    kind: str
    line: int
    code: str


def blocks(text: str) -> Iterator[Block]:
    """The fenced blocks of a page, with the line that each begins in."""
    for found in re.finditer(r"^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        yield Block(found[1], text.count("\n", 0, found.start()) + 1, found[2])


def programs(text: str) -> list[Block]:
    """The Python blocks; one that begins with `# continued` goes with those before it."""
    found: list[Block] = []
    for block in blocks(text):
        if block.kind != "python":
            continue
        before = found[-1].code if block.code.startswith("# continued") else ""
        found.append(Block(block.kind, block.line, before + block.code))
    return found


def commands(block: str) -> list[tuple[str, str]]:
    """The commands of a console block, each with the output that is shown below it."""
    parts = re.split(r"^\$ (.*)\n", block, flags=re.MULTILINE)
    assert not parts[0], f"a console block begins with a command, not with {parts[0]!r}"
    return list(zip(parts[1::2], parts[2::2], strict=True))


def matches(shown: str, output: str) -> bool:
    """Whether this is the output that is shown, where `…` is anything in a line.

    A line of `…` alone is any number of lines.
    """
    lines = [
        r"(.*\n)*" if line == "…" else ".*".join(map(re.escape, line.split("…"))) + r"\s*?\n"
        for line in shown.splitlines()
    ]
    return re.fullmatch("".join(lines), output) is not None


def shell(
    command: str, cwd: pathlib.Path, path: pathlib.Path, environment: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    """Runs a command as a reader would, the programs of `path` first; stderr is in the output."""
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


# ---- The code


@pytest.mark.parametrize("program", programs(TEXT), ids=lambda block: f"line {block.line}")
def test_program(program: Block, tmp_path: pathlib.Path) -> None:
    """Every Python block succeeds with nothing configured, as a program or, if it has tests, as a
    suite."""
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


def test_example_comes_early() -> None:
    """A working example begins within the first 30 lines."""
    assert programs(TEXT)[0].line <= 30


@pytest.mark.skipif(not (BIN / "honeytrace").exists(), reason="the package is not installed")
@pytest.mark.parametrize(
    "block",
    [block for block in blocks(TEXT) if block.kind == "console"],
    ids=lambda block: f"line {block.line}",
)
def test_console(block: Block, copy: pathlib.Path) -> None:
    """Every command of a console block succeeds and prints what is shown below it."""
    for command, shown in commands(block.code):
        done = shell(command, copy, BIN, os.environ)
        assert done.returncode == 0, done.stdout
        assert matches(shown, done.stdout), f"$ {command}\n{done.stdout}\nis not\n{shown}"


@pytest.mark.parametrize(
    ("shown", "output", "match"),
    [
        ("one\ntwo\n", "one\ntwo\n", True),
        ("one\n", "one\ntwo\n", False),
        ("one\n…\n", "one\ntwo\nthree\n", True),
        ("one\n…\nthree\n", "one\ntwo\n", False),
        ("a  …  c…\n", "a  1.5 ms  c (d)\n", True),
        ("a  …  c\n", "a  1.5 ms  d\n", False),
        ("…\n", "", True),
        ("", "one\n", False),
    ],
)
def test_matches(shown: str, output: str, match: bool) -> None:
    """What is shown has to be the whole output, but for what an ellipsis stands for."""
    assert matches(shown, output) is match


# ---- The two commands


def test_commands() -> None:
    """The page has two commands for the shell: one to install and run, one to install and test."""
    assert [block.code.strip() for block in blocks(TEXT) if block.kind == "sh"] == [
        INSTALL,
        DEVELOP,
    ]


def test_install(copy: pathlib.Path, tmp_path: pathlib.Path) -> None:
    """The first of them works in a fresh virtual environment; this run is the second."""
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "venv"], check=True)
    environment = {**OUTSIDE, "HONEYTRACE_HOME": str(tmp_path / "home")}
    done = shell(INSTALL, copy, tmp_path / "venv" / "bin", environment)
    if done.returncode and NO_INDEX.search(done.stdout):
        pytest.skip("pip cannot reach the package index")
    assert done.returncode == 0, done.stdout
    assert "Successfully installed " in done.stdout
    assert "\nRAG pipeline  " in done.stdout


# ---- Links and names


@pytest.mark.parametrize("link", re.findall(r"\]\((?!\w+:|#)([^)#\s]+)", TEXT))
def test_link(link: str) -> None:
    """Every relative link leads to a file."""
    assert (ROOT / link).exists()


@pytest.mark.parametrize("name", [name for name in honeytrace.__all__ if name[0] != "_"])
def test_name(name: str) -> None:
    """Every public name is on the page."""
    assert re.search(rf"\b{name}\b", TEXT)
