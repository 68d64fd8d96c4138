"""The clock for deadlines under frozen time; in child processes, since freezing reaches far."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import time

import pytest

from honeytrace._utils import clock

FROZEN = """
    import time
    from freezegun import freeze_time

    {before}
    with freeze_time("2020-01-01"):
        {inside}
        began, frozen = clock.now(), time.monotonic()
        while clock.now() == began:
            pass
        assert time.monotonic() == frozen, "the time of the program is not frozen"
"""
IMPORT = "from honeytrace._utils import clock"


def run(code):
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, timeout=60
    )


def test_it_counts_seconds():
    """It is the monotonic clock of the system."""
    before = time.monotonic()
    assert before <= clock.now() <= time.monotonic()


@pytest.mark.skipif(not hasattr(time, "CLOCK_MONOTONIC"), reason="the system has no such clock")
@pytest.mark.parametrize(
    ("before", "inside"), [(IMPORT, "pass"), ("pass", IMPORT)], ids=["before", "after"]
)
def test_frozen_time_does_not_stop_it(before, inside):
    """It goes on where time is frozen, be that before or after honeytrace was imported."""
    done = run(FROZEN.format(before=before, inside=inside))
    assert (done.returncode, done.stderr) == (0, "")


def test_without_that_clock_it_takes_the_function_of_the_import():
    """On a system without CLOCK_MONOTONIC, freezing after the import does not stop it either."""
    missing = "hasattr(time, 'CLOCK_MONOTONIC') and delattr(time, 'CLOCK_MONOTONIC'); " + IMPORT
    done = run(FROZEN.format(before=missing, inside="pass"))
    assert (done.returncode, done.stderr) == (0, "")
