"""Files that a test cannot write."""

from __future__ import annotations

import os
import tempfile
from contextlib import contextmanager
from pathlib import Path

import pytest

NOBODY = 65534


@pytest.fixture
def open_home():
    """A directory that every user can enter; `tmp_path` lies in one of root alone."""
    with tempfile.TemporaryDirectory() as home:
        os.chmod(home, 0o755)
        yield Path(home)
        os.chmod(home, 0o755)


@pytest.fixture
def unwritable():
    """Make a directory and its files read-only for as long as a block runs."""
    if os.name != "posix":
        pytest.skip("the rights of other systems are others")

    @contextmanager
    def protect(directory):
        for each in directory.iterdir():
            each.chmod(0o444)
        directory.chmod(0o555)
        if user := os.geteuid():
            yield
        else:  # root may write anywhere
            os.seteuid(NOBODY)
            try:
                yield
            finally:
                os.seteuid(user)
        directory.chmod(0o755)

    return protect
