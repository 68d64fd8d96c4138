"""The official HoneyHive clients, each installed with no more than its plain client imports.

An installation is kept for the next run in `HONEYTRACE_TEST_CACHE`, or else below the system's
directory for temporary files. A client that cannot run or be fetched here is skipped.
"""

from __future__ import annotations

import getpass
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import pytest

DRIVERS = Path(__file__).parent / "drivers"

# What npm and pip say when there is no way to the index, other than that the index has no such
# package: that would be a fault of the recipe, and has to fail.
UNREACHABLE = re.compile(
    r"\bE(NOTFOUND|CONN[A-Z]+|AI_AGAIN|(SOCKET)?TIMED?OUT|(HOST|NET)UNREACH|NOTCACHED)\b"
    "|from versions: none"
)


@dataclass(frozen=True)
class Official:
    """One released client: the index it is on, and what its plain client imports beside it."""

    index: str
    version: str
    packages: tuple[str, ...]
    python: tuple[int, int] = (3, 10)

    def __str__(self) -> str:
        return f"{self.index} honeyhive {self.version}"

    @property
    def slug(self) -> str:
        return f"{self.index}-{self.version}"

    @property
    def folder(self) -> str:
        """Another name for every recipe, and for every Python, whose compiled packages differ."""
        tag = sys.implementation.cache_tag if self.index == "pypi" else "node"
        return f"{self.slug}-{tag}-{zlib.crc32(repr(self.packages).encode()):08x}"

    @property
    def driver(self) -> Path:
        ending = "py" if self.index == "pypi" else "mjs"
        return DRIVERS / f"{self.slug.replace('-', '_').replace('.', '_')}.{ending}"


CLIENTS = (
    Official("npm", "1.0.42", ("zod@3",)),
    Official("npm", "0.6.4", ("axios@1", "class-transformer@0.5", "reflect-metadata@0.1")),
    Official("pypi", "0.2.57", ("httpx", "pydantic>=2.10,<3", "typing-inspect")),
    Official(
        "pypi",
        "1.7.0",
        ("httpx", "opentelemetry-api", "pydantic>=2,<3", "pydantic-settings", "requests"),
        python=(3, 11),
    ),
)


@dataclass(frozen=True)
class Installed:
    """A client that can be run: its driver takes JSON on stdin and prints JSON."""

    client: Official
    command: tuple[str, ...]


def install(client: Official) -> Installed:
    """The client, ready to run; skips with the reason where that cannot be."""
    reason = _missing(client)
    if reason:
        pytest.skip(f"{client} needs {reason}")
    where = _kept(client)
    # -S, so that nothing of the environment that runs the tests is in the client's way
    program = (sys.executable, "-S") if client.index == "pypi" else ("node",)
    return Installed(client, (*program, str(client.driver), str(where)))


def _missing(client: Official) -> str | None:
    """Return what the client needs and this machine lacks."""
    if client.index == "npm":
        absent = [tool for tool in ("node", "npm") if shutil.which(tool) is None]
        return f"{' and '.join(absent)} on the PATH" if absent else None
    if sys.version_info < client.python:
        return "Python {}.{} or newer".format(*client.python)
    return None if importlib.util.find_spec("pip") else f"pip for {sys.executable}"


def _kept(client: Official) -> Path:
    """The directory of the client's installation, made if it is not there yet.

    It gets its name by one rename when it is complete, so a broken one is never found.
    """
    default = Path(tempfile.gettempdir(), f"honeytrace-clients-{getpass.getuser()}")
    cache = Path(os.environ.get("HONEYTRACE_TEST_CACHE") or default)
    cache.mkdir(mode=0o700, parents=True, exist_ok=True)
    where = cache / client.folder
    if not where.exists():
        with tempfile.TemporaryDirectory(dir=cache, prefix="new-") as temporary:
            made = Path(temporary, client.folder)
            made.mkdir()
            (_npm if client.index == "npm" else _pip)(client, made)
            _rename(made, where)
    return where


def _rename(made: Path, where: Path) -> None:
    try:
        made.rename(where)
    except OSError:
        if not where.exists():  # else another process was quicker, and its copy serves as well
            raise


def _npm(client: Official, where: Path) -> None:
    """The client's own archive without what it declares, and beside it what it needs.

    The archive comes last: `npm install` removes what it did not put there itself.
    """
    quick = ("--fetch-retries=1", "--fetch-retry-mintimeout=500", "--fetch-timeout=30000")
    plain = ("--ignore-scripts", "--no-package-lock", "--no-audit", "--no-fund", "--prefix", ".")
    _run(client, where, "npm", "install", *quick, *plain, *client.packages)
    _run(client, where, "npm", "pack", *quick, f"honeyhive@{client.version}")
    archive = where / f"honeyhive-{client.version}.tgz"
    with tarfile.open(archive) as files:
        files.extractall(where, filter="data")
    archive.unlink()
    (where / "package").rename(where / "node_modules" / "honeyhive")


def _pip(client: Official, where: Path) -> None:
    """The client without what it declares, and beside it what it needs."""
    pip = (sys.executable, "-m", "pip", "install", "--quiet", "--retries=1", "--target=.")
    _run(client, where, *pip, "--no-deps", f"honeyhive=={client.version}")
    _run(client, where, *pip, *client.packages)


def _run(client: Official, where: Path, tool: str, *arguments: str) -> None:
    """Runs npm or pip; skips if it finds no way to its index, fails on anything else."""
    program = shutil.which(tool) or tool
    done = subprocess.run(
        [program, *arguments], cwd=where, capture_output=True, text=True, timeout=180, check=False
    )
    if done.returncode == 0:
        return
    said = done.stdout + done.stderr
    if UNREACHABLE.search(said):
        pytest.skip(f"{client} has to be fetched, and the package index cannot be reached")
    pytest.fail(f"{client} cannot be installed; {tool} said:\n{said}", pytrace=False)
