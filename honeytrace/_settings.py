"""The settings: their names, variables, defaults and checks. An argument comes before the
environment, the environment before the default."""

from __future__ import annotations

import functools
import logging
import math
import os
import pathlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlsplit

from honeytrace._errors import ConfigurationError

_HOME = "~/.honeytrace"
HOSTED = "https://api.honeyhive.ai"
_LONGEST = 1_000_000  # seconds: systems count milliseconds in 31 bits where they wait

_log = logging.getLogger("honeytrace")


# ---- Checks: from what was given, text of the environment included, to the value; or ValueError


def _name(value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError("give a string that is not empty")
    return value


def _key(value: object) -> str:
    text = _name(value).strip()
    if not (text.isascii() and text.isprintable()):
        raise ValueError("an API key is one line of ASCII characters; copy it again")
    return text


def _url(value: object) -> str:
    text = _name(value).strip()
    try:
        parts = urlsplit(text)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # its words may repeat a password
        usable = False
    if not usable or not text.isprintable() or " " in text:
        raise ValueError("give an http:// or https:// address, as 'https://api.honeyhive.ai'")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ValueError("give it without user name, password, query and fragment")
    return text.rstrip("/")


def _switch(value: object) -> bool:
    if isinstance(value, bool):
        return value
    known = {"1": True, "true": True, "yes": True, "on": True}
    known |= {"0": False, "false": False, "no": False, "off": False}
    if not isinstance(value, str) or value.strip().lower() not in known:
        raise ValueError("give true or false")
    return known[value.strip().lower()]


def _seconds(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise ValueError("give a number of seconds")
    try:
        number = float(value)
    except (ValueError, OverflowError):
        number = math.nan
    if not 0 <= number <= _LONGEST:
        raise ValueError(f"give a number of seconds, not negative, {_LONGEST} at most")
    return number


def _positive(value: object) -> float:
    number = _seconds(value)
    if number == 0:
        raise ValueError("give more than 0 seconds")
    return number


def _directory(value: object) -> pathlib.Path:
    if isinstance(value, os.PathLike):
        value = os.fspath(value)
    if not isinstance(value, str) or "\0" in value:
        raise ValueError("give a directory as a string or a Path")
    return pathlib.Path(os.path.expanduser(_name(value))).absolute()


def _spool(value: object) -> pathlib.Path | None:
    if isinstance(value, str) and value.strip().lower() == "off":
        return None
    return _directory(value)


# ---- The settings


@dataclass(frozen=True, slots=True)
class Config:
    """The settings in force. Times are in seconds; the key does not show in the repr.

    Without `api_key` and `server_url`, sessions go to the store on this machine, below `home`.
    `spool_dir` is where sessions for a server wait until it has them; None turns that off.
    """

    api_key: str | None = field(default=None, repr=False)
    server_url: str | None = None
    project: str = "default"
    source: str = "dev"
    enabled: bool = True
    home: pathlib.Path = field(default_factory=lambda: _directory(_HOME))
    spool_dir: pathlib.Path | None = field(
        default_factory=lambda: _directory("~/.honeytrace/spool")
    )
    timeout: float = 5.0
    exit_timeout: float = 2.0
    durable: bool = False
    background: bool = True

    @property
    def local(self) -> bool:
        """Whether sessions go to the store on this machine."""
        return self.server_url is None


_SETTINGS: dict[str, tuple[Callable[[object], Any], str]] = {
    "api_key": (_key, "HH_API_KEY"),
    "server_url": (_url, "HH_API_URL"),
    "project": (_name, "HH_PROJECT"),
    "source": (_name, "HH_SOURCE"),
    "enabled": (_switch, "HONEYTRACE_ENABLED"),
    "home": (_directory, "HONEYTRACE_HOME"),
    "spool_dir": (_spool, "HONEYTRACE_SPOOL_DIR"),
    "timeout": (_positive, "HH_API_TIMEOUT"),
    "exit_timeout": (_seconds, "HONEYTRACE_EXIT_TIMEOUT"),
    "durable": (_switch, "HONEYTRACE_DURABLE"),
    "background": (_switch, "HONEYTRACE_BACKGROUND"),
}


def resolve(arguments: Mapping[str, object]) -> Config:
    """The settings from these arguments and the environment. An argument that is None is absent.

    Raises `ConfigurationError` for an argument that is unknown or cannot be used; what cannot be
    used in the environment is logged and left aside, since no traced call may fail for it.
    """
    values = _environment()
    for name, value in arguments.items():
        if name not in _SETTINGS:
            raise ConfigurationError(_unknown(name))
        if value is not None:
            values[name] = _checked(name, value)
    if values.get("api_key") is not None:
        values.setdefault("server_url", HOSTED)
    if "home" in values:
        values.setdefault("spool_dir", values["home"] / "spool")
    config = Config(**values)
    if not (config.durable and config.spool_dir is None):
        return config
    if arguments.get("durable") is None and arguments.get("spool_dir") is None:
        warn("HONEYTRACE_DURABLE is not used: HONEYTRACE_SPOOL_DIR is off, so there is no disk")
        return replace(config, durable=False)
    words = (
        "durable cannot be True while spool_dir is 'off': give a directory, or leave durable out"
    )
    raise ConfigurationError(words)


def _environment() -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name, (check, variable) in _SETTINGS.items():
        text = os.environ.get(variable, "")
        if not text.strip():  # blank counts as unset, as for the official clients
            continue
        try:
            values[name] = check(text)
        except ValueError as error:
            warn(f"{variable} is not used: it cannot be {_shown(name, text)}: {error}")
    if os.environ.get("AWS_LAMBDA_FUNCTION_NAME"):  # frozen between calls, its threads too
        values.setdefault("background", False)
    return _disabled_by_sibling(values)


@functools.cache
def warn(words: str) -> None:
    """Logs a warning; the same one is not repeated, however often the environment is read."""
    _log.warning(f"honeytrace: {words}")


def _disabled_by_sibling(values: dict[str, Any]) -> dict[str, Any]:
    """The official client's switch says the opposite of ours, and ours comes first."""
    text = os.environ.get("HH_DISABLE_TRACING", "").strip().lower()
    if text in ("1", "true", "yes", "on"):
        values.setdefault("enabled", False)
    return values


def _checked(name: str, value: object) -> Any:
    try:
        return _SETTINGS[name][0](value)
    except ValueError as error:
        shown = _shown(name, value)
        raise ConfigurationError(f"{name} cannot be {shown}: {error}") from None


def _shown(name: str, value: object) -> str:
    """A value for a message, but no key and no address that may hold a password."""
    text = repr(value)
    secret = name == "api_key" or (name == "server_url" and any(mark in text for mark in "@?#"))
    return "the given value" if secret else text


def _unknown(name: str) -> str:
    import difflib  # not before there is a slip to be explained

    close = difflib.get_close_matches(name, _SETTINGS, n=1)
    hint = f"did you mean {close[0]!r}?" if close else f"the settings are {', '.join(_SETTINGS)}"
    return f"there is no setting {name!r}; {hint}"
