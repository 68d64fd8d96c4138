"""The runner of other people's test suites, tried on a small package."""

from __future__ import annotations

import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from run import OUTCOMES, Outcome, Suite, differences

PROGRAM = Path(__file__).parent / "run.py"
PACKAGE = {
    "tiny/__init__.py": """
        import typing
        from contextlib import contextmanager

        def double(n):
            return 2 * n

        async def later(n):
            return _hidden(n)

        def count(n):
            yield from range(n)

        @contextmanager
        def held(n):
            yield n

        @typing.overload
        def _hidden(n: int) -> int: ...

        def _hidden(n):
            return n

        class Box:
            def __init__(self, n):
                self._n = n

            @classmethod
            def empty(cls):
                return cls(0)

            @property
            def n(self):
                return self._n

            @n.setter
            def n(self, n):
                self._n = n
        """,
    "tests/test_tiny.py": """
        import asyncio, inspect, unittest
        import pytest
        import tiny

        @pytest.mark.parametrize("n", [1, 2])
        def test_double(n):
            assert tiny.double(n) == n + n

        def test_kinds():
            assert asyncio.run(tiny.later(3)) == 3
            assert list(tiny.count(3)) == [0, 1, 2]
            with tiny.held(4) as held:
                assert held == 4

        def test_box():
            box = tiny.Box.empty()
            box.n += 1
            assert box.n == 1

        def test_name():
            assert tiny.double.__name__ == "double"

        @pytest.fixture
        def broken():
            raise ValueError("no such thing")

        def test_broken(broken):
            pass

        @pytest.mark.skip
        def test_skipped():
            pass

        class TestSub(unittest.TestCase):
            def test_parts(self):
                with self.subTest("fails"):
                    self.fail("a part")
        """,
    "odd.py": """
        import inspect, os

        def nameless(function):
            if not inspect.isfunction(function):
                raise TypeError("no function")
            return lambda *args, **kwargs: function(*args, **kwargs)

        def crashing(function):
                        os._exit(3)
        """,
}


@pytest.fixture
def tiny(tmp_path):
    for name, source in PACKAGE.items():
        path = tmp_path / "tiny" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(source), encoding="utf-8")
    return tmp_path / "tiny"


@pytest.fixture
def run(tiny):
    """Runs the command on the small package: its exit code and its lines, in words."""

    def start(*arguments):
        done = subprocess.run(
            [sys.executable, "-W", "error", PROGRAM, tiny, *arguments],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert not done.stderr
        return done.returncode, done.stdout

    return start


def rows(output):
    """The two rows of the table, each as skipped, passed, failed and error."""
    found = re.findall(r"^  with(?:out)? ((?: +\d+){4})", output, re.MULTILINE)
    return [tuple(map(int, row.split())) for row in found]


def decorated(output):
    """Return how many of each kind were decorated."""
    return dict(re.findall(r"  decorated (.+): (\d+)", output))


def test_identity(run):
    """With a decorator that does nothing, the same becomes of every test; the public functions
    and methods are decorated, once each and outermost."""
    code, output = run("--decorator", "references:identity")
    assert (code, rows(output)) == (0, [(1, 5, 1, 1)] * 2), output
    kinds = {"function": "3", "coroutine": "1", "generator": "1", "classmethod": "1"}
    assert decorated(output) == {**kinds, "property": "1"}


def test_all_innermost(run):
    """On demand each `def` is, and below what else stands above it."""
    _, output = run("--decorator", "references:identity", "--scope", "all", "--innermost")
    assert decorated(output) == {"function": "6", "coroutine": "1", "generator": "2"}


def test_honeytrace(run):
    """With honeytrace the same becomes of every test, and all sessions arrive."""
    code, output = run()
    assert (code, rows(output)) == (0, [(1, 5, 1, 1)] * 2), output
    [counts] = re.findall(r"sessions: (\d+) accepted, (\d+) delivered, (\d+) arrived", output)
    assert len({*counts}) == 1
    assert int(counts[0]) >= 5


def test_a_difference(run):
    """A test that does not pass any more is named with the reason, and the command fails."""
    code, output = run("--decorator", "odd:nameless")
    assert (code, rows(output)[0]) == (1, (1, 5, 1, 1))
    assert "  passed -> failed: tests/test_tiny.py::test_name: AssertionError" in output
    assert "  refused property: 1" in output


def test_a_crash(run):
    """A suite that crashes with the decorator is seen to have no end."""
    code, output = run("--decorator", "odd:crashing")
    assert (code, output.count("did not finish")) == (1, 1)


def test_a_hang(run):
    """A suite that takes too long is ended."""
    code, output = run("--timeout", "0")
    assert (code, output.count("did not finish")) == (1, 2)


@pytest.mark.parametrize(("scope", "worse"), [("public", 1), ("all", 0)])
def test_explained(capsys, scope, worse):
    """A difference that any tracer makes is reported, but is not a failure."""
    suite = Suite("tiny", explained={"tests/a.py::": "frames"}, deep={"tests/b.py": "the clock"})
    tests = ("tests/a.py::test", "tests/b.py::test")
    before, after = (Outcome(dict.fromkeys(tests, each), {}, 1) for each in OUTCOMES[1:3])
    assert differences(suite, scope, before, after) == worse
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "  explained: 1 tests: frames"
    assert [line.startswith("  explained") for line in lines] == [True, not worse]
