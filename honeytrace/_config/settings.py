"""The settings: their names, environment variables, defaults and checks.

An argument takes precedence over the environment, and the environment over the default.
"""

from __future__ import annotations

import functools
import os
import pathlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from honeytrace._capture.providers.prices import Price
from honeytrace._capture.rules import Limits
from honeytrace._config import checks
from honeytrace._utils.errors import ConfigurationError
from honeytrace._utils.guard import log_safely
from honeytrace._utils.origin import let_through
from honeytrace._utils.paths import NO_HOME, at_start, default_home, has_home
from honeytrace._utils.text import closest, did_you_mean
from honeytrace._utils.urls import printable_url, why_unusable

HOSTED = "https://api.honeyhive.ai"
_SIBLING = "HH_DISABLE_TRACING"  # the official client's switch, the opposite of ours
_URL = "HH_API_URL"
_TOKEN = "HONEYTRACE_TOKEN"  # noqa: S105 - the name of what `honeytrace.local:app` reads
_LAMBDA = "AWS_LAMBDA_FUNCTION_NAME"
_NO_DISK = "HONEYTRACE_SPOOL_DIR is off, so there is no disk"
_OURS = ("HH_", "HONEYHIVE_", "HONEYTRACE_")


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
    "api_key": (checks.key, "HH_API_KEY"),
    "server_url": (checks.url, "HH_API_URL"),
    "project": (checks.name, "HH_PROJECT"),
    "source": (checks.name, "HH_SOURCE"),
    "enabled": (checks.switch, "HONEYTRACE_ENABLED"),
    "home": (checks.directory, "HONEYTRACE_HOME"),
    "spool_dir": (checks.spool, "HONEYTRACE_SPOOL_DIR"),
    "timeout": (checks.positive, "HH_API_TIMEOUT"),
    "exit_timeout": (checks.seconds, "HONEYTRACE_EXIT_TIMEOUT"),
    "durable": (checks.switch, "HONEYTRACE_DURABLE"),
    "background": (checks.switch, "HONEYTRACE_BACKGROUND"),
    "capture_inputs": (checks.switch, "HONEYTRACE_CAPTURE_INPUTS"),
    "capture_outputs": (checks.switch, "HONEYTRACE_CAPTURE_OUTPUTS"),
    "sample_rate": (checks.rate, "HONEYTRACE_SAMPLE_RATE"),
    "keep": (checks.keep, ""),
    "redact": (checks.redact, "HONEYTRACE_REDACT"),
    "limits": (checks.limits, ""),
    "prices": (checks.prices, ""),
    "store_size": (checks.size, "HONEYTRACE_STORE_SIZE"),
    "store_age": (checks.age, "HONEYTRACE_STORE_AGE"),
}


_DIRECTORIES = ("home", "spool_dir")


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
    for name, check, variable in (*_variables(), ("enabled", checks.opposite, _SIBLING)):
        if not is_set(variable):
            continue
        text = os.environ[variable]
        try:
            found.add(name, _parsed(name, check, text), variable)
        except ValueError as error:
            let_through(error, check)
            found.unused[variable] = f"it cannot be {_shown(name, text)}: {error}"
            if variable == _URL:
                found.refused_url = printable_url(text)
    if is_set(_LAMBDA) and "background" not in found.values:
        found.add("background", False, _LAMBDA)  # Lambda freezes the threads between two calls
    return found


def _parsed(name: str, check: Callable[[object], Any], text: str) -> Any:
    if name in _DIRECTORIES and text.strip().lower() != "off":
        text = at_start(text.strip())
    return check(text)


def fixed(arguments: Mapping[str, object], config: Config) -> dict[str, object]:
    """Return arguments that mean the same directories when the program has changed its own."""
    given = {name for name in _DIRECTORIES if arguments.get(name) is not None}
    paths = {name: getattr(config, name) for name in given}
    return {**arguments, **{name: path for name, path in paths.items() if path is not None}}


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
    log_safely("%s", words)


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
