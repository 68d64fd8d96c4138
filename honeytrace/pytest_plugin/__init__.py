"""The pytest plugin `honeytrace`.

Every pytest run in an environment with honeytrace loads it, so it does little before it is used.
PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import os
import sys
from collections import deque
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from honeytrace._utils import pytest_compat

if TYPE_CHECKING:
    from honeytrace._config.pipeline import Processor
    from honeytrace._session.record import CallRecord
    from honeytrace.pytest_plugin._fixtures import FixtureCaptures
    from honeytrace.pytest_plugin._leftovers import Leftovers
    from honeytrace.pytest_plugin._marker import Test
    from honeytrace.testing import CapturedSessions

_MARK = (
    "honeytrace(name=None, *, project, source, config, inputs, user_properties, metrics, feedback, "
    "metadata): records the test itself as a session, with its outcome in the metrics and its "
    "parameters in the inputs. The arguments are as in trace_session. On a class or module it "
    "applies to all of its tests, and its name precedes theirs: chat.TestAnswer.test_length."
)
_NAMES = ("honeytrace", "honeytrace.pytest_plugin")  # it is loaded under one of these names
_RUN = "honeytrace_run"
_FLUSH_SECONDS = 2.0  # the time that an xdist worker has to deliver when it ends
_MAX_KEPT = 1_000  # the report of a failed test shows at most so many sessions, the last ones


def pytest_addoption(parser: pytest.Parser, pluginmanager: pytest.PytestPluginManager) -> None:
    for name in _NAMES:  # if it is loaded under both names, the option exists already
        if not pluginmanager.has_plugin(name):
            pluginmanager.register(object(), name)
    add = parser.getgroup("honeytrace", "sessions of traced calls (honeytrace)").addoption
    add(
        "--honeytrace",
        action="store_true",
        help="Record every test as a session in the store on this machine, or with "
        "--honeytrace-send where your sessions go.",
    )
    add("--honeytrace-send", action="store_true", help="Send sessions as without pytest.")
    add(
        "--honeytrace-update",
        action="store_true",
        help="Write the files that assert_matches() compares with.",
    )


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    """Set up before any code of the project runs."""
    _start(early_config, early_config.known_args_namespace)


def pytest_configure(config: pytest.Config) -> None:
    if not config.pluginmanager.has_plugin(_RUN):  # a conftest named this plugin
        _start(config, config.option)


def _start(config: pytest.Config, options: Any) -> None:
    config.pluginmanager.register(_Run(config, options), _RUN)


runs: list[_Run] = []
"""The pytest runs in this process, the innermost last; pytester runs one inside another."""


class _Run:
    """The hooks of one run."""

    def __init__(self, config: pytest.Config, options: Any) -> None:
        self.kept: deque[CallRecord] = deque(maxlen=_MAX_KEPT)
        self.test: Test | None = None  # the running test, if it is recorded
        self.captures: FixtureCaptures | None = None  # set once a test asks for a capture
        self.leftovers: Leftovers | None = None  # set once something was traced
        config.add_cleanup(_refresh)  # called last: the order is reversed
        if not _is_for_tests():  # otherwise the rule applies until the process ends
            config.add_cleanup(partial(_restore, os.environ.get(pytest_compat.VARIABLE)))
        config.add_cleanup(partial(runs.remove, self))
        self.decide((self.kept.append,), options.honeytrace_send, options.honeytrace_send)
        runs.append(self)
        _refresh()

    def decide(self, processors: tuple[Processor, ...], sends: bool, children_send: bool) -> None:
        """Decide where sessions go in this process and in the processes that it starts."""
        self.rule = pytest_compat.Rule(processors, sends)
        os.environ[pytest_compat.VARIABLE] = "on" if children_send else "off"

    def pytest_configure(self, config: pytest.Config) -> None:
        config.addinivalue_line("markers", _MARK)

    def pytest_sessionstart(self, session: pytest.Session) -> None:
        options = session.config.option
        # Earlier sessions are sent as usual; from here on `--honeytrace` takes them.
        if options.honeytrace and not (options.collectonly or options.setuponly):
            from honeytrace.pytest_plugin._recording import Recording

            recording = Recording(options, self.kept.append)
            session.config.pluginmanager.register(recording, "honeytrace_recording")
            self.decide((recording.take,), False, options.honeytrace_send)
            _refresh()

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        ours = sys.modules.get("honeytrace._config.live")
        if ours and hasattr(session.config, "workerinput"):
            ours.live.flush(_FLUSH_SECONDS)  # xdist may end a worker before `atexit` runs

    def pytest_unconfigure(self) -> None:
        if self.captures:
            self.captures.end_unused()

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        if item.config.option.honeytrace or item.get_closest_marker("honeytrace"):
            from honeytrace.pytest_plugin._marker import recorded

            with recorded(item) as self.test:
                yield
            self.test = None
        else:
            yield

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        self.kept.clear()
        asked = [name for name in _SCOPES if name in getattr(item, "fixturenames", ())]
        if asked:
            self.capturing().begin(asked)
        if left := self._after_tests():
            left.begin()
        if self.test:
            self.test.begin()

    @pytest.hookimpl(hookwrapper=True)
    def pytest_fixture_setup(self, fixturedef: Any) -> Iterator[None]:
        left = self._after_tests() if fixturedef.scope != "function" else None
        before = left.running() if left else []
        yield
        if fixturedef.scope != "function" and (left := self._after_tests()):
            left.hold(fixturedef, before)

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_runtest_teardown(self, item: pytest.Item) -> Iterator[None]:
        yield
        if left := self._after_tests():
            left.end(item.nodeid)
        if self.captures:
            self.captures.end_unused()

    def _after_tests(self) -> Leftovers | None:
        """Return the `Leftovers` to end after each test; None if nothing was traced yet."""
        if self.leftovers is None and "honeytrace._config.live" in sys.modules:
            from honeytrace.pytest_plugin._leftovers import Leftovers

            self.leftovers = Leftovers()
        return self.leftovers

    def capturing(self) -> FixtureCaptures:
        if self.captures is None:
            from honeytrace.pytest_plugin._fixtures import FixtureCaptures

            self.captures = FixtureCaptures()
        return self.captures

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_makereport(self, call: pytest.CallInfo[None]) -> Iterator[None]:
        outcome: Any = yield
        report = outcome.get_result()
        if self.test:
            self.test.note(report, call)
        if report.failed and self.kept:
            from honeytrace.pytest_plugin._fixtures import show

            error = call.excinfo.value if call.excinfo else None
            show(report, self.kept, error)


def _is_for_tests() -> bool:
    """Return whether the only purpose of this process is the pytest run that starts now.

    Threads of such a process may still trace after the run has ended.
    """
    ours = sys.modules.get("honeytrace._config.live")
    nested = runs or pytest_compat.is_in_test()
    return not nested and (ours is None or ours.live.in_pytest)


def _restore(told: str | None) -> None:
    """Restore the environment variable that child processes inherit."""
    os.environ.pop(pytest_compat.VARIABLE, None)
    if told is not None:
        os.environ[pytest_compat.VARIABLE] = told


def _refresh() -> None:
    ours = sys.modules.get("honeytrace._config.live")
    if ours:  # something that traces has been imported
        ours.live.refresh_processors()


def _fixture(name: str, scope: Any, whose: str) -> Any:
    def sessions(request: pytest.FixtureRequest) -> Iterator[CapturedSessions]:
        run: _Run = request.config.pluginmanager.get_plugin(_RUN)  # type: ignore[assignment]
        with run.capturing().by(name, request, run.kept) as sessions:
            yield sessions

    sessions.__doc__ = f"The sessions that start in {whose}; none is sent."
    return pytest.fixture(sessions, scope=scope, name=name)


_each = _fixture("honeytrace_sessions", "function", "this test, from its set-up to its tear-down")
_class = _fixture("honeytrace_class_sessions", "class", "the tests of this class")
_module = _fixture("honeytrace_module_sessions", "module", "the tests of this module")
_all = _fixture("honeytrace_all_sessions", "session", "all tests of this run")
_SCOPES = (  # the widest first
    "honeytrace_all_sessions",
    "honeytrace_module_sessions",
    "honeytrace_class_sessions",
    "honeytrace_sessions",
)
