"""`tag` adds its values to every session inside it."""

from __future__ import annotations

import asyncio
import contextvars

import pytest

import honeytrace
from honeytrace import tag, trace_session
from honeytrace.propagation import ContextThreadPoolExecutor, extract
from honeytrace.testing import capture_sessions

OWN = "0badc0de-5555-4666-9777-888888888888"


@trace_session
def step() -> None:
    pass


@trace_session(metadata={"team": "search"})
def outer() -> None:
    step()


def test_sessions_at_any_depth_have_it():
    with capture_sessions() as sessions:
        with tag(user_properties={"user_id": "u-1"}, metadata={"plan": "pro"}, conversation="c-7"):
            outer()
            step()
        step()
    for session in sessions[:3]:
        assert session.user_properties == {"user_id": "u-1"}
        assert session.metadata["plan"] == "pro"
        assert session.metadata["conversation"] == "c-7"
    assert sessions[0].metadata["honeytrace"]["parent_id"] == sessions[1].session_id
    assert (sessions[3].user_properties, "plan" in sessions[3].metadata) == ({}, False)


def test_inner_tags_win_and_the_decorator_wins_over_tags():
    with capture_sessions() as sessions, tag(metadata={"team": "x", "a": 1, "b": 1}):
        with tag(metadata={"b": 2}, metrics={"m": 1}):
            outer()
        step()
    inner, around, later = sessions
    assert (inner.metadata["team"], inner.metadata["a"], inner.metadata["b"]) == ("x", 1, 2)
    assert (around.metadata["team"], around.metrics) == ("search", {"m": 1})
    assert (later.metadata["b"], later.metrics) == (1, {})


def test_what_is_set_later_wins():
    with capture_sessions() as sessions, tag(metadata={"a": 1}), trace_session("block") as session:
        assert session.metadata["a"] == 1
        honeytrace.enrich_session(metadata={"a": 2})
    assert sessions.one("block").metadata["a"] == 2


def test_tags_inside_a_session_leave_the_session_alone():
    with capture_sessions() as sessions, trace_session("block") as session:
        with tag(metadata={"a": 1}):
            assert honeytrace.current_session() is session
            step()
            step()
        step()
    assert [each.metadata.get("a") for each in sessions] == [1, 1, None, None]
    assert len(sessions.one("block").children_ids) == 3


def test_tags_reach_tasks_and_pools():
    async def main() -> None:
        async with tag(metadata={"a": 1}):
            await asyncio.gather(*(asyncio.to_thread(step) for _ in range(3)))
            with ContextThreadPoolExecutor() as pool:
                pool.submit(step).result()

    with capture_sessions() as sessions:
        asyncio.run(main())
    assert [each.metadata["a"] for each in sessions] == [1, 1, 1, 1]


def test_tags_and_a_parent_from_headers():
    with capture_sessions() as sessions, extract({"honeytrace-parent": OWN}):
        with tag(metadata={"a": 1}), extract({}):
            step()
        with tag(metadata={"a": 2}), extract({"honeytrace-parent": OWN}):
            step()
    for session, value in zip(sessions, (1, 2), strict=True):
        assert session.metadata["a"] == value
        assert session.metadata["honeytrace"]["parent_id"] == OWN


def test_one_object_may_be_entered_again():
    tags = tag(metadata={"a": 1})
    with capture_sessions() as sessions:
        with tags, tags:
            step()
        with tags:
            step()
        step()
    assert [each.metadata.get("a") for each in sessions] == [1, 1, None]


def test_a_task_that_outlives_its_session_keeps_the_tags():
    async def main() -> None:
        async def later() -> None:
            await started.wait()
            step()

        started = asyncio.Event()
        with tag(metadata={"a": 1}), trace_session("first"):
            task = asyncio.create_task(later())
        started.set()
        await task

    with capture_sessions() as sessions:
        asyncio.run(main())
    assert sessions.one("step").metadata["a"] == 1
    assert "parent_id" not in sessions.one("step").metadata["honeytrace"]


def test_a_chain_of_tasks_keeps_no_record_of_the_past():
    """Each task tags, records a session and starts the next task inside."""
    from honeytrace._session import context

    async def link(left: int) -> int:
        with tag(metadata={"a": left}), trace_session("link"):
            pass
        with tag(metadata={"a": left}), trace_session("link"):
            if left:
                task = asyncio.create_task(link(left - 1))
        if left:
            return await task
        record, depth = context.get(), 0
        while record is not None:
            record, depth = record.parent, depth + 1
        return depth

    with capture_sessions():
        assert asyncio.run(link(30)) <= 4


def test_a_session_that_still_runs_keeps_the_tags_of_its_block():
    tags, inner = tag(metadata={"a": 1}), trace_session("inner")
    with capture_sessions() as sessions:
        tags.__enter__()
        inner.__enter__()
        tags.__exit__(None, None, None)
        step()
        inner.__exit__(None, None, None)
    assert [each.metadata["a"] for each in sessions] == [1, 1]


def test_a_block_that_is_left_in_another_context_changes_nothing_there():
    tags = tag(metadata={"a": 1})
    contextvars.copy_context().run(tags.__enter__)
    with capture_sessions() as sessions, trace_session("block"):
        tags.__exit__(None, None, None)
        step()
    assert [each.metadata.get("a") for each in sessions] == [None, None]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"metadata": 3}, r"tag\(metadata=…\) cannot be 3; give a mapping"),
        ({"user_properties": ["u"]}, r"tag\(user_properties=…\) cannot be \['u'\]"),
        ({"conversation": 7}, r"tag\(conversation=…\) cannot be 7; give a string"),
    ],
)
def test_what_cannot_be_a_tag_is_refused(given, words):
    with pytest.raises(TypeError, match=words):
        tag(**given)
