"""Traced objects that are not functions: they stay what they are, except for their calls."""

from __future__ import annotations

import asyncio
import copy
import functools
import inspect
import pickle
import warnings

import pytest

from honeytrace import trace_session


def pickled(value):
    return pickle.loads(pickle.dumps(value))


class Adder:
    def __init__(self, unit="EUR"):
        self.unit = unit

    def __call__(self, a, b=1):
        return a + b

    def __eq__(self, other):
        return isinstance(other, Adder) and self.unit == other.unit

    __hash__ = None


def add(a, b):
    return a + b


@functools.lru_cache
def cached(a):
    return a


plain_cached = cached
cached = trace_session(cached)
PARTIAL = trace_session(name="partial")(functools.partial(add, 1))


def test_the_signature_is_told_without_following():
    """Code that does not follow `__wrapped__` finds the parameters, except those of a builtin."""
    bare = functools.partial(inspect.signature, follow_wrapped=False)
    assert bare(trace_session(Adder())) == inspect.signature(Adder())
    with pytest.raises(ValueError, match="no signature found"):
        bare(cached)


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, pickled])
def test_copies_are_traced_too(duplicate, sent):
    """A copy of a traced object is a copy of the object, traced as that was."""
    adder = trace_session(name="adder")(Adder("USD"))
    other, partial = duplicate(adder), duplicate(PARTIAL)
    assert (other(1), partial(2), other.unit, other == Adder("USD")) == (2, 3, "USD", True)
    assert other.__wrapped__ is not adder.__wrapped__
    assert type(partial) is type(PARTIAL)
    assert [s["session_name"] for s in sent()] == ["adder", "partial"]


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, pickled])
def test_what_has_one_name_has_one_copy(duplicate):
    """A cached function is its own copy, and is found by its name."""
    assert duplicate(cached) is cached


class Curried:
    """An object in place of a function, with its names, as many libraries make them."""

    def __init__(self, function):
        functools.update_wrapper(self, function)
        self.function = function

    def __call__(self, *args):
        return self.function(*args)


@trace_session
@Curried
def curried(a):
    return a


def test_an_object_of_a_module_is_pickled_by_name():
    """As a function is: what comes back is the same object."""
    assert pickled(curried) is curried


def test_an_object_with_the_name_of_another_is_pickled_by_value(sent):
    """It is not what the module knows by that name."""
    other = trace_session(name="other")(Curried(add))
    assert pickled(other) is not add
    assert pickled(other)(1, 2) == 3
    assert sent()[0]["session_name"] == "other"


def test_an_old_pickle_protocol(sent):
    """`__reduce__` says the same as `__reduce_ex__`."""
    again, arguments = trace_session(Adder()).__reduce__()
    assert again(*arguments)(5) == 6


def test_a_partial_keeps_what_was_set_on_it(sent):
    """Its attributes, and that it is traced, through copies of any kind."""
    partial = functools.partial(add, 1)
    partial.note = "kept"
    traced = trace_session(name="noted")(partial)
    assert [each.note for each in (traced, copy.copy(traced), pickled(traced))] == ["kept"] * 3
    assert pickled(traced)(1) == 2
    assert sent()[0]["session_name"] == "noted"


def test_a_partial_of_a_class_leaves_the_class_alone(sent):
    """Each object that it makes is a session; the methods of the class are not traced."""
    made = trace_session(functools.partial(Adder, unit="USD"))
    assert trace_session(functools.partial(int, base=2))("101") == 5
    assert made().unit == "USD"
    assert vars(Adder)["__call__"] is Adder.__call__
    sessions = sent()
    assert [each["session_name"] for each in sessions] == ["int", "Adder"]
    assert sessions[1]["inputs"] == {"unit": "USD"}


def test_it_shows_as_what_it_is():
    """Its repr is that of the object."""
    assert repr(PARTIAL) == repr(functools.partial(PARTIAL.func, 1))
    assert isinstance(PARTIAL, functools.partial)
    assert repr(cached) == repr(plain_cached)


NOTED = """
import typing
from honeytrace import trace_session

class Noted:
    unit: str

    def __call__(self):
        return "called"

@typing.runtime_checkable
class Asked(typing.Protocol):
    def ask(self): ...

traced = trace_session(Noted())
print(isinstance(traced, Asked), type(traced).__annotations__ is None)
print(traced.__annotations__, hasattr(trace_session(len), "__annotations__"))
traced.__annotations__ = {"unit": int}
print(traced.__annotations__, traced.__wrapped__.__annotations__)
"""


@pytest.mark.parametrize("without", ["", "1"])
def test_annotations_are_those_of_the_object(without, program):
    """Also when its class was asked for some, with wrapt's extension and without it."""
    done = program(NOTED, WRAPT_DISABLE_EXTENSIONS=without)
    unit = "{'unit': <class 'int'>}"
    expected = f"False False\n{{'unit': <class 'str'>}} False\n{unit} {unit}\n"
    assert done.stdout == expected, done.stderr


class Descriptor:
    """Callable, and something of its own as an attribute."""

    def __set_name__(self, owner, name):
        self.name = f"{owner.__name__}.{name}"

    def __get__(self, instance, owner=None):
        return f"{self.name} of {type(instance).__name__}"

    def __call__(self):
        return "called"


def test_a_descriptor_stays_one():
    """Its own `__get__` and `__set_name__` answer."""

    class Shop:
        field = trace_session(Descriptor())

    assert (Shop.field, Shop().field) == ("Shop.field of NoneType", "Shop.field of Shop")


def test_what_is_no_method_does_not_become_one(sent):
    """A partial, a builtin and an object in a class are called as they stand."""

    class Shop:
        partial = trace_session(functools.partial(add, 1))
        builtin = trace_session(len)
        adder = trace_session(Adder())

    shop = Shop()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # of 3.13: one day partials will be methods
        assert (shop.partial(2), shop.builtin("abc"), shop.adder(1)) == (3, 3, 2)
    inputs = [s["inputs"] for s in sent()]
    assert inputs == [{"a": 1, "b": 2}, {"obj": "abc"}, {"a": 1, "b": 1}]


class Single:
    """There is one of it, which is pickled by its name."""

    def __call__(self):
        return "called"

    def __reduce__(self):
        return "SINGLE"


SINGLE = trace_session(Single())


def test_a_singleton_stays_one():
    """The name by which it is pickled leads to the traced object."""
    assert pickle.loads(pickle.dumps(SINGLE)) is SINGLE


def test_a_cached_function_becomes_a_method(sent):
    """On an instance and on the class, as without."""

    class Shop:
        @trace_session
        @functools.lru_cache  # noqa: B019 - what people write
        def price(self, x):
            return 2 * x

    shop = Shop()
    assert (shop.price(2), Shop.price(shop, 2), Shop.price.cache_info().hits) == (4, 4, 1)
    assert [s["inputs"] for s in sent()] == [{"x": 2}, {"x": 2}]


def test_a_bound_method_stays_one(sent):
    """It is bound to the same object, which is not an input."""
    adder = Adder()
    traced = trace_session(adder.__call__)
    assert (traced(1), traced.__self__ is adder) == (2, True)
    assert sent()[0]["inputs"] == {"a": 1, "b": 1}


class Streams:
    def __call__(self, most):
        yield from range(most)


class AsyncStreams:
    async def __call__(self, most):
        for number in range(most):
            yield number


def test_objects_that_stream(sent):
    """A callable object whose call is a generator is traced as a generator."""

    async def main():
        return [item async for item in trace_session(AsyncStreams())(2)]

    assert (list(trace_session(Streams())(2)), asyncio.run(main())) == ([0, 1], [0, 1])
    assert [s["metadata"]["honeytrace"]["kind"] for s in sent()] == ["generator", "async generator"]
    assert trace_session(Streams())(1).__qualname__ == "Streams.__call__"
