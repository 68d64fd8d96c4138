"""Trees that are kept are whole, in threads, tasks, executors and processes; others leave nothing.

Each root fans out and knows the ids of its steps, so the recorded sets of ids are compared exactly.
"""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections import defaultdict
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import pytest

import honeytrace
from honeytrace import trace_session
from honeytrace.local import Store
from honeytrace.propagation import ContextThreadPoolExecutor, bind, link_threads
from honeytrace.testing import capture_sessions


@pytest.fixture(autouse=True)
def _reset():
    yield
    honeytrace.configure(sample_rate=None, keep=None)


@trace_session
def step(number: int) -> str:
    return honeytrace.current_session().session_id


@trace_session
async def later(number: int) -> str:
    await asyncio.sleep(0)
    return honeytrace.current_session().session_id


def in_turn() -> list[str]:
    return [step(number) for number in range(10)]


def in_threads(start=bind) -> list[str]:
    found: list[str] = []
    threads = [
        threading.Thread(target=start(lambda: found.extend([step(0), step(1)]))) for _ in range(5)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def in_linked_threads() -> list[str]:
    with link_threads():
        return in_threads(start=lambda function: function)


def in_a_pool() -> list[str]:
    with ContextThreadPoolExecutor(4) as pool:
        return list(pool.map(step, range(10)))


def in_tasks() -> list[str]:
    async def work() -> list[str]:
        return await asyncio.gather(*map(later, range(10)))

    return asyncio.run(work())


def in_an_executor() -> list[str]:
    async def work() -> list[str]:
        loop = asyncio.get_running_loop()
        with ContextThreadPoolExecutor(4) as pool:
            calls = [loop.run_in_executor(pool, step, number) for number in range(5)]
            return [*await asyncio.gather(*calls), *[await asyncio.to_thread(step, 0)]]

    return asyncio.run(work())


FANS = [in_turn, in_threads, in_linked_threads, in_a_pool, in_tasks, in_an_executor]


def recorded(sessions):
    """The ids of the steps below each root, which its `children_ids` have to be."""
    below = defaultdict(set)
    for each in sessions:
        about = each.metadata["honeytrace"]
        if "parent_id" in about:
            assert about["root_id"] == about["parent_id"]
            below[about["parent_id"]].add(each.session_id)
    for each in sessions:
        if "parent_id" not in each.metadata["honeytrace"]:
            assert set(each.children_ids) == below[each.session_id]
    return dict(below)


@pytest.mark.parametrize("fan", FANS)
@pytest.mark.parametrize("keeps", [False, True])
def test_every_tree_is_whole_or_not_there(fan, keeps):
    numbers = itertools.count()
    keep = (lambda root: next(numbers) % 2) if keeps else None
    honeytrace.configure(sample_rate=0.4, keep=keep)
    trees = []
    with capture_sessions() as sessions:
        for _ in range(25):
            with trace_session("root") as root:
                trees.append((root.session_id, fan()))
    found = recorded(sessions)
    assert 0 < len(found) < 25
    for root_id, ids in trees:
        if root_id in found:
            assert found.pop(root_id) == set(ids)
        elif not keeps:  # with `keep`, the steps have ids while they wait
            assert set(ids) == {""}
    assert found == {}


def test_roots_in_64_threads_with_100_children_each():
    honeytrace.configure(sample_rate=0.5)
    trees: list[tuple[str, list[str]]] = []

    def work() -> None:
        with trace_session("root") as root:
            trees.append((root.session_id, [step(number) for number in range(100)]))

    with capture_sessions() as sessions:
        threads = [threading.Thread(target=work) for _ in range(64)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    kept = {root_id: set(ids) for root_id, ids in trees if root_id}
    assert recorded(sessions) == kept
    assert 0 < len(kept) < 64
    assert all(len(ids) == 100 for ids in kept.values())


def test_a_process_pool_follows_the_root(tmp_path):
    honeytrace.configure(sample_rate=0.5)
    trees = []
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        for _ in range(20):
            with trace_session("root") as root:
                trees.append((root.session_id, list(pool.map(bind(step), range(4)))))
    assert honeytrace.flush(10)
    store = Store(tmp_path / "home" / "sessions.db")
    kept = {root_id: ids for root_id, ids in trees if root_id}
    assert 0 < len(kept) < 20
    assert {i: set(store.children(i)) for i in kept} == {i: set(ids) for i, ids in kept.items()}
    assert {each for root_id, ids in trees for each in ids if not root_id} == {""}
    assert store.count() == 5 * len(kept)
