"""The option that names a decorator, and the lines at the end that say how it did."""

from __future__ import annotations

import gc
import os
import signal
from collections import Counter
from collections.abc import Iterator

import decorators
import pytest

_all: Counter[str] = Counter()
_good: Counter[str] = Counter()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--decorator", metavar="MODULE:NAME", help="what to hold to the suite")


def _spec(config: pytest.Config) -> str:
    # Where this file is found late, by `pytest` alone, the option does not exist.
    return config.getoption("--decorator", default=None) or decorators.DEFAULT


@pytest.fixture(scope="session")
def decorator_name(request: pytest.FixtureRequest) -> str:
    """As it was given to `--decorator`."""
    return _spec(request.config)


@pytest.fixture(scope="session")
def decorate(request: pytest.FixtureRequest) -> decorators.Decorator:
    """The decorator that is held to the suite."""
    return decorators.choose(_spec(request.config))


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith(("HH_", "HONEYTRACE_"))]:
            patch.delenv(name)
        patch.setenv("HONEYTRACE_HOME", str(tmp_path_factory.mktemp("home")))
        yield


@pytest.fixture(autouse=True)
def isolated(home: None) -> None:
    """One home for all cases: thousands would take longer to make than to use."""


@pytest.fixture(autouse=True)
def quick_collections(thawing: None) -> None:
    """Collections look at the case alone, not at thousands of reports."""
    gc.freeze()


@pytest.fixture(scope="session")
def thawing() -> Iterator[None]:
    yield
    gc.unfreeze()


@pytest.fixture(autouse=True)
def deadline() -> Iterator[None]:
    """An error, where a decorator makes a case hang."""
    if not hasattr(signal, "SIGALRM"):
        yield
        return

    def late(*_: object) -> None:
        raise TimeoutError("it hangs")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(60)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    report = yield
    case = getattr(item, "callspec", None) and item.callspec.params.get("case")
    told = not report.skipped or hasattr(report, "wasxfail")
    if case is not None and report.when == "call" and told:
        _all[case.group] += 1
        _good[case.group] += report.passed
    return report


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    if _all:
        groups = ", ".join(f"{group} {_good[group]}/{_all[group]}" for group in sorted(_all))
        good, total = _good.total(), _all.total()
        terminalreporter.write_line(
            f"{_spec(config)}: {good} of {total} behaviours as without ({groups})"
        )
