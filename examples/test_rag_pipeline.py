"""Tests of rag_pipeline.py that look at what it did, not only at what it said.

    pytest examples/test_rag_pipeline.py

The fixture `honeytrace_sessions` comes with honeytrace, and under pytest nothing is sent.
"""

import httpx
import pytest
from freezegun import freeze_time
from rag_pipeline import Manual, ask, read_manual

from honeytrace.testing import CapturedSessions, capture_sessions


@pytest.fixture(scope="module")
def manual() -> Manual:
    return Manual(read_manual())


@pytest.fixture(autouse=True)
def no_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """Answers are quoted, also where there is a key."""
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)


def test_answer(manual: Manual, honeytrace_sessions: CapturedSessions) -> None:
    """A session by its name says what went in and what came out."""
    ask(manual, "what is a lambda?")
    pipeline = honeytrace_sessions.one(name="RAG pipeline")
    assert pipeline.inputs == {"question": "what is a lambda?"}
    assert pipeline.outputs["sources"] == ["lambda: Lambdas"]


def test_steps(manual: Manual, honeytrace_sessions: CapturedSessions) -> None:
    """The sessions are a list in the order of their ends, with one root, and without errors."""
    ask(manual, "what is a lambda?")
    names = [session.session_name for session in honeytrace_sessions]
    assert names == ["search", "rerank", "retrieve", "answer", "RAG pipeline"]
    assert honeytrace_sessions.roots == [honeytrace_sessions[-1]]
    honeytrace_sessions.assert_no_errors()


def test_few_passages(manual: Manual, honeytrace_sessions: CapturedSessions) -> None:
    """What a step deep inside was given and returned, with no way into it but its session."""
    manual.retrieve("what does yield do?", k=1)
    honeytrace_sessions.one(name="retrieve", config={"k": 1})
    found = honeytrace_sessions.one(name="search").outputs["result"]
    assert len(found) == 20


def test_nothing_found(manual: Manual) -> None:
    """A capture looks at a part of a test; without pytest, too."""
    manual.retrieve("what does yield do?")
    with capture_sessions() as sessions:
        ask(manual, "Where do zebras sleep?")
    assert sessions.one(name="RAG pipeline").metrics == {"hits": 0}


def test_model_is_down(
    manual: Manual, honeytrace_sessions: CapturedSessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tree shows where a run failed; `-s` prints it, and so does a test that fails."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-nobody")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:1")
    with pytest.raises(httpx.HTTPError):
        ask(manual, "what is a lambda?")
    print(honeytrace_sessions.tree())
    failed = [session.session_name for session in honeytrace_sessions if session.error]
    assert failed == ["chat", "answer", "RAG pipeline"]


@freeze_time("2030-01-01")
def test_time(manual: Manual, honeytrace_sessions: CapturedSessions) -> None:
    """Under a frozen clock the times are exact."""
    manual.retrieve("what is a lambda?")
    retrieve = honeytrace_sessions.one(name="retrieve")
    assert (retrieve.start_time, retrieve.duration) == (1893456000000, 0)
