"""The result of looking at a class is cached."""

from __future__ import annotations

import gc
import weakref

from honeytrace._capture.snapshot import Snapshot
from honeytrace._capture.stdlib_types import by_class


class Odd(type):
    """A metaclass whose classes can be neither hashed nor compared."""

    __hash__ = None

    def __eq__(cls, other):
        raise RuntimeError("asked")


def made(number=0):
    class Made(metaclass=Odd):
        __slots__ = ("a",)
        __attrs_attrs__ = ()

    value = Made()
    value.a = number
    return value


def test_a_class_is_asked_for_once():
    """Whatever its metaclass makes of hashes and comparisons."""
    asked = []
    name = by_class(lambda kind: asked.append(1) or kind.__name__)
    kind = type(made())
    assert [name(kind), name(kind), name(int)] == ["Made", "Made", "int"]
    assert len(asked) == 2


def test_no_class_is_kept_alive():
    """One that was made for a moment goes, and what comes in its place is another."""
    for number in range(100):
        value = made(number)
        assert Snapshot().take(value, "x") == {"a": number}
    kind = weakref.ref(type(value))
    del value
    gc.collect()
    assert kind() is None


def test_what_is_known_of_a_class_goes_with_it():
    """So that many of them take no memory."""
    held = []

    class Fact:
        pass

    fact = by_class(lambda kind: held.append(weakref.ref(found := Fact())) or found)
    fact(type(made()))
    gc.collect()
    assert held[0]() is None


def test_a_class_that_changes():
    """A property that replaced a slot is not evaluated, such as `unittest.mock.PropertyMock`."""
    value = made(1)
    assert Snapshot().take(value, "x") == {"a": 1}
    type(value).a = property(lambda self: 1 / 0)
    assert Snapshot().take(value, "x") == {}
