"""What a fixture of pytest is made of, which pytest keeps to itself, in each version elsewhere."""

from __future__ import annotations

import sys
import types
from collections.abc import Callable, Mapping
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


def defined(home: Mapping[str, Any], function: str) -> bool:
    """Whether this function, by its dotted name, is a fixture of the module with these globals."""
    if "_pytest.fixtures" not in sys.modules:
        return False
    found: Any = home
    for name in function.removeprefix(f"{home.get('__name__')}.").split("."):
        found = (found if found is home else getattr(found, "__dict__", {})).get(name)
    return parts(found) is not None
