"""Warn when `@trace_session` stands above a decorator that registers the function.

`@app.get("/")`, `@agent.tool` or `@app.task` pass the function to a framework, which calls what it
was given. It never calls a stand-in that is made afterwards, so nothing would be recorded.

A registration shows in the number of references to what the inner decorator returned: only the
interpreter's stack refers to a fresh function. If the framework keeps something else, such as the
function inside a wrapper that it returns, the number does not show it and there is no warning.
"""

from __future__ import annotations

import opcode
import sys
import types
from collections.abc import Iterator
from types import CellType, FrameType
from typing import Any

from honeytrace._capture.stdlib_types import mro
from honeytrace._config.live import live
from honeytrace._utils.guard import try_call

_ENTRANCES = frozenset({"ainvoke", "call", "delay", "invoke", "main", "run", "send"})
"""Methods by which frameworks call the function of a command, task or tool without `__call__`."""

_CALLS = frozenset({"CALL", "CALL_FUNCTION"})
_AROUND_CALLS = frozenset({"CACHE", "PRECALL"})
_MAKES = frozenset({"MAKE_FUNCTION", "SET_FUNCTION_ATTRIBUTE"})


def _by_function(target: Any = None, /, **_: Any) -> int:
    return sys.getrefcount(target)


class _ByMethod:
    def __call__(self, target: Any) -> int:
        return sys.getrefcount(target)


# The reference count on arrival if only the caller's stack refers to the function. It depends on
# the Python version and on how the decorator is called, so it is measured with calls of both forms.
UNREGISTERED_BARE = _by_function(lambda: None)
"""The number of references to a fresh function that `@trace_session` sees."""

UNREGISTERED = _ByMethod()(lambda: None)
"""The number of references to a fresh function that `@trace_session(...)` sees."""


def warn_if_registered(target: Any, more_references: int, frame: FrameType) -> None:
    """Warn if a framework will call `target` instead of its stand-in.

    Args:
        target: the object that `@trace_session` decorates.
        more_references: the number of references to it beyond those to a fresh function.
        frame: the frame of the caller.
    """
    registered = more_references > 0 and more_references > _to_itself(target)
    if (registered or _has_entrance(target)) and _is_above_a_decorator(frame):
        name, _ = try_call(getattr, target, "__qualname__")
        if not isinstance(name, str):
            name, _ = try_call(getattr, target, "name")
        live.guard.warn(
            f"registration in {frame.f_code.co_filename}:{frame.f_lineno}",
            "the decorator below @trace_session has registered %s, so calls of it are not "
            "recorded; put @trace_session directly above the def",
            name if isinstance(name, str) else type(target).__qualname__,
        )


def _to_itself(target: Any) -> int:
    """Count the references that a function has to itself, in its closure and its attributes."""
    if type(target) is not types.FunctionType:
        return 0
    attributes = list(vars(target).values())
    functions = [each for each in attributes if type(each) is types.FunctionType]
    cells = {id(cell): cell for each in [target, *functions] for cell in each.__closure__ or ()}
    held = [*attributes, *(content for cell in cells.values() for content in _contents(cell))]
    return sum(each is target for each in held)


def _contents(cell: CellType) -> Iterator[object]:
    try:
        yield cell.cell_contents
    except ValueError:  # the variable is not set yet
        return


def _has_entrance(target: Any) -> bool:
    """Return whether this is an object of a framework that is not entered by calling it."""
    kind = type(target)
    if kind is types.FunctionType or isinstance(target, type):
        return False
    own = [each for each in mro(kind) if each.__module__ not in ("builtins", "functools")]
    return any(_ENTRANCES & vars(each).keys() for each in own)


def _is_above_a_decorator(frame: FrameType) -> bool:
    """Return whether the caller is decorating a `def` and ours is not the first decorator to run.

    Decorators are called one after the other as soon as the function has been made.
    """
    code = frame.f_code.co_code
    names = (opcode.opname[code[at]] for at in range(frame.f_lasti, -1, -2))
    steps = (name for name in names if name not in _AROUND_CALLS)
    calls = 0
    while (step := next(steps, "")) in _CALLS:
        calls += 1
    return calls > 1 and step in _MAKES
