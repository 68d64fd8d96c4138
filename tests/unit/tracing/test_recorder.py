"""Start and end of a session: large values, and the cost of an internal error."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import signal
import time
import tracemalloc
import weakref
from collections.abc import Mapping

import pytest

import honeytrace
from honeytrace import trace_session

UNMEASURED = {"COVERAGE_PROCESS_CONFIG": "", "COVERAGE_PROCESS_START": ""}
"""For programs that count frames or are interrupted anywhere: the tracer would take part."""

LONG = "x" * (2**20 + 5)


@trace_session
def echo(value: object) -> object:
    return value


def test_what_is_cut_is_listed_by_its_path(sent):
    """In inputs, outputs and what the user set, each in its place."""

    @trace_session
    def work(texts):
        honeytrace.current_session().metrics["text"] = LONG
        return texts

    work(["short", LONG])
    session = sent()[0]
    cut = ["inputs.texts[1]", "outputs[1]", "metrics.text"]
    assert session["metadata"]["honeytrace"]["truncated"] == cut
    assert session["inputs"]["texts"][1].endswith("… [5 more characters]")
    assert session["outputs"]["result"][0] == "short"


def test_an_object_is_not_kept_alive(sent):
    """Neither an argument nor a result outlives the call for our sake."""

    class Thing:
        pass

    thing = Thing()
    seen = weakref.ref(thing)
    echo(thing)
    del thing
    gc.collect()
    assert seen() is None
    assert sent()[0]["inputs"]["value"].endswith("Thing>")


def test_a_module_is_not_kept_alive(sent):
    """A record that waits refers to nothing of the function's module."""

    class Held:
        pass

    held = Held()
    seen = weakref.ref(held)
    module = {"__name__": "module", "held": held, "trace_session": trace_session}
    exec("@trace_session\ndef call(): return 1\ncall()", module)
    del held, module
    gc.collect()
    assert seen() is None
    assert sent()[0]["outputs"] == {"result": 1}


def test_a_mutable_default_is_frozen_as_it_was(sent):
    """A default that the function fills is recorded as the call found it."""

    @trace_session
    def collect(item, found=[]):  # noqa: B006 - the very thing that is tested
        found.append(item)

    collect(1)
    collect(2)
    assert [s["inputs"]["found"] for s in sent()] == [[], [1]]


class Liar:
    """Lies about itself wherever it can."""

    def __getattribute__(self, name):
        raise RuntimeError(name)

    def __repr__(self):
        raise RuntimeError("repr")

    def __eq__(self, other):
        raise RuntimeError("eq")

    __hash__ = None

    def __len__(self):
        return -1

    def __iter__(self):
        raise RuntimeError("iter")

    def __bool__(self):
        raise RuntimeError("bool")


def test_a_hostile_value_passes_through(sent):
    """It comes back as the same object, and its session names its type."""
    liar = Liar()
    assert echo(liar) is liar
    session = sent()[0]
    assert session["inputs"]["value"] == session["outputs"]["result"]
    assert session["inputs"]["value"].endswith("Liar>")


def test_a_generator_is_not_consumed(sent):
    """An iterator that is passed or returned still has all its items."""
    assert list(echo(number for number in range(3))) == [0, 1, 2]
    assert sent()[0]["outputs"] == {"result": "<builtins.generator>"}


def test_where_there_is_no_room_for_us_the_call_goes_on(program):
    """Close below the recursion limit our own code fails: the call does not, and it is counted."""
    done = program(
        """
        import sys
        import honeytrace

        @honeytrace.trace_session
        def echo(value):
            return value

        def remaining(frames, function):
            depth, frame = 0, sys._getframe()
            while frame is not None:
                depth, frame = depth + 1, frame.f_back
            before = sys.getrecursionlimit()
            sys.setrecursionlimit(depth + frames)
            try:
                return function("value")
            finally:
                sys.setrecursionlimit(before)

        def fits(function):
            # From how many frames of room on, below forty, every call comes through.
            least = None
            for frames in range(3, 40):
                try:
                    assert remaining(frames, function) == "value"
                    assert not honeytrace.current_session()
                    least = least or frames
                except RecursionError:
                    least = None
            return least

        echo("warm")
        added = fits(echo) - fits(echo.__wrapped__)
        print(added <= 2, list(honeytrace.stats().errors))
        """,
        **UNMEASURED,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("True ['begin'")


def test_traced_calls_in_finalizers_disturb_nothing(program):
    """`__del__` may be run by the garbage collector in the middle of our own work."""
    done = program(
        """
        import gc
        import honeytrace
        from honeytrace import trace_session

        @trace_session
        def inner():
            pass

        @trace_session
        def work(number):
            return number

        class Cycle:
            def __init__(self):
                self.me = self

            def __del__(self):
                inner()

        gc.set_threshold(20)
        for number in range(5000):
            Cycle()
            assert work(number) == number
        with trace_session("later") as session:
            pass
        print(bool(session), session.parent_id, honeytrace.stats().last_error)
        """
    )
    assert (done.returncode, done.stdout) == (0, "True None None\n")


needs_alarm = pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no timer signals here")


@needs_alarm
@pytest.mark.parametrize("rate", ["1", "0"])
def test_what_a_signal_handler_raises_reaches_the_program(rate, program):
    """Whatever of ours it interrupts: it is the program's, no fault, and nothing stays open."""
    done = program(
        """
        import gc
        import signal
        import time
        import honeytrace

        class TimeLimit(Exception):
            pass

        def over(number, frame):
            global raised
            raised += 1
            raise TimeLimit

        @honeytrace.trace_session
        def work():
            pass

        raised = caught = 0
        signal.signal(signal.SIGALRM, over)
        work()
        honeytrace.flush()
        gc.disable()  # Python drops what is raised while it collects
        for _ in range(50):
            try:
                signal.setitimer(signal.ITIMER_REAL, 0.0001)
                for _ in range(2000):
                    work()
                time.sleep(1)
            except TimeLimit:
                caught += 1
        print(caught == raised == 50, honeytrace.stats().errors, honeytrace.current_session())
        honeytrace.configure(sample_rate=1)
        before = honeytrace.stats().accepted
        work()
        print(honeytrace.stats().accepted - before)
        """,
        **UNMEASURED,
        HONEYTRACE_SAMPLE_RATE=rate,
    )
    assert (done.returncode, done.stdout) == (0, "True {} <no session>\n1\n")


def test_an_exception_that_ends_the_program_when_shown_does_not(sent):
    """`str()` of an exception is the user's code, and may raise anything."""

    class FatalError(Exception):
        def __str__(self):
            raise SystemExit(3)

    @trace_session
    def fail():
        raise FatalError

    with pytest.raises(FatalError):
        fail()
    assert "[SystemExit in __str__]" in sent()[0]["error"]


class Broken(Mapping):
    """A mapping that cannot be read."""

    def __getitem__(self, key):
        raise RuntimeError("broken")

    def __iter__(self):
        raise RuntimeError("broken")

    def __len__(self):
        return 1


@pytest.mark.parametrize("kind", ["Broken", "Liar"])
def test_a_broken_value_can_be_set(kind, sent):
    """A value set on a session is named; none of its code runs."""
    value = Broken() if kind == "Broken" else Liar()
    with trace_session("x") as session:
        session.outputs = value
        session.metrics["value"] = value
        honeytrace.enrich_session(feedback=value)
    got = sent()[0]
    assert got["outputs"]["result"] == got["metrics"]["value"] == got["feedback"]["result"]


def test_a_broken_mapping_is_refused_where_it_is_given():
    """By `trace_session`, with its own sentence."""
    with pytest.raises(TypeError, match="metrics=…"):
        trace_session("x", metrics=Broken())


@trace_session
async def by_function(document, tasks):
    tasks.append(asyncio.create_task(asyncio.sleep(3600)))
    return document


@trace_session
async def by_stream(document, tasks):
    tasks.append(asyncio.create_task(asyncio.sleep(3600)))
    yield document


async def by_block(document, tasks):
    with trace_session("block", inputs={"document": document}) as session:
        session.outputs = {"answer": document + "!"}
        tasks.append(asyncio.create_task(asyncio.sleep(3600)))


async def by_failure(document, tasks):
    @trace_session
    async def fail(document):
        tasks.append(asyncio.create_task(asyncio.sleep(3600)))
        raise ValueError(document)

    with contextlib.suppress(ValueError):
        await fail(document)


async def drain(stream):
    async for _ in stream:
        pass


@pytest.mark.parametrize(
    "handle",
    [by_function, lambda *each: drain(by_stream(*each)), by_block, by_failure],
    ids=["function", "stream", "block", "failure"],
)
def test_a_task_does_not_keep_what_was_delivered(handle, sent, server):
    """It has the context of the call in which it was started, and the record in that."""
    tasks = []
    loop = asyncio.new_event_loop()

    async def main():
        for number in range(10):
            await handle("x" * 200_000 + str(number), tasks)

    def run():
        loop.run_until_complete(main())
        sent()
        server.requests.clear()
        gc.collect()
        return tracemalloc.get_traced_memory()[0]

    run()  # what is allocated once
    tracemalloc.start()
    try:
        before = run()
        run()
        end = time.monotonic() + 20  # threads may hold a few documents for another moment
        while (kept := tracemalloc.get_traced_memory()[0] - before) > 600_000:
            assert time.monotonic() < end, f"{kept} of 2,000,000 bytes are kept"
            gc.collect()
    finally:
        tracemalloc.stop()
        for task in tasks:
            task.cancel()
        loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        loop.close()
    assert len(tasks) == 30


def test_a_session_that_was_delivered_can_still_be_read(sent):
    """The program may go on reading what it holds."""
    with trace_session("block", inputs={"a": 1}, metadata={"m": 2}) as session:
        session.outputs = {"b": 2}
    before = session.session_id, session.inputs, session.outputs, session.metadata, hash(session)
    sent()
    assert session.inputs == {"a": 1}
    after = session.session_id, session.inputs, session.outputs, session.metadata, hash(session)
    assert before == after
    assert session.session_name == "block"


def test_a_session_has_one_handle(sent):
    """However often it is asked for, so that a loop of them does not grow."""
    with trace_session("block") as session:
        assert honeytrace.current_session() is session


def test_a_waiting_thread_does_not_keep_what_it_sent(sent, server):
    """With a slow server there are several, and each has sent one last session."""
    server.script = lambda _: server.after(0.05)

    def run():
        for number in range(10):
            echo("x" * 900_000 + str(number))
        sent()
        server.requests.clear()

    run()  # what is allocated once
    tracemalloc.start()
    try:
        run()
        end = time.monotonic() + 20  # the last answers are still being recorded
        while (kept := tracemalloc.get_traced_memory()[0]) > 800_000:
            assert time.monotonic() < end, f"{kept} bytes are kept"
            time.sleep(0.01)
    finally:
        tracemalloc.stop()
