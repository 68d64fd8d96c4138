"""What a case is: a behaviour on one kind of callable, observed without and with a decorator.

What is observed without is what is expected. So a behaviour returns what it saw, in plain values,
and never says what should be.
"""

from __future__ import annotations

import contextlib
import contextvars
import gc
import re
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from decorators import Decorator
from kinds import KINDS, PLACES, Kind


@dataclass(frozen=True)
class Case:
    """`observe(decorate)` returns what was seen. With `slack`, it is a number, and the decorated
    one may be that much higher: no wrapper can do without a frame of its own."""

    behaviour: Callable[..., Any]
    kind: str
    group: str
    observe: Callable[[Decorator], Any]
    slack: int | None = None

    def __str__(self) -> str:
        return f"{self.name}-{self.kind}"

    @property
    def name(self) -> str:
        return f"{self.behaviour.__module__.rpartition('.')[2]}.{self.behaviour.__name__}"

    def agree(self, without: Any, seen: Any) -> bool:
        if self.slack is None:
            return bool(without == seen)
        return isinstance(seen, int) and seen <= without + self.slack


CASES: list[Case] = []
Behaviour = Callable[[Any], Any]


def on_kinds(
    *flavours: str,
    few: bool = False,
    brief: bool = False,
    bound: bool = False,
    among: Callable[[Kind], bool] = bool,
) -> Callable[[Behaviour], Behaviour]:
    """A behaviour of every kind of these flavours (or of all); it is given the target, made.

    `few`: for functions and methods alone, where the kind can hardly matter. `brief`: so for
    coroutines and generators, where the flavour can hardly matter. `bound`: it returns a number of
    frames, one more of which is allowed for each layer of decoration.
    """

    def wanted(kind: Kind) -> bool:
        rare = few or (brief and kind.flavour != "function")
        right = kind.flavour in flavours or not flavours
        return right and (kind.common or not rare) and among(kind)

    def register(behaviour: Behaviour) -> Behaviour:
        for kind in KINDS:
            if wanted(kind):
                observe = partial(_made, behaviour, kind)
                slack = kind.layers if bound else None
                CASES.append(Case(behaviour, kind.name, kind.group, observe, slack))
        return behaviour

    return register


def on_places(group: str, bound: bool = False) -> Callable[[Behaviour], Behaviour]:
    """A behaviour with functions of its own; it is given `put`, which decorates a function where
    it stands (as a method, below `classmethod`, …) and returns what to call. The function has one
    parameter more than it is called with, as methods do."""

    def register(behaviour: Behaviour) -> Behaviour:
        for name, place in PLACES.items():
            observe = partial(_put, behaviour, place)
            slack = 1 if bound else None
            CASES.append(Case(behaviour, name, group, observe, slack))
        return behaviour

    return register


def alone(group: str) -> Callable[[Behaviour], Behaviour]:
    """A behaviour that builds all it needs; it is given the decorator."""

    def register(behaviour: Behaviour) -> Behaviour:
        CASES.append(Case(behaviour, "itself", group, behaviour))
        return behaviour

    return register


def _made(behaviour: Behaviour, kind: Kind, decorate: Decorator) -> Any:
    return behaviour(kind.make(decorate))


def _put(behaviour: Behaviour, place: Callable[..., Any], decorate: Decorator) -> Any:
    return behaviour(partial(place, decorate))


# ---- Observing


VARIABLE: contextvars.ContextVar[Any] = contextvars.ContextVar("VARIABLE", default="unset")


class Thing:
    """Something to be recognised by its identity, and to be watched dying."""


@contextlib.contextmanager
def uncollected() -> Iterator[None]:
    """Inside, objects die without the help of the collector."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def outcome(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Return the outcome of a call: the value or the error."""
    try:
        return "returned", function(*args, **kwargs)
    except BaseException as error:
        return "raised", told(error)


def told(error: BaseException | None, depth: int = 4) -> Any:
    """Return an exception with all that it carries, except the traceback."""
    if error is None or not depth:
        return error and "…"
    return {
        "type": type(error).__qualname__,
        "text": str(error),
        "cause": told(error.__cause__, depth - 1),
        "context": told(error.__context__, depth - 1),
        "suppressed": error.__suppress_context__,
        "notes": list(getattr(error, "__notes__", ())),
    }


def frames(error: BaseException) -> int:
    """Return the number of frames of its traceback."""
    return sum(1 for _ in traceback.walk_tb(error.__traceback__))


def plain(value: Any) -> Any:
    """An observation that two twins can share: no identity, no address."""
    if isinstance(value, str):
        return re.sub(r"0x[0-9a-fA-F]+", "0x…", value)
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, Mapping):
        return {str(plain(key)): plain(item) for key, item in value.items()}
    if isinstance(value, (set, frozenset)):
        return sorted(map(repr, map(plain, value)))
    if isinstance(value, (tuple, list)):
        return [plain(item) for item in value]
    if isinstance(value, BaseException):
        return f"{type(value).__qualname__}: {plain(str(value))}"
    if isinstance(value, type):
        return f"class {value.__qualname__}"
    return f"<{type(value).__qualname__}>"
