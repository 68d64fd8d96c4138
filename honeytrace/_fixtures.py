"""What a fixture of pytest is made of, which pytest keeps to itself, in each version elsewhere."""

from __future__ import annotations

import sys
import types
from collections.abc import Callable
from typing import Any


def parts(target: Any) -> tuple[Callable[[Any], Any], Any] | None:
    """What declares the fixture, and its function; None if `target` is no fixture."""
    fixtures = sys.modules.get("_pytest.fixtures")
    kind = getattr(fixtures, "FixtureFunctionDefinition", None)
    if kind is not None and type(target) is kind:
        return target._fixture_function_marker, target._fixture_function
    if fixtures and type(target) is types.FunctionType:
        known = vars(target)  # before pytest 8.4 it is a function that refuses to be called
        if "_pytestfixturefunction" in known and "__pytest_wrapped__" in known:
            return known["_pytestfixturefunction"], known["__pytest_wrapped__"].obj
    return None


def defined(function: str) -> bool:
    """Whether this function, by its name with that of its module, is a fixture there."""
    if "_pytest.fixtures" not in sys.modules:
        return False
    module, names = function, list[str]()
    while module and module not in sys.modules:
        module, _, name = module.rpartition(".")
        names.insert(0, name)
    found: Any = sys.modules.get(module)
    for name in names:
        found = getattr(found, "__dict__", {}).get(name)
    return parts(found) is not None
