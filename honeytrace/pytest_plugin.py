"""The pytest plugin `honeytrace`: loaded by every pytest run that can see it, so it does little
before it is used."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from honeytrace import _sending

if TYPE_CHECKING:
    from honeytrace.testing import CapturedSessions


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("honeytrace")
    group.addoption(
        "--honeytrace-send", action="store_true", help="send sessions as without pytest"
    )


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    """Before any code of the project's runs."""
    _sending.allowed = early_config.known_args_namespace.honeytrace_send


@pytest.fixture
def honeytrace_sessions() -> Iterator[CapturedSessions]:
    """The sessions that start in this test, from its set-up to its tear-down; none is sent."""
    from honeytrace.testing import capture_sessions

    with capture_sessions() as sessions:
        yield sessions
