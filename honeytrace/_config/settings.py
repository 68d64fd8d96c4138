"""The settings: their names, environment variables, defaults and checks.

An argument takes precedence over the environment, and the environment over the default.
"""

from __future__ import annotations

import functools
import inspect
import logging
import math
import os
import pathlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from honeytrace._capture.providers.prices import Price
from honeytrace._capture.snapshot import Limits
from honeytrace._utils.errors import ConfigurationError
from honeytrace._utils.origin import let_through
from honeytrace._utils.paths import NO_HOME, absolute, default_home, has_home
from honeytrace._utils.text import closest, did_you_mean
from honeytrace._utils.urls import checked_url, printable_url, why_unusable

HOSTED = "https://api.honeyhive.ai"
_MAX_SECONDS = 1_000_000  # systems count the milliseconds of a wait in 31 bits
_SIBLING = "HH_DISABLE_TRACING"  # the official client's switch, the opposite of ours
_URL = "HH_API_URL"
_TOKEN = "HONEYTRACE_TOKEN"  # noqa: S105 - the name of what `honeytrace.local:app` reads
_LAMBDA = "AWS_LAMBDA_FUNCTION_NAME"
_UNITS = {"": 1, "K": 1000, "M": 1000**2, "G": 1000**3}  # bytes
_AGES = {"": 1, "S": 1, "M": 60, "H": 3_600, "D": 86_400, "W": 604_800}  # seconds
_NO_DISK = "HONEYTRACE_SPOOL_DIR is off, so there is no disk"
_OURS = ("HH_", "HONEYHIVE_", "HONEYTRACE_")

_log = logging.getLogger("honeytrace")


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
    return checked_url(_name(value))


def _switch(value: object) -> bool:
    if isinstance(value, bool):
        return value
    known = {"1": True, "true": True, "yes": True, "on": True}
    known |= {"0": False, "false": False, "no": False, "off": False}
    if not isinstance(value, str) or value.strip().lower() not in known:
        raise ValueError("give true or false")
    return known[value.strip().lower()]


def _opposite(value: object) -> bool:
    return not _switch(value)


def _seconds(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise ValueError("give a number of seconds")
    try:
        number = float(value)
    except (ValueError, OverflowError) as error:
        let_through(error)
        number = math.nan
    if not 0 <= number <= _MAX_SECONDS:
        raise ValueError(f"give a number of seconds, not negative, {_MAX_SECONDS} at most")
    return number


def _positive(value: object) -> float:
    number = _seconds(value)
    if number == 0:
        raise ValueError("give more than 0 seconds")
    return number


def _redact(value: object) -> bool | Callable[[str, Any], Any]:
    if not callable(value):
        try:
            return _switch(value)
        except ValueError:
            raise ValueError("give true, false or a function of path and value") from None
    try:
        inspect.signature(value).bind("path", "value")
    except TypeError as error:
        raise ValueError(f"it has to take a path and a value ({error})") from None
    except ValueError as error:  # a builtin without a signature
        let_through(error)
    return value


def _limits(value: object) -> Limits:
    if isinstance(value, Limits):
        return value
    if not isinstance(value, Mapping):
        raise ValueError("give a mapping such as {'string': 1000}")
    try:
        return Limits.of(value)
    except ValueError as error:
        raise ValueError(str(error).removeprefix("limits: ")) from None


RATE = "a number from 0 to 1, such as 0.01 for one in a hundred"


def _rate(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise ValueError(f"give {RATE}")
    try:
        number = float(value)
    except (ValueError, OverflowError):
        number = math.nan
    if not 0 <= number <= 1:
        raise ValueError(f"give {RATE}")
    return number


def _keep(value: object) -> Callable[[Any], Any]:
    if not callable(value):
        raise ValueError("give a function that gets the root session and returns True to keep it")
    if inspect.iscoroutinefunction(value):
        raise ValueError("give a plain function; what an async one returns is always true")
    try:
        inspect.signature(value).bind("session")
    except TypeError as error:
        raise ValueError(f"it has to take one argument, the root session ({error})") from None
    except ValueError:  # a builtin without a signature
        pass
    return value


def _prices(value: object) -> dict[str, Price]:
    wanted = (
        "give dollars per million tokens, as {'model': (prompt, cached, completion)}, "
        "or without the price of cached tokens"
    )
    if not isinstance(value, Mapping):
        raise ValueError(wanted)
    found = {}
    for model, price in value.items():
        numbers = tuple(price) if isinstance(price, (tuple, list)) else ()
        plain = all(isinstance(each, (int, float)) and 0 <= each < math.inf for each in numbers)
        if not isinstance(model, str) or len(numbers) not in (2, 3) or not plain:
            raise ValueError(f"{model!r} has the price {price!r}; {wanted}")
        prompt, *cached, completion = map(float, numbers)
        found[model] = Price(prompt, cached[0] if cached else prompt, completion)
    return found


def _directory(value: object) -> pathlib.Path:
    if isinstance(value, os.PathLike):
        value = os.fspath(value)
    if not isinstance(value, str) or "\0" in value:
        raise ValueError("give a directory as a string or a Path")
    try:
        return absolute(_name(value))
    except ValueError as error:
        raise ValueError(f"{error}; give an absolute path") from None


def _spool(value: object) -> pathlib.Path | None:
    if isinstance(value, str) and value.strip().lower() == "off":
        return None
    return _directory(value)


def _bytes(value: object) -> int | None:
    """Parse a size such as 500_000_000, "500MB" or "2GB"; "off" means no limit."""
    if isinstance(value, str):
        found = re.fullmatch(r"(\d+) ?([KMG]?)B?", value.strip().upper())
        if value.strip().lower() == "off":
            return None
        value = int(found[1]) * _UNITS[found[2]] if found else 0
    if isinstance(value, bool) or not isinstance(value, int) or value <= 0:
        raise ValueError("give a number of bytes, a size such as '500MB', or 'off'")
    return value


def _age(value: object) -> float | None:
    """Parse an age such as 86_400 (seconds), "12h" or "30d"; "off" means no limit."""
    if isinstance(value, str):
        found = re.fullmatch(r"(\d+(?:\.\d+)?) ?([SMHDW]?)", value.strip().upper())
        if value.strip().lower() == "off":
            return None
        value = float(found[1]) * _AGES[found[2]] if found else 0
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < math.inf:
        raise ValueError("give a number of seconds, an age such as '30d', or 'off'")
    return float(value)


@dataclass(frozen=True, slots=True)
class Config:
    """The settings in force.

    Attributes:
        api_key: the API key, left out of the repr; None sends requests without a key.
        server_url: address of the server; None for the store on this machine.
        project: project of sessions whose `trace_session` names none.
        source: source of sessions whose `trace_session` names none.
        enabled: True if calls are traced.
        home: directory of the store on this machine.
        spool_dir: directory where sessions wait until the server has them; None for memory only.
        timeout: seconds that one request may take.
        exit_timeout: seconds that delivery may delay the end of the program.
        durable: True if a traced call returns only after its session is on disk.
        background: True if threads send sessions later; False if a root call waits up to 1 s.
        capture_inputs: True if arguments are recorded.
        capture_outputs: True if results are recorded.
        sample_rate: the fraction of trees that are recorded.
        keep: function of a root session that has ended; it keeps trees that are not sampled.
        redact: True to remove secrets; a function of path and value adds its own rules to that.
        limits: how much of each field is recorded.
        prices: what models cost, by name, in US dollars per million tokens.
        store_size: bytes above which the store deletes its oldest sessions; None for no limit.
        store_age: seconds after which the store deletes sessions; None for no limit.
    """

    api_key: str | None = field(default=None, repr=False)
    server_url: str | None = None
    project: str = "default"
    source: str = "dev"
    enabled: bool = True
    home: pathlib.Path = field(default_factory=default_home)
    spool_dir: pathlib.Path | None = field(default_factory=lambda: default_home() / "spool")
    timeout: float = 5.0
    exit_timeout: float = 2.0
    durable: bool = False
    background: bool = True
    capture_inputs: bool = True
    capture_outputs: bool = True
    sample_rate: float = 1.0
    keep: Callable[[Any], Any] | None = None
    redact: bool | Callable[[str, Any], Any] = True
    limits: Limits = field(default_factory=Limits)
    prices: Mapping[str, Price] = field(default_factory=dict)
    store_size: int | None = None
    store_age: float | None = None

    @property
    def local(self) -> bool:
        """True if sessions go to the store on this machine."""
        return self.server_url is None

    @property
    def unusable(self) -> str | None:
        """The reason why `server_url` cannot be used; None if it can.

        If the environment has a key and an unusable address, that address is kept: sessions meant
        for one server must never go to another one.
        """
        return self.server_url and why_unusable(self.server_url)


if TYPE_CHECKING:
    from typing import TypedDict

    class Settings(TypedDict, total=False):
        """The keyword arguments of `configure`, for type checkers and editors."""

        api_key: str | None
        server_url: str | None
        project: str | None
        source: str | None
        enabled: bool | None
        home: str | os.PathLike[str] | None
        spool_dir: str | os.PathLike[str] | None
        timeout: float | None
        exit_timeout: float | None
        durable: bool | None
        background: bool | None
        capture_inputs: bool | None
        capture_outputs: bool | None
        sample_rate: float | None
        keep: Callable[[Any], Any] | None
        redact: bool | Callable[[str, Any], Any] | None
        limits: Mapping[str, int] | Limits | None
        prices: Mapping[str, Sequence[float]] | None
        store_size: int | str | None
        store_age: float | str | None


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
    "capture_inputs": (_switch, "HONEYTRACE_CAPTURE_INPUTS"),
    "capture_outputs": (_switch, "HONEYTRACE_CAPTURE_OUTPUTS"),
    "sample_rate": (_rate, "HONEYTRACE_SAMPLE_RATE"),
    "keep": (_keep, ""),
    "redact": (_redact, "HONEYTRACE_REDACT"),
    "limits": (_limits, ""),
    "prices": (_prices, ""),
    "store_size": (_bytes, "HONEYTRACE_STORE_SIZE"),
    "store_age": (_age, "HONEYTRACE_STORE_AGE"),
}


def resolve(arguments: Mapping[str, object]) -> Config:
    """Return the settings from arguments and the environment. None counts as an absent argument.

    Raises `ConfigurationError` for an argument that is unknown or unusable. An unusable variable is
    logged and ignored, since it must not make a traced call fail. But if that is the address, and
    there is a key, nothing is sent (see `Config.unusable`).
    """
    found = _look_up()
    values, refused = found.values, found.refused_url
    for name, value in arguments.items():
        if name not in _SETTINGS:
            raise ConfigurationError(_unknown(name))
        if value is not None:
            values[name] = _checked(name, value)
    if values.get("api_key") is not None:
        values.setdefault("server_url", refused or HOSTED)
    if "home" not in values:
        values["home"] = default_home()
        if not has_home():
            warn(f"{NO_HOME}; files go to {values['home']}, set HONEYTRACE_HOME to keep them")
    values.setdefault("spool_dir", values["home"] / "spool")
    if "keep" in values:  # it decides alone, unless a rate is set as well
        values.setdefault("sample_rate", 0.0)
    config = Config(**values)
    _tell_unused(found, config)
    if not (config.durable and config.spool_dir is None):
        return config
    if arguments.get("durable") is None and arguments.get("spool_dir") is None:
        warn(f"HONEYTRACE_DURABLE is not used: {_NO_DISK}")
        return replace(config, durable=False)
    words = (
        "durable cannot be True while spool_dir is 'off': give a directory, or leave durable out"
    )
    raise ConfigurationError(words)


def _tell_unused(found: _Found, config: Config) -> None:
    for variable, why in found.unused.items():
        if config.unusable and variable == _URL:
            kept = f"kept in {config.spool_dir}" if config.spool_dir else "kept in memory"
            why = f"{why}; nothing is sent until it is corrected, sessions are {kept}"
        warn(f"{variable} is not used: {why}")


@dataclass(slots=True)
class _Found:
    """The settings found in the environment.

    Attributes:
        values: the value of each setting.
        origins: the variable that each value comes from, by setting.
        unused: the reason why a variable is not used, by variable.
        refused_url: the unusable address without its secrets; None if there is none.
    """

    values: dict[str, Any] = field(default_factory=dict)
    origins: dict[str, str] = field(default_factory=dict)
    unused: dict[str, str] = field(default_factory=dict)
    refused_url: str | None = None

    def add(self, name: str, value: object, variable: str) -> None:
        """Add a value, unless this setting already has one."""
        if name not in self.values:
            self.values[name] = value
            self.origins[name] = variable
        elif self.values[name] != value:
            self.unused[variable] = f"{self.origins[name]} says the opposite and comes first"


def _look_up() -> _Found:
    found = _Found()
    for name, check, variable in (*_variables(), ("enabled", _opposite, _SIBLING)):
        if not is_set(variable):
            continue
        text = os.environ[variable]
        try:
            found.add(name, check(text), variable)
        except ValueError as error:
            let_through(error, check)
            found.unused[variable] = f"it cannot be {_shown(name, text)}: {error}"
            if variable == _URL:
                found.refused_url = printable_url(text)
    if is_set(_LAMBDA) and "background" not in found.values:
        found.add("background", False, _LAMBDA)  # Lambda freezes the threads between two calls
    return found


def _variables() -> Iterator[tuple[str, Callable[[object], Any], str]]:
    for name, (check, variable) in _SETTINGS.items():
        if variable:  # some settings have no variable
            yield name, check, variable


def is_set(variable: str) -> bool:
    """Return True if a variable is set and not blank, as the official clients require."""
    return bool(os.environ.get(variable, "").strip())


@functools.cache
def warn(words: str) -> None:
    """Log a warning only once, however often the environment is read."""
    _log.warning(f"honeytrace: {words}")


def _checked(name: str, value: object) -> Any:
    try:
        return _SETTINGS[name][0](value)
    except ValueError as error:
        let_through(error, _SETTINGS[name][0])
        shown = _shown(name, value)
        raise ConfigurationError(f"{name} cannot be {shown}: {error}") from None


def _shown(name: str, value: object) -> str:
    """Return a value for a message, without API keys and passwords."""
    if name == "server_url" and isinstance(value, str):
        return repr(printable_url(value))
    return "the given value" if name == "api_key" else repr(value)


def _unknown(name: str) -> str:
    hint = did_you_mean(name, _SETTINGS, f"the settings are {', '.join(_SETTINGS)}")
    return f"there is no setting {name!r}; {hint}"


def origins(arguments: Mapping[str, object]) -> dict[str, str]:
    """Return the origin of each setting: the variable's name, "argument" or "default"."""
    gone = unused()
    found = dict.fromkeys(_SETTINGS, "default")
    if resolve(arguments).unusable:
        found["server_url"] = _URL
    found |= {name: at for name, at in _look_up().origins.items() if at not in gone}
    found |= {name: "argument" for name, value in arguments.items() if value is not None}
    if found["spool_dir"] == "default":
        found["spool_dir"] = found["home"]
    return found


def unused() -> dict[str, str]:
    """Return our variables that are set but not used, each with the reason."""
    found = _look_up()
    if found.values.get("durable") and found.values.get("spool_dir", "") is None:
        found.unused["HONEYTRACE_DURABLE"] = _NO_DISK
    return found.unused


def unknown() -> dict[str, str]:
    """Return the variables that look like ours but are not read, each with a hint."""
    known = [variable for _, _, variable in _variables()]
    found = sorted(name for name in os.environ if name.startswith(_OURS) and is_set(name))
    return {name: _hint(name, known) for name in found if name not in (*known, _SIBLING, _TOKEN)}


def _hint(variable: str, known: list[str]) -> str:
    close = closest(variable, known, cutoff=0.7)
    return f"honeytrace does not read it{f'; did you mean {close}?' if close else ''}"
