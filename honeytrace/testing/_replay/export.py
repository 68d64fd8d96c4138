"""Write recorded sessions as a file of pytest tests."""

from __future__ import annotations

import builtins
import datetime
import json
import os
import re
import sys
import types
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from decimal import Decimal
from importlib import import_module
from inspect import getattr_static
from keyword import iskeyword
from math import isfinite
from pathlib import Path
from typing import Any, cast
from uuid import UUID

from honeytrace._session.session import Session, about, title_of
from honeytrace._tracing import templates, wrappers
from honeytrace._tracing.callable_objects import TracedObject
from honeytrace._tracing.decorate import TracedPartial, is_traced
from honeytrace._utils.guard import try_call
from honeytrace._utils.text import listed, printable
from honeytrace.local._origin import sdk_of
from honeytrace.testing._replay.arguments import Arguments, rebind
from honeytrace.testing._replay.losses import REDACTED

_MAX_LINE_CHARS = 88  # the default of formatters
_INDENT = "    "
# In the message of an exception group. pytest 8.4 and later leave it out when they match.
_MEMBERS = re.compile(r" \(\d+ sub-exceptions?\)\Z")
_TAKEN = {
    *("asyncio", "pytest", "capture_sessions", "_items"),
    *("args", "inputs", "sessions", "match", "raised", "recorded"),
    *("datetime", "Decimal", "Path", "UUID"),
}
_CALLS = {
    templates.FUNCTION.name: "{}",
    templates.COROUTINE.name: "asyncio.run({})",
    templates.GENERATOR.name: "list({})",
    templates.ASYNC_GENERATOR.name: "asyncio.run(_items({}))",
}
_MAX_DECORATORS = 16  # around a traced function
_PLAIN = (str, int, float, bool, type(None))
_STANDARD: dict[type, str] = {
    datetime.date: "import datetime",
    datetime.datetime: "import datetime",
    datetime.time: "import datetime",
    Decimal: "from decimal import Decimal",
    type(Path()): "from pathlib import Path",
    UUID: "from uuid import UUID",
}
"""Types of the standard library that can be written down, and the import that each needs."""
_BRACKETS: dict[Any, tuple[str, str]] = {list: ("[", "]"), tuple: ("(", ")"), set: ("{", "}")}
_ITEMS = """

async def _items(stream):
    return [item async for item in stream]
"""


class _AnyObject:
    """Stands for the object of a method, of which a session knows nothing."""


@dataclass(frozen=True, slots=True)
class Case:
    """One session, and all that is needed to call its function again.

    Attributes:
        session: the recorded session.
        module: the module to import the function from.
        path: the names that lead to the function inside the module.
        function: the function itself; a method is bound to a stand-in for its object.
        arguments: what to call it with.
        asks_model: whether a model was called on the way.
    """

    session: Session
    module: str
    path: tuple[str, ...]
    function: Callable[..., Any]
    arguments: Arguments
    asks_model: bool = False

    @property
    def fixture(self) -> str:
        """Return the name of the fixture that makes the object of a method; "" for a function."""
        if not isinstance(getattr(self.function, "__self__", None), _AnyObject):
            return ""
        return _word(".".join([self.module, *self.path[:-1]])).lower()

    @property
    def kind(self) -> str:
        return wrappers.kind(self.function).name


def case(session: Session, modules: Sequence[str] = (), maker: str | None = None) -> Case:
    """Find the traced function of a session in the modules that the user names.

    Whatever a session names is not imported, as others may have written it.

    modules: names to import, from the current directory too. Functions of the program itself,
        `__main__`, are looked for in all of them.
    maker: the id of the session above one that is not the call of a function.
    Raises `ValueError` with a sentence if no test can call it.
    """
    title = title_of(session)
    path = about(session).get("function")
    if not isinstance(path, str):
        raise ValueError(f"{title} {_origin(session)}{_instead(maker)}")
    _check_path(title, path)
    with _importing():
        module, names = _module(title, path, modules)
        function = _function(title, path, module, names)
    if not _is_traced(function):
        raise ValueError(
            f"{title} calls {path}, which is not traced there; decorate it with @trace_session, "
            "or call replay(session, function) in your own test"
        )
    kind = about(session).get("kind")
    if wrappers.kind(function).name != kind:
        raise ValueError(f"{title} is the call of a {kind}, but {path} is not one any more")
    arguments = rebind(session, function)
    known = (*_PLAIN, *_STANDARD)
    made = next((each for each in _leaves(arguments) if type(each) not in known), None)
    if made is not None:
        raise ValueError(
            f"{title} was called with an instance of {type(made).__name__}, which cannot be "
            "written down; call replay(session, function) in your own test"
        )
    return Case(session, module.__name__, names, function, arguments)


def _leaves(value: Any) -> Iterator[Any]:
    """Yield the values inside containers."""
    if isinstance(value, dict):
        value = [*value, *value.values()]
    if type(value) in _BRACKETS:
        for each in value:
            yield from _leaves(each)
    else:
        yield value


def _origin(session: Session) -> str:
    """Say what was recorded, if that was not the call of a function."""
    sdk = sdk_of(session.session_name, about(session))
    if sdk:
        return f"is a call of {sdk}'s SDK, which a test cannot repeat"
    return "is a block, not a call of a function; no test can repeat a block"


def _instead(maker: str | None) -> str:
    if maker is None:
        return ""
    return f"; export the function that made it: `honeytrace export --pytest {maker}`"


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
        return types.MethodType(found, _AnyObject())
    return cast("Callable[..., Any]", found)


def render(cases: Sequence[Case], size: int) -> str:
    """Return the text of the file. `size` characters of an id tell the sessions apart."""
    methods = {each.fixture: each for each in cases if each.fixture}
    fixtures = map(_fixture, methods.values())
    return "\n\n".join([_head(cases), *fixtures, *(_test(case, size) for case in cases)])


def _head(cases: Sequence[Case]) -> str:
    calls = {_CALLS[case.kind] for case in cases}
    leaves = (leaf for case in cases for leaf in _leaves(case.arguments))
    needed = {_STANDARD[type(leaf)] for leaf in leaves if type(leaf) in _STANDARD}
    lines = [*_docstring(cases), ""]
    if any("asyncio" in call for call in calls) or any(map(_is_cancelled, cases)):
        needed.add("import asyncio")
    if needed:  # "from" comes behind "import"
        lines += [*sorted(needed, key=lambda line: (line.startswith("from"), line)), ""]
    if any(case.session.error or case.fixture for case in cases):
        lines.append("import pytest")
    helper = _ITEMS if any("_items" in call for call in calls) else ""
    lines.append("from honeytrace.testing import capture_sessions")
    return "\n".join(lines) + "\n" + helper


def _docstring(cases: Sequence[Case]) -> list[str]:
    """Say how the file is run, and what that costs."""
    module = cases[0].module.partition(".")[0]
    lines = [
        '"""Calls as honeytrace recorded them, by `honeytrace export --pytest`.',
        "",
        f"Run `python -m pytest` in the directory from which `import {module}` works;",
        "plain `pytest` does not look for modules there.",
    ]
    if any(each.asks_model for each in cases):
        lines += [
            "",
            "Some tests call a model again: that needs a key and costs money, and its text may",
            "differ. They compare only which outputs there are; add what has to be in them.",
        ]
    if any(each.fixture for each in cases):
        lines += ["", "Fill in the fixtures: each makes the object whose methods are called."]
    return [*lines, '"""']


def _fixture(case: Case) -> str:
    """Write the fixture that makes the object of a method, for the user to complete."""
    owner = case.path[:-1]
    return (
        f"@pytest.fixture\ndef {case.fixture}():\n{_import(case.module, owner[0], owner[0])}\n\n"
        f"{_INDENT}return {'.'.join(owner)}()  # fill in its arguments\n"
    )


def _test(case: Case, size: int) -> str:
    session = case.session
    args, kwargs = case.arguments
    name, *inner = case.path
    # Keep its own name, unless the test uses that name for something else.
    shown = "called" if name in _TAKEN or hasattr(builtins, name) else name
    title = f"test_{_word('.'.join(case.path))}_{_word(session.session_id[:size])}"
    lines = [
        f"def {title}({case.fixture}):",
        f"{_INDENT}# {printable(session.session_id)}",
    ]
    if case.asks_model:
        lines.append(f"{_INDENT}# Calls the model again: needs a key, costs money, may differ.")
    if case.fixture:
        shown, inner = case.fixture, inner[-1:]
    else:  # imported inside the test, so that no other test fails if it is missing
        lines.append(f"{_import(case.module, name, shown)}\n")
    given = []
    if args:
        lines.append(_assigned("args", args))
        given.append("*args")
    if kwargs:
        lines.append(_assigned("inputs", kwargs))
        given.append("**inputs")
    called = ".".join([shown, *inner])
    call = _CALLS[case.kind].format(f"{called}({', '.join(given)})")
    lines += _failing(case, call) if session.error else _returning(case, call)
    return "\n".join(lines) + "\n"


def _import(module: str, name: str, shown: str) -> str:
    """Return the import statement inside a test."""
    wanted = name if name == shown else f"{name} as {shown}"
    line = f"{_INDENT}from {module} import "
    fits = len(line) + len(wanted) <= _MAX_LINE_CHARS
    return line + (wanted if fits else _spread("(", [wanted], ")", len(_INDENT)))


def _assigned(name: str, value: Any) -> str:
    return f"{_INDENT}{name} = {literal(value, len(_INDENT), len(name) + 3)}"


def _returning(case: Case, call: str) -> list[str]:
    lines = [f"{_INDENT}with capture_sessions() as sessions:", f"{_INDENT * 2}{call}"]
    lines.append(f'{_INDENT}assert sessions.roots, "the function is not traced any more"')
    if case.asks_model:  # in other words each time, so only the shape is compared
        recorded = _assigned("recorded", case.session.outputs)
        return [recorded, *lines, f"{_INDENT}assert {_OUTPUTS}.keys() == recorded.keys()"]
    check = f"{_INDENT}assert {_OUTPUTS} == "
    outputs = literal(case.session.outputs, len(_INDENT), len(check) - len(_INDENT))
    return [*lines, check + outputs]


_OUTPUTS = "sessions.roots[-1].outputs"


def _failing(case: Case, call: str) -> list[str]:
    """Expect the error: by its class if that is a builtin, otherwise by the name of its class."""
    kind, words = _raised(case.session)
    known = getattr(builtins, kind, None)
    builtin = isinstance(known, type) and issubclass(known, BaseException)
    cancelled = "asyncio.CancelledError" if _is_cancelled(case) else "Exception"
    shown = kind if builtin else cancelled
    match = ", match=match" if words else ""
    as_raised = "" if shown != "Exception" else " as raised"
    lines = [_assigned("match", words)] if words else []
    lines.append(
        f"{_INDENT}with capture_sessions(), pytest.raises({shown}{match}){as_raised}:\n"
        f"{_INDENT * 2}{call}"
    )
    if as_raised:
        lines.append(f"{_INDENT}assert type(raised.value).__qualname__ == {literal(kind)}")
    return lines


def _is_cancelled(case: Case) -> bool:
    return about(case.session).get("status") == "cancelled"


def _raised(session: Session) -> tuple[str, str]:
    """Return the name of the exception's class and a pattern for its message."""
    details = about(session).get("exception")
    kind, _, message = (session.error or "").partition(": ")
    if isinstance(details, dict):
        kind, message = details.get("type", kind), details.get("message", message)
    message = _MEMBERS.sub("", message)
    return kind, ".*".join(map(_escaped, REDACTED.split(message)))


def _escaped(text: str) -> str:
    """Escape like `re.escape`, but leave spaces and other harmless characters readable."""
    return re.sub(r"[.^$*+?{}\[\]\\|()]", r"\\\g<0>", text)


def _word(text: str) -> str:
    return re.sub(r"[^0-9A-Za-z]+", "_", text).strip("_")


def literal(value: Any, indent: int = 0, used: int = 0) -> str:
    """Return a value as Python source, laid out as formatters do it.

    It is one line if that fits after `used` characters, otherwise one item per line.
    """
    flat = _flat(value)
    if (
        indent + used + len(flat) <= _MAX_LINE_CHARS
        or type(value) not in (dict, *_BRACKETS)
        or not value
    ):
        return flat
    inner = indent + len(_INDENT)
    if isinstance(value, dict):
        keys = {key: f"{_flat(key)}: " for key in value}
        items = [f"{keys[key]}{literal(value[key], inner, len(keys[key]) + 1)}" for key in value]
        return _spread("{", items, "}", indent)
    start, end = _BRACKETS[type(value)]
    return _spread(start, [literal(item, inner, 1) for item in _listed(value)], end, indent)


def _listed(value: Any) -> list[Any]:
    return sorted(value, key=repr) if isinstance(value, set) else list(value)


def _spread(start: str, items: list[str], end: str, indent: int) -> str:
    lines = [f"{' ' * indent}{_INDENT}{item},\n" for item in items]
    return f"{start}\n{''.join(lines)}{' ' * indent}{end}"


def _flat(value: Any) -> str:
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, dict):
        return f"{{{', '.join(f'{_flat(key)}: {_flat(item)}' for key, item in value.items())}}}"
    if type(value) in _STANDARD:
        return _standard(value)
    if type(value) is float and not isfinite(value):
        return f'float("{value}")'
    if type(value) not in _BRACKETS or value == set():
        return repr(value)
    start, end = _BRACKETS[type(value)]
    comma = "," if isinstance(value, tuple) and len(value) == 1 else ""
    return f"{start}{', '.join(map(_flat, _listed(value)))}{comma}{end}"


def _standard(value: Any) -> str:
    if isinstance(value, (datetime.date, datetime.time)):
        return repr(value)
    name = "Path" if isinstance(value, Path) else type(value).__name__
    return f"{name}({_text(str(value))})"


def _text(text: str) -> str:
    """Quote a text. JSON escapes mean the same in Python; invisible characters are escaped too."""
    spelled = json.dumps(text, ensure_ascii=False)
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in spelled)
