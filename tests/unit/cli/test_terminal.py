"""Lines that fit into a terminal."""

from __future__ import annotations

import pytest

from honeytrace.cli._terminal import columns, fit, pad, wrap


@pytest.mark.parametrize(("text", "width"), [("abc", 3), ("é", 1), ("e\u0301", 1), ("長い", 4)])
def test_columns(text: str, width: int) -> None:
    """An accent takes no column of its own, and a Chinese or Japanese character takes two."""
    assert columns(text) == width
    assert pad(text, 6) == text + " " * (6 - width)
    assert pad(text, 6, right=True) == " " * (6 - width) + text


@pytest.mark.parametrize(
    ("line", "shown"), [("seven w", "seven w"), ("seven wo", "seven …"), ("長い長い", "長い長…")]
)
def test_fit(line: str, shown: str) -> None:
    """What is too wide ends with an ellipsis, and is never wider than it may be."""
    assert fit(line, 7) == shown


@pytest.mark.parametrize(
    ("line", "rows"),
    [
        ("", [""]),
        ("seven words", ["seven", "words"]),
        ("sevenwords", ["sevenwo", "rds"]),
        ("長い長い", ["長い長", "い"]),
        ("seven words that go on", ["seven", "words", "that g…"]),
    ],
)
def test_wrap(line: str, rows: list[str]) -> None:
    """Rows end between words where that is possible; the last one says that it was cut."""
    assert wrap(line, 7, 3) == rows
