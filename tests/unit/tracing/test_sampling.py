"""Sampling: the root decides, by its id, and everything below inherits the decision."""

from __future__ import annotations

import asyncio
import contextvars
import logging
import os
import pickle
import signal
import subprocess
import sys
import threading
import uuid
from contextlib import suppress

import pytest

import honeytrace
from honeytrace import ConfigurationError, Tracer, trace_session
from honeytrace._config.live import live
from honeytrace._config.settings import resolve
from honeytrace._tracing import sampling
from honeytrace._tracing.generators import UNSAMPLED_STREAM
from honeytrace.local import Store
from honeytrace.propagation import bind, extract, inject
from honeytrace.testing import capture_sessions


@pytest.fixture(autouse=True)
def _reset():
    live.guard.clear()
    yield
    honeytrace.configure(sample_rate=None, keep=None)


@trace_session
def step() -> None:
    pass


@trace_session
def root(fails: bool = False) -> None:
    step()
    if fails:
        raise ValueError("boom")


@trace_session
async def async_root() -> None:
    step()
    await asyncio.sleep(0)
    step()


@trace_session
def stream():
    step()
    yield 1
    step()


@trace_session
async def async_stream():
    step()
    yield 1


def late():
    async def work() -> None:
        step()

    return work()


traced_late = trace_session(late)


async def drain() -> list[int]:
    return [item async for item in async_stream()]


def whole(sessions):
    """Return the number of trees; each has all of its sessions."""
    roots = [each for each in sessions if "parent_id" not in each.metadata["honeytrace"]]
    listed = [child for each in sessions for child in each.children_ids]
    inside = {each.session_id for each in sessions} - {each.session_id for each in roots}
    assert sorted(listed) == sorted(inside)
    return len(roots)


def test_about_as_many_trees_as_the_rate_says_and_each_is_whole():
    honeytrace.configure(sample_rate=0.25)
    with capture_sessions() as sessions:
        for _ in range(4_000):
            root()
    assert 800 < whole(sessions) < 1_200
    assert len(sessions) == 2 * whole(sessions)


def test_sampled_trees_reach_the_store_and_others_do_not(tmp_path):
    honeytrace.configure(sample_rate=0.5)
    before = honeytrace.stats().accepted
    for _ in range(600):
        root()
    accepted = honeytrace.stats().accepted - before
    honeytrace.flush()
    found = Store(tmp_path / "home" / "sessions.db").recent(2_000, children=True)
    assert 400 < len(found) == accepted < 800
    assert sum(each["session_name"] == "root" for each in found) * 2 == accepted


@pytest.mark.parametrize("rate", [0, 0.0, 1, 1.0])
def test_none_and_all(rate):
    honeytrace.configure(sample_rate=rate)
    with capture_sessions() as sessions:
        for _ in range(50):
            root()
    assert len(sessions) == 100 * rate


@pytest.mark.parametrize("captured", [False, True])
def test_nothing_below_an_unsampled_root_is_recorded(captured, server):
    honeytrace.configure(sample_rate=0, server_url=server.url, api_key="k")
    before = honeytrace.stats().accepted
    capture = capture_sessions() if captured else None
    if capture:
        capture.__enter__()
    try:
        root()
        asyncio.run(async_root())
        assert list(stream()) == [1]
        assert asyncio.run(drain()) == [1]
        asyncio.run(traced_late())
        with trace_session("block") as session:
            assert not session
            assert not honeytrace.current_session()
            session.metrics["hits"] = 1
            root()
            assert list(stream()) == [1]
            asyncio.run(traced_late())
            thread = threading.Thread(target=bind(step))
            thread.start()
            thread.join()
            with honeytrace.tag(metadata={"a": 1}), extract(inject({})):
                step()
        with honeytrace.tag(metadata={"a": 1}):
            root()
            root()
        assert honeytrace.stats().accepted == before
    finally:
        if capture:
            capture.__exit__(None, None, None)
        honeytrace.configure(sample_rate=None, server_url=None, api_key=None)
    with capture_sessions() as sessions:
        step()
    assert len(sessions) == 1


def test_a_root_leaves_nothing_in_the_context_of_its_caller():
    """A context that holds something makes each further root slower, as long as it lives."""
    honeytrace.configure(sample_rate=0.5)
    contexts = [contextvars.Context() for _ in range(40)]
    before = honeytrace.stats().accepted
    for each in contexts:
        each.run(step)
    assert 0 < honeytrace.stats().accepted - before < len(contexts)
    assert [each for each in contexts if len(each)] == []


@pytest.mark.parametrize("raises", [True, False])
def test_an_unsampled_root_that_ends_in_another_context(raises):
    """A greenlet may change its context in the middle of a function."""
    greenlet = pytest.importorskip("greenlet")

    @trace_session
    def switch() -> str:
        greenlet.getcurrent().gr_context = contextvars.copy_context()
        if raises:
            raise ValueError("boom")
        return "done"

    honeytrace.configure(sample_rate=0)
    step()
    outer = greenlet.getcurrent().gr_context
    try:
        if raises:
            with pytest.raises(ValueError, match="boom"):
                switch()
        else:
            assert switch() == "done"
        honeytrace.configure(sample_rate=1)
        with capture_sessions() as sessions:
            step()
        assert len(sessions) == 1
    finally:
        greenlet.getcurrent().gr_context = outer


@pytest.mark.parametrize("awaited", [True, False])
def test_the_results_and_exceptions_are_those_of_the_function(awaited):
    honeytrace.configure(sample_rate=0)
    honeytrace.flush()
    trace_session(lambda: None)()
    assert trace_session(lambda x: x)(3) == 3
    with pytest.raises(ValueError, match="boom"):
        root(True)
    coroutine = traced_late()
    if awaited:
        asyncio.run(coroutine)
    else:
        coroutine.close()


def test_a_rate_for_one_function():
    rare = trace_session(sample_rate=0)(root)
    always = trace_session(name="always", sample_rate=1)(step)
    with capture_sessions() as sessions:
        rare()
        with trace_session("block"):
            rare()
    assert [each.session_name for each in sessions].count("root") == 2
    honeytrace.configure(sample_rate=0)
    with capture_sessions() as sessions:
        always()
        root()
    assert [each.session_name for each in sessions] == ["step", "always"]


def test_a_parent_elsewhere_has_decided():
    honeytrace.configure(sample_rate=0)
    with capture_sessions() as sessions:
        with extract({"honeytrace-parent": str(uuid.uuid4())}):
            root()
        with trace_session("given", parent=str(uuid.uuid4())):
            pass
    assert len(sessions) == 3


def decided(session_id, rate=0.5):
    with trace_session("block", session_id=session_id, sample_rate=rate) as session:
        return bool(session)


def test_the_same_id_decides_the_same_in_any_process():
    ids = [f"00000000-0000-4000-8000-{number:012x}" for number in range(200)]
    ids += [f"01900000-0000-7000-8000-{number:012x}" for number in range(200)]
    ids += [str(uuid.uuid4()) for _ in range(200)]
    here = [decided(each) for each in ids]
    code = "import sys, honeytrace as h\nfor i in sys.argv[1:]:\n"
    code += " with h.trace_session('b', session_id=i, sample_rate=0.5) as s: print(int(bool(s)))"
    done = subprocess.run([sys.executable, "-c", code, *ids], capture_output=True, text=True)
    assert [bool(int(line)) for line in done.stdout.split()] == here
    for part in (here[:400], here[400:]):
        assert 0.35 < sum(part) / len(part) < 0.65


def test_a_session_that_was_sampled_is_so_again_when_it_is_reopened():
    honeytrace.configure(sample_rate=0.2)
    with capture_sessions() as sessions:
        for _ in range(300):
            step()
    assert len(sessions) > 20
    assert all(decided(each.session_id, 0.2) for each in sessions)


def kept_by(keep, calls, **settings):
    honeytrace.configure(keep=keep, **settings)
    with capture_sessions() as sessions:
        for call in calls:
            with suppress(ValueError):
                call()
    return sessions


def failed(session):
    return session.error is not None


def fail():
    root(True)


def test_keep_saves_failed_trees_and_they_are_whole():
    sessions = kept_by(failed, [root, fail, root, fail])
    assert whole(sessions) == 2
    assert {each.error for each in sessions.all("root")} == {"ValueError: boom"}
    assert len(sessions) == 4


def test_keep_and_a_rate():
    assert len(kept_by(failed, [root, fail], sample_rate=1.0)) == 4
    assert len(kept_by(failed, [root, fail], sample_rate=0.0)) == 2


def test_other_services_record_their_part_of_a_tree_that_waits():
    """They cannot know what `keep` will decide, and a kept tree has to be whole."""
    headers = []
    kept_by(failed, [lambda: headers.append(trace_session(inject)({}))])
    assert headers[0]["traceparent"].endswith("-01")


def test_keep_sees_the_finished_root():
    seen = []
    kept_by(lambda session: seen.append(session), [root])
    assert (seen[0].session_name, seen[0].inputs) == ("root", {"fails": False})
    assert len(seen[0].children_ids) == 1


def test_a_keep_that_raises_keeps_the_tree_and_is_counted(caplog):
    before = honeytrace.stats().errors.get("keep", 0)
    sessions = kept_by(lambda session: 1 / 0, [root])
    assert len(sessions) == 2
    assert honeytrace.stats().errors["keep"] == before + 1
    assert "the keep function of configure() raised ZeroDivisionError" in caplog.text


@pytest.mark.parametrize("fails", [False, True])
def test_ctrl_c_while_keep_runs_reaches_the_program_and_the_tree_is_kept(fails, request):
    def keep(session):
        signal.raise_signal(signal.SIGINT)

    # A program that a shell starts in the background ignores it.
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    request.addfinalizer(lambda: signal.signal(signal.SIGINT, handler))
    honeytrace.configure(keep=keep)
    before = honeytrace.stats().errors
    with capture_sessions() as sessions:
        with pytest.raises(KeyboardInterrupt):
            root(fails)
        assert live.suspended == {}  # nothing waits for the end of the program
    assert sorted(each.session_name for each in sessions) == ["root", "step"]
    assert sessions.one("root").children_ids == [sessions.one("step").session_id]
    assert honeytrace.stats().errors == before


@pytest.mark.parametrize("error", [ValueError, SystemExit, GeneratorExit, RecursionError])
def test_whatever_keep_raises_by_itself_does_not_reach_the_program(error, caplog):
    def keep(session):
        raise error

    sessions = kept_by(keep, [root])
    assert len(sessions) == 2
    assert f"the keep function of configure() raised {error.__name__}" in caplog.text


def test_nothing_that_keep_calls_is_traced():
    assert len(kept_by(lambda session: step(), [root])) == 0


def test_sessions_that_end_after_their_root_follow_its_decision():
    for keep, count in ((lambda session: True, 4), (lambda session: False, 0)):
        honeytrace.configure(keep=keep)
        with capture_sessions() as sessions:
            with trace_session("top"):
                inner = trace_session("inner")
                inner.__enter__()
                bound = bind(step)
                with trace_session("quick"):
                    pass
            inner.__exit__(None, None, None)
            bound()
        assert len(sessions) == count


@pytest.mark.parametrize(("name", "value"), [("MAX_HELD_SESSIONS", 5), ("MAX_HELD_BYTES", 10)])
def test_a_tree_too_large_to_hold_is_kept(monkeypatch, caplog, name, value):
    monkeypatch.setattr(sampling, name, value)

    def large() -> None:
        for _ in range(10):
            trace_session(lambda text: text)("a text of some length")

    sessions = kept_by(lambda session: False, [trace_session(large)])
    assert len(sessions) == 11
    assert "it is kept" in caplog.text


def test_a_tree_whose_root_never_ends_is_kept_at_exit(server):
    code = (
        "import honeytrace as h\n"
        "h.configure(keep=lambda s: False)\n"
        "h.trace_session('root').__enter__()\n"
        "with h.trace_session('child'): pass\n"
    )
    subprocess.run(
        [sys.executable, "-c", code],
        env={
            **os.environ,
            "HH_API_URL": server.url,
            "HH_API_KEY": "k",
            "HONEYTRACE_EXIT_TIMEOUT": "60",
        },
        check=True,
    )
    assert [each["session_name"] for each in server.sessions] == ["child"]


@pytest.mark.parametrize("rate", [-1, "yes", 1.5, float("nan"), True, [1]])
def test_rates_that_cannot_be_used_are_refused(rate, monkeypatch, caplog):
    with pytest.raises(ConfigurationError, match=r"sample_rate cannot be .*: give a number from 0"):
        honeytrace.configure(sample_rate=rate)
    with pytest.raises((TypeError, ValueError), match=r"trace_session\(sample_rate=…\) cannot be"):
        trace_session(sample_rate=rate)
    monkeypatch.setenv("HONEYTRACE_SAMPLE_RATE", str(rate))
    with caplog.at_level(logging.WARNING):
        assert resolve({}).sample_rate == 1.0
    assert "HONEYTRACE_SAMPLE_RATE is not used" in caplog.text


def test_a_rate_from_the_environment(monkeypatch):
    monkeypatch.setenv("HONEYTRACE_SAMPLE_RATE", "0.01")
    assert resolve({}).sample_rate == 0.01


async def later(session):
    return False


@pytest.mark.parametrize("keep", [3, "errors", lambda: True, lambda a, b: True, later])
def test_a_keep_that_cannot_be_called_with_a_session_is_refused(keep):
    with pytest.raises(ConfigurationError, match="keep cannot be"):
        honeytrace.configure(keep=keep)


def test_a_builtin_may_keep():
    honeytrace.configure(keep=bool)


def test_an_unrecorded_entry_of_a_shared_block_ends_no_other_entry():
    block = trace_session("block")
    silent = trace_session("silent", sample_rate=0)

    def elsewhere() -> None:
        with silent, block as session:
            assert not session

    with capture_sessions() as sessions:
        with trace_session("root"), block as session:
            thread = threading.Thread(target=elsewhere)
            thread.start()
            thread.join()
            session.outputs = {"content": "late"}
            step()
        with silent, block, block, silent:
            step()
    assert [each.session_name for each in sessions] == ["step", "block", "root"]
    assert sessions.one(name="block").outputs == {"content": "late"}
    assert len(sessions.one(name="block").children_ids) == 1


def test_a_block_entered_again_leaves_the_rest_of_its_unsampled_tree_unrecorded():
    silent = trace_session("silent", sample_rate=0)
    with capture_sessions() as sessions, silent:
        with silent:
            step()
        step()
    assert len(sessions) == 0


def accepted(call, times=1):
    """Return how many sessions these calls leave to deliver."""
    before = honeytrace.stats().accepted
    for _ in range(times):
        call()
    return honeytrace.stats().accepted - before


def nothing() -> None:
    pass


half = trace_session(sample_rate=0.5)(nothing)
half_stream = trace_session(sample_rate=0.5)(stream)
half_tracer = Tracer(project="other", sample_rate=0.5).trace_session(nothing)


def tagged_root() -> None:
    with honeytrace.tag(metadata={"a": 1}):
        half()


@pytest.mark.parametrize(
    ("call", "sessions"),
    [(half, 1), (lambda: list(half_stream()), 4), (half_tracer, 1), (tagged_root, 1)],
    ids=["function", "generator", "tracer", "tagged"],
)
@pytest.mark.parametrize("others", [1, 0.0])
def test_the_rate_of_a_function_or_a_tracer_wins(call, sessions, others):
    honeytrace.configure(sample_rate=others)
    assert 140 < accepted(call, 400) / sessions < 260


def test_a_rate_of_one_and_a_parent_elsewhere_win():
    honeytrace.configure(sample_rate=0.0)
    assert accepted(trace_session(sample_rate=1)(nothing), 10) == 10
    assert accepted(trace_session(parent=str(uuid.uuid4()))(nothing), 10) == 10
    with extract({"honeytrace-parent": str(uuid.uuid4())}):
        assert accepted(root, 10) == 20


def test_what_is_sampled_changes_with_the_configuration():
    honeytrace.configure(sample_rate=0.0)
    assert accepted(root, 20) == 0
    honeytrace.configure(sample_rate=None)
    assert accepted(root, 20) == 40
    honeytrace.configure(sample_rate=0.0, enabled=False)
    assert accepted(root, 20) == 0
    honeytrace.configure(enabled=None)
    assert accepted(root, 20) == 0


def test_the_stream_of_a_root_that_is_not_sampled_is_pickled_by_name():
    """There is one of them in each process."""
    assert pickle.loads(pickle.dumps(UNSAMPLED_STREAM)) is UNSAMPLED_STREAM
