"""Other people's test suites, with all of their functions decorated.

    python tests/transparency/foreign/run.py more-itertools starlette
        [--decorator MODULE:NAME] [--scope all]

Each package is downloaded as source and installed, with what its tests need and with honeytrace as
it is here, into an environment of its own. Its tests run twice, without and with `@trace_session`
above its public functions and methods, and the sessions go to a server on the loopback. Then there
is a table, and each test that differs. Ends with code 1 if a test that passed without it does not
pass with it, or if a session was lost.

A directory in place of a name is a package's source, run as it is with this interpreter.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import venv
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]
INSIDE = HERE / "inside"
OURS = "honeytrace:trace_session"
OUTCOMES = ["skipped", "passed", "failed", "error"]  # the worst part of a test is its outcome
SHOWN = 100  # differences, if there are more
SETTINGS = ("HH_", "HONEYTRACE_", "PYTEST", "PYTHON", "COVERAGE")

sys.path.append(str(ROOT / "tests" / "support"))

from loopback import started  # noqa: E402 - it lies there


@dataclass(frozen=True)
class Suite:
    """The tests of a package, and how to run them."""

    package: str  # as it is imported
    needs: tuple[str, ...] = ()
    extras: str = ""
    arguments: tuple[str, ...] = ("tests",)
    left_out: dict[str, str] = field(default_factory=dict)  # tests, by how they begin, and why
    bare: dict[str, str] = field(default_factory=dict)  # functions that are not decorated, and why
    explained: dict[str, str] = field(default_factory=dict)  # tests that any tracer breaks
    deep: dict[str, str] = field(default_factory=dict)  # and those that `--scope all` breaks

    def why(self, test: str, scope: str) -> str | None:
        """The explanation of a difference."""
        known = {**self.explained, **(self.deep if scope == "all" else {})}
        return next((why for start, why in known.items() if test.startswith(start)), None)


FRAMES = "looks for the frame that called it, and now that is the decorator's"
CLOCK = "its clock stands still until somebody reads it, and now that is the tracer"
SUITES = {
    "boltons": Suite(
        "boltons",
        explained={
            "tests/test_namedutils.py::test_named": FRAMES,
            "tests/test_tbutils.py::test_contextual": FRAMES,
            "tests/test_typeutils.py::test_sentinel_pickle": FRAMES,
        },
    ),
    "cachetools": Suite("cachetools"),
    "click": Suite("click"),
    "h11": Suite("h11", arguments=("h11/tests",)),
    "humanize": Suite("humanize", ("freezegun",)),
    "itsdangerous": Suite("itsdangerous", ("freezegun",)),
    "more-itertools": Suite(
        "more_itertools",
        arguments=("tests", "more_itertools", "--doctest-modules"),
        left_out={
            "tests/test_more.py::tests.test_more.IterOnlyRange": "shows an error, not as a doctest",
            "tests/test_recipes.py::PolynomialFromRootsTests::test_large": "a million calls in it",
        },
        explained={
            "tests/test_more.py::SeekableTest::test_repeated_zero_cache_peek_has_bounded": (
                "measures memory, where sessions wait a moment"
            ),
        },
        bare=dict.fromkeys(("dl_mul", "dl_split"), "ten million calls in a test"),
    ),
    "starlette": Suite(
        "starlette",
        ("httpx2[zstd]", "opentelemetry-sdk", "trio"),
        extras="[full]",
        left_out={
            "tests/test_staticfiles.py::test_staticfiles_with_invalid_dir": "root may read all"
        },
    ),
    "structlog": Suite(
        "structlog",
        ("pytest-asyncio", "simplejson", "time-machine"),
        explained={
            "tests/processors/test_processors.py::TestCallsiteParameterAdder::": FRAMES,
            "tests/test_stdlib.py::TestProcessorFormatter::test_native": FRAMES,
        },
        deep={
            "tests/processors/test_processors.py::TestStackInfoRenderer::test_additional": FRAMES,
            "tests/processors/test_renderers.py::TestJSONRenderer::test_FallbackEncoder": FRAMES,
            "tests/processors/test_renderers.py::TestTimeStamper::": CLOCK,
            "tests/test_stdlib.py::TestLoggerFactory::": FRAMES,
            "tests/test_threadlocal.py::": FRAMES,
        },
    ),
    "toolz": Suite("toolz", arguments=("toolz",)),
    "wsproto": Suite("wsproto"),
    "tenacity": Suite(
        "tenacity",
        ("tornado", "trio"),
        left_out={"tests/test_asyncio.py::TestContextManager::test_sleeps": "may take 1.1 ms"},
    ),
}


@dataclass(frozen=True)
class SuiteDir:
    """A directory in which a suite can be run."""

    title: str
    python: Path
    source: Path
    suite: Suite
    path: tuple[Path, ...] = (INSIDE,)


@dataclass
class Outcome:
    """The outcome of a run."""

    tests: dict[str, str]
    reasons: dict[str, str]
    seconds: float
    finished: bool = False
    decorated: dict[str, int] = field(default_factory=dict)
    stats: dict[str, Any] = field(default_factory=dict)
    arrived: int = 0
    output: str = ""

    @property
    def row(self) -> str:
        counts = Counter(self.tests.values())
        cells = "".join(f"{counts[each]:>9}" for each in OUTCOMES)
        return f"{cells}{self.seconds:>9.1f}{'' if self.finished else '  did not finish'}"


# ---- Where


def place(name: str, home: Path) -> SuiteDir:
    """A package in an environment of its own; one that is there from before is used again."""
    if Path(name).is_dir():
        source = Path(name).resolve()
        python, suite = Path(sys.executable), Suite(source.name)
        return SuiteDir(source.name, python, source, suite, (INSIDE, ROOT))
    suite, where = SUITES[name.partition("=")[0]], home / name
    python = where / "venv" / ("Scripts" if os.name == "nt" else "bin") / "python"
    if not (where / "ready").exists():
        shutil.rmtree(where, ignore_errors=True)
        venv.create(where / "venv", with_pip=True)
        pip(python, "download", "--no-deps", f"--no-binary={suite.package}", name, "-d", where)
        [archive] = where.glob("*.tar.gz")
        shutil.unpack_archive(archive, where / "source", filter="data")
        pip(python, "install", f"{archive}{suite.extras}", *suite.needs, "pytest", ROOT)
        (where / "ready").touch()
    pip(python, "install", "--no-deps", "--force-reinstall", ROOT)
    [source] = (where / "source").iterdir()
    return SuiteDir(source.name, python, source, suite)


def pip(python: Path, *arguments: str | Path) -> None:
    subprocess.run([python, "-m", "pip", "-qq", *arguments], check=True)


# ---- A run


def run(at: SuiteDir, decorator: str | None, options: argparse.Namespace) -> Outcome:
    """Runs the suite once; sessions go to a server, and all there is to know is noted."""
    with tempfile.TemporaryDirectory() as directory, started() as server:
        notes = Path(directory, "notes")
        notes.touch()
        told = {
            "package": at.suite.package,
            "decorator": decorator,
            "bare": [*at.suite.bare],
            "scope": options.scope,
            "innermost": options.innermost,
            "notes": str(notes),
        }
        began = time.perf_counter()
        output = execute(
            command(at),
            at.source,
            options.timeout,
            FOREIGN=json.dumps(told),
            PYTHONPATH=os.pathsep.join(map(str, at.path)),
            HH_API_URL=server.url,
            HH_API_KEY="key",
            HONEYTRACE_HOME=str(Path(directory, "home")),
        )
        outcome = read(notes, time.perf_counter() - began)
        outcome.output, outcome.arrived = output, server.answered()
    return outcome


def command(at: SuiteDir) -> list[str | Path]:
    # Under its own pytest plugin, if there is one, honeytrace sends nothing.
    plugins = ["-p", "no:honeytrace", "-p", "no:cacheprovider"]
    left_out = [f"--deselect={test}" for test in at.suite.left_out]
    return [at.python, "-m", "hook", "-q", *plugins, *left_out, *at.suite.arguments]


def execute(words: list[str | Path], where: Path, timeout: float, **environment: str) -> str:
    """Runs pytest; returns what it printed, also if it took too long."""
    kept = [name for name in os.environ if not name.startswith(SETTINGS)]
    clean = {name: os.environ[name] for name in kept if not name.lower().endswith("_proxy")}
    try:
        return subprocess.run(
            words,
            cwd=where,
            env={**clean, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=timeout,
            check=False,
        ).stdout.decode("utf-8", "replace")
    except subprocess.TimeoutExpired as late:
        return (late.output or b"").decode("utf-8", "replace")


def read(notes: Path, seconds: float) -> Outcome:
    outcome = Outcome({}, {}, seconds)
    for kind, *words in map(json.loads, notes.read_text("utf-8").splitlines()):
        if kind == "end":
            outcome.finished = True
            outcome.decorated, outcome.stats = words
            continue
        test, became, reason = words
        worst = max(became, outcome.tests.get(test, became), key=OUTCOMES.index)
        outcome.tests[test] = worst
        if reason:
            outcome.reasons.setdefault(test, reason)
    return outcome


# ---- The table


def compare(at: SuiteDir, options: argparse.Namespace) -> bool:
    """Runs a suite without and with the decorator, and prints the table; whether all is well."""
    print(f"{at.title}, {options.scope} functions, {options.decorator}")
    for left, reason in [*at.suite.left_out.items(), *at.suite.bare.items()]:
        print(f"  left out: {left}: {reason}")
    print(f"{'':<10}{''.join(f'{each:>9}' for each in [*OUTCOMES, 'seconds'])}")
    without = run(at, None, options)
    print(f"{'  without':<10}{without.row}", flush=True)
    traced = run(at, options.decorator, options)
    print(f"{'  with':<10}{traced.row}")
    if options.verbose or not traced.finished or not without.finished:
        print(without.output[-5000:], traced.output[-5000:], sep="\n")
    for kind, count in sorted(traced.decorated.items()):
        print(f"  {kind}: {count}")
    fine = [not differences(at.suite, options.scope, without, traced), sessions(traced, options)]
    return without.finished and traced.finished and all(fine) and bool(traced.decorated)


def differences(suite: Suite, scope: str, without: Outcome, traced: Outcome) -> int:
    """Prints the tests that differ; how many of them do not pass any more, and nothing says why."""
    changed = {}
    for test in sorted({*without.tests, *traced.tests}):
        before, after = (each.tests.get(test, "missing") for each in (without, traced))
        if before != after:
            changed[test] = before, after
    explained = {test: why for test in changed if (why := suite.why(test, scope))}
    for why, count in Counter(explained.values()).items():
        print(f"  explained: {count} tests: {why}")
    left = [test for test in changed if test not in explained]
    for test in left[:SHOWN]:
        reason = traced.reasons.get(test) or without.reasons.get(test, "")
        print(f"  {' -> '.join(changed[test])}: {test}: {reason}")
    if len(left) > SHOWN:
        print(f"  and {len(left) - SHOWN} more")
    return sum(changed[test][0] == "passed" for test in left)


def sessions(traced: Outcome, options: argparse.Namespace) -> bool:
    """Prints what became of the sessions; whether all arrived and no fault of ours showed."""
    if options.decorator != OURS:
        return True
    stats = traced.stats
    accepted, delivered = stats.get("accepted", 0), stats.get("delivered", 0)
    print(f"  sessions: {accepted} accepted, {delivered} delivered, {traced.arrived} arrived")
    fine = 0 < accepted == delivered <= traced.arrived and not stats["errors"]
    if not fine:
        print(f"  not as it should be: {stats}")
    return fine


@contextmanager
def environments(kept: Path | None) -> Iterator[Path]:
    if kept:
        yield kept.resolve()
        return
    with tempfile.TemporaryDirectory() as directory:
        yield Path(directory)


def parse(arguments: list[str]) -> argparse.Namespace:
    known = ", ".join(SUITES)
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    add = parser.add_argument
    add("names", nargs="+", metavar="NAME", help=f"of {known}; with ==VERSION; or a directory")
    add("--decorator", default=OURS, metavar="MODULE:NAME", help="also references:real or :proxy")
    add("--scope", choices=["public", "all"], default="public", help="all: each def")
    add("--innermost", action="store_true", help="put it below the other decorators")
    add("--environments", type=Path, metavar="DIR", help="keep them there, and use them again")
    add("--timeout", type=float, default=1200, metavar="SECONDS", help="for a run of a suite")
    add("--verbose", action="store_true", help="print the end of what pytest printed")
    options = parser.parse_args(arguments)
    for name in options.names:
        if name.partition("=")[0] not in SUITES and not Path(name).is_dir():
            parser.error(f"{name!r} is neither a directory nor one of {known}")
    return options


def main(arguments: list[str]) -> int:
    options = parse(arguments)
    with environments(options.environments) as home:
        fine = [compare(place(name, home), options) for name in options.names]
    return not all(fine)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
