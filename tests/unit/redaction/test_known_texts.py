"""Texts without a secret are remembered, within a bound, and change no result."""

from __future__ import annotations

import tracemalloc

import pytest

from honeytrace._redaction.known_texts import MAX_KNOWN_BYTES, KnownTexts
from honeytrace._redaction.secrets import suspects
from honeytrace._redaction.secrets import without_secrets as clean


def test_texts_are_remembered():
    """Only texts that were not seen have to be looked through."""
    known = KnownTexts()
    assert known.others(["a", "b", "a"]) == {"a", "b"}
    known.add(["a"])
    assert known.others(["a", "b"]) == {"b"}
    assert "a" in known
    assert "b" not in known


@pytest.mark.parametrize("characters", [0, 2**13])
def test_the_memory_is_bounded(characters):
    """When they take too much, all are forgotten, however short they are."""
    known = KnownTexts()
    texts = [f"{number} {'x' * characters}" for number in range(40_000 if not characters else 500)]
    tracemalloc.start()
    try:
        for text in texts:
            known.add([f"{text}."])  # a copy, which only the known texts keep
            assert f"{text}." in known
            assert tracemalloc.get_traced_memory()[0] < 2 * MAX_KNOWN_BYTES
    finally:
        tracemalloc.stop()


def test_very_long_texts_are_not_remembered():
    """They hardly ever come again."""
    known = KnownTexts()
    known.add(["x" * 2**15])
    assert known.others(["x" * 2**15])


def test_a_text_with_a_secret_is_found_again():
    """A secret is found each time, and a text without one comes back each time."""
    for _ in range(3):
        assert clean("password=tr0ub4dor&3x") == "password=[REDACTED:password]"
        assert clean("the password is long") == "the password is long"
        assert suspects(["the password is long"]) == []
