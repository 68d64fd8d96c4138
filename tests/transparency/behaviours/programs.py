"""Test runners and other tools that collect callables."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import textwrap
import typing
import unittest
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from cases import alone, outcome
from decorators import spec_of

GROUP = "programs"
# No plugins, and no coverage of the children: they take time, and print.
_ENVIRONMENT = {
    "PYTEST_ADDOPTS": "",
    "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
    "COVERAGE_PROCESS_CONFIG": "",
    "COVERAGE_PROCESS_START": "",
}


def _program(decorate: Any, source: str, *command: str) -> Any:
    """Return the output and exit code of a program with a `decorate`."""
    head = f"from decorators import load\ndecorate = load({spec_of(decorate)!r})\n"
    with TemporaryDirectory() as folder:
        path = Path(folder) / "test_program.py"
        path.write_text(head + textwrap.dedent(source), encoding="utf-8")
        done = subprocess.run(
            [sys.executable, *(command or ()), str(path)],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **_ENVIRONMENT},
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
    return done.returncode, done.stdout, done.stderr


@alone(GROUP)
def collected_by_pytest(decorate: Any) -> Any:
    """pytest finds decorated tests, and gives them fixtures and parameters; fixtures below
    `pytest.fixture`, with and without `yield`, set up and tear down."""
    code, out, _ = _program(
        decorate,
        """
        import pytest

        @pytest.fixture
        @decorate
        def number():
            return 3

        @pytest.fixture(params=[1, 2])
        @decorate
        def closing(request, number):
            print("open", request.param)
            yield number + request.param
            print("close", request.param)

        @pytest.mark.parametrize("factor", [1, 2])
        @decorate
        def test_marked(closing, factor, tmp_path):
            assert closing * factor

        @decorate
        @pytest.mark.parametrize("factor", [3])
        def test_decorated(number, factor):
            assert number == factor

        @decorate
        def test_fails(number):
            assert number == 4

        @decorate
        @pytest.mark.skip(reason="skipped")
        def test_skipped():
            pass

        @decorate
        @pytest.mark.xfail(raises=ValueError, strict=True)
        def test_fails_as_expected():
            raise ValueError

        class TestShop:
            @pytest.fixture(autouse=True)
            @decorate
            def shop(self, number):
                self.size = number
                yield

            @decorate
            def test_method(self, number):
                assert self.size == number

            @decorate
            def helper(self):
                assert False

        @decorate
        def setup_module(module):
            module.ready = True

        @decorate
        def test_ready():
            assert ready
        """,
        "-m",
        "pytest",
        "-vs",
        "-p",
        "no:cacheprovider",
        "--no-header",
        "-rN",
        "--tb=line",
    )
    kept = ("::", "open", "close", "PASS", "FAIL")
    return code, [line for line in out.splitlines() if line.startswith(kept) or "::" in line]


@alone(GROUP)
def ends_as_it_would(decorate: Any) -> Any:
    """A program prints the same, and ends with the same code, also by `sys.exit` and an error."""

    def run(ending: str) -> Any:
        code, out, err = _program(
            decorate,
            f"""
            import atexit, sys

            @decorate
            def work():
                print("working")
                {ending}

            @decorate
            def leave():
                print("leaving")

            atexit.register(leave)
            work()
            """,
        )
        return code, out, err.strip().splitlines()[-1:]

    return [run(ending) for ending in ("return 3", "sys.exit(4)", "raise ValueError('boom')")]


@alone(GROUP)
def main_is_asynchronous(decorate: Any) -> Any:
    """A decorated `main` runs under `asyncio.run`, in a process of its own."""
    return _program(
        decorate,
        """
        import asyncio

        @decorate
        async def step(number):
            await asyncio.sleep(0)
            return number * 2

        @decorate
        async def numbers():
            for number in range(3):
                yield await step(number)

        @decorate
        async def main():
            print([number async for number in numbers()])
            print(await asyncio.gather(step(1), step(2)))

        asyncio.run(main())
        """,
    )


@alone(GROUP)
def collected_by_unittest(decorate: Any) -> Any:
    """unittest finds and runs decorated tests, set-up and tear-down, sync and async."""
    seen: list[str] = []

    class Case(unittest.TestCase):
        @classmethod
        @decorate
        def setUpClass(cls) -> None:
            seen.append("class")

        @decorate
        def setUp(self) -> None:
            seen.append("up")
            self.addCleanup(self.tidy, 1)

        @decorate
        def tidy(self, number: int) -> None:
            seen.append(f"tidy {number}")

        @decorate
        def test_passes(self) -> None:
            self.assertTrue(True)

        @decorate
        def test_fails(self) -> None:
            self.fail("failed")

        @unittest.skip("why not")
        @decorate
        def test_skipped(self) -> None: ...

        @decorate
        @unittest.expectedFailure
        def test_expected(self) -> None:
            self.fail("expected")

    class AsyncCase(unittest.IsolatedAsyncioTestCase):
        @decorate
        async def asyncSetUp(self) -> None:
            seen.append("async up")

        @decorate
        async def test_async(self) -> None:
            seen.append("async")

    load = unittest.defaultTestLoader.loadTestsFromTestCase
    suite = unittest.TestSuite([load(Case), load(AsyncCase)])
    result = unittest.TextTestRunner(io.StringIO()).run(suite)
    counts = [result.testsRun, len(result.failures), len(result.errors), len(result.skipped)]
    return counts, len(result.expectedFailures), len(result.unexpectedSuccesses), seen


@alone(GROUP)
def below_pytest_fixture(decorate: Any) -> Any:
    """`pytest.fixture` above it makes a fixture, with its name."""

    @pytest.fixture
    @decorate
    def number() -> int:
        """A number."""
        return 1

    return type(number).__name__, getattr(number, "__name__", None), outcome(repr, number)


@alone(GROUP)
def overloads_are_found(decorate: Any) -> Any:
    """`typing.get_overloads`, of Python 3.11, finds what was registered for the function."""
    if sys.version_info < (3, 11):
        pytest.skip("overloads can be asked for from Python 3.11 on")

    @typing.overload
    def target(one: int) -> int: ...
    @typing.overload
    def target(one: str) -> str: ...
    @decorate
    def target(one: Any) -> Any:
        return one

    return len(typing.get_overloads(target))


@alone(GROUP)
def type_parameters(decorate: Any) -> Any:
    """The type parameters of Python 3.12 are there."""
    if sys.version_info < (3, 12):
        pytest.skip("type parameters came with Python 3.12")
    space: dict[str, Any] = {"decorate": decorate}
    code = "@decorate\ndef target[T](one: T, *more: T) -> list[T]:\n    return [one]\n"
    exec(compile(code, "<type parameters>", "exec", dont_inherit=True), space)
    target = space["target"]
    return (
        str(target.__type_params__),
        target(1),
        str(typing.get_type_hints(target)),
    )
