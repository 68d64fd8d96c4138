"""Where honeytrace keeps its files, also for a user without a home directory."""

from __future__ import annotations

import os
from pathlib import Path

NO_HOME = "there is no home directory (HOME is not set to one)"


def store_path(home: Path) -> Path:
    """Return the path of the session store below `home`."""
    return home / "sessions.db"


def default_home() -> Path:
    """Return `~/.honeytrace`, or a directory for temporary files if there is no home directory.

    The directory for temporary files carries the user's id, so that two users do not share it.
    """
    try:
        return absolute("~/.honeytrace")
    except ValueError:
        import tempfile  # it imports a lot that a user with a home does not need

        user = os.getuid() if hasattr(os, "getuid") else "user"
        return Path(tempfile.gettempdir()).absolute() / f"honeytrace-{user}"


def has_home() -> bool:
    """Return whether this user has a home directory."""
    try:
        absolute("~")
    except ValueError:
        return False
    return True


def absolute(path: str) -> Path:
    """Return an absolute path, with a `~` in front expanded. Raises `ValueError` if it cannot be.

    `os.path.expanduser` leaves the `~` where it is if there is no home directory, and an empty
    HOME turns `~/x` into `/x`: neither is where anybody wants files.
    """
    if not path.startswith("~"):
        return Path(path).absolute()
    user = path[1:].partition("/")[0]
    home = os.path.expanduser(f"~{user}")
    if not os.path.isabs(home) or (not user and not os.environ.get("HOME", "-")):
        raise ValueError(f"there is no user {user!r}" if user else NO_HOME)
    return Path(home) / path[len(user) + 1 :].lstrip("/")
