"""Decorated classes: what the user wrote is traced, what libraries add is not."""

from __future__ import annotations

import dataclasses
import enum
import functools
import types
from typing import NamedTuple, Protocol

import attrs
import pydantic
import pytest

from honeytrace import trace_session
from honeytrace.testing import capture_sessions


def undressed(function):
    """A decorator that does not use `functools.wraps`."""

    def wrapper(*args):
        return function(*args)

    return wrapper


# As a library would have it: the function is another module's.
library_decorator = types.FunctionType(undressed.__code__, {"__name__": "library"})


def library_method(self):
    """A function that a library adds to classes."""
    return "library"


library_method = types.FunctionType(library_method.__code__, {"__name__": "library"})
library_method.__module__ = "library"


class AddsMethods(type):
    def __new__(mcs, name, bases, namespace):
        return super().__new__(mcs, name, bases, {**namespace, "added": library_method})


def adds_methods(cls):
    cls.added = library_method
    cls.added_too = classmethod(library_method)
    return cls


@trace_session
class ByMetaclass(metaclass=AddsMethods):
    def ask(self):
        return "answer"


@trace_session
@adds_methods
class ByDecorator:
    def ask(self):
        return "answer"


@trace_session
class Pydantic(pydantic.BaseModel):
    name: str = "a"
    _history: list = pydantic.PrivateAttr(default_factory=list)

    def ask(self):
        self._history.append("question")
        return "answer"


@trace_session
@attrs.define
class Attrs:
    name: str = "a"

    def ask(self):
        return "answer"


@trace_session
@dataclasses.dataclass(order=True, slots=True)
class Dataclass:
    name: str = "a"

    def ask(self):
        return "answer"


@trace_session
class Tuple(NamedTuple):
    name: str = "a"

    def ask(self):
        return "answer"


@trace_session
class Choice(enum.Enum):
    ONE = 1

    def ask(self):
        return "answer"


class Asks(Protocol):
    def ask(self): ...


@trace_session
class Implements(Asks):
    def ask(self):
        return "answer"


@trace_session
class Decorated:
    @undressed
    def ask(self):
        return "answer"


@trace_session
class DecoratedByALibrary:
    @library_decorator
    def ask(self):
        return "answer"


def ask_of_a_module(self):
    return "answer"


@trace_session
class Assigned:
    ask = ask_of_a_module


@trace_session
class Cached:
    @staticmethod
    @functools.wraps(library_method)
    def ask():
        return "answer"


@pytest.mark.parametrize(
    "make",
    [
        ByMetaclass,
        ByDecorator,
        Pydantic,
        Attrs,
        Dataclass,
        Tuple,
        lambda: Choice.ONE,
        Implements,
        Decorated,
        DecoratedByALibrary,
        Assigned,
    ],
)
def test_only_methods_of_the_class_body_are_traced(make):
    """Making, comparing and showing an object is not recorded, nor are methods of a library."""
    with capture_sessions() as sessions:
        thing = make()
        assert thing == thing
        assert repr(thing)
        if hasattr(thing, "added"):
            assert thing.added() == "library"
        assert thing.ask() == "answer"
    assert [each.outputs for each in sessions] == [{"result": "answer"}]


def test_a_method_that_a_library_added_can_be_named():
    """With `methods` the user says what to trace."""

    @trace_session(methods=("added", "ask"))
    @adds_methods
    class Agent:
        def ask(self):
            return "answer"

    with capture_sessions() as sessions:
        Agent().added()
        Agent().ask()
    assert len(sessions) == 2


def refers_to_itself():
    """A decorated method, and what it calls, may refer to each other."""

    def method(self):
        return other if self is None else "library"

    def other(self):
        return method(self)

    return other


def test_functions_that_refer_to_each_other():
    """All of them are looked at once, and they are a library's."""
    made_by_a_library = types.FunctionType(refers_to_itself.__code__, {"__name__": "library"})

    @trace_session
    class Agent:
        run = made_by_a_library()

    with capture_sessions() as sessions:
        assert Agent().run() == "library"
    assert list(sessions) == []
