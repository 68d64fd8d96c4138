"""Arguments by the names of the parameters, held against what Python binds."""

from __future__ import annotations

import functools
import inspect
from inspect import Parameter

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from honeytrace._tracing.signature import binder, is_method, parameters

NAMES = ["a", "b", "c", "d", "e", "args", "kwargs"]


@st.composite
def functions(draw):
    """A function of any signature, as `def` would make it."""
    names = draw(st.lists(st.sampled_from(NAMES[:5]), unique=True, max_size=5))
    kinds = sorted(draw(st.lists(st.sampled_from("PKO"), min_size=len(names), max_size=len(names))),
                   key="PKO".index)  # fmt: skip
    known = {"P": Parameter.POSITIONAL_ONLY, "K": Parameter.POSITIONAL_OR_KEYWORD,
             "O": Parameter.KEYWORD_ONLY}  # fmt: skip
    found, defaulted = [], False
    for index, (name, kind) in enumerate(zip(names, kinds, strict=True)):
        # After a parameter with a default, those that can be given by position need one too.
        defaulted = draw(st.booleans()) or (defaulted and kind != "O")
        default = f"default {index}" if defaulted else Parameter.empty
        found.append(Parameter(name, known[kind], default=default))
    if draw(st.booleans()):
        found.append(Parameter("args", Parameter.VAR_POSITIONAL))
    if draw(st.booleans()):
        found.append(Parameter("kwargs", Parameter.VAR_KEYWORD))
    return defined(inspect.Signature(sorted(found, key=lambda each: each.kind)))


def defined(signature):
    namespace = {}
    exec(f"def f{signature}: return locals()", namespace)
    return namespace["f"]


def bound(function, args, kwargs):
    """Return the arguments as Python binds them.

    `**kwargs` is merged unless a name in it is taken by position.

    Python itself is asked: `Signature.bind` of 3.13.0 is wrong about parameters by position only.
    """
    signature = inspect.signature(function)
    found = function(*args, **kwargs)
    kinds = {each.kind: each.name for each in signature.parameters.values()}
    if not found.get(kinds.get(Parameter.VAR_POSITIONAL), True):
        del found[kinds[Parameter.VAR_POSITIONAL]]
    extra = found.pop(kinds.get(Parameter.VAR_KEYWORD), {})
    taken = {each.name for each in signature.parameters.values()
             if each.kind in (Parameter.POSITIONAL_ONLY, Parameter.VAR_POSITIONAL)}  # fmt: skip
    if taken & extra.keys():
        return {**found, kinds[Parameter.VAR_KEYWORD]: extra}
    return {**found, **extra}


ARGUMENTS = st.lists(st.integers(), max_size=7).map(tuple)
KEYWORDS = st.dictionaries(st.sampled_from([*NAMES, "x"]), st.integers(), max_size=4)


@given(functions(), ARGUMENTS, KEYWORDS)
def test_any_call_is_bound_as_python_binds_it(function, args, kwargs):
    """Whatever the signature and the arguments, a right call has the names Python gives them."""
    try:
        expected = bound(function, args, kwargs)
    except TypeError:
        assume(False)
    assert binder(parameters(function))(args, kwargs) == expected


@given(functions(), ARGUMENTS, KEYWORDS)
def test_any_wrong_call_is_taken(function, args, kwargs):
    """A call that Python refuses is bound somehow: the refusal is the function's own."""
    found = binder(parameters(function))(args, kwargs)
    assert all(isinstance(name, str) for name in found)


@given(functions(), ARGUMENTS, KEYWORDS)
def test_the_arguments_of_the_caller_are_not_changed(function, args, kwargs):
    """The keyword arguments go on to the function as they came."""
    before = dict(kwargs)
    binder(parameters(function))(args, kwargs)
    assert kwargs == before


def test_a_name_that_is_taken_by_position_keeps_both_values():
    """`def f(x, /, y, **others)` called `f(1, x=2, y=3)` has room for both x."""

    def f(x, /, y, **others):
        pass

    assert binder(parameters(f))((1,), {"x": 2, "y": 3}) == {"x": 1, "y": 3, "others": {"x": 2}}


def test_what_was_not_given_to_a_method_of_an_sdk_is_left_out():
    """Such a method marks it by an object of its own or by None; any None that is given stays."""
    absent = type("NotGiven", (), {})()

    def create(model, *, temperature=absent, extra_body=None, retries=2):
        pass

    bind = binder(parameters(create))
    assert bind(("m",), {}) == {"model": "m", "retries": 2}
    assert bind(("m",), {"extra_body": None, "temperature": absent}) == {
        "model": "m",
        "extra_body": None,
        "retries": 2,
    }


def test_a_keyword_called_as_the_rest_keeps_both_values():
    """`f(1, args=2)` of `def f(*args, **kwargs)` loses neither value."""

    def f(*args, **kwargs):
        pass

    assert binder(parameters(f))((1,), {"args": 2}) == {"args": (1,), "kwargs": {"args": 2}}


class Thing:
    def method(self, x, y=2):
        pass

    def only(self, /, **others):
        pass

    def open(*args):
        pass

    @classmethod
    def make(cls, x):
        pass

    @staticmethod
    def plain(x):
        pass


@pytest.mark.parametrize(
    ("function", "answer"),
    [
        (Thing.method, True),
        (Thing.only, True),
        (Thing.__dict__["make"].__func__, True),
        (Thing.plain, False),
        (Thing.open, False),
        (binder, False),
        (lambda self: None, False),
        (functools.partial(Thing.method, None), False),
    ],
    ids=["method", "self only", "classmethod", "static", "*args", "function", "lambda", "partial"],
)
def test_methods_are_told_from_functions(function, answer):
    """A method is defined in a class and begins with self or cls."""
    assert is_method(function) is answer


def test_a_class_in_a_function_has_methods():
    """The class may be local to a function; a function in a method is none of its own."""

    class Local:
        def method(self):
            def inner(self):
                pass

            return inner

    assert is_method(Local.method)
    assert not is_method(Local().method())


def test_parameters_are_those_of_the_signature():
    """The parameters are the ones that `inspect.signature` tells."""
    assert [each.name for each in parameters(Thing.method)] == ["self", "x", "y"]


def test_what_tells_no_signature_takes_anything():
    """A builtin without a signature is bound as `*args` and `**kwargs`."""
    assert [str(each) for each in parameters(dict.update)] == ["*args", "**kwargs"]
    assert binder(parameters(dict.update))((1, 2), {"k": 3}) == {"args": (1, 2), "k": 3}
