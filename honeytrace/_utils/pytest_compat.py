"""Details of pytest that the package depends on."""

from __future__ import annotations

import os
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple


def fixture_parts(target: Any) -> tuple[Callable[[Any], Any], Any] | None:
    """Return a fixture's marker and its function; None if `target` is not a fixture."""
    fixtures = sys.modules.get("_pytest.fixtures")
    kind = getattr(fixtures, "FixtureFunctionDefinition", None)
    if kind is not None and type(target) is kind:
        return target._fixture_function_marker, target._fixture_function
    if fixtures and type(target) is types.FunctionType:
        known = vars(target)  # before pytest 8.4, a fixture is a function that refuses to be called
        if "_pytestfixturefunction" in known and "__pytest_wrapped__" in known:
            return known["_pytestfixturefunction"], known["__pytest_wrapped__"].obj
    return None


def is_fixture(function: str) -> bool:
    """Return True if the function with this full dotted name is a fixture."""
    if "_pytest.fixtures" not in sys.modules:
        return False
    module, names = function, list[str]()
    while module and module not in sys.modules:
        module, _, name = module.rpartition(".")
        names.insert(0, name)
    found: Any = sys.modules.get(module)
    for name in names:
        found = getattr(found, "__dict__", {}).get(name)
    return fixture_parts(found) is not None


VARIABLE = "_HONEYTRACE_SENDING"
"""The environment variable that tells child processes whether to send: "on" or "off"."""


class Rule(NamedTuple):
    """The treatment of sessions that end.

    Attributes:
        processors: functions that get each session's record, on the thread where it ended.
        sends: True if the sessions are delivered as well.
    """

    processors: tuple[Callable[[Any], object], ...]
    sends: bool


SEND = Rule((), True)
DISCARD = Rule((), False)


def rule() -> Rule | None:
    """Return the rule for sessions; None while pytest may still load the plugin, which decides.

    Sessions are sent without pytest, and if the plugin is not loaded when the first test runs.
    """
    plugin: Any = sys.modules.get("honeytrace.pytest_plugin")
    runs: list[Any] = getattr(plugin, "runs", [])  # empty while the plugin is being imported
    if runs:
        found: Rule = runs[-1].rule
        return found
    if VARIABLE in os.environ:
        return DISCARD if os.environ[VARIABLE] == "off" else SEND
    return None if is_running() and not is_in_test() else SEND


def is_running() -> bool:
    """Return True if this process was started to run pytest, by its command or by an editor."""
    command = Path(sys.argv[0])
    name = command.parent.name if command.name == "__main__.py" else command.name
    return "_pytest.config" in sys.modules and ("pytest" in name or "py.test" in name)


def is_in_test() -> bool:
    """Return True if a test is running in this process, and not only in its parent process."""
    file = os.environ.get("PYTEST_CURRENT_TEST", "").partition("::")[0]
    modules = [getattr(each, "__file__", None) for each in [*sys.modules.values()] if file]
    return any(Path(each).as_posix().endswith(file) for each in modules if each)


def rewrites_imports() -> bool:
    """Return True if pytest rewrites modules while they are imported."""
    return "_pytest.assertion.rewrite" in sys.modules
