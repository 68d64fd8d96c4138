"""Traced functions in places of the language that look at what they are given."""

from __future__ import annotations

import contextlib
import dataclasses
import doctest
import enum
import functools
import sys
import threading

import pytest

from honeytrace import trace_session


def test_members_of_an_enum():
    """A traced method is a method, not a member."""

    class Color(enum.Enum):
        RED = 1

        @trace_session
        def label(self):
            return self.name.lower()

    assert [*Color] == [Color.RED]
    assert Color.RED.label() == "red"


def test_hooks_of_a_class():
    """Python finds the methods that it calls when a class or an attribute is made."""
    calls = []

    class Base:
        @trace_session
        def __init_subclass__(cls):
            calls.append(cls.__name__)

        @trace_session
        def __class_getitem__(cls, key):
            return cls.__name__, key

        @trace_session
        def __new__(cls):
            return super().__new__(cls)

        @trace_session
        def __set_name__(self, owner, name):
            calls.append(name)

    class Derived(Base):
        pass

    class Owner:
        attribute = Derived()

    assert (calls, Derived[3]) == (["Derived", "attribute"], ("Derived", 3))
    assert type(Owner.attribute) is Derived


def test_factories_and_the_end_of_init():
    """A dataclass calls them as it would without us."""

    @dataclasses.dataclass
    class Document:
        words: list[int] = dataclasses.field(default_factory=trace_session(lambda: [0]))

        @trace_session
        def __post_init__(self):
            self.words.append(1)

    assert Document().words == [0, 1]


def test_single_dispatch():
    """Traced implementations are chosen by their annotations."""

    @functools.singledispatch
    @trace_session
    def show(value):
        return "any"

    @show.register
    @trace_session
    def _(value: int):
        return "int"

    assert (show(1), show("")) == ("int", "any")


def test_an_exit_stack():
    """It takes a traced function for a function, and not for a context manager."""
    seen = []

    @trace_session
    def leave(*details):
        seen.append(details)
        return True

    error = ValueError()
    with contextlib.ExitStack() as stack:
        stack.push(leave)
        raise error
    assert seen[0][1] is error


def test_a_context_manager_that_handles_what_is_raised_in_it():
    """The exception arrives at the `yield` as the same object."""
    seen = []

    @contextlib.contextmanager
    @trace_session
    def handling():
        try:
            yield
        except KeyError as raised:
            seen.append(raised)

    error = KeyError()
    with handling():
        raise error
    assert seen == [error]


@trace_session
def double(n):
    """Return twice the number.

    >>> double(2)
    4
    """
    return 2 * n


def test_examples_in_docstrings():
    """`doctest` finds those of traced functions, and they pass."""
    finder = doctest.DocTestFinder(recurse=False)
    (found,) = finder.find(double, "double", module=sys.modules[__name__])
    assert doctest.DocTestRunner(verbose=False).run(found) == (0, 1)


def test_an_exception_that_ends_a_thread(monkeypatch):
    """The program's hook gets the very object."""
    seen, error = [], ValueError()

    @trace_session
    def fail():
        raise error

    monkeypatch.setattr(threading, "excepthook", lambda details: seen.append(details.exc_value))
    thread = threading.Thread(target=fail)
    thread.start()
    thread.join()
    assert seen == [error]


def test_exceptions_around_a_traced_call():
    """What is being handled stays so, and `from None` stays in force."""

    @trace_session
    def fail():
        try:
            raise KeyError
        except KeyError:
            raise ValueError(0) from None

    with pytest.raises(ValueError, match="0") as caught:
        fail()
    assert caught.value.__suppress_context__
    assert type(caught.value.__context__) is KeyError
    try:
        raise LookupError
    except LookupError as error:
        double(1)
        handled = (error, sys.exc_info()[1])
    assert handled[0] is handled[1]
