"""The checks of the settings: each returns the value to use, or raises ValueError with advice."""

from __future__ import annotations

import inspect
import math
import os
import pathlib
import re
from collections.abc import Callable, Mapping
from typing import Any

from honeytrace._capture.providers.prices import Price
from honeytrace._capture.rules import Limits
from honeytrace._utils.origin import let_through
from honeytrace._utils.paths import absolute
from honeytrace._utils.urls import checked_url

_MAX_SECONDS = 1_000_000  # systems count the milliseconds of a wait in 31 bits
_UNITS = {"": 1, "K": 1000, "M": 1000**2, "G": 1000**3}  # bytes
_AGES = {"": 1, "S": 1, "M": 60, "H": 3_600, "D": 86_400, "W": 604_800}  # seconds


def name(value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError("give a string that is not empty")
    return value


def key(value: object) -> str:
    text = name(value).strip()
    if not (text.isascii() and text.isprintable()):
        raise ValueError("an API key is one line of ASCII characters; copy it again")
    return text


def url(value: object) -> str:
    return checked_url(name(value))


def switch(value: object) -> bool:
    if isinstance(value, bool):
        return value
    known = {"1": True, "true": True, "yes": True, "on": True}
    known |= {"0": False, "false": False, "no": False, "off": False}
    if not isinstance(value, str) or value.strip().lower() not in known:
        raise ValueError("give true or false")
    return known[value.strip().lower()]


def opposite(value: object) -> bool:
    return not switch(value)


def _number(value: object, wanted: str) -> float:
    """Return a number, or NaN for text that is none. Raises `ValueError` for any other value."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise ValueError(f"give {wanted}")
    try:
        return float(value)
    except (ValueError, OverflowError) as error:
        let_through(error)
        return math.nan


def seconds(value: object) -> float:
    number = _number(value, "a number of seconds")
    if not 0 <= number <= _MAX_SECONDS:
        raise ValueError(f"give a number of seconds, not negative, {_MAX_SECONDS} at most")
    return number


def positive(value: object) -> float:
    number = seconds(value)
    if number == 0:
        raise ValueError("give more than 0 seconds")
    return number


def redact(value: object) -> bool | Callable[[str, Any], Any]:
    if not callable(value):
        try:
            return switch(value)
        except ValueError as error:
            let_through(error, switch)
            raise ValueError("give true, false or a function of path and value") from None
    _check_parameters(value, "a path and a value", "path", "value")
    return value


def _check_parameters(function: Callable[..., Any], wanted: str, *arguments: object) -> None:
    try:
        inspect.signature(function).bind(*arguments)
    except TypeError as error:
        let_through(error)
        raise ValueError(f"it has to take {wanted} ({error})") from None
    except ValueError as error:  # a builtin without a signature
        let_through(error)


def limits(value: object) -> Limits:
    if isinstance(value, Limits):
        return value
    if not isinstance(value, Mapping):
        raise ValueError("give a mapping such as {'string': 1000}")
    try:
        return Limits.of(value)
    except ValueError as error:
        let_through(error, Limits.of)
        raise ValueError(str(error).removeprefix("limits: ")) from None


RATE = "a number from 0 to 1, such as 0.01 for one in a hundred"


def rate(value: object) -> float:
    number = _number(value, RATE)
    if not 0 <= number <= 1:
        raise ValueError(f"give {RATE}")
    return number


def keep(value: object) -> Callable[[Any], Any]:
    if not callable(value):
        raise ValueError("give a function that gets the root session and returns True to keep it")
    if inspect.iscoroutinefunction(value):
        raise ValueError("give a plain function; what an async one returns is always true")
    _check_parameters(value, "one argument, the root session", "session")
    return value


def prices(value: object) -> dict[str, Price]:
    wanted = (
        "give dollars per million tokens, as {'model': (prompt, cached, completion)}; leave out "
        "the price of cached tokens, or add that of tokens written to a cache"
    )
    if not isinstance(value, Mapping):
        raise ValueError(wanted)
    found = {}
    for model, price in value.items():
        numbers = tuple(price) if isinstance(price, (tuple, list)) else ()
        plain = all(isinstance(each, (int, float)) and 0 <= each < math.inf for each in numbers)
        if not isinstance(model, str) or len(numbers) not in (2, 3, 4) or not plain:
            raise ValueError(f"{model!r} has the price {price!r}; {wanted}")
        known = map(float, numbers)
        found[model] = Price(next(known), None, next(known)) if len(numbers) == 2 else Price(*known)
    return found


def directory(value: object) -> pathlib.Path:
    if isinstance(value, os.PathLike):
        value = os.fspath(value)
    if not isinstance(value, str) or "\0" in value:
        raise ValueError("give a directory as a string or a Path")
    text = name(value)
    try:
        return absolute(text)
    except ValueError as error:
        let_through(error, absolute)
        raise ValueError(f"{error}; give an absolute path") from None


def spool(value: object) -> pathlib.Path | None:
    if isinstance(value, str) and value.strip().lower() == "off":
        return None
    return directory(value)


def size(value: object) -> int | None:
    """Parse a size such as 500_000_000, "500MB" or "2GB"; "off" means no limit."""
    if isinstance(value, str):
        found = re.fullmatch(r"(\d+) ?([KMG]?)B?", value.strip().upper())
        if value.strip().lower() == "off":
            return None
        value = int(found[1]) * _UNITS[found[2]] if found else 0
    if isinstance(value, bool) or not isinstance(value, int) or value <= 0:
        raise ValueError("give a number of bytes, a size such as '500MB', or 'off'")
    return value


def age(value: object) -> float | None:
    """Parse an age such as 86_400 (seconds), "12h" or "30d"; "off" means no limit."""
    if isinstance(value, str):
        found = re.fullmatch(r"(\d+(?:\.\d+)?) ?([SMHDW]?)", value.strip().upper())
        if value.strip().lower() == "off":
            return None
        value = float(found[1]) * _AGES[found[2]] if found else 0
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < math.inf:
        raise ValueError("give a number of seconds, an age such as '30d', or 'off'")
    return float(value)
