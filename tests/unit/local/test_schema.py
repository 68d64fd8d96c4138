"""Stores of an earlier schema, and stores that are bounded or pruned."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import time
import uuid
from contextlib import nullcontext

import pytest

from honeytrace.local import Store

SCHEMA_1 = """
CREATE TABLE sessions (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    start REAL NOT NULL,
    child INTEGER NOT NULL,
    body TEXT NOT NULL
);
CREATE INDEX newest ON sessions (start, child);
PRAGMA user_version = 1;
"""
DAY = 86_400_000.0


def session(**fields):
    return {"session_id": str(uuid.uuid4()), "project": "p", "session_name": "a", **fields}


def old_store(path, number):
    """A store as the first version wrote it, with so many sessions; the last one is damaged."""
    connection = sqlite3.connect(path)
    connection.executescript(SCHEMA_1)
    rows = []
    for at in range(number):
        fields = session(session_name=f"s{at}", start_time=at, inputs={"word": f"w{at}x"})
        rows.append((fields["session_id"], at, 0, json.dumps(fields)))
    rows.append((str(uuid.uuid4()), number, 0, "{"))
    connection.executemany(
        "INSERT INTO sessions (id, start, child, body) VALUES (?, ?, ?, ?)", rows
    )
    connection.commit()
    connection.close()


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path / "sessions.db")
    yield store
    store.close()


def names(found):
    return [each.summary.name for each in found]


def test_an_old_store_is_read_and_searched(store):
    """Sessions of the first version are listed, and found by conditions and words."""
    old_store(store.path, 1200)
    assert store.count() == 1201
    assert names(store.search("name:s0")) == ["s0"]
    assert names(store.search("w7x")) == ["s7"]
    assert names(store.search("w1199x")) == ["s1199"]


def test_an_old_store_catches_up_bit_by_bit(store):
    """Everything is added in short transactions, and what is left is told after each."""
    old_store(store.path, 1200)
    told = list(store.catch_up())
    assert told == [701, 201, 0, 701, 201, 0]
    assert list(store.catch_up()) == []
    assert len(store.search(limit=5000)) == 1200


def test_an_old_store_lists_the_newest_at_once(store):
    """A program that writes adds summaries as it goes, from the newest on."""
    old_store(store.path, 120)
    store.put_many([])
    assert names(store.search(limit=2)) == ["s119", "s118"]
    store.put_many([])
    store.put_many([])
    assert len(store.search(limit=5000)) == 120


def test_an_old_store_that_cannot_be_written_is_searched(open_home, unwritable):
    """Without a place to write, the summaries are made in memory."""
    store = Store(open_home / "sessions.db")
    old_store(store.path, 3)
    with unwritable(open_home):
        assert names(store.search("name:s")) == ["s2", "s1", "s0"]
        assert names(store.search("w1x")) == ["s1"]
        assert list(store.catch_up()) == []
        assert not store.open()
        store.close()


@pytest.mark.parametrize("writable", [True, False])
def test_a_store_without_an_index_of_today_is_searched(open_home, unwritable, writable):
    """An earlier version made the store; it gets the index if it can be written."""
    store = Store(open_home / "sessions.db")
    store.add(session(config={"model": "m"}, metrics={"cost": 0.5}))
    store.close()
    with sqlite3.connect(store.path) as connection:
        connection.execute("DROP INDEX summaries_spent")
    connection.close()
    with nullcontext() if writable else unwritable(open_home):
        assert names(store.search("cost:0.5 model:m")) == ["a"]
        store.close()
    with sqlite3.connect(store.path) as connection:
        found = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'summaries_spent'")
        assert (found.fetchone() is not None) == writable
    connection.close()


def test_an_empty_file_that_cannot_be_written_has_no_sessions(open_home, unwritable):
    """A file of zero bytes is an empty store."""
    store = Store(open_home / "sessions.db")
    store.path.touch()
    with unwritable(open_home):
        assert store.search("text error") == []
        store.close()


def test_nothing_is_made_to_look_at_nothing(store):
    """A store that is not there has no sessions, and asking does not make it."""
    assert store.search("text error") == []
    assert (store.count(), store.get(str(uuid.uuid4())), list(store.catch_up())) == (0, None, [])
    assert not store.path.exists()
    assert store.open()
    assert store.path.exists()


def test_a_store_keeps_below_its_size(tmp_path):
    """From the bound on, those that were added first make room for the last."""
    store = Store(tmp_path / "sessions.db", max_bytes=500_000)
    for number in range(200):
        store.add(session(session_name=str(number), inputs={"text": "x" * 10_000}))
    assert store.size() <= 500_000
    assert store.path.stat().st_size < 1_000_000
    kept = names(store.search(limit=200))
    assert 20 < len(kept) < 60
    assert "199" in kept
    store.close()


def test_one_session_above_the_size_is_kept(tmp_path):
    """The bound never costs the session that was just added."""
    store = Store(tmp_path / "sessions.db", max_bytes=1)
    for name in ("first", "last"):
        store.add(session(session_name=name))
    assert names(store.search()) == ["last"]
    store.close()


def test_a_store_keeps_below_its_age(tmp_path):
    """The next write deletes old sessions, unless their time is from a clock that was not set."""
    now = time.time() * 1000
    store = Store(tmp_path / "sessions.db")
    for name, start in (("old", now - 3 * DAY), ("new", now - DAY), ("1970", 5_000)):
        store.add(session(session_name=name, start_time=start))
    store.close()
    store = Store(tmp_path / "sessions.db", max_age=2 * 86_400)
    store.add(session(session_name="last", start_time=now))
    assert names(store.search()) == ["last", "new", "1970"]
    store.close()


def late(**fields):
    """An update of a session that never comes."""
    return {"session_id": str(uuid.uuid4()), "feedback": {"rating": 5}, **fields}


def test_updates_that_wait_make_room_before_sessions_do(tmp_path):
    """Whoever floods a feedback form with made-up ids does not push out any session."""
    store = Store(tmp_path / "sessions.db", max_bytes=500_000)
    store.add(session(session_name="kept"))
    for _ in range(10):
        store.put_many([late(feedback={"text": "x" * 10_000}) for _ in range(100)])
    assert store.size() <= 500_000
    store.add(session(session_name="last"))
    assert names(store.search()) == ["last", "kept"]
    store.close()


@pytest.mark.parametrize(("age", "left"), [(3600, 1), (-3600, 0)])
def test_updates_do_not_wait_longer_than_sessions_are_kept(tmp_path, age, left):
    for max_age in (None, age):
        store = Store(tmp_path / "sessions.db", max_age=max_age)
        store.put_many([late()])
        store.add(session(session_name="other", start_time=time.time() * 1000 + DAY))
        store.close()
    assert store.waiting_updates() == 2 * left
    store.put_many([late()])
    assert sum(store.prune(age)) == 0
    assert store.waiting_updates() == 3 * left
    store.close()


def test_updates_that_an_earlier_version_let_wait(store):
    """Nobody knows when they came, so they stay, and are merged once their session comes."""
    assert store.open()
    first, second = late(), late()
    with sqlite3.connect(store.path) as connection:
        connection.execute("CREATE TABLE updates (number INTEGER PRIMARY KEY, id TEXT, body BLOB)")
        values = (first["session_id"], json.dumps(first).encode())
        connection.execute("INSERT INTO updates (id, body) VALUES (?, ?)", values)
    connection.close()
    assert sum(store.prune(-3600)) == 0
    store.put_many([second])
    assert sum(store.prune(-3600)) == 0
    assert store.waiting_updates() == 1
    store.add(session(session_id=first["session_id"]))
    assert store.get(first["session_id"])["feedback"] == {"rating": 5}


def test_prune_deletes_what_is_old(store):
    """Old sessions go with their words, their room on the disk is given back, and numbers that
    are given out again find no words of those that had them."""
    now = time.time() * 1000
    text = "needle " + "x" * 5000
    for at in range(600):
        store.add(session(start_time=now - 40 * DAY + at, inputs={"text": text}))
    store.add(session(session_name="new", start_time=now))
    for at in range(10):
        store.add(session(start_time=now - 40 * DAY - at, inputs={"text": text}))
    assert len(store.search("needle", 1000)) == 610
    size = store.path.stat().st_size
    assert list(store.prune(30 * 86_400)) == [500, 110, 0]
    assert store.path.stat().st_size < size / 10
    assert names(store.search()) == ["new"]
    assert store.search("needle") == []
    store.add(session(session_name="again"))
    assert store.search("needle") == []
    assert names(store.search("again")) == ["again"]


def test_prune_knows_the_sessions_of_an_old_store(store):
    """Sessions of the first version are deleted, too, once they are summarized."""
    old_store(store.path, 3)
    assert sum(store.prune(30 * 86_400)) == 3


def test_prune_makes_no_store(store):
    """Without a store, `prune` does not create one."""
    assert list(store.prune(0)) == []
    assert not store.path.exists()


def test_the_settings_bound_the_store(tmp_path):
    """Traced calls of a program with no key keep the store below the size that was set."""
    program = """
import honeytrace
honeytrace.configure(store_size=300_000)
@honeytrace.trace_session
def answer(number):
    return str(number) + "x" * 20_000
for number in range(100):
    answer(number)
assert honeytrace.flush(60)
"""
    environment = {**os.environ, "HONEYTRACE_HOME": str(tmp_path), "HONEYTRACE_EXIT_TIMEOUT": "30"}
    subprocess.run([sys.executable, "-c", program], check=True, env=environment, timeout=120)
    store = Store(tmp_path / "sessions.db")
    assert store.size() <= 300_000
    assert 1 <= store.count() <= 15
    store.close()
