"""The values that a session does not hold completely."""

from __future__ import annotations

import pytest

from honeytrace import Session
from honeytrace._session.session import about
from honeytrace.testing._replay.losses import losses


def of(outputs, **noted) -> list[str]:
    session = Session(
        project="p",
        session_name="s",
        source="t",
        outputs=outputs,
        error="ValueError: [REDACTED:x]",
        metadata={"honeytrace": noted},
    )
    return list(map(str, losses(session, "outputs")))


@pytest.mark.parametrize(
    ("outputs", "noted", "expected"),
    [
        ({"a": "text", "b": [1, None, 2.5, True, "<b>", "<a href='x.y'>"]}, {}, []),
        ({"a": ["", "x [REDACTED:x]"]}, {}, ["outputs.a[1] was redacted"]),
        ({"a": {"[REDACTED:x]": 1}}, {}, ["outputs.a has a key that was redacted"]),
        ({"a": "<app.Odd>"}, {}, ["outputs.a is not plain data but <app.Odd>"]),
        ({"a": 1}, {"truncated": ["outputs.a", "outputs_", "inputs"]}, ["outputs.a was cut"]),
        ({"a": 1}, {"truncated": ["outputs"]}, ["outputs was cut"]),
        ({"a": 1}, {"truncated": ["outputs[2]"]}, ["outputs[2] was cut"]),
    ],
)
def test_losses(outputs, noted, expected):
    """Each place in a field is told with what happened there, other fields are not."""
    assert of(outputs, **noted) == expected


def test_error():
    """A field may be a text, too."""
    session = Session(project="p", session_name="s", source="t", error="E: [REDACTED:x]")
    assert list(map(str, losses(session, "error"))) == ["error was redacted"]


def test_foreign():
    """Another client's data under our key is ignored."""
    session = Session(project="p", session_name="s", source="t", metadata={"honeytrace": "theirs"})
    assert (about(session), losses(session, "outputs")) == ({}, [])
