"""The official HoneyHive clients write to the local session server, and read from it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from official import Installed

from honeytrace import Client, Session

EXAMPLE: dict[str, Any] = {
    "project": "Simple RAG Project",
    "session_name": "Playground Session",
    "source": "playground",
    "children_ids": ["7f22137a-6911-4ed3-bc36-110f1dde6b66"],
    "config": {"model": "gpt-3.5-turbo", "temperature": 0.5, "stop": None},
    "inputs": {
        "context": "Hello world",
        "question": "What is in the context?",
        "chat_history": [
            {
                "role": "system",
                "content": "Answer the user's question only using provided context.\n"
                "\n"
                "Context: Hello world",
            },
            {"role": "user", "content": "What is in the context?"},
        ],
    },
    "outputs": {"role": "assistant", "content": "Hello world"},
    "duration": 824.8056,
    "user_properties": {"user": "google-oauth2|111840237613341303366"},
    "metrics": {"hits": 3, "score": 0.75},
    "feedback": {"rating": 5, "comment": "très bien 👍"},
    "metadata": {"team": "search", "camelCase": {"snake_case": [True, False, None]}},
    "start_time": 1712025501605,
    "end_time": 1712025499832,
}
"""The example of the official documents, which ends before it starts, with every object filled."""

TAKES_NULL = "npm-0.6.4"
"""The one client that sends `error: null`, as its own example has it."""

EVENT_NAMES = {"project": "project_id", "session_name": "event_name"}


@dataclass(frozen=True)
class Exchange:
    """A session under the API's names, as it was given to a client, and what came of it."""

    sent: dict[str, Any]
    session_id: str
    event: dict[str, Any]
    stored: Session


@pytest.fixture(scope="session")
def exchange(installed: Installed, url: str) -> Exchange:
    """One start and one read by an official client against the local server."""
    sent = {**EXAMPLE, "session_id": str(uuid.uuid4())}
    nulls = {"error": None} if installed.client.slug == TAKES_NULL else {}
    renamed = installed.client.index == "npm"
    session = _respelled(sent | nulls, _camel) if renamed else sent | nulls
    answers = _drive(installed, {"url": url, "session": session})
    event = _respelled(answers["event"], _snake) if renamed else answers["event"]
    with Client(server_url=url) as client:
        stored = client.get_session(sent["session_id"]).session
    return Exchange(sent, answers["session_id"], event, stored)


def test_the_store_holds_what_the_client_sent(exchange: Exchange) -> None:
    """Every field that an official client sends is in the store as it was given."""
    assert {name: getattr(exchange.stored, name) for name in exchange.sent} == exchange.sent
    assert exchange.stored.error is None


def test_the_store_holds_whole_times(exchange: Exchange) -> None:
    """A time that a Python client writes as `1712025501605.0` is a whole number in the store."""
    times = (exchange.stored.start_time, exchange.stored.end_time)
    assert [type(time) for time in times] == [int, int]


def test_the_client_gets_the_id_that_it_chose(exchange: Exchange) -> None:
    """The answer to start has the id at the place where the client looks for it."""
    assert exchange.session_id == exchange.sent["session_id"]


def test_the_client_reads_back_what_it_sent(exchange: Exchange) -> None:
    """An official client takes the event, and finds each field of the session in it."""
    expected = {EVENT_NAMES.get(name, name): value for name, value in exchange.sent.items()}
    assert {name: exchange.event.get(name) for name in expected} == expected


def test_the_client_reads_an_event_of_a_session(exchange: Exchange) -> None:
    """The event says that it is a session, under its own id and without a parent or an error."""
    about = [exchange.event.get(name) for name in ("event_type", "event_id", "parent_id", "error")]
    assert about == ["session", exchange.session_id, None, None]


def _drive(installed: Installed, given: dict[str, Any]) -> dict[str, Any]:
    """Return the answer of the client's driver, run without this machine's settings except PATH."""
    environment = {name: os.environ[name] for name in ("PATH", "SYSTEMROOT") if name in os.environ}
    done = subprocess.run(
        installed.command,
        input=json.dumps(given).encode(),
        env=environment,
        capture_output=True,
        timeout=60,
        check=False,
    )
    if done.returncode:
        pytest.fail(f"{installed.client} ended with:\n{done.stderr.decode()}", pytrace=False)
    answers: dict[str, Any] = json.loads(done.stdout)
    return answers


def _respelled(fields: dict[str, Any], format_id: Callable[[str], str]) -> dict[str, Any]:
    """The fields under other names, as TypeScript has them; what is in them keeps its names."""
    return {format_id(name): value for name, value in fields.items()}


def _camel(name: str) -> str:
    return re.sub("_(.)", lambda found: found[1].upper(), name)


def _snake(name: str) -> str:
    return re.sub("[A-Z]", lambda found: f"_{found[0].lower()}", name)
