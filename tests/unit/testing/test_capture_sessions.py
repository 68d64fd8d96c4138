"""Captured sessions: what is caught by which capture, in threads, tasks and forks, and when."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import itertools
import os
import re
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone

import freezegun
import pytest
import trio

import honeytrace
from honeytrace import trace_session
from honeytrace._config.live import live
from honeytrace._delivery.senders import THREADS
from honeytrace.testing import CapturedSessions, FakeClock, capture_sessions
from honeytrace.testing._capture import open_captures

FIRST = "00000000-0000-4000-8000-000000000001"
SECOND = "00000000-0000-4000-8000-000000000002"


@pytest.fixture(autouse=True)
def undone():
    """After each test no capture is open, and sessions begin as before."""
    yield
    assert not live.overrides
    assert not open_captures()
    honeytrace.configure(**dict.fromkeys(("enabled", "durable", "background", "redact", "project")))


def step(name, **given):
    """One session of this name."""
    with trace_session(name, **given):
        pass


def names(sessions):
    return [session.session_name for session in sessions]


@trace_session(name="outer")
def pipeline():
    step("first", inputs={"question": "q"})
    step("second")


# ---- A list


def test_sessions_come_in_the_order_of_their_ends():
    """A child ends before its parent."""
    with capture_sessions() as sessions:
        pipeline()
    assert names(sessions) == ["first", "second", "outer"]


def test_they_can_be_used_as_a_list():
    """Length, indices, slices, iteration, membership, truth and comparison are a list's."""
    with capture_sessions() as sessions:
        assert not sessions
        assert sessions == []
        pipeline()
    found = list(sessions)
    assert (len(sessions), sessions[-1], sessions[:2]) == (3, found[2], found[:2])
    assert (sessions == found, sessions == found[:2], sessions != sessions[:]) == (1, 0, 0)
    assert sessions == sessions
    assert found[0] in sessions


def test_they_come_without_their_secrets():
    """A captured session has been through the redaction, that of the user too."""
    honeytrace.configure(redact=lambda path, value: "mine" if path == "inputs.city" else value)
    with capture_sessions() as sessions:
        step("call", inputs={"password": "hunter2", "city": "Graz"})
    assert sessions[0].inputs == {"password": "[REDACTED:password]", "city": "mine"}


def test_there_is_no_file_to_compare_with():
    """Outside the fixture of the plugin nothing says where the file would be."""
    with capture_sessions() as sessions, pytest.raises(TypeError, match="honeytrace_sessions"):
        sessions.assert_matches("tea")


def test_nothing_of_them_is_sent(sent):
    """Sessions inside a capture do not go to the server; later ones do."""
    with capture_sessions():
        step("caught")
        assert sent() == []
    step("sent")
    assert [session["session_name"] for session in sent()] == ["sent"]


@pytest.mark.parametrize("setting", [{"background": False}, {"durable": True}])
def test_sessions_that_would_be_waited_for_are_caught(sent, setting):
    """Configurations that wait for the delivery do not, for nothing is delivered."""
    honeytrace.configure(**setting)
    with capture_sessions() as sessions:
        step("caught")
    assert (names(sessions), sent(), honeytrace.stats().queued) == (["caught"], [], 0)


def test_configuring_inside_ends_nothing(sent):
    """After `configure` sessions are still caught, with the new settings."""
    with capture_sessions() as sessions:
        honeytrace.configure(project="other")
        step("caught")
    assert [session.project for session in sessions] == ["other"]
    assert sent() == []


def test_what_was_configured_inside_holds_after(sent):
    """The end of a capture takes nothing back that was configured inside."""
    with capture_sessions():
        honeytrace.configure(project="other")
    step("sent")
    assert [session["project"] for session in sent()] == ["other"]


def test_where_tracing_is_off_nothing_is_caught():
    """`enabled=False` inside a capture is as outside, and the assertion says why nothing came."""
    with capture_sessions() as sessions:
        honeytrace.configure(enabled=False)
        step("call")
        with pytest.raises(AssertionError, match="captured; tracing is off"):
            sessions.one()


@pytest.mark.parametrize("run", [asyncio.run, trio.run])
def test_an_async_block_catches_too(run):
    """Sessions inside the block are captured; later ones are not."""

    async def main():
        async with capture_sessions() as sessions:
            step("inside")
        step("after")
        return names(sessions)

    assert (run(main()) if run is asyncio.run else run(main)) == ["inside"]


# ---- Looking at them


def test_roots_are_those_that_nothing_caught_started():
    """A session is a root unless its parent is in the list."""
    with trace_session("before"), capture_sessions() as sessions:
        pipeline()
        step("alone")
    assert names(sessions.roots) == ["outer", "alone"]


def test_the_tree_shows_each_root_with_what_it_started():
    """The tree, which is the `repr` too, has a line for each session below the one around it."""
    with capture_sessions(clock=FakeClock()) as sessions:
        pipeline()
        step("alone")
    lines = ["outer  0 µs", "├─ first  0 µs", "└─ second  0 µs", "alone  0 µs"]
    assert sessions.tree().splitlines() == lines
    assert repr(sessions) == sessions.tree()
    assert repr(CapturedSessions()) == "<no sessions>"


def test_of_a_long_tree_the_repr_shows_both_ends():
    """Thirty lines each, and how many are between them; `tree()` has all."""
    with capture_sessions(clock=FakeClock()) as sessions:
        for number in range(1_000):
            step(str(number))
    lines = repr(sessions).splitlines()
    assert lines[29:32] == ["29  0 µs", "… 940 more …", "970  0 µs"]
    assert (len(lines), len(sessions.tree().splitlines())) == (61, 1_000)


def test_the_tree_says_what_was_not_caught():
    """A child that has not ended inside stands by its id."""
    late = trace_session("late")
    with capture_sessions(counting_ids=True, clock=FakeClock()) as sessions:
        with trace_session("outer"):
            late.__enter__()
        assert sessions.tree().splitlines() == ["outer  0 µs", f"└─ {SECOND} (not captured)"]
    late.__exit__(None, None, None)


def test_all_finds_by_name_and_fields():
    """Every session with the name and the fields, and those alone."""
    with capture_sessions() as sessions:
        for k in (1, 2, 3):
            step("retrieve", inputs={"k": k, "q": "x"}, metadata={"even": k % 2 == 0})
    assert [each.inputs["k"] for each in sessions.all("retrieve", metadata={"even": False})] == [
        1,
        3,
    ]
    assert sessions.all("retrieve", inputs={"k": 4}) == []
    assert sessions.all() == list(sessions)


def test_one_gives_the_only_one():
    """The session that fits, if no other does."""
    with capture_sessions() as sessions:
        pipeline()
    assert sessions.one(name="first", inputs={"question": "q"}) is sessions[0]
    assert sessions.one("second", error=None) is sessions[1]


def test_without_errors_there_is_nothing_to_assert():
    """`assert_no_errors` passes where no session has one."""
    with capture_sessions() as sessions:
        pipeline()
    sessions.assert_no_errors()


# ---- Captures in one another and side by side


def test_the_outer_capture_sees_what_the_inner_does():
    """The inner has what starts inside it, the outer everything."""
    with capture_sessions() as outer:
        step("a")
        with capture_sessions() as inner:
            step("b")
        step("c")
    assert (names(outer), names(inner)) == (["a", "b", "c"], ["b"])


def test_tasks_have_each_their_own():
    """Captures that run in tasks at the same time do not see each other's sessions."""

    async def work(name, mine, other):
        with capture_sessions() as sessions:
            mine.set()
            await other.wait()
            async with trace_session(name):
                await asyncio.gather(below(f"{name} below"))
        return names(sessions)

    async def below(name):
        step(name)

    async def main():
        events = asyncio.Event(), asyncio.Event()
        return await asyncio.gather(work("a", *events), work("b", *events[::-1]))

    with capture_sessions() as outer:
        assert asyncio.run(main()) == [["a below", "a"], ["b below", "b"]]
    assert sorted(names(outer)) == ["a", "a below", "b", "b below"]
    assert asyncio.run(main()) == [["a below", "a"], ["b below", "b"]]


def test_tasks_of_trio_have_each_their_own():
    """Tasks of trio behave like those of asyncio."""
    found = {}

    async def work(name, mine, other):
        with capture_sessions() as sessions:
            mine.set()
            await other.wait()
            step(name)
            found[name] = names(sessions)

    async def main():
        events = trio.Event(), trio.Event()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(work, "a", *events)
            nursery.start_soon(work, "b", *events[::-1])

    trio.run(main)
    assert found == {"a": ["a"], "b": ["b"]}


def test_threads_have_each_their_own():
    """Captures that run in threads at the same time do not see each other's sessions."""
    both = threading.Barrier(2, timeout=10)

    def work(name):
        with capture_sessions() as sessions:
            both.wait()
            step(name)
            both.wait()
        return names(sessions)

    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(work, "ab")) == [["a"], ["b"]]
    with capture_sessions() as outer, ThreadPoolExecutor(2) as pool:
        assert list(pool.map(work, "cd")) == [["c"], ["d"]]
    assert sorted(names(outer)) == ["c", "d"]


def run_in_thread(function, *arguments, name=None):
    thread = threading.Thread(target=function, args=arguments, name=name)
    thread.start()
    thread.join()


def test_a_thread_without_a_context_goes_to_the_last_one():
    """A plain thread knows of no capture: what it starts is for the one opened last."""
    with capture_sessions() as outer:
        with capture_sessions() as inner:
            run_in_thread(step, "a")
        run_in_thread(step, "b")
    assert (names(outer), names(inner)) == (["a", "b"], ["a"])


def test_a_context_from_before_the_capture_is_caught_too():
    """A test framework may run the test in another context than its fixtures; captures in the test
    are still inside those of the fixtures."""
    elsewhere = contextvars.copy_context()

    def body():
        step("a")
        with capture_sessions() as inner:
            step("b")
        return names(inner)

    with capture_sessions() as outer:
        assert elsewhere.run(body) == ["b"]
    assert names(outer) == ["a", "b"]


def test_a_context_of_an_earlier_capture_goes_to_the_last_one():
    """A task that outlives the capture it began in is caught by the next."""
    with capture_sessions() as early:
        kept = contextvars.copy_context()
    with capture_sessions() as late:
        kept.run(step, "a")
    assert (names(early), names(late)) == ([], ["a"])


# ---- Sessions over the edge of a capture


def test_what_ends_after_the_capture_goes_nowhere(sent):
    """A session that started inside is not sent and not listed when it ends later."""
    block = trace_session("late")
    with capture_sessions() as sessions:
        block.__enter__()
    block.__exit__(None, None, None)
    assert (names(sessions), sent()) == ([], [])


def test_what_ends_after_the_inner_capture_goes_to_the_outer():
    """A session that outlives the inner capture is the outer one's."""
    block = trace_session("late")
    with capture_sessions() as outer:
        with capture_sessions() as inner:
            block.__enter__()
        block.__exit__(None, None, None)
    assert (names(outer), names(inner)) == (["late"], [])


def test_a_generator_that_goes_on_after_the_capture_goes_nowhere(sent):
    """The session of a generator belongs where its first step was."""

    @trace_session
    def count():
        yield 1
        yield 2

    with capture_sessions() as sessions:
        numbers = count()
        next(numbers)
    assert list(numbers) == [2]
    assert (names(sessions), sent()) == ([], [])


def test_what_began_before_the_capture_goes_where_it_would_have_gone(sent):
    """A session that runs when a capture opens is sent as if there were none."""
    with trace_session("before"):
        opening = capture_sessions(counting_ids=True)
        sessions = opening.__enter__()
        step("inside")
    opening.__exit__(None, None, None)
    assert [session["session_name"] for session in sent()] == ["before"]
    assert names(sessions) == ["inside"]


def test_what_began_in_the_outer_capture_stays_there():
    """A session that runs when an inner capture opens is not the inner one's."""
    with capture_sessions() as outer:
        with trace_session("a"):
            opening = capture_sessions()
            inner = opening.__enter__()
        step("b")
        opening.__exit__(None, None, None)
    assert (names(outer), names(inner)) == (["a", "b"], ["b"])


def test_a_session_is_caught_where_it_started():
    """Ended in another task than it started in, a session is still that capture's."""

    async def start(block, caught):
        with capture_sessions() as sessions:
            caught.append(sessions)
            block.__enter__()
            await asyncio.sleep(0)
            await asyncio.sleep(0)

    async def end(block, caught):
        with capture_sessions() as sessions:
            caught.append(sessions)
            block.__exit__(None, None, None)

    async def main():
        block, caught = trace_session("a"), []
        await asyncio.gather(start(block, caught), end(block, caught))
        return [names(sessions) for sessions in caught]

    assert asyncio.run(main()) == [["a"], []]


# ---- Ends that are none


def test_a_capture_may_end_in_another_context(sent):
    """Ended in another context than entered, it is over in all of them."""
    opening = capture_sessions()
    contextvars.copy_context().run(opening.__enter__)
    step("a")
    opening.__exit__(None, None, None)
    with capture_sessions() as sessions:
        step("b")
    assert names(sessions) == ["b"]


def test_a_capture_may_end_in_another_task():
    """Ended by another task than entered it, it is over for both."""

    async def main():
        opening = capture_sessions()

        async def enter():
            opening.__enter__()
            await asyncio.sleep(0)
            assert live.overrides == []

        async def leave():
            opening.__exit__(None, None, None)

        await asyncio.gather(enter(), leave())

    asyncio.run(main())


def test_captures_may_end_in_any_order():
    """The outer one may end first; the inner goes on alone."""
    first, second = capture_sessions(), capture_sessions()
    outer, inner = first.__enter__(), second.__enter__()
    first.__exit__(None, None, None)
    step("a")
    second.__exit__(None, None, None)
    assert (names(outer), names(inner)) == ([], ["a"])


def test_an_exception_ends_a_capture():
    """It passes, and what was caught stays."""
    with pytest.raises(KeyError), capture_sessions() as sessions, trace_session("a"):
        raise KeyError
    assert names(sessions) == ["a"]


def test_a_capture_that_is_lost_is_over():
    """One that an exception left open ends when nothing holds it any more."""

    def lose():
        opening = capture_sessions()
        opening.__enter__()
        raise KeyError

    with pytest.raises(KeyError):
        lose()
    gc.collect()


def test_leaving_twice_does_nothing():
    """The second time is not an error, and ends no other capture."""
    first, last = capture_sessions(), capture_sessions()
    with first:
        pass
    with capture_sessions() as sessions:
        other = contextvars.Context().run(last.__enter__)
        first.__exit__(None, None, None)
        step("a")
        last.__exit__(None, None, None)
    assert (names(sessions), names(other)) == (["a"], [])


def test_entering_twice_is_refused():
    """A capture is for one block; a sentence says what to do for another."""
    opening = capture_sessions()
    with opening, pytest.raises(RuntimeError, match="entered once; call capture_sessions"):
        opening.__enter__()
    with pytest.raises(RuntimeError, match="entered once"):
        opening.__enter__()


def test_a_capture_that_is_interrupted_while_it_opens_is_over():
    """Ctrl-C at any line of the opening leaves neither it nor the capture around it amiss."""

    def interrupt(frame, event, _):
        nonlocal lines
        if event == "line" and frame.f_code.co_filename.endswith("testing/_capture.py"):
            lines -= 1
            if not lines:
                raise KeyboardInterrupt
        return interrupt

    for at in itertools.count(1):
        lines = at
        with capture_sessions() as outer:
            opening = capture_sessions()
            before = sys.gettrace()
            sys.settrace(interrupt)
            try:
                opening.__enter__()
            except KeyboardInterrupt:
                pass
            finally:
                sys.settrace(before)
            del opening
            step("a")
            assert names(outer) == ["a"]
        assert not live.overrides
        if lines > 0:
            break
    assert at > 10


def test_leaving_before_entering_does_nothing():
    """An end without a beginning is not an error."""
    capture_sessions().__exit__(None, None, None)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_child_keeps_its_own(program, server):
    """A child adds to its own copy of the list, and sends nothing; the parent sees none of it."""
    done = program(
        """
        import os
        import warnings

        from honeytrace import trace_session
        from honeytrace.testing import capture_sessions

        warnings.simplefilter("ignore", DeprecationWarning)  # of a fork with threads

        def names():
            return [session.session_name for session in sessions]

        with capture_sessions() as sessions:
            with trace_session("before"):
                pass
            child = os.fork()
            if not child:
                with trace_session("child"), capture_sessions():
                    pass
                assert names() == ["before", "child"], names()
                raise SystemExit(0)
            assert os.waitpid(child, 0)[1] == 0
            with trace_session("after"):
                pass
        assert names() == ["before", "after"], names()
        """,
        HH_API_URL=server.url,
        HH_API_KEY="key",
    )
    assert (done.returncode, done.stderr, server.sessions) == (0, "", [])


def test_a_capture_open_at_the_end_of_the_program_is_no_trouble(program):
    """The interpreter ends in silence while a capture is open."""
    done = program(
        """
        from honeytrace import trace_session
        from honeytrace.testing import capture_sessions

        opening = capture_sessions()
        sessions = opening.__enter__()
        with trace_session("a"):
            pass
        """
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


# ---- Ids


def ids(sessions):
    return [
        int(session.session_id.replace("-4000-8000-", "-0000-0000-")[-12:]) for session in sessions
    ]


def test_ids_count_on_request():
    """They count in start order from 1, as UUIDs of version 4, and so do those of parents."""
    with capture_sessions(counting_ids=True) as sessions:
        pipeline()
    outer, first = sessions.one("outer"), sessions.one("first")
    assert (outer.session_id, first.session_id) == (FIRST, SECOND)
    assert outer.children_ids == [SECOND, "00000000-0000-4000-8000-000000000003"]
    assert first.metadata["honeytrace"]["parent_id"] == FIRST


def test_ids_of_the_users_are_kept():
    """A session with an id of its own has it, and takes no number."""
    with capture_sessions(counting_ids=True) as sessions:
        step("a", session_id="7a3c9b5e-0f5e-4a54-9a66-6d2f6d0f5c11")
        step("b")
    assert [each.session_id[:8] for each in sessions] == ["7a3c9b5e", "00000000"]
    assert sessions[1].session_id == FIRST


def test_each_capture_counts_anew_and_the_end_is_the_end():
    """The next capture begins with 1; without the request ids are random again."""
    found = []
    for counting in (True, True, False):
        with capture_sessions(counting_ids=counting) as sessions:
            step("a")
        found.append(sessions[0].session_id)
    assert found[:2] == [FIRST, FIRST]
    assert found[2] != FIRST


def test_ids_go_on_counting_in_inner_captures():
    """No id is twice in the outer list."""
    with capture_sessions(counting_ids=True) as outer:
        for counting in (True, False):
            with capture_sessions(counting_ids=counting):
                step("a")
        step("b")
    assert ids(outer) == [1, 2, 3]


# ---- Time


def test_the_clock_tells_the_times():
    """Start, end and duration are what the clock says, to the millisecond."""
    clock = FakeClock(start=datetime(2024, 5, 17, 12, tzinfo=timezone.utc))
    with capture_sessions(clock=clock) as sessions, trace_session("a"):
        clock.advance(1.5)
    began = datetime(2024, 5, 17, 12, tzinfo=timezone.utc).timestamp() * 1000
    assert (sessions[0].start_time, sessions[0].duration) == (began, 1500.0)
    assert sessions[0].end_time == began + 1500


def test_the_clock_tells_the_time_to_the_first_item():
    """A stream's `ttft_ms` is by the clock, too."""
    clock = FakeClock()

    @trace_session
    def stream():
        clock.advance(0.25)
        yield "a"
        clock.advance(1)

    with capture_sessions(clock=clock) as sessions:
        list(stream())
    assert (sessions[0].metrics["ttft_ms"], sessions[0].duration) == (250.0, 1250.0)


def test_a_session_keeps_the_clock_it_began_with(sent):
    """One that began before the capture is not measured by its clock."""
    with trace_session("before"):
        opening = capture_sessions(clock=FakeClock(0))
        opening.__enter__()
    opening.__exit__(None, None, None)
    assert 0 <= sent()[0]["duration"] < 60_000


def test_inner_captures_have_the_clock_of_the_outer():
    """Unless they have one of their own."""
    with capture_sessions(clock=FakeClock(1)) as outer:
        with capture_sessions():
            step("a")
        with capture_sessions(clock=FakeClock(2)):
            step("b")
    assert [session.start_time for session in outer] == [1000, 2000]


def test_frozen_time_is_seen_without_a_clock():
    """Under freezegun a captured session has the frozen times."""
    with capture_sessions() as sessions, freezegun.freeze_time("2020-01-01") as frozen:
        block = trace_session("a")
        block.__enter__()
        frozen.tick(2)
        block.__exit__(None, None, None)
    assert (sessions[0].start_time, sessions[0].duration) == (1577836800000, 2000.0)


@pytest.mark.parametrize(
    "start",
    [
        datetime(1970, 1, 2),  # noqa: DTZ001 - without a zone, it is UTC
        datetime(1970, 1, 2, 1, tzinfo=timezone(timedelta(hours=1))),
        86_400,
        86_400.0,
    ],
)
def test_a_fake_clock_starts_where_it_is_told(start):
    """A date without a time zone is UTC, a number counts seconds since 1970."""
    assert FakeClock(start).time_ns() == 86_400 * 10**9
    assert repr(FakeClock(start)) == "<FakeClock 1970-01-02T00:00:00+00:00>"


@pytest.mark.parametrize("seconds", [-1, float("nan"), float("inf"), 1e20, "x", None, True])
def test_a_fake_clock_goes_forward(seconds):
    """It refuses to go back, or by anything but seconds, or past the dates that there are."""
    kind = ValueError if type(seconds) in (int, float) else TypeError
    with pytest.raises(kind, match=re.escape(f"not by {seconds!r}")):
        FakeClock().advance(seconds)


@pytest.mark.parametrize("start", [1e20, -1e20, float("nan"), "2030-01-01", None, False])
def test_a_fake_clock_that_cannot_start(start):
    """A start that is neither a date nor a number of seconds is refused in a sentence."""
    kind = ValueError if type(start) is float else TypeError
    with pytest.raises(kind, match=re.escape(f"seconds since 1970, not at {start!r}")):
        FakeClock(start)


@pytest.mark.parametrize("year", [1, 9999])
def test_a_fake_clock_of_any_year(year):
    """It shows every date that there is."""
    assert repr(FakeClock(datetime(year, 1, 2, tzinfo=timezone.utc))).startswith(
        f"<FakeClock {year:04}-01-02T"
    )


def test_what_is_no_clock_is_refused():
    """At once, with what it has to have, and nothing is left open."""
    with pytest.raises(TypeError, match=r"time_ns\(\) and perf_counter_ns\(\).*got '2024'"):
        capture_sessions(clock="2024")
    with pytest.raises(TypeError, match="FakeClock'>"):
        capture_sessions(clock=FakeClock)


# ---- Strict


def fail(_):
    raise LookupError("mine")


@trace_session(name="inputs", process_inputs=fail)
def bad_inputs(question="q"):
    return "answer"


@trace_session(name="outputs", process_outputs=fail)
def bad_outputs():
    return "answer"


@trace_session(name="reduced", reduce=fail)
def bad_reduce():
    yield "answer"


BAD = [bad_inputs, bad_outputs, lambda: list(bad_reduce())]
bad = pytest.mark.parametrize("call", BAD, ids=["inputs", "outputs", "reduce"])


@bad
def test_faults_are_raised_in_a_strict_capture(call):
    """The traced call itself raises the exception of a user's function."""
    with capture_sessions(strict=True), pytest.raises(LookupError, match="mine"):
        call()
    call()


@bad
def test_faults_are_only_counted_in_others(call):
    """Without `strict` the call goes on as outside of a capture."""
    with capture_sessions() as sessions:
        call()
    assert len(sessions) == 1


def test_functions_for_types_are_raised_in_a_strict_capture():
    """They are raised where a value is copied, in a call or not."""
    honeytrace.register(complex, fail)
    try:
        with capture_sessions(strict=True):
            with pytest.raises(LookupError, match="mine"):
                trace_session(name="call")(lambda number: None)(1j)
            with pytest.raises(LookupError, match="mine"), trace_session("block") as session:
                session.outputs = 1j
    finally:
        honeytrace.register(complex, None)


def test_a_rule_for_secrets_is_raised_in_a_strict_capture():
    """It runs when the session is taken, which is in the traced call."""
    honeytrace.configure(redact=lambda path, value: fail(value))
    try:
        with capture_sessions(strict=True), pytest.raises(LookupError, match="mine"):
            trace_session(name="call")(lambda: None)()
    finally:
        honeytrace.configure(redact=None)


def test_a_session_whose_outputs_failed_is_caught():
    """The fault costs the outputs, not the session."""
    with capture_sessions(strict=True) as sessions, pytest.raises(LookupError):
        bad_outputs()
    assert names(sessions) == ["outputs"]


def test_inside_a_strict_capture_all_are_strict():
    """An inner capture does not loosen it, and does not tighten the outer one either."""
    with capture_sessions(strict=True), capture_sessions(), pytest.raises(LookupError):
        bad_outputs()
    with capture_sessions():
        with capture_sessions(strict=True), pytest.raises(LookupError):
            bad_outputs()
        bad_outputs()


def test_a_strict_capture_is_strict_for_its_own():
    """The capture of another thread at the same time is not strict."""

    def other():
        with capture_sessions() as sessions:
            bad_outputs()
        found.append(names(sessions))

    found = []

    def strict():
        with capture_sessions(strict=True):
            run_in_thread(other)

    run_in_thread(strict)
    assert found == [["outputs"]]


def test_threads_without_a_context_are_strict_too():
    """A pool's worker raises to who asks for its result."""
    with capture_sessions(strict=True), ThreadPoolExecutor(1) as pool:
        assert isinstance(pool.submit(bad_outputs).exception(), LookupError)


def test_the_threads_that_deliver_are_not():
    """A strict capture does not end the delivery of earlier sessions."""
    with capture_sessions(strict=True) as sessions:
        run_in_thread(bad_outputs, name=f"{THREADS}worker")
    assert names(sessions) == ["outputs"]
