"""Sessions under freezegun and time-machine: their times are the frozen ones, and nothing waits."""

from __future__ import annotations

import datetime
import time

import pytest
import time_machine
from freezegun import freeze_time

import honeytrace
from honeytrace._tracing.trace_session import trace_session
from honeytrace._utils import clock

DAY = "2020-01-01"
START = 1_577_836_800_000  # the day, in milliseconds since 1970


@trace_session
def still():
    """Takes no time while time is frozen."""


@pytest.fixture
def frozen():
    with freeze_time(DAY) as clock:
        yield clock


def test_frozen(frozen, sent):
    """The times are those of the frozen clock, and the duration is what it says: nothing."""
    still()
    [session] = sent()
    times = (session["start_time"], session["end_time"], session["duration"])
    assert times == (START, START, 0)


@freeze_time(DAY)
def test_frozen_by_decorator(sent):
    """So they are in a decorated test."""
    still()
    assert sent()[0]["start_time"] == START


def test_ticking(sent):
    """A clock that ticks from there on measures the duration."""
    with freeze_time(DAY, tick=True), trace_session("ticking"):
        before = time.perf_counter()
        while time.perf_counter() == before:
            pass
    [session] = sent()
    assert START <= session["start_time"] <= session["end_time"] < START + 10_000
    assert 0 < session["duration"] < 10_000


def test_a_tick_by_hand(frozen, sent):
    """The duration is what the clock was moved by."""
    with trace_session("ticked"):
        frozen.tick(2.5)
    [session] = sent()
    assert (session["duration"], session["end_time"]) == (2500, START + 2500)


def test_time_that_goes_on_when_it_is_read(sent):
    """With `auto_tick_seconds` each look at the clock takes time: end follows from start."""
    with freeze_time(DAY, auto_tick_seconds=15), trace_session("auto"):
        time.time()
    [session] = sent()
    assert session["duration"] > 0
    assert session["duration"] % 15_000 == 0
    assert session["end_time"] == session["start_time"] + session["duration"]


@pytest.mark.parametrize(
    ("to", "milliseconds"), [("2020-01-01 01:00", 3_600_000), ("2019-12-31", 0)]
)
def test_moved_to(frozen, sent, to, milliseconds):
    """A move counts as time that passes; back, as none."""
    with trace_session("moved"):
        frozen.move_to(to)
    [session] = sent()
    assert session["start_time"] == START
    assert (session["duration"], session["end_time"]) == (milliseconds, START + milliseconds)


def test_frozen_in_between(sent):
    """A session that begins before and ends after it is real on both ends."""
    began = time.time_ns() // 1_000_000
    with trace_session("around"), freeze_time(DAY):
        still()
    inner, around = sent()
    assert (inner["start_time"], inner["duration"]) == (START, 0)
    assert began <= around["start_time"] <= around["end_time"]
    assert 0 <= around["duration"] < 60_000


@pytest.mark.parametrize("tick", [True, False])
def test_time_machine(sent, tick):
    """It freezes the times of day; what is monotonic it leaves to the system or stops, too."""
    with time_machine.travel(
        datetime.datetime(2020, 1, 1, tzinfo=datetime.timezone.utc), tick=tick
    ):
        still()
    [session] = sent()
    assert START <= session["start_time"] <= session["end_time"] < START + 10_000
    assert 0 <= session["duration"] < 10_000


def test_time_machine_moved(sent):
    """Its moves do not turn durations negative."""
    with time_machine.travel(0) as traveller, trace_session("moved"):
        traveller.move_to(START / 1000 + 5)
        traveller.move_to(5)
    assert sent()[0]["duration"] >= 0


@pytest.mark.parametrize(
    "freeze",
    [
        lambda: freeze_time(DAY),
        lambda: freeze_time(DAY, tick=True),
        lambda: freeze_time(DAY, auto_tick_seconds=60),
        lambda: time_machine.travel(0, tick=False),
    ],
    ids=["frozen", "ticking", "auto", "time-machine"],
)
def test_delivery_goes_on(freeze, sent, server):
    """Sessions arrive, also after failures, and a flush keeps to real seconds."""
    server.script = [(503, {}, b""), (503, {}, b"")]
    began = clock.now()
    with freeze():
        for _ in range(3):
            still()
        assert honeytrace.flush(20)
        assert {session["session_name"] for session in server.sessions} == {"still"}
        server.script = server.hang
        still()
        assert not honeytrace.flush(0.2)
    assert clock.now() - began < 20


EXIT = """
    {first}
    from freezegun import freeze_time
    {second}
    import time

    freezer = freeze_time("2020-01-01", auto_tick_seconds={auto})
    freezer.start()
    {third}

    @honeytrace.trace_session
    def traced(): return 1

    for _ in range(20):
        traced()
"""
IMPORT = "import honeytrace"


@pytest.mark.parametrize("auto", [0, 30])
@pytest.mark.parametrize("place", ["first", "second", "third"])
def test_a_program_that_ends_in_frozen_time(program, server, place, auto):
    """Frozen before or after honeytrace is imported: all is delivered, with the frozen times."""
    words = {"first": "", "second": "", "third": "", place: IMPORT, "auto": auto}
    done = program(EXIT.format(**words), HH_API_URL=server.url, HH_API_KEY="key")
    assert (done.returncode, done.stderr) == (0, "")
    times = [session["start_time"] for session in server.sessions]
    assert len(times) == 20
    assert all(START <= each < START + 40 * 30_000 + 30_000_000 for each in times)


@pytest.mark.parametrize("place", ["first", "third"])
def test_frozen_time_and_the_store(program, tmp_path, place):
    """The store on this machine takes them, too."""
    words = {"first": "", "second": "", "third": "", place: IMPORT, "auto": 0}
    then = """
    assert honeytrace.flush(10)
    with honeytrace.trace_session("last") as last: pass
    assert honeytrace.get_session(last.session_id).start_time == 1_577_836_800_000
"""
    done = program(EXIT.format(**words) + then)
    assert (done.returncode, done.stderr) == (0, "")
