"""Sessions in threads, executors and processes below the session that started them."""

from __future__ import annotations

import asyncio
import contextvars
import pickle
import threading
import weakref
from collections import Counter
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context

import pytest

import honeytrace
from honeytrace import trace_session
from honeytrace.local import Store
from honeytrace.propagation import (
    ContextThreadPoolExecutor,
    bind,
    extract,
    link_threads,
    unlink_threads,
)
from honeytrace.testing import capture_sessions


@trace_session
def step(number: int) -> str:
    return honeytrace.current_session().session_id


@pytest.fixture
def linked():
    with link_threads():
        yield


def about(session):
    return session.metadata["honeytrace"]


def by_name(sessions, name="step"):
    return [each for each in sessions if each.session_name == name]


def assert_children(sessions, parent):
    """Every `step` names the parent, and the parent lists exactly these steps."""
    steps = by_name(sessions)
    assert {about(each)["parent_id"] for each in steps} == {parent.session_id}
    assert {about(each)["root_id"] for each in steps} == {about(parent)["root_id"]}
    assert sorted(parent.children_ids) == sorted(each.session_id for each in steps)


def test_64_threads_of_100_children_each():
    with capture_sessions() as sessions, trace_session("fan out"):

        def work() -> None:
            for number in range(100):
                step(number)

        threads = [threading.Thread(target=bind(work)) for _ in range(64)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(sessions) == 6_401
    assert_children(sessions, sessions.one("fan out"))


def test_a_bound_function_keeps_its_name_signature_and_result():
    bound = bind(step)
    assert (bound.__name__, bound.__wrapped__) == ("step", step)
    with capture_sessions() as sessions:
        assert bound(3) == sessions.one("step").session_id


def test_only_our_variable_is_carried():
    other = contextvars.ContextVar("other", default="outside")
    with capture_sessions() as sessions, trace_session("parent"):
        other.set("inside")
        seen = []
        thread = threading.Thread(target=bind(lambda: (step(1), seen.append(other.get()))))
        thread.start()
        thread.join()
    assert seen == ["outside"]
    assert_children(sessions, sessions.one("parent"))


def test_a_function_bound_outside_a_session_runs_outside_one():
    bound = bind(step)
    with capture_sessions() as sessions, trace_session("around"):
        assert bound(1)
        assert honeytrace.current_session().session_name == "around"
    assert "parent_id" not in about(sessions.one("step"))


def test_a_call_after_the_end_of_its_parent_still_names_it():
    with capture_sessions() as sessions, trace_session("grandparent"):
        with trace_session("parent"):
            later = bind(step)
        later(1)
    parent, grandparent = sessions.one("parent"), sessions.one("grandparent")
    assert about(sessions.one("step"))["parent_id"] == parent.session_id
    assert about(sessions.one("step"))["root_id"] == grandparent.session_id
    assert parent.children_ids == []


def test_a_bound_function_may_bind_another_one():
    with capture_sessions() as sessions:
        with trace_session("parent"):
            outer = bind(lambda: bind(step))
        outer()(1)
    assert about(sessions.one("step"))["parent_id"] == sessions.one("parent").session_id


def test_a_bound_function_goes_to_the_capture_it_was_bound_in():
    with capture_sessions() as first:
        bound = bind(step)
        with capture_sessions() as second:
            thread = threading.Thread(target=bound, args=(1,))
            thread.start()
            thread.join()
    assert (len(first), len(second)) == (1, 0)


def test_a_bound_coroutine_function_is_one_and_stays_inside():
    async def work() -> None:
        await asyncio.sleep(0)
        step(1)

    async def main() -> None:
        with trace_session("parent"):
            bound = bind(work)
        assert asyncio.iscoroutinefunction(bound) or bound.__code__.co_flags & 0x80
        with trace_session("other"):
            await bound()
            assert honeytrace.current_session().session_name == "other"

    with capture_sessions() as sessions:
        asyncio.run(main())
    assert about(sessions.one("step"))["parent_id"] == sessions.one("parent").session_id


@pytest.mark.parametrize("given", [3, None, "step"])
def test_what_cannot_be_called_is_refused_with_a_sentence(given):
    with pytest.raises(TypeError, match=r"bind\(\) takes a function, not .*; give its arguments"):
        bind(given)


def test_an_executor_is_neither_bound_nor_wrapped():
    with ThreadPoolExecutor(1) as pool:
        with pytest.raises(TypeError, match="bind the functions that you submit to it"):
            bind(pool)
        with pytest.raises(TypeError, match=r"cannot wrap .*; submit bind\(function\) to that one"):
            ContextThreadPoolExecutor(pool)


def test_a_coroutine_is_not_bound():
    coroutine = named()
    with pytest.raises(TypeError, match="give the coroutine function"):
        bind(coroutine)
    coroutine.close()


async def named() -> None:
    """Do nothing."""


def test_calls_that_are_bound_more_than_once(linked):
    """The first binding counts; an executor and `link_threads` add nothing to it."""
    with capture_sessions() as sessions, ContextThreadPoolExecutor(2) as pool:
        with trace_session("first") as first:
            bound = bind(step)
        with trace_session("second") as second:
            pool.submit(bind(bound), 1).result()
            pool.submit(bound, 2).result()
            list(pool.map(bound, [3]))
            pool.submit(step, 4).result()
    parents = Counter(about(each)["parent_id"] for each in by_name(sessions))
    assert parents == {first.session_id: 3, second.session_id: 1}


def test_an_executor_runs_calls_inside_the_session_they_were_submitted_in():
    with capture_sessions() as sessions, ContextThreadPoolExecutor(4) as pool:
        for name in ("first", "second"):
            with trace_session(name):
                assert len(list(pool.map(step, range(20)))) == 20
        pool.submit(step, 0).result()
    steps = by_name(sessions)
    for name in ("first", "second"):
        parent = sessions.one(name)
        mine = [each for each in steps if about(each).get("parent_id") == parent.session_id]
        assert sorted(parent.children_ids) == sorted(each.session_id for each in mine)
        assert len(mine) == 20
    assert sum("parent_id" not in about(each) for each in steps) == 1


def test_an_executor_in_asyncio():
    async def main() -> None:
        loop = asyncio.get_running_loop()
        with ContextThreadPoolExecutor(2) as pool, trace_session("parent"):
            await asyncio.gather(*(loop.run_in_executor(pool, step, n) for n in range(10)))

    with capture_sessions() as sessions:
        asyncio.run(main())
    assert_children(sessions, sessions.one("parent"))


def test_an_executor_reports_what_cannot_be_called_as_usual():
    with ContextThreadPoolExecutor(1) as pool, pytest.raises(TypeError, match="not callable"):
        pool.submit(3).result()


def test_a_bound_function_goes_to_another_process():
    with capture_sessions() as sessions:
        with trace_session("parent"):
            travelled = pickle.loads(pickle.dumps(bind(step)))
        travelled(1)
    assert travelled.__name__ == "step"
    assert about(sessions.one("step"))["parent_id"] == sessions.one("parent").session_id


def test_a_process_pool(tmp_path):
    processes = ProcessPoolExecutor(2, mp_context=get_context("spawn"))
    with capture_sessions(), trace_session("parent") as parent, processes as pool:
        ids = set(pool.map(bind(step), range(6)))
    stored = Store(tmp_path / "home" / "sessions.db")
    assert len(ids) == 6
    assert set(stored.children(parent.session_id)) == ids


def test_linked_threads(linked):
    with capture_sessions() as sessions, trace_session("parent"):
        threads = [threading.Thread(target=step, args=(n,)) for n in range(4)]
        threads.append(threading.Timer(0, step, (4,)))
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert_children(sessions, sessions.one("parent"))


def test_a_linked_subclass_with_a_run_of_its_own(linked):
    class Worker(threading.Thread):
        def run(self):
            step(1)

    with capture_sessions() as sessions, trace_session("parent"):
        worker = Worker()
        worker.start()
        worker.join()
    assert_children(sessions, sessions.one("parent"))
    assert "run" not in vars(worker)
    gone = weakref.ref(worker)
    del worker
    assert gone() is None


def test_linked_executors(linked):
    async def main() -> None:
        loop = asyncio.get_running_loop()
        with trace_session("parent"):
            await asyncio.gather(*(loop.run_in_executor(None, step, n) for n in range(5)))

    with capture_sessions() as sessions:
        asyncio.run(main())
    assert_children(sessions, sessions.one("parent"))


def test_the_threads_of_a_pool_do_not_stay_in_the_session_that_started_them(linked):
    with capture_sessions() as sessions, ThreadPoolExecutor(1) as pool, trace_session("first"):
        pool.submit(step, 1).result()
        contextvars.Context().run(pool.submit, step, 2).result()
    first = sessions.one("first")
    assert first.children_ids == [sessions.one("step", inputs={"number": 1}).session_id]


def test_links_can_be_undone_and_made_again():
    start, submit = threading.Thread.start, ThreadPoolExecutor.submit
    link_threads()
    link_threads()
    unlink_threads()
    assert (threading.Thread.start, ThreadPoolExecutor.submit) == (start, submit)
    with link_threads():
        with link_threads():
            pass
        assert threading.Thread.start is not start
    assert threading.Thread.start is start


def test_a_patch_of_somebody_else_stays_when_links_are_undone(monkeypatch):
    calls = []
    with link_threads():
        ours = threading.Thread.start

        def theirs(thread: threading.Thread) -> None:
            calls.append(thread)
            ours(thread)

        monkeypatch.setattr(threading.Thread, "start", theirs)
    with capture_sessions() as sessions, trace_session("parent"):
        thread = threading.Thread(target=step, args=(1,))
        thread.start()
        thread.join()
        assert calls == [thread]
        assert threading.Thread.start is theirs
        with link_threads():
            again = threading.Thread(target=step, args=(2,))
            again.start()
            again.join()
    monkeypatch.undo()
    unlink_threads()
    parent = sessions.one("parent")
    assert [about(each).get("parent_id") for each in by_name(sessions)] == [
        None,
        parent.session_id,
    ]


def test_linked_threads_outside_a_session_are_left_alone(linked):
    with capture_sessions() as sessions:
        thread = threading.Thread(target=step, args=(1,))
        thread.start()
        thread.join()
    assert "parent_id" not in about(sessions.one("step"))


def test_a_linked_pool_takes_what_cannot_be_called(linked):
    with ThreadPoolExecutor(1) as pool:
        future: Future[None] = pool.submit(None)
        assert isinstance(future.exception(), TypeError)


def test_a_session_in_an_extracted_context_can_be_bound():
    carrier = {"honeytrace-parent": "6a1f0000-0000-4000-8000-00000000000a"}
    with capture_sessions() as sessions:
        with extract(carrier):
            bound = bind(step)
        bound(1)
    assert about(sessions.one("step"))["parent_id"] == carrier["honeytrace-parent"]
