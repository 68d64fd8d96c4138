"""The record of a call: its id."""

from __future__ import annotations

import uuid

import pytest

from honeytrace import trace_session
from honeytrace._config.live import live
from honeytrace._session.record import format_id
from honeytrace.testing import capture_sessions


@pytest.mark.parametrize("byte", [0, 1, 127, 128, 255])
@pytest.mark.parametrize("times", [(0, 0), (1, 2), (-1, -(2**70)), (2**63, 2**80)])
def test_an_id_is_a_uuid(byte, times):
    """Of version 4, whatever was drawn and whatever the clocks say."""
    for identity in ((bytes([byte]) * 16, *times), bytes([byte]) * 16):
        text = format_id(identity)
        assert (str(uuid.UUID(text)), uuid.UUID(text).version) == (text, 4)
        assert uuid.UUID(text).variant == uuid.RFC_4122


def test_an_id_that_is_a_text_stays():
    """The id that the user gave, or that a test counts."""
    assert format_id("x") == format_id(("x", 1, 2)) == "x"


def test_the_clocks_are_part_of_an_id():
    """Ids from the same pool differ if only one of the clocks does."""
    drawn = bytes(range(16))
    ids = {format_id((drawn, started, ticks)) for started in range(10) for ticks in range(10)}
    assert len(ids) == 100


def test_clones_of_a_process_have_ids_of_their_own():
    """A clone starts from the same memory, and with it from the same random numbers."""

    @trace_session
    def work():
        pass

    with capture_sessions() as sessions:
        work()
        memory = list(live.ids)
        for _ in range(3):  # clones
            live.ids[:] = memory
            work()
            work()
    assert len({session.session_id for session in sessions}) == 7
