"""Kill -9 at random moments of an outage; `python tests/faults/kill.py 100` makes a hundred."""

from __future__ import annotations

import os

import pytest
from kill import IN_FLIGHT, one

pytestmark = pytest.mark.skipif(os.name == "nt", reason="there is no SIGKILL")


@pytest.mark.parametrize("durable", [False, True], ids=["plain", "durable"])
@pytest.mark.parametrize("seed", ["first", "second", "third"])
def test_a_kill_in_an_outage(seed, durable, server):
    """All arrive but those of the last 50 ms, with `durable` those, too; what comes twice was
    under way."""
    tally = one(server, seed, durable=durable)
    assert (tally.lost, tally.left) == (0, 0), tally
    assert tally.most_duplicates <= IN_FLIGHT
    assert tally.owed > 0
