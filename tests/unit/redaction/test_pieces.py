"""Secrets that are split over the chunks of a stream, or over the texts of a list."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from honeytrace._redaction.redact import redact
from honeytrace._session.session import Session

KEY = "sk-proj-aB3dE6gH9jK2mN5pQ8sT1vW4yZ7"
SHAPES = {
    "texts": lambda piece: piece,
    "text": lambda piece: {"text": piece, "index": 0},
    "gemini": lambda piece: {"candidates": [{"content": {"parts": [{"text": piece}]}}]},
    "ollama": lambda piece: {"message": {"role": "assistant", "content": piece}, "done": False},
    "cohere": lambda piece: {"delta": {"message": {"content": {"text": piece}}}},
    "tgi": lambda piece: {"token": {"id": 3, "text": piece, "special": False}},
}


def outputs(value):
    return redact(Session(project="p", session_name="n", source="s", outputs=value)).outputs


def texts(value):
    """Every text of a value, one after the other."""
    if type(value) is str:
        return value
    items = value.values() if type(value) is dict else value if type(value) is list else ()
    return "".join(map(texts, items))


@pytest.mark.parametrize("shape", SHAPES)
@given(cuts=st.sets(st.integers(1, 50), max_size=8))
def test_a_split_secret(shape, cuts):
    """However it is cut, nothing of it is left, and the text around it stays."""
    text = f"see it: {KEY} there"
    edges = [0, *sorted(cut for cut in cuts if cut < len(text)), len(text)]
    pieces = [text[start:end] for start, end in pairwise(edges)]
    found = outputs({"result": [SHAPES[shape](piece) for piece in pieces]})
    assert "aB3d" not in json.dumps(found)
    assert "yZ7" not in json.dumps(found)
    if shape in ("texts", "text", "gemini"):
        assert texts(found) == "see it: [REDACTED:openai] there"


def test_logprobs():
    """The tokens of an answer are its text."""
    tokens = ["my", " key", " sk", "-proj", "-aB3dE6gH9j", "K2mN5pQ8sT1v", "."]
    content = [{"token": token, "logprob": -0.1} for token in tokens]
    found = outputs({"choices": [{"logprobs": {"content": content}}]})
    assert texts(found) == "my key [REDACTED:openai]."


def test_a_password_over_two_chunks():
    """A value that a text gives to a name may be split, too."""
    assert outputs({"result": ["the password: hun", "ter2-99", " is old"]}) == {
        "result": ["the password: [REDACTED:password]", "", " is old"]
    }


@pytest.mark.parametrize(
    "value",
    [
        ["password", "token", "secret"],
        [{"role": "user", "content": "the password:"}, {"role": "assistant", "content": "hunter2"}],
        [{"text": "a"}, 3, {"text": "b"}, {"other": "c"}],
        [{"x": [[[[[[[[["too deep"]]]]]]]]]}, {"x": 1}],
        ["one"],
        [[1], [2]],
    ],
)
def test_lists_without_a_secret(value):
    """They come back as the same objects."""
    session = Session(project="p", session_name="n", source="s", outputs={"result": value})
    assert redact(session) is session


def test_messages_of_a_chat_are_whole():
    """What two messages would come to together is no secret of either."""
    turns = [{"role": "user", "content": KEY[:12]}, {"role": "user", "content": KEY[12:]}]
    assert outputs({"result": {"messages": turns}}) == {"result": {"messages": turns}}


def test_a_prefix_that_stays_may_be_in_another_text():
    """What only introduces a key is not replaced, but without it the rest is not known."""
    texts = ["see y", "a29.-CYet9JXWaWHHOutIwu6", " now"]
    session = Session(project="p", session_name="n", source="s", outputs={"result": texts})
    assert redact(session).outputs == {"result": ["see y", "a29.[REDACTED:google]", " now"]}
