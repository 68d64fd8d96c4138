"""The tools that watch over the code, and what is promised of the package as a whole."""

from __future__ import annotations

import importlib.metadata
import os
import pathlib
import re
import subprocess
import sys

import pytest

import honeytrace

ROOT = pathlib.Path(__file__).resolve().parents[2]
BIN = pathlib.Path(sys.executable).parent
TOP = {"pyproject.toml", "README.md", "LICENSE", "honeytrace", "tests", "examples"}


def tool(*command: str | pathlib.Path) -> str:
    """Runs a tool from the root of the repository; fails with its words, or returns them."""
    done = subprocess.run(
        command,
        cwd=ROOT,
        # PYTHONPATH would decide which honeytrace is looked at, and coverage imports a lot.
        env={k: v for k, v in os.environ.items() if k != "PYTHONPATH" and "COVERAGE" not in k},
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


def test_mypy() -> None:
    """The types of the package, of the examples and of the public interface hold."""
    tool(sys.executable, "-m", "mypy")


def test_import_linter() -> None:
    """A file imports only from the floors below it."""
    assert re.search(
        r"Contracts: [1-9]\d* kept, 0 broken", tool(BIN / "lint-imports", "--no-cache")
    )


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
