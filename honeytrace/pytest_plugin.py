"""The pytest plugin `honeytrace`: loaded by every pytest run that can see it, so it does little
before it is used. PYTEST_DONT_REWRITE"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Iterator
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any

import pytest

from honeytrace import _sending

if TYPE_CHECKING:
    from honeytrace._pytest_sessions import Test
    from honeytrace._record import Record
    from honeytrace.testing import CapturedSessions

_MARK = (
    "honeytrace(name=None, *, project, source, config, inputs, user_properties, metrics, feedback, "
    "metadata): records the test itself as a session, its outcome in the metrics and its "
    "parameters in the inputs; what is given is as for trace_session."
)
_NAMES = ("honeytrace", "honeytrace.pytest_plugin")  # by one of them it has been loaded
_TESTS = "honeytrace_tests"
_PATIENCE = 2.0  # seconds
_KEPT = 1_000  # sessions of a test, the last ones, that its report shows if it fails


def pytest_addoption(parser: pytest.Parser, pluginmanager: pytest.PytestPluginManager) -> None:
    for name in _NAMES:
        if not pluginmanager.has_plugin(name):
            pluginmanager.set_blocked(name)  # pluggy would refuse the second name with a dump
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
    if not config.pluginmanager.has_plugin(_TESTS):  # it was a conftest that named this plugin
        _start(config, config.option)


def _start(config: pytest.Config, options: Any) -> None:
    config.pluginmanager.register(_Tests(config, options), _TESTS)


class _Tests:
    """The hooks of one run; runs may be nested, as pytester does it."""

    def __init__(self, config: pytest.Config, options: Any) -> None:
        self.kept: deque[Record] = deque(maxlen=_KEPT)
        self.test: Test | None = None  # that runs, if it is a session itself
        config.add_cleanup(partial(_tell, _sending.allowed, _sending.watch))
        # What `--honeytrace` records is sent by it, wherever it goes.
        _tell(options.honeytrace_send and not options.honeytrace, self.kept.append)
        if options.honeytrace_send or options.honeytrace:
            # Here, not by the worker: pytest parses what it imports of a plugin's package, and
            # before Python 3.12 two threads that do so at once may fail.
            import_module("honeytrace._transport")
            import_module("honeytrace.local._default")

    def pytest_configure(self, config: pytest.Config) -> None:
        config.addinivalue_line("markers", _MARK)

    def pytest_sessionstart(self, session: pytest.Session) -> None:
        options = session.config.option
        if options.honeytrace:
            from honeytrace import _pytest_sessions

            recording = _pytest_sessions.Recording(options, self.kept.append)
            session.config.pluginmanager.register(recording, "honeytrace_recording")
            _tell(False, recording.take)

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        ours = sys.modules.get("honeytrace._config")
        if ours and hasattr(session.config, "workerinput"):
            ours.live.flush(_PATIENCE)  # xdist may end its workers before `atexit` runs

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        if item.config.option.honeytrace or item.get_closest_marker("honeytrace"):
            from honeytrace import _pytest_sessions

            with _pytest_sessions.recorded(item) as self.test:
                yield
            self.test = None
        else:
            yield

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self) -> None:
        self.kept.clear()
        if self.test:
            self.test.begin()

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_makereport(self, call: pytest.CallInfo[None]) -> Iterator[None]:
        outcome: Any = yield
        report = outcome.get_result()
        if self.test:
            self.test.note(report, call)
        if report.failed and self.kept:
            from honeytrace import _pytest_sessions

            error = call.excinfo.value if call.excinfo else None
            _pytest_sessions.show(report, self.kept, error)


def _tell(allowed: bool, watch: Any) -> None:
    _sending.allowed, _sending.watch = allowed, watch
    config = sys.modules.get("honeytrace._config")
    if config:  # a plugin that was loaded earlier has begun to trace
        config.live.obey()


# ---- Fixtures


def _fixture(name: str, scope: Any, whose: str) -> Any:
    def sessions(request: pytest.FixtureRequest) -> Iterator[CapturedSessions]:
        from honeytrace import _pytest_sessions

        with _pytest_sessions.captured(request) as sessions:
            yield sessions

    sessions.__doc__ = f"The sessions that start in {whose}; none is sent."
    return pytest.fixture(sessions, scope=scope, name=name)


_each = _fixture("honeytrace_sessions", "function", "this test, from its set-up to its tear-down")
_class = _fixture("honeytrace_class_sessions", "class", "the tests of this class")
_module = _fixture("honeytrace_module_sessions", "module", "the tests of this module")
_all = _fixture("honeytrace_all_sessions", "session", "all tests of this run")
