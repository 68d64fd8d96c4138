"""Find the traced function of a session, in modules that the user names."""

from __future__ import annotations

import os
import re
import sys
import types
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from importlib import import_module
from inspect import getattr_static
from keyword import iskeyword
from pathlib import Path
from typing import Any, cast

from honeytrace._tracing.callable_objects import TracedObject
from honeytrace._tracing.decorate import TracedPartial, is_traced
from honeytrace._utils.guard import try_call
from honeytrace._utils.text import listed

_MAX_DECORATORS = 16  # around a traced function


class AnyObject:
    """Stands for the object of a method, of which a session knows nothing."""


def find(
    title: str, path: str, modules: Sequence[str]
) -> tuple[types.ModuleType, tuple[str, ...], Callable[..., Any]]:
    """Return the module that defines a function, the names inside it, and the function itself.

    Whatever a session names is not imported, as others may have written it.

    title: the title of the session, for messages.
    path: the function that the session names, as `module.Class.method`.
    modules: names to import, from the current directory too. Functions of the program itself,
        `__main__`, are looked for in all of them.
    Raises `ValueError` with a sentence if there is none, or it is not traced.
    """
    _check_path(title, path)
    with _importing():
        module, names = _module(title, path, modules)
        function = _function(title, path, module, names)
    if not _is_traced(function):
        raise ValueError(
            f"{title} calls {path}, which is not traced there; decorate it with @trace_session, "
            "or call replay(session, function) in your own test"
        )
    return module, names, function


def _module(
    title: str, path: str, modules: Sequence[str]
) -> tuple[types.ModuleType, tuple[str, ...]]:
    """Return the module that defines the function, of those named, and the names inside it."""
    start, _, rest = path.partition(".")
    for name in sorted(modules, key=len, reverse=True):
        whole = f"{name}.{rest}" if start == "__main__" else path
        if whole.startswith(f"{name}."):
            module, names = _innermost(_imported(title, path, name), whole[len(name) + 1 :])
            if start != "__main__" or try_call(getattr_static, module, names[0])[1] is None:
                return module, names
    if start != "__main__":
        option = f"--import {_module_in(path)}"
        raise ValueError(f"{title} calls {path}; if that is yours, name its module: `{option}`")
    name = rest.partition(".")[0]
    if modules:
        raise ValueError(f"{title} calls {path}, and {listed(modules)} does not define {name}")
    file = _script_with(name)
    raise ValueError(
        f"{title} calls {path}, and no test can import __main__: it was run as a script; "
        f"if its file is {file}.py, use `--import {file}`"
    )


def _module_in(path: str) -> str:
    """Return what is probably the module in the path of a function or method."""
    *parts, _ = path.split(".")
    while len(parts) > 1 and parts[-1][0].isupper():
        parts.pop()
    return ".".join(parts) or path


def _innermost(module: types.ModuleType, path: str) -> tuple[types.ModuleType, tuple[str, ...]]:
    """Follow the path through modules that are loaded; the rest are names in the last one."""
    names = path.split(".")
    while len(names) > 1 and (inner := sys.modules.get(f"{module.__name__}.{names[0]}")):
        module = inner
        names.pop(0)
    return module, tuple(names)


def _imported(title: str, path: str, name: str) -> types.ModuleType:
    module, fault = try_call(import_module, name)
    if module is not None:
        return module
    missing = fault.name if isinstance(fault, ModuleNotFoundError) else None
    if missing is not None and f"{name}.".startswith(f"{missing}."):
        raise ValueError(
            f"{title} calls {path}, and there is no module {missing!r} here; "
            "run this where your tests run, or set PYTHONPATH"
        )
    raise ValueError(
        f"{title} calls {path}, and the import of {name} raised {type(fault).__name__}: {fault}"
    )


def _is_traced(function: Any) -> bool:
    """Return whether a function is traced, perhaps below other decorators."""
    for _ in range(_MAX_DECORATORS):
        if is_traced(function) or isinstance(function, (TracedObject, TracedPartial)):
            return True
        function, _fault = try_call(getattr, function, "__wrapped__")
    return False


def _script_with(name: str) -> str:
    """Return the module of this directory that seems to define a name, without importing it."""
    defines = re.compile(rf"^(?:async )?(?:def|class) {re.escape(name)}\b", re.MULTILINE)
    for file in sorted(Path().glob("*.py")):
        text, _ = try_call(file.read_text, "utf-8")
        if text and defines.search(text):
            return file.stem
    return "app"


def _check_path(title: str, path: str) -> None:
    if "<locals>" in path:
        raise ValueError(
            f"{title} calls {path}, which is defined inside another function; move it to its module"
        )
    if not all(part.isidentifier() and not iskeyword(part) for part in path.split(".")):
        raise ValueError(f"{title} calls {path}, which no import can name; give it a name")


@contextmanager
def _importing() -> Iterator[None]:
    """Import as `python -m` does. What modules print does not get into the tests."""
    before = list(sys.path)
    sys.path.insert(0, os.getcwd())
    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        sys.path[:] = before


def _function(
    title: str, path: str, module: types.ModuleType, names: Sequence[str]
) -> Callable[..., Any]:
    """Return the function under this path; a method is bound to a stand-in for its object."""
    owner, found = None, cast("Any", module)
    for name in names:
        owner, (found, _) = found, try_call(getattr, found, name)
    if found is None:
        raise ValueError(f"{title} calls {path}, which does not exist any more")
    if not callable(found) or isinstance(found, type):
        raise ValueError(f"{title} calls {path}, which is not a function any more")
    unbound = (staticmethod, classmethod)
    if isinstance(owner, type) and not isinstance(getattr_static(owner, names[-1]), unbound):
        return types.MethodType(found, AnyObject())
    return cast("Callable[..., Any]", found)
