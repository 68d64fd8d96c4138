"""The settings: argument, environment, default; and what is said of those that cannot be used."""

from __future__ import annotations

import dataclasses
import os
import pathlib
import tempfile

import pytest

from honeytrace import Config, ConfigurationError
from honeytrace._config.settings import HOSTED, origins, resolve

HOME = pathlib.Path.home()
VARIABLES = {
    "api_key": "HH_API_KEY",
    "server_url": "HH_API_URL",
    "project": "HH_PROJECT",
    "source": "HH_SOURCE",
    "enabled": "HONEYTRACE_ENABLED",
    "home": "HONEYTRACE_HOME",
    "timeout": "HH_API_TIMEOUT",
    "exit_timeout": "HONEYTRACE_EXIT_TIMEOUT",
    "spool_dir": "HONEYTRACE_SPOOL_DIR",
    "durable": "HONEYTRACE_DURABLE",
    "background": "HONEYTRACE_BACKGROUND",
    "capture_inputs": "HONEYTRACE_CAPTURE_INPUTS",
    "capture_outputs": "HONEYTRACE_CAPTURE_OUTPUTS",
    "redact": "HONEYTRACE_REDACT",
}
GOOD = [
    ("api_key", " k-1\n", "k-1"),
    ("server_url", "https://h.test/base/", "https://h.test/base"),
    ("server_url", " http://127.0.0.1:80 ", "http://127.0.0.1:80"),
    ("server_url", "http://[::1]:8080", "http://[::1]:8080"),
    ("project", "Simple RAG Project", "Simple RAG Project"),
    ("source", "production", "production"),
    ("enabled", "0", False),
    ("enabled", " Off ", False),
    ("enabled", "TRUE", True),
    ("home", "/tmp/h", pathlib.Path("/tmp/h")),
    ("home", "~/h", HOME / "h"),
    ("home", "h", pathlib.Path.cwd() / "h"),
    ("timeout", "2.5", 2.5),
    ("exit_timeout", "0", 0.0),
    ("spool_dir", "/tmp/s", pathlib.Path("/tmp/s")),
    ("spool_dir", " OFF ", None),
    ("durable", "1", True),
    ("background", "no", False),
    ("capture_inputs", "off", False),
    ("capture_outputs", "0", False),
    ("redact", "false", False),
]
BAD = [
    ("api_key", "one two\nthree"),
    ("api_key", "schlüssel"),
    ("server_url", "api.honeyhive.ai"),
    ("server_url", "ftp://h.test"),
    ("server_url", "https://"),
    ("server_url", "http://h.test:port"),
    ("server_url", "http://h.test:0"),
    ("server_url", "http://h.test:99999"),
    ("server_url", "http://[::1"),
    ("server_url", "http://h.te st"),
    ("server_url", "http://h.te\nst"),
    ("server_url", "http://user:pass@h.test"),
    ("server_url", "http://h.test?x=1"),
    ("server_url", "http://h.test#x"),
    ("enabled", "maybe"),
    ("timeout", "soon"),
    ("timeout", "0"),
    ("timeout", "-1"),
    ("timeout", "nan"),
    ("timeout", "inf"),
    ("timeout", "1000001"),
    ("exit_timeout", "-0.1"),
    ("durable", "maybe"),
    ("background", "2"),
    ("capture_inputs", "some"),
    ("redact", "maybe"),
]
WRONG_TYPES = [
    ("api_key", 5),
    ("server_url", 5),
    ("project", ["p"]),
    ("source", b"dev"),
    ("enabled", 1),
    ("home", 5),
    ("timeout", True),
    ("timeout", [1]),
    ("timeout", 10**400),
    ("exit_timeout", {}),
    ("redact", 5),
    ("limits", 5),
    ("store_size", "big"),
    ("store_size", 0),
    ("store_size", 1.5),
    ("store_size", True),
    ("store_age", "long"),
    ("store_age", 0),
    ("limits", {"strings": 5}),
    ("limits", {"string": 0}),
    ("limits", {"depth": 1000}),
]
BLANK = ["api_key", "server_url", "project", "source", "home"]


@pytest.fixture(autouse=True)
def bare(isolated, monkeypatch):
    """No variable of ours at all."""
    monkeypatch.delenv("HONEYTRACE_HOME")


def test_the_defaults():
    """With nothing set, sessions go to the store on this machine."""
    config = resolve({})
    assert config == Config(
        api_key=None, server_url=None, project="default", source="dev", enabled=True,
        home=HOME / ".honeytrace", timeout=5.0, exit_timeout=2.0,
    )  # fmt: skip
    assert config.local


@pytest.mark.parametrize(("name", "text", "value"), GOOD)
def test_each_setting_as_an_argument(name, text, value):
    """Each setting can be given as an argument, also in the words of the environment."""
    assert getattr(resolve({name: text}), name) == value


@pytest.mark.parametrize(("name", "text", "value"), GOOD)
def test_each_setting_from_the_environment(name, text, value, monkeypatch):
    """Each setting is read from its variable."""
    monkeypatch.setenv(VARIABLES[name], text)
    assert getattr(resolve({}), name) == value


@pytest.mark.parametrize(
    ("name", "given", "value"),
    [
        ("enabled", False, False),
        ("home", pathlib.Path("/tmp/h"), pathlib.Path("/tmp/h")),
        ("timeout", 3, 3.0),
        ("exit_timeout", 0, 0.0),
    ],
)
def test_arguments_may_have_their_own_type(name, given, value):
    """An argument may have its own type, where a variable is always text."""
    assert getattr(resolve({name: given}), name) == value


@pytest.mark.parametrize(("name", "text", "value"), GOOD)
def test_the_argument_comes_before_the_environment(name, text, value, monkeypatch):
    """An argument wins over the variable."""
    others = {"server_url": "http://other", "enabled": "1", "timeout": "9", "exit_timeout": "9"}
    monkeypatch.setenv(VARIABLES[name], others.get(name, "other"))
    assert getattr(resolve({name: text}), name) == value


def test_an_argument_that_is_none_is_absent(monkeypatch):
    """None leaves the setting to the environment."""
    monkeypatch.setenv("HH_PROJECT", "p")
    assert resolve({"project": None}).project == "p"


@pytest.mark.parametrize("variable", VARIABLES.values())
def test_a_blank_variable_is_unset(variable, monkeypatch):
    """An empty variable and one of spaces count as absent."""
    monkeypatch.setenv(variable, "  ")
    assert resolve({}) == Config()


def test_a_key_alone_means_the_hosted_api():
    """With a key and no address, sessions go to HoneyHive."""
    config = resolve({"api_key": "k"})
    assert (config.server_url, config.local) == (HOSTED, False)


def test_a_key_does_not_move_an_address():
    """With both, sessions go to the address."""
    assert resolve({"api_key": "k", "server_url": "http://h"}).server_url == "http://h"


@pytest.mark.parametrize(("text", "enabled"), [("1", False), (" True ", False), ("0", True)])
def test_the_official_switch_turns_tracing_off(text, enabled, monkeypatch):
    """HH_DISABLE_TRACING means the opposite of HONEYTRACE_ENABLED."""
    monkeypatch.setenv("HH_DISABLE_TRACING", text)
    assert resolve({}).enabled is enabled


def test_our_switch_comes_before_the_official_one(monkeypatch):
    """HONEYTRACE_ENABLED wins over HH_DISABLE_TRACING, an argument over both."""
    monkeypatch.setenv("HH_DISABLE_TRACING", "1")
    assert resolve({"enabled": True}).enabled
    monkeypatch.setenv("HONEYTRACE_ENABLED", "1")
    assert resolve({}).enabled


# ---- What cannot be used


@pytest.mark.parametrize(("name", "value"), [*BAD, *WRONG_TYPES, *((name, " ") for name in BLANK)])
def test_a_wrong_argument_is_refused_by_name(name, value):
    """Each wrong value is a `ConfigurationError` that names the setting and the way out."""
    with pytest.raises(ConfigurationError, match=rf"^{name} cannot be .*: \w") as caught:
        resolve({name: value})
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize(("name", "text"), BAD)
def test_a_wrong_variable_is_logged_and_left_aside(name, text, monkeypatch, said):
    """A wrong value in the environment costs one warning that names it; the default serves."""
    monkeypatch.setenv(VARIABLES[name], text)
    assert resolve({}) == Config()
    (message,) = said()
    assert message.startswith(f"{VARIABLES[name]} is not used: ")


def test_a_log_handler_that_raises_changes_no_setting(monkeypatch, failing_log):
    """As a handler does that writes to a closed file, or standard error when it is closed."""
    monkeypatch.setenv("HONEYTRACE_DURABLE", "perhaps so")
    assert resolve({}) == Config()
    assert failing_log.calls == 1


MALFORMED = [
    ("hh.internal:8080", "hh.internal:8080"),
    ("'https://hh.internal'", "'https://hh.internal'"),
    ("${HH_URL}", "${HH_URL}"),
    ("https://user:pw@gw.internal/hh", "https://…@gw.internal/hh"),
    ("user:p#w@gw.internal", "…@gw.internal"),
    ("https://gw.internal/?token=secret", "https://gw.internal/?…"),
    ("hh_0123456789abcdef", "…"),
    ("https://", "https://"),
]


@pytest.mark.parametrize(("text", "shown"), MALFORMED)
def test_with_a_key_a_wrong_address_sends_nowhere(text, shown, monkeypatch, said):
    """Sessions for one server must not go to another because of a typing error."""
    monkeypatch.setenv("HH_API_KEY", "k-1")
    monkeypatch.setenv("HH_API_URL", text)
    config = resolve({})
    assert (config.server_url, config.local) == (shown, False)
    assert config.unusable.startswith("give ")
    (message,) = said()
    assert message.startswith(f"HH_API_URL is not used: it cannot be {shown!r}: give ")
    assert message.endswith(
        f"; nothing is sent until it is corrected, sessions are kept in {config.spool_dir}"
    )


@pytest.mark.parametrize("arguments", [{"api_key": "k-1"}, {"api_key": "k-1", "spool_dir": "off"}])
def test_the_key_may_be_an_argument(arguments, monkeypatch, said):
    """It is the address that decides."""
    monkeypatch.setenv("HH_API_URL", "hh.internal")
    assert resolve(arguments).server_url == "hh.internal"
    kept = "kept in memory" if "spool_dir" in arguments else "kept in /"
    assert kept in said()[0]


def test_an_address_as_an_argument_replaces_a_wrong_variable(monkeypatch):
    """An argument leaves no doubt about the server."""
    monkeypatch.setenv("HH_API_KEY", "k-1")
    monkeypatch.setenv("HH_API_URL", "hh.internal")
    config = resolve({"server_url": "https://hh.internal"})
    assert (config.server_url, config.unusable) == ("https://hh.internal", None)


@pytest.mark.parametrize(("url", "origin"), [("hh.internal", "HH_API_URL"), ("", "default")])
def test_the_origin_of_a_wrong_address_is_its_variable(url, origin, monkeypatch):
    """The doctor shows where it is from."""
    monkeypatch.setenv("HH_API_KEY", "k-1")
    monkeypatch.setenv("HH_API_URL", url)
    assert origins({})["server_url"] == origin


def test_a_path_of_bytes_is_refused():
    """A path-like object has to be one of text."""

    class Bytes(os.PathLike):
        def __fspath__(self):
            return b"/tmp/h"

    with pytest.raises(ConfigurationError, match=r"home cannot be .*as a string or a Path"):
        resolve({"home": Bytes()})


def test_a_path_with_a_null_is_refused():
    """No system has such a path."""
    with pytest.raises(ConfigurationError, match="home cannot be"):
        resolve({"home": "a\0b"})


def test_an_unknown_setting_has_a_hint():
    """A slip of the pen is answered with the name that was meant, anything else with all names."""
    with pytest.raises(ConfigurationError, match="no setting 'projct'; did you mean 'project'"):
        resolve({"projct": "p"})
    with pytest.raises(ConfigurationError, match="no setting 'zzz'; the settings are api_key, "):
        resolve({"zzz": "p"})


def test_the_unknown_setting_does_not_show_its_value():
    """A key under a wrong name is not shown."""
    with pytest.raises(ConfigurationError) as caught:
        resolve({"apikey": "s3cret"})
    assert "s3cret" not in str(caught.value)


# ---- The key


def test_the_key_is_not_in_the_repr():
    """A configuration that is printed or logged tells nothing secret."""
    config = resolve({"api_key": "s3cret"})
    assert (config.api_key, "s3cret" in repr(config)) == ("s3cret", False)


SECRETS = [
    ("api_key", "s3cret\nx"),
    ("api_key", "s3crét"),
    ("server_url", "http://user:s3cret@h.test"),
    ("server_url", "http://h.test?token=s3cret"),
    ("server_url", "http://h.test/#s3cret"),
    ("server_url", "http://user:s3cret@h.test:port"),
    ("server_url", "http://user:s3cret@ex℀mple.test"),
    ("server_url", "user:s3cret@h.test"),
]


@pytest.mark.parametrize(("name", "value"), [*SECRETS, ("api_key", ["s3cret"])])
def test_no_secret_is_in_an_error(name, value):
    """Neither a key nor a password in an address is repeated, not even in the chain of errors."""
    with pytest.raises(ConfigurationError) as caught:
        resolve({name: value})
    told = [caught.value, caught.value.__cause__, caught.value.__context__]
    assert not [error for error in told if "s3cr" in str(error)]


@pytest.mark.parametrize(("name", "value"), SECRETS)
def test_no_secret_is_in_the_log(name, value, monkeypatch, caplog):
    """Neither a key nor a password in an address is logged."""
    monkeypatch.setenv(VARIABLES[name], value)
    resolve({})
    assert caplog.text
    assert "s3cr" not in caplog.text


def test_a_configuration_cannot_be_changed():
    """Settings in force are a fact; `configure` makes others."""
    with pytest.raises(dataclasses.FrozenInstanceError):
        resolve({}).project = "other"


# ---- Settings that are no text


def test_redact_may_be_a_function():
    """It is taken as it is, also if it does not tell its parameters."""

    def rule(path, value):
        return value

    assert resolve({"redact": rule}).redact is rule
    assert resolve({"redact": max}).redact is max


def test_redact_has_to_take_two_values():
    """A slip is said where it is made, not found in every session later."""
    with pytest.raises(ConfigurationError, match="it has to take a path and a value"):
        resolve({"redact": lambda value: value})


def test_limits_may_be_some_of_them():
    """The others stay; the whole of them, as in a `Config`, is taken too."""
    limits = resolve({"limits": {"string": 1000}}).limits
    assert (limits.string, limits.items) == (1000, 1000)
    assert resolve({"limits": limits}).limits is limits


# ---- Settings that depend on each other


def test_without_a_home_directory_files_are_temporary_and_it_is_said(monkeypatch, said, tmp_path):
    """A container with a user of its own has none; nothing may be lost or land elsewhere."""
    monkeypatch.delenv("HONEYTRACE_HOME", raising=False)
    monkeypatch.setenv("HOME", "")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    config = resolve({})
    assert config.home == tmp_path / f"honeytrace-{os.getuid()}"
    assert config.spool_dir == config.home / "spool"
    where = f"files go to {config.home}, set HONEYTRACE_HOME to keep them"
    assert said() == [f"there is no home directory (HOME is not set to one); {where}"]


def test_a_tilde_without_a_home_directory_is_refused(monkeypatch):
    """Such a path means nothing, and would become a directory that is named "~"."""
    monkeypatch.setenv("HOME", "")
    with pytest.raises(ConfigurationError, match=r"no home directory .*; give an absolute path"):
        resolve({"home": "~/h"})


def test_the_spool_is_below_the_home():
    """Unless it has a place of its own."""
    assert resolve({"home": "/h"}).spool_dir == pathlib.Path("/h/spool")
    assert resolve({"home": "/h", "spool_dir": "/s"}).spool_dir == pathlib.Path("/s")


def test_lambda_has_no_background(monkeypatch):
    """There the threads stand still between the calls; who wants it all the same can say so."""
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "f")
    assert resolve({}).background is False
    assert resolve({"background": True}).background is True


def test_durable_needs_a_disk():
    """Settings that contradict each other are refused in one sentence."""
    with pytest.raises(ConfigurationError, match="durable cannot be True while spool_dir is 'off'"):
        resolve({"durable": True, "spool_dir": "off"})


def test_durable_needs_a_disk_in_the_environment_too(monkeypatch, caplog):
    """There it is one warning, and the program goes on without."""
    monkeypatch.setenv("HONEYTRACE_DURABLE", "1")
    monkeypatch.setenv("HONEYTRACE_SPOOL_DIR", "off")
    assert [resolve({}).durable for _ in range(2)] == [False, False]
    assert caplog.text.count("HONEYTRACE_DURABLE is not used") == 1


@pytest.mark.parametrize(
    ("size", "read"), [(5, 5), ("500MB", 500_000_000), ("2 gb", 2 * 10**9), ("7", 7), ("off", None)]
)
def test_the_size_of_the_store(size, read):
    """The bound is bytes, or a number with a unit, in the environment, too."""
    assert resolve({"store_size": size}).store_size == read


@pytest.mark.parametrize(
    ("age", "read"), [(1.5, 1.5), ("60", 60), ("12h", 43_200), ("30d", 2_592_000), ("off", None)]
)
def test_the_age_of_the_store(monkeypatch, age, read):
    """The bound is seconds, or a number with a unit; an argument comes before the environment."""
    monkeypatch.setenv("HONEYTRACE_STORE_AGE", "1w")
    assert resolve({}).store_age == 604_800
    assert resolve({"store_age": age}).store_age == read
