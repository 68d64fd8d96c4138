"""The cases of `python tests/performance/load.py`, made short."""

from __future__ import annotations

import load
import pytest


@pytest.mark.parametrize("kind", ["good", "slow", "dead", "local"])
def test_load(program, kind):
    """Nothing that 16 threads end in tight loops is dropped or lost."""
    done = program(f"import load; load.main(0.05, '{kind}', '16 threads, 100 B, tight')")
    got = dict(zip(load.COLUMNS, done.stdout.split()[-len(load.COLUMNS) :], strict=True))
    assert (done.returncode, done.stderr) == (0, "")
    assert int(got["calls"].replace(",", "")) >= 16
    assert (got["dropped"], got["lost"]) == ("0", "0")
