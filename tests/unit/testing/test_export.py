"""Stored sessions as tests for pytest."""

from __future__ import annotations

import ast
import dataclasses
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from honeytrace import Session
from honeytrace.testing._replay import export
from honeytrace.testing._replay.export import render
from honeytrace.testing._replay.literals import literal

MODULES = ("application",)


def case(session: Session, modules: Sequence[str] = MODULES, **others: Any) -> export.Case:
    return export.case(session, modules, **others)


APP = """
import asyncio
import dataclasses
import datetime
import functools
from decimal import Decimal
from pathlib import Path
from uuid import UUID

from honeytrace import trace_session

print("imported")  # on stdout, which is the file of tests

class Refused(Exception): ...

@dataclasses.dataclass
class Answer:
    text: str

@trace_session
def answer(question, /, *more, top=1, **others):
    return Answer(question * top)

@trace_session
def test_me(question):
    return "sk-" + "a1B2" * 12

@trace_session
def list(question):
    return (question, float("nan"), b"bytes")

@trace_session
async def later(question):
    await asyncio.sleep(0)
    return question

@trace_session
def stream(question):
    yield from question

@trace_session
async def astream(question):
    for piece in question:
        yield piece

@trace_session
def fail(kind):
    raise {"key": KeyError("a (b)"), "own": Refused("no"), "exit": SystemExit(3),
           "plain": ValueError(), "secret": ValueError("password=hunter2x, see [1]")}[kind]

@trace_session
async def cancelled():
    raise asyncio.CancelledError

@trace_session
def empty(): ...

@trace_session
def rate(answer: Answer): ...

@trace_session
def tagged(pair: tuple[str, str], one: tuple[str, ...], keys: dict[int, int], *tags: set[str]):
    return [*pair, *sorted(tags[0])]

@functools.lru_cache
@trace_session
def cached(question):
    return question

def bare(question):
    return question

traced = functools.partial(trace_session(bare), "a")

@trace_session
async def group(kind):
    async with asyncio.TaskGroup() as tasks:
        raise ValueError(kind)

@trace_session
def infinite(low: float, high: float):
    return low < high

@trace_session
def dated(
    day: datetime.date,
    times: dict[str, datetime.datetime],
    path: Path,
    ids: tuple[UUID | Decimal, ...],
):
    return [day.year, times["a"].minute, path.name, len(ids)]

class Chat:
    @trace_session
    def ask(self): ...

    class Model:
        @trace_session
        @staticmethod
        def named(name):
            return name

        @classmethod
        @trace_session
        async def made(cls, name="m"):
            return cls.__name__ + name

        @staticmethod
        def bare(name): ...

def outer():
    @trace_session
    def inner(): ...
    return inner

anonymous = trace_session(lambda: None)
constant = 3
"""

CALLS = """
from contextlib import suppress

import application as app

app.answer("a", 1, 2, top=3, question="b", **{"a-b": {"c": [None, True, 1.5]}})
app.answer("long " * 30, text="é \\u2028 \\U0001f600 \\n \\" ' \\\\ " * 5)
app.test_me("a")
app.list("a")
app.cached("a")
app.empty()
app.tagged(("a", "b"), ("long " * 30,), {1: 1}, {"tag", "gat" * 30}, set())
app.asyncio.run(app.later("a"))
list(app.stream("abc"))

app.infinite(float("-inf"), float("inf"))
zone = app.datetime.timezone.utc
app.dated(
    app.datetime.date(2024, 1, 2),
    {"a": app.datetime.datetime(2024, 1, 2, 3, 4, 5, tzinfo=zone)},
    app.Path("a'b"),
    (app.UUID(int=1), app.Decimal("1.50")),
)
app.Chat.Model.named("n")
app.asyncio.run(app.Chat.Model.made())
if hasattr(app.asyncio, "TaskGroup"):
    with suppress(BaseException):
        app.asyncio.run(app.group("a"))

async def main():
    async for _ in app.astream("abc"):
        pass

app.asyncio.run(main())
for kind in ("key", "own", "exit", "plain", "secret"):
    with suppress(BaseException):
        app.fail(kind)
with suppress(BaseException):
    app.asyncio.run(app.cancelled())
"""


@pytest.fixture
def app(tmp_path, monkeypatch) -> Iterator[None]:
    """An application in the current directory, which is not on the path."""
    (tmp_path / "application.py").write_text(APP, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        if name.startswith(("application", "package")):
            del sys.modules[name]


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", *arguments],
        capture_output=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )


def stored(path: str, kind: str = "function", **fields: Any) -> Session:
    about = {"function": path, "kind": kind, **fields.pop("about", {})}
    return Session(
        project="p",
        session_name="s",
        source="t",
        session_id="6a1f2ad5-0d4c-4a5d-8f5c-1f0c39d4ab55",
        metadata={"honeytrace": about},
        **fields,
    )


# ---- From the store to a file that passes


def test_passes(app, program: Callable[..., Any], tmp_path) -> None:
    """Calls of every kind come from the store as tests that run as they are, and pass."""
    assert program(CALLS).returncode == 0
    _, *rows = command("honeytrace", "ls", "-n", "99").stdout.splitlines()  # without the heading
    ids = [line.split()[0] for line in rows]
    written = command("honeytrace", "export", "--pytest", "--import", "application", *ids)
    assert (written.returncode, written.stderr) == (0, "imported\n")
    (tmp_path / "test_regressions.py").write_text(written.stdout, encoding="utf-8")
    ran = command("pytest", "-q", "-p", "no:cacheprovider", "test_regressions.py")
    assert f"{len(ids)} passed" in ran.stdout, ran.stdout
    # They are tests: another answer fails.
    changed = APP.replace("question * top", "question").replace('"own": Refused', '"own": KeyError')
    (tmp_path / "application.py").write_text(changed, encoding="utf-8")
    ran = command("pytest", "-q", "-p", "no:cacheprovider", "test_regressions.py")
    assert f"2 failed, {len(ids) - 2} passed" in ran.stdout, ran.stdout
    formatted = command("ruff", "format", "--isolated", "--check", "test_regressions.py")
    assert formatted.returncode == 0, formatted.stdout


def test_text(app) -> None:
    """The file has what it needs, and each test what it checks."""
    found = [
        case(stored("application.later", "coroutine", inputs={"question": "a"}, outputs={"b": 1})),
        case(stored("application.cached", inputs={"question": "a"}, outputs={"result": "a"})),
        case(stored("application.Chat.Model.named", inputs={"name": "a"}, outputs={"result": "a"})),
    ]
    assert (
        render(found, 8)
        == '''\
"""Calls as honeytrace recorded them, by `honeytrace export --pytest`.

Run `python -m pytest` in the directory from which `import application` works;
plain `pytest` does not look for modules there.
"""

import asyncio

from honeytrace.testing import capture_sessions


def test_later_6a1f2ad5():
    # 6a1f2ad5-0d4c-4a5d-8f5c-1f0c39d4ab55
    from application import later

    inputs = {"question": "a"}
    with capture_sessions() as sessions:
        asyncio.run(later(**inputs))
    assert sessions.roots, "the function is not traced any more"
    assert sessions.roots[-1].outputs == {"b": 1}


def test_cached_6a1f2ad5():
    # 6a1f2ad5-0d4c-4a5d-8f5c-1f0c39d4ab55
    from application import cached

    inputs = {"question": "a"}
    with capture_sessions() as sessions:
        cached(**inputs)
    assert sessions.roots, "the function is not traced any more"
    assert sessions.roots[-1].outputs == {"result": "a"}


def test_Chat_Model_named_6a1f2ad5():
    # 6a1f2ad5-0d4c-4a5d-8f5c-1f0c39d4ab55
    from application import Chat

    inputs = {"name": "a"}
    with capture_sessions() as sessions:
        Chat.Model.named(**inputs)
    assert sessions.roots, "the function is not traced any more"
    assert sessions.roots[-1].outputs == {"result": "a"}
'''
    )


def test_error_without_details(app) -> None:
    """An error of which only the text came back is still expected."""
    text = render([case(stored("application.empty", error="ValueError: a.b"))], 8)
    assert 'match = "a\\\\.b"' in text
    assert "pytest.raises(ValueError, match=match):" in text


def test_names(app, tmp_path) -> None:
    """A function that is called like a builtin, or like what a test needs, gets another name."""
    long = "long" * 20
    module, names = f"package_{long}", ("f", "max", "inputs")
    traced = [f"@trace_session\ndef {name}(): ..." for name in names]
    source = "\n".join(["from honeytrace import trace_session", *traced])
    (tmp_path / f"{module}.py").write_text(source)
    text = render([case(stored(f"{module}.{name}"), [module]) for name in names], 8)
    assert [line for line in text.splitlines() if line.startswith(("    from", "     "))] == [
        *(f"    from package_{long} import (", "        f,"),
        "        f()",
        *(f"    from package_{long} import (", "        max as called,"),
        "        called()",
        *(f"    from package_{long} import (", "        inputs as called,"),
        "        called()",
    ]


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        (
            "def empty()",
            "def renamed()",
            "ImportError: cannot import name 'empty' from 'application",
        ),
        ("@trace_session\ndef empty()", "def empty()", "the function is not traced any more"),
        ("named(name)", "other(name)", "type object 'Model' has no attribute 'named'"),
    ],
)
def test_changed(app, tmp_path, before, after, words) -> None:
    """Of a function that was renamed or is not traced any more its own tests fail, no others."""
    found = [
        case(stored("application.empty", outputs={"result": None})),
        case(stored("application.cached", outputs={"result": "a"}, inputs={"question": "a"})),
        case(stored("application.Chat.Model.named", outputs={"result": "a"}, inputs={"name": "a"})),
    ]
    (tmp_path / "test_regressions.py").write_text(render(found, 8), encoding="utf-8")
    changed = APP.replace(before, after)
    assert changed != APP
    (tmp_path / "application.py").write_text(changed, encoding="utf-8")
    ran = command("pytest", "-q", "-p", "no:cacheprovider", "test_regressions.py")
    assert "1 failed, 2 passed" in ran.stdout, ran.stdout
    assert words in ran.stdout


# ---- What no test can call


@pytest.mark.parametrize(
    ("session", "words"),
    [
        (stored("application.outer.<locals>.inner"), "is defined inside another function"),
        (stored("application.<lambda>"), "no import can name"),
        (stored("my-script.f"), "no import can name"),
        (stored("application.Chat.Model.gone"), "does not exist any more"),
        (stored("application.Chat"), "is not a function any more"),
        (stored("application.constant"), "is not a function any more"),
        (stored("application.gone"), "does not exist any more"),
        (stored("application.constant.f"), "does not exist any more"),
        (stored("application.bare"), "calls application.bare, which is not traced there"),
        (stored("application.trace_session"), "which is not traced there"),
        (stored("application.asyncio.run"), "which is not traced there"),
        (stored("application.Path.unlink"), "which is not traced there"),
        (stored("absent_module.sub.f"), "name its module: `--import absent_module.sub`"),
        (stored("shop.Desk.Model.ask"), "if that is yours, name its module: `--import shop`"),
        (stored("f"), "if that is yours, name its module: `--import f`"),
        (stored("application.stream"), "is the call of a function, but application.stream is"),
        (stored("application.empty", inputs={"a": 1}), "has no parameter 'a'"),
        (stored("application.rate", inputs={"answer": {"text": "a"}}), "instance of Answer, which"),
        (stored("application.empty", about={"truncated": ["inputs"]}), "inputs was cut"),
        (
            Session(project="p", session_name="s", source="t"),
            "is a block, not a call of a function",
        ),
        (
            dataclasses.replace(stored(None), session_name="openai.responses"),
            "is a call of OpenAI's SDK, which a test cannot repeat",
        ),
    ],
)
def test_refused(app, session, words) -> None:
    """A session whose function no test can call is refused with a sentence."""
    with pytest.raises(ValueError, match=words):
        case(session)


def test_refused_with_advice(app) -> None:
    """The function that made a block or a call of an SDK can be exported instead."""
    words = "export the function that made it: `honeytrace export --pytest 6a1f`"
    with pytest.raises(ValueError, match=words):
        case(stored(None), maker="6a1f")


SCRIPT = """
from honeytrace import trace_session

@trace_session
async def reply(question):
    return question

class Desk:
    @trace_session
    @staticmethod
    def ask(question):
        return question
"""


@pytest.mark.parametrize(
    ("path", "kind", "line"),
    [
        ("__main__.reply", "coroutine", "    from script import reply"),
        ("__main__.Desk.ask", "function", "    from script import Desk"),
    ],
)
def test_of_a_script(app, tmp_path, path, kind, line) -> None:
    """A function of `__main__` is looked for in the modules that the user names, and no others."""
    (tmp_path / "script.py").write_text(SCRIPT)
    (tmp_path / "binary.py").write_bytes(b"\xff")
    session = stored(path, kind, inputs={"question": "a"}, outputs={"result": "a"})
    found = case(session, ["json", "script"])
    assert line in render([found], 8).splitlines()
    with pytest.raises(ValueError, match=r"if its file is script\.py, use `--import script`"):
        case(session, ())
    with pytest.raises(ValueError, match="and json, ast does not define"):
        case(session, ["json", "ast"])
    with pytest.raises(ValueError, match="there is no module 'absent_script' here"):
        case(session, ["absent_script"])
    os.remove(tmp_path / "script.py")
    with pytest.raises(ValueError, match=r"if its file is app\.py, use `--import app`"):
        case(session, ())


def test_of_a_package(app, tmp_path) -> None:
    """Modules inside a named package are known once the package has loaded them."""
    (tmp_path / "package_a").mkdir()
    for name, source in {"__init__": "from . import b", "b": SCRIPT, "c": SCRIPT}.items():
        (tmp_path / "package_a" / f"{name}.py").write_text(source)
    loaded, other = (
        stored(f"package_a.{name}.Desk.ask", inputs={"question": "a"}) for name in "bc"
    )
    assert case(loaded, ["package_a"]).module == "package_a.b"
    with pytest.raises(ValueError, match="does not exist any more"):
        case(other, ["package_a"])
    assert case(other, ["package_a", "package_a.c"]).module == "package_a.c"


def test_of_a_method(app, tmp_path) -> None:
    """The object of a method comes from a fixture, which the user completes."""
    session = stored("application.Chat.ask", outputs={"result": None})
    text = render([case(session), case(session)], 8)
    assert text.count("@pytest.fixture") == 1
    (fixture, test) = (text.partition(start)[2] for start in ("@pytest.fixture", "\n\n\ndef test"))
    assert fixture.startswith(
        """
def application_chat():
    from application import Chat

    return Chat()  # fill in its arguments
"""
    )
    assert test.startswith(
        """_Chat_ask_6a1f2ad5(application_chat):
    # 6a1f2ad5-0d4c-4a5d-8f5c-1f0c39d4ab55
    with capture_sessions() as sessions:
        application_chat.ask()
"""
    )
    assert "Fill in the fixtures" in text
    (tmp_path / "test_method.py").write_text(text, encoding="utf-8")
    ran = command("pytest", "-q", "-p", "no:cacheprovider", "test_method.py")
    assert "1 passed" in ran.stdout, ran.stdout


def test_of_a_model(app) -> None:
    """A test that asks a model again says so, and does not expect the same words."""
    inputs = {"question": "a"}
    found = case(stored("application.cached", inputs=inputs, outputs={"result": "b"}))
    text = render([dataclasses.replace(found, asks_model=True)], 8)
    assert "that needs a key and costs money" in text
    assert text.endswith(
        """
    # Calls the model again: needs a key, costs money, may differ.
    from application import cached

    inputs = {"question": "a"}
    recorded = {"result": "b"}
    with capture_sessions() as sessions:
        cached(**inputs)
    assert sessions.roots, "the function is not traced any more"
    assert sessions.roots[-1].outputs.keys() == recorded.keys()
"""
    )
    compile(text, "test_model.py", "exec")


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("1 / 0", "the import of package_bad raised ZeroDivisionError: division by zero"),
        ("import absent_module", "package_bad raised ModuleNotFoundError: No module named 'absent"),
        ("raise SystemExit(3)", "package_bad raised SystemExit: 3"),
    ],
)
def test_broken_module(app, tmp_path, source, words) -> None:
    """A module that cannot be imported is named with what it raised."""
    (tmp_path / "package_bad.py").write_text(source)
    with pytest.raises(ValueError, match=words):
        case(stored("package_bad.f"), ["package_bad"])


def test_path_is_left(app) -> None:
    """To import leaves the path as it was, and stdout without what modules print."""
    before = list(sys.path)
    case(stored("application.empty"))
    assert sys.path == before


# ---- Values

TEXT = st.text() | st.text("\"'\\\n\r\t\x00\x7f\x85\u2028\u202e\ud800\ufeff😀{}", max_size=100)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner),
)


@given(JSON, st.integers(0, 3))
def test_round_trip(value, indent):
    """Any JSON value is Python that means the same, of the very types."""
    text = literal(value, indent * 4)
    assert repr(ast.literal_eval(text)) == repr(value)
    assert all(map(str.isprintable, text.splitlines()))
