"""Fixtures of pytest, as different versions make them."""

from __future__ import annotations

import types

import pytest

from honeytrace import trace_session
from honeytrace._utils.pytest_compat import fixture_parts as parts
from honeytrace._utils.pytest_compat import is_fixture as defined


@trace_session(name="fixture")
@pytest.fixture(name="made", params=["a"])
def _made(request):
    return request.param


def test_above_a_fixture(made):
    """By the pytest that runs this: it is a fixture with its name and parameters, as without it."""
    assert made == "a"
    declare, function = parts(_made)
    assert function.__name__ == "_made"
    assert type(declare(function)) is type(_made)


def test_of_an_older_pytest():
    """Before 8.4 it was a function that refuses to be called, with the real one beside it."""

    def refuses():
        raise RuntimeError("fixtures are not called")

    refuses._pytestfixturefunction = declare = object()
    refuses.__pytest_wrapped__ = types.SimpleNamespace(obj=len)
    assert parts(refuses) == (declare, len)


@pytest.mark.parametrize("target", [lambda: 1, len, None, type])
def test_no_fixture(target):
    """Anything else has no such parts."""
    assert parts(target) is None


class Home:
    @pytest.fixture
    def own(self):
        """A fixture of a class."""

    def plain(self):
        """A method."""


@pytest.mark.parametrize(
    ("name", "found"),
    [("_made", True), ("Home.own", True), ("Home.plain", False), ("none", False), ("a.b", False)],
)
def test_what_a_module_defines(name, found):
    """A fixture is found by the dotted name of its function."""
    assert defined(f"{__name__}.{name}") is found


def test_without_pytest_there_is_no_fixture(program):
    """Nothing is looked up then, nor imported."""
    done = program(
        """
        import sys
        from honeytrace._utils.pytest_compat import is_fixture as defined
        print(defined("__main__.sys"), "_pytest" in sys.modules)
        """
    )
    assert done.stdout == "False False\n"
