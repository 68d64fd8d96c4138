"""Paths of files, with and without a home directory."""

from __future__ import annotations

import os
import pathlib
import pwd
import tempfile

import pytest

from honeytrace._utils.paths import absolute, default_home, store_path


@pytest.fixture(params=["unknown user", "empty", "relative"])
def homeless(request, monkeypatch):
    """A user without a home directory: an arbitrary uid in a container, or a broken HOME."""
    if request.param == "unknown user":

        def unknown(uid):
            raise KeyError(uid)

        monkeypatch.setattr(pwd, "getpwuid", unknown)
        monkeypatch.delenv("HOME")
    else:
        monkeypatch.setenv("HOME", "" if request.param == "empty" else "some/where")


def test_without_a_home_files_are_temporary(homeless):
    """Nothing named "~" appears in the working directory, and nothing in the root directory."""
    expected = pathlib.Path(tempfile.gettempdir()) / f"honeytrace-{os.getuid()}"
    assert default_home() == expected


def test_a_home_that_is_not_there_cannot_be_named(homeless):
    """The sentence says why `~` does not work."""
    with pytest.raises(ValueError, match=r"^there is no home directory \(HOME is not set to one\)"):
        absolute("~/h")


def test_a_user_that_does_not_exist_has_no_home():
    """The message names the user."""
    with pytest.raises(ValueError, match=r"^there is no user 'nobody-of-this-name'$"):
        absolute("~nobody-of-this-name/h")


@pytest.mark.parametrize("path", ["~", "~/", "~/h", "~root", "~root/a/b", "h", "./~x", "/h/~"])
def test_with_a_home_it_is_what_python_says(path):
    """The same as `expanduser`, as an absolute path."""
    assert absolute(path) == pathlib.Path(os.path.expanduser(path)).absolute()


def test_a_directory_that_has_been_deleted(tmp_path, monkeypatch):
    """A path below it cannot be meant; others still can."""
    monkeypatch.chdir(tmp_path)
    tmp_path.rmdir()
    with pytest.raises(ValueError, match=r"^the current directory has been deleted$"):
        absolute("h")
    assert absolute("/h") == pathlib.Path("/h")


def test_the_store_is_below_the_home(tmp_path):
    """One file holds the sessions of this machine."""
    assert store_path(tmp_path) == tmp_path / "sessions.db"
