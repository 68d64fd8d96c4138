"""`@trace_session` above a decorator that registers the function, which would record nothing."""

from __future__ import annotations

import contextlib
import functools

import pytest

from honeytrace import trace_session


class App:
    """Keeps functions as web frameworks, agents and task queues do."""

    def __init__(self):
        self.routes = {}
        self.tools = []

    def get(self, path):
        def register(function):
            self.routes[path] = function
            return function

        return register

    def tool(self, function):
        self.tools.append(function)
        return function


class Command:
    """An object in place of the function, as click, celery and tool decorators return."""

    def __init__(self, function):
        self.callback = function
        self.name = function.__name__

    def __call__(self):
        return self.invoke()

    def invoke(self):
        return self.callback()


class Tool:
    """Cannot be called at all."""

    def __init__(self, function):
        self.function = function


def counting(function):
    """A decorator whose wrapper refers to itself."""

    @functools.wraps(function)
    def wrapper(*args):
        wrapper.calls += 1
        return function(*args)

    def reset():
        wrapper.calls = 0

    reset()
    wrapper.reset = reset
    wrapper.itself = wrapper
    return wrapper


app = App()


def plain():
    return 1


app.tool(plain)


def above_a_route():
    @trace_session
    @app.get("/")
    def answer():
        return 1


def above_a_route_with_options():
    @trace_session(name="answer")
    @app.get("/")
    async def answer(question="q", *, k: int = 3) -> int:
        return k


def above_a_tool():
    @trace_session
    @app.tool
    def answer():
        return 1


def above_a_command():
    @trace_session
    @Command
    def answer():
        return 1


def above_a_method_that_is_registered():
    class Views:
        @trace_session
        @app.get("/")
        def answer(self):
            return 1


def above_a_wrapper_that_is_registered():
    @trace_session
    @app.tool
    @counting
    def answer():
        return 1


@pytest.mark.parametrize(
    "decorate",
    [
        above_a_route,
        above_a_route_with_options,
        above_a_tool,
        above_a_command,
        above_a_method_that_is_registered,
        above_a_wrapper_that_is_registered,
    ],
)
def test_the_user_is_told_where_to_put_it(decorate, said):
    """One line says what is wrong and what to do."""
    decorate()
    (message,) = said()
    assert "answer, so calls of it are not recorded" in message
    assert message.endswith("put @trace_session directly above the def")


def test_what_cannot_be_called_says_so_too():
    """A tool object that is not a function cannot be decorated; the error says what to do."""
    with pytest.raises(TypeError, match="put it directly above a def"):

        @trace_session
        @Tool
        def answer():
            return 1


def below_a_route():
    @app.get("/")
    @trace_session
    def answer():
        return 1


def above_a_wrapper():
    @trace_session
    @counting
    def answer():
        return 1


def above_two_wrappers():
    @trace_session(name="a")
    @counting
    @functools.lru_cache
    def answer():
        return 1


def above_a_context_manager():
    @trace_session
    @contextlib.contextmanager
    def answer():
        yield 1


def above_a_dispatcher():
    @trace_session
    @functools.singledispatch
    def answer(value):
        return 1


def above_descriptors():
    class Views:
        @trace_session
        @functools.cached_property
        def answer(self):
            return 1

        @trace_session
        @property
        def other(self):
            return 1


def above_an_unfinished_closure():
    def decorator(function):
        def wrapper():
            return later()

        return wrapper

    @trace_session
    @decorator
    def answer():
        return 1

    later = answer
    return later


def by_a_call():
    trace_session(plain)
    trace_session(name="a")(plain)
    trace_session(app.tool)
    trace_session(Command(plain))


@pytest.mark.parametrize(
    "decorate",
    [
        below_a_route,
        above_a_wrapper,
        above_two_wrappers,
        above_a_context_manager,
        above_a_dispatcher,
        above_descriptors,
        above_an_unfinished_closure,
        by_a_call,
    ],
)
def test_nothing_is_said_where_calls_are_recorded(decorate, said):
    """Other decorators may stand below, and functions that are held elsewhere may be passed."""
    decorate()
    assert said() == []


def test_an_object_without_a_name_is_named_by_its_type(said):
    """The message needs something to call it."""

    class Task:
        def __init__(self, function):
            self.run = function

        def __call__(self):
            return self.run()

        def delay(self):
            return self.run()

    @trace_session
    @Task
    def answer():
        return 1

    assert "Task, so calls of it" in said()[0]
