"""Write recorded sessions as a file of pytest tests."""

from __future__ import annotations

import builtins
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from honeytrace._session.session import Session, about, title_of
from honeytrace._tracing import templates, wrappers
from honeytrace._utils.text import printable
from honeytrace.local._origin import sdk_of
from honeytrace.testing._replay.arguments import Arguments, rebind
from honeytrace.testing._replay.functions import AnyObject, find
from honeytrace.testing._replay.literals import (
    INDENT,
    MAX_LINE_CHARS,
    STANDARD,
    is_writable,
    leaves,
    literal,
    spread,
)
from honeytrace.testing._replay.losses import REDACTED

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
_ITEMS = """

async def _items(stream):
    return [item async for item in stream]
"""


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
        if not isinstance(getattr(self.function, "__self__", None), AnyObject):
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
    module, names, function = find(title, path, modules)
    kind = about(session).get("kind")
    if wrappers.kind(function).name != kind:
        raise ValueError(f"{title} is the call of a {kind}, but {path} is not one any more")
    arguments = rebind(session, function)
    made = next((each for each in leaves(arguments) if not is_writable(each)), None)
    if made is not None:
        raise ValueError(
            f"{title} was called with an instance of {type(made).__name__}, which cannot be "
            "written down; call replay(session, function) in your own test"
        )
    return Case(session, module.__name__, names, function, arguments)


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


def render(cases: Sequence[Case], size: int) -> str:
    """Return the text of the file. `size` characters of an id tell the sessions apart."""
    methods = {each.fixture: each for each in cases if each.fixture}
    fixtures = map(_fixture, methods.values())
    return "\n\n".join([_head(cases), *fixtures, *(_test(case, size) for case in cases)])


def _head(cases: Sequence[Case]) -> str:
    calls = {_CALLS[case.kind] for case in cases}
    kinds = {type(leaf) for case in cases for leaf in leaves(case.arguments)}
    needed = {STANDARD[kind] for kind in kinds if kind in STANDARD}
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
        f"{INDENT}return {'.'.join(owner)}()  # fill in its arguments\n"
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
        f"{INDENT}# {printable(session.session_id)}",
    ]
    if case.asks_model:
        lines.append(f"{INDENT}# Calls the model again: needs a key, costs money, may differ.")
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
    line = f"{INDENT}from {module} import "
    fits = len(line) + len(wanted) <= MAX_LINE_CHARS
    return line + (wanted if fits else spread("(", [wanted], ")", len(INDENT)))


def _assigned(name: str, value: Any) -> str:
    return f"{INDENT}{name} = {literal(value, len(INDENT), len(name) + 3)}"


def _returning(case: Case, call: str) -> list[str]:
    lines = [f"{INDENT}with capture_sessions() as sessions:", f"{INDENT * 2}{call}"]
    lines.append(f'{INDENT}assert sessions.roots, "the function is not traced any more"')
    if case.asks_model:  # in other words each time, so only the shape is compared
        recorded = _assigned("recorded", case.session.outputs)
        return [recorded, *lines, f"{INDENT}assert {_OUTPUTS}.keys() == recorded.keys()"]
    check = f"{INDENT}assert {_OUTPUTS} == "
    outputs = literal(case.session.outputs, len(INDENT), len(check) - len(INDENT))
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
        f"{INDENT}with capture_sessions(), pytest.raises({shown}{match}){as_raised}:\n"
        f"{INDENT * 2}{call}"
    )
    if as_raised:
        lines.append(f"{INDENT}assert type(raised.value).__qualname__ == {literal(kind)}")
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
