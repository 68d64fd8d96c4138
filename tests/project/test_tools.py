"""The tools that watch over the code, and what is promised of the package as a whole."""

from __future__ import annotations

import ast
import importlib
import importlib.metadata
import os
import pathlib
import re
import subprocess
import sys
from collections.abc import Callable

import pytest
from test_readme import programs

import honeytrace

ROOT = pathlib.Path(__file__).resolve().parents[2]
BIN = pathlib.Path(sys.executable).parent
TYPES = sorted((ROOT / "tests" / "typing").glob("*.py"))
MYPY = ("mypy",)
PYRIGHT = ("pyright", "--pythonpath", sys.executable)
NOT_STRICT = """
# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-calls
# pyright: standard
"""
TOP = {"pyproject.toml", "README.md", "LICENSE", "honeytrace", "tests", "examples"}


def tool(*command: str | pathlib.Path) -> str:
    """Runs a tool from the root of the repository; fails with its words, or returns them."""
    done = subprocess.run(
        command,
        cwd=ROOT,
        # PYTHONPATH would decide which honeytrace is looked at, and coverage imports a lot.
        env={k: v for k, v in os.environ.items() if k != "PYTHONPATH" and "COVERAGE" not in k}
        | {"PYRIGHT_PYTHON_IGNORE_WARNINGS": "1"},  # otherwise it asks PyPI for a newer pyright
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
        check=False,
    )
    if done.returncode:
        pytest.fail(done.stdout, pytrace=False)
    return done.stdout


def test_ruff_check() -> None:
    """ruff finds nothing to complain of."""
    tool(sys.executable, "-m", "ruff", "check")


def test_ruff_format() -> None:
    """Every file is formatted as ruff does it."""
    tool(sys.executable, "-m", "ruff", "format", "--check")


@pytest.mark.parametrize("checker", [MYPY, PYRIGHT], ids=["mypy", "pyright"])
def test_types(checker: tuple[str, ...], tmp_path: pathlib.Path) -> None:
    """Both checkers accept tests/typing, the examples, and the snippets of README and guides.

    mypy also accepts the package. The snippets come second, since mypy then knows the package.
    """
    tool(sys.executable, "-m", *checker)
    for page in (ROOT / "README.md", *(ROOT / "examples").rglob("*.md")):
        name = re.sub(r"\W", "_", str(page.relative_to(ROOT)))
        for block in programs(page.read_text(encoding="utf-8")):
            file = tmp_path / f"{name}_{block.line}.py"
            file.write_text(block.code + NOT_STRICT, encoding="utf-8")
    tool(sys.executable, "-m", *checker, *tmp_path.glob("*.py"))


@pytest.mark.parametrize("module", ["honeytrace", "honeytrace.local", "honeytrace.testing"])
def test_types_of_every_name(module: str) -> None:
    """The files in tests/typing use every public name."""
    words = {word for file in TYPES for word in re.findall(r"\w+", file.read_text())}
    assert set(importlib.import_module(module).__all__) <= words


@pytest.mark.parametrize("function", [honeytrace.configure, honeytrace.trace_session])
def test_types_of_every_argument(function: Callable[..., object]) -> None:
    """They pass every argument that the function lists when it is given an unknown one."""
    with pytest.raises((TypeError, ValueError)) as caught:
        function(zzz=1)
    taken = set(re.findall(r"(\w+)(?:,|$)", str(caught.value)))
    calls = [node for file in TYPES for node in ast.walk(ast.parse(file.read_text()))]
    given = {
        keyword.arg
        for call in calls
        if isinstance(call, ast.Call) and ast.unparse(call.func) == function.__name__
        for keyword in call.keywords
    }
    assert taken
    assert taken <= given


def test_import_linter() -> None:
    """A file imports only from the floors below it."""
    assert re.search(
        r"Contracts: [1-9]\d* kept, 0 broken", tool(BIN / "lint-imports", "--no-cache")
    )


def test_declared_imports() -> None:
    """Whatever the package imports at run time is named in its dependencies.

    Left out are pytest, which loads the plugin itself, `genai_prices`, which is an extra, and what
    is imported for types only.
    """
    declared = re.findall(r"^  \"([\w-]+)[><=]", _dependencies(), re.MULTILINE)
    files = (ROOT / "honeytrace").rglob("*.py")
    found = {name for file in files for name in _run_time_imports(ast.parse(file.read_text()))}
    foreign = found - sys.stdlib_module_names - {"honeytrace", "pytest", "_pytest", "genai_prices"}
    assert foreign == set(declared)


def _dependencies() -> str:
    """The list `dependencies` of pyproject.toml; tomllib is not in Python 3.10."""
    text = (ROOT / "pyproject.toml").read_text()
    return text.partition("\ndependencies = [\n")[2].partition("]")[0]


def _run_time_imports(tree: ast.AST) -> set[str]:
    """The top-level packages that are imported anywhere but below `if TYPE_CHECKING`."""
    if isinstance(tree, ast.If) and ast.unparse(tree.test) == "TYPE_CHECKING":
        return set()
    if isinstance(tree, ast.Import):
        return {alias.name.partition(".")[0] for alias in tree.names}
    if isinstance(tree, ast.ImportFrom):
        return {(tree.module or "").partition(".")[0]}
    return {name for child in ast.iter_child_nodes(tree) for name in _run_time_imports(child)}


def test_top_level() -> None:
    """The top level of the repository holds what it is meant to, and dotfiles."""
    try:
        git = subprocess.run(
            ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"git cannot list the files: {error}")
    top = {path.partition("/")[0] for path in git.stdout.splitlines()}
    assert {name for name in top if not name.startswith(".")} <= TOP


def test_light_import() -> None:
    """`import honeytrace` loads none of the modules that take long, unless wrapt has loaded it."""
    ours = imported("import honeytrace") - imported("import wrapt")
    assert "honeytrace" in ours
    assert not ours & {"asyncio", "httpx", "sqlite3"}


def imported(program: str) -> set[str]:
    words = tool(sys.executable, "-X", "importtime", "-c", program)
    return set(re.findall(r"\| +(\S+)$", words, re.MULTILINE))


def test_version_once() -> None:
    """The version is written in one file of the package."""
    files = (ROOT / "honeytrace").rglob("*.py")
    found = [file.name for file in files if f'"{honeytrace.__version__}"' in file.read_text()]
    assert found == ["version.py"]


def test_version_installed() -> None:
    """The installed package has the version that the code has."""
    try:
        installed = importlib.metadata.version("honeytrace")
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("the package is not installed")
    assert installed == honeytrace.__version__
