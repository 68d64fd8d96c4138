"""No secret leaves the process or is written, whichever way the session takes."""

from __future__ import annotations

import logging

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import honeytrace
from honeytrace import trace_session

_WORD = st.text(
    "abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789", min_size=24, max_size=32
)
KEYS = st.one_of(
    _WORD.map(lambda word: f"sk-proj-7{word}"),
    _WORD.map(lambda word: f"hh_9{word}"),
    _WORD.map(lambda word: f"ghp_{word}1234567890"),
    _WORD.map(lambda word: f"eyJ{word}.eyJ{word}.{word}"),
)
PLACES = {
    "value": lambda key: {"note": f"see {key} there"},
    "key": lambda key: {key: 1},
    "name": lambda key: {"api_key": key},
    "deep": lambda key: {"a": [{"b": [{"password": key}]}]},
    "text": lambda key: {"log": f'{{"token": "{key}"}}'},
    "header": lambda key: {"headers": [["Authorization", f"Bearer {key}"]]},
}


def leak(key, place):
    """Calls that have a secret in every field that a session has."""
    value = PLACES[place](key)

    @trace_session(name=f"named {key}", project=f"p {key}", source=f"s {key}", config=value)
    def call(argument):
        honeytrace.enrich_session(metrics=value, feedback=value, user_properties=value)
        honeytrace.enrich_session(metadata=value)
        honeytrace.current_session().add_child(key)
        return value

    @trace_session
    def fail(argument):
        raise ValueError(f"could not log in with {key}") from KeyError(key)

    @trace_session
    def stream(argument):
        yield value
        yield key

    call(value)
    list(stream(value))
    with pytest.raises(ValueError, match="could not"):
        fail(value)


def files(folder):
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("place", PLACES)
@settings(max_examples=5, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(key=KEYS)
def test_nothing_secret_is_sent(place, key, sent, server):
    """Not in the body, not in the headers."""
    server.requests.clear()
    leak(key, place)
    assert len(sent()) == 3
    for request in server.requests:
        assert key.encode() not in request.body + str(request.headers).encode()


@pytest.mark.parametrize("place", PLACES)
def test_nothing_secret_is_in_the_spool(place, server, tmp_path, caplog):
    """Nor in the log, while the server refuses and the sessions wait on disk."""
    key = "sk-proj-7aB3dE6gH9jK2mN5pQ8sT1vW4"
    caplog.set_level(logging.DEBUG)
    server.script = lambda request: (503, {}, b"")
    honeytrace.configure(server_url=server.url, api_key="key", spool_dir=tmp_path / "spool")
    try:
        leak(key, place)
        honeytrace.flush(1)
        assert honeytrace.stats().spooled
        assert b'"session"' in files(tmp_path)
        assert key.encode() not in files(tmp_path)
        assert key not in caplog.text
    finally:
        honeytrace.shutdown(0)
        honeytrace.configure(server_url=None, api_key=None, spool_dir=None)


@pytest.mark.parametrize("place", PLACES)
def test_nothing_secret_is_in_the_store(place, tmp_path):
    """Without a key and a server the store on this machine has the sessions."""
    key = "sk-proj-7aB3dE6gH9jK2mN5pQ8sT1vW4"
    honeytrace.configure(home=tmp_path / "home")
    try:
        leak(key, place)
        assert honeytrace.flush(10)
        assert b"[REDACTED:" in files(tmp_path)
        assert key.encode() not in files(tmp_path)
    finally:
        honeytrace.shutdown(1)
        honeytrace.configure(home=None)


def test_limits_are_those_that_are_set(sent):
    """Of texts and lists; what is cut is marked and listed."""
    honeytrace.configure(limits={"string": 5, "items": 2})
    try:
        trace_session(name="x")(lambda text, many: text)("abcdefgh", [1, 2, 3])
        (session,) = sent()
    finally:
        honeytrace.configure(limits=None)
    assert session["inputs"] == {
        "text": "abcde… [3 more characters]",
        "many": [1, 2, "[1 more items]"],
    }
    assert session["metadata"]["honeytrace"]["truncated"] == [
        "inputs.text",
        "inputs.many",
        "outputs",
    ]


def test_the_key_that_is_sent_with_is_in_no_session(server, tmp_path):
    """Not even if the program itself hands it on."""
    key = "mykeyvalue987654321"
    honeytrace.configure(server_url=server.url, api_key=key, spool_dir=tmp_path)
    try:
        trace_session(name="x")(lambda: f"it is {key}")()
        assert honeytrace.flush(10)
    finally:
        honeytrace.shutdown(0)
        honeytrace.configure(server_url=None, api_key=None, spool_dir=None)
    assert server.sessions[0]["outputs"] == {"result": "it is [REDACTED:api_key]"}
