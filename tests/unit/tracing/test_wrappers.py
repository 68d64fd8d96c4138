"""The functions that stand in for traced ones: their parameters, and whose names they know."""

from __future__ import annotations

import asyncio
import functools
import inspect
import sys
import weakref

import pytest

from honeytrace._capture.exceptions import is_ours
from honeytrace._tracing import wrappers
from honeytrace._tracing.trace_session import trace_session


def positional_only(a, b=2, /):
    return a, b


def keyword_only(*, a, b=2):
    return a, b


def everything(a, /, b, *c, d, e=5, **f):
    return a, b, c, d, e, f


def rest_alone(*c):
    return c


def keywords_alone(**f):
    return f


def nothing():
    return ()


CALLS = [
    (positional_only, (1,), {}),
    (positional_only, (1, 3), {}),
    (keyword_only, (), {"a": 1}),
    (keyword_only, (), {"b": 1, "a": 0}),
    (everything, (1, 2, 3, 4), {"d": 5, "z": 6}),
    (everything, (1,), {"b": 2, "d": 3, "e": 4}),
    (rest_alone, (1, 2), {}),
    (keywords_alone, (), {"a": 1, "args": 2}),
    (nothing, (), {}),
]


@pytest.mark.parametrize(("function", "args", "kwargs"), CALLS)
def test_any_parameters_are_handed_on(function, args, kwargs, sent):
    """Every kind of parameter reaches the function, and is recorded by its name."""
    traced = trace_session(function)
    assert traced(*args, **kwargs) == function(*args, **kwargs)
    bound = inspect.signature(function).bind(*args, **kwargs)
    bound.apply_defaults()
    want = {name: list(value) if name == "c" else value for name, value in bound.arguments.items()}
    want |= want.pop("f", {})
    assert sent()[0]["inputs"] == {name: value for name, value in want.items() if value != []}


@pytest.mark.parametrize("function", dict.fromkeys(call[0] for call in CALLS))
def test_the_parameters_are_the_functions_own(function):
    """Without `__wrapped__`, too, and so are the defaults."""
    traced = trace_session(function)
    assert inspect.getfullargspec(traced) == inspect.getfullargspec(function)
    assert (traced.__defaults__, traced.__kwdefaults__) == (
        function.__defaults__,
        function.__kwdefaults__,
    )


def test_a_default_may_be_replaced_later(sent):
    """As for any function; the other keeps its own."""

    def plain(*, a=1):
        return a

    traced = trace_session(plain)
    traced.__kwdefaults__["a"] = 2
    assert (traced(), plain()) == (2, 1)


OURS = "BaseException, StopIteration, StopAsyncIteration, len, str, type, range, list, live, call"


@pytest.mark.parametrize("kind", ["", "async "], ids=["sync", "async"])
@pytest.mark.parametrize("body", ["return len", "yield len"])
def test_parameters_may_be_called_anything(kind, body, sent):
    """As a builtin, or as what the stand-in itself works with."""
    namespace = {}
    exec(f"{kind}def f({OURS}): {body}", namespace)
    values = range(OURS.count(",") + 1)
    result = trace_session(namespace["f"])(*values)
    if inspect.isasyncgen(result):
        got = asyncio.run(result.__anext__())
    elif inspect.iscoroutine(result):
        got = asyncio.run(result)
    else:
        got = next(result) if inspect.isgenerator(result) else result
    assert got == 3


def test_a_module_may_define_anything(sent):
    """A stand-in has the globals of its function, and relies on none of them."""
    namespace = {"BaseException": None, "type": None, "len": None, "StopIteration": None}
    exec("def f():\n  yield 1", namespace)
    traced = trace_session(namespace["f"])
    assert traced.__globals__ is namespace
    assert list(traced()) == [1]


def test_parameters_with_our_own_prefix_are_taken_as_they_come(sent):
    """Then the stand-in takes anything, and the function itself refuses."""

    @trace_session
    def odd(ht_call, ht_live=2):
        return ht_call, ht_live

    assert odd(1) == (1, 2)
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'ht_call'"):
        odd()
    assert sent()[0]["inputs"] == {"ht_call": 1, "ht_live": 2}


def test_a_method_with_such_parameters_keeps_no_object(sent):
    """The bound object is not an input, whether it is passed first or by name."""

    class Odd:
        @trace_session
        def run(self, ht_call=1):
            return ht_call

    assert (Odd().run(2), Odd.run(self=Odd())) == (2, 1)
    assert [session["inputs"] for session in sent()] == [{"ht_call": 2}, {"ht_call": 1}]


def test_a_parameter_with_the_name_of_a_keyword_is_taken_as_it_comes(sent):
    """Code that a program has made may have one, which only some versions of Python tell."""

    def function(word):
        return word

    function.__code__ = function.__code__.replace(co_varnames=("class",))
    assert trace_session(name="odd")(function)(1) == 1
    assert sent()[0]["inputs"] in ({"args": [1]}, {"class": 1})


class Collector:
    def __call__(self, text, seen=[]):  # noqa: B006 - what is tested
        seen.append(text)
        return len(seen)


def plain_collector(text, ht_seen=[]):  # noqa: B006
    ht_seen.append(text)
    return len(ht_seen)


def collector(text, seen=[]):  # noqa: B006
    seen.append(text)
    return len(seen)


@pytest.mark.parametrize("function", [collector, plain_collector, Collector()])
def test_a_default_that_changes_is_recorded_as_it_was(function, sent):
    """The inputs are those of the beginning, given or by default, however the stand-in is made."""
    assert trace_session(function)("a") == 1
    (inputs,) = (session["inputs"] for session in sent())
    assert inputs in ({"text": "a", "seen": []}, {"text": "a", "ht_seen": []})


class Client:
    pass


def test_a_generator_lets_go_of_its_arguments():
    """Arguments that its code no longer needs are freed before the generator ends."""

    @trace_session
    def stream(client, *, other=None):
        del client, other
        yield 1

    client = Client()
    known = weakref.ref(client)
    steps = stream(client, other=client)
    del client
    assert known() is not None
    assert next(steps) == 1
    assert known() is None


@pytest.mark.parametrize("kind", ["def", "async def"])
@pytest.mark.parametrize("body", ["return value", "yield value"])
def test_a_stand_in_shows_the_users_source(kind, body, tmp_path):
    """Its code has the file and the first line of the function, as editors and debuggers ask."""
    if kind == "async def" and body == "return value":
        body = "return await value"
    path = tmp_path / "users.py"
    lines = ["", "", "@decorate", f"{kind} function(value):", f"    {body}", ""]
    path.write_text("\n".join(lines))
    namespace = {"decorate": trace_session, "__name__": "users"}
    exec(compile(path.read_text(), str(path), "exec"), namespace)
    code = namespace["function"].__code__
    assert inspect.getsourcefile(namespace["function"]) == str(path)
    assert inspect.getsourcelines(code) == ([f"{line}\n" for line in lines[2:5]], 3)
    assert {line for _, _, line in code.co_lines() if line} == {3}
    assert is_ours(code)
    assert not is_ours(namespace["function"].__wrapped__.__code__)


def test_a_callable_object_shows_the_source_of_its_method():
    """The frame of its calls is that of `__call__`."""

    class Ask:
        def __call__(self):
            return sys._getframe(1).f_code

    code = trace_session(Ask())()
    assert (code.co_filename, code.co_name) == (__file__, "__call__")
    assert is_ours(code)


def test_a_builtin_has_no_source():
    """The frame of its calls has an empty one, so that tools that show it go on."""
    frame = trace_session(sys._getframe)(0)
    assert is_ours(frame.f_code)
    assert inspect.getsource(frame.f_code).strip() == ""


def test_error_pages_and_debuggers_show_the_users_lines():
    """Each frame of a traceback shows a line of the user's source."""

    @trace_session
    def fail():
        raise ValueError("boom")

    with pytest.raises(ValueError, match="boom") as caught:
        fail()
    shown = inspect.getinnerframes(caught.tb, context=1)[1:]
    assert [each.filename for each in shown] == [__file__] * 2
    assert [each.code_context[0].strip() for each in shown] == [
        "@trace_session",
        'raise ValueError("boom")',
    ]


def test_a_breakpoint_by_name_stops_in_the_users_file(program):
    """`break function` of pdb takes the file and line of the code."""
    found = program("""
        import io, pdb, sys
        from honeytrace import trace_session

        @trace_session
        def ask():
            return 1

        words = ["break ask", "continue", "list", "continue", ""]
        pdb.Pdb(stdin=io.StringIO(chr(10).join(words)), stdout=sys.stdout).run("ask()")
    """)
    assert "Breakpoint 1 at" in found.stdout, found.stderr
    assert "program.py" in found.stdout
    assert "@trace_session" in found.stdout


def test_one_above_the_other_makes_two_sessions(sent):
    """The stand-in of a stand-in has the same parameters."""

    @trace_session(name="outer")
    @trace_session(name="inner")
    def twice(a, *, b):
        return a + b

    assert twice(1, b=2) == 3
    assert [s["session_name"] for s in sent()] == ["inner", "outer"]
    assert list(inspect.signature(twice, follow_wrapped=False).parameters) == ["a", "b"]


def test_a_functions_wrapper_is_named_by_what_it_wraps(sent):
    """Below another decorator's `*args`, the inputs have the names of the function itself."""

    def through(function):
        @functools.wraps(function)
        def wrapper(*args, **kwargs):
            return function(*args, **kwargs)

        return wrapper

    class Thing:
        @trace_session
        @through
        def work(self, x, y=2):
            return x + y

    assert Thing().work(1) == 3
    assert sent()[0]["inputs"] == {"x": 1, "y": 2}


@pytest.mark.parametrize(
    ("target", "kind"),
    [
        (len, "function"),
        (functools.partial(len), "function"),
        (lambda: (yield), "generator"),
        (functools.partial(lambda: (yield)), "generator"),
        (3, "function"),
    ],
)
def test_the_kind_of_a_callable(target, kind):
    """The kind depends on its own code, or on the code that it calls."""
    assert wrappers.kind(target).name == kind


def test_the_hooks_of_async_generators_are_as_before(sent):
    """They are off for the one step that would tell the event loop of the generator within."""
    seen = []

    @trace_session
    async def stream():
        seen.append(sys.get_asyncgen_hooks())
        yield 1

    async def main():
        before = sys.get_asyncgen_hooks()
        steps = stream()
        await steps.__anext__()
        assert sys.get_asyncgen_hooks() == before == seen[0]
        await steps.aclose()

    asyncio.run(main())


def test_frames_in_tracebacks_say_whose_they_are(sent):
    """The additional frame has the function's name, and stands at its decorator."""

    @trace_session
    def fail():
        raise ValueError("boom")

    with pytest.raises(ValueError, match="boom") as caught:
        fail()
    shown = [(each.path.name if hasattr(each.path, "name") else each.path, each.name)
             for each in caught.traceback[1:]]  # fmt: skip
    assert [name for _, name in shown] == ["fail", "fail"]
    assert str(caught.traceback[1].statement).strip() == "@trace_session"


def test_pytest_does_not_show_the_frame(sent):
    """It is marked as hidden."""

    @trace_session
    def fail():
        raise ValueError("boom")

    with pytest.raises(ValueError, match="boom") as caught:
        fail()
    filtered = caught.traceback.filter(caught)
    assert [each.name for each in filtered][1:] == ["fail"]


def test_a_sent_value_is_not_kept(sent):
    """A sent value is freed after the step that took it."""

    class Thing:
        pass

    @trace_session
    def listen():
        while True:
            yield

    steps, thing = listen(), Thing()
    next(steps)
    steps.send(thing)
    seen = weakref.ref(thing)
    del thing
    assert seen() is None
    steps.close()
