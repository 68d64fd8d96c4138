"""The command `honeytrace feedback`."""

from __future__ import annotations

import json

import pytest

import honeytrace
from honeytrace import trace_session
from honeytrace.cli import main


@pytest.fixture
def session_id():
    honeytrace.configure()  # so that the home of this test is read
    with trace_session("answer", feedback={"note": "first"}) as session:
        session.outputs = {"content": "A"}
    assert honeytrace.flush(10)
    return session.session_id


def test_values_are_added_to_the_session_on_this_machine(session_id, capsys):
    assert main(["feedback", session_id[:8], "rating=5", "note=very good", "tags=[1]"]) == 0
    assert capsys.readouterr().out == (
        f"Added rating=5, note=very good, tags=[1] to session 'answer' ({session_id}).\n"
    )
    found = honeytrace.get_session(session_id)
    assert found.feedback == {"rating": 5, "note": "very good", "tags": [1]}
    assert found.outputs == {"content": "A"}


def test_show_prints_the_feedback(session_id, capsys):
    assert main(["show", session_id]) == 0
    assert "\n   out  content: A\n   fb   note: first\n" in capsys.readouterr().out
    assert main(["show", session_id, "--format", "md"]) == 0
    assert '**Feedback**\n\n```json\n{\n  "note": "first"\n}\n```' in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["feedback", "answer", "rating"], "'rating' is not feedback; write it as name=value"),
        (["feedback", "answer", "=5"], "'=5' is not feedback"),
        (["feedback", "0bad", "rating=5"], "there is no session '0bad'"),
    ],
)
def test_what_cannot_be_added_is_said(session_id, arguments, words, capsys):
    assert main(arguments) == 2
    assert words in capsys.readouterr().err


def test_values_are_added_to_the_session_of_a_server(session_id, server, monkeypatch, capsys):
    event = {"session_id": session_id, "event_name": "answer", "feedback": {"note": "first"}}

    def answer(request):
        return (
            (200, {}, json.dumps(event).encode()) if request.method == "GET" else server.ok(request)
        )

    server.script = answer
    monkeypatch.setenv("HH_API_URL", server.url)
    monkeypatch.setenv("HH_API_KEY", "k")
    assert main(["feedback", session_id, "rating=5"]) == 0
    assert server.sessions[-1]["feedback"] == {"note": "first", "rating": 5}
    assert server.sessions[-1]["session_name"] == "answer"
    server.script = lambda request: answer(request) if request.method == "GET" else (403, {}, b"no")
    assert main(["feedback", session_id, "rating=5"]) == 2
    assert "check HH_API_KEY" in capsys.readouterr().err
