"""The pytest plugin `honeytrace`: loaded by every pytest run that can see it, so it does little
before it is used. PYTEST_DONT_REWRITE"""

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
    "metadata): records the test itself as a session, its outcome in the metrics and its "
    "parameters in the inputs; what is given is as for trace_session. On a class or module it "
    "holds for all tests in it, and its name stands before theirs: chat.TestAnswer.test_length."
)
_NAMES = ("honeytrace", "honeytrace.pytest_plugin")  # by one of them it has been loaded
_RUN = "honeytrace_run"
_FLUSH_SECONDS = 2.0  # how long a worker of xdist may deliver at its end
_MAX_KEPT = 1_000  # sessions of a test, the last ones, that its report shows if it fails


def pytest_addoption(parser: pytest.Parser, pluginmanager: pytest.PytestPluginManager) -> None:
    for name in _NAMES:  # if it is loaded by its other name, too, this is there
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
    """Before any code of the project's runs."""
    _start(early_config, early_config.known_args_namespace)


def pytest_configure(config: pytest.Config) -> None:
    if not config.pluginmanager.has_plugin(_RUN):  # it was a conftest that named this plugin
        _start(config, config.option)


def _start(config: pytest.Config, options: Any) -> None:
    config.pluginmanager.register(_Run(config, options), _RUN)


runs: list[_Run] = []
"""The runs of pytest in this process, the innermost last: pytester runs one inside another."""


class _Run:
    """The hooks of one run."""

    def __init__(self, config: pytest.Config, options: Any) -> None:
        self.kept: deque[CallRecord] = deque(maxlen=_MAX_KEPT)
        self.test: Test | None = None  # the one that runs, if it is a session itself
        self.captures: FixtureCaptures | None = None  # once a test asks for one
        self.leftovers: Leftovers | None = None  # once something was traced
        config.add_cleanup(_refresh)  # called last: the order is reversed
        if not _is_for_tests():  # in one that is, the rule applies until the process ends
            config.add_cleanup(partial(_restore, os.environ.get(pytest_compat.VARIABLE)))
        config.add_cleanup(partial(runs.remove, self))
        self.decide((self.kept.append,), options.honeytrace_send, options.honeytrace_send)
        runs.append(self)
        _refresh()

    def decide(self, processors: tuple[Processor, ...], sends: bool, children_send: bool) -> None:
        """Decide what becomes of sessions in this process, and in those that it starts."""
        self.rule = pytest_compat.Rule(processors, sends)
        os.environ[pytest_compat.VARIABLE] = "on" if children_send else "off"

    def pytest_configure(self, config: pytest.Config) -> None:
        config.addinivalue_line("markers", _MARK)

    def pytest_sessionstart(self, session: pytest.Session) -> None:
        options = session.config.option
        # What comes before is sent as without `--honeytrace`; from here on that does it.
        if options.honeytrace and not (options.collectonly or options.setuponly):
            from honeytrace.pytest_plugin._recording import Recording

            recording = Recording(options, self.kept.append)
            session.config.pluginmanager.register(recording, "honeytrace_recording")
            self.decide((recording.take,), False, options.honeytrace_send)
            _refresh()

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        ours = sys.modules.get("honeytrace._config.live")
        if ours and hasattr(session.config, "workerinput"):
            ours.live.flush(_FLUSH_SECONDS)  # xdist may end its workers before `atexit` runs

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
        """Return what ends whatever tests leave running; None before anything was traced."""
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
    """Return True if this process is there for a run of pytest that starts now, and nothing else.

    Such a process may have threads left that trace when the run has ended.
    """
    ours = sys.modules.get("honeytrace._config.live")
    nested = runs or pytest_compat.is_in_test()
    return not nested and (ours is None or ours.live.in_pytest)


def _restore(told: str | None) -> None:
    """Tell child processes what this one was told."""
    os.environ.pop(pytest_compat.VARIABLE, None)
    if told is not None:
        os.environ[pytest_compat.VARIABLE] = told


def _refresh() -> None:
    ours = sys.modules.get("honeytrace._config.live")
    if ours:  # something has been imported that traces
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
