"""The caller keeps and the worker reads the same as a snapshot has, at less cost."""

from __future__ import annotations

import json
import threading
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from honeytrace._capture import deferred
from honeytrace._capture.deferred import Encoded, arguments, as_object, keep, named, read
from honeytrace._capture.rules import Limits, rules
from honeytrace._capture.snapshot import Snapshot
from honeytrace._session import wire
from honeytrace._session.build import close
from honeytrace._session.record import CallRecord, TraceSpec

texts = st.text(st.characters(categories=["Cs", "L", "Cc", "P"]))
numbers = st.integers() | st.integers(2**62, 2**65) | st.integers(-(2**65), -(2**62)) | st.floats()
leaves = st.none() | st.booleans() | numbers | texts
keys = st.recursive(texts | leaves | st.binary() | st.text("k", min_size=120), st.tuples)
plain = st.recursive(
    leaves,
    lambda inner: st.lists(inner) | st.dictionaries(keys, inner) | st.tuples(inner, inner),
    max_leaves=20,
)


class Names:
    project, source = "p", "dev"


def bind(args, kwargs):
    return {**{f"p{index}": value for index, value in enumerate(args)}, **kwargs}


def taken(args, kwargs):
    captured, _, cuts = arguments(args, kwargs, bind)
    return named(captured, bind), cuts


def returned(value):
    """A result as the outputs hold it."""
    return as_object(read(keep(value, "outputs")[0], "outputs"))


def exactly(value):
    """A text that tells 1, 1.0 and True apart, and shows the order of keys."""
    return repr(value)


def old_encoding(session):
    """The body of a request as the standard library encodes it."""
    encoder = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return encoder.encode({"session": wire.payload(session)})


@given(plain, plain)
def test_a_session_is_encoded_as_the_standard_library_does(argument, result):
    """From the values of the caller to the bytes on the wire."""
    captured, _, _ = arguments((argument,), {}, bind)
    record = CallRecord(TraceSpec("name", bind=bind), Names, None, bytes(16), captured)
    record.result, record.ended = keep(result, "outputs")[0], True
    session = close(record)
    text = wire.encode(session).decode()
    assert text == old_encoding(session).encode("utf-16", "surrogatepass").decode(
        "utf-16", "replace"
    )
    assert exactly(session.inputs) == exactly({"p0": Snapshot().take(argument, "")})
    assert exactly(session.outputs) == exactly(as_object(Snapshot().take(result, "")))


@given(st.lists(plain), st.dictionaries(st.sampled_from("abc"), plain))
def test_arguments_read_as_their_snapshot(args, kwargs):
    """Whichever form they are kept in, what is read later is what a snapshot would hold."""
    want = Snapshot().take(bind(args, kwargs), "inputs")
    assert exactly(taken(tuple(args), kwargs)) == exactly((want, None))


@given(plain)
def test_results_read_as_their_snapshot(value):
    """A mapping as it is, any other value as `result`."""
    copy = Snapshot().take(value, "outputs")
    assert exactly(returned(value)) == exactly(as_object(copy))
    assert keep(value, "outputs")[2] is None


@pytest.mark.parametrize(
    "value",
    [
        {"a": object()},
        [[object()]],
        {(1, 2): "a key that is no text"},
        {object(): "a key of no known kind"},
        {str(n): n for n in range(10_000)},
        ["x"] * 10_000,
        [{"text": "x" * 100_000}],
        {"a": {"b": ["x" * 100_000]}},
        [[[[[[[[[[["deep"]]]]]]]]]]],
        b"bytes",
    ],
    ids="",
)
def test_what_is_not_small_or_plain_is_a_snapshot_too(value):
    """Objects, odd keys, large and deep data: read as their snapshot."""
    want = Snapshot().take({"p0": value}, "inputs")
    got, _ = taken((value,), {})
    assert got == want
    assert returned(value) in ({"result": want["p0"]}, want["p0"])


def test_later_changes_do_not_show():
    """Data is detached when it is captured."""
    chat = [{"role": "user", "content": ["hi", {"n": 1}]}]
    captured, _, _ = arguments((chat,), {}, bind)
    answer = keep(chat, "outputs")[0]
    chat[0]["content"][1]["n"] = 2
    chat.clear()
    assert named(captured, bind)["p0"] == [{"role": "user", "content": ["hi", {"n": 1}]}]
    assert read(answer, "outputs") == [{"role": "user", "content": ["hi", {"n": 1}]}]


def test_long_texts_are_cut_at_once():
    """One over the limit is cut and its path listed, in arguments and results."""
    captured, size, cuts = arguments(("x" * (2**20 + 1),), {}, bind)
    assert (cuts, size >= 2**20) == (["inputs.p0"], True)
    assert named(captured, bind)["p0"].endswith("… [1 more characters]")
    assert keep("x" * (2**20 + 1), "outputs")[2] == ["outputs"]


def test_a_text_of_a_megabyte_is_shared():
    """It is neither copied nor cut."""
    text = "x" * 1_000_000
    captured, size, _ = arguments((text,), {}, bind)
    assert (captured[0][0] is text, size) == (True, 1_000_000)


def test_data_that_another_thread_fills_is_captured():
    """A dict that grows meanwhile costs neither the capture nor an exception."""
    shared, done = {}, threading.Event()

    def fill():
        for number in range(200_000):
            shared[number % 500] = number
            if number % 500 == 499:
                shared.clear()
        done.set()

    thread = threading.Thread(target=fill)
    thread.start()
    while not done.is_set():
        assert isinstance(taken((shared,), {})[0]["p0"], dict)
    thread.join()


class Meta(type):
    """A metaclass that answers for its classes, and leaves them without a hash."""

    def __eq__(cls, other):
        raise AssertionError("asked")


class Asked(metaclass=Meta):
    pass


@pytest.mark.parametrize(
    ("body", "media_type", "value"),
    [
        (b'{"a": 1}', "", {"a": 1}),
        (b"hello", "text/plain", "hello"),
        (b"mp3", "audio/mpeg", {"media_type": "audio/mpeg", "bytes": 3}),
    ],
)
def test_body_of_an_answer(body, media_type, value):
    """The body of an answer is decoded when it is read; what is not text is described."""
    kept = keep(Encoded(body, SimpleNamespace(media_type=media_type)), "outputs")
    assert kept[1:] == (len(body), None)
    assert read(kept[0], "outputs") == value


def test_classes_are_not_asked_whether_they_are_known():
    """Types are told by identity: a metaclass of the user's is not run."""
    assert taken((Asked(), {"in": Asked()}, [Asked()]), {})[0]["p0"].endswith("Asked>")
    assert returned(Asked())["result"].endswith("Asked>")


def test_what_can_never_change():
    """Texts, numbers, truth values and None need no copy; containers do."""
    assert all(map(deferred.constant, ["x", 1, 1.5, True, None]))
    assert not any(map(deferred.constant, [[], {}, (), b"", object(), Asked()]))


@pytest.mark.parametrize(
    ("limits", "value"),
    [
        ({"string": 3}, "abcd"),
        ({"chars": 3}, "abcd"),
        ({"string": 3}, ["abcd"]),
        ({"chars": 3}, ["abcd"]),
        ({"nodes": 5}, [[1, 2], [3, 4], [5, 6]]),
        ({"depth": 3}, [[[[1]]]]),
        ({"items": 2}, [1, 2, 3]),
        ({}, [0] * 1001),
    ],
)
def test_what_is_cut_is_told_at_once(limits, value, monkeypatch):
    """The paths of values over a limit are listed, whatever the limits of the process are."""
    monkeypatch.setattr(rules, "limits", Limits.of(limits))
    snapshot = Snapshot()
    want = snapshot.take({"p0": value}, "inputs")
    assert taken((value,), {}) == (want, snapshot.cuts)
    assert keep(value, "outputs")[2] or "depth" in limits or "nodes" in limits
