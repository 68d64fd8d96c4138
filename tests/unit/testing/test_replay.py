"""A stored session called again."""

from __future__ import annotations

import asyncio
import dataclasses
import functools
import inspect

import pytest

import honeytrace
from honeytrace import Session, testing, trace_session
from honeytrace.testing import Replay, capture_sessions, replay

UNKNOWN = "6a1f2ad5-0d4c-4a5d-8f5c-1f0c39d4ab55"


def ask(question, top=1):
    return {"text": question * top}


async def aask(question, top=1):
    await asyncio.sleep(0)
    return ask(question, top)


def stream(question, top=1):
    for _ in range(top):
        yield question


async def astream(question, top=1):
    for _ in range(top):
        yield question


def of(function, *args, **kwargs) -> Session:
    """The session of a call: that of a replay of made-up inputs."""
    stored = Session(project="p", session_name="s", source="t", inputs={"question": "a", **kwargs})
    return replay(stored, function).new


@pytest.mark.parametrize("traced", [True, False])
@pytest.mark.parametrize("function", [ask, aask, stream, astream])
def test_kinds(function, traced):
    """Functions of every kind are called, streams to their end, traced already or not."""
    function = trace_session(function) if traced else function
    old = of(function, top=3)
    replayed = replay(old, function)
    expected = {"text": "aaa"} if function.__name__.endswith("ask") else {"result": "aaa"}
    assert (old.outputs, replayed.new.outputs) == (expected, expected)
    assert replayed.same


def test_changed():
    """A function that answers otherwise shows where."""
    replayed = replay(of(ask), lambda question, top: {"text": question, "top": [top]})
    assert not replayed.same
    assert replayed.diff() == "outputs.top: absent -> [1]"


def test_shown():
    """It prints as both calls, and what has changed."""
    old = dataclasses.replace(of(ask), session_name="ask", duration=2.0)
    replayed = Replay(old, dataclasses.replace(old, duration=4.0, outputs={"text": "b"}))
    lines = ["old: ask  2.0 ms", "new: ask  4.0 ms", "outputs.text: 'a' -> 'b'"]
    assert str(replayed).splitlines() == lines
    assert str(Replay(old, old)).splitlines()[-1] == "the same"


def test_repr():
    """In a failing assertion it is one line."""
    old = dataclasses.replace(of(ask), session_name="ask")
    replayed = Replay(old, dataclasses.replace(old, outputs={"text": "b", "top": 1, "n": 2}))
    assert repr(replayed) == "<Replay 'ask': outputs.text: 'a' -> 'b' and 2 more>"
    assert repr(Replay(old, old)) == "<Replay 'ask': the same>"


def calls(old, new, **about) -> Replay:
    """A replay with these outputs."""
    session = dataclasses.replace(of(ask), session_name="ask", outputs=old)
    session.metadata["honeytrace"] |= about
    return Replay(session, dataclasses.replace(session, outputs=new))


@pytest.mark.parametrize(
    ("old", "new", "about", "paths"),
    [
        ({"a": ["[REDACTED:x]"]}, {"a": ["[REDACTED:x]"]}, {}, ["outputs.a[0]"]),
        ({"a": "x[REDACTED:x]"}, {"a": "x"}, {}, ["outputs.a"]),
        ({"a": "<app.Odd>"}, {"a": "<app.Odd>", "b": "<app.Odd>"}, {}, ["outputs.a", "outputs.b"]),
        ({"a": "cut"}, {"a": "cut"}, {"truncated": ["inputs.q", "outputs.a"]}, ["outputs.a"]),
        ({"a": "<bytes: 70000>"}, {"a": "<bytes: 70000>"}, {}, ["outputs.a"]),
    ],
)
def test_uncompared(old, new, about, paths):
    """A value that one of the two sessions does not hold cannot be compared."""
    assert calls(old, new, **about).uncompared == paths


def test_doubt():
    """The repr names what could not be compared."""
    doubtful = calls({"a": "[REDACTED:x]", "b": 1}, {"a": "[REDACTED:x]", "b": 1})
    assert doubtful.same
    assert str(doubtful).splitlines()[-2:] == ["the same", "not compared: outputs.a"]
    assert repr(doubtful) == "<Replay 'ask': the same; not compared: outputs.a>"
    many = dict.fromkeys("abcdefghijkl", "<app.Odd>")
    assert str(calls(many, many)).endswith("outputs.i, outputs.j and 2 more")


def test_redacted_error():
    """A secret in the error is not compared."""
    replayed = calls({}, {})
    old = dataclasses.replace(replayed.old, error="ValueError: [REDACTED:x]")
    assert Replay(old, replayed.new).uncompared == ["error"]


def test_frozen():
    """The result of `replay` cannot be changed."""
    with pytest.raises(dataclasses.FrozenInstanceError):
        replay(of(ask), ask).old = None  # type: ignore[misc]


@pytest.mark.parametrize("error", [ValueError("boom"), SystemExit(3)])
def test_error(error):
    """An exception of the function is in the new session, and is not raised."""

    def fail(question, top):
        raise error

    replayed = replay(of(ask), fail)
    assert replayed.new.error == f"{type(error).__name__}: {error}"
    assert replayed.diff().splitlines()[-1] == f"error: None -> {replayed.new.error!r}"


def test_interrupt():
    """Ctrl-C is not kept."""

    def interrupted(question, top):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        replay(of(ask), interrupted)


@pytest.mark.parametrize("above", [lambda function: function, functools.lru_cache])
def test_own_options(above):
    """Of a traced function its own session counts, as its options say, also below a decorator."""
    traced = above(trace_session(name="asked", process_outputs=len)(ask))
    new = replay(of(ask), traced).new
    assert (new.session_name, new.outputs) == ("asked", {"result": 1})


def test_below():
    """The session of a function called inside is not taken for that of an untraced one."""
    inner = trace_session(ask)

    def outer(question, top):
        inner(question)
        return "outer"

    assert replay(of(ask), outer).new.outputs == {"result": "outer"}


def test_recursive():
    """Of a function that calls itself the outermost session counts."""
    countdown = trace_session(lambda top: top and countdown(top - 1) + 1)
    with capture_sessions() as sessions:
        countdown(3)
    assert replay(sessions[-1], countdown).new.outputs == {"result": 3}


def test_left_behind():
    """A task that the function leaves behind ends after it, and is not taken for it."""
    sleep = trace_session(name="sleep")(asyncio.sleep)
    kept = []

    async def leave(question, top):
        kept.append(asyncio.create_task(sleep(60)))
        await asyncio.sleep(0)
        return "left"

    assert replay(of(ask), leave).new.outputs == {"result": "left"}


class Chat:
    def ask(self, question, top):
        return f"{question}!"

    def __call__(self, question, top):
        return f"{question}?"


class Traced:
    @trace_session
    def ask(self, question, top):
        return question


@pytest.mark.parametrize(
    ("function", "result"),
    [
        (Chat().ask, "a!"),
        (Chat(), "a?"),
        (functools.partial(lambda mark, question, top: question + mark, "."), "a."),
    ],
)
def test_callables(function, result):
    """Bound methods, callable objects and partials are called as they are."""
    assert replay(of(ask), function).new.outputs == {"result": result}


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (Chat.ask, r"Chat\.ask is a method; give it bound, as replay\(session, object\.method\)"),
        (Chat, "takes a function, not <class"),
        (None, "takes a function, not None"),
    ],
)
def test_no_function(function, words):
    """Anything but a function is refused, with what to give instead."""
    with pytest.raises(TypeError, match=words):
        replay(of(ask), function)


def test_refused_first():
    """Inputs that do not fit are refused before anything is called."""
    called = []
    with pytest.raises(ValueError, match="has no parameter 'question', 'top'"):
        replay(of(ask), lambda: called.append(1))
    assert called == []


@pytest.mark.parametrize(
    "session", [None, 5, {"inputs": {}}, Session], ids=["None", "5", "dict", "class"]
)
def test_no_session(session):
    """Anything but a session is refused at once."""
    with pytest.raises(TypeError, match="takes a session or the id of a stored one, not"):
        replay(session, ask)


def test_block():
    """The session of an ended `with` block can be replayed, without its secrets."""
    with trace_session("block", inputs={"question": "a", "top": 1}) as session:
        session.outputs = {"text": "a", "password": "x1y2z3!!"}
        with pytest.raises(ValueError, match="running> has not ended yet; call replay"):
            replay(session, ask)
    replayed = replay(session, ask)
    assert (replayed.old.session_id, replayed.new.outputs) == (session.session_id, {"text": "a"})
    assert replayed.old.outputs["password"].startswith("[REDACTED:")


def test_null_session():
    """The null session is none."""
    with pytest.raises(ValueError, match="this is the null session: tracing was off, or"):
        replay(honeytrace.current_session(), ask)


@pytest.mark.parametrize("function", [aask, astream])
def test_in_loop(function):
    """Inside a running event loop a coroutine function is refused; a thread takes it."""
    old = of(function)

    async def main():
        with pytest.raises(RuntimeError, match=r"await asyncio\.to_thread\(replay, session"):
            replay(old, function)
        return replay(of(ask), ask), await asyncio.to_thread(replay, old, function)

    assert all(replayed.same for replayed in asyncio.run(main()))


def test_off():
    """With tracing off nothing is called."""
    old = of(ask)
    honeytrace.configure(enabled=False)
    try:
        with pytest.raises(RuntimeError, match=r"tracing is off; call configure\(enabled=True\)"):
            replay(old, ask)
    finally:
        honeytrace.configure(enabled=None)


def test_stored_and_not_sent():
    """An id is looked up where sessions go; the replayed call does not go there."""
    ask_traced = trace_session(ask)
    with trace_session("outer") as outer:
        ask_traced("b")
        (session_id,) = outer.children_ids
    before = honeytrace.stats().accepted
    replayed = replay(session_id, ask_traced)
    assert replayed.same
    assert replayed.old.inputs == {"question": "b", "top": 1}
    assert honeytrace.stats().accepted == before


def test_beginning():
    """Of the store on this machine the beginning of an id will do."""
    with trace_session("outer", inputs={"question": "b"}) as outer:
        session_id = outer.session_id
    assert replay(session_id[:13], ask).old.session_id == session_id


@pytest.mark.parametrize(
    "session_id", ["6a1f2ad5-0d4c-4a5d-8f5c-1f0c39d4ab55", "6a1f2ad5", "", "?"]
)
def test_unknown(session_id):
    """An id that is not stored is named, with where it was looked for."""
    with pytest.raises(LookupError, match=r"^there is no session .* (at|in) /.*; (check|`hon)"):
        replay(session_id, ask)


def test_unknown_to_a_server(sent, server):
    """So it is where a server was asked; what it said is in the error."""
    server.script = [(404, {}, b"none")]
    with pytest.raises(honeytrace.SessionNotFoundError, match=r"at http://.*; check the") as error:
        replay(UNKNOWN, ask)
    assert (error.value.status_code, error.value.body) == (404, "none")
    with pytest.raises(ValueError, match="give a UUID"):
        replay(UNKNOWN[:8], ask)


@pytest.mark.parametrize("function", [ask, trace_session(ask), Traced().ask])
def test_captured(function):
    """A capture around it has the replayed call, too, and once."""
    old = of(ask)
    with capture_sessions() as sessions:
        new = replay(old, function).new
    assert list(sessions) == [new]


def test_names():
    """The names of `honeytrace.testing` are there, and no others."""
    assert all(map(functools.partial(getattr, testing), testing.__all__))
    assert inspect.isclass(Replay)
    with pytest.raises(AttributeError, match="'nonsense'"):
        testing.nonsense  # noqa: B018 - to ask is the test
