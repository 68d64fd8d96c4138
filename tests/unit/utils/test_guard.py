"""The one guard, and warnings that do not flood the log."""

from __future__ import annotations

import logging
import signal
import threading

import pytest

from honeytrace._utils.guard import ErrorGuard, try_call


class Clock:
    """Moments that a test sets."""

    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def guard(clock):
    return ErrorGuard(clock)


def fail(words="boom"):
    raise ValueError(words)


def test_attempt_returns_the_result():
    """A function that returns gives its result and no error."""
    assert try_call(divmod, 7, 2) == ((3, 1), None)


def test_attempt_returns_the_error():
    """A function that raises gives the error as a value."""
    result, error = try_call(fail, "x")
    assert (result, repr(error)) == (None, "ValueError('x')")


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_what_is_no_error_passes(kind):
    """An interrupt is not an error of ours and passes."""

    def interrupted():
        raise kind

    with pytest.raises(kind):
        ErrorGuard().call(interrupted)


def test_a_fault_for_want_of_frames_is_only_counted(guard, said):
    """There is no stack left for a log line."""

    def deep():
        raise RecursionError

    assert guard.call(deep) is None
    assert (guard.by_place, said()) == ({"deep": 1}, [])


class TimeLimitError(Exception):
    """Raised by a signal handler, such as Celery's soft time limit."""


def over(number, frame):
    raise TimeLimitError


def test_what_a_signal_handler_raises_passes(guard):
    """It is meant for the program, and no fault of ours."""
    before = signal.signal(signal.SIGINT, over)
    try:
        with pytest.raises(TimeLimitError):
            guard.call(signal.raise_signal, signal.SIGINT)
        with pytest.raises(TimeLimitError):
            try_call(signal.raise_signal, signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)
    assert guard.by_place == {}


def test_only_an_interrupt_passes_an_attempt():
    """Code of the user's that raises SystemExit ends nothing; Ctrl-C goes on."""

    def leave(kind):
        raise kind

    assert repr(try_call(leave, SystemExit)[1]) == "SystemExit()"
    with pytest.raises(KeyboardInterrupt):
        try_call(leave, KeyboardInterrupt)


def test_the_guard_returns_the_result(guard):
    """A guarded function that works is as if it were called directly."""
    assert guard.call(divmod, 7, 2) == (3, 1)
    assert not guard.by_place


def test_the_guard_counts_and_logs_a_fault(guard, caplog, said):
    """A fault becomes None, a count under the function's name, and one warning with traceback."""
    assert guard.call(fail) is None
    assert (guard.by_place, guard.last) == ({"fail": 1}, "fail: ValueError: boom")
    assert (said(), caplog.records[0].exc_info[0]) == (
        ["internal error in fail; the traced call goes on"],
        ValueError,
    )


def test_a_fault_is_said_once_a_minute(guard, clock, said):
    """The same fault is counted each time and logged once; after a minute with the number."""
    for clock.now in (0.0, 1.0, 59.9, 60.0):
        guard.call(fail)
    assert guard.by_place["fail"] == 4
    assert said() == [
        "internal error in fail; the traced call goes on",
        "internal error in fail; the traced call goes on (and 2 times more)",
    ]


def test_what_is_rare_is_said_without_a_number(guard, clock, said):
    """A warning that comes back after a minute without any between has no number."""
    for clock.now in (0.0, 60.0):
        guard.warn("disk", "the disk is full")
    assert said() == ["the disk is full"] * 2


def test_each_thing_has_its_own_minute(guard, said):
    """A warning about one thing does not hide another."""
    guard.warn("a", "about %s", "a")
    guard.warn("b", "about %s", "b")
    assert said() == ["about a", "about b"]


def test_the_end_of_a_trouble_is_said_once(guard, said):
    """The end of a problem is logged once, and only if there was a warning."""
    guard.settled("net", "over")
    guard.warn("net", "down")
    guard.settled("net", "over after %d s", 3)
    guard.settled("net", "over")
    assert said() == ["down", "over after 3 s"]


def test_a_trouble_that_comes_and_goes_is_said_once_a_minute(guard, clock, said):
    """So is that it is over: a server that fails now and then does not fill the log."""
    for clock.now in (0.0, 1.0, 2.0, 60.0):
        guard.warn("net", "down")
        guard.settled("net", "over")
    assert said() == ["down", "over", "down (and 2 times more)", "over"]


def test_a_handler_that_raises_hurts_nobody(guard):
    """A log handler of the user's that raises does not reach the traced call."""

    class Broken(logging.Handler):
        def handle(self, record):
            raise OSError("the log is gone")

    logger, handler = logging.getLogger("honeytrace"), Broken()
    logger.addHandler(handler)
    try:
        assert guard.call(fail) is None
        guard.settled("fail", "over")
    finally:
        logger.removeHandler(handler)
    assert guard.by_place["fail"] == 1


def test_threads_do_not_lose_counts(guard):
    """Faults in many threads at once are all counted."""

    def often():
        for _ in range(500):
            guard.call(fail)

    threads = [threading.Thread(target=often) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert guard.by_place["fail"] == 4000


def test_the_clock_is_the_real_one_unless_told(said):
    """Without a clock of the test's, two warnings in a row are one."""
    guard = ErrorGuard()
    guard.warn("x", "once")
    guard.warn("x", "once")
    assert said() == ["once"]


def test_where_it_is_strict_faults_are_raised():
    """Internal errors and those of a user's functions are raised, not counted, as long as it is."""
    strict = [True]
    guard = ErrorGuard(strict=lambda: strict[0])
    with pytest.raises(ValueError, match="boom"):
        guard.call(fail)
    with pytest.raises(ValueError, match="mine"):
        guard.call(try_call, guard.user_function_failed, "reduce", "f", ValueError("mine"))
    strict[0] = False
    guard.call(fail)
    assert guard.by_place == {"fail": 1}
