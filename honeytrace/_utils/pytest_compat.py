"""What the package has to know of pytest."""

from __future__ import annotations

import os
import sys
import threading
import types
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any


def fixture_parts(target: Any) -> tuple[Callable[[Any], Any], Any] | None:
    """What declares the fixture, and its function; None if `target` is no fixture."""
    fixtures = sys.modules.get("_pytest.fixtures")
    kind = getattr(fixtures, "FixtureFunctionDefinition", None)
    if kind is not None and type(target) is kind:
        return target._fixture_function_marker, target._fixture_function
    if fixtures and type(target) is types.FunctionType:
        known = vars(target)  # before pytest 8.4 it is a function that refuses to be called
        if "_pytestfixturefunction" in known and "__pytest_wrapped__" in known:
            return known["_pytestfixturefunction"], known["__pytest_wrapped__"].obj
    return None


def is_fixture(function: str) -> bool:
    """Whether this function, by its name with that of its module, is a fixture there."""
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
"""Tells the processes that a test starts: "on" or "off". The plugin sets it."""

_LOADING = ("import_plugin", "load_setuptools_entrypoints")


def within(module: str) -> bool:
    """Whether a function of this module is on the stack of the caller."""
    return any(_home(frame) == module for frame in _frames(sys._getframe(1)))


def _frames(frame: FrameType | None) -> Iterator[FrameType]:
    while frame is not None:
        yield frame
        frame = frame.f_back


def _home(frame: FrameType) -> object:
    return frame.f_globals.get("__name__")


allowed = os.environ.get(VARIABLE) != "off"
"""Whether sessions may leave this process."""

watch: Callable[[Any], object] | None = None
"""Called with the record of each session that ends, on the thread where it ended."""

told = False
"""Whether the plugin of a run that goes on has set these."""

pytests_own = within("_pytest.config")
"""Whether the process traced nothing before pytest began: then it is for pytest alone."""


def early() -> bool:
    """Whether pytest is loading plugins, ours among them but not yet."""
    if told or "_pytest.config" not in sys.modules:
        return False
    main = sys._current_frames().get(threading.main_thread().ident or 0)
    loading = False
    for frame in _frames(main):
        loading = loading or frame.f_code.co_name in _LOADING
        words = frame.f_locals.get("args") if loading and _home(frame) == "_pytest.config" else ()
        if type(words) is list:  # the command line, with what files and variables add to it
            return not any(_settles(word) for word in words)
    return False


def _settles(word: object) -> bool:
    """Whether a word of the command line says that sessions are sent."""
    return word == "--honeytrace-send" or str(word).endswith("no:honeytrace")
