"""Words for messages: hints at slips, and keys that are not shown."""

from __future__ import annotations

import pytest

from honeytrace._utils.text import (
    closest,
    did_you_mean,
    first_line,
    mask,
    printable,
    shorten,
    start_near_difference,
)


def test_a_slip_gets_a_hint():
    """The closest known word is proposed."""
    assert did_you_mean("projct", ["source", "project"], "no") == "did you mean 'project'?"


def test_a_word_like_no_other_gets_what_was_given():
    """Nothing is proposed that is not alike."""
    assert did_you_mean("zzz", ["source", "project"], "see the list") == "see the list"


def test_how_alike_is_set_by_the_cutoff():
    """A higher one proposes less."""
    assert [closest("proj", ["project"], each) for each in (0.6, 0.9)] == ["project", None]


@pytest.mark.parametrize("key", ["k-1", "Bearer k-1"])
def test_a_key_is_masked(key):
    """With or without the scheme that goes before it in the header."""
    assert mask("no key k-1 here", key) == "no key [REDACTED:api_key] here"


@pytest.mark.parametrize("key", [None, "", "Bearer "])
def test_without_a_key_nothing_is_masked(key):
    """An empty key stands between any two characters."""
    assert mask("words", key) == "words"


def test_a_long_text_is_shortened():
    """A long text ends with an ellipsis; a short one stays as it is."""
    assert shorten("abc", 3) == "abc"
    assert shorten("abcd", 3) == "abc…"


def test_the_first_line_is_the_first_that_is_not_blank():
    """Blank lines in front and everything after the first line are left out."""
    assert first_line("\n  \n one \ntwo") == "one"
    assert first_line("abcd", 3) == "abc…"


@pytest.mark.parametrize(
    ("one", "other", "at"),
    [
        ("a", "b", 0),
        ("a" * 40, "b" * 40, 0),
        ("a" * 40, "a" * 30, 10),
        ("x" * 33, "x" * 32 + "y", 12),
    ],
)
def test_texts_are_shown_where_they_differ(one, other, at):
    """From the start if they are short, else from shortly before the first difference."""
    assert start_near_difference(one, other, 32) == start_near_difference(other, one, 32) == at


@pytest.mark.parametrize("character", "\x1b\n\u202e\u200b\ufeff\U000e0041\ud800")
def test_what_cannot_be_seen_is_spelled_out(character):
    """Characters that steer a terminal, or that hide in a text, are shown as escapes."""
    assert printable(f"a{character}b") == f"a{ascii(character)[1:-1]}b"
