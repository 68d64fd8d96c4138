"""Texts without a secret are remembered, within a bound, and change no result."""

from __future__ import annotations

from honeytrace._redaction.known_texts import MAX_KNOWN_CHARACTERS, KnownTexts
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


def test_the_memory_is_bounded():
    """When there are too many characters, all are forgotten; very long texts are not kept."""
    known = KnownTexts()
    known.add(["x" * MAX_KNOWN_CHARACTERS])
    assert known.others(["x" * MAX_KNOWN_CHARACTERS])
    texts = [f"{number} {'x' * 2**13}" for number in range(2 * MAX_KNOWN_CHARACTERS // 2**13)]
    for text in texts:
        known.add([text])
        assert text in known
    assert sum(text in known for text in texts) * 2**13 <= MAX_KNOWN_CHARACTERS


def test_a_text_with_a_secret_is_found_again():
    """A secret is found each time, and a text without one comes back each time."""
    for _ in range(3):
        assert clean("password=tr0ub4dor&3x") == "password=[REDACTED:password]"
        assert clean("the password is long") == "the password is long"
        assert suspects(["the password is long"]) == []
