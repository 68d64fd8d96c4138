"""Paths of the files that honeytrace keeps, also for a user without a home directory."""

from __future__ import annotations

import os
from pathlib import Path

NO_HOME = "there is no home directory (HOME is not set to one)"


def _current() -> str:
    try:
        return os.getcwd()
    except OSError:  # it has been deleted
        return ""


_START = _current()  # a program may change its directory later, as daemons do


def at_start(path: str) -> str:
    """Return a path from the environment as it was meant when this module was imported."""
    return path if path.startswith("~") else os.path.join(_START, path)


def store_path(home: Path) -> Path:
    """Return the path of the session store below `home`."""
    return home / "sessions.db"


def default_home() -> Path:
    """Return `~/.honeytrace`, or a temporary directory if there is no home directory.

    The name of the temporary directory ends with the user's id, so that users do not share it.
    """
    try:
        return absolute("~/.honeytrace")
    except ValueError:
        import tempfile  # slow to import, and not needed if there is a home directory

        user = os.getuid() if hasattr(os, "getuid") else "user"
        return Path(tempfile.gettempdir()).absolute() / f"honeytrace-{user}"


def has_home() -> bool:
    """Return True if this user has a home directory."""
    try:
        absolute("~")
    except ValueError:
        return False
    return True


def absolute(path: str) -> Path:
    """Return an absolute path, with a leading `~` expanded. Raises `ValueError` if it cannot be.

    `os.path.expanduser` is not enough. It keeps the `~` if there is no home directory, and turns
    `~/x` into `/x` if HOME is empty.
    """
    if not path.startswith("~"):
        if not os.path.isabs(path) and not _current():
            raise ValueError("the current directory has been deleted")
        return Path(path).absolute()
    user = path[1:].partition("/")[0]
    home = os.path.expanduser(f"~{user}")
    if not os.path.isabs(home) or (not user and not os.environ.get("HOME", "-")):
        raise ValueError(f"there is no user {user!r}" if user else NO_HOME)
    return Path(home) / path[len(user) + 1 :].lstrip("/")
