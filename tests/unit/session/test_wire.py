"""The API's names and shapes, from a session to the wire and back."""

from __future__ import annotations

import json
import math
import re
import uuid
from dataclasses import replace
from email.utils import format_datetime, formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from honeytrace._delivery.retry import Verdict, retry_after, verdict_of
from honeytrace._session import wire
from honeytrace._session.session import Session
from honeytrace._utils.json import READABLE, dumps, loads

ID = "6f0fdd4b-38d8-4ce2-a0b3-1f3c0a8f5a11"
NOW = 1_700_000_000.0


scalars = (
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats(allow_nan=False,
    allow_infinity=False) | st.text()
)  # fmt: skip
values = st.recursive(
    scalars, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=8
)
objects = st.dictionaries(st.text(), values, max_size=3)
milliseconds = st.integers(0, 2**53) | st.floats(0, 1e15)
sessions = st.builds(
    Session,
    project=st.text(min_size=1),
    session_name=st.text(min_size=1),
    source=st.text(min_size=1),
    session_id=st.uuids().map(str),
    children_ids=st.lists(st.text(), max_size=3),
    config=objects,
    inputs=objects,
    outputs=objects,
    error=st.none() | st.text(),
    duration=st.none() | milliseconds,
    user_properties=objects,
    metrics=objects,
    feedback=objects,
    metadata=objects,
    start_time=st.none() | milliseconds,
    end_time=st.none() | st.integers(0, 2**53),
)


def body(**fields):
    given = {"project": "p", "session_name": "s", "source": "dev", **fields}
    return json.dumps({"session": given}).encode()


def sent(**fields):
    """The session object that leaves the client."""
    session = Session(project="p", session_name="s", source="dev", **fields)
    return json.loads(wire.encode(session))["session"]


@given(sessions)
def test_any_session_survives_the_round_trip(session):
    """Request, store, event and decoding give back what was sent."""
    _, request = wire.request(session)
    event = dumps(wire.event(wire.received(request)))
    assert replace(wire.decode(event), extra={}) == session


@given(sessions)
def test_what_we_send_is_what_a_user_would_send(session):
    """A session of ours is encoded as the same session of a user's."""
    assert json.loads(wire.encode(session)) == json.loads(wire.request(session)[1])


@given(st.text(st.characters() | st.characters(categories=["Cs"])))
def test_any_text_becomes_utf_8(text):
    """A lone surrogate becomes U+FFFD; every other character stays."""
    expected = re.sub("[\ud800-\udfff]", "�", text.encode("utf-16", "surrogatepass").decode(
        "utf-16", "surrogatepass"))  # fmt: skip
    assert json.loads(dumps({text: text}).decode()) == {expected: expected}


def test_the_request_is_an_object_below_session():
    """The body is `{"session": {...}}`, compact, with the names of the wire."""
    session = Session(project="p", session_name="s", source="dev", session_id=ID)
    assert wire.encode(session) == (
        b'{"session":{"project":"p","session_name":"s","source":"dev",'
        b'"session_id":"6f0fdd4b-38d8-4ce2-a0b3-1f3c0a8f5a11","children_ids":[],"config":{},'
        b'"inputs":{},"outputs":{},"user_properties":{},"metrics":{},"feedback":{},"metadata":{}}}'
    )


def test_what_is_none_is_left_out():
    """No null travels: neither error, duration nor the times."""
    assert not {"error", "duration", "start_time", "end_time"} & sent().keys()


def test_extra_keys_do_not_travel():
    """Further keys of an answer are not sent back."""
    assert "event_type" not in sent(extra={"event_type": "session"})


def test_a_mapping_is_sent_as_it_is():
    """A mapping needs the three names only; it gets an id, and its None values are left out."""
    fields = {"project": "p", "session_name": "s", "source": "dev", "error": None, "duration": 1}
    session_id, request = wire.request(fields)
    assert json.loads(request) == {
        "session": {"project": "p", "session_name": "s", "source": "dev", "duration": 1,
                    "session_id": session_id}
    }  # fmt: skip
    assert uuid.UUID(session_id).version == 4


def test_the_id_is_sent_in_small_letters():
    """Ids are compared without case, so one spelling travels."""
    fields = {"project": "p", "session_name": "s", "source": "dev", "session_id": ID.upper()}
    session_id, request = wire.request(fields)
    assert (session_id, json.loads(request)["session"]["session_id"]) == (ID, ID)


def test_the_official_example_goes_through_unchanged():
    """The example of the API's own documents, with its end before its start, is sent as it is."""
    example = {
        "project": "Simple RAG Project", "session_name": "Playground Session",
        "source": "playground", "session_id": "caf77ace-3417-4da4-944d-f4a0688f3c23",
        "children_ids": ["7f22137a-6911-4ed3-bc36-110f1dde6b66"],
        "inputs": {"context": "Hello world", "question": "What is in the context?",
                   "chat_history": [{"role": "system", "content": "Answer.\n\nContext: Hello\n"}]},
        "outputs": {"role": "assistant", "content": "Hello world"}, "duration": 824.8056,
        "user_properties": {"user": "google-oauth2|111840237613341303366"},
        "start_time": 1712025501605, "end_time": 1712025499832,
    }  # fmt: skip
    assert json.loads(wire.request(example)[1]) == {"session": example}


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"project": None}, "a session needs a project"),
        ({"session_name": None}, "a session needs a session_name"),
        ({"source": None}, "a session needs a source"),
        ({"project": ""}, "project is ''; it has to be a string that is not empty"),
        ({"project": 5}, "project is 5"),
        ({"session_id": "abc"}, "session_id is 'abc'; it has to be a UUID"),
        ({"session_id": 7}, "session_id is 7"),
        ({"children_ids": "abc"}, "children_ids is 'abc'; it has to be a list of strings"),
        ({"children_ids": [1]}, "children_ids is [1]"),
        ({"inputs": [1]}, "inputs is [1]; it has to be an object"),
        ({"metadata": "x" * 999}, "metadata is 'xxx"),
        ({"error": 5}, "error is 5; it has to be a string"),
        ({"duration": True}, "duration is True; it has to be a number of milliseconds"),
        ({"duration": "1"}, "duration is '1'"),
        ({"duration": math.nan}, "duration is nan"),
        ({"duration": 10**400}, "duration is 1000"),
        ({"start_time": math.inf}, "start_time is inf"),
        ({"end_time": 1.5}, "end_time is 1.5; it has to be a whole number"),
        ({"inputs": {"x": math.nan}}, "this cannot be sent as JSON"),
        ({"inputs": {"x": {1}}}, "this cannot be sent as JSON"),
        ({"projekt": "p"}, "a session has no field 'projekt'; did you mean 'project'?"),
        ({"zzz": 1}, "a session has no field 'zzz'; the fields are project, session_name"),
        ({5: 1}, "a session has no field 5; the fields are"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_cannot_be_sent_is_refused_with_a_sentence(fields, words):
    """Each wrong field is a `ValueError` that names it and says what fits."""
    good = {"project": "p", "session_name": "s", "source": "dev"}
    with pytest.raises(ValueError, match=re.escape(words)) as caught:
        wire.request({**good, **fields})
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize("session", [None, 5, "text", [("project", "p")]], ids=repr)
def test_what_is_no_session_is_refused(session):
    """Something that is neither a session nor a mapping is a `ValueError` too."""
    with pytest.raises(ValueError, match="give a Session or a mapping"):
        wire.request(session)


def test_a_circular_value_is_refused():
    """A value that holds itself is a `ValueError` before anything is sent."""
    inputs = {}
    inputs["self"] = inputs
    with pytest.raises(ValueError, match="cannot be sent"):
        wire.request({"project": "p", "session_name": "s", "source": "dev", "inputs": inputs})


def test_a_deep_value_is_refused():
    """A value that is nested deeper than JSON is read is a `ValueError`."""
    deep = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(ValueError, match="cannot be sent"):
        dumps(deep)


def test_the_path_has_the_id_in_small_letters():
    """getSession is a GET of the id."""
    assert wire.path(ID.upper()) == f"/session/{ID}"


@pytest.mark.parametrize("value", ["", "start", "../start", f"{ID}/..", f"{ID}\n", f" {ID}", None])
def test_no_other_id_becomes_a_path(value):
    """Only a UUID fits in the path, so nothing can leave it."""
    with pytest.raises(ValueError, match="give a UUID"):
        wire.path(value)


@pytest.mark.parametrize(
    ("key", "header"),
    [("k1", "Bearer k1"), ("Bearer k1", "Bearer k1"), ("", None), (None, None)],
)
def test_the_key_is_sent_as_a_bearer_token(key, header):
    """The scheme is not doubled; without a key there is no such header."""
    assert wire.headers(key).get("Authorization") == header


def test_the_headers_are_our_own():
    """JSON is sent and accepted, under our own name."""
    headers = wire.headers("k")
    assert headers["Accept"] == headers["Content-Type"] == "application/json"
    assert headers["User-Agent"].startswith("honeytrace/")


@pytest.mark.parametrize(
    "text",
    ["NaN", "Infinity", "-Infinity", "1e999", "-1e999", "[NaN]", "", "{", b"\xff", "{'a': 1}",
     "[" * 100_000],
    ids=lambda text: str(text)[:12],
)  # fmt: skip
def test_what_is_not_json_is_refused(text):
    """Python's extensions of JSON, and text that is not JSON, raise `ValueError`."""
    with pytest.raises(ValueError, match=r"."):
        loads(text)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, {"a": [math.nan]}])
def test_no_nan_is_written(value):
    """NaN and the infinities are refused, at any depth."""
    with pytest.raises(ValueError, match="convert it first"):
        dumps(value)


def test_numbers_are_read_as_they_are():
    """Integers stay integers, fractions floats."""
    assert loads(b"[1, 1.5, 1e3, 123456789012345678901234567890]") == [
        1, 1.5, 1000.0, 123456789012345678901234567890
    ]  # fmt: skip


def test_readable_json_is_indented():
    """For people there is the same strict JSON on several lines."""
    assert dumps({"a": "é"}, READABLE).decode() == '{\n  "a": "é"\n}'


def test_the_id_of_an_answer_is_enough():
    """An answer to startSession needs its session_id and may hold anything else."""
    assert wire.started_id(b'{"session_id": "x", "org_id": null}') == "x"


@pytest.mark.parametrize(
    "answer",
    [b"", b"ok", b"null", b"[]", b"5", b"{}", b'{"session_id": ""}', b'{"session_id": 5}',
     b'{"session_id": null}', b"<html>", b'{"session_id": NaN}'],
)  # fmt: skip
def test_an_answer_without_an_id_is_refused(answer):
    """An answer that names no session is a `ValueError`."""
    with pytest.raises(ValueError, match=r"."):
        wire.started_id(answer)


def test_an_event_is_decoded_by_the_events_names():
    """project_id and event_name are the project and the name; the rest is kept in `extra`."""
    session = wire.decode(
        json.dumps({
            "project_id": "p", "event_name": "s", "source": "dev", "session_id": ID.upper(),
            "event_type": "weird", "parent_id": None, "inputs": {"q": 1}, "end_time": 5.6,
            "outputs": None, "children": [1], "duration": "long",
        }).encode()
    )  # fmt: skip
    assert session == Session(
        project="p", session_name="s", source="dev", session_id=ID, inputs={"q": 1}, end_time=6,
        extra={"event_type": "weird", "children": [1], "duration": "long"},
    )  # fmt: skip


def test_an_event_needs_its_id_only():
    """Keys that are missing have their defaults, the names `unknown`."""
    session = wire.decode(json.dumps({"session_id": ID}).encode())
    assert session == Session(
        project="unknown", session_name="unknown", source="unknown", session_id=ID
    )


@pytest.mark.parametrize("answer", [b"", b"[]", b"null", b"{}", b'{"session_id": "x"}', b"<html>"])
def test_an_answer_that_is_no_event_is_refused(answer):
    """An answer that is not an object with an id raises `ValueError`."""
    with pytest.raises(ValueError, match=r"."):
        wire.decode(answer)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ('{"message": "no key"}', "no key"),
        ('{"message": {"a": 1}}', '{"message": {"a": 1}}'),
        ('{"error": "x"}', '{"error": "x"}'),
        ("[1]", "[1]"),
        ("<html>", "<html>"),
        ("", ""),
    ],
)
def test_the_words_of_an_error(answer, words):
    """The message of a JSON object, else the text as it is."""
    assert wire.message(answer) == words


KEPT = {408, 425, 429, *range(500, 600)}
HELD = {*range(100, 200), *range(300, 400), 401, 403, 404, 407}


@pytest.mark.parametrize("hundreds", range(1, 6))
def test_every_status_has_its_verdict(hundreds):
    """2xx delivers; what may pass is retried, what is a setting's fault held, the rest rejected."""
    for status in range(hundreds * 100, hundreds * 100 + 100):
        if hundreds == 2:
            expected = Verdict.DELIVERED
        elif status in KEPT:
            expected = Verdict.RETRY
        elif status == 413:
            expected = Verdict.TOO_LARGE
        else:
            expected = Verdict.HOLD if status in HELD else Verdict.REJECTED
        assert (status, verdict_of(status)) == (status, expected)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("0", 0.0),
        ("7", 7.0),
        (" 1.5 ", 1.5),
        ("-3", 0.0),
        ("100000", 300.0),
        ("inf", None),
        ("nan", None),
        ("", None),
        ("soon", None),
        (formatdate(NOW + 20, usegmt=True), 20.0),
        (formatdate(NOW - 20, usegmt=True), 0.0),
        (formatdate(NOW + 10**6, usegmt=True), 300.0),
        ("Tue, 14 Nov 2023 23:14:20 +0100", 60.0),
        ("Tue, 14 Nov 2023 22:13:20 +99999999999999999", None),
        ("Tue, 99 Nov 2023 22:13:20 GMT", None),
    ],
)
def test_retry_after_in_all_forms(value, seconds):
    """A number or a date, never negative, at most five minutes; nonsense is none."""
    assert retry_after(value, NOW) == seconds


@given(st.datetimes(timezones=st.timezones()).map(format_datetime) | st.text())
def test_any_retry_after_is_within_its_bounds(value):
    """Whatever the header says, the wait is none or between 0 and 300 seconds."""
    seconds = retry_after(value, NOW)
    assert seconds is None or 0 <= seconds <= 300


def test_a_request_is_received_leniently():
    """Whole floats, any case of the id, nulls, empty names and unknown keys are taken."""
    fields = wire.received(
        body(session_id=ID.upper(), source="", error=None, start_time=5.0, end_time=6.4, kept=[1])
    )
    assert fields == {"project": "p", "session_name": "s", "session_id": ID, "start_time": 5,
                      "end_time": 6, "kept": [1]}  # fmt: skip
    assert isinstance(fields["start_time"], int)


def test_a_lone_surrogate_is_replaced():
    """Half of a pair becomes U+FFFD, a whole pair the character that it means."""
    assert dumps(["\ud83d", "\ud83d\ude00"]).decode() == '["�","😀"]'


def test_a_parent_that_the_client_names_is_kept():
    """Names that are not fields of a session may come with it."""
    assert wire.received(body(session_id=ID, parent_id="p1"))["parent_id"] == "p1"


def test_a_fraction_of_the_start_is_kept():
    """A fractional start is not rounded."""
    assert wire.received(body(start_time=5.5))["start_time"] == 5.5


def test_a_session_without_an_id_gets_one():
    """The server makes a version 4 UUID."""
    assert uuid.UUID(wire.received(body())["session_id"]).version == 4


def test_a_session_in_a_string_is_decoded():
    """One published document has the object as a JSON-encoded string."""
    text = json.dumps({"session": json.dumps({"project": "p", "session_id": ID})}).encode()
    assert wire.received(text) == {"project": "p", "session_id": ID}


@pytest.mark.parametrize(
    ("request_body", "words"),
    [
        (b"", "the body is not JSON"),
        (b"{", "the body is not JSON"),
        (b"\xff\xfe", "the body is not JSON"),
        (b'{"session": NaN}', "the body is not JSON"),
        (b'{"session": "{"}', "the body is not JSON"),
        (b"[" * 100_000, "the body is not JSON"),
        (b"[]", "the body has to be"),
        (b"{}", "the body has to be"),
        (b'{"session": 5}', "the body has to be"),
        (b'{"session": "5"}', "the body has to be"),
        (body(project=5), "project is 5"),
        (body(session_id="x"), "session_id is 'x'"),
        (body(inputs=[1]), "inputs is [1]"),
        (body(end_time="x"), "end_time is 'x'"),
        (body(start_time=True), "start_time is True"),
        (body(parent_id=5), "parent_id is 5; it has to be a string"),
        (body(event_name=["x"]), "event_name is ['x']"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_bad_request_is_refused_with_a_sentence(request_body, words):
    """An invalid request raises a `ValueError` that says what is wrong."""
    with pytest.raises(ValueError, match=re.escape(words)):
        wire.received(request_body)


@pytest.mark.parametrize(
    ("fields", "parent"),
    [
        ({}, None),
        ({"parent_id": ID}, ID),
        ({"parent_id": ""}, None),
        ({"metadata": {"honeytrace": {"parent_id": ID}}}, ID),
        ({"metadata": {"honeytrace": {}}}, None),
        ({"metadata": {"honeytrace": 5}}, None),
        ({"metadata": {"honeytrace": {"parent_id": 5}}}, None),
    ],
)
def test_the_parent_is_found_where_the_client_wrote_it(fields, parent):
    """The parent's id stands in `parent_id`, or under our key of the metadata."""
    assert wire.parent(fields) == parent


def test_an_event_has_what_every_client_reads():
    """The stored session under the event's names; only parent_id is null."""
    event = wire.event(wire.received(body(session_id=ID, inputs={"q": 1})))
    assert event == {
        "project_id": "p", "event_name": "s", "source": "dev", "children_ids": [],
        "session_id": ID, "inputs": {"q": 1}, "parent_id": None, "event_type": "session",
        "event_id": ID,
    }  # fmt: skip


def test_an_event_without_names_is_complete():
    """Names that the client did not send read `unknown`."""
    event = wire.event({"session_id": ID})
    assert (event["project_id"], event["event_name"], event["source"]) == ("unknown",) * 3


def test_the_answer_to_start_has_what_the_newest_clients_insist_on():
    """org_id and workspace_id stand beside the event."""
    answer = wire.started({"session_id": ID})
    assert answer == {"org_id": "local", "workspace_id": "local", **wire.event({"session_id": ID})}


def test_a_shrunk_body_keeps_half_of_what_the_limits_allow():
    """The new cuts are listed after the earlier ones; everything else is unchanged."""
    metadata = {"team": "search", "honeytrace": {"truncated": ["inputs.x"], "kind": "function"}}
    session = Session(
        project="p",
        session_name="s",
        source="dev",
        session_id=ID,
        inputs={"list": list(range(1000)), "text": "x" * 2**20, "n": 1},
        metadata=metadata,
    )
    found = json.loads(wire.shrunk(wire.encode(session)))["session"]
    assert len(found["inputs"]["list"]) <= 501
    assert len(found["inputs"]["text"]) < 2**20
    assert found["metadata"]["honeytrace"] == {
        "truncated": ["inputs.x", "inputs.list", "inputs.text"],
        "kind": "function",
    }
    assert (found["inputs"]["n"], found["metadata"]["team"]) == (1, "search")
