"""Record a test as a session. PYTEST_DONT_REWRITE"""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest

from honeytrace._session import context
from honeytrace._session.active import NOTHING
from honeytrace._session.record import CallRecord
from honeytrace._session.session import ENTERED
from honeytrace._tracing.trace_session import trace_session

_TAKEN = ("name", "project", "source", *ENTERED)


class Test:
    """The session of a running test."""

    def __init__(self, item: pytest.Item) -> None:
        self.item = item
        self.problem: str | None = None
        self.runs = 0
        self.outcome = "passed"
        self.error: BaseException | None = None
        self.session = NOTHING

    def begin(self) -> None:
        """Begin the session. A plugin that repeats failed tests calls this again.

        Wrong arguments of a mark are an error of the test.
        """
        self.runs += 1
        self.outcome, self.error = "passed", None
        if self.problem:
            pytest.fail(self.problem, pytrace=False)

    def note(self, report: pytest.TestReport, call: pytest.CallInfo[None]) -> None:
        """Note the outcome of a phase. The first one that did not pass decides."""
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
    """Record the session of a test, from the set-up of its fixtures to their tear-down."""
    test = Test(item)
    outer = context.get()
    context.make_current(None)  # a root, even if a wider fixture has an open session
    try:
        block = trace_session(**_options(item))
    except (TypeError, ValueError) as error:
        words = re.sub(r"trace_session\((\w+)=…\)", r"\1", str(error))
        test.problem = f"@pytest.mark.honeytrace of {item.nodeid}: {words}"
        yield test
    else:
        test.session = block.__enter__()
        _lead(item, context.get())
        yield test
        passed = test.outcome in ("passed", "xpassed")
        again = {"reruns": test.runs - 1} if test.runs > 1 else {}
        for label, value in {"outcome": test.outcome, "passed": passed, **again}.items():
            test.session.metrics.setdefault(label, value)  # keep what the user set
        block.__exit__(type(test.error) if test.error else None, test.error, None)
    finally:
        if context.get() is None:
            context.make_current(outer)


def _options(item: pytest.Item) -> dict[str, Any]:
    """Return the options that the marks give, the nearest last, and the facts of the test."""
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
    """Return the arguments of a mark. Raises `TypeError`."""
    if len(mark.args) > 1 or (mark.args and "name" in mark.kwargs):
        raise TypeError(f"only the name may be given without a keyword, not {mark.args!r}")
    given = {**dict(zip(["name"], mark.args, strict=False)), **mark.kwargs}
    for label in given:
        if label not in _TAKEN:
            raise TypeError(f"there is no argument {label!r}; it takes {', '.join(_TAKEN)}")
    for label in ("inputs", "metadata"):
        if not isinstance(given.get(label, {}), Mapping):
            raise TypeError(f"{label} cannot be {given[label]!r}; give a mapping")
    return given


def _name(item: pytest.Item) -> str:
    """Return the name of a test, such as `TestAnswer.test_length[short]`."""
    owner = getattr(item, "cls", None)
    return f"{owner.__qualname__}.{item.name}" if owner else item.name


def _lead(item: pytest.Item, record: CallRecord | None) -> None:
    """Make a coroutine begin in the session of its test.

    anyio runs all tests of a module in one task, in the context of the first test.
    """
    function = getattr(item, "obj", None)
    if not inspect.iscoroutinefunction(function):
        return

    @functools.wraps(function)
    async def led(*args: Any, **kwargs: Any) -> Any:
        __tracebackhide__ = True
        context.make_current(record)
        return await function(*args, **kwargs)

    item.obj = led  # type: ignore[attr-defined] # it has one, a property of Function
