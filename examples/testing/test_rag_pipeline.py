"""Tests of rag_pipeline.py that look at what it did, not only at what it said.

    pytest examples/testing

The fixture `honeytrace_sessions` comes with honeytrace, and under pytest nothing is sent.
"""

import httpx
import pytest
from freezegun import freeze_time
from rag_pipeline import Manual, Passage, ask

from honeytrace.testing import CapturedSessions, capture_sessions, replay


@pytest.fixture
def manual() -> Manual:
    tea = Passage("tea", "Tea is a drink. It is made by pouring hot water over leaves.")
    coffee = Passage("coffee", "Coffee is a drink. It is made from the beans of a plant.")
    return Manual([tea, coffee])


@pytest.fixture(autouse=True)
def no_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """Quote the manual, even if there is a key for a model."""
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)


def test_answer(manual: Manual, honeytrace_sessions: CapturedSessions) -> None:
    """Find a session by its name, and look at what went in and what came out."""
    ask(manual, "what is tea?")
    pipeline = honeytrace_sessions.one(name="RAG pipeline")
    assert pipeline.inputs == {"question": "what is tea?"}
    assert pipeline.outputs["sources"] == ["tea"]


def test_steps(manual: Manual, honeytrace_sessions: CapturedSessions) -> None:
    """The sessions are a list, in the order in which they ended."""
    ask(manual, "what is tea?")
    names = [session.session_name for session in honeytrace_sessions]
    assert names == ["search", "rerank", "retrieve", "answer", "RAG pipeline"]
    assert honeytrace_sessions.roots == [honeytrace_sessions[-1]]
    honeytrace_sessions.assert_no_errors()


def test_one_passage(manual: Manual, honeytrace_sessions: CapturedSessions) -> None:
    """Test a step deep inside without calling it: two passages were found, one is kept."""
    manual.retrieve("what is a drink?", k=1)
    found = honeytrace_sessions.one(name="search").outputs["result"]
    kept = honeytrace_sessions.one(name="retrieve", config={"k": 1}).outputs["result"]
    assert (len(found), len(kept)) == (2, 1)


def test_nothing_found(manual: Manual) -> None:
    """Capture the sessions of a part of a test; this works without pytest as well."""
    manual.retrieve("what is tea?")
    with capture_sessions() as sessions:
        ask(manual, "where do zebras sleep?")
    sessions.one(name="RAG pipeline", metrics={"hits": 0})


def test_model_is_down(
    manual: Manual, honeytrace_sessions: CapturedSessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error is in each session that it went through; `tree()` shows where it began."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-nobody")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:1")
    with pytest.raises(httpx.HTTPError):
        ask(manual, "what is tea?")
    print(honeytrace_sessions.tree())
    failed = [session.session_name for session in honeytrace_sessions if session.error]
    assert failed == ["chat", "answer", "RAG pipeline"]


@freeze_time("2030-01-01")
def test_time(manual: Manual, honeytrace_sessions: CapturedSessions) -> None:
    """With a frozen clock, the times are exact."""
    ask(manual, "what is tea?")
    pipeline = honeytrace_sessions.one(name="RAG pipeline")
    assert (pipeline.start_time, pipeline.duration) == (1893456000000, 0)


def test_as_expected(manual: Manual, honeytrace_sessions: CapturedSessions) -> None:
    """Compare all sessions with a file, which `pytest --honeytrace-update` writes."""
    ask(manual, "what is tea?")
    honeytrace_sessions.assert_matches("tea")


def test_once_more(manual: Manual, honeytrace_sessions: CapturedSessions) -> None:
    """Make a recorded call again, and expect the same result."""
    manual.retrieve("what is tea?")
    replayed = replay(honeytrace_sessions.one(name="retrieve"), manual.retrieve)
    assert replayed.same, replayed.diff()


@pytest.mark.honeytrace(source="tests")
@pytest.mark.parametrize("drink", ["tea", "coffee"])
def test_drink(manual: Manual, drink: str) -> None:
    """The mark makes the test itself a session around all of its calls; `--honeytrace` keeps it."""
    assert drink in ask(manual, f"what is {drink}?")
