"""Images, transcriptions, speech and moderations through `instrument`."""

from __future__ import annotations

import base64
import contextlib
import json

import anthropic
import openai
import pytest
from model_server import ModelServer

import honeytrace
from honeytrace.testing import capture_sessions

PNG = base64.b64encode(b"\x89PNG" + bytes(range(256)) * 20).decode()
SIZE = len(base64.b64decode(PNG))
COUNTS = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
USAGE = {"input_tokens": 10, "output_tokens": 5, "total_tokens": 15}
HEARD = {"type": "tokens", **USAGE, "input_token_details": {"audio_tokens": 10}}
WAV = ("a.wav", b"RIFF")


@pytest.fixture
def server():
    honeytrace.instrument("openai", "anthropic")
    with ModelServer() as server:
        yield server
    honeytrace.uninstrument()


def recorded(server, call, raw):
    server.raw = raw if type(raw) is bytes else json.dumps(raw).encode()
    http_client = openai.DefaultHttpxClient(verify=False)
    client = openai.OpenAI(
        base_url=server.openai_url, api_key="k", max_retries=0, http_client=http_client
    )
    with client, capture_sessions() as sessions:
        call(client)
    return sessions.one()


def events(*items):
    return b"".join(b"data: %s\n\n" % json.dumps(each).encode() for each in items)


def test_image(server):
    """The prompt is the input; the image is described, and its tokens are counted."""
    session = recorded(
        server,
        lambda client: client.images.generate(model="gpt-image-1", prompt="a cat", quality="high"),
        {"created": 1, "data": [{"b64_json": PNG}], "output_format": "png", "usage": USAGE},
    )
    assert session.session_name == "openai.images.generations"
    assert session.inputs == {"prompt": "a cat"}
    assert (session.config["model"], session.config["quality"]) == ("gpt-image-1", "high")
    assert session.outputs["data"] == [{"b64_json": f"<base64: {SIZE} bytes>"}]
    assert session.metrics == COUNTS
    assert session.metadata["total_tokens"] == 15
    assert session.metadata["honeytrace"]["step"] == "model"


def test_edited_image(server):
    session = recorded(
        server,
        lambda client: client.images.edit(model="m", prompt="a hat", image=("a.png", b"PNG")),
        {"created": 1, "data": [{"b64_json": PNG}], "usage": USAGE},
    )
    assert session.inputs["prompt"] == "a hat"
    assert session.inputs["files"] == [{"field": "image", "name": "a.png", "bytes": 3}]
    assert session.metrics == COUNTS


def test_streamed_image(server):
    """Of the pictures on the way, only the last is the answer."""
    partial = {"type": "image_generation.partial_image", "b64_json": PNG[:400], "size": "1024x1024"}
    session = recorded(
        server,
        lambda client: list(client.images.generate(model="m", prompt="a cat", stream=True)),
        events(
            partial,
            partial,
            {
                "type": "image_generation.completed",
                "b64_json": PNG,
                "output_format": "png",
                "usage": USAGE,
            },
        ),
    )
    assert session.outputs["data"] == [{"b64_json": f"<base64: {SIZE} bytes>"}]
    assert {name: session.metrics[name] for name in COUNTS} == COUNTS
    assert session.metadata["honeytrace"]["stream"]["completed"] is True


def test_image_left_half_done(server):
    def first(client):
        with client.images.generate(model="m", prompt="a cat", stream=True) as stream:
            next(stream)

    session = recorded(
        server,
        first,
        events({"type": "image_generation.partial_image", "b64_json": PNG, "size": "1024x1024"}),
    )
    assert session.outputs == {"data": [{"b64_json": f"<base64: {SIZE} bytes>"}]}


def transcribe(**options):
    return lambda client: client.audio.transcriptions.create(file=WAV, **options)


def test_transcription(server):
    session = recorded(
        server, transcribe(model="gpt-4o-transcribe"), {"text": "Hi there", "usage": HEARD}
    )
    assert session.session_name == "openai.audio.transcriptions"
    assert session.outputs["text"] == "Hi there"
    assert (session.metrics, session.config["model"]) == (COUNTS, "gpt-4o-transcribe")


@pytest.mark.parametrize("kind", ["path", "open file", "named open file"])
def test_file(server, tmp_path, kind):
    """We do not read a file; the SDK itself reads one that is given by its path."""
    path = tmp_path / "a.wav"
    path.write_bytes(b"RIFF")
    with path.open("rb") as opened:
        given = {"path": path, "open file": opened, "named open file": ("b.wav", opened)}[kind]
        session = recorded(
            server,
            lambda client: client.audio.transcriptions.create(model="m", file=given),
            {"text": "Hi"},
        )
    names = {
        "path": {"name": "a.wav", "bytes": 4},
        "open file": {},
        "named open file": {"name": "b.wav"},
    }
    assert session.inputs["files"] == [{"field": "file", **names[kind]}]
    assert session.outputs == {"text": "Hi"}


def test_seconds(server):
    """Whisper counts seconds in place of tokens."""
    heard = {"text": "Hi", "usage": {"type": "duration", "seconds": 4}}
    assert recorded(server, transcribe(model="whisper-1"), heard).metrics == {"audio_seconds": 4.0}


@pytest.mark.parametrize("complete", [True, False])
def test_streamed_transcription(server, complete):
    pieces = [{"type": "transcript.text.delta", "delta": piece} for piece in ("Hi ", "there")]
    done = [{"type": "transcript.text.done", "text": "Hi there", "usage": HEARD}] * complete
    session = recorded(
        server,
        lambda client: list(transcribe(model="m", stream=True)(client)),
        events(*pieces, *done),
    )
    assert session.outputs["text"] == "Hi there"
    assert session.metadata["honeytrace"]["stream"]["completed"] is complete
    assert session.metrics.get("total_tokens") == (15 if complete else None)


def test_speech(server):
    session = recorded(
        server,
        lambda client: client.audio.speech.create(model="tts-1", voice="ash", input="Hi").read(),
        b"ID3" + bytes(100) + b"\xff",
    )
    assert session.inputs == {"input": "Hi"}
    assert session.config == {"model": "tts-1", "voice": "ash", "provider": "openai"}
    assert session.outputs["bytes"] == 104


def test_streamed_speech():
    """Of the sound that a generator hands on, the session has the size."""
    sound = base64.b64encode(bytes(100)).decode()

    @honeytrace.trace_session
    def say():
        yield {"type": "speech.audio.delta", "audio": sound}
        yield {"type": "speech.audio.delta", "audio": sound}
        yield {"type": "speech.audio.done", "usage": USAGE}

    with capture_sessions() as sessions:
        list(say())
    session = sessions.one()
    assert session.outputs == {"usage": USAGE, "audio": "<audio: 200 bytes>"}
    assert session.metrics["total_tokens"] == 15


def test_moderation(server):
    session = recorded(
        server,
        lambda client: client.moderations.create(model="omni-moderation-latest", input="x"),
        {
            "model": "omni-moderation-1",
            "results": [{"flagged": True, "categories": {"hate": True}}],
        },
    )
    assert session.inputs == {"input": "x"}
    assert session.metadata["response_model"] == "omni-moderation-1"
    assert session.metadata["honeytrace"]["step"] == "guardrail"


ERROR = {"type": "overloaded_error", "message": "Overloaded"}
CODED = {"code": "overloaded", "message": "Overloaded", "param": None}


def ask_anthropic(url):
    http_client = anthropic.DefaultHttpxClient(verify=False)
    client = anthropic.Anthropic(base_url=url, api_key="k", max_retries=0, http_client=http_client)
    asked = [{"role": "user", "content": "Hi"}]
    with client:
        list(client.messages.create(model="claude", max_tokens=9, messages=asked, stream=True))


def ask_openai(url):
    http_client = openai.DefaultHttpxClient(verify=False)
    client = openai.OpenAI(base_url=url, api_key="k", max_retries=0, http_client=http_client)
    with client:
        list(client.responses.create(model="gpt-4o", input="Hi", stream=True))


@pytest.mark.parametrize(
    ("ask", "event", "error"),
    [
        (ask_anthropic, {"type": "error", "error": ERROR}, ERROR),
        (ask_openai, {"type": "error", **CODED, "sequence_number": 0}, CODED),
    ],
)
def test_error_at_once(server, ask, event, error):
    """A stream that begins with an error holds it as one that breaks off, and no first token."""
    server.raw = b"event: error\n" + events(event)
    with capture_sessions() as sessions, contextlib.suppress(Exception):
        ask(server.openai_url)
    session = sessions.one()
    assert session.outputs["error"].items() >= error.items()
    assert "ttft_ms" not in session.metrics
    assert "time_to_first_token_ms" not in session.metadata
