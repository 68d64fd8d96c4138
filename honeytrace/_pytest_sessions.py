"""The heavier half of the pytest plugin, imported when a test uses it: the test as a session, and
where such sessions go. PYTEST_DONT_REWRITE"""

from __future__ import annotations

import functools
import inspect
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from honeytrace import _current, _explain, _settings
from honeytrace._captures import CapturedSessions, Opening, capture_sessions
from honeytrace._config import live, load
from honeytrace._errors import StoreError
from honeytrace._expected import Place
from honeytrace._pipeline import finished
from honeytrace._record import Record
from honeytrace._routes import deliver
from honeytrace._session import NOTHING, OBJECTS, Session
from honeytrace._tracing import trace_session
from honeytrace._tree import tree

_TAKEN = ("name", "project", "source", *(each for each in OBJECTS if each != "outputs"))
_TALLY = "honeytrace_tally"
_LISTED = 10  # failed tests in the summary
_PATIENCE = 10.0  # seconds that delivery may take at the end of the run
_BUSY = 1.0  # seconds that another process may hold the store at its beginning

# ---- Looking at sessions


class Caught:
    """What the fixtures give. A capture begins before any fixture of the first test that asks for
    it, wherever it stands among them, and ends after all."""

    def __init__(self) -> None:
        self._open: dict[str, tuple[Opening, CapturedSessions]] = {}
        self._used: set[str] = set()

    def begin(self, names: Iterable[str]) -> None:
        for name in names:
            if name not in self._open:
                opening = capture_sessions()
                self._open[name] = opening, opening.__enter__()

    @contextmanager
    def by(
        self, name: str, request: pytest.FixtureRequest, ended: Iterable[Record]
    ) -> Iterator[CapturedSessions]:
        """For a fixture; `ended` is what the test has done before, if it asks in the middle."""
        early = name in self._open
        self.begin([name])
        sessions = self._open[name][1]
        if not early and request.scope == "function":
            sessions._sessions.extend(map(finished, ended))
        path = request.node.path
        file = path / "all" if request.scope == "session" else path
        sessions.place = Place(file, request.config.option.honeytrace_update)
        self._used.add(name)
        yield sessions
        self._used.remove(name)

    def end_unused(self) -> None:
        """Ends those whose fixture is not set up, or not any more."""
        for name in [name for name in self._open if name not in self._used]:
            self._open.pop(name)[0].__exit__(None, None, None)


def show(report: pytest.TestReport, records: Iterable[Record], error: BaseException | None) -> None:
    """Adds the trees of sessions that have ended, unless the assertion that failed shows them."""
    trees = live.faults.guard(_trees, [*records]) or "they cannot be shown"
    if not (type(error) is AssertionError and str(error).endswith(f"\n\n{trees}")):
        report.sections.append(("honeytrace sessions", trees))


def _trees(records: Sequence[Record]) -> str:
    sessions = {session.session_id: session for session in map(finished, records)}
    roots = (each for each in sessions.values() if _parent(each) not in sessions)
    return _explain.cut("\n".join(tree(root, sessions.get, "not caught") for root in roots))


def _parent(session: Session) -> Any:
    return session.metadata["honeytrace"].get("parent_id")


# ---- A test as a session


class Test:
    """A test while it runs."""

    def __init__(self, item: pytest.Item) -> None:
        self.item = item
        self.problem: str | None = None
        self.runs = 0
        self.outcome = "passed"
        self.error: BaseException | None = None
        self.session = NOTHING

    def begin(self) -> None:
        """Once, or again where a plugin repeats what failed. A wrong mark is the test's error."""
        self.runs += 1
        self.outcome, self.error = "passed", None
        if self.problem:
            pytest.fail(self.problem, pytrace=False)

    def note(self, report: pytest.TestReport, call: pytest.CallInfo[None]) -> None:
        """How a phase went. The first that did not pass tells how the test did."""
        if self.session:
            # An attribute of a report comes back from the workers of xdist, too.
            vars(report)["honeytrace_session"] = self.session.session_id
        became = _became(report)
        if became != "passed" and self.outcome not in ("failed", "error"):
            self.outcome = became
            self.error = call.excinfo.value if report.failed and call.excinfo else None


def _became(report: pytest.TestReport) -> str:
    if hasattr(report, "wasxfail"):
        return "xfailed" if report.skipped else "xpassed"
    if report.failed:
        return "failed" if report.when == "call" else "error"
    return report.outcome


@contextmanager
def recorded(item: pytest.Item) -> Iterator[Test]:
    """The session of a test, from the set-up of its fixtures to their tear-down."""
    test = Test(item)
    outer = _current.get()
    _current.make_current(None)  # it is a root, also where a wider fixture has a session open
    try:
        block = trace_session(**_options(item))
    except (TypeError, ValueError) as error:
        words = re.sub(r"trace_session\((\w+)=…\)", r"\1", str(error))
        test.problem = f"@pytest.mark.honeytrace of {item.nodeid}: {words}"
        yield test
    else:
        test.session = block.__enter__()
        _lead(item, _current.get())
        yield test
        passed = test.outcome in ("passed", "xpassed")
        again = {"reruns": test.runs - 1} if test.runs > 1 else {}
        for label, value in {"outcome": test.outcome, "passed": passed, **again}.items():
            test.session.metrics.setdefault(label, value)  # what the user set stays
        block.__exit__(type(test.error) if test.error else None, test.error, None)
    finally:
        if _current.get() is None:
            _current.make_current(outer)


def _options(item: pytest.Item) -> dict[str, Any]:
    """What the marks say, the nearest last, and what is known of the test itself."""
    own: dict[str, Any] = {}
    around: list[str] = []
    for node, mark in reversed([*item.iter_markers_with_node("honeytrace")]):
        given = _given(mark)
        if node is not item and "name" in given:
            around.append(given.pop("name"))
        own |= given
    name = own.pop("name", None) or ".".join([*around, _name(item)])
    callspec = getattr(item, "callspec", None)
    parameters = dict(callspec.params) if callspec else {}
    inputs, metadata = own.pop("inputs", {}), own.pop("metadata", {})
    return {
        **own,
        "name": name,
        "inputs": {**parameters, **inputs},
        "metadata": {"test": item.nodeid, **metadata},
    }


def _given(mark: pytest.Mark) -> dict[str, Any]:
    """The arguments of a mark. Raises `TypeError`."""
    if len(mark.args) > 1 or (mark.args and "name" in mark.kwargs):
        raise TypeError(f"only the name stands without a keyword, not {mark.args!r}")
    given = {**dict(zip(["name"], mark.args, strict=False)), **mark.kwargs}
    for label in given:
        if label not in _TAKEN:
            raise TypeError(f"there is no argument {label!r}; it takes {', '.join(_TAKEN)}")
    for label in ("inputs", "metadata"):
        if not isinstance(given.get(label, {}), Mapping):
            raise TypeError(f"{label} cannot be {given[label]!r}; give a mapping")
    return given


def _name(item: pytest.Item) -> str:
    """`TestAnswer.test_length[short]`."""
    owner = getattr(item, "cls", None)
    return f"{owner.__qualname__}.{item.name}" if owner else item.name


def _lead(item: pytest.Item, record: Record | None) -> None:
    """Lets a coroutine begin in the session of its test: anyio runs the tests of a module in one
    task, in the context of the first of them."""
    function = getattr(item, "obj", None)
    if not inspect.iscoroutinefunction(function):
        return

    @functools.wraps(function)
    async def led(*args: Any, **kwargs: Any) -> Any:
        __tracebackhide__ = True
        _current.make_current(record)
        return await function(*args, **kwargs)

    item.obj = led  # type: ignore[attr-defined] # it has one, a property of Function


# ---- Where they go


class Tally(NamedTuple):
    """How many sessions came to where they go, how many did not, and why."""

    arrived: int
    left: int
    reason: str | None


class Recording:
    """What `--honeytrace` does: takes all sessions of the run to one place."""

    def __init__(self, options: Any, keep: Callable[[Record], object]) -> None:
        known = live.base.config if live.base else _settings.resolve({})
        # Settled now: a test may move its home, or set a server of its own.
        self.config = known if options.honeytrace_send else replace(known, server_url=None)
        # `show` asks the server that is configured.
        self._show = ["honeytrace show ID"] if known.local or options.honeytrace_send else []
        self._keep = keep
        load()
        self._problem = _store_problem(self.config.home) if self.config.local else None
        self._delivery = deliver(self.config, live.faults)
        self._process = self._delivering = os.getpid()
        self._astray = False  # whether this is the child of a test that goes on as pytest
        self._tallies: list[Tally] = []
        self._crashed: list[object] = []

    def take(self, record: Record) -> None:
        self._keep(record)
        if self._problem or self._astray:
            return
        if self._delivering != os.getpid():
            self._begin_again()
        self._delivery.accept(record)

    def _begin_again(self) -> None:
        """In the child of a test, which has none of the threads that deliver. It ends like any
        program: what it flushes, or has when it exits in order, arrives."""
        self._delivering = os.getpid()
        self._delivery = deliver(self.config, live.faults)
        live.also(self._delivery, self.config)

    @property
    def _forked(self) -> bool:
        return os.getpid() != self._process

    def pytest_runtest_logreport(self) -> None:
        self._astray = self._forked

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if self._forked:
            return
        self._delivery.shutdown(_PATIENCE, patient=False)
        stats = self._delivery.stats()
        left = stats.queued + stats.spooled + stats.rejected + stats.dropped
        tally = Tally(stats.delivered, left, stats.last_error)
        self._tallies.append(tally)
        if hasattr(session.config, "workeroutput"):
            session.config.workeroutput[_TALLY] = tuple(tally)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """A worker of xdist has ended; one that crashed says nothing."""
        said = getattr(node, "workeroutput", {}).get(_TALLY)
        if said:
            self._tallies.append(Tally(*said))
        else:
            self._crashed.append(node)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        reports = [each for kind in terminalreporter.stats.values() for each in kind]
        ours = [each for each in reports if getattr(each, "honeytrace_session", None)]
        failed = {each.honeytrace_session: each.nodeid for each in ours if each.failed}
        lost = [each for each in ours if getattr(each, "node", None) in self._crashed]
        crashed = len({each.honeytrace_session for each in lost})
        terminalreporter.section("honeytrace")
        for line in self._told(len({each.honeytrace_session for each in ours}) - crashed, crashed):
            terminalreporter.line(line)
        for id_, test in [*failed.items()][: 0 if self._problem else _LISTED]:
            terminalreporter.line(f"  {id_}  {test}")
        if len(failed) > _LISTED:
            terminalreporter.line(f"  … and {len(failed) - _LISTED} more that failed")

    def _told(self, number: int, crashed: int) -> Iterator[str]:
        problem = "tracing is off" if live.off else self._problem
        if problem or not (number or crashed):
            yield f"no test was recorded{f': {problem}' if problem else ''}"
            return
        where, how = self.config.server_url, self._show
        if where is None:
            where = str(self.config.home / "sessions.db")
            how = ["honeytrace ls", *self._show, "honeytrace serve"]
        arrived = sum(each.arrived for each in self._tallies)
        left = sum(each.left for each in self._tallies)
        tests = "1 test" if number == 1 else f"{number} tests"
        if arrived or not left:
            yield f"{tests} recorded in {where}; to look at them: {', '.join(how)}"
        else:
            yield f"{tests} could not be recorded in {where}"
        if left:
            reason = next((each.reason for each in self._tallies if each.reason), "no answer yet")
            spooled = self.config.server_url and self.config.spool_dir
            again = "; to send what is on disk: honeytrace resend" if spooled else ""
            sessions = "1 session" if left == 1 else f"{left} sessions"
            yield f"{sessions} did not arrive: {reason}{again}"
        if crashed:
            yield f"{crashed} more ran in a worker that crashed; they are there if they had arrived"


def _store_problem(home: Path) -> str | None:
    """Why nothing can be kept in the store of this home, if so."""
    from honeytrace.local import Store  # needs sqlite3, and most runs no store

    store = Store(home / "sessions.db", busy=_BUSY)
    try:
        store.count()
    except StoreError as error:
        return str(error)
    finally:
        store.close()
    return None
