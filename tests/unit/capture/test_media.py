"""Images, audio and files in messages are recorded by their type and size."""

from __future__ import annotations

import base64
import json
import marshal
import random

import pytest

from honeytrace import trace_session
from honeytrace._capture.providers.media import may_hold_media, without_media
from honeytrace.testing import capture_sessions

FILE = random.Random(1).randbytes(3001)
DATA = base64.b64encode(FILE).decode()
URL = f"data:image/png;base64,{DATA}"

CASES = {
    "openai image": (
        {"type": "image_url", "image_url": {"url": URL}},
        {"type": "image_url", "image_url": {"url": "<image/png: 3001 bytes>"}},
    ),
    "openai responses": (
        {"type": "input_image", "image_url": URL},
        {"type": "input_image", "image_url": "<image/png: 3001 bytes>"},
    ),
    "openai audio": (
        {"input_audio": {"data": DATA, "format": "wav"}},
        {"input_audio": {"data": "<wav: 3001 bytes>", "format": "wav"}},
    ),
    "openai spoken answer": (
        {"audio": {"data": DATA, "transcript": "Hi"}},
        {"audio": {"data": "<base64: 3001 bytes>", "transcript": "Hi"}},
    ),
    "openai picture": ({"b64_json": DATA}, {"b64_json": "<base64: 3001 bytes>"}),
    "openai picture of a response": (
        {"type": "image_generation_call", "result": DATA, "output_format": "png"},
        {
            "type": "image_generation_call",
            "result": "<png: 3001 bytes>",
            "output_format": "png",
        },
    ),
    "anthropic": (
        {"source": {"type": "base64", "media_type": "image/jpeg", "data": DATA}},
        {
            "source": {
                "type": "base64",
                "media_type": "image/jpeg",
                "data": "<image/jpeg: 3001 bytes>",
            }
        },
    ),
    "gemini": (
        {"inlineData": {"mimeType": "audio/wav", "data": DATA}},
        {"inlineData": {"mimeType": "audio/wav", "data": "<audio/wav: 3001 bytes>"}},
    ),
    "ollama": (
        {"role": "user", "images": [DATA, "a.png"]},
        {"role": "user", "images": ["<base64: 3001 bytes>", "a.png"]},
    ),
    "a list of URLs": ([[URL], 5, "a"], [["<image/png: 3001 bytes>"], 5, "a"]),
    "markdown": (f"See ![it]({URL}), then", "See ![it](<image/png: 3001 bytes>), then"),
    "no type": (f"data:;base64,{DATA}", "<base64: 3001 bytes>"),
    "an odd type": (
        {"b64_json": DATA, "format": DATA[:300]},
        {"b64_json": "<base64: 3001 bytes>", "format": DATA[:300]},
    ),
    "parameters": (
        f"data:text/plain;charset=utf-8;base64,{DATA}",
        "<text/plain: 3001 bytes>",
    ),
    "cut": (
        {"b64_json": DATA[:2000] + f"… [{len(DATA) - 2000} more characters]"},
        {"b64_json": "<base64: 3003 bytes>"},  # the padding has been cut off, too
    ),
    "a cut URL": (
        f"data:image/png;base64,{DATA[:2000]}… [2004 more characters]",
        "<image/png: 3003 bytes>",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_described(name):
    """A file is described wherever it stands, in inputs and in outputs; the data stays as it is."""
    data, described = CASES[name]
    before = json.dumps(data)
    with capture_sessions() as sessions:
        assert trace_session(lambda messages: {"answer": messages})([data])["answer"] == [data]
    session = sessions.one()
    assert session.inputs == {"messages": [described]}
    assert session.outputs == {"answer": [described]}
    assert json.dumps(data) == before


@pytest.mark.parametrize(
    "data",
    [
        {"data": DATA},
        {"data": DATA, "format": None, "name": "a"} | {"format": 5, "data": "a " * 200},
        {"image": "a cat on a mat, " * 100},
        {"image": DATA[:200]},
        {"text": DATA},
        "data:image/png;base64,aGk=",
        ";base64," * 100,
        [None, 1.5, True],
        5,
    ],
)
def test_other_data(data):
    """Text that only resembles a file stays as it is, and so does a short one."""
    assert without_media({"a": data})["a"] is data
    assert without_media(data) is data


LARGE = base64.b64encode(FILE * 700).decode()  # nearly three megabytes


@pytest.mark.parametrize(
    "part",
    [
        {"image_url": {"url": f"data:image/png;base64,{LARGE}"}},
        {"source": {"media_type": "image/png", "data": LARGE}},
    ],
)
def test_large(part):
    """A large file takes no part of the limits, and nothing of it counts as cut off."""
    with capture_sessions() as sessions:
        trace_session(lambda messages: None)([part, {"text": "a" * 70_000}])
    session = sessions.one()
    assert f"<image/png: {3001 * 700} bytes>" in json.dumps(session.inputs)
    assert len(json.dumps(session.inputs)) < 71_000
    assert "truncated" not in session.metadata["honeytrace"]


def test_bytes():
    """The bytes of a file are described by their number, as ever."""
    part = {"inline_data": {"mime_type": "image/png", "data": FILE}}
    with capture_sessions() as sessions:
        trace_session(lambda part: None)(part)
    assert sessions.one().inputs["part"]["inline_data"]["data"] == "<bytes: 3001>"


@pytest.mark.parametrize("name", CASES)
def test_kept_with_a_file(name):
    """What is kept of a call shows whether a file may be in it, behind other long texts, too."""
    assert may_hold_media(marshal.dumps(["x" * 1000, "hash " + "0a" * 500, CASES[name][0]]))


def test_kept_without_a_file():
    """Words and hashes are not files."""
    words = ["It is a long text of words. " * 50, "x" * 1000, "0123456789abcdef" * 100]
    assert not may_hold_media(marshal.dumps(words))
    assert not may_hold_media(marshal.dumps({"content": "y" * 5000}))
    assert not may_hold_media(b"y" * 5000)
