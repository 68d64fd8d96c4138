"""Deliver the sessions of a run with `--honeytrace`, and sum it up. PYTEST_DONT_REWRITE"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from honeytrace._config import settings
from honeytrace._config.live import live, load
from honeytrace._config.routes import deliver
from honeytrace._session.record import CallRecord
from honeytrace._utils.errors import StoreError
from honeytrace._utils.paths import store_path

_TALLY = "honeytrace_tally"
_LISTED = 10  # at most so many failed tests in the summary
_PATIENCE = 10.0  # seconds: time for delivery at the end of the run
_BUSY = 1.0  # seconds: how long to wait for a store that another process has locked


class Tally(NamedTuple):
    """The number of sessions that arrived, the number that did not, and the reason."""

    arrived: int
    left: int
    reason: str | None


class Recording:
    """Implements `--honeytrace`: delivers all sessions of the run to one server or store."""

    def __init__(self, options: Any, keep: Callable[[CallRecord], object]) -> None:
        known = live.base.config if live.base else settings.resolve({})
        # Fixed now: a test may change the home directory or the server.
        self.config = known if options.honeytrace_send else replace(known, server_url=None)
        # `show` asks the server that is configured.
        self._show = ["honeytrace show ID"] if known.local or options.honeytrace_send else []
        self._keep = keep
        load()
        self._problem = _store_problem(self.config.home) if self.config.local else None
        self._delivery = deliver(self.config, live.guard)
        self._process = self._delivering = os.getpid()
        self._astray = False  # whether this is a fork of a test that goes on running pytest
        self._tallies: list[Tally] = []
        self._crashed: list[object] = []

    def take(self, record: CallRecord) -> None:
        self._keep(record)
        if self._problem or self._astray:
            return
        if self._delivering != os.getpid():
            self._begin_again()
        self._delivery.accept(record)

    def _begin_again(self) -> None:
        """Start a delivery in the forked child of a test, which has no delivery threads.

        As in any program, sessions arrive if the child flushes them or exits normally.
        """
        self._delivering = os.getpid()
        self._delivery = live.deliver_beside(self.config)

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
        """Note the end of an xdist worker. A worker that crashed sends no tally."""
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
            where = str(store_path(self.config.home))
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
    """Return why the store of this home cannot be written; None if it can."""
    from honeytrace.local import Store  # needs sqlite3, and most runs use no store

    store = Store(store_path(home), busy=_BUSY)
    try:
        store.open()
    except StoreError as error:
        return str(error)
    finally:
        store.close()
    return None
