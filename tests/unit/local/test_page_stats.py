"""Calls, errors, times, tokens and cost, by name and by day."""

from __future__ import annotations

import time
import uuid

import pytest
from pages import text

from honeytrace.local._rows import row_of

DAY = 86_400_000


def add(store, name, ago=0.0, **fields):
    session_id = str(uuid.uuid4())
    start = time.time() * 1000 - ago
    fields = {
        "session_id": session_id,
        "project": "p",
        "session_name": name,
        "start_time": start,
        **fields,
    }
    store.add(fields)
    return session_id


@pytest.fixture
def filled(store):
    for at in range(20):
        add(store, "fast", duration=float(at + 1), error="E: x" if at < 2 else None)
    tokens = {"prompt_tokens": 10, "completion_tokens": 5, "cost": 0.25}
    root = add(store, "outer", metrics=tokens, duration=900.0)
    ours = {"honeytrace": {"parent_id": root, "root_id": root}}
    add(store, "chat", metrics=tokens, metadata=ours, duration=800.0)
    add(store, "old", ago=10 * DAY)


def test_by_name(browser, store, filled):
    """Each name has its number of calls and failures, and its durations."""
    names = {each["title"]: each for each in browser.data("/stats")["names"]}
    assert set(names) == {"fast", "outer", "chat"}
    fast = names["fast"]
    assert (fast["calls"], fast["failed"], fast["p50"], fast["p95"]) == (20, 2, 11.0, 20.0)
    assert fast["longest"] == 20.0
    assert store.get(fast["slowest"])["duration"] == 20.0
    assert names["outer"]["tokens"] == 15


def test_tokens_are_not_counted_twice(browser, filled):
    """A parent that repeats its child's tokens does not add to those of the day."""
    total = browser.data("/stats")["total"]
    assert (total["tokens"], total["cost"], total["calls"]) == (15, 0.25, 21)


def test_what_a_run_costs(browser, store):
    """A name has the tokens and the cost of everything inside its calls, and the average."""
    for at in range(2):
        root = add(store, "agent", duration=100.0)
        below = {"honeytrace": {"parent_id": root, "root_id": root}}
        for _ in range(3):
            metrics = {"prompt_tokens": 10, "cost": 0.25}
            add(store, "chat", metrics=metrics, metadata=below, duration=1.0)
        add(store, "tool", metadata=below, duration=0.01 * at)
    for query in ("", "?q=name:agent"):
        data = browser.data(f"/stats{query}")
        agent = next(each for each in data["names"] if each["title"] == "agent")
        assert (agent["tokens"], agent["cost"], agent["cost_each"]) == (60, 1.5, 0.75)
        assert (data["total"]["cost"], data["total"]["calls"]) == (1.5, 2)
    (day,) = browser.data("/stats?since=all&q=name:agent")["days"]
    assert (day["calls"], day["p50"], day["cost_each"]) == (2, 100.0, 0.75)
    chat = next(each for each in browser.data("/stats")["names"] if each["title"] == "chat")
    assert (chat["cost"], chat["cost_each"]) == (1.5, 0.25)
    assert browser.data("/stats?q=name:tool")["total"]["cost_each"] is None


def test_sessions_inside_each_other(browser, store):
    """Damaged sessions that name each other as parent are counted once."""
    one, other = str(uuid.uuid4()), str(uuid.uuid4())
    for mine, parent in ((one, other), (other, one)):
        store.add(
            {
                "session_id": mine,
                "project": "p",
                "session_name": "odd",
                "parent_id": parent,
                "metrics": {"cost": 1.0},
                "start_time": time.time() * 1000,
            }
        )
    assert browser.data("/stats")["names"][0]["calls"] == 2


def test_by_day(browser, filled):
    """A line for each day, and one for all."""
    assert len(browser.data("/stats?since=30d")["days"]) == 2
    assert len(browser.data("/stats?since=all")["days"]) == 2
    page = browser.tree("/stats?since=all")
    rows = [text(row) for row in page.iter("tr")]
    assert rows[-1].startswith("All 22 2 (9.1%)")


def test_updates_are_not_calls(browser, store):
    """An update is part of its session; before the session is stored, it waits."""
    session_id = add(store, "rated")
    store.update(session_id, {"feedback": {"rating": 5}})
    store.add({"session_id": session_id, "feedback": {"rating": 4}})
    store.put_many([{"session_id": str(uuid.uuid4()), "feedback": {"rating": 3}}])
    assert browser.data("/stats")["total"]["calls"] == 1


def test_a_query_narrows_it(browser, filled):
    """The box works here, too."""
    assert [each["title"] for each in browser.data("/stats?q=name:fast")["names"]] == ["fast"]
    assert "did you mean" in browser.page("/stats?q=nmae:x", status=400)
    assert "not a time" in browser.page("/stats?since=x", status=400)


def test_names_lead_to_their_sessions(browser, filled):
    """The link of a name lists just these sessions."""
    link = next(each for each in browser.tree("/stats").iter("a") if each.text == "fast")
    assert len(browser.data(link.get("href"))["sessions"]) == 20
    link = next(each for each in browser.tree("/stats?since=all").iter("a") if each.text == "old")
    assert len(browser.data(link.get("href"))["sessions"]) == 1


def test_nothing_to_count(browser, store):
    """An empty store, and sessions without times."""
    assert "No sessions in this time" in browser.page("/stats")
    add(store, "timeless")
    assert "timeless" in browser.page("/stats")
    add(store, "far", ago=-9e15)
    assert [each["title"] for each in browser.data("/stats?since=all")["days"]][-1] == "?"


def test_the_newest_are_counted(browser, store):
    """A large store is counted in part, and the page says so."""
    now = time.time() * 1000
    made = (
        row_of(
            {
                "session_id": str(uuid.uuid4()),
                "project": "p",
                "session_name": "a",
                "start_time": now,
            }
        )
        for _ in range(5_001)
    )
    store.put_many(made)
    assert browser.data("/stats")["partial"]
    assert "The latest 5,000 sessions" in browser.page("/stats")


def test_an_error_quotes_what_was_typed(browser):
    """A wrong query is quoted without the time that the page adds."""
    assert "since" not in text(browser.tree('/stats?q="', status=400).find(".//main"))


def test_all_failed(store, browser):
    """A share of 100% has no decimals."""
    add(store, "bad", error="E: x")
    assert "1 (100%)" in text(browser.tree("/stats"))
