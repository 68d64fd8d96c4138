"""Sessions into the store on this machine, as a server would take them."""

from __future__ import annotations

import pytest

from honeytrace._delivery.local import LocalSender
from honeytrace._delivery.retry import Verdict
from honeytrace.local import Store

ID = "0f8fad5b-d9cb-469f-a165-70867728950e"
BODY = (
    b'{"session":{"project":"p","session_name":"s","source":"dev","session_id":"%s"}}' % ID.encode()
)


@pytest.fixture
def sender(tmp_path):
    made = LocalSender(tmp_path)
    yield made
    made.close()


def test_a_session_is_stored(sender, tmp_path):
    """A session that was sent can be read."""
    assert sender.send(BODY).verdict is Verdict.DELIVERED
    assert Store(tmp_path / "sessions.db").get(ID)["session_name"] == "s"


def test_sessions_that_no_store_takes_wait(sender, tmp_path):
    """The answer is in words, and none counts as delivered."""
    (tmp_path / "sessions.db").mkdir()
    answer = sender.send_many([BODY, BODY])
    assert (answer.verdict, answer.answered) == (Verdict.RETRY, False)
    assert "sessions.db" in answer.words
